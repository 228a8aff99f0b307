import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { readVector, transpose } from "../support/vectors.ts";
import { expectAgrees, expectVector, F32_EXP, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const layer = (options: string): string => `
use std.autoint
model m(U: int = 1, T: int = 4, D: int = 6) {
  user { u: f32[U, D] }
  item { i: f32[T - U, D] }
  y = autoint_layer(concat(u, i), ${options}) as layer
  task y = y
}`;

describe("the interacting layer", () => {
  it.each([
    [{ U: 1, T: 4, D: 6 }, "dim = 6, heads = 2"],
    [{ U: 2, T: 3, D: 5 }, 'dim = 9, heads = 3, scale = true, norm = true, residual = "none"'],
    [{ U: 5, T: 13, D: 7 }, "dim = 5, heads = 1, act = identity, scale = true"],
  ])("agrees with the reference, %o, %s", { timeout: 120_000 }, async (set, options) => {
    await expectAgrees(device, layer(options), { set, tolerance: F32_EXP });
  });
});

it("keeps the identity where the widths agree", { timeout: 60_000 }, async () => {
  const text = layer('dim = 6, heads = 3, residual = "identity"');
  await expectAgrees(device, text, { tolerance: F32_EXP });
  expect(graphOfSpec(text).params.map((p) => p.path)).toEqual(["layer.q.w", "layer.k.w", "layer.v.w"]);
});

it("gives a vector computed elsewhere", { timeout: 60_000 }, async () => {
  const { weights, inputs, outputs } = readVector("autoint");
  const text = `
use std.autoint
model m {
  item { x: f32[4, 5] }
  y = autoint_layer(x, dim = 6, heads = 2, scale = true, norm = true) as layer
  task y = y
}`;
  await expectVector(device, text, {
    weights: {
      "layer.q.w": transpose(weights("W_q.weight")),
      "layer.k.w": transpose(weights("W_k.weight")),
      "layer.v.w": transpose(weights("W_v.weight")),
      "layer.residual.w": transpose(weights("W_res.weight")),
      "layer.norm.gain": weights("layer_norm.weight"),
      "layer.norm.bias": weights("layer_norm.bias"),
    },
    inputs,
    outputs,
  });
});
