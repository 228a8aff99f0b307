import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { readVector, reshape, transpose } from "../support/vectors.ts";
import { expectAgrees, expectVector, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const network = (options: string): string => `
use std.cin
model m(U: int = 1, F: int = 4, D: int = 3) {
  user { u: f32[U, D] }
  item { i: f32[F - U, D] }
  y = cin(concat(u, i), ${options}) as cin
  task y = y
}`;

describe.each([
  { U: 1, F: 4, D: 3 },
  { U: 2, F: 7, D: 5 },
  { U: 1, F: 2, D: 1 },
])("the compressed interaction network, %o", (set) => {
  it.each(["sizes = [5, 3]", "sizes = [4, 6, 2], split_half = true, act = relu", "sizes = [3], bias = true"])(
    "agrees with the reference, %s",
    { timeout: 60_000 },
    async (options) => {
      await expectAgrees(device, network(options), { set });
    },
  );
});

it("splits every layer but the last in two", () => {
  const graph = graphOfSpec(network("sizes = [6, 8, 4], split_half = true"));
  expect(graph.outputs.map((o) => o.shape)).toEqual([[3 + 4 + 4]]);
  expect(graph.params.map((p) => p.shape)).toEqual([
    [4, 4, 6],
    [3, 4, 8],
    [4, 4, 4],
  ]);
});

it("gives a vector computed elsewhere", { timeout: 60_000 }, async () => {
  const { weights, inputs, outputs } = readVector("cin");
  const text = `
use std.cin
model m {
  item { x: f32[4, 6] }
  y = cin(x, sizes = [5, 3], bias = true) as cin
  task y = y
}`;
  // [maps, (h f), 1] there, [h, f, maps] here.
  const kernel = (layer: number, h: number, maps: number) => ({
    ...transpose(reshape(weights(`cin_layers.${layer}.weight`), maps, h * 4)),
    shape: [h, 4, maps],
  });
  await expectVector(device, text, {
    weights: {
      "cin.layer.0.cin.w": kernel(0, 4, 5),
      "cin.layer.0.cin.b": weights("cin_layers.0.bias"),
      "cin.layer.1.cin.w": kernel(1, 5, 3),
      "cin.layer.1.cin.b": weights("cin_layers.1.bias"),
    },
    inputs,
    outputs,
  });
});
