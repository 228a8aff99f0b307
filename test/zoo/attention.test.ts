import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { expectAgrees, F32_EXP, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** Q queries of the candidate's over S events of the user's. */
const across = (options: string): string => `
use std.attention
model m(Q: int = 3, S: int = 7, D: int = 6, H: int = 3) {
  user { hist: seq[S] of { e: f32[D] } }
  item { x: f32[Q, D] }
  task y = multi_head_attention(x, hist.e, heads = H${options})
}`;

/** A user's S tokens and Q of the candidate's in one sequence. */
const within = (layer: string): string => `
use std.attention
model m(Q: int = 3, S: int = 7, D: int = 6, H: int = 3) {
  user { hist: seq[S] of { e: f32[D] } }
  item { x: f32[Q, D] }
  let T = Q + S
  real = concat(valid(hist), all_real(Q))
  task y = transformer_layer(concat(hist.e, x), valid = real, heads = H, ${layer})
}`;

describe("multi-head attention", () => {
  it.each([
    [{ Q: 3, S: 7, D: 6, H: 3 }, ""],
    [{ Q: 1, S: 1, D: 5, H: 1 }, ", valid = valid(hist), bias = false, project = false, value = 3"],
    [
      { Q: 13, S: 11, D: 4, H: 2 },
      ", valid = valid(hist), keep = window(iota(Q) + 1, iota(S), 2), key = 5, out = 7, scale = 0.3",
    ],
  ])("agrees with the reference, %o%s", { timeout: 60_000 }, async (set, options) => {
    await expectAgrees(device, across(options), { set, tolerance: F32_EXP });
  });
});

describe("a transformer layer", () => {
  it.each([
    [{ Q: 3, S: 7, D: 6, H: 3 }, "targets = Q, keep = causal_tail(T, T)"],
    [{ Q: 13, S: 11, D: 4, H: 2 }, "pre = false, norm = rms_norm, queries = T - 1"],
    [
      { Q: 1, S: 1, D: 5, H: 1 },
      "ffn = swiglu(ratio = 1.5, bias = true), bias = false, queries = 1, targets = 1",
    ],
  ])("agrees with the reference, %o %s", { timeout: 60_000 }, async (set, layer) => {
    await expectAgrees(device, within(layer), { set, tolerance: F32_EXP });
  });
});

it("queries that see nothing get 0", { timeout: 60_000 }, async () => {
  const nothing = across(", keep = iota(S) < 0 and all_visible(Q, S)");
  await expectAgrees(device, nothing, { tolerance: F32_EXP });
});

it("a mask that keeps everything leaves no trace in the kernels", () => {
  const { plan } = compileFor(graphOfSpec(across("")), device.profile);
  expect(plan.values.filter((value) => value.element === "i32" && value.home.kind === "load")).toEqual([]);
});

it("parameters are named after the projections", () => {
  expect(
    graphOfSpec(within("bias = false")).params.map((p) => p.path.replace("y.transformer_layer.", "")),
  ).toEqual([
    "norm1.gain",
    "norm1.bias",
    "attention.q.w",
    "attention.k.w",
    "attention.v.w",
    "attention.out.w",
    "norm2.gain",
    "norm2.bias",
    "ffn.up.w",
    "ffn.up.b",
    "ffn.down.w",
    "ffn.down.b",
  ]);
});
