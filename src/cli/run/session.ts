/** @file What `rmxc run` does, apart from words: compile, load, time, verify. */
import type { Diagnostic, Sources } from "../../../grammar/diagnostics.ts";
import type { Fusion } from "../../../passes/pass.ts";
import { compileFor } from "../../compile.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Plan } from "../../ir/plan.ts";
import type { ScheduleSource } from "../../ir/schedule.ts";
import { scaledDerived } from "../../ir/storage.ts";
import { loadEngine } from "../../load.ts";
import { readInputs } from "../../runtime/datafiles.ts";
import type { Device } from "../../runtime/device.ts";
import { drawnWeights } from "../../runtime/drawn.ts";
import { drawnInputs } from "../../runtime/drawninputs.ts";
import type { Engine, Scores } from "../../runtime/engine/types.ts";
import { fileWeights } from "../../runtime/fileweights.ts";
import { type ModelInputs, stageValues } from "../../runtime/inputs.ts";
import type { WeightSource } from "../../runtime/weights.ts";
import { elaborateSpec, notesFor, type SetValue } from "../../spec.ts";
import { allKernels } from "../../variant.ts";
import { type PrecisionSummary, precisionOf } from "../precision.ts";
import { medianSeconds } from "../timing.ts";
import { type Verification, verifyOnDevice } from "./verification.ts";

export interface RunRequest {
  readonly spec: string;
  readonly set: Readonly<Record<string, SetValue>>;
  readonly precision: string | undefined;
  readonly weights: string | undefined;
  readonly input: string | undefined;
  readonly seed: number;
  readonly requests: number | undefined;
  readonly candidates: number | undefined;
  readonly verify: boolean;
  /** False: the user's share is computed for every candidate. */
  readonly reuse: boolean;
  readonly fuse: Fusion;
  /** Tuned schedules, where there are any. */
  readonly schedules: ScheduleSource | undefined;
  /** Called with what each pass made of the model. */
  readonly onPass?: (pass: string, result: Graph | Plan) => void;
}

export interface Watcher {
  progress<T>(label: string, work: (report: (done: number, total: number) => void) => Promise<T>): Promise<T>;
  warn(diagnostics: readonly Diagnostic[], sources: Sources): Promise<void>;
}

export interface RunResult {
  readonly request: RunRequest;
  readonly device: { readonly kind: string; readonly name: string };
  readonly model: string;
  /** Values in all parameters. */
  readonly parameters: number;
  readonly requests: number;
  readonly candidates: number;
  readonly outputs: readonly { readonly task: string; readonly shape: readonly number[] }[];
  readonly scores: Scores;
  /** Wall seconds: loading once; the median of a few calls of the others. */
  readonly seconds: { readonly load: number; readonly user: number; readonly item: number };
  readonly verification: Verification | undefined;
  /** The plan that was timed, and the text of the spec's files. */
  readonly precision: PrecisionSummary;
  readonly plan: Plan;
  readonly sources: Sources;
}

export async function runModel(request: RunRequest, device: Device, watcher: Watcher): Promise<RunResult> {
  const { graph, diagnostics, sources } = elaborateSpec(request.spec, {
    set: request.set,
    precision: request.precision,
  });
  await watcher.warn(notesFor(diagnostics, [device.profile]), sources);
  const { reuse, fuse, schedules, onPass } = request;
  const options = { reuse, fuse, ...(schedules !== undefined && { schedules }) };
  const variant = compileFor(graph, device.profile, {
    ...options,
    ...(onPass !== undefined && { onPass }),
  });
  const flops = allKernels(variant.plan).reduce(
    (sum, { stage, about }) => sum + (stage === "item" ? about.flops : 0),
    0,
  );
  const weights = openWeights(request, graph);
  try {
    const inputs = openInputs(request, graph, defaultCandidates(flops, device));
    const program = { name: graph.name, graph, variants: [variant] };
    const started = performance.now();
    const engine = await watcher.progress("loading", (report) =>
      loadEngine(program, weights, device, { onProgress: (_, done, total) => report(done, total) }),
    );
    const load = (performance.now() - started) / 1000;
    const measured = await usingEngine(engine, graph, inputs);
    const verification =
      request.verify && device.kind !== "reference"
        ? await verifyOnDevice(graph, device, weights, inputs, measured.scores, watcher, options)
        : undefined;
    return {
      request,
      device: { kind: device.kind, name: device.name },
      model: graph.name,
      precision: precisionOf(graph),
      parameters: graph.params.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0),
      requests: inputs.requests,
      candidates: inputs.candidates,
      outputs: graph.outputs.map(({ name, shape }) => ({ task: name, shape })),
      scores: measured.scores,
      seconds: { load, user: measured.user, item: measured.item },
      verification,
      plan: variant.plan,
      sources,
    };
  } finally {
    weights.close();
  }
}

/** Drawn weights are perturbed: gains of one and biases of zero would hide a kernel that forgets them. */
export function openWeights(request: Pick<RunRequest, "weights" | "seed">, graph: Graph): WeightSource {
  if (request.weights !== undefined) return fileWeights(request.weights, graph.params, scaledDerived(graph));
  return drawnWeights(graph.params, { seed: request.seed, perturb: true });
}

export function openInputs(
  request: Pick<RunRequest, "input" | "requests" | "candidates" | "seed">,
  graph: Graph,
  candidates: number,
): ModelInputs {
  if (request.input !== undefined) return readInputs(request.input, graph.features);
  return drawnInputs(graph.features, {
    requests: request.requests ?? 1,
    candidates: request.candidates ?? candidates,
    seed: request.seed,
    shuffled: true,
  });
}

/** Work that a two-core machine does in about a second; the reference is some fifty times slower than kernels. */
const FLOPS_BUDGET = { kernels: 5e9, reference: 1e9 };

/** As many candidates as the budget allows, a power of two from 1 to 64. */
function defaultCandidates(flopsPerCandidate: number, device: Device): number {
  const budget = device.kind === "reference" ? FLOPS_BUDGET.reference : FLOPS_BUDGET.kernels;
  const affordable = Math.floor(budget / Math.max(1, flopsPerCandidate));
  return Math.min(64, 2 ** Math.floor(Math.log2(Math.max(1, affordable))));
}

interface Measured {
  readonly scores: Scores;
  readonly user: number;
  readonly item: number;
}

async function usingEngine(engine: Engine, graph: Graph, inputs: ModelInputs): Promise<Measured> {
  try {
    const userFeatures = stageValues(graph.features, inputs, "user");
    const itemFeatures = stageValues(graph.features, inputs, "item");
    const user = await medianSeconds(async () => {
      const handle = await engine.user(userFeatures, { requests: inputs.requests });
      handle.free();
    });
    const handle = await engine.user(userFeatures, { requests: inputs.requests });
    let scores: Scores = new Map();
    const item = await medianSeconds(async () => {
      scores = await engine.score(handle, itemFeatures, {
        request: inputs.request,
        candidates: inputs.candidates,
      });
    });
    handle.free();
    return { scores, user, item };
  } finally {
    engine.destroy();
  }
}
