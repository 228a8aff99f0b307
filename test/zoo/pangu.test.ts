import { afterAll, beforeAll, describe, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { expectAgrees, F32_EXP, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const model = (options: string): string => `
use std.pangu
model m(T: int = 7, D: int = 6, H: int = 3, blocks: int = 2) {
  user { hist: seq[T] of { e: f32[D] } }
  item { i: f32[D] }
  h = pangu(hist.e, valid(hist), layers = blocks, heads = H${options}) as decoder
  task y = einsum("t d, d -> t", h, i)
}`;

describe("PanGu-α", () => {
  it.each([
    [{ T: 7, D: 6, H: 3, blocks: 2 }, ""],
    [{ T: 1, D: 5, H: 1, blocks: 0 }, ""],
    [{ T: 13, D: 10, H: 2, blocks: 1 }, ", act = gelu_tanh, ratio = 1.5, eps = 1e-3"],
  ])("agrees with the reference, %o%s", { timeout: 60_000 }, async (set, options) => {
    await expectAgrees(device, model(options), { set, tolerance: F32_EXP });
  });
});
