/** `compute = f16`: what kernels hand to one another is f16 on a GPU that has it; statistics, and what norms read, stay f32. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { toleranceOf } from "../../src/runtime/verify.ts";
import { models, specOf } from "../cuda/models.ts";
import { expectAgrees, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const chosen = new Set(["quickstart", "rankmixer_moe", "hstu", "wukong"]);
const precision = 'compute = f16; "**" = f16';

describe.each(models.filter(({ name }) => chosen.has(name)))("$name in f16", (model) => {
  it("agrees with the reference within f16's bound", { timeout: 60_000 }, async () => {
    const graph = graphOfSpec(specOf(model), model.set, precision);
    const tolerance = toleranceOf(graph);
    expect(tolerance).toBe(3e-3);
    const { plan } = await expectAgrees(device, specOf(model), {
      set: model.set,
      precision,
      features: { software: false },
      // The error of one score alone is that of its cancellation.
      sizes: [
        { requests: 1, candidates: 13 },
        { requests: 2, candidates: 5 },
      ],
      tolerance,
    });
    const temps = plan.values.filter(({ home, element }) => home.kind === "temp" && element === "f32");
    if (device.profile.features.f16) expect(temps.some(({ packing }) => packing?.native)).toBe(true);
  });
});

it.each([
  { f16: false, software: false },
  { f16: true, software: true },
])("hands f32 from kernel to kernel on a device with %o", (features) => {
  const [model] = models.filter(({ name }) => name === "quickstart");
  const graph = graphOfSpec(specOf(model), model.set, precision);
  const profile = { ...device.profile, features: { ...device.profile.features, ...features } };
  const { plan, kernels } = compileFor(graph, profile);
  expect(plan.values.some(({ packing }) => packing?.native)).toBe(false);
  expect(kernels.some(({ text }) => text.includes("enable f16;"))).toBe(false);
});
