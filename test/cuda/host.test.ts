/** The CUDA-C of the whole zoo, compiled for the host and run: every kernel's output and every task against the f64 reference. */
import { describe, expect, it } from "vitest";
import { partsOf } from "../../src/ir/tile.ts";
import { toleranceOf } from "../../src/runtime/verify.ts";
import { F32_EXP } from "../support/zoo.ts";
import { graphOf, models, title } from "./models.ts";
import { expectHostAgrees } from "./zoo.ts";

describe("the emitted text agrees with the reference", () => {
  it.each(models.map((model) => ({ model, name: title(model) })))(
    "$name",
    { timeout: 240_000 },
    async ({ model }) => {
      const graph = graphOf(model);
      // Where the spec computes in 16 bits, what kernels hand to one another is rounded.
      await expectHostAgrees(graph, { tolerance: Math.max(F32_EXP, toleranceOf(graph)) });
    },
  );
});

describe("products in 16 bits go to tensor cores", () => {
  const chosen = ["quickstart", "rankmixer", "rankmixer_moe", "unimixer", "wukong"];
  const cases = models
    .filter(({ name }) => chosen.includes(name))
    .map((model) => ({ model, name: title(model) }));
  const types = [
    { compute: "f16", tolerance: 3e-3 },
    { compute: "bf16", tolerance: 2e-2 },
  ] as const;
  describe.each(types)("$compute", ({ compute, tolerance }) => {
    it.each(cases)("$name", { timeout: 240_000 }, async ({ model }) => {
      const graph = graphOf(model);
      const { plan } = await expectHostAgrees(
        { ...graph, precision: { ...graph.precision, compute } },
        { tolerance, sizes: [{ requests: 2, candidates: 19 }] },
      );
      const lowerings = plan.kernels.item.flatMap(partsOf).map(({ lowering }) => lowering);
      expect(lowerings.some((l) => l.kind === "mma" && l.half === compute)).toBe(true);
    });
  });
});
