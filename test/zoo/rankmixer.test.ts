import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { elaborateText } from "../model/harness.ts";
import { readVector, transpose } from "../support/vectors.ts";
import { expectAgrees, expectVector, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** U tokens of the user's and G of the candidate's, D wide, through `body`, which rebinds x. */
const model = (body: string): string => `
use std.rankmixer
model m(U: int = 1, G: int = 2, D: int = 6, E: int = 3) {
  user { u: f32[U, D] }
  item { i: f32[G, D] }
  x = concat(u, i)
  ${body}
  task y = x
}`;

describe("RankMixer's block", () => {
  it.each([
    { U: 1, G: 2, D: 6 },
    { U: 3, G: 4, D: 7 },
  ])("agrees with the reference, %o", { timeout: 240_000 }, async (set) => {
    await expectAgrees(device, model("x = rankmixer_block(x, ratio = 1.5) as block"), { set });
  });

  it("takes other norms and their place, an activation, no biases", { timeout: 240_000 }, async () => {
    const body = `
      x = rankmixer_block(x, pre = true, norm = rms_norm(eps = 1e-4), ffn = per_token_ffn(hidden = 5, act = silu, bias = false)) as block`;
    await expectAgrees(device, model(body));
    expect(graphOfSpec(model(body)).params.map((p) => p.path)).toEqual([
      "block.norm1.gain",
      "block.norm2.gain",
      "block.ffn.w1",
      "block.ffn.w2",
    ]);
  });

  it("runs with one token, where mixing is the identity", { timeout: 240_000 }, async () => {
    const text = `
use std.rankmixer
model m {
  item { i: f32[1, 5] }
  task y = rankmixer_block(i, ratio = 2)
}`;
    await expectAgrees(device, text);
  });
});

describe("the ReLU-routed mixture of experts", () => {
  it.each([
    [{ U: 1, G: 2, D: 6, E: 3 }, "ratio = 1.5"],
    [{ U: 2, G: 3, D: 5, E: 1 }, "ratio = 2, router_bias = false"],
    [{ U: 3, G: 2, D: 10, E: 5 }, "ratio = 1.5, shared_router = false"],
  ])("agrees with the reference, %o %s", { timeout: 240_000 }, async (set, options) => {
    await expectAgrees(device, model(`x, gate = rankmixer_moe_block(x, E, ${options}) as block`), { set });
  });

  const serving = model("x, gate = rankmixer_moe_block(x, E) as block\n loss 0.01 * sum(gate)");

  it("keeps the training router among the parameters and out of what serves", () => {
    const graph = graphOfSpec(serving);
    const routers = graph.params.filter((p) => p.path.includes("router"));
    expect(routers.map(({ path, training }) => [path, training])).toEqual([
      ["block.moe.router_infer.gate.w", false],
      ["block.moe.router_infer.gate.b", false],
      ["block.moe.router_train.gate.w", true],
      ["block.moe.router_train.gate.b", true],
    ]);
    const read = graph.nodes.flatMap(({ op }) => (op.kind === "param" ? [op.path] : []));
    expect(read.filter((path) => path.includes("router_infer")).length).toBe(2);
    expect(read.filter((path) => path.includes("router_train"))).toEqual([]);
  });

  it("reads both routers in training", () => {
    const { graph } = elaborateText(serving, { training: true });
    const read = graph?.nodes.flatMap(({ op }) => (op.kind === "param" ? [op.path] : [])) ?? [];
    expect(read.filter((path) => path.includes("router_"))).toHaveLength(4);
  });
});

describe("vectors computed elsewhere", () => {
  it("the dense block", { timeout: 240_000 }, async () => {
    const { weights, inputs, outputs } = readVector("rankmixer_block");
    const text = `
use std.rankmixer
model m {
  item { x: f32[4, 16] }
  task y = rankmixer_block(x, ratio = 2) as block
}`;
    const paths = graphOfSpec(text).params.map((p) => p.path);
    const given = Object.fromEntries(paths.map((path) => [path, weights(path.replace(/^y\./, ""))]));
    await expectVector(device, text, { weights: given, inputs, outputs });
  });

  it("the mixture of experts: the gates and the block's output", { timeout: 240_000 }, async () => {
    const { weights, inputs, outputs } = readVector("rankmixer_moe");
    const text = `
use std.rankmixer
model m {
  item { x: f32[4, 16] }
  y, gate = rankmixer_moe_block(x, 3, ratio = 2) as block
  task y = y
  task gate = gate
}`;
    const router = (name: "train" | "infer"): Record<string, ReturnType<typeof weights>> => ({
      [`block.moe.router_${name}.gate.w`]: transpose(weights(`moe_pffn.router_${name}.gate.weight`)),
      [`block.moe.router_${name}.gate.b`]: weights(`moe_pffn.router_${name}.gate.bias`),
    });
    await expectVector(device, text, {
      weights: {
        "block.norm1.gain": weights("norm1.weight"),
        "block.norm1.bias": weights("norm1.bias"),
        "block.moe.w1": weights("moe_pffn.W1"),
        "block.moe.b1": weights("moe_pffn.b1"),
        "block.moe.w2": weights("moe_pffn.W2"),
        "block.moe.b2": weights("moe_pffn.b2"),
        ...router("train"),
        ...router("infer"),
        "block.norm2.gain": weights("norm2.weight"),
        "block.norm2.bias": weights("norm2.bias"),
      },
      inputs,
      outputs,
    });
  });
});
