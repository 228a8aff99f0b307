/** The examples in UG-Sep form at the published ratios: the user's rows run once a request, with the same result. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runPipeline } from "../../passes/pipeline.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { software } from "../../src/ir/profiles.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { elaborateSpec } from "../../src/spec.ts";
import { expectEquivalent } from "../support/equivalence.ts";
import { expectAgrees, openZoo } from "../support/zoo.ts";

const examples = join(import.meta.dirname, "../../examples");
const RANKMIXER = join(examples, "ug_rankmixer.rmx");
const TOKENMIXER = join(examples, "ug_tokenmixer.rmx");

/** U : G, and tokens so that it comes out; information compensation where the paper has it. */
const RATIOS = [
  { ratio: "1:2", T: 6, U: 2, compensate: false },
  { ratio: "1:1", T: 4, U: 2, compensate: false },
  { ratio: "3:1", T: 4, U: 3, compensate: true },
  { ratio: "5:1", T: 6, U: 5, compensate: true },
] as const;
type Ratio = (typeof RATIOS)[number];

const sets = ({ T, U, compensate }: Ratio, more: Readonly<Record<string, number>>) => ({
  T,
  U,
  compensate,
  D: 12,
  rows: 20,
  ...more,
});
/** What is compared in f64 to the last digits is not rounded on the way to memory. */
const precision = '"**" = f32';
const rankmixer = (ratio: Ratio): Graph =>
  elaborateSpec(RANKMIXER, { set: sets(ratio, {}), precision }).graph;
const tokenmixer = (ratio: Ratio): Graph =>
  elaborateSpec(TOKENMIXER, { set: sets(ratio, { heads: ratio.T, top: 2 }), precision }).graph;

/** FLOPs a row of the products under `path` in each program; a multiply and an add count one each. */
function productFlops(graph: Graph, path: RegExp): Record<"user" | "item", number> {
  const { graph: split } = runPipeline(graph, { profile: software });
  const total = { user: 0, item: 0 };
  for (const { op, inputs, type, program, path: own } of split.nodes) {
    if (op.kind !== "einsum" || program === undefined || program === "load" || !path.test(own)) continue;
    const k = op.operands.findIndex((labels) => labels.some((l) => !op.out.includes(l)));
    if (k < 0) continue;
    const shape = inputs[k]?.map?.out ?? split.nodes[inputs[k]?.id ?? -1]?.type.shape ?? [];
    const size = (label: number): number => Number(shape[op.operands[k]?.indexOf(label) ?? -1]);
    const summed = (op.operands[k] ?? []).filter((l) => !op.out.includes(l)).reduce((n, l) => n * size(l), 1);
    const out = type.shape.reduce<number>((n, s) => (typeof s === "number" ? n * s : n), 1);
    total[program] += 2 * out * summed;
  }
  return total;
}

describe.each(RATIOS)("RankMixer at U:G = $ratio", (ratio) => {
  it("runs the user's FFNs once a request and the group's once a candidate", () => {
    // L layers · rows · two products of D × 4D, and of these U rows are the user's.
    const row = 2 * 2 * 2 * 12 * 48;
    const { U, T } = ratio;
    expect(productFlops(rankmixer(ratio), /\.ffn\./)).toEqual({ user: U * row, item: (T - U) * row });
  });

  it.each([
    [1, 1],
    [2, 5],
    [3, 0],
  ])(
    "gives the scores of the model as written, with reuse and without: %i requests, %i candidates",
    (requests, candidates) => {
      const graph = rankmixer(ratio);
      expectEquivalent(graph, { requests, candidates });
      const { plan } = expectEquivalent(graph, { requests, candidates }, 1, { reuse: false });
      expect(plan.kernels.user).toEqual([]);
    },
  );
});

describe.each(RATIOS)("TokenMixer-Large at U:G = $ratio", (ratio) => {
  it("runs what belongs to the user's rows in the user program alone", () => {
    const graph = tokenmixer(ratio);
    expect(productFlops(graph, /\.reusable\./).item).toBe(0);
    const { U, T } = ratio;
    // The user's heads and tokens: L layers · (heads · 3 products of D × 2D) for mixing and as much for tokens.
    expect(productFlops(graph, /^layers.*\.reusable\./).user).toBe(2 * 2 * U * 3 * 2 * 12 * 24);
    expect(T).toBeGreaterThan(U);
  });

  it.each([
    [1, 1],
    [2, 5],
  ])(
    "gives the scores of the model as written, with reuse and without: %i requests, %i candidates",
    (requests, candidates) => {
      const graph = tokenmixer(ratio);
      expectEquivalent(graph, { requests, candidates });
      expectEquivalent(graph, { requests, candidates }, 1, { reuse: false });
    },
  );
});

describe("the user's share of a sum over mixed channels", () => {
  it("is computed once a request, norm and slice between notwithstanding", () => {
    // The group's gate and up products sum U of T channels in the user program, the others in the item program.
    const [T, U, D, layers] = [4, 2, 32, 2];
    const set = { T, U, D, heads: T, top: 2, rows: 20 };
    const flops = productFlops(elaborateSpec(TOKENMIXER, { set }).graph, /^layers.*\.nonreusable\.[gu]$/);
    const all = layers * 2 * 2 * (T - U) * 2 * D * (2 * D);
    expect(flops.user).toBe((all * U) / T);
    expect(flops.item).toBe((all * (T - U)) / T);
  });
});

describe("on a device", () => {
  let device: WebGpuDevice;
  beforeAll(async () => {
    device = await openZoo();
  }, 60_000);
  afterAll(() => device?.destroy());

  it.each([
    ["RankMixer", RANKMIXER, sets(RATIOS[2], {})],
    ["TokenMixer-Large", TOKENMIXER, sets(RATIOS[3], { heads: 6, top: 2, L: 1 })],
  ])(
    "%s at a skewed ratio agrees with the reference",
    async (_, spec, set) => {
      await expectAgrees(device, readFileSync(spec, "utf8"), { set });
    },
    120_000,
  );
});
