/**
 * Dense TokenMixer-Large layers: four kernels each. Gate and up are one kernel (on a software device one sum over weights that lie side
 * by side), and both gather the norm's statistics.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { partsOf } from "../../src/ir/tile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { expectAgrees, openZoo, type ZooOptions } from "../support/zoo.ts";

let device: WebGpuDevice;

beforeAll(async () => {
  device = await openZoo();
});

afterAll(() => device.destroy());

const spec = (block: string): string => `
use std.tokenmixer

model layers(T: int = 4, D: int = 32, H: int = 4, L: int = 2, ratio: float = 3) {
  item {
    x: f32[T, D]
  }
  y = x
  repeat L as layers {
    y = ${block} as block
  }
  task y = y
}
`;

const DENSE = spec("tokenmixer_block(y, heads = H, ratio = ratio)");
const LAYER = spec("tokenmixer_block(y, heads = H, ratio = ratio, norm = layer_norm)");
const ROWS = [0, 1, 19, 33].map((candidates) => ({ requests: 1, candidates }));
const GPU = { software: false } as const;

describe.each([
  ["software", {}],
  ["gpu", { features: GPU }],
] as const)("a dense layer on %s devices", (kind, options: ZooOptions) => {
  it("is four kernels", async () => {
    const { plan } = await expectAgrees(device, DENSE, { ...options, sizes: ROWS });
    expect(plan.kernels.item.flatMap(partsOf)).toHaveLength(2 * 4);
    const tall = plan.kernels.item.flatMap(({ lowering }) => ("rows" in lowering ? [lowering.rows] : []));
    if (kind === "software") expect(Math.max(...tall)).toBeGreaterThan(8);
  });

  // Columns that no tile divides, rows whose slices are no groups of four (they keep their norm), an odd number of heads.
  it.each([
    { T: 3, D: 20, H: 5, ratio: 1, L: 1 },
    { T: 2, D: 36, H: 3, ratio: 2, L: 1 },
  ])("agrees at %o", async (set) => {
    await expectAgrees(device, DENSE, { ...options, set, sizes: ROWS.slice(1, 3) });
  });

  it("agrees with layer norms", async () => {
    await expectAgrees(device, LAYER, { ...options, set: { T: 2, H: 2, L: 1 }, sizes: ROWS.slice(1, 3) });
  });
});

describe("gate and up of few rows", () => {
  it("are two sums of one kernel", async () => {
    const { plan } = await expectAgrees(device, DENSE, { sizes: [{ requests: 1, candidates: 5 }] });
    const dots = plan.kernels.item.map(({ body }) => body.filter((s) => s.kind === "dot").length);
    expect(dots).toEqual([2, 1, 2, 1, 2, 1, 2, 1]);
    const names = plan.kernels.load.map(({ about }) => about.fused.join());
    expect(names.some((fused) => fused.includes("concat"))).toBe(false);
  });
});
