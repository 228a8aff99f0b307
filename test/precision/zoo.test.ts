/**
 * Every example with its parameters in all storage types at once, dealt in turn, against the reference on the same stored values: each
 * kernel and each task. A GPU's kernels compute with f16 between them, so the bound is f16's, for W8A16 as for the rest, and for
 * activations in fp8, whose roundings are choices that the reference follows. decode.test.ts has what a software device computes, in f32.
 *
 * The kernels are made for one candidate, which drivers compile in half the time, and called with more: tiles are ragged.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Profile } from "../../src/ir/profile.ts";
import { needsScale } from "../../src/ir/storage.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { toleranceOf } from "../../src/runtime/verify.ts";
import { type Model, models, specOf, title } from "../cuda/models.ts";
import { elaborateText } from "../model/harness.ts";
import { expectCallsAgree, graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** Of models that compute in f16: relative L2 error. */
const F16 = 3e-3;

const TYPES = [
  "int8 per channel",
  "f16",
  "fp8_e4m3",
  "int8 per group(4) asymmetric",
  "bf16",
  "int8 per channel asymmetric",
  "fp8_e5m2",
];

/**
 * Lines for every parameter of a model, alike for those of a name, so that layers' kernels are; every third name with rounded
 * activations. A parameter whose uses sum over different axes takes f16.
 */
function precisionOf({ set, ...model }: Model, first: number): string {
  const text = specOf({ set, ...model });
  const sets = Object.fromEntries(Object.entries(set).map(([name, value]) => [name, String(value)]));
  const paths = elaborateText(text, { sets }).graph?.params.map(({ path }) => path) ?? [];
  const names = [...new Set(paths.map(nameOf))];
  const lines = paths.map((path) => {
    const at = first + names.indexOf(nameOf(path));
    return `"${path}" = ${TYPES[at % TYPES.length]}${at % 3 === 0 ? " inputs fp8_e4m3" : ""}`;
  });
  const { diagnostics } = elaborateText(text, { sets, precision: lines.join("; ") });
  const without = diagnostics.flatMap(({ code, message }) =>
    code === "RMX0408" ? [/^`([^`]+)`/.exec(message)?.[1]] : [],
  );
  return [...lines, ...without.map((path) => `"${path}" = f16`)].join("; ");
}

/** `layers.0.block.ffn.w1`, `layers.1.block.ffn.w1` → `ffn.w1`. */
const nameOf = (path: string): string => path.split(".").slice(-2).join(".");

async function expectStored(model: Model, i: number): Promise<void> {
  const given = graphOfSpec(specOf(model), model.set, `compute = f16; ${precisionOf(model, i)}`);
  const graph = { ...given, serve: { requests: 1, candidates: 1 } };
  expect(graph.params.some(({ storage }) => needsScale(storage.element))).toBe(true);
  const features = { ...device.profile.features, software: false };
  const profile: Profile = { ...device.profile, features };
  expect(F16).toBeLessThanOrEqual(toleranceOf(graph));
  const weights = drawnWeights(graph.params, { seed: 1, perturb: true });
  // The error of one score alone would be that of its cancellation.
  const call = drawnInputs(graph.features, { requests: 3, candidates: 29, seed: 6 });
  const { plan } = await expectCallsAgree(device, graph, weights, [call], F16, profile, true);
  const half = device.profile.features.f16;
  expect(plan.values.some(({ packing }) => packing?.native === true)).toBe(half);
}

/** Fewer layers of what has several, for the second is like the first, and a shorter history. */
const SMALLER: Readonly<Record<string, Model["set"]>> = {
  longer: { L: 12 },
  onetrans: { layers: 1 },
  tokenmixer_large: { L: 1 },
};

/** Each example once, however many forms of it other tests have. */
const examples = models
  .filter(({ name }, i) => models.findIndex((other) => other.name === name) === i)
  .map((model, i) => ({ ...model, set: { ...model.set, ...SMALLER[model.name] }, i }));

describe.each(examples)("the zoo in all storage types, computed in f16", ({ i, ...model }) => {
  it(title(model), { timeout: 120_000 }, () => expectStored(model, i));
});
