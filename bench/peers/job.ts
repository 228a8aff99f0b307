/**
 * @file What a peer is given to compute: a spec at stated sizes with weights and inputs drawn from a seed. A job is plain data;
 * every process draws the same values from it, so nothing large travels between them.
 */
import { drawnInputs, drawnWeights, type WeightSource } from "../../src/index.ts";
import type { Graph } from "../../src/ir/graph.ts";
import type { ModelInputs } from "../../src/runtime/inputs.ts";
import { elaborateSpec } from "../../src/spec.ts";

export interface Job {
  /** As printed. */
  readonly name: string;
  readonly spec: string;
  readonly set: Readonly<Record<string, number>>;
  readonly candidates: number;
  /** Requests of the call; as many as candidates where nothing may be reused. */
  readonly requests: number;
  /** The exported graph, for peers that read one. */
  readonly onnx: string;
  /** RankMixer blocks over ready tokens: what peers without a model format can be given as a program. */
  readonly blocks?: Blocks;
}

/** Shapes of workload R. */
export interface Blocks {
  readonly B: number;
  readonly T: number;
  readonly D: number;
  readonly k: number;
  readonly L: number;
}

export interface Drawn {
  readonly graph: Graph;
  readonly weights: WeightSource;
  readonly inputs: ModelInputs;
}

const SEED = 1;

/** Every parameter is drawn, those that begin as zeros or ones too: a peer that forgets a bias would be found out. */
export function draw(job: Job): Drawn {
  const { graph } = elaborateSpec(job.spec, { set: job.set });
  const { requests, candidates } = job;
  return {
    graph,
    weights: drawnWeights(graph.params, { seed: SEED, perturb: true }),
    inputs: drawnInputs(graph.features, { requests, candidates, seed: SEED }),
  };
}

/** The job with a few candidates: small enough for the f64 reference. */
export function fewer(job: Job, candidates: number): Job {
  const requests = Math.min(job.requests, candidates);
  return {
    ...job,
    candidates,
    requests,
    ...(job.blocks !== undefined && { blocks: { ...job.blocks, B: candidates } }),
  };
}
