/**
 * @file What storage does to a model's scores: the reference with the weights as given against the reference with everything as
 * stored, on the same inputs. Kernels add their own rounding, which `rmxc run --verify` measures.
 */
import { type EvaluationOptions, evaluate } from "../../backends/reference/evaluate.ts";
import type { Graph, Output } from "../ir/graph.ts";
import { opDef } from "../ir/ops/index.ts";
import { evaluated } from "../runtime/engine/reference.ts";
import type { ModelInputs } from "../runtime/inputs.ts";
import { storedEvaluation } from "../runtime/storedweights.ts";
import { relativeError } from "../runtime/verify.ts";
import { countOf, type WeightSource } from "../runtime/weights.ts";
import { type Agreement, agreement } from "./ranking.ts";

export interface TaskReport extends Agreement {
  readonly task: string;
  readonly maxError: number;
  /** Relative L2 error of the logits where the task ends in a sigmoid, else of the scores. */
  readonly relativeError: number;
  /** All scores, [N, …] row-major: with the weights as given, and as stored. */
  readonly given: Float64Array;
  readonly stored: Float64Array;
}

/** FLOPs that the reference spends on one candidate, everything computed for it; sparse experts count in full. */
export function referenceFlops(graph: Graph): number {
  return graph.nodes.reduce((sum, node) => {
    const types = node.inputs.map(({ id, map }) => {
      const { type } = graph.nodes[id];
      return map === undefined ? type : { shape: map.out, dtype: type.dtype };
    });
    return sum + opDef(node.op.kind).flops(node.op, types, node.type, { R: 1, N: 1 });
  }, 0);
}

/** `inputScales`: calibrated scales of activations; `onHalf` is called between the two evaluations. */
export function compareScores(
  graph: Graph,
  weights: WeightSource,
  inputs: ModelInputs,
  inputScales: ReadonlyMap<string, number>,
  onHalf: () => void = () => {},
): TaskReport[] {
  const wanted = graph.outputs.flatMap(({ value, logit }) => [value, logit ?? value]);
  const run = (params: WeightSource, options: EvaluationOptions) =>
    evaluated(() => evaluate(graph, { ...inputs, params }, wanted, options));
  const before = run(weights, {});
  weights.release();
  onHalf();
  const scaled: WeightSource = {
    ...weights,
    inputScaleOf: (path) => inputScales.get(path) ?? weights.inputScaleOf?.(path),
  };
  const { params, options } = storedEvaluation(graph, scaled);
  const after = run(params, options);
  params.release();
  return graph.outputs.map((output, i) => {
    const [given, stored] = [before, after].map((values) => perCandidate(values[2 * i].data, output, inputs));
    const maxError = given.reduce((most, value, n) => Math.max(most, Math.abs(value - stored[n])), 0);
    return {
      task: output.name,
      maxError,
      relativeError: relativeError(after[2 * i + 1].data, before[2 * i + 1].data),
      ...meanAgreement(given, stored, output, inputs),
      given,
      stored,
    };
  });
}

/** A score that depends on no candidate is the same for all. */
function perCandidate(data: ArrayLike<number>, { shape }: Output, { candidates }: ModelInputs): Float64Array {
  const unit = countOf(shape);
  return Float64Array.from({ length: candidates * unit }, (_, i) => data[i % data.length]);
}

/** Over the candidates of each request and the columns of the task; a figure that some of them lack is the mean of the others. */
function meanAgreement(
  given: Float64Array,
  stored: Float64Array,
  { shape }: Output,
  { requests, request, candidates }: ModelInputs,
): Agreement {
  const unit = countOf(shape);
  const all: Agreement[] = [];
  for (let r = 0; r < requests; r++) {
    const mine = Array.from({ length: candidates }, (_, n) => n).filter((n) => request[n] === r);
    if (mine.length === 0) continue;
    for (let c = 0; c < unit; c++) {
      const column = (scores: Float64Array): number[] => mine.map((n) => scores[n * unit + c]);
      all.push(agreement(column(given), column(stored)));
    }
  }
  const mean = (of: (each: Agreement) => number): number => {
    const known = all.map(of).filter((value) => !Number.isNaN(value));
    return known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  return {
    tau: mean(({ tau }) => tau),
    swapped: mean(({ swapped }) => swapped),
    top10: mean(({ top10 }) => top10),
  };
}
