/**
 * Products of subgroup matrices. No device at hand multiplies those, so that three things stand in for it: Tint checks the text on
 * Dawn's null backend, which offers the feature and computes nothing; a golden holds the text; and a device runs it with matrices
 * written out as arrays that each lane has a copy of, which is what the extension says, lane by lane.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { create } from "webgpu";
import { lowerKernel } from "../../backends/lower/index.ts";
import { printWgsl } from "../../backends/wgsl/print.ts";
import { scheduleSpace } from "../../passes/scheduling/space.ts";
import * as e from "../../src/ir/expr.ts";
import type { KernelText, PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { gpu as GPU } from "../../src/ir/profiles.ts";
import { type Schedule, withSchedule } from "../../src/ir/schedule.ts";
import { type MatrixShape, type TileKernel, workgroupsOf } from "../../src/ir/tile.ts";
import { type Gpu, openGpu } from "../support/gpu.ts";
import { difference, elementsOf, kernel, meaningOf, noise, value } from "../support/tiles.ts";

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

/** A GPU with matrices of `shape`, its subgroups as large as those of the device that runs the tests. */
function withMatrices(shape: MatrixShape): Profile {
  return {
    ...GPU,
    limits: { ...GPU.limits, workgroupMemory: 32 * 1024 },
    subgroup: { min: 8, max: 8 },
    matrices: [shape],
  };
}

const [T, D, K] = [2, 19, 38];

/** out[n, t, k] = silu(Σ_d x[n, t, d] w[t, d, k]) · Σ_d x[n, t, d] u[t, d, k] + mean_d x[n, t, d] */
function gated(): readonly [TileKernel, readonly PlanValue[]] {
  const [n, t, k, d] = [e.axis("n", "N"), e.axis("t", T), e.axis("k", K), e.axis("d", D)];
  const x = e.load(0, [n, t, d], "num");
  const dot = (out: string, weights: number) => {
    const b = e.load(weights, [t, d, k], "num");
    return { kind: "dot", out, m: "n", n: "k", k: "d", a: x, b } as const;
  };
  const [gate, up, sum] = ["gate", "up", "sum"].map((name) => e.tile(name, "num"));
  const made = kernel({
    name: "gated",
    grid: [
      { name: "t", extent: T, tile: 1 },
      { name: "k", extent: K, tile: 1 },
      { name: "n", extent: { of: "N", times: 1 }, tile: 1 },
    ],
    inner: [{ name: "d", extent: D, step: 1 }],
    body: [
      { kind: "reduce", fn: "sum", out: "sum", over: ["d"], value: x },
      dot("gate", 1),
      dot("up", 2),
      {
        kind: "store",
        target: 3,
        over: [],
        index: [n, t, k],
        value: e.add(e.mul(e.apply("silu", gate), up), e.mul(sum, e.num(1 / D))),
      },
    ],
    buffers: [
      ...[0, 1, 2].map((v) => ({ value: v, access: "read" as const })),
      { value: 3, access: "write" },
    ],
    lowering: { kind: "element", threads: 1, vector: 1 },
  });
  const values = [
    value(0, "x", ["N", T, D]),
    value(1, "w", [T, D, K]),
    value(2, "u", [T, D, K]),
    value(3, "out", ["N", T, K], { output: true }),
  ];
  return [made, values];
}

function schedulesOf(profile: Profile, candidates: number): readonly Schedule[] {
  const [made, values] = gated();
  const space = scheduleSpace(made, { values, serve: { requests: 1, candidates } }, profile);
  return space.filter(({ lowering }) => lowering.kind === "matrix");
}

function textOf(schedule: Schedule, profile: Profile): KernelText {
  const [made, values] = gated();
  return printWgsl(lowerKernel(withSchedule(made, schedule), { values, profile }));
}

const SHAPES: readonly MatrixShape[] = [
  { m: 8, n: 8, k: 8 },
  { m: 16, n: 8, k: 4 },
];
const CASES = SHAPES.flatMap((shape) => {
  const profile = withMatrices(shape);
  return schedulesOf(profile, 100).map(
    (schedule) => [JSON.stringify(schedule.lowering), schedule, profile] as const,
  );
});

test("every shape has schedules", () => {
  expect(CASES.length).toBeGreaterThan(2 * SHAPES.length);
});

describe("Tint accepts", () => {
  test.each(CASES)("%s", async (_, schedule, profile) => {
    const none = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
    const adapter = await none.requestAdapter();
    const features = ["chromium-experimental-subgroup-matrix", "subgroups"] as GPUFeatureName[];
    const device = await adapter?.requestDevice({ requiredFeatures: features });
    const { text } = textOf(schedule, profile);
    const info = await device?.createShaderModule({ code: text }).getCompilationInfo();
    expect(
      info?.messages.map(({ message }) => message),
      text,
    ).toEqual([]);
    device?.destroy();
  });
});

test("the text", async () => {
  const shape = { m: 8, n: 8, k: 8 };
  const lowering = {
    kind: "matrix",
    lanes: 32,
    subgroupsM: 1,
    subgroupsN: 2,
    tilesM: 2,
    tilesN: 2,
    shape,
  } as const;
  const schedule: Schedule = { lowering, tiles: { n: 16, k: 32 }, steps: { d: 16 } };
  const { text } = textOf(schedule, { ...GPU, subgroup: { min: 32, max: 32 }, matrices: [shape] });
  await expect(text).toMatchFileSnapshot("golden/matrix.wgsl");
});

/**
 * The text with matrices as arrays of each lane's own. Stores come from one lane of each subgroup; where a builtin's pointer differs, so does
 * the function that stands for it.
 */
function writtenOut({ text, ...rest }: KernelText, { m, n, k }: MatrixShape): KernelText {
  const arrays = [...text.matchAll(/&(\w+)/g)].map(([, array = ""]) => array);
  const functions = [...new Set(arrays)].map(
    (array) => `
fn left_${array}(at: u32, stride: u32) -> array<f32, ${m * k}> {
  var x: array<f32, ${m * k}>;
  for (var i = 0u; i < ${m * k}u; i++) { x[i] = ${array}[at + i % ${k}u * stride + i / ${k}u]; }
  return x;
}
fn right_${array}(at: u32, stride: u32) -> array<f32, ${k * n}> {
  var x: array<f32, ${k * n}>;
  for (var i = 0u; i < ${k * n}u; i++) { x[i] = ${array}[at + i / ${n}u * stride + i % ${n}u]; }
  return x;
}
fn store_${array}(at: u32, x: array<f32, ${m * n}>, stride: u32) {
  var sums = x;
  for (var i = 0u; i < ${m * n}u; i++) { ${array}[at + i / ${n}u * stride + i % ${n}u] = sums[i]; }
}`,
  );
  const multiply = `
fn multiply(left: array<f32, ${m * k}>, right: array<f32, ${k * n}>, sums: array<f32, ${m * n}>) -> array<f32, ${m * n}> {
  var a = left;
  var b = right;
  var c = sums;
  for (var i = 0u; i < ${m * n}u; i++) {
    for (var j = 0u; j < ${k}u; j++) { c[i] += a[i / ${n}u * ${k}u + j] * b[j * ${n}u + i % ${n}u]; }
  }
  return c;
}`;
  const replaced = text
    .replace("enable chromium_experimental_subgroup_matrix;\n", "")
    .replaceAll(`subgroup_matrix_result<f32, ${n}, ${m}>`, `array<f32, ${m * n}>`)
    .replaceAll(/subgroupMatrixLoad<subgroup_matrix_(left|right)<f32, \d+, \d+>, \w+>\(&(\w+), /g, "$1_$2(")
    .replaceAll("subgroupMatrixMultiplyAccumulate(", "multiply(")
    .replaceAll(/subgroupMatrixStore<row_major>\(&(\w+), (.*)\);/g, "if (thread % 8 == 0) { store_$1($2); }");
  return { ...rest, text: `${replaced}${functions.join("")}${multiply}\n` };
}

/** Matrices smaller than any device's: a driver writes out what they do element by element, which takes a while. */
const WRITTEN = [
  { subgroupsM: 2, subgroupsN: 2, tilesM: 2, tilesN: 1, shape: { m: 4, n: 4, k: 4 } },
  { subgroupsM: 2, subgroupsN: 2, tilesM: 1, tilesN: 1, shape: { m: 8, n: 4, k: 2 } },
].map((parts) => {
  const { subgroupsM, subgroupsN, tilesM, tilesN, shape } = parts;
  const schedule: Schedule = {
    lowering: { kind: "matrix", lanes: 8, ...parts },
    tiles: { n: shape.m * subgroupsM * tilesM, k: shape.n * subgroupsN * tilesN },
    steps: { d: 4 },
  };
  return [JSON.stringify(parts), schedule, withMatrices(shape)] as const;
});

describe("written out, it computes", () => {
  const [made, values] = gated();
  test.each(WRITTEN)(
    "%s",
    async (_, schedule, profile) => {
      const [shape] = profile.matrices ?? [];
      if (shape === undefined) throw new Error("a shape expected");
      const rows = 21;
      const k = withSchedule(made, schedule);
      const inputs = new Map(
        values.slice(0, -1).map((v) => [v.id, noise(elementsOf(v, rows), v.id + 1)] as const),
      );
      const text = writtenOut(textOf(schedule, profile), shape);
      expect(text.text).not.toMatch(/subgroupMatrix|subgroup_matrix/);
      const { outputs } = await gpu.run(text, {
        buffers: new Map<number, Float32Array | number>([
          ...inputs,
          [3, elementsOf(values[3] as PlanValue, rows)],
        ]),
        rows,
        groups: workgroupsOf(k, rows),
      });
      const want = meaningOf(k, values, inputs, rows).get(3) as Float64Array;
      expect(difference(outputs.get(3) ?? [], want), text.text).toBeLessThan(3e-6);
    },
    60_000,
  );
});
