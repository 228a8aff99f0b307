/** Load-stage values that are stored packed: computed on the device, packed by the host, decoded by whoever reads them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scaledDerived } from "../../src/ir/storage.ts";
import { calibrate } from "../../src/quantize/calibrate.ts";
import { convert } from "../../src/quantize/convert.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { fileWeights } from "../../src/runtime/fileweights.ts";
import { toleranceOf } from "../../src/runtime/verify.ts";
import { expectAgrees, expectCallsAgree, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** `folded` is read by products and by another load-stage value, which is stored in f32. */
const model = (type: string): string => `
model m(T: int = 3, D: int = 13, K: int = 17) {
  precision { derived("folded") = ${type} }
  item { x: f32[T, D] }
  param w: [T, D, K]
  param gain: [D]
  param v: [D]
  folded = einsum("t d k, d -> t d k", w, exp(gain))
  sums = einsum("t d k, d -> t k", folded, v)
  y = einsum("t d, t d k -> t k", x, folded)
  task score = y
  task other = sum(y * sums, "t k -> t")
}`;

describe.each(["f16", "bf16", "fp8_e4m3", "int8 per channel"])("a derived value in %s", (type) => {
  it("is what every reader reads", { timeout: 60_000 }, async () => {
    const tolerance = toleranceOf(graphOfSpec(model(type)));
    const { plan } = await expectAgrees(device, model(type), { tolerance });
    const packed = plan.values.find(({ home }) => home.kind === "derived" && home.part === undefined);
    expect(packed?.packing?.element).toBe(type.split(" ")[0]);
    const readers = [...plan.kernels.load, ...plan.kernels.item].filter(({ buffers }) =>
      buffers.some(({ value }) => value === packed?.id),
    );
    expect(readers.length).toBeGreaterThanOrEqual(2);
  });
});

it("has a calibrated scale for what it is multiplied with, which the weights file holds", {
  timeout: 60_000,
}, async () => {
  const graph = graphOfSpec(model("int8 per channel inputs int8 per channel"));
  expect(scaledDerived(graph)).toEqual(["folded"]);
  const weights = drawnWeights(graph.params, { seed: 1, perturb: true });
  const inputs = drawnInputs(graph.features, { requests: 1, candidates: 7, seed: 3 });
  const inputScales = calibrate(graph, weights, inputs);
  const values = inputs.features.get("x") ?? [];
  const most = Array.from(values).reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  expect(inputScales.get("folded")).toBeCloseTo(most / 127, 6);
  const folder = mkdtempSync(join(tmpdir(), "rmxc-derived-"));
  const path = join(folder, "q.safetensors");
  try {
    convert(graph, weights, { inputScales, output: path });
    expect(() => fileWeights(path, graph.params)).toThrow(/does not fit the model/);
    const file = fileWeights(path, graph.params, scaledDerived(graph));
    expect(file.inputScaleOf?.("folded")).toBeCloseTo(most / 127, 6);
    // Larger numbers than those of the calibration saturate, on the device as in the reference.
    const louder = drawnInputs(graph.features, { requests: 1, candidates: 9, seed: 4 });
    await expectCallsAgree(device, graph, file, [louder], 1e-2);
    file.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
