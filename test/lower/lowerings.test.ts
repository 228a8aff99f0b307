/** Every lowering, on a device, against the f64 meaning of the tile program, at awkward sizes. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lowerKernel } from "../../backends/lower/index.ts";
import { printWgsl } from "../../backends/wgsl/print.ts";
import type { Expr } from "../../src/ir/expr.ts";
import * as e from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Lowering, TileKernel } from "../../src/ir/tile.ts";
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
const buffers = (reads: readonly number[], ...writes: number[]): TileKernel["buffers"] => [
  ...reads.map((v) => ({ value: v, access: "read" as const })),
  ...writes.map((v) => ({ value: v, access: "write" as const })),
];
const seconds = (n: number): number => n * 1000;

/** Runs the kernel twice; the bits must agree with each other, the numbers with the meaning, and the rest stay NaN. */
async function check(
  k: TileKernel,
  values: readonly PlanValue[],
  rows: number,
  options: {
    integers?: ReadonlyMap<number, Int32Array>;
    range?: { from: number; to: number };
    y?: number;
    special?: ReadonlyMap<number, Float32Array>;
    tolerance?: number;
  } = {},
): Promise<string> {
  const text = printWgsl(lowerKernel(k, { values, profile: SOFTWARE }));
  const inputs = new Map<number, Float32Array | Int32Array>();
  for (const b of k.buffers) {
    if (b.access !== "read") continue;
    const v = values[b.value] as PlanValue;
    const all =
      options.integers?.get(v.id) ?? options.special?.get(v.id) ?? noise(elementsOf(v, rows), v.id + 1);
    inputs.set(v.id, all);
  }
  const { range } = options;
  const bound = (id: number, data: Float32Array | Int32Array): Float32Array | Int32Array => {
    if (range === undefined || !(k.slicing?.values.includes(id) ?? false)) return data;
    const stride = values[id]?.strides[0] ?? 0;
    return data.slice(range.from * stride, range.to * stride);
  };
  const outputs = k.buffers.filter((b) => b.access === "write").map((b) => values[b.value] as PlanValue);
  const launch = {
    buffers: new Map<number, Float32Array | Int32Array | number>([
      ...[...inputs].map(([id, data]) => [id, bound(id, data)] as const),
      ...outputs.map((v) => [v.id, elementsOf(v, rows)] as const),
    ]),
    rows,
    groups: workgroupsOf(k, rows, range),
    ...range,
    ...(options.y === undefined ? {} : { y: options.y }),
  };
  const want = meaningOf(k, values, inputs, rows, range);
  const first = await gpu.run(text, launch);
  const second = await gpu.run(text, launch);
  for (const v of outputs) {
    const got = first.outputs.get(v.id) as Float32Array;
    const ref = want.get(v.id) as Float64Array;
    expect(difference(got, ref), text.text).toBeLessThan(options.tolerance ?? 2e-6);
    const bits = (a: Float32Array | undefined): Int32Array => new Int32Array((a as Float32Array).buffer);
    expect(bits(second.outputs.get(v.id))).toEqual(bits(got));
    const padded = v.strides.length > 1 && v.strides.at(-2) !== v.shape.at(-1);
    if (padded) continue;
    for (const [i, w] of ref.entries()) {
      expect(Number.isNaN(got[i]), `element ${i}\n${text.text}`).toBe(Number.isNaN(w));
    }
  }
  return text.text;
}

/** out[n, t, k] = gelu(Σ_d x[n, t, d] w[t, d, k] + b[t, k]) + r[n, t, k] */
function product(
  T: number,
  D: number,
  K: number,
  lowering: Lowering,
  pad: number | undefined,
  tiles: { m: number; n: number },
): [TileKernel, PlanValue[]] {
  const [n, t, k, d] = [e.axis("n", "N"), e.axis("t", T), e.axis("k", K), e.axis("d", D)];
  const p = pad === undefined ? {} : { pad };
  const values = [
    value(0, "x", ["N", T, D], p),
    value(1, "block.w", [T, D, K], p),
    value(2, "block.b", [T, K], p),
    value(3, "r", ["N", T, K], p),
    value(4, "out", ["N", T, K], { ...p, output: true }),
  ];
  const up = e.tile("up", "num");
  return [
    kernel({
      name: "up",
      grid: [
        { name: "t", extent: T, tile: 1 },
        { name: "k", extent: K, tile: tiles.n },
        { name: "n", extent: { of: "N", times: 1 }, tile: tiles.m },
      ],
      inner: [{ name: "d", extent: D, step: 8 }],
      body: [
        { kind: "dot", out: "up", m: "n", n: "k", k: "d", a: num(0, n, t, d), b: num(1, t, d, k) },
        { kind: "let", out: "h", value: e.apply("gelu", e.add(up, num(2, t, k))) },
        {
          kind: "store",
          target: 4,
          over: [],
          index: [n, t, k],
          value: e.add(e.tile("h", "num"), num(3, n, t, k)),
        },
      ],
      buffers: buffers([0, 1, 2, 3], 4),
      lowering,
    }),
    values,
  ];
}

const PRODUCTS: readonly { name: string; lowering: Lowering; m: number; n: number }[] = [
  { name: "subgroup 4 rows", lowering: { kind: "subgroup", lanes: 8, rows: 4 }, m: 4, n: 32 },
  // More rows than lanes, and no multiple of them.
  { name: "subgroup 11 rows", lowering: { kind: "subgroup", lanes: 8, rows: 11 }, m: 11, n: 32 },
  {
    name: "blocked 4 × 4",
    lowering: { kind: "blocked", threadsM: 8, threadsN: 8, registersM: 4, registersN: 4 },
    m: 32,
    n: 32,
  },
  {
    name: "blocked 2 × 1",
    lowering: { kind: "blocked", threadsM: 4, threadsN: 8, registersM: 2, registersN: 1 },
    m: 8,
    n: 8,
  },
];

describe.each(PRODUCTS)("product, $name", ({ lowering, m, n }) => {
  test.each([
    [1, 1, 1, 1, undefined],
    [3, 5, 7, 2, undefined],
    [17, 31, 33, 2, undefined],
    [5, 30, 30, 3, 4],
    [33, 64, 64, 1, undefined],
  ] as const)(
    "N %i, D %i, K %i, T %i, rows padded to %s",
    async (N, D, K, T, pad) => {
      const [k, values] = product(T, D, K, lowering, pad, { m, n });
      await check(k, values, N);
    },
    seconds(60),
  );

  test("no rows: no workgroup", () => {
    const [k] = product(2, 8, 8, lowering, undefined, { m, n });
    expect(workgroupsOf(k, 0)).toBe(0);
  });

  test(
    "more workgroups than tiles, in two dimensions",
    async () => {
      const [k, values] = product(3, 8, 40, lowering, undefined, { m, n });
      await check(k, values, 5, { y: 5 });
    },
    seconds(60),
  );

  test(
    "two products over one k, a mixed and gathered operand, a norm of the row in the prologue",
    async () => {
      const [T, D, K] = [4, 24, 20];
      const [nn, t, kk, d] = [e.axis("n", "N"), e.axis("t", T), e.axis("k", K), e.axis("d", D)];
      const values = [
        value(0, "x", ["N", T, D]),
        value(1, "gate", [T, D, K]),
        value(2, "up", [T, D, K]),
        value(3, "table", [11, T * D]),
        value(4, "id", ["N"], { element: "i32" }),
        value(5, "out", ["N", T, K], { output: true }),
        value(6, "mean", ["N", T], { output: true }),
      ];
      const mixed = num(
        0,
        nn,
        e.floordiv(d, e.int(D / T)),
        e.add(e.mul(t, e.int(D / T)), e.mod(d, e.int(D / T))),
      );
      const embedded = num(3, e.load(4, [nn], "i32"), e.add(e.mul(t, e.int(D)), d));
      const s = e.where(e.lt(d, e.int(8)), e.add(mixed, embedded), mixed);
      const normed = e.div(
        e.sub(s, e.tile("mu", "num")),
        e.apply("sqrt", e.add(e.div(e.tile("m2", "num"), e.num(D)), e.num(1e-5))),
      );
      const k = kernel({
        name: "swiglu",
        grid: [
          { name: "t", extent: T, tile: 1 },
          { name: "k", extent: K, tile: n },
          { name: "n", extent: { of: "N", times: 1 }, tile: m },
        ],
        inner: [{ name: "d", extent: D, step: 8 }],
        body: [
          { kind: "moments", mean: "mu", m2: "m2", over: ["d"], value: s },
          { kind: "dot", out: "g", m: "n", n: "k", k: "d", a: normed, b: num(1, t, d, kk) },
          { kind: "dot", out: "u", m: "n", n: "k", k: "d", a: normed, b: num(2, t, d, kk) },
          { kind: "let", out: "h", value: e.mul(e.apply("silu", e.tile("g", "num")), e.tile("u", "num")) },
          {
            kind: "store",
            target: 5,
            over: [],
            index: [nn, t, kk],
            value: e.add(e.tile("h", "num"), e.tile("mu", "num")),
          },
          { kind: "store", target: 6, over: [], index: [nn, t], value: e.tile("mu", "num") },
        ],
        buffers: buffers([0, 1, 2, 3, 4], 5, 6),
        lowering,
      });
      const ids = Int32Array.from({ length: 7 }, (_, i) => (i * 5) % 11);
      await check(k, values, 7, { integers: new Map([[4, ids]]) });
    },
    seconds(60),
  );
});

test(
  "a product bound a slice of its weights at a time",
  async () => {
    const lowering: Lowering = { kind: "subgroup", lanes: 8, rows: 4 };
    const [k, values] = product(5, 8, 12, lowering, undefined, { m: 4, n: 32 });
    const sliced: TileKernel = { ...k, slicing: { axis: "t", values: [1], ranges: [{ from: 2, to: 4 }] } };
    await check(sliced, values, 3, { range: { from: 2, to: 4 } });
  },
  seconds(60),
);

const ROWS: readonly Lowering[] = [
  { kind: "row", lanes: 8, rows: 1, combine: "subgroup", vector: 4 },
  { kind: "row", lanes: 8, rows: 3, combine: "subgroup", vector: 1 },
  { kind: "row", lanes: 4, rows: 2, combine: "shared", vector: 4 },
  { kind: "row", lanes: 1, rows: 5, combine: "shared", vector: 4 },
  { kind: "element", threads: 32, vector: 1 },
];

describe.each(ROWS)("row $lanes lanes, $rows rows, $combine, vector $vector ($kind)", (lowering) => {
  const points = lowering.kind === "row" ? lowering.rows : 32;
  test.each([
    [1, 1, 1],
    [3, 2, 6],
    [5, 3, 51],
    [2, 4, 32],
    [3, 2, 524],
  ])(
    "LayerNorm of a mixed residual, N %i, T %i, D %i",
    async (N, T, D) => {
      const [n, t, d] = [e.axis("n", "N"), e.axis("t", T), e.axis("d", D)];
      const values = [
        value(0, "x", ["N", T, D]),
        value(1, "gain", [D]),
        value(2, "bias", [D]),
        value(3, "s", ["N", T, D], { output: true }),
      ];
      const h = D / T;
      const mixed =
        D % T === 0
          ? num(0, n, e.floordiv(d, e.int(h)), e.add(e.mul(t, e.int(h)), e.mod(d, e.int(h))))
          : num(0, n, t, d);
      // Far from zero: E[x²] − E[x]² would lose all digits.
      const x = e.add(e.add(mixed, num(0, n, t, d)), e.num(100));
      const scale = e.apply("rsqrt", e.add(e.div(e.tile("m2", "num"), e.num(D)), e.num(1e-5)));
      const y = e.add(e.mul(e.mul(e.sub(x, e.tile("mean", "num")), scale), num(1, d)), num(2, d));
      const k = kernel({
        grid: [
          { name: "n", extent: { of: "N", times: 1 }, tile: 1 },
          { name: "t", extent: T, tile: points },
        ],
        inner: [{ name: "d", extent: D, step: D }],
        body: [
          { kind: "moments", mean: "mean", m2: "m2", over: ["d"], value: x },
          { kind: "store", target: 3, over: ["d"], index: [n, t, d], value: y },
        ],
        buffers: buffers([0, 1, 2], 3),
        lowering,
      });
      // 100 + x is exact for x in 1/1024ths; the mean keeps 7.6e-6. Differences of squares would be off by 1e-3.
      const data = noise(elementsOf(values[0] as PlanValue, N), 1).map((v) => Math.round(v * 1024) / 1024);
      await check(k, values, N, { special: new Map([[0, data]]), tolerance: 2e-5 });
    },
    seconds(60),
  );

  test(
    "softmax over masked rows, with sums and maxima over two axes",
    async () => {
      const [A, B] = [3, 10];
      const [n, a, b] = [e.axis("n", "N"), e.axis("a", A), e.axis("b", B)];
      const values = [
        value(0, "score", ["N", A, B]),
        value(1, "keep", ["N"], { element: "i32" }),
        value(2, "p", ["N", A, B], { output: true }),
        value(3, "top", ["N"], { output: true }),
      ];
      const infinity = e.num(Number.NEGATIVE_INFINITY);
      const at = e.add(e.mul(a, e.int(B)), b);
      const s = e.where(e.lt(at, e.load(1, [n], "i32")), num(0, n, a, b), infinity);
      const none = e.eq(e.tile("most", "num"), infinity);
      const p = e.where(none, e.num(0), e.apply("exp", e.sub(s, e.tile("most", "num"))));
      const k = kernel({
        grid: [{ name: "n", extent: { of: "N", times: 1 }, tile: points }],
        inner: [
          { name: "a", extent: A, step: A },
          { name: "b", extent: B, step: B },
        ],
        body: [
          { kind: "reduce", fn: "max", out: "most", over: ["a", "b"], value: s },
          { kind: "reduce", fn: "sum", out: "total", over: ["a", "b"], value: p },
          { kind: "store", target: 3, over: [], index: [n], value: e.tile("most", "num") },
          {
            kind: "store",
            target: 2,
            over: ["a", "b"],
            index: [n, a, b],
            value: e.where(none, e.num(0), e.div(p, e.tile("total", "num"))),
          },
        ],
        buffers: buffers([0, 1], 2, 3),
        lowering,
      });
      // Nothing visible, one, some, all.
      await check(k, values, 4, { integers: new Map([[1, Int32Array.of(0, 1, 17, 30)]]) });
    },
    seconds(60),
  );
});
