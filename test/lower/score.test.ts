/** The score lowering on a device where a plan cannot lead it: segments in any order, tiles cut every way, two dispatch rows. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lowerKernel } from "../../backends/lower/index.ts";
import { printWgsl } from "../../backends/wgsl/print.ts";
import * as e from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Lowering, TileKernel } from "../../src/ir/tile.ts";
import { workgroupsOf } from "../../src/ir/tile.ts";
import { type Gpu, openGpu } from "../support/gpu.ts";
import { difference, elementsOf, kernel, meaningOf, noise, SOFTWARE, value } from "../support/tiles.ts";

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu();
});
afterAll(() => gpu.close());

const [J, K, E] = [11, 6, 5];
const NOTHING = e.num(Number.NEGATIVE_INFINITY);

/** One query a candidate against the keys of its request, of which the first `length[request]` are seen. */
function target(lowering: Extract<Lowering, { kind: "score" }>): [TileKernel, PlanValue[]] {
  const [n, d, j, k] = [e.axis("n", "N"), e.axis("d", E), e.axis("j", J), e.axis("k", K)];
  const request = e.load(3, [n], "i32");
  const length = e.load(4, [request], "i32");
  const values = [
    value(0, "q", ["N", K]),
    value(1, "keys", [3, J, K]),
    value(2, "values", [3, J, E]),
    value(3, "request", ["N"], { element: "i32" }),
    value(4, "length", [3], { element: "i32" }),
    value(5, "out", ["N", E], { output: true }),
  ];
  const made = kernel({
    name: "target",
    grid: [
      { name: "d", extent: E, tile: 4 * lowering.lanes * lowering.groups },
      { name: "n", extent: { of: "N", times: 1 }, tile: lowering.rows },
    ],
    inner: [
      { name: "j", extent: J, step: lowering.lanes },
      { name: "k", extent: K, step: 4 },
    ],
    body: [
      {
        kind: "score",
        out: "acc",
        m: "n",
        n: "d",
        j: "j",
        k: "k",
        a: e.load(0, [n, k], "num"),
        b: e.load(1, [request, j, k], "num"),
        score: "score",
        weight: e.where(e.lt(j, length), e.tile("score", "num"), NOTHING),
        norm: "softmax",
        v: e.load(2, [request, j, d], "num"),
        visible: { to: length },
        segment: request,
      },
      { kind: "store", target: 5, over: [], index: [n, d], value: e.tile("acc", "num") },
    ],
    buffers: [
      ...[0, 1, 2, 3, 4].map((v) => ({ value: v, access: "read" as const })),
      { value: 5, access: "write" },
    ],
    lowering,
  });
  return [made, values];
}

describe.each<Extract<Lowering, { kind: "score" }>>([
  { kind: "score", lanes: 8, rows: 1, groups: 1, combine: "subgroup" },
  { kind: "score", lanes: 8, rows: 4, groups: 1, combine: "subgroup" },
  { kind: "score", lanes: 8, rows: 8, groups: 2, combine: "subgroup" },
  // More rows than lanes, and no multiple of them.
  { kind: "score", lanes: 8, rows: 11, groups: 1, combine: "subgroup" },
  { kind: "score", lanes: 16, rows: 1, groups: 1, combine: "shared" },
])("$rows rows, $lanes lanes, $combine", (lowering) => {
  test.each<[string, number[], number | undefined]>([
    ["one request", [1, 1, 1, 1, 1], undefined],
    ["one after another", [0, 0, 1, 2, 2, 2, 2], undefined],
    ["in any order", [1, 0, 1, 2, 0, 1, 1, 2, 0], undefined],
    ["in two dispatch rows", [2, 1, 0], 5],
  ])(
    "candidates of requests %s",
    async (_, requests, y) => {
      const [made, values] = target(lowering);
      const rows = requests.length;
      const inputs = new Map<number, Float32Array | Int32Array>([
        ...[0, 1, 2].map((id) => [id, noise(elementsOf(values[id] as PlanValue, rows), id + 1)] as const),
        [3, Int32Array.from(requests)],
        // One request has no history, one a part of it.
        [4, Int32Array.of(0, 7, J)],
      ]);
      const text = printWgsl(lowerKernel(made, { values, profile: SOFTWARE }));
      const { outputs } = await gpu.run(text, {
        buffers: new Map<number, Float32Array | Int32Array | number>([...inputs, [5, rows * E]]),
        rows,
        groups: workgroupsOf(made, rows),
        ...(y === undefined ? {} : { y }),
      });
      const want = meaningOf(made, values, inputs, rows).get(5) as Float64Array;
      expect(difference(outputs.get(5) ?? [], want), text.text).toBeLessThan(3e-6);
    },
    60_000,
  );
});
