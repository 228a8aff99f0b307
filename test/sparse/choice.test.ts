/** When a mixture runs sparsely, and what the pass says about it. */
import { describe, expect, it } from "vitest";
import { runPipeline } from "../../passes/pipeline.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { gpu, software } from "../../src/ir/profiles.ts";
import { allKernels } from "../../src/variant.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { type MoeOptions, moeSpec, topK } from "./specs.ts";

/** Of kernels of the item stage, those whose one statement is a sum over experts. */
function sumsOfExperts(spec: string, profile: Profile): number {
  const { plan } = runPipeline(graphOfSpec(spec), { profile, fusion: "vertical" });
  return plan.kernels.item.filter(
    ({ about, body }) => about.fused.includes("moe.o: einsum") && body.some((s) => s.kind === "reduce"),
  ).length;
}

function compiled(options: MoeOptions): { readonly sparse: boolean; readonly said: readonly string[] } {
  const said: string[] = [];
  const { plan } = runPipeline(graphOfSpec(moeSpec(options)), {
    profile: software,
    onExplain: (sentence) => said.push(sentence),
  });
  return { sparse: allKernels(plan).some((k) => k.indirect !== undefined), said };
}

describe("a mixture of experts", () => {
  it("runs sparsely where most of its work is left out", () => {
    // 2 of 4 experts for each of 3 tokens.
    expect(compiled({})).toEqual({
      sparse: true,
      said: [
        "the experts behind moe.g are computed at the rows that it chooses, at most 6 of 12 for each candidate",
      ],
    });
  });

  it("stays dense where every expert is chosen", () => {
    expect(compiled({ gate: topK(4) })).toEqual({
      sparse: false,
      said: ["the experts behind moe.g stay dense: it would save 0 FLOPs a call"],
    });
  });

  it("stays dense where calls are small", () => {
    // 2 products of 2 · 3 · 4 · 12 · 16 FLOPs for each of 10 candidates, half of them saved.
    expect(compiled({ serve: "requests <= 1, candidates <= 10" })).toEqual({
      sparse: false,
      said: [
        `the experts behind moe.g stay dense: it would save ${2 * 2 * 3 * 4 * 12 * 16 * 5} FLOPs a call`,
      ],
    });
  });

  it("stays dense for a single row", () => {
    expect(compiled({ width: 96, hidden: 384, serve: "requests <= 1, candidates <= 1" }).said).toEqual([
      "the experts behind moe.g stay dense: a call has one row",
    ]);
  });

  it("is added up by the kernel that reads it, where that is no product and has registers for it", () => {
    expect(sumsOfExperts(moeSpec(), software)).toBe(1);
    expect(sumsOfExperts(moeSpec(), gpu)).toBe(0);
    expect(sumsOfExperts(moeSpec({ experts: 9 }), gpu)).toBe(1);
    // Two products read the sum and would each make it anew for every tile of their columns.
    const multiplied = moeSpec()
      .replace(
        'task score = sum(y, "t d -> t")',
        ["a", "b"].map((q) => `task ${q}_score = einsum("t d, d k -> t k", y, ${q})`).join("\n  "),
      )
      .replace("x = v + s", "param a: [12, 5]\n  param b: [12, 5]\n  x = v + s");
    expect(sumsOfExperts(multiplied, gpu)).toBe(1);
  });

  it("is none where the gate has no zeros", () => {
    expect(compiled({ gate: "g = softmax(z)" })).toEqual({ sparse: false, said: [] });
  });

  it("is none where a hidden layer happens to use relu", () => {
    const mix = `
  param w1: [T, D, K]
  param w2: [T, K, D]
  h = relu(einsum("t d, t d k -> t k", x, w1))
  o = einsum("t k, t k d -> t d", h, w2) + sum(g, axis = -1, keep = true)`;
    expect(compiled({ gate: "g = z", mix })).toEqual({ sparse: false, said: [] });
  });
});
