/** @file Timing calls: the median of a few after a warm-up, within a budget of time. */

import { median } from "../statistics.ts";

export { median };

/** Calls whose median is reported, at most and at least; between them the budget decides. */
const MAX_CALLS = 7;
const MIN_CALLS = 1;
const BUDGET_MS = 3000;

/** Runs `call` once to warm up and then a few times; the median wall time of the latter, in seconds. */
export async function medianSeconds(call: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await call();
  const times: number[] = [];
  while (times.length < MAX_CALLS && (times.length < MIN_CALLS || performance.now() - begun < BUDGET_MS)) {
    const started = performance.now();
    await call();
    times.push((performance.now() - started) / 1000);
  }
  return median(times);
}
