/**
 * Schedules of a kernel's space, on a device, against the f64 meaning of the tile program, at awkward sizes: the favourite, the last
 * and some between. `RMXC_EVERY_SCHEDULE=1` takes all, which compiles for minutes.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lowerKernel } from "../../backends/lower/index.ts";
import { printWgsl } from "../../backends/wgsl/print.ts";
import { scheduleSpace } from "../../passes/scheduling/space.ts";
import * as e from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { gpu as GPU, software } from "../../src/ir/profiles.ts";
import { type Schedule, withSchedule } from "../../src/ir/schedule.ts";
import { type TileKernel, workgroupsOf } from "../../src/ir/tile.ts";
import { type Gpu, openGpu } from "../support/gpu.ts";
import { difference, elementsOf, kernel, meaningOf, noise, value } from "../support/tiles.ts";

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

type Made = readonly [TileKernel, readonly PlanValue[]];

const reads = (count: number): TileKernel["buffers"] => [
  ...Array.from({ length: count }, (_, v) => ({ value: v, access: "read" as const })),
  { value: count, access: "write" },
];
const [T, K] = [2, 38];

/** With `upper` "gate" the second product is the first one: out[n, t, k] = silu(Σ_d x[n, t, d] w[t, d, k]) · Σ_d x[n, t, d] u[t, d, k] + mean_d x[n, t, d] */
function gated(D = 11, upper: "gate" | "up" = "up"): Made {
  const [n, t, k, d] = [e.axis("n", "N"), e.axis("t", T), e.axis("k", K), e.axis("d", D)];
  const x = e.load(0, [n, t, d], "num");
  const dot = (out: string, weights: number) => {
    const b = e.load(weights, [t, d, k], "num");
    return { kind: "dot", out, m: "n", n: "k", k: "d", a: x, b } as const;
  };
  const [gate, up, sum] = ["gate", upper, "sum"].map((name) => e.tile(name, "num"));
  const made = kernel({
    grid: [
      { name: "t", extent: T, tile: 1 },
      { name: "k", extent: K, tile: 1 },
      { name: "n", extent: { of: "N", times: 1 }, tile: 1 },
    ],
    inner: [{ name: "d", extent: D, step: 1 }],
    body: [
      { kind: "reduce", fn: "sum", out: "sum", over: ["d"], value: x },
      dot("gate", 1),
      ...(upper === "up" ? [dot("up", 2)] : []),
      {
        kind: "store",
        target: 3,
        over: [],
        index: [n, t, k],
        value: e.add(e.mul(e.apply("silu", gate), up), e.mul(sum, e.num(1 / D))),
      },
    ],
    buffers: reads(3),
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

/** Attention of every candidate's I rows to J keys of its own, the first i + 1 of them seen. */
function causal(): Made {
  const [I, J, W, E] = [9, 9, 10, 37];
  const [n, i, j, k, d] = [e.axis("n", "N"), e.axis("i", I), e.axis("j", J), e.axis("k", W), e.axis("d", E)];
  const seen = e.where(e.lt(i, j), e.num(Number.NEGATIVE_INFINITY), e.tile("score", "num"));
  const made = kernel({
    grid: [
      { name: "n", extent: { of: "N", times: 1 }, tile: 1 },
      { name: "d", extent: E, tile: 1 },
      { name: "i", extent: I, tile: 1 },
    ],
    inner: [
      { name: "j", extent: J, step: 1 },
      { name: "k", extent: W, step: 1 },
    ],
    body: [
      {
        kind: "score",
        out: "acc",
        m: "i",
        n: "d",
        j: "j",
        k: "k",
        a: e.load(0, [n, i, k], "num"),
        b: e.load(1, [n, j, k], "num"),
        score: "score",
        weight: seen,
        norm: "softmax",
        v: e.load(2, [n, j, d], "num"),
        visible: { to: e.add(i, e.int(1)) },
      },
      { kind: "store", target: 3, over: [], index: [n, i, d], value: e.tile("acc", "num") },
    ],
    buffers: reads(3),
    lowering: { kind: "element", threads: 1, vector: 1 },
  });
  const values = [
    value(0, "q", ["N", I, W]),
    value(1, "keys", ["N", J, W]),
    value(2, "values", ["N", J, E]),
    value(3, "out", ["N", I, E], { output: true }),
  ];
  return [made, values];
}

async function check(
  [made, values]: Made,
  schedule: Schedule,
  profile: Profile,
  rows: number,
): Promise<void> {
  const k = withSchedule(made, schedule);
  const output = values.length - 1;
  const inputs = new Map(
    values.slice(0, -1).map((v) => [v.id, noise(elementsOf(v, rows), v.id + 1)] as const),
  );
  const text = printWgsl(lowerKernel(k, { values, profile }));
  const count = elementsOf(values[output] as PlanValue, rows);
  const { outputs } = await gpu.run(text, {
    buffers: new Map<number, Float32Array | number>([...inputs, [output, count]]),
    rows,
    groups: workgroupsOf(k, rows),
  });
  const want = meaningOf(k, values, inputs, rows).get(output) as Float64Array;
  expect(difference(outputs.get(output) ?? [], want), text.text).toBeLessThan(3e-6);
}

const EVERY = process.env.RMXC_EVERY_SCHEDULE === "1";

/** The first, the last, and one of each five between. */
function sampled(space: readonly Schedule[]): readonly Schedule[] {
  return EVERY ? space : space.filter((_, i) => i % 5 === 0 || i === space.length - 1);
}

describe.each([
  ["a gated product", gated(), 13],
  ["causal attention", causal(), 3],
] as const)("%s", (_, made, candidates) => {
  const [k, values] = made;
  describe.each([
    ["software", software],
    ["gpu", GPU],
  ] as const)("%s", (__, profile) => {
    const space = scheduleSpace(k, { values, serve: { requests: 1, candidates } }, profile);
    test.each(sampled(space).map((s) => [JSON.stringify(s.lowering), s] as const))(
      "%s",
      async (___, schedule) => {
        await check(made, schedule, profile, candidates);
      },
      60_000,
    );
  });
});

describe("what a workgroup shares, on a GPU", () => {
  const [k, values] = gated(70, "gate");
  const space = scheduleSpace(k, { values, serve: { requests: 1, candidates: 70 } }, GPU);
  const twice = space.filter(({ lowering }) => lowering.kind === "blocked" && lowering.buffers === 2);
  const few = scheduleSpace(k, { values, serve: { requests: 1, candidates: 5 } }, GPU);
  const thin = few.filter(({ lowering }) => lowering.kind === "blocked" && lowering.threadsM === 1);

  test("two buffers are among the schedules of a long product, tiles of one row of threads among those of few rows", () => {
    expect(twice.length).toBeGreaterThan(1);
    expect(thin.length).toBeGreaterThan(1);
  });

  test.each([
    ...sampled(twice).map((s) => [JSON.stringify(s.lowering), s, 69] as const),
    ...sampled(thin).map((s) => [JSON.stringify(s.lowering), s, 5] as const),
  ])(
    "%s",
    async (_, schedule, rows) => {
      await check([k, values], schedule, GPU, rows);
    },
    60_000,
  );
});

describe("rows that the tile was not made for", () => {
  const [k, values] = gated();
  test.each([
    ["software", 1, software],
    ["software", 7, software],
    ["gpu", 1, GPU],
    ["gpu", 7, GPU],
  ] as const)(
    "%s, %i",
    async (_, rows, profile) => {
      const [best] = scheduleSpace(k, { values, serve: { requests: 1, candidates: 128 } }, profile);
      await check([k, values], best as Schedule, profile, rows);
    },
    60_000,
  );
});
