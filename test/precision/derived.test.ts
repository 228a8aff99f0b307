/** Load-stage values that are stored packed: computed on the device, packed by the host, decoded by whoever reads them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { toleranceOf } from "../../src/runtime/verify.ts";
import { expectAgrees, graphOfSpec, openZoo } from "../support/zoo.ts";

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
