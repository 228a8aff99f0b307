/** Experts over active rows keep the meaning of the dense sum, however gate and sum are written. */
import { describe, expect, it } from "vitest";
import type { Plan } from "../../src/ir/plan.ts";
import { gpu } from "../../src/ir/profiles.ts";
import { allKernels } from "../../src/variant.ts";
import { expectEquivalent } from "../support/equivalence.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { FFN, type MoeOptions, moeSpec, topK } from "./specs.ts";

/** How many kernels run over a list. */
const overRows = (plan: Plan): number => allKernels(plan).filter((k) => k.indirect).length;

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
  "weights that all tokens share": {
    mix: `
  param w1: [E, D, K]
  param w2: [E, K, D]
  h = gelu(einsum("t d, e d k -> t e k", x, w1))
  y = einsum("t e k, e k d -> t e d", h, w2)
  o = einsum("t e, t e d -> t d", g, y)`,
    kernels: 2,
  },
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
  const spec = moeSpec().replace("item {\n    v", "user {\n    v").replace("task score = sum(y,", "item { c: f32 }\n  task score = c * sum(y,");
  const { plan } = expectEquivalent(graphOfSpec(spec.replace("requests <= 8", "requests <= 4096")), { requests: 3, candidates: 4 });
  expect(plan.kernels.user.filter((k) => k.indirect)).toHaveLength(2);
});

it("is the same for a device without subgroups", () => {
  const { plan } = expectEquivalent(graphOfSpec(moeSpec()), { requests: 1, candidates: 5 }, 3, { profile: gpu });
  expect(overRows(plan)).toBe(2);
});
