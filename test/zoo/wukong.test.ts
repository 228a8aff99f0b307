import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { readVector, transpose } from "../support/vectors.ts";
import { expectAgrees, expectVector, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** A layer over user and item tokens, one request's tokens first. */
const layer = (options: string): string => `
use std.wukong
model m(U: int = 2, T: int = 5, D: int = 6) {
  user { u: f32[U, D] }
  item { i: f32[T - U, D] }
  y = wukong_layer(concat(u, i), ${options}) as layer
  task y = y
}`;

describe("Wukong's layer", () => {
  it.each([
    { U: 2, T: 5, D: 6 },
    { U: 1, T: 3, D: 7 },
    { U: 4, T: 11, D: 13 },
  ])("agrees with the reference, %o", { timeout: 60_000 }, async (set) => {
    await expectAgrees(device, layer("nL = 2, nF = 3, k = 3, hidden = [9, 5]"), { set });
  });

  it.each([
    ["nL = 1, nF = 2, k = 0, hidden = [7]"],
    ['nL = 3, nF = 2, k = 2, hidden = [], norm = "pre", fmb_first = false'],
    ['nL = 3, nF = 1, k = 5, hidden = [7], norm = "none", act = gelu'],
    ["nL = 2, nF = 2, k = 3, hidden = [5], attentive = true, summary = 2, attentive_hidden = [7]"],
  ])("agrees with %s", { timeout: 60_000 }, async (options) => {
    await expectAgrees(device, layer(options));
  });

  it("takes one token", { timeout: 60_000 }, async () => {
    const text = `
use std.wukong
model m {
  item { x: f32[1, 5] }
  y = wukong_layer(x, nL = 1, nF = 1, k = 1, hidden = [3])
  task y = y
}`;
    await expectAgrees(device, text);
  });

  it("reads weights above one binding in slices", { timeout: 60_000 }, async () => {
    const text = layer("nL = 2, nF = 3, k = 7, hidden = [13, 5]");
    const { plan } = await expectAgrees(device, text, {
      set: { U: 2, T: 13, D: 6 },
      limits: { storageBinding: 4096 },
    });
    // 91 × 13, padded to 16, take 5,824 bytes.
    const runs = plan.values.filter(({ home }) => home.kind === "param" && home.rows);
    expect(runs.map(({ shape }) => shape)).toEqual([
      [48, 13],
      [43, 13],
    ]);
  });

  it("never forms X Xᵀ where Y is narrow", { timeout: 60_000 }, async () => {
    const text = layer("nL = 2, nF = 2, k = 3, hidden = [5]");
    const { plan } = await expectAgrees(device, text, { set: { U: 3, T: 31, D: 5 } });
    const square = plan.values.filter(({ shape }) => shape.filter((extent) => extent === 31).length === 2);
    expect(square.map(({ name }) => name)).toEqual([]);
  });
});

it("gives a vector computed elsewhere", { timeout: 60_000 }, async () => {
  const { weights, inputs, outputs } = readVector("wukong");
  const text = `
use std.wukong
model m {
  item { x: f32[6, 5] }
  y = wukong_layer(x, nL = 3, nF = 4, k = 2, hidden = [9, 7]) as layer
  task y = y
}`;
  await expectVector(device, text, {
    weights: {
      "layer.lcb.w": weights("lcb.weight"),
      "layer.fmb.fm.y": weights("fmb.weight"),
      "layer.fmb.norm.gain": weights("fmb.norm.weight"),
      "layer.fmb.norm.bias": weights("fmb.norm.bias"),
      "layer.fmb.mlp.layer.0.linear.w": transpose(weights("fmb.mlp.mlp.0.perceptron.0.weight")),
      "layer.fmb.mlp.layer.0.linear.b": weights("fmb.mlp.mlp.0.perceptron.0.bias"),
      "layer.fmb.mlp.layer.1.linear.w": transpose(weights("fmb.mlp.mlp.1.perceptron.0.weight")),
      "layer.fmb.mlp.layer.1.linear.b": weights("fmb.mlp.mlp.1.perceptron.0.bias"),
      "layer.fmb.mlp.out.w": transpose(weights("fmb.feature_out_liner.weight")),
      "layer.fmb.mlp.out.b": weights("fmb.feature_out_liner.bias"),
      "layer.residual.w": weights("residual_projection.weight"),
      "layer.norm.gain": weights("norm.weight"),
      "layer.norm.bias": weights("norm.bias"),
    },
    inputs,
    outputs,
  });
});
