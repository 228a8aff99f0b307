/** @file RankMixer on the WebGPU device against the f64 reference: logits and every kernel's output, buffers poisoned first. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../../backends/reference/evaluate.ts";
import { compile } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { verify } from "../../src/runtime/verify.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";
import { openZoo } from "./zoo.ts";

const spec = join(import.meta.dirname, "../../examples/quickstart.rmx");

/**
 * Inputs whose logits do not all but vanish. A lone logit of 0.01 is the difference of sums a hundred times larger, and its
 * relative error in f32 a hundred times theirs, whatever computes it.
 */
function conditioned(graph: Graph, weights: WeightSource, sizes: { requests: number; candidates: number }) {
  const logits = graph.outputs.flatMap((o) => (o.logit ? [o.logit] : []));
  for (let seed = 1; ; seed++) {
    const inputs = drawnInputs(graph.features, { ...sizes, seed });
    if (sizes.candidates !== 1) return inputs;
    const values = evaluate(graph, { ...inputs, params: weights }, logits);
    const norms = values.map(({ data }) => Math.hypot(...Array.from(data)));
    if (norms.every((norm) => norm >= 0.2)) return inputs;
  }
}

/** Tests of these sizes with 0, 1, 7 and 64 candidates of 1 and 3 requests. */
export function rankmixerAgrees(
  sizes: readonly { readonly T: number; readonly D: number; readonly U: number }[],
): void {
  let device: WebGpuDevice;

  beforeAll(async () => {
    device = await openZoo();
  }, 60_000);

  afterAll(() => device?.destroy());

  describe.each(sizes)("RankMixer %o", (set) => {
    it("agrees with the reference for 0, 1, 7 and 64 candidates of 1 and 3 requests", {
      timeout: 120_000,
    }, async () => {
      const program = await compile(spec, { set, profiles: [device.profile], reuseArena: false });
      const variant = program.variants[0];
      const weights = drawnWeights(program.graph.params, { seed: 1, perturb: true });
      const engine = await loadKernelEngine(device, variant, weights, { inspect: true, poison: true });
      try {
        for (const candidates of [0, 1, 7, 64]) {
          for (const requests of [1, 3]) {
            const inputs = conditioned(program.graph, weights, { requests, candidates });
            const { kernels, tasks } = await verify({ ...variant, engine, inputs, weights });
            expect(tasks.length).toBe(2);
            for (const { name, what, error } of [...kernels, ...tasks]) {
              expect(
                error,
                `${name}: ${what}, ${candidates} candidates, ${requests} requests`,
              ).toBeLessThanOrEqual(1e-5);
            }
          }
        }
      } finally {
        engine.destroy();
      }
    });
  });
}
