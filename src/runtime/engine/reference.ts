/**
 * @file The engine of the `reference` device: the same interface, evaluated in f64 on the CPU. A handle keeps its requests'
 * features, since the evaluator computes what candidates need in one go.
 */
import { EvaluationError, evaluate } from "../../../backends/reference/evaluate.ts";
import { InputError } from "../../ir/error.ts";
import type { Graph } from "../../ir/graph.ts";
import {
  checkInputs,
  checkRequest,
  type FeatureArray,
  type FeatureValues,
  type StageInputs,
} from "../inputs.ts";
import { storedEvaluation } from "../storedweights.ts";
import type { WeightSource } from "../weights.ts";
import { countOf } from "../weights.ts";
import { type CacheOptions, UserCache } from "./cache.ts";
import { Handle, holding, type Keeper } from "./handles.ts";
import { decodeKept, encodeKept, type Identity, type KeptSpec } from "./serialized.ts";
import type { Engine, EngineOptions, EngineStats, ScoreOptions, Scores, UserHandle } from "./types.ts";

export class ReferenceEngine implements Engine, Keeper<StageInputs> {
  readonly #graph: Graph;
  readonly #weights: WeightSource;
  readonly #ownsWeights: boolean;
  readonly #stored: ReturnType<typeof storedEvaluation>;
  readonly #identity: Identity;
  readonly #specs: readonly KeptSpec[];
  readonly #stageMs: { user?: number; item?: number } = {};
  #requestsKept = 0;
  #bytes = 0;
  #destroyed = false;

  constructor(
    graph: Graph,
    weights: WeightSource,
    { version = "", ownsWeights = false }: EngineOptions = {},
  ) {
    this.#graph = graph;
    this.#weights = weights;
    this.#ownsWeights = ownsWeights;
    this.#stored = storedEvaluation(graph, weights);
    this.#identity = { model: graph.name, plan: "reference", version };
    this.#specs = graph.features
      .filter(({ stage }) => stage === "user")
      .map(({ name, dtype, shape }) => ({ name, element: dtype, shape }));
  }

  get live(): boolean {
    return !this.#destroyed;
  }

  check(): void {
    if (this.#destroyed) throw new InputError("RMX0804", "the engine was destroyed");
  }

  requestsOf(kept: StageInputs): number {
    return kept.rows;
  }

  bytesOf(kept: StageInputs): number {
    return [...kept.features.values()].reduce((sum, array) => sum + array.byteLength, 0);
  }

  async serialize(kept: StageInputs): Promise<Uint8Array> {
    const arrays = this.#specs.map(({ name }) => kept.features.get(name) ?? new Float32Array());
    return encodeKept(this.#identity, this.#specs, { requests: kept.rows, arrays });
  }

  release(kept: StageInputs): void {
    this.#requestsKept -= kept.rows;
    this.#bytes -= this.bytesOf(kept);
  }

  async user(features: FeatureValues, options: { readonly requests?: number } = {}): Promise<UserHandle> {
    this.check();
    const begin = performance.now();
    const inputs = checkInputs(this.#graph.features, "user", features, options.requests);
    // A handle outlives the call, the caller's arrays need not.
    const kept = new Map([...inputs.features].map(([name, array]) => [name, array.slice()]));
    this.#stageMs.user = performance.now() - begin;
    return this.#handle({ rows: inputs.rows, features: kept });
  }

  score(
    user: UserHandle | readonly UserHandle[],
    items: FeatureValues,
    options: ScoreOptions = {},
  ): Promise<Scores> {
    return holding(this, user, async (kept) => this.#score(kept, items, options));
  }

  /** Unlike a device's, its handles hold the features themselves: they move between reference engines alone. */
  async deserialize(bytes: Uint8Array): Promise<UserHandle> {
    this.check();
    const { requests, arrays } = decodeKept(this.#identity, this.#specs, bytes);
    const features = new Map(this.#specs.map(({ name }, i) => [name, arrays[i] ?? new Float32Array()]));
    return this.#handle({ rows: requests, features });
  }

  cache(options: CacheOptions): UserCache {
    return new UserCache(this, options);
  }

  /** There is no device to lose. */
  async restore(): Promise<void> {
    this.check();
  }

  #handle(kept: StageInputs): UserHandle {
    this.#requestsKept += kept.rows;
    this.#bytes += this.bytesOf(kept);
    return Handle.to(this, kept);
  }

  #score(kept: readonly StageInputs[], items: FeatureValues, options: ScoreOptions): Scores {
    const begin = performance.now();
    const { rows: requests, features } = this.#join(kept);
    const inputs = checkInputs(this.#graph.features, "item", items, options.candidates);
    const request = checkRequest(options.request, inputs.rows, requests);
    const scores = new Map<string, Float32Array>();
    if (inputs.rows === 0) {
      for (const output of this.#graph.outputs) scores.set(output.name, new Float32Array());
      return scores;
    }
    const { params, options: stored } = this.#stored;
    const call = {
      requests,
      candidates: inputs.rows,
      request,
      features: new Map([...features, ...inputs.features]),
      params,
    };
    const wanted = this.#graph.outputs.map((output) => output.value);
    const results = evaluated(() => evaluate(this.#graph, call, wanted, stored));
    this.#graph.outputs.forEach((output, i) => {
      const data = Float32Array.from(results[i]?.data ?? []);
      scores.set(output.name, perCandidate(data, inputs.rows, countOf(output.shape)));
    });
    this.#stageMs.item = performance.now() - begin;
    return scores;
  }

  stats(): EngineStats {
    return {
      buffersCreated: 0,
      pipelinesCreated: 0,
      bindGroupsCreated: 0,
      submits: 0,
      writes: 0,
      maps: 0,
      overlapped: 0,
      buffers: 0,
      bytes: this.#bytes,
      requestsKept: this.#requestsKept,
      stageMs: { ...this.#stageMs },
      kernels: new Map(),
    };
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    if (this.#ownsWeights) this.#weights.close();
  }

  /** The features of the requests of several handles, one after another. */
  #join(handles: readonly StageInputs[]): StageInputs {
    const rows = handles.reduce((sum, inputs) => sum + inputs.rows, 0);
    const features = new Map<string, FeatureArray>();
    for (const { name, stage, dtype } of this.#graph.features) {
      if (stage !== "user") continue;
      const arrays = handles.map((inputs) => inputs.features.get(name) ?? []);
      const length = arrays.reduce((sum, array) => sum + array.length, 0);
      const joined = dtype === "f32" ? new Float32Array(length) : new Int32Array(length);
      let at = 0;
      for (const array of arrays) {
        joined.set(array, at);
        at += array.length;
      }
      features.set(name, joined);
    }
    return { rows, features };
  }
}

/** A score that depends on no candidate is the same for all. */
function perCandidate(data: Float32Array, candidates: number, unit: number): Float32Array {
  if (data.length === candidates * unit) return data;
  if (data.length !== unit)
    throw new Error(`internal: ${data.length} scores for ${candidates} candidates of ${unit}`);
  const all = new Float32Array(candidates * unit);
  for (let n = 0; n < candidates; n++) all.set(data, n * unit);
  return all;
}

/** Turns the reference's complaint about an index into an error of the input. */
export function evaluated<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    throw new InputError("RMX0710", "the model reads outside of a tensor", {
      notes: [error.message],
      help: "devices clamp a computed index; the reference does not",
    });
  }
}
