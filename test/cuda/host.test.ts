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

describe("narrow products go to tensor cores", () => {
  const named = (...names: readonly string[]) =>
    models.filter(({ name }) => names.includes(name)).map((model) => ({ model, name: title(model) }));
  const zoo = named("quickstart", "rankmixer", "rankmixer_moe", "unimixer", "wukong");
  // Stored in 16 bits too, weights are copied to the tensor cores as they lie; those of hstu and pangu have attention.
  const f16 = { storage: { element: "f16" } } as const;
  const types = [
    { compute: "f16", stored: f16, tolerance: 3e-3, cases: [...zoo, ...named("pangu")] },
    { compute: "bf16", stored: {}, tolerance: 2e-2, cases: [...zoo, ...named("hstu")] },
    { compute: "tf32", stored: {}, tolerance: 3e-3, cases: named("quickstart") },
  ] as const;
  describe.each(types)("$compute", ({ compute, stored, tolerance, cases }) => {
    it.each(cases)("$name", { timeout: 240_000 }, async ({ model }) => {
      const graph = graphOf(model);
      const params = graph.params.map((param) => ({ ...param, ...stored }));
      const { plan } = await expectHostAgrees(
        { ...graph, params, precision: { ...graph.precision, compute } },
        { tolerance, sizes: [{ requests: 2, candidates: 19 }] },
      );
      const lowerings = Object.values(plan.kernels)
        .flat()
        .flatMap(partsOf)
        .map(({ lowering }) => lowering);
      expect(lowerings.some((l) => l.kind === "mma" && l.format === compute)).toBe(true);
    });
  });
});
