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
import type { WeightSource } from "../weights.ts";
import { countOf } from "../weights.ts";
import type { Engine, EngineStats, ScoreOptions, Scores, UserHandle } from "./types.ts";

class FeatureHandle implements UserHandle {
  readonly owner: ReferenceEngine;
  readonly inputs: StageInputs;
  live = true;

  constructor(owner: ReferenceEngine, inputs: StageInputs) {
    this.owner = owner;
    this.inputs = inputs;
  }

  get requests(): number {
    return this.inputs.rows;
  }

  free(): void {
    this.live = false;
  }
}

export class ReferenceEngine implements Engine {
  readonly #graph: Graph;
  readonly #weights: WeightSource;
  readonly #stageMs: { user?: number; item?: number } = {};

  constructor(graph: Graph, weights: WeightSource) {
    this.#graph = graph;
    this.#weights = weights;
  }

  async user(features: FeatureValues, options: { readonly requests?: number } = {}): Promise<UserHandle> {
    const begin = performance.now();
    const inputs = checkInputs(this.#graph.features, "user", features, options.requests);
    // A handle outlives the call, the caller's arrays need not.
    const kept = new Map([...inputs.features].map(([name, array]) => [name, array.slice()]));
    this.#stageMs.user = performance.now() - begin;
    return new FeatureHandle(this, { rows: inputs.rows, features: kept });
  }

  async score(
    user: UserHandle | readonly UserHandle[],
    items: FeatureValues,
    options: ScoreOptions = {},
  ): Promise<Scores> {
    const begin = performance.now();
    const { requests, features } = this.#join(user);
    const inputs = checkInputs(this.#graph.features, "item", items, options.candidates);
    const request = checkRequest(options.request, inputs.rows, requests);
    const scores = new Map<string, Float32Array>();
    if (inputs.rows === 0) {
      for (const output of this.#graph.outputs) scores.set(output.name, new Float32Array());
      return scores;
    }
    const call = {
      requests,
      candidates: inputs.rows,
      request,
      features: new Map([...features, ...inputs.features]),
      params: this.#weights,
    };
    const wanted = this.#graph.outputs.map((output) => output.value);
    const results = evaluated(() => evaluate(this.#graph, call, wanted));
    this.#graph.outputs.forEach((output, i) => {
      const data = Float32Array.from(results[i]?.data ?? []);
      scores.set(output.name, perCandidate(data, inputs.rows, countOf(output.shape)));
    });
    this.#stageMs.item = performance.now() - begin;
    return scores;
  }

  stats(): EngineStats {
    const none = { buffersCreated: 0, pipelinesCreated: 0, bindGroupsCreated: 0, submits: 0 };
    return { ...none, stageMs: { ...this.#stageMs }, kernels: new Map() };
  }

  /** It holds nothing but what it was given. */
  destroy(): void {}

  /** The features of the requests of several handles, one after another. */
  #join(user: UserHandle | readonly UserHandle[]): StageInputs & { readonly requests: number } {
    const handles = (Array.isArray(user) ? (user as readonly UserHandle[]) : [user as UserHandle]).map(
      (handle) => {
        if (handle instanceof FeatureHandle && handle.owner === this && handle.live) return handle.inputs;
        throw new InputError("RMX0709", "a user handle is not valid in this engine", {
          notes: ["it was freed, or another engine made it"],
        });
      },
    );
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
    return { rows, requests: rows, features };
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
