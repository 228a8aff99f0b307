/** Score products on the WebGPU device against the f64 reference: awkward sizes, every mask, both ways of sharing weights. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { partsOf } from "../../src/ir/tile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { verify } from "../../src/runtime/verify.ts";
import { type AttentionForm, attention } from "../support/attention.ts";
import { openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;

beforeAll(async () => {
  device = await openZoo();
}, 60_000);

afterAll(() => device?.destroy());

/** The device as one of which nothing is known about subgroups: weights go through workgroup memory. */
function withoutSubgroups({ subgroup: _, ...profile }: Profile): Profile {
  return profile;
}

const BASE: AttentionForm = { queries: "item", keys: "user", H: 2, I: 9, J: 19, K: 12, E: 12, fn: "softmax" };

const FORMS: readonly [string, Partial<AttentionForm>][] = [
  ["one query of the user's keys", { I: 1 }],
  ["one query without an axis, no heads", { I: 0, H: 0 }],
  ["one key more than a block", { J: 33, I: 3 }],
  ["prime lengths", { I: 13, J: 37, H: 3, K: 7, E: 11 }],
  ["values of width 1", { E: 1 }],
  ["values of width 3, keys of width 5", { E: 3, K: 5 }],
  ["values of width 40", { E: 40 }],
  ["values of width 300", { E: 300, H: 0, I: 3 }],
  ["keys of both", { keys: "both", masks: ["length"] }],
  ["keys of the item", { keys: "item", epilogue: true }],
  ["the user alone", { queries: "user", masks: ["causal", "length"] }],
  ["lengths, some of them 0", { masks: ["length"] }],
  ["causal", { masks: ["causal"], I: 19 }],
  ["a window", { masks: ["window", "causal"], I: 19 }],
  ["a prefix", { masks: ["prefix"], I: 19 }],
  ["classes", { masks: ["class"] }],
  ["a row that sees nothing", { masks: ["nothing"] }],
  ["a bias, a factor and a residual", { bias: true, gain: true, epilogue: true }],
  ["all of it", { masks: ["causal", "length", "class"], bias: true, gain: true, epilogue: true, I: 19 }],
  ["silu", { fn: "silu" }],
  ["silu, masked", { fn: "silu", masks: ["causal", "length"], bias: true, epilogue: true, I: 19 }],
];

/** What differs through workgroup memory: blocks, rows and columns beyond one tile, what a mask hides, how totals meet. */
const SHARED = new Set([
  "one key more than a block",
  "prime lengths",
  "values of width 300",
  "all of it",
  "silu, masked",
]);

describe.each(["subgroup", "shared"] as const)("weights handed round: %s", (through) => {
  const forms = through === "subgroup" ? FORMS : FORMS.filter(([name]) => SHARED.has(name));
  it.each(forms)("%s", { timeout: 120_000 }, async (_, parts) => {
    const form = { ...BASE, ...parts };
    const graph = attention(form);
    const profile = through === "subgroup" ? device.profile : withoutSubgroups(device.profile);
    const variant = compileFor(graph, profile, { reuseArena: false });
    const kernels = Object.values(variant.plan.kernels).flat().flatMap(partsOf);
    expect(kernels.some((k) => k.lowering.kind === "score" && k.lowering.combine === through)).toBe(true);
    const weights = drawnWeights(variant.graph.params, { seed: 1, perturb: true });
    const engine = await loadKernelEngine(device, variant, weights, { inspect: true, poison: true });
    try {
      for (const [candidates, requests] of [
        [0, 1],
        [1, 1],
        [11, 3],
      ] as const) {
        const drawn = drawnInputs(variant.graph.features, { requests, candidates, seed: candidates });
        // The first request has no history at all, the last a full one.
        const lengths = Int32Array.from({ length: requests }, (_, r) => [0, 3, form.J][r] ?? form.J);
        const inputs = drawn.features.has("hist.length")
          ? { ...drawn, features: new Map([...drawn.features, ["hist.length", lengths]]) }
          : drawn;
        const result = await verify({ ...variant, engine, inputs, weights });
        for (const { name, what, error } of [...result.kernels, ...result.tasks])
          expect(error, `${name}: ${what}, ${candidates} of ${requests}`).toBeLessThanOrEqual(3e-5);
      }
    } finally {
      engine.destroy();
    }
  });
});
