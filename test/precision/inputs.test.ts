/** Activations that products take in a narrow type: rounded with a scale a row, or with one that calibration set. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { expectAgrees, expectCallsAgree, F32_EXP, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const model = (type: string): string => `
model m(T: int = 3, D: int = 13, K: int = 17) {
  precision { "w*" = f16 inputs ${type} }
  user { u: f32[T, D] }
  item { x: f32[T, D] }
  param w1: [T, D, K]
  param w2: [T, K]
  y = gelu(einsum("t d, t d k -> t k", x + u, w1))
  task score = einsum("t k, t k -> ", y, w2)
}`;

/** A code that falls to the other side of a tie is a whole step of the format. */
const types: readonly (readonly [string, number])[] = [
  ["f16", 1e-3],
  ["bf16", 5e-3],
  ["int8 per channel", 5e-3],
  ["fp8_e4m3", 3e-2],
  ["fp8_e5m2", 3e-2],
];

describe.each(types)("inputs %s", (type, tolerance) => {
  it("has a scale a row", { timeout: 60_000 }, async () => {
    await expectAgrees(device, model(type), { tolerance });
  });

  it("has the calibrated scale, beyond which values saturate", { timeout: 60_000 }, async () => {
    const graph = graphOfSpec(model(type));
    const drawn = drawnWeights(graph.params, { seed: 1, perturb: true });
    const inputs = drawnInputs(graph.features, { requests: 2, candidates: 7, seed: 3 });
    const weights = { ...drawn, inputScaleOf: (path: string) => (path === "w1" ? 0.005 : 0.01) };
    await expectCallsAgree(device, graph, weights, [inputs], tolerance);
  });
});

it("costs nothing where the type holds the values", { timeout: 60_000 }, async () => {
  const { graph } = await expectAgrees(device, model("f32"), { tolerance: F32_EXP });
  expect(graph.nodes.some(({ op }) => op.kind === "pointwise" && op.fn.startsWith("round_"))).toBe(false);
});
