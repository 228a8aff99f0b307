import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { meaningOf } from "../support/meaning.ts";
import { partOfLast, readVector, reshape } from "../support/vectors.ts";
import { expectAgrees, expectVector, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** U tokens of the user's and G of the candidate's, D wide, through a block with H heads. */
const model = (options: string): string => `
use std.tokenmixer
model m(U: int = 1, G: int = 2, D: int = 6, H: int = 2) {
  user { u: f32[U, D] }
  item { i: f32[G, D] }
  task y = tokenmixer_block(concat(u, i), heads = H, ${options}) as block
}`;

/** Wdown as large as the others: a hundredth would hide its errors behind the residual. */
const dense = "per_token_swiglu(ratio = 1.5, down_scale = 1)";

describe("mixing and reverting", () => {
  it.each([
    { T: 3, D: 8, H: 2 },
    { T: 5, D: 7, H: 7 },
    { T: 1, D: 6, H: 3 },
  ])("reverting undoes mixing, %o", ({ T, D, H }) => {
    const text = `
use std.rankmixer
use std.tokenmixer
model m {
  item { x: f32[${T}, ${D}] }
  task mixed = token_mixing(x, ${H})
  task y = revert_mixing(token_mixing(x, ${H}), ${T})
}`;
    const x = Array.from({ length: T * D }, (_, i) => i);
    const { mixed = [], y } = meaningOf(text, { features: { x } });
    expect(y).toEqual(x);
    const e = D / H;
    for (let h = 0; h < H; h++) {
      for (let p = 0; p < T * e; p++) {
        expect(mixed[h * T * e + p]).toBe(x[Math.floor(p / e) * D + h * e + (p % e)]);
      }
    }
  });

  it.each([
    [{ U: 1, G: 2, D: 4, H: 2 }, `mix_ffn = ${dense}, token_ffn = ${dense}`],
    [{ U: 2, G: 3, D: 7, H: 7 }, `mix_ffn = ${dense}, token_ffn = per_token_swiglu(bias = true, hidden = 3)`],
    [
      { U: 2, G: 1, D: 6, H: 3 },
      `mix_ffn = ${dense}, token_ffn = ${dense}, norm_in = false, norm_out = true, norm = layer_norm(eps = 1e-4)`,
    ],
    [{ U: 1, G: 1, D: 9, H: 3 }, `mix_ffn = ${dense}, token_ffn = ${dense}, norm_branch = true`],
  ])("the dense block agrees with the reference, %o %s", { timeout: 240_000 }, async (set, options) => {
    await expectAgrees(device, model(options), { set });
  });
});

describe("the sparse per-token mixture", () => {
  const block = (options: string): string =>
    model(`mix_ffn = sparse_swiglu(${options}), token_ffn = sparse_swiglu(${options})`);

  it.each([
    [{ U: 1, G: 2, D: 4, H: 2 }, "experts = 2, down_scale = 1"],
    [{ U: 2, G: 1, D: 6, H: 3 }, "experts = 3, active = 2, scale = 1.5, router_bias = true, down_scale = 1"],
    [
      { U: 1, G: 4, D: 5, H: 5 },
      "experts = 4, active = 3, hidden = 3, renormalise = false, shared = false, down_scale = 1",
    ],
  ])("agrees with the reference, %o %s", { timeout: 240_000 }, async (set, options) => {
    await expectAgrees(device, block(options), { set });
  });

  /** Experts whose output is their number: SiLU(1) · 1 · (number / SiLU(1)). */
  it("renormalises over the chosen, scales by 1 / sparsity and adds the shared expert", () => {
    const text = `
use std.tokenmixer
model m {
  item { x: f32[1, 1] }
  task y = sparse_swiglu(x, experts = 4, active = 2, hidden = 1) as moe
}`;
    const silu = 1 / (1 + Math.exp(-1));
    const params = {
      "moe.gate": [1, 1, 1, 1],
      "moe.up": [1, 1, 1, 1],
      "moe.down": [10, 20, 30, 40].map((v) => v / silu),
      "moe.router.w": [0, 2, -1, 1],
      "moe.shared.gate": [1],
      "moe.shared.up": [1],
      "moe.shared.down": [5 / silu],
    };
    const paths = graphOfSpec(text).params.map(({ path }) => path);
    expect(paths.toSorted()).toEqual(
      Object.keys(params)
        .map((p) => `y.${p}`)
        .toSorted(),
    );
    const labelled = Object.fromEntries(Object.entries(params).map(([path, v]) => [`y.${path}`, v]));
    const { y } = meaningOf(text, { features: { x: [1] }, params: labelled });
    const first = Math.exp(2) / (Math.exp(2) + Math.exp(1));
    expect(y?.[0]).toBeCloseTo(2 * (first * 20 + (1 - first) * 40) + 5, 10);
  });
});

describe("residuals between layers", () => {
  /** Each layer adds 1, so that only what the residuals add differs from the number of layers. */
  const stack = (layers: number, every: number): number => {
    const text = `
use std.tokenmixer
model m {
  item { i: f32[1, 1] }
  x = i
  kept = x
  repeat ${layers} as layer {
    x = x + 1
    x, kept = inter_layer_residual(x, kept, layer, ${layers}, ${every})
  }
  task y = x
}`;
    return meaningOf(text, { features: { i: [0] } }).y?.[0] ?? Number.NaN;
  };

  it("come every n blocks and not after the last", () => {
    expect(stack(4, 0)).toBe(4);
    // 1, 2 + 0, 3, 4: the fourth is the last
    expect(stack(4, 2)).toBe(4);
    // 1, 2 + 0, 3, 4 + 2, 7
    expect(stack(5, 2)).toBe(7);
    // 1, 2, 3 + 0, 4, 5, 6 + 3, 10
    expect(stack(7, 3)).toBe(10);
    // 1 + 0, 2 + 1, 4 + 3, 8
    expect(stack(4, 1)).toBe(8);
  });
});

describe("auxiliary heads", () => {
  it("are parameters for training alone", () => {
    const text = `
use std.tokenmixer
model m {
  item { i: f32[3, 6] }
  label clicked: f32
  x = i
  repeat 2 as layers {
    x = tokenmixer_block(x) as block
    if training and layers < 1 {
      loss 0.1 * logistic_loss(auxiliary_head(x), clicked)
    }
  }
  task y = x
}`;
    const extra = graphOfSpec(text).params.filter(({ training }) => training);
    expect(extra.map(({ path }) => path)).toEqual([
      "layers.0.auxiliary_head.linear.w",
      "layers.0.auxiliary_head.linear.b",
    ]);
  });
});

describe("vectors computed elsewhere, two heads of three tokens", () => {
  it("the dense block with biases", { timeout: 240_000 }, async () => {
    const { weights, inputs, outputs } = readVector("tokenmixer_dense");
    const text = `
use std.tokenmixer
model m {
  item { x: f32[3, 8] }
  y = tokenmixer_block(
    x,
    heads = 2,
    mix_ffn = per_token_swiglu(ratio = 1.5, bias = true),
    token_ffn = per_token_swiglu(ratio = 1.5, bias = true)
  ) as block
  task y = y
}`;
    const ffn = (ours: string, theirs: string): [string, ReturnType<typeof weights>][] => [
      [`block.${ours}.norm.gain`, weights(`${theirs}_norm.weight`)],
      [`block.${ours}.ffn.gate`, partOfLast(weights(`${theirs}_ffn.gate_up_weight`), 0, 2)],
      [`block.${ours}.ffn.up`, partOfLast(weights(`${theirs}_ffn.gate_up_weight`), 1, 2)],
      [`block.${ours}.ffn.gate_bias`, partOfLast(weights(`${theirs}_ffn.gate_up_bias`), 0, 2)],
      [`block.${ours}.ffn.up_bias`, partOfLast(weights(`${theirs}_ffn.gate_up_bias`), 1, 2)],
      [`block.${ours}.ffn.down`, weights(`${theirs}_ffn.down_weight`)],
      [`block.${ours}.ffn.down_bias`, weights(`${theirs}_ffn.down_bias`)],
    ];
    const given = Object.fromEntries([...ffn("mix", "mixed"), ...ffn("token", "original")]);
    await expectVector(device, text, { weights: given, inputs, outputs });
  });

  it("the sparse block: one of three experts and the shared one", { timeout: 240_000 }, async () => {
    const { weights, inputs, outputs } = readVector("tokenmixer_moe");
    const text = `
use std.tokenmixer
model m {
  item { x: f32[3, 8] }
  let ffn = sparse_swiglu(experts = 3, active = 1, ratio = 3)
  y = tokenmixer_block(x, heads = 2, mix_ffn = ffn, token_ffn = ffn) as block
  task y = y
}`;
    const ffn = (
      ours: string,
      theirs: string,
      rows: number,
      width: number,
    ): [string, ReturnType<typeof weights>][] => {
      const experts = (name: string, part: number, parts: number): ReturnType<typeof weights> => {
        const cut = partOfLast(weights(`${theirs}_ffn.${name}`), part, parts);
        return reshape(cut, rows, 3, ...cut.shape.slice(1));
      };
      const shared = `${theirs}_ffn.shared_expert`;
      expect(weights(`${shared}.down_weight`).shape).toEqual([rows, width, width]);
      return [
        [`block.${ours}.norm.gain`, weights(`${theirs}_norm.weight`)],
        [`block.${ours}.ffn.gate`, experts("gate_up_weight", 0, 2)],
        [`block.${ours}.ffn.up`, experts("gate_up_weight", 1, 2)],
        [`block.${ours}.ffn.down`, experts("down_weight", 0, 1)],
        [`block.${ours}.ffn.router.w`, weights(`${theirs}_ffn.router`)],
        [`block.${ours}.ffn.shared.gate`, partOfLast(weights(`${shared}.gate_up_weight`), 0, 2)],
        [`block.${ours}.ffn.shared.up`, partOfLast(weights(`${shared}.gate_up_weight`), 1, 2)],
        [`block.${ours}.ffn.shared.down`, weights(`${shared}.down_weight`)],
      ];
    };
    const given = Object.fromEntries([...ffn("mix", "mixed", 2, 12), ...ffn("token", "original", 3, 8)]);
    await expectVector(device, text, { weights: given, inputs, outputs });
  });
});
