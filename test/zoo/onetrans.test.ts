import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { readVector, transpose, type VectorTensor } from "../support/vectors.ts";
import { expectAgrees, expectVector, F32_EXP, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** L events of the user's, then M tokens that Auto-Split makes of all other features. */
const model = (options: string): string => `
use std.attention
use std.onetrans
model m(L: int = 7, M: int = 2, D: int = 6, H: int = 3, blocks: int = 2) {
  user {
    hist: seq[L] of { item: f32[D] }
    profile: f32[4]
  }
  item { target: f32[3] }
  events, real = last(hist.item, L)
  ns = auto_split(concat(profile, target), n = M, D = D, hidden = [5]) as ns
  y = onetrans(concat(events, ns), own = M, valid = concat(real, all_real(M)), layers = blocks, heads = H${options}) as stack
  task y = y
}`;

describe.each([
  { L: 7, M: 2, D: 6, H: 3, blocks: 2 },
  { L: 1, M: 1, D: 5, H: 1, blocks: 1 },
  { L: 11, M: 3, D: 4, H: 2, blocks: 1 },
])("OneTrans, %o", (set) => {
  it("agrees with the reference", { timeout: 60_000 }, async () => {
    await expectAgrees(device, model(""), { set, tolerance: F32_EXP });
  });
});

describe("OneTrans's options", () => {
  it.each([
    ", pyramid = false, bias = true, mixed_out = false, norm = layer_norm, ratio = 1.5",
    ", least = 2, act = silu, ffn_bias = false, targets = 1",
    ", least = 0",
  ])("%s", { timeout: 60_000 }, async (options) => {
    await expectAgrees(device, model(options), { tolerance: F32_EXP });
  });

  it("the pyramid hands on ever fewer sequence tokens, and all others", () => {
    const rows = (options: string): number =>
      Number(graphOfSpec(model(options), { L: 12, blocks: 4 }).nodes.at(-1)?.type.shape[0]);
    expect([rows(""), rows(", least = 5"), rows(", pyramid = false"), rows(", least = 0")]).toEqual([
      3, 7, 14, 2,
    ]);
  });

  it("sequence tokens are computed once a request", () => {
    const { plan } = compileFor(graphOfSpec(model(", pyramid = false")), device.profile);
    const rows = (stage: "R" | "N"): string[] =>
      plan.values.filter((v) => /shared_/.test(v.name) && v.shape[0] === stage).map((v) => v.name);
    expect(rows("R").length).toBeGreaterThan(0);
    expect(rows("N")).toEqual([]);
  });
});

it("a stack computed elsewhere", { timeout: 60_000 }, async () => {
  const { weights, inputs, outputs } = readVector("onetrans");
  const text = `
use std.attention
use std.onetrans
model m {
  item {
    x: f32[9, 8]
    seq_valid: f32[6]
  }
  task y = onetrans(
    x,
    own = 3,
    valid = concat(seq_valid > 0.5, all_real(3)),
    layers = 3,
    heads = 2,
    ratio = 2,
    norm = rms_norm(eps = 1e-8),
    bias = true
  ) as stack
}`;
  const block = (i: number): (readonly [string, VectorTensor])[] => {
    const ours = `y.stack.blocks.${i}.block`;
    const theirs = `blocks.${i}`;
    return [
      [`${ours}.norm1.gain`, weights(`${theirs}.attn_norm.weight`)],
      [`${ours}.norm2.gain`, weights(`${theirs}.ffn_norm.weight`)],
      ...["q", "k", "v", "out"].flatMap((name): (readonly [string, VectorTensor])[] => [
        [`${ours}.${name}.shared.w`, transpose(weights(`${theirs}.attn.${name}_proj.shared.weight`))],
        [`${ours}.${name}.shared.b`, weights(`${theirs}.attn.${name}_proj.shared.bias`)],
        [`${ours}.${name}.private.w`, weights(`${theirs}.attn.${name}_proj.ns_weight`)],
        [`${ours}.${name}.private.b`, weights(`${theirs}.attn.${name}_proj.ns_bias`)],
      ]),
      [`${ours}.ffn.shared.up.w`, transpose(weights(`${theirs}.ffn.s_ffn.0.weight`))],
      [`${ours}.ffn.shared.up.b`, weights(`${theirs}.ffn.s_ffn.0.bias`)],
      [`${ours}.ffn.shared.down.w`, transpose(weights(`${theirs}.ffn.s_ffn.3.weight`))],
      [`${ours}.ffn.shared.down.b`, weights(`${theirs}.ffn.s_ffn.3.bias`)],
      [`${ours}.ffn.private.w1`, weights(`${theirs}.ffn.ns_w1`)],
      [`${ours}.ffn.private.b1`, weights(`${theirs}.ffn.ns_b1`)],
      [`${ours}.ffn.private.w2`, weights(`${theirs}.ffn.ns_w2`)],
      [`${ours}.ffn.private.b2`, weights(`${theirs}.ffn.ns_b2`)],
    ];
  };
  const given = Object.fromEntries([0, 1, 2].flatMap(block));
  await expectVector(device, text, { weights: given, inputs, outputs }, F32_EXP);
});
