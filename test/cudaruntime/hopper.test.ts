/**
 * Kernels of Hopper on the fake driver: tensor maps are made for what is bound, and serve calls of any number of rows; counters are zero
 * when a launch begins, in a graph and outside one; blocks that wait for each other are launched together.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { partsOf } from "../../src/ir/tile.ts";
import { loadNative } from "../../src/runtime/cuda/native.ts";
import { type CudaDevice, openDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { toleranceOf, verify } from "../../src/runtime/verify.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { fakeCuda, pointAt } from "./fake.ts";

let device: CudaDevice;
let leave: () => void;
/** Calls of a function of the driver so far. */
let calls: (name: string) => number;

beforeAll(async () => {
  const fake = await fakeCuda();
  leave = pointAt(fake);
  const opened = await openDevice("cuda");
  if (opened.kind !== "cuda") throw new Error("another device");
  device = opened;
  const bound = (await loadNative()).open([fake.library], { fake_calls: ["text"] } as const);
  if ("failures" in bound) throw new Error(bound.failures.join());
  calls = (name) => bound.library.fake_calls(name);
}, 120_000);
afterAll(() => {
  device.destroy();
  leave();
});

const SPEC = `
model m(T: int, D: int, K: int) {
  item { x: f32[T, D] }
  param w: [T, D, K]
  param v: [T, K, D]
  h = relu(einsum("t d, t d k -> t k", keep(x + 1.0), w))
  task y = einsum("t k, t k d -> t d", h, v)
  serve { candidates <= 70 }
}`;

it("a launch passes tensor maps by value, counters as zeros, and is cooperative where blocks wait for each other", async () => {
  const graph = graphOfSpec(SPEC, { T: 2, D: 40, K: 72 }, 'compute = bf16; "w" = bf16; "v" = bf16');
  const variant = compileFor(graph, device.profile, { reuseArena: false, choices: true });
  const chained = variant.plan.kernels.item.filter(({ lowering }) => lowering.kind === "chain");
  expect(chained.flatMap(partsOf).map(({ lowering }) => lowering.kind)).toEqual(["hopper", "hopper"]);
  const weights = drawnWeights(graph.params, { seed: 3 });
  // Timed, each kernel has a pass of its own, which is no graph.
  for (const profile of [false, true]) {
    const engine = await loadKernelEngine(device, variant, weights, { inspect: true, poison: true, profile });
    const alone = calls("cuLaunchCooperativeKernel");
    try {
      for (const candidates of profile ? [70] : [70, 3, 200]) {
        const before = calls("cuTensorMapEncodeTiled");
        const inputs = drawnInputs(graph.features, { requests: 1, candidates, seed: candidates });
        const checked = { ...variant, engine, inputs, weights, tolerance: toleranceOf(graph) };
        const { ok, worst } = await verify(checked);
        expect(ok, `${candidates} candidates: ${worst}`).toBe(true);
        // Two operands of two products, of buffers that grow with the call.
        expect(calls("cuTensorMapEncodeTiled") - before).toBe(candidates === 3 ? 0 : 4);
      }
      expect(calls("cuLaunchCooperativeKernel") - alone).toBe(profile ? 1 : 0);
    } finally {
      engine.destroy();
    }
  }
}, 120_000);
