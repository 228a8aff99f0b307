/**
 * `compute = f16`: what kernels hand to one another, and what a request leaves for its candidates, is f16 on a GPU that has it; statistics,
 * and what norms read, stay f32. (zoo.test.ts holds all examples to f16's bound.)
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { bytesOf, type PlanValue } from "../../src/ir/plan.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { stageValues } from "../../src/runtime/inputs.ts";
import { models, specOf } from "../cuda/models.ts";
import { graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const precision = 'compute = f16; "**" = f16';

/** Of a model with some of the device's features changed. */
function compiled(
  name: string,
  features: { readonly f16: boolean; readonly software: boolean },
  lines = precision,
) {
  const [model] = models.filter((each) => each.name === name);
  if (model === undefined) throw new Error(`no ${name}`);
  const graph = {
    ...graphOfSpec(specOf(model), model.set, lines),
    serve: { requests: 1, candidates: 1 },
  };
  const profile = { ...device.profile, features: { ...device.profile.features, ...features } };
  return compileFor(graph, profile);
}

/** Kept values that hold numbers which the user program computed. */
const isKept = ({ home, element }: PlanValue): boolean =>
  home.kind === "kept" && home.feature === undefined && element === "f32";

it("keeps keys and values in half the bytes, and as bytes they are the same again", {
  timeout: 60_000,
}, async () => {
  const { f16 } = device.profile.features;
  const variant = compiled("hstu", { f16, software: false });
  const { plan } = variant;
  const narrow = plan.values.filter((value) => isKept(value) && value.packing?.native === true);
  expect(narrow.length > 0).toBe(f16);
  const engine = await loadKernelEngine(device, variant, drawnWeights(plan.params, { seed: 1 }), {
    poison: true,
  });
  try {
    const inputs = drawnInputs(plan.features, { requests: 3, candidates: 7, seed: 2 });
    const user = await engine.user(stageValues(plan.features, inputs, "user"), { requests: 3 });
    const bytes = plan.values
      .filter(({ home }) => home.kind === "kept")
      .map((value) => bytesOf(value, value.unit));
    expect(user.bytes).toBe(3 * bytes.reduce((sum, each) => sum + each, 0));
    const items = stageValues(plan.features, inputs, "item");
    const call = { candidates: 7, request: inputs.request };
    const scores = await engine.score(user, items, call);
    const copy = await engine.deserialize(await user.serialize());
    user.free();
    expect(await engine.score(copy, items, call)).toEqual(scores);
  } finally {
    engine.destroy();
  }
});

it.each([
  { f16: false, software: false },
  { f16: true, software: true },
])("hands f32 from kernel to kernel on a device with %o", (features) => {
  const { plan, kernels } = compiled("quickstart", features);
  expect(plan.values.some(({ packing }) => packing?.native)).toBe(false);
  expect(kernels.some(({ text }) => text.includes("enable f16;"))).toBe(false);
});

it("keeps the scale of a rounded row in f32, for that of a row of zeros is no number of f16", () => {
  const lines = 'compute = f16; "**" = f16 inputs fp8_e4m3';
  const { plan, graph } = compiled("quickstart", { f16: true, software: false }, lines);
  const scales = plan.values.filter(({ node }) => graph.nodes[node ?? -1]?.path.endsWith(".inputs"));
  expect(scales.length).toBeGreaterThan(0);
  expect(scales.every(({ packing }) => packing === undefined)).toBe(true);
});
