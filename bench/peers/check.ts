/**
 * @file Does a peer compute what the model says? The first candidates' scores are compared with the f64 reference, which would
 * take minutes for all of them; the others with rmxc's. A peer that computes something else is no peer.
 */
import { evaluate } from "../../backends/reference/evaluate.ts";
import { relativeError } from "../../src/runtime/verify.ts";
import { draw, fewer, type Job } from "./job.ts";

export type Outputs = ReadonlyMap<string, Float32Array>;

const CANDIDATES = 2;
const TOLERANCE = 1e-4;

/** The first candidates' scores in f64, by task. */
export function referenceOf(job: Job): ReadonlyMap<string, ArrayLike<number>> {
  const { graph, weights, inputs } = draw(fewer(job, CANDIDATES));
  const values = evaluate(
    graph,
    { ...inputs, params: weights },
    graph.outputs.map(({ value }) => value),
  );
  return new Map(graph.outputs.map(({ name }, i) => [name, values[i]?.data ?? []]));
}

/** The larger of the two errors. Throws where it is no rounding error. */
export function checkOutputs(
  outputs: Outputs,
  reference: ReadonlyMap<string, ArrayLike<number>>,
  ours: Outputs,
): number {
  let worst = 0;
  for (const [task, expected] of reference) {
    const actual = outputs.get(task);
    if (actual === undefined) throw new Error(`it gives no ${task}`);
    const first = relativeError(actual.subarray(0, expected.length), expected);
    const all = relativeError(actual, ours.get(task) ?? []);
    worst = Math.max(worst, first, all);
  }
  if (!(worst <= TOLERANCE))
    throw new Error(`it computes something else: relative error ${worst.toPrecision(2)}`);
  return worst;
}
