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
use std.dhen
model m(U: int = 1, T: int = 5, D: int = 6) {
  user { u: f32[U, D] }
  item { i: f32[T - U, D] }
  y = dhen_layer(concat(u, i), ${options}) as layer
  task y = y
}`;

const everyModule = `[
  dhen_linear(out = 3),
  dhen_attention(out = 3, heads = 1, ratio = 2),
  dhen_convolution(out = 3, channels = 2, size = 3),
  dhen_cross(out = 3),
  dhen_dlrm(out = 3, hidden = [7], summary = 2)
]`;

describe("DHEN's layer", () => {
  it.each([
    [{ U: 1, T: 5, D: 6 }, "concat"],
    [{ U: 4, T: 7, D: 9 }, "weighted"],
  ])("of every module agrees with the reference, %o, %s", { timeout: 120_000 }, async (set, ensemble) => {
    await expectAgrees(device, layer(`${everyModule}, ensemble = "${ensemble}"`), {
      set,
      tolerance: F32_EXP,
    });
  });

  it.each([
    [{ U: 2, T: 3, D: 5 }, '[dhen_linear, dhen_cross], ensemble = "sum"'],
    [
      { U: 1, T: 7, D: 3 },
      '[dhen_linear(bias = true), dhen_dlrm(hidden = [5], summary = 0)], ensemble = "project"',
    ],
    [{ U: 1, T: 2, D: 4 }, "[dhen_convolution(channels = 3, size = 5, act = relu, bias = false)]"],
  ])("agrees with the reference, %o, %s", { timeout: 120_000 }, async (set, modules) => {
    await expectAgrees(device, layer(modules), { set });
  });
});

it("keeps X as the shortcut where the shapes match, else projects it", () => {
  const paths = (options: string): string[] => graphOfSpec(layer(options)).params.map((p) => p.path);
  expect(paths('[dhen_linear, dhen_linear], ensemble = "sum"')).toEqual([
    "layer.modules.0.dhen_linear.w",
    "layer.modules.1.dhen_linear.w",
    "layer.norm.gain",
    "layer.norm.bias",
  ]);
  expect(paths("[dhen_linear, dhen_linear(out = 2)]")).toContain("layer.shortcut.w");
});

it("takes blocks of the spec's own, one module, and changes the number of tokens in a stack", {
  timeout: 60_000,
}, async () => {
  const text = `
use std.dhen
block twice(x: [T, D]) -> [T, D] {
  return 2 * x
}
model m {
  item { x: f32[3, 5] }
  x = dhen_layer(x, [twice])
  y = dhen(x, layers = 3, modules = [dhen_linear(out = 2), twice], ensemble = "concat")
  task y = y
}`;
  expect(graphOfSpec(text).outputs.map((o) => o.shape)).toEqual([[3 + 2 + 2 + 2, 5]]);
  await expectAgrees(device, text);
});

it("gives a vector computed elsewhere, whose two modules the spec declares", {
  timeout: 60_000,
}, async () => {
  const { weights, inputs, outputs } = readVector("dhen");
  const text = `
use std.dhen

block dots(x: [T, D]) -> [T, D] {
  scores = einsum("i d, j d -> i j", x, x) * pow(D, -0.5)
  return linear(einsum("i j, j d -> i d", softmax(scores), x), D) as proj
}

block token_map(x: [T, D], rank: int) -> [T, D] {
  param u: [T, rank]
  param v: [rank, T]
  param b: [T]
  return einsum("t d, t r, r s -> s d", x, u, v) + broadcast(b, "t -> t d", d = D)
}

block deep(x: [T, D], hidden: int) -> [T, D] {
  return mlp(x, [hidden], D, act = silu) as mlp
}

block dcn(x: [T, D], layers: int, rank: int, hidden: int) -> [T, D] {
  c = x
  repeat layers as cross {
    c = x * linear(c, D) + token_map(c, rank) + c
  }
  return layer_norm(c + deep(x, hidden)) as norm
}

model m {
  item { x: f32[4, 8] }
  y = dhen(x, layers = 2, modules = [dots, dcn(layers = 2, rank = 3, hidden = 10)], ensemble = "project",
    shortcut = [deep(hidden = 10)]) as dhen
  task y = y
}`;
  type Entry = readonly [string, ReturnType<typeof weights>];
  const linear = (path: string, name: string): Entry[] => [
    [`${path}.w`, transpose(weights(`${name}.weight`))],
    [`${path}.b`, weights(`${name}.bias`)],
  ];
  const norm = (path: string, name: string): Entry[] => [
    [`${path}.gain`, weights(`${name}.weight`)],
    [`${path}.bias`, weights(`${name}.bias`)],
  ];
  const entries = [0, 1].flatMap((i): Entry[] => {
    const at = `dhen.layers.${i}.layer`;
    const from = `layers.${i}`;
    return [
      ...linear(`${at}.modules.0.dots.proj`, `${from}.dot_interaction.proj`),
      ...[0, 1].flatMap((l): Entry[] => {
        const cross = `${at}.modules.1.dcn.cross.${l}`;
        const name = `${from}.dcn_interaction.cross_layers.${l}`;
        return [
          ...linear(`${cross}.linear`, `${name}.feature_proj`),
          [`${cross}.token_map.u`, transpose(weights(`${name}.token_u.weight`))],
          [`${cross}.token_map.v`, transpose(weights(`${name}.token_v.weight`))],
          [`${cross}.token_map.b`, weights(`${name}.token_v.bias`)],
        ];
      }),
      ...linear(`${at}.modules.1.dcn.deep.mlp.layer.0.linear`, `${from}.dcn_interaction.deep.0`),
      ...linear(`${at}.modules.1.dcn.deep.mlp.out`, `${from}.dcn_interaction.deep.3`),
      ...norm(`${at}.modules.1.dcn.norm`, `${from}.dcn_interaction.norm`),
      ...linear(`${at}.ensemble`, `${from}.ensemble_proj`),
      ...linear(`${at}.shortcut.mlp.layer.0.linear`, `${from}.shortcut.0`),
      ...linear(`${at}.shortcut.mlp.out`, `${from}.shortcut.3`),
      ...norm(`${at}.norm`, `${from}.norm`),
    ];
  });
  await expectVector(device, text, { weights: Object.fromEntries(entries), inputs, outputs }, F32_EXP);
});
