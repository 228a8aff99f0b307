/** The `element` lowering and the functions of WGSL text, on a device, and what the text looks like. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lowerKernel } from "../../backends/lower/index.ts";
import { printWgsl } from "../../backends/wgsl/print.ts";
import type { Expr, ScalarFn } from "../../src/ir/expr.ts";
import * as e from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import { scalarFns } from "../../src/ir/scalar.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import { workgroupsOf } from "../../src/ir/tile.ts";
import type { Gpu } from "../support/gpu.ts";
import { openGpu } from "../support/gpu.ts";
import { difference, elementsOf, kernel, meaningOf, noise, SOFTWARE, value } from "../support/tiles.ts";

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const num = (id: number, ...index: Expr[]): Expr => e.load(id, index, "num");
const N1 = { of: "N", times: 1 } as const;
const n = e.axis("n", "N");

function elementwise(
  vector: 1 | 4,
  width: number,
  values: readonly PlanValue[],
  y: Expr,
  tile = 64,
): TileKernel {
  const d = e.axis("d", width);
  const out = values.length - 1;
  return kernel({
    grid: [
      { name: "n", extent: N1, tile: 1 },
      { name: "d", extent: width, tile },
    ],
    body: [{ kind: "store", target: out, over: [], index: [n, d], value: y }],
    buffers: values.map((v) => ({ value: v.id, access: v.id === out ? "write" : "read" })),
    lowering: { kind: "element", threads: 16, vector },
  });
}

async function outputs(
  k: TileKernel,
  values: readonly PlanValue[],
  rows: number,
  inputs: ReadonlyMap<number, Float32Array | Int32Array>,
): Promise<Float32Array> {
  const out = values.at(-1) as PlanValue;
  const buffers = new Map<number, Float32Array | Int32Array | number>([
    ...inputs,
    [out.id, elementsOf(out, rows)],
  ]);
  const text = printWgsl(lowerKernel(k, { values, profile: SOFTWARE }));
  const { outputs: all } = await gpu.run(text, { buffers, rows, groups: workgroupsOf(k, rows) });
  return all.get(out.id) as Float32Array;
}

describe.each([1, 4] as const)("vector %i", (vector) => {
  test.each([
    [1, 1],
    [3, 7],
    [2, 30],
    [5, 64],
    [2, 200],
  ])("a join of two values, a gather and a broadcast, N %i, width %i", async (N, W) => {
    const d = e.axis("d", W);
    const cut = Math.ceil(W / 2);
    const values = [
      value(0, "left", ["N", cut], { pad: 4 }),
      value(1, "right", ["N", W]),
      value(2, "id", ["N"], { element: "i32" }),
      value(3, "table", [9, W], { pad: 4 }),
      value(4, "scale", ["N"]),
      value(5, "out", ["N", W], { pad: 4, output: true }),
    ];
    const joined = e.where(
      e.lt(d, e.int(cut)),
      num(0, n, e.min(d, e.int(cut - 1))),
      num(1, n, e.max(e.sub(d, e.int(cut)), e.int(0))),
    );
    const y = e.mul(e.add(joined, num(3, e.load(2, [n], "i32"), d)), num(4, n));
    const k = elementwise(vector, W, values, y);
    const inputs = new Map<number, Float32Array | Int32Array>([
      ...[0, 1, 3, 4].map((id) => [id, noise(elementsOf(values[id] as PlanValue, N), id + 3)] as const),
      [2, Int32Array.from({ length: N }, (_, i) => (i * 7) % 9)],
    ]);
    const got = await outputs(k, values, N, inputs);
    expect(difference(got, meaningOf(k, values, inputs, N).get(5) as Float64Array)).toBeLessThan(1e-6);
  });

  test("floor division and remainder of negative numbers", async () => {
    const d = e.axis("d", 64);
    const values = [value(0, "out", ["N", 64], { output: true })];
    const shifted = e.sub(d, e.int(29));
    const divisor = e.sub(e.mod(d, e.int(3)), e.int(5));
    const y = e.add(
      e.mul(e.apply("to_num", e.floordiv(shifted, divisor)), e.num(1000)),
      e.apply("to_num", e.mod(shifted, divisor)),
    );
    const k = elementwise(vector, 64, values, y);
    const got = await outputs(k, values, 2, new Map());
    for (let i = 0; i < 64; i++) {
      const [a, b] = [i - 29, (i % 3) - 5];
      const q = Math.floor(a / b);
      expect(got[i]).toBe(q * 1000 + (a - q * b));
    }
  });

  test("infinities compare as IEEE says", async () => {
    const d = e.axis("d", 4);
    const values = [value(0, "x", ["N", 4]), value(1, "out", ["N", 4], { output: true })];
    const x = num(0, n, d);
    const infinity = e.num(Number.POSITIVE_INFINITY);
    const y = e.add(
      e.where(e.eq(x, e.num(Number.NEGATIVE_INFINITY)), e.num(1), e.num(0)),
      e.where(e.lt(x, infinity), e.num(2), e.num(4)),
    );
    const k = elementwise(vector, 4, values, y);
    const input = Float32Array.of(Number.NEGATIVE_INFINITY, -3.4e38, 3.4e38, Number.POSITIVE_INFINITY);
    expect([...(await outputs(k, values, 1, new Map([[0, input]])))]).toEqual([3, 2, 2, 4]);
  });
});

/** The largest error over points of an interval, relative to `floor` where the value is smaller. */
async function worst(fn: ScalarFn, lo: number, hi: number, floor: number, vector: 1 | 4): Promise<number> {
  const W = 4096;
  const d = e.axis("d", W);
  const values = [value(0, "x", ["N", W]), value(1, "out", ["N", W], { output: true })];
  const k = elementwise(vector, W, values, e.apply(fn, num(0, n, d)), 256);
  const x = Float32Array.from({ length: W }, (_, i) => lo + ((hi - lo) * (i + 0.37)) / W);
  const got = await outputs(k, values, 1, new Map([[0, x]]));
  let most = 0;
  for (let i = 0; i < W; i++) {
    const want = scalarFns[fn].evaluate(x[i] as number);
    const error = Math.abs((got[i] as number) - want) / Math.max(Math.abs(want), floor);
    most = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(most, error);
  }
  return most;
}

test.each([
  // function, interval, smallest value that counts as 1 for the relative error, bound
  ["gelu", -6, 6, 1, 2e-7],
  ["gelu", -0.01, 0.01, 0, 3e-6],
  ["gelu", -80, 80, 1, 1e-6],
  ["gelu_tanh", -6, 6, 1, 1e-6],
  ["gelu_tanh", -90, 90, 1, 1e-6],
  ["tanh", -0.01, 0.01, 0, 1e-6],
  ["tanh", -200, 200, 0, 1e-6],
  ["tanh", -2, 2, 0, 1e-6],
  ["sigmoid", -100, 100, 1e-30, 1e-5],
  ["silu", -50, 50, 1e-20, 1e-5],
  ["log", 0.5, 1.5, 1e-6, 1e-5],
  ["log", 0.001, 1000, 1e-3, 1e-5],
  ["exp", -20, 20, 0, 3e-6],
  ["rsqrt", 1e-5, 100, 0, 1e-6],
] as const)("%s on [%d, %d] against f64", async (fn, lo, hi, floor, bound) => {
  expect(await worst(fn, lo, hi, floor, 4)).toBeLessThan(bound);
  expect(await worst(fn, lo, hi, floor, 1)).toBeLessThan(bound);
});

test("powers of negative bases with whole exponents", async () => {
  const values = [
    value(0, "x", ["N", 4]),
    value(1, "y", ["N", 4]),
    value(2, "out", ["N", 4], { output: true }),
  ];
  const d = e.axis("d", 4);
  const k = elementwise(4, 4, values, e.apply("pow", num(0, n, d), num(1, n, d)));
  const got = await outputs(
    k,
    values,
    1,
    new Map([
      [0, Float32Array.of(-2, -2, 0, -3)],
      [1, Float32Array.of(3, 2, 0, 0)],
    ]),
  );
  [-8, 4, 1, 1].forEach((want, i) => {
    expect(got[i]).toBeCloseTo(want, 5);
  });
});

describe("the text", () => {
  const values = [
    value(0, "layers.0.x", ["N", 64]),
    value(1, "gain", [64]),
    value(2, "out", ["N", 64], { output: true }),
  ];
  const d = e.axis("d", 64);
  const y = e.mul(num(0, n, d), num(1, d));

  test("loads groups of four where it may, under the model's names", () => {
    const { text } = printWgsl(lowerKernel(elementwise(4, 64, values, y), { values, profile: SOFTWARE }));
    expect(text).toContain("var<storage, read> layers_0_x: array<vec4<f32>>;");
    expect(text).toMatch(/out\[n \* 16 \+ d4\] = x_at \* gain_at;/);
  });

  test("falls back to single elements where a store is not of whole groups", () => {
    const odd = [values[0], values[1], value(2, "out", ["N", 63], { output: true })] as PlanValue[];
    const { text } = printWgsl(lowerKernel(elementwise(4, 63, odd, y), { values: odd, profile: SOFTWARE }));
    expect(text).toContain("out: array<f32>;");
    expect(text).not.toContain("vec4<f32>(");
  });

  test("is the same from run to run", () => {
    const once = (): string =>
      printWgsl(lowerKernel(elementwise(4, 64, values, y), { values, profile: SOFTWARE })).text;
    expect(once()).toBe(once());
  });

  test("binds what shares a buffer with a written value as writable", () => {
    const pooled = values.map(
      (v): PlanValue => (v.id === 0 ? { ...v, home: { kind: "temp", stage: "item", slot: 0 } } : v),
    );
    const { bindings } = printWgsl(
      lowerKernel(elementwise(4, 64, pooled, y), { values: pooled, profile: SOFTWARE }),
    );
    expect(bindings.map((b) => b.access)).toEqual(["read_write", "read", "read_write"]);
  });

  test("reads a concatenation behind a branch, not both sides of it", () => {
    const joined = e.where(e.lt(n, e.int(8)), num(0, n, d), num(1, d));
    const { text } = printWgsl(
      lowerKernel(elementwise(4, 64, values, joined), { values, profile: SOFTWARE }),
    );
    expect(text).toMatch(/if \(n < 8\) \{\n\s+let x_at = .*\n\s+v = x_at;\n\s+\} else \{\n\s+let gain_at/);
  });
});
