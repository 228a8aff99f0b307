/** @file What `rmxc quantize` does, apart from words: calibrate, convert, compare the scores. */
import { InputError } from "../../ir/error.ts";
import type { Graph } from "../../ir/graph.ts";
import { scaledDerived } from "../../ir/storage.ts";
import { type Advice, advise } from "../../quantize/advice.ts";
import { calibrate } from "../../quantize/calibrate.ts";
import { convert, type TensorReport } from "../../quantize/convert.ts";
import { compareScores, referenceFlops, type TaskReport } from "../../quantize/scores.ts";
import { readInputs } from "../../runtime/datafiles.ts";
import { drawnWeights } from "../../runtime/drawn.ts";
import { drawnInputs } from "../../runtime/drawninputs.ts";
import { fileWeights } from "../../runtime/fileweights.ts";
import type { ModelInputs } from "../../runtime/inputs.ts";
import type { WeightSource } from "../../runtime/weights.ts";

export interface QuantizeRequest {
  readonly weights: string | undefined;
  readonly output: string | undefined;
  readonly inputs: string | undefined;
  readonly calibrate: string | undefined;
  readonly seed: number;
  readonly requests: number | undefined;
  readonly candidates: number | undefined;
}

export interface QuantizeResult {
  readonly model: string;
  readonly tensors: readonly TensorReport[];
  readonly advice: readonly Advice[];
  readonly inputScales: ReadonlyMap<string, number>;
  /** Undefined: the model is too large for the reference to score candidates that nobody asked for. */
  readonly scores: Scored | undefined;
  /** FLOPs of one candidate in the reference. */
  readonly flops: number;
}

export interface Scored {
  readonly requests: number;
  readonly candidates: number;
  readonly tasks: readonly TaskReport[];
}

export type Progress = <T>(
  label: string,
  work: (report: (done: number, total: number) => void) => Promise<T>,
) => Promise<T>;

/** Drawn candidates: as many as the reference scores twice in some ten seconds on a slow core, at least as many as an order needs. */
const FLOPS_BUDGET = 2e9;
const FEWEST = 8;
const MOST = 64;
/** FLOPs past which the reference runs only where candidates were asked for: about a minute. */
const PATIENCE = 15e9;

export async function quantize(
  graph: Graph,
  request: QuantizeRequest,
  progress: Progress,
): Promise<QuantizeResult> {
  if (request.calibrate !== undefined && graph.params.every(({ inputs }) => inputs === undefined)) {
    throw new InputError("RMX0604", "there is nothing to calibrate: no line of `precision` has `inputs`", {
      help: 'write `"**.ffn.w*" = fp8_e4m3 inputs fp8_e4m3`, or leave `--calibrate` out',
    });
  }
  const weights = openWeights(graph, request);
  try {
    const inputScales = await progress("calibrating", async () => scalesOf(graph, weights, request));
    const tensors = await progress("converting", async (report) =>
      convert(graph, weights, { inputScales, output: request.output, onProgress: report }),
    );
    const flops = referenceFlops(graph);
    const inputs = openInputs(graph, request, flops);
    const scores =
      inputs &&
      (await progress("scoring", async (report) => {
        report(0, 2);
        const tasks = compareScores(graph, weights, inputs, inputScales, () => report(1, 2));
        return { requests: inputs.requests, candidates: inputs.candidates, tasks };
      }));
    return { model: graph.name, tensors, advice: advise(tensors), inputScales, scores, flops };
  } finally {
    weights.close();
  }
}

/** Drawn weights are perturbed, as those of `rmxc run` are: gains of one and biases of zero lose nothing in any type. */
function openWeights(graph: Graph, { weights, seed }: QuantizeRequest): WeightSource {
  if (weights !== undefined) return fileWeights(weights, graph.params, scaledDerived(graph));
  return drawnWeights(graph.params, { seed, perturb: true });
}

/** Scales that the weights file brings along stay where none are calibrated. */
function scalesOf(graph: Graph, weights: WeightSource, request: QuantizeRequest): Map<string, number> {
  if (request.calibrate !== undefined)
    return calibrate(graph, weights, readInputs(request.calibrate, graph.features));
  return new Map(
    graph.params.flatMap(({ path, inputs }) => {
      const scale = inputs === undefined ? undefined : weights.inputScaleOf?.(path);
      return scale === undefined ? [] : [[path, scale] as const];
    }),
  );
}

function openInputs(graph: Graph, request: QuantizeRequest, flops: number): ModelInputs | undefined {
  if (request.inputs !== undefined) return readInputs(request.inputs, graph.features);
  const affordable = 2 ** Math.floor(Math.log2(Math.max(1, FLOPS_BUDGET / Math.max(1, flops))));
  const candidates = request.candidates ?? Math.min(MOST, Math.max(FEWEST, affordable));
  if (request.candidates === undefined && candidates * flops > PATIENCE) return undefined;
  return drawnInputs(graph.features, {
    requests: request.requests ?? 1,
    candidates,
    seed: request.seed,
    shuffled: true,
  });
}
