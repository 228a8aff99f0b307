/** Experts over active rows keep the meaning of the dense sum, however gate and sum are written. */
import { describe, expect, it } from "vitest";
import type { Plan } from "../../src/ir/plan.ts";
import { gpu, software } from "../../src/ir/profiles.ts";
import { GROUP } from "../../src/ir/tile.ts";
import { allKernels } from "../../src/variant.ts";
import { expectEquivalent } from "../support/equivalence.ts";
import { seeded } from "../support/random.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { FFN, type MoeOptions, moeSpec, topK } from "./specs.ts";

/** How many kernels run over a list. */
const overRows = (plan: Plan): number => allKernels(plan).filter((k) => k.indirect).length;

/** One set of experts for all tokens. */
const SHARED: MoeOptions = {
  mix: `
  param w1: [E, D, K]
  param w2: [E, K, D]
  h = gelu(einsum("t d, e d k -> t e k", x, w1))
  y = einsum("t e k, e k d -> t e d", h, w2)
  o = einsum("t e, t e d -> t d", g, y)`,
};

const cases: Readonly<Record<string, MoeOptions & { readonly kernels: number }>> = {
  "softmax of the chosen": { kernels: 2 },
  "k = 1": { gate: topK(1), kernels: 2 },
  "relu, a varying number": { gate: "g = relu(z)", kernels: 2 },
  "scaled and renormalised": {
    gate: `p = top_k(softmax(z), 2)
  g = 4 * p / sum(p, axis = -1, keep = true)`,
    kernels: 2,
  },
  "a product that sums what is already weighted": {
    mix: `
  param w1: [T, E, D, K]
  param w2: [T, E, K, D]
  h = relu(einsum("t d, t e d k -> t e k", x, w1))
  o = einsum("t e, t e k, t e k d -> t d", g, h, w2)`,
    kernels: 2,
  },
  "linear experts in one contraction": {
    mix: `
  param w: [T, E, D, D2]
  o = einsum("t e, t d, t e d k -> t k", g, x, w)`.replace("D2", "D"),
    kernels: 1,
  },
  "a sum of products": {
    mix: `
  param w1: [T, E, D, K]
  param w2: [T, E, K, D]
  h = silu(einsum("t d, t e d k -> t e k", x, w1))
  y = einsum("t e k, t e k d -> t e d", h, w2)
  o = sum(broadcast(g, "t e -> t e d", d = D) * y, "t e d -> t d")`,
    kernels: 2,
  },
  "gated units and norms inside an expert": {
    mix: `
  param wg: [T, E, D, K]
  param wu: [T, E, D, K]
  param wd: [T, E, K, D]
  h = silu(einsum("t d, t e d k -> t e k", x, wg)) * einsum("t d, t e d k -> t e k", x, wu)
  n = rms_norm(h, affine = false)
  y = layer_norm(einsum("t e k, t e k d -> t e d", n, wd), affine = false)
  o = einsum("t e, t e d -> t d", g, y)`,
    kernels: 5,
  },
  "weights that all tokens share": { ...SHARED, kernels: 2 },
  "the expert axis first": {
    mix: `
  param w1: [E, T, D, K]
  param w2: [E, T, K, D]
  h = gelu(einsum("t d, e t d k -> e t k", x, w1))
  y = einsum("e t k, e t k d -> e t d", h, w2)
  o = einsum("t e, e t d -> t d", g, y)`,
    kernels: 2,
  },
  "experts over the whole sample": {
    gate: `s = top_k(mean(z, "t e -> e"), 1)`,
    mix: `
  param w1: [E, D, K]
  param w2: [E, T, K, D]
  h = gelu(einsum("t d, e d k -> e t k", x, w1))
  y = einsum("e t k, e t k d -> e t d", h, w2)
  o = einsum("e, e t d -> t d", s, y)`,
    kernels: 2,
  },
  "odd sizes": { tokens: 1, width: 13, experts: 3, hidden: 27, mix: FFN, kernels: 2 },
};

describe.each(Object.keys(cases))("%s", (name) => {
  const { kernels, ...options } = cases[name];

  it.each([
    { requests: 2, candidates: 7 },
    { requests: 1, candidates: 1 },
    { requests: 1, candidates: 0 },
  ])("means the same: $candidates candidates", (sizes) => {
    const { plan } = expectEquivalent(graphOfSpec(moeSpec(options)), sizes, sizes.candidates);
    expect(overRows(plan)).toBe(kernels);
  });
});

it("runs in the user program where the gate does", () => {
  const spec = moeSpec()
    .replace("item {\n    v", "user {\n    v")
    .replace("task score = sum(y,", "item { c: f32 }\n  task score = c * sum(y,");
  const { plan } = expectEquivalent(graphOfSpec(spec.replace("requests <= 8", "requests <= 4096")), {
    requests: 3,
    candidates: 4,
  });
  expect(plan.kernels.user.filter((k) => k.indirect)).toHaveLength(2);
});

it("is the same for a device without subgroups", () => {
  const { plan } = expectEquivalent(graphOfSpec(moeSpec()), { requests: 1, candidates: 5 }, 3, {
    profile: gpu,
  });
  expect(overRows(plan)).toBe(2);
});

describe("weights above one binding", () => {
  // [3, 4, 12, 16] and [3, 4, 16, 12]: 9216 bytes each; [4, 12, 16]: 3072 bytes; 768 an expert.
  const small = (storageBinding: number): typeof software => ({
    ...software,
    limits: { ...software.limits, storageBinding },
  });

  it.each([
    { name: "a token's experts", options: {}, limit: 4096, launches: 3 },
    { name: "fewer than a token's experts", options: {}, limit: 1000, launches: 12 },
    { name: "experts that tokens share", options: SHARED, limit: 2000, launches: 2 },
  ])("are sliced by group: $name", ({ options, limit, launches }) => {
    const { plan } = expectEquivalent(graphOfSpec(moeSpec(options)), { requests: 1, candidates: 5 }, 2, {
      profile: small(limit),
    });
    const sliced = allKernels(plan).filter((k) => k.indirect !== undefined);
    expect(sliced.map((k) => k.slicing?.axis)).toEqual([GROUP, GROUP]);
    expect(sliced.map((k) => k.slicing?.ranges.length)).toEqual([launches, launches]);
  });
});

/** Gates and experts drawn from a seed. */
describe("random mixtures", () => {
  it.each(Array.from({ length: 24 }, (_, seed) => seed))("mean the same, seed %i", (seed) => {
    const random = seeded(seed + 100);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)];
    const experts = pick([2, 3, 5, 8]);
    const k = pick([1, Math.max(1, experts - 1), 1]);
    const gate = pick([
      topK(k),
      `g = top_k(softmax(z), ${k})`,
      "g = relu(z - 0.5)",
      `m = top_k_mask(z, ${k})\n  g = where(m, relu(z), 0)`,
      `q = top_k(sigmoid(z), ${k})\n  g = q / (sum(q, axis = -1, keep = true) + 0.1)`,
    ]);
    const act = pick(["gelu", "relu", "silu"]);
    const shared = pick(["T, ", ""]);
    const t = shared === "" ? "" : "t ";
    const last = pick([
      `o = einsum("t e, t e d -> t d", g, einsum("t e k, ${t}e k d -> t e d", h, w2))`,
      `o = einsum("t e, t e k, ${t}e k d -> t d", g, h, w2)`,
    ]);
    const mix = `
  param w1: [${shared}E, D, K]
  param b1: [T, E, K]
  param w2: [${shared}E, K, D]
  h = ${act}(einsum("t d, ${t}e d k -> t e k", x, w1) + b1)
  ${last}`;
    const spec = moeSpec({
      tokens: pick([1, 2, 5]),
      width: pick([5, 8, 12]),
      experts,
      hidden: pick([4, 7, 16]),
      gate,
      mix,
      serve: "requests <= 8, candidates <= 100000",
    });
    const { plan } = expectEquivalent(graphOfSpec(spec), { requests: 2, candidates: pick([1, 4, 9]) }, seed);
    expect(overRows(plan)).toBe(2);
  });
});
