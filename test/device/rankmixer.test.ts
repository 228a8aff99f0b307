/** RankMixer on the WebGPU device against the f64 reference: logits and every kernel's output, buffers poisoned first. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../src/compile.ts";
import { openDevice, type WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadWebGpuEngine } from "../../src/runtime/engine/webgpu.ts";
import { verify } from "../../src/runtime/verify.ts";

const spec = join(import.meta.dirname, "../../examples/quickstart.rmx");
let device: WebGpuDevice;

beforeAll(async () => {
  const opened = await openDevice("webgpu");
  if (opened.kind !== "webgpu") throw new Error("no WebGPU device");
  device = opened;
}, 60_000);

afterAll(() => device?.destroy());

describe.each([
  { T: 2, D: 24, U: 1 },
  { T: 3, D: 24, U: 2 },
  { T: 6, D: 30, U: 3 },
  { T: 16, D: 64, U: 8 },
  { T: 16, D: 128, U: 8 },
])("RankMixer %o", (set) => {
  it("agrees with the reference for 0, 1, 7 and 64 candidates of 1 and 3 requests", {
    timeout: 120_000,
  }, async () => {
    const program = await compile(spec, { set, profiles: [device.profile], reuseArena: false });
    const variant = program.variants[0];
    const weights = drawnWeights(program.graph.params, { seed: 1, perturb: true });
    const engine = await loadWebGpuEngine(device, variant, weights, { inspect: true, poison: true });
    try {
      for (const candidates of [0, 1, 7, 64]) {
        for (const requests of [1, 3]) {
          const inputs = drawnInputs(program.graph.features, {
            requests,
            candidates,
            seed: candidates + requests,
          });
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
