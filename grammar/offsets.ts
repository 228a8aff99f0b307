/** @file Questions about ascending lists of offsets. */

/** Whether one of the ascending `offsets` lies between `from` and `to`, both included. */
export function anyBetween(offsets: readonly number[], from: number, to: number): boolean {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((offsets[middle] ?? 0) < from) low = middle + 1;
    else high = middle;
  }
  return (offsets[low] ?? Number.POSITIVE_INFINITY) <= to;
}
