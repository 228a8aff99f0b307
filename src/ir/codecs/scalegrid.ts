/** @file Which scale an element has, walked row by row: a *run* is one index of all axes but the last. */
import { type Scaling, scaleShape } from "../storage.ts";

export interface ScaleGrid {
  /** How many scales there are. */
  readonly count: number;
  /** Within a run, what is added to its base for each index of the last axis. */
  readonly inner: Int32Array;
  /** Calls `visit(start, base)` for every run: its first element, and its first scale. */
  forEachRun(visit: (start: number, base: number) => void): void;
}

/** The scales of a value of this shape, row-major over `scaleShape`. */
export function scaleGrid(shape: readonly number[], scaling: Scaling): ScaleGrid {
  const scales = scaleShape(shape, scaling);
  const last = scaling.shared.at(-1);
  /** For each axis, where each of its indices moves in the scales. */
  const offsets: Int32Array[] = [];
  let stride = 1;
  for (let j = shape.length - 1; j >= 0; j--) {
    const step = stride;
    const run = !scaling.shared.includes(j) ? 1 : j === last ? scaling.group : undefined;
    offsets[j] = Int32Array.from({ length: shape[j] }, (_, i) =>
      run === undefined ? 0 : Math.floor(i / run) * step,
    );
    stride *= scales[j];
  }
  const inner = offsets.at(-1) ?? new Int32Array(1);
  const outer = shape.slice(0, -1);
  return {
    count: stride,
    inner,
    forEachRun(visit) {
      const index = outer.map(() => 0);
      const runs = outer.reduce((product, extent) => product * extent, 1);
      for (let run = 0; run < runs; run++) {
        visit(
          run * inner.length,
          index.reduce((sum, i, j) => sum + offsets[j][i], 0),
        );
        for (let j = outer.length - 1; j >= 0; j--) {
          if (++index[j] < outer[j]) break;
          index[j] = 0;
        }
      }
    },
  };
}
