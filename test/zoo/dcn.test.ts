import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { readVector, transpose } from "../support/vectors.ts";
import { expectAgrees, expectVector, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const network = (options: string): string => `
use std.dcn
model m(U: int = 3, D: int = 7) {
  user { u: f32[U] }
  item { i: f32[D - U] }
  y = cross_network(concat(u, i), ${options}) as cross
  task y = y
}`;

describe.each([
  { U: 3, D: 7 },
  { U: 1, D: 2 },
  { U: 8, D: 29 },
])("the cross network, %o", (set) => {
  it.each([
    "layers = 3",
    "layers = 2, rank = 3",
    "layers = 2, rank = 2, experts = 3",
    "layers = 1, rank = 2, experts = 2, gate = sigmoid, act = identity, core = false",
  ])("agrees with the reference, %s", { timeout: 60_000 }, async (options) => {
    await expectAgrees(device, network(options), { set });
  });
});

it("takes tokens, one cross layer shared by all", { timeout: 60_000 }, async () => {
  const text = `
use std.dcn
model m {
  item { x: f32[3, 5] }
  y = cross_layer(x, x, rank = 2, bias = false)
  task y = y
}`;
  await expectAgrees(device, text);
  expect(graphOfSpec(text).params.map((p) => p.path)).toEqual(["cross_layer.v.w", "cross_layer.u.w"]);
});

it("gives a low-rank vector computed elsewhere", { timeout: 60_000 }, async () => {
  const { weights, inputs, outputs } = readVector("dcn_low_rank");
  const text = `
use std.dcn
model m {
  item { x: f32[7] }
  y = cross_network(x, layers = 3, rank = 2) as net
  task y = y
}`;
  const layers = [0, 1, 2].flatMap((l) => [
    [`net.layer.${l}.cross.v.w`, transpose(weights(`V_kernels.${l}`))] as const,
    [`net.layer.${l}.cross.u.w`, transpose(weights(`W_kernels.${l}`))] as const,
    [`net.layer.${l}.cross.u.b`, weights(`bias.${l}`)] as const,
  ]);
  await expectVector(device, text, { weights: Object.fromEntries(layers), inputs, outputs });
});
