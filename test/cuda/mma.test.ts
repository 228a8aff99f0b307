/**
 * The `mma` lowering on the host: with whole numbers that 16 bits hold exactly, sums are exact and every fragment must be in its
 * place; with drawn ones, the error is that of rounding the operands. Where weights are stored in 16 bits, and what kernels hand to one
 * another is, operands are copied; both sides (`deep`), one of them (`up`, `down`, `back`), along either axis.
 */
import { describe, expect, it } from "vitest";
import { compileFor, type Variant } from "../../src/compile.ts";
import { sm_80 } from "../../src/ir/profiles.ts";
import type { Lowering } from "../../src/ir/tile.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import type { ModelInputs } from "../../src/runtime/inputs.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { rescheduled, taskErrors, wholeInputs, wholeWeights } from "./products.ts";

type Mma = Extract<Lowering, { kind: "mma" }>;

const mma = (
  format: Mma["format"],
  warpsM: number,
  warpsN: number,
  tilesM: number,
  tilesN: number,
  stages: Mma["stages"],
): Mma => ({ kind: "mma", format, warpsM, warpsN, tilesM, tilesN, stages });

/** The variant with every product lowered so. */
const withMma = (variant: Variant, lowering: Mma, step: number): ReturnType<typeof rescheduled> =>
  rescheduled(variant, (_, dot) => {
    if (dot === undefined) return undefined;
    const tiles = {
      [dot.m]: 16 * lowering.warpsM * lowering.tilesM,
      [dot.n]: 8 * lowering.warpsN * lowering.tilesN,
    };
    return { lowering, tiles, steps: { [dot.k]: step } };
  });

const SPEC = `
model m(T: int, D: int, K: int) {
  item { x: f32[T, D] }
  param w: [T, D, K]
  param b: [T, K]
  param v: [K, D]
  param u: [T, K, D]
  mid = relu(einsum("t d, t d k -> t k", x, w) - b)
  h = relu(einsum("t d, t d k -> t k", x, w) + b)
  task up = h
  task down = einsum("t k, k d -> t d", h, v) + x
  task back = einsum("t d, k d -> t k", x, v)
  task deep = einsum("t k, t k d -> t d", mid, u)
}`;

const SHAPES = [
  { T: 1, D: 16, K: 8, candidates: 1 },
  { T: 3, D: 37, K: 21, candidates: 5 },
  { T: 2, D: 72, K: 131, candidates: 67 },
];

const SCHEDULES = [
  { lowering: mma("bf16", 1, 1, 1, 2, 2), step: 16, stored: false },
  { lowering: mma("f16", 2, 2, 2, 4, 3), step: 32, stored: true },
  { lowering: mma("bf16", 1, 4, 1, 4, 4), step: 64, stored: true },
  { lowering: mma("bf16", 2, 4, 4, 8, 2), step: 32, stored: true },
  // Of f32 as it lies, and of weights that are turned on the way.
  { lowering: mma("tf32", 2, 2, 2, 4, 3), step: 16, stored: true },
];

function errorsOf(
  { T, D, K, candidates }: (typeof SHAPES)[number],
  { lowering, step, stored }: (typeof SCHEDULES)[number],
  weights: WeightSource,
  change: (inputs: ModelInputs) => ModelInputs,
): Map<string, number> {
  const { format } = lowering;
  const storage = format === "tf32" ? "" : `, "**" = ${format}`;
  const precision = `\n  precision { compute = ${format}${storage} }\n}`;
  const graph = graphOfSpec(stored ? SPEC.replace(/\}$/, precision) : SPEC, { T, D, K });
  const compiled = compileFor({ ...graph, serve: { requests: 1, candidates } }, sm_80, {
    reuseArena: false,
    fuse: "vertical",
  });
  const { variant, names } = withMma(compiled, lowering, step);
  expect(names.length).toBeGreaterThan(0);
  const copies = variant.kernels.map(
    ({ text }) => text.match(/\bcopy_async(_part)?\(\w+_tile/g)?.length ?? 0,
  );
  expect(copies.some((n) => n > 0)).toBe(stored);
  return taskErrors(variant, graph, candidates, weights, change);
}

// One row of one tile is the same to most schedules.
const cases = SHAPES.flatMap((shape, i) =>
  SCHEDULES.slice(i === 0 ? 3 : 0).map((schedule) => ({ shape, schedule })),
);

describe("products on tensor cores", () => {
  it.each(cases)(
    "are exact where the operands are, $shape $schedule",
    { timeout: 120_000 },
    ({ shape, schedule }) => {
      // Sums of a few hundred small whole numbers; `down` multiplies them again, and they must fit 16 bits there.
      const errors = errorsOf(shape, schedule, wholeWeights, wholeInputs);
      expect(errors.get("up")).toBe(0);
      expect(errors.get("back")).toBe(0);
      expect(errors.get("deep")).toBe(0);
      expect(errors.get("down")).toBeLessThanOrEqual(schedule.lowering.format === "bf16" ? 4e-3 : 5e-4);
    },
  );

  it("are of the part of the model that computes in 16 bits, whatever is fused with them", () => {
    const graph = graphOfSpec(`
model m {
  item { x: f32[6, 16] }
  param w: [16, 24]
  param v: [24, 16]
  h = relu(einsum("t d, d k -> t k", x, w))
  out = einsum("t k, k d -> t d", h, v)
  task y = out + x
  precision { compute = bf16, compute "out" = f32 }
}`);
    const { plan } = compileFor({ ...graph, serve: { requests: 1, candidates: 64 } }, sm_80);
    const products = plan.kernels.item.filter(({ body }) => body.some((s) => s.kind === "dot"));
    expect(products.map(({ name, lowering }) => [name, lowering.kind])).toEqual([
      ["h", "mma"],
      ["out", "blocked"],
    ]);
  });

  it("round their operands and nothing else", { timeout: 120_000 }, () => {
    const shape = { T: 2, D: 72, K: 131, candidates: 67 };
    const graph = graphOfSpec(SPEC, { T: 2, D: 72, K: 131 });
    const weights = drawnWeights(graph.params, { seed: 2, perturb: true });
    for (const [format, bound] of [
      ["tf32", 1e-3],
      ["f16", 1e-3],
      ["bf16", 8e-3],
    ] as const) {
      const schedule = { lowering: mma(format, 2, 2, 2, 4, 2), step: 32, stored: format !== "bf16" };
      for (const [name, error] of errorsOf(shape, schedule, weights, (inputs) => inputs)) {
        expect(error, `${name} in ${format}`).toBeLessThanOrEqual(bound);
        expect(error, `${name} in ${format}: operands are rounded`).toBeGreaterThan(1e-6);
      }
    }
  });
});
