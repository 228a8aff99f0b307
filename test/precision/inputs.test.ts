/** Activations that products take in a narrow type: rounded with a scale a row, or with one that calibration set. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { expectHostAgrees } from "../cuda/zoo.ts";
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
  param w3: [T, D, K]
  z = x + u
  y = gelu(einsum("t d, t d k -> t k", z, w1)) * einsum("t d, t d k -> t k", z, w3)
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
    const { plan } = await expectAgrees(device, model(type), { tolerance });
    // What both products take is rounded once, for one kernel.
    const [w1, w3] = ["w1", "w3"].map((name) => plan.values.find((value) => value.name === name)?.id);
    const readers = (id: number | undefined): readonly string[] =>
      plan.kernels.item.flatMap(({ name, buffers }) =>
        buffers.some(({ value }) => value === id) ? [name] : [],
      );
    expect(readers(w1)).toHaveLength(1);
    expect(readers(w3)).toEqual(readers(w1));
  });

  it("has the largest calibrated scale of those who take it, beyond which values saturate", {
    timeout: 60_000,
  }, async () => {
    const graph = graphOfSpec(model(type));
    const drawn = drawnWeights(graph.params, { seed: 1, perturb: true });
    const inputs = drawnInputs(graph.features, { requests: 2, candidates: 7, seed: 3 });
    const scales: Readonly<Record<string, number>> = { w1: 0.005, w2: 0.01, w3: 0.002 };
    const weights = { ...drawn, inputScaleOf: (path: string) => scales[path] };
    await expectCallsAgree(device, graph, weights, [inputs], tolerance);
  });
});

it("costs nothing where the type holds the values", { timeout: 60_000 }, async () => {
  const { graph } = await expectAgrees(device, model("f32"), { tolerance: F32_EXP });
  expect(graph.nodes.some(({ op }) => op.kind === "pointwise" && op.fn.startsWith("round_"))).toBe(false);
});

/**
 * CUDA's kernels, on the host: of two rounded factors in one sum the codes' product, up to 448², is no number of f16; and the scales of one
 * tile's rows lie where those of the next are written, which threads that are done must not do too soon.
 */
it.each(["f32", "f16"])(
  "two factors of a sum are rounded, computed in %s",
  { timeout: 60_000 },
  async (compute) => {
    const text = `
model m() {
  item { x: f32[6, 5] }
  param w1: [6, 6, 8]
  param w2: [8, 6, 5]
  y = einsum("h d, f d, h f m -> m d", x, x, w1)
  task score = einsum("h d, f d, h f m -> m d", y, x, w2)
}`;
    const graph = graphOfSpec(text, {}, `compute = ${compute}; "**" = f16 inputs fp8_e4m3`);
    const tolerance = compute === "f16" ? 3e-3 : F32_EXP;
    await expectHostAgrees(graph, { sizes: [{ requests: 1, candidates: 29 }], tolerance });
  },
);
