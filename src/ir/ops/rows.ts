/** @file Walking the rows of a row-major tensor along one axis. */

/** Calls `visit` with where each row along `axis` begins and the step between its elements. */
export function forEachRow(
  shape: readonly number[],
  axis: number,
  visit: (start: number, step: number, length: number) => void,
): void {
  const length = shape[axis];
  const step = shape.slice(axis + 1).reduce((product, extent) => product * extent, 1);
  const outer = shape.slice(0, axis).reduce((product, extent) => product * extent, 1);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < step; i++) visit(o * length * step + i, step, length);
  }
}
