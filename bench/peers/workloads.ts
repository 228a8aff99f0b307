/** @file What is compared: workload R, and the published models at sizes that a software device answers in seconds. */
import type { Job } from "./job.ts";

export type Workload = Omit<Job, "onnx">;

const BLOCKS = "bench/workloads/rankmixer_blocks.rmx";

function rankMixer(name: string, B: number, D: number, L: number): Workload {
  const [T, k] = [16, 4];
  return {
    name,
    spec: BLOCKS,
    set: { T, D, L, k },
    candidates: B,
    requests: 1,
    blocks: { B, T, D, k, L },
  };
}

/** Workload R: RankMixer blocks in f32, exact GELU, post-norm. A call uploads X and reads Y back. */
export const rankMixers: readonly Workload[] = [
  rankMixer("small", 64, 128, 1),
  rankMixer("medium", 128, 256, 1),
  rankMixer("small L2", 64, 128, 2),
  rankMixer("medium L2", 128, 256, 2),
];

/** 4·B·T·D·kD·L: the products alone. */
export function blockFlops({ blocks }: Workload): number {
  if (blocks === undefined) throw new Error("internal: not workload R");
  const { B, T, D, k, L } = blocks;
  return 4 * B * T * D * k * D * L;
}

function published(name: string, set: Readonly<Record<string, number>>, candidates: number): Workload {
  return { name, spec: `examples/${name}.rmx`, set, candidates, requests: candidates };
}

/** At least 5 GFLOP a call. Every candidate has a request of its own, so nothing can be reused. */
export const zoo: readonly Workload[] = [
  published("tokenmixer_large", { D: 256, L: 2, every: 1, rows: 1000 }, 64),
  published("unimixing_lite", { L: 2, rows: 1000 }, 64),
  published("wukong", { rows: 1000 }, 40),
  published("hiformer", { rows: 1000 }, 160),
  published("longer", { rows: 1000 }, 20),
];
