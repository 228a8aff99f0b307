/** @file What bench/cuda measures: blocks over tokens that arrive ready made, without embeddings and without reuse on either side. */
import { basename, join } from "node:path";
import type { Fusion } from "../../passes/pass.ts";

export interface Case {
  readonly name: string;
  /** What a peer computes; `none`: there is no peer. */
  readonly kind: "rankmixer" | "tokenmixer" | "products" | "none";
  readonly spec: string;
  readonly set: Readonly<Record<string, number>>;
  readonly candidates: number;
  /** Lines of a precision block. */
  readonly precision: string;
  /** What joins kernels; absent: everything. */
  readonly fusion?: Fusion;
  /** The number format of activations. */
  readonly compute: "bf16" | "f16";
  /** FLOPs of the item stage's products. */
  readonly flops: number;
  /** Bytes of the products' weights as stored, each read once. */
  readonly weightBytes: number;
}

/** Bundled by run-ts.mjs, this file lies in `dist/`. */
const bench = join(import.meta.dirname, basename(import.meta.dirname) === "dist" ? "../bench" : "..");

const specs = {
  rankmixer: join(bench, "workloads/rankmixer_blocks.rmx"),
  products: join(bench, "cuda/workloads/products.rmx"),
  tokenmixer: join(bench, "cuda/workloads/tokenmixer_blocks.rmx"),
  ug: join(bench, "cuda/workloads/ug_blocks.rmx"),
};

const sizes = {
  "RankMixer-100M": { T: 16, D: 768, L: 2, k: 4 },
  "RankMixer-1B": { T: 32, D: 1536, L: 2, k: 4 },
} as const;

/** Weights of RankMixer's products: two a token and block. */
const rankmixerWeights = ({ T, D, L, k }: { T: number; D: number; L: number; k: number }): number =>
  2 * T * k * D * D * L;

function rankmixer(
  model: keyof typeof sizes,
  candidates: number,
  compute: Case["compute"],
  storage?: "int8" | "fp8_e4m3",
): Case {
  const set = sizes[model];
  const weights = rankmixerWeights(set);
  const stored = storage === undefined ? "" : `, ${storage} weights`;
  return {
    name: `${model}, ${candidates} rows, ${compute}${stored}`,
    kind: "rankmixer",
    spec: specs.rankmixer,
    set,
    candidates,
    compute,
    precision: `compute = ${compute}${storage === undefined ? `\n"**.w*" = ${compute}` : `\n"**.w*" = ${storage} per channel`}`,
    flops: 2 * weights * candidates,
    weightBytes: weights * (storage === undefined ? 2 : 1),
  };
}

/** Products alone: two of a RankMixer-1B block over 16 tokens, 302 million weights, six times an H100's L2 in 8 bits. */
function products(candidates: number, compute: Case["compute"], storage?: "int8" | "fp8_e4m3"): Case {
  const set = { T: 16, D: 1536, L: 1, k: 4 };
  const weights = rankmixerWeights(set);
  return {
    name: `Products alone, ${candidates} rows, ${compute}${storage === undefined ? "" : `, ${storage} weights`}`,
    kind: "products",
    spec: specs.products,
    set,
    candidates,
    compute,
    precision: `compute = ${compute}\n"**.w*" = ${storage === undefined ? compute : `${storage} per channel`}`,
    flops: 2 * weights * candidates,
    weightBytes: weights * (storage === undefined ? 2 : 1),
  };
}

function tokenmixer(candidates: number, experts: number): Case {
  const set = { T: 16, D: 832, L: 2, k: 4 };
  const weights = 6 * set.T * set.k * set.D * set.D * set.L;
  const sparse = experts > 0;
  return {
    name: `TokenMixer-Large 500M ${sparse ? "1:2 MoE" : "dense"}, ${candidates} rows, bf16`,
    kind: sparse ? "none" : "tokenmixer",
    spec: specs.tokenmixer,
    set: { ...set, experts },
    candidates,
    compute: "bf16",
    // Every product's weights, the shared expert's too; the router's small ones stay in f32.
    precision: ["compute = bf16", ...["gate", "up", "down"].map((each) => `"**.${each}" = bf16`)].join("\n"),
    // One expert of four a quarter as wide, and the shared one.
    flops: (sparse ? 1 : 2) * weights * candidates,
    weightBytes: weights * 2,
  };
}

/** The same with both products of an FFN launched by themselves. */
function apart(given: Case): Case {
  return { ...given, name: `${given.name}, two launches an FFN`, kind: "none", fusion: "phases" };
}

function ug(candidates: number): Case {
  const set = { T: 32, D: 1536, L: 2, k: 4, U: 16 };
  const weights = rankmixerWeights({ ...set, T: set.T - set.U });
  return {
    name: `UG-RankMixer-1B item stage, ${candidates} rows, bf16`,
    kind: "none",
    spec: specs.ug,
    set,
    candidates,
    compute: "bf16",
    precision: 'compute = bf16\n"**.w*" = bf16',
    flops: 2 * weights * candidates,
    weightBytes: weights * 2,
  };
}

const EIGHT_BITS = [
  ["f16", "int8"],
  ["bf16", "fp8_e4m3"],
] as const;

/** The ones that targets are set for come first: whoever runs out of time has those. */
export const cases: readonly Case[] = [
  rankmixer("RankMixer-1B", 1024, "bf16"),
  rankmixer("RankMixer-100M", 512, "bf16"),
  products(1024, "bf16"),
  apart(rankmixer("RankMixer-1B", 1024, "bf16")),
  apart(rankmixer("RankMixer-100M", 512, "bf16")),
  ...([1, 16] as const).map((rows) => products(rows, "f16", "int8")),
  tokenmixer(2048, 0),
  tokenmixer(2048, 4),
  products(16, "bf16", "fp8_e4m3"),
  products(16, "bf16"),
  ug(512),
  rankmixer("RankMixer-100M", 512, "f16"),
  ...([128, 1024, 2048] as const).flatMap((rows) =>
    (["bf16", "f16"] as const).map((compute) => rankmixer("RankMixer-100M", rows, compute)),
  ),
  ...EIGHT_BITS.flatMap(([compute, storage]) =>
    ([1, 4, 64] as const)
      .filter((rows) => rows !== 1 || storage !== "int8")
      .map((rows) => products(rows, compute, storage)),
  ),
  ...([1, 64] as const).map((rows) => products(rows, "bf16")),
  rankmixer("RankMixer-1B", 1024, "f16"),
  tokenmixer(64, 0),
  tokenmixer(64, 4),
  ...([128, 512, 2048] as const).flatMap((rows) =>
    (["bf16", "f16"] as const).map((compute) => rankmixer("RankMixer-1B", rows, compute)),
  ),
  ...EIGHT_BITS.map(([compute, storage]) => rankmixer("RankMixer-1B", 16, compute, storage)),
];
