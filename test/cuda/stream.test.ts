/** Products of few rows whose weights go straight to registers, compiled for the host: every storage type, with whole numbers. */
import { describe, expect, it } from "vitest";
import { compileFor, type Variant } from "../../src/compile.ts";
import { sm_80 } from "../../src/ir/profiles.ts";
import type { Lowering } from "../../src/ir/tile.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { assemble, findNvcc } from "./compiler.ts";
import { rescheduled, taskErrors, wholeWeights } from "./products.ts";

type Stream = Extract<Lowering, { kind: "stream" }>;

const stream = (
  format: Stream["format"],
  rows: Stream["rows"],
  columns: Stream["columns"],
  warpsN: number,
  warpsK: number,
  ahead: number,
): Stream => ({ kind: "stream", format, rows, columns, warpsN, warpsK, ahead });

/** The variant with every product lowered so. */
const streamed = (variant: Variant, lowering: Stream): ReturnType<typeof rescheduled> =>
  rescheduled(variant, (_, dot) => {
    if (dot === undefined) return undefined;
    const tiles = { [dot.m]: 8 * lowering.rows, [dot.n]: 32 * lowering.columns * lowering.warpsN };
    return { lowering, tiles, steps: { [dot.k]: 16 * lowering.ahead * lowering.warpsK } };
  });

const spec = (storage: string, half: string): string =>
  `
model m(T: int, D: int, K: int) {
  item { x: f32[T, D] }
  param w: [T, D, K]
  param v: [T, D, K]
  param b: [T, K]
  param s: [D, K]
  task up = einsum("t d, t d k -> t k", x, w)
  task shared = einsum("t d, d k -> t k", x, s)
  task after = relu(einsum("t d, t d k -> t k", x, w) + b)
  task gated = einsum("t d, t d k -> t k", x, w) * einsum("t d, t d k -> t k", x, v)
  precision { compute = ${half}
    "w" = ${storage}
    "v" = ${storage}
    "s" = ${storage} }
}`;

const SHAPES = [
  { T: 1, D: 4, K: 8, candidates: 1 },
  { T: 3, D: 36, K: 21, candidates: 5 },
  { T: 2, D: 132, K: 75, candidates: 19 },
];

interface Case {
  readonly storage: string;
  readonly lowering: Stream;
  /** Codes are whole numbers and sums are exact: 0, a scale's rounding of the sum in f32, or that of scaled weights in 16 bits. */
  readonly bound: number;
}

const SCALED = 1e-6;
const ROUNDED = 8e-3;

const CASES: readonly Case[] = [
  { storage: "int8 per channel", lowering: stream("f16", 1, 1, 1, 4, 2), bound: SCALED },
  { storage: "int8 per channel", lowering: stream("bf16", 4, 2, 2, 2, 1), bound: SCALED },
  { storage: "fp8_e4m3", lowering: stream("f16", 2, 1, 2, 1, 2), bound: SCALED },
  { storage: "fp8_e4m3", lowering: stream("bf16", 1, 1, 1, 8, 1), bound: SCALED },
  { storage: "fp8_e5m2", lowering: stream("f16", 1, 2, 1, 2, 2), bound: SCALED },
  { storage: "fp8_e5m2", lowering: stream("bf16", 8, 1, 1, 4, 1), bound: SCALED },
  { storage: "f16", lowering: stream("f16", 2, 2, 1, 4, 2), bound: 0 },
  { storage: "bf16", lowering: stream("bf16", 1, 2, 2, 1, 4), bound: 0 },
  { storage: "bf16", lowering: stream("f16", 4, 1, 1, 2, 1), bound: 0 },
  { storage: "int8 per group(16)", lowering: stream("bf16", 1, 1, 1, 4, 2), bound: ROUNDED },
  { storage: "int8 per channel asymmetric", lowering: stream("f16", 1, 1, 1, 2, 2), bound: SCALED },
  { storage: "f32", lowering: stream("bf16", 2, 1, 1, 4, 1), bound: 0 },
  { storage: "f32", lowering: stream("f32", 1, 1, 1, 8, 2), bound: 0 },
  { storage: "f32", lowering: stream("f32", 2, 2, 2, 1, 1), bound: 0 },
  { storage: "int8 per channel", lowering: stream("f32", 1, 2, 1, 2, 1), bound: SCALED },
  { storage: "fp8_e5m2", lowering: stream("f32", 2, 1, 1, 4, 1), bound: SCALED },
  { storage: "bf16", lowering: stream("f32", 1, 1, 2, 2, 2), bound: 0 },
];

/** The relative error of each task against the reference, whose parameters are stored alike. */
function errorsOf(
  { T, D, K, candidates }: (typeof SHAPES)[number],
  { storage, lowering }: Case,
): ReadonlyMap<string, number> {
  const graph = graphOfSpec(spec(storage, lowering.format), { T, D, K });
  const compiled = compileFor({ ...graph, serve: { requests: 1, candidates } }, sm_80, {
    reuseArena: false,
    fuse: "vertical",
  });
  const { variant, names } = streamed(compiled, lowering);
  expect(names.length).toBeGreaterThan(0);
  // Codes are whole numbers whatever the weights: drawn ones have them all.
  const weights = /^(int8|fp8)/.test(storage) ? drawnWeights(graph.params, { seed: 2 }) : wholeWeights;
  return taskErrors(variant, graph, candidates, weights);
}

/** Each at an awkward shape, the decoders of codes, which come first, at the largest too. */
const DECODERS = 6;
const cases = CASES.flatMap((each, i) => {
  const shapes = SHAPES.filter((shape, s) => s === i % 3 || (shape.T === 2 && i < DECODERS));
  return shapes.map((shape) => ({ shape, ...each }));
});

describe("streamed products", () => {
  it.each(cases)("add up exactly: $storage $lowering $shape", { timeout: 60_000 }, (given) => {
    const errors = errorsOf(given.shape, given);
    for (const task of ["up", "shared"]) expect(errors.get(task), task).toBeLessThanOrEqual(given.bound);
    // Stored in 16 bits.
    for (const task of ["after", "gated"]) expect(errors.get(task), task).toBeLessThanOrEqual(ROUNDED);
  });

  it("are chosen for few rows of stored weights, and keep to their registers", { timeout: 120_000 }, () => {
    const served = [
      ["f16", "int8 per channel", 1],
      ["bf16", "int8 per channel", 16],
      ["bf16", "fp8_e4m3", 64],
      ["bf16", "bf16", 32],
      ["f32", "f32", 1],
      ["f32", "int8 per channel", 16],
      ["f16", "int8 per group(64)", 64],
    ] as const;
    const kernels = served.flatMap(([half, storage, rows], i) => {
      const graph = graphOfSpec(`
model m() {
  item { x: f32[4, 1536] }
  param w: [4, 1536, 3072]
  param b: [4, 3072]
  task up${i} = gelu(einsum("t d, t d k -> t k", x, w) + b)
  precision { compute = ${half}
    "w" = ${storage} }
  serve { requests <= 1, candidates <= ${rows} }
}`);
      const { plan, kernels } = compileFor(graph, sm_80);
      expect(plan.kernels.item.map(({ lowering }) => lowering.kind)).toEqual(["stream"]);
      expect(
        compileFor({ ...graph, serve: { requests: 1, candidates: 512 } }, sm_80).plan.kernels.item,
      ).toMatchObject([{ lowering: { kind: half === "f32" ? "blocked" : "mma" } }]);
      return kernels;
    });
    const nvcc = findNvcc();
    if (nvcc === undefined) return console.log("no nvcc here: 0 streamed products compiled");
    const assembled = assemble(nvcc, "sm_80", kernels);
    expect(assembled).toHaveLength(served.length);
    expect(assembled.filter(({ stack, spills }) => stack + spills > 0)).toEqual([]);
  });
});
