/**
 * Kernels of several phases, and products in pairs, on the WebGPU device against the f64 reference: every value that a phase leaves for
 * another, at shapes that fill no tile, with buffers that hold NaN before.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import type { Profile } from "../../src/ir/profile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { stageValues } from "../../src/runtime/inputs.ts";
import { verify } from "../../src/runtime/verify.ts";
import { elaborateText } from "../model/harness.ts";
import { openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;

beforeAll(async () => {
  device = await openZoo();
}, 60_000);

afterAll(() => device?.destroy());

const model = (body: string): string => `
use std.rankmixer
use std.tokenmixer
model m() {
  item { x: f32[3, 12] }
  ${body}
  serve { requests <= 1, candidates <= 1024 }
}`;

const MODELS: readonly [string, string][] = [
  [
    "norms, an FFN, norms and a head",
    'y = rankmixer_block(x, ratio = 1.25) as a\n  y = rankmixer_block(y, ratio = 1.25) as b\n  pooled = mean(y, "t d -> d")\n  task z = sigmoid(linear(pooled, 1))',
  ],
  [
    "gate and up",
    "s = layer_norm(x) as norm\n  g = linear(s, 7, bias = false) as gate\n  u = linear(s, 7, bias = false) as up\n  task z = linear(silu(g) * u, 3) as down",
  ],
];

/** The device as one of which nothing is known but its limits: blocks in workgroup memory, rows that meet there. */
function asGpu({ subgroup: _, features, ...profile }: Profile): Profile {
  return { ...profile, features: { ...features, software: false } };
}

/** Two workgroups at a time, so that kernels merge at the sizes of a test. */
const ceilings = { flops: 1e10, bandwidth: 1e10, load: 4e-9, dispatch: 1e-5, workgroup: 3e-7, workers: 2 };

describe.each(MODELS)("%s", (_, body) => {
  it.each(["off", "vertical", "all", "all, shared memory"] as const)(
    "%s",
    { timeout: 300_000 },
    async (how) => {
      const fuse = how === "all, shared memory" ? "all" : how;
      const profile = how === "all, shared memory" ? asGpu(device.profile) : device.profile;
      const { graph } = elaborateText(model(body));
      if (graph === undefined) throw new Error("the model has errors");
      const variant = compileFor(graph, profile, { fuse, ceilings, reuseArena: false });
      const phases = variant.plan.kernels.item.some((k) => k.phases !== undefined);
      expect(phases).toBe(fuse === "all");
      const weights = drawnWeights(variant.graph.params, { seed: 1, perturb: true });
      const engine = await loadKernelEngine(device, variant, weights, { inspect: true, poison: true });
      try {
        for (const candidates of [37, 1]) {
          const inputs = drawnInputs(variant.graph.features, { requests: 1, candidates, seed: candidates });
          const result = await verify({ ...variant, engine, inputs, weights });
          for (const { name, what, error } of [...result.kernels, ...result.tasks])
            expect(error, `${name}: ${what}, ${candidates} candidates`).toBeLessThanOrEqual(1e-5);
        }
        const { features } = variant.graph;
        const none = drawnInputs(features, { requests: 1, candidates: 0, seed: 0 });
        const handle = await engine.user(stageValues(features, none, "user"), { requests: 1 });
        const scores = await engine.score(handle, stageValues(features, none, "item"), { candidates: 0 });
        expect(scores.get("z")).toHaveLength(0);
        handle.free();
      } finally {
        engine.destroy();
      }
    },
  );
});
