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
use std.hiformer
model m(U: int = 1, T: int = 4, D: int = 6) {
  user { u: f32[U, D] }
  item { i: f32[T - U, D] }
  y = hiformer_layer(concat(u, i), heads = 2, dk = 3, dv = 5, hidden = 7, ${options}) as layer
  task y = y
}`;

describe("HiFormer's layer", () => {
  it.each([
    [{ U: 1, T: 4, D: 6 }, "rank_k = 3, rank_v = 5"],
    [{ U: 2, T: 3, D: 5 }, 'rank_k = 0, rank_v = 0, norm = "post", bias = true'],
    [{ U: 3, T: 7, D: 11 }, 'kind = "token", norm = "none", project_per_token = true'],
    [{ U: 1, T: 5, D: 7 }, 'kind = "token", rows = 2, bias = true'],
    [{ U: 2, T: 11, D: 4 }, "rank_k = 2, rank_v = 3, rows = 1"],
  ])("agrees with the reference, %o, %s", { timeout: 120_000 }, async (set, options) => {
    await expectAgrees(device, layer(options), { set, tolerance: F32_EXP });
  });
});

describe("the last layer, pruned to the task tokens", () => {
  const stack = (rows: string): string => `
use std.hiformer
model m {
  item { x: f32[5, 6] }
  y = hiformer_layer(x, heads = 2, dk = 3, dv = 3, hidden = 7, kind = "token"${rows}) as layer
  task y = y[3:]
}`;

  it("has queries and FFNs for those alone", () => {
    const params = new Map(
      graphOfSpec(stack(", rows = 2").replace("y[3:]", "y")).params.map((p) => [p.path, p.shape]),
    );
    expect(params.get("layer.attention.q.token_linear.w")).toEqual([2, 6, 6]);
    expect(params.get("layer.attention.k.token_linear.w")).toEqual([5, 6, 6]);
    expect(params.get("layer.ffn.up.w")).toEqual([2, 6, 7]);
  });

  it("costs no more where nobody reads the other rows of a whole layer", { timeout: 60_000 }, async () => {
    const flops = async (text: string): Promise<number> => {
      const { plan } = await expectAgrees(device, text, { tolerance: F32_EXP });
      return plan.kernels.item.reduce((sum, kernel) => sum + kernel.about.flops, 0);
    };
    const pruned = await flops(stack(", rows = 2").replace("y[3:]", "y"));
    expect(await flops(stack(""))).toBeLessThanOrEqual(pruned * 1.05);
  });
});

it("gives a vector computed elsewhere", { timeout: 60_000 }, async () => {
  const { weights, inputs, outputs } = readVector("hiformer");
  const text = `
use std.hiformer
model m {
  item { x: f32[4, 8] }
  repeat 2 as layers {
    x = hiformer_layer(x, heads = 2, dk = 4, dv = 4, hidden = 16, rank_k = 5, rank_v = 5, project = false) as l
  }
  task y = x
}`;
  const layers = [0, 1].flatMap((i) => [
    ...["q", "k", "v"].flatMap((s) => [
      [
        `layers.${i}.l.attention.${s}.down.w`,
        transpose(weights(`mixer_layers.${i}.W_${s}.down_proj.weight`)),
      ] as const,
      [
        `layers.${i}.l.attention.${s}.up.w`,
        transpose(weights(`mixer_layers.${i}.W_${s}.up_proj.weight`)),
      ] as const,
    ]),
    [`layers.${i}.l.norm1.gain`, weights(`mixer_norms.${i}.weight`)] as const,
    [`layers.${i}.l.norm1.bias`, weights(`mixer_norms.${i}.bias`)] as const,
    [`layers.${i}.l.norm2.gain`, weights(`pffn_norms.${i}.weight`)] as const,
    [`layers.${i}.l.norm2.bias`, weights(`pffn_norms.${i}.bias`)] as const,
    [`layers.${i}.l.ffn.up.w`, weights(`pffn_layers.${i}.W1`)] as const,
    [`layers.${i}.l.ffn.up.b`, weights(`pffn_layers.${i}.b1`)] as const,
    [`layers.${i}.l.ffn.down.w`, weights(`pffn_layers.${i}.W2`)] as const,
    [`layers.${i}.l.ffn.down.b`, weights(`pffn_layers.${i}.b2`)] as const,
  ]);
  await expectVector(device, text, { weights: Object.fromEntries(layers), inputs, outputs }, F32_EXP);
});
