/** The engine on the fake driver: right results, and what it asks of the driver. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor, type Variant } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { loadNative } from "../../src/runtime/cuda/native.ts";
import { type CudaDevice, openDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { type KernelEngine, loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import type { LoadOptions } from "../../src/runtime/engine/types.ts";
import { stageValues } from "../../src/runtime/inputs.ts";
import { verify } from "../../src/runtime/verify.ts";
import { graphOf, type Model } from "../cuda/models.ts";
import { fakeCuda, pointAt } from "./fake.ts";

let device: CudaDevice;
let leave: () => void;
/** How often a function of the driver was called so far. */
let calls: (name: string) => number;
/** What was not given back, by kind. */
let live: (kind: string) => number;

beforeAll(async () => {
  const fake = await fakeCuda();
  leave = pointAt(fake);
  const opened = await openDevice("cuda");
  if (opened.kind !== "cuda") throw new Error("another device");
  device = opened;
  const signatures = { fake_calls: ["text"], fake_live: ["text"] } as const;
  const bound = (await loadNative()).open([fake.library], signatures);
  if ("failures" in bound) throw new Error(bound.failures.join());
  calls = (name) => bound.library.fake_calls(name);
  live = (kind) => bound.library.fake_live(kind);
}, 120_000);
afterAll(() => {
  device.destroy();
  leave();
});

interface Loaded {
  readonly graph: Graph;
  readonly variant: Variant;
  readonly engine: KernelEngine;
}

const quickstart: Model = { name: "quickstart", set: { T: 6, D: 18, L: 1, U: 2 } };
const sparse: Model = {
  name: "tokenmixer_large",
  set: { D: 24, heads: 4, L: 1, ratio: 2, experts: 4, active: 2 },
};
const weightsOf = (graph: Graph) => drawnWeights(graph.params, { seed: 3, perturb: true });

async function load(model = quickstart, options: LoadOptions = {}, verified = false): Promise<Loaded> {
  const graph = graphOf(model);
  const whole = verified ? { reuseArena: false, choices: true } : {};
  const variant = compileFor(graph, device.profile, whole);
  const engine = await loadKernelEngine(device, variant, weightsOf(graph), options);
  return { graph, variant, engine };
}

/** Scores `candidates` of two requests. */
async function score({ graph, engine }: Loaded, candidates: number, seed = 1): Promise<number[]> {
  const inputs = drawnInputs(graph.features, { requests: 2, candidates, seed, shuffled: true });
  const user = await engine.user(stageValues(graph.features, inputs, "user"), { requests: 2 });
  const items = stageValues(graph.features, inputs, "item");
  const scores = await engine.score(user, items, { request: inputs.request, candidates });
  user.free();
  return [...scores.values()].flatMap((each) => [...each]);
}

describe("a model on CUDA", () => {
  for (const model of [quickstart, sparse]) {
    it(`has every kernel's output right: ${model.name}`, async () => {
      const loaded = await load(model, { inspect: true, poison: true }, true);
      const { graph, variant, engine } = loaded;
      for (const candidates of [1, 7, 5]) {
        const inputs = drawnInputs(graph.features, {
          requests: 2,
          candidates,
          seed: candidates,
          shuffled: true,
        });
        const { ok, worst } = await verify({ ...variant, engine, inputs, weights: weightsOf(graph) });
        expect(ok, `${candidates} candidates: ${worst}`).toBe(true);
      }
      engine.destroy();
    }, 180_000);
  }

  it("gives the same scores alone, beside other calls and a second time", async () => {
    const loaded = await load();
    const alone: number[][] = [];
    for (let seed = 0; seed < 4; seed++) alone.push(await score(loaded, 3 + seed, seed));
    const together = await Promise.all(alone.map((_, seed) => score(loaded, 3 + seed, seed)));
    expect(together).toEqual(alone);
    expect(new Set(alone.map((scores) => scores[0])).size).toBe(4);
    loaded.engine.destroy();
  });

  it("scores no candidates without the device", async () => {
    const loaded = await load();
    expect(await score(loaded, 0)).toEqual([]);
    loaded.engine.destroy();
  });

  it("gives its memory and its graphs back", async () => {
    const kinds = ["device", "graphs", "executables"];
    const before = kinds.map(live);
    const loaded = await load();
    await score(loaded, 5);
    expect(live("executables")).toBe((before[2] ?? 0) + 2);
    loaded.engine.destroy();
    expect(kinds.map(live)).toEqual(before);
  });
});

describe("a steady call", () => {
  it("replays one graph a stage, and makes, allocates and changes nothing", async () => {
    const loaded = await load();
    await score(loaded, 6);
    await score(loaded, 6);
    const made = ["cuMemAlloc_v2", "cuMemHostAlloc", "cuEventCreate", "cuGraphInstantiateWithFlags"];
    const counted = [...made, "cuGraphExecKernelNodeSetParams", "cuLaunchKernel", "cuGraphLaunch"];
    const before = counted.map(calls);
    await score(loaded, 6);
    const during = counted.map((name, i) => calls(name) - (before[i] ?? 0));
    expect(during).toEqual([0, 0, 0, 0, 0, 0, 2]);
    loaded.engine.destroy();
  });

  it("with another number of rows changes its graph's grids, not the graph", async () => {
    const loaded = await load();
    await score(loaded, 6);
    const before = calls("cuGraphInstantiateWithFlags");
    const changes = calls("cuGraphExecKernelNodeSetParams");
    await score(loaded, 5);
    expect(calls("cuGraphInstantiateWithFlags")).toBe(before);
    const items = loaded.variant.plan.kernels.item.length;
    expect(calls("cuGraphExecKernelNodeSetParams") - changes).toBe(items);
    loaded.engine.destroy();
  });

  it("beyond the capacity makes the item stage's graph anew, in one allocation", async () => {
    const loaded = await load();
    await score(loaded, 6);
    const before = ["cuGraphInstantiateWithFlags", "cuMemAlloc_v2"].map(calls);
    await score(loaded, 40);
    expect(calls("cuGraphInstantiateWithFlags") - (before[0] ?? 0)).toBe(1);
    expect(calls("cuMemAlloc_v2") - (before[1] ?? 0)).toBe(1);
    loaded.engine.destroy();
  });
});

describe("timing", () => {
  it("gives the time of each kernel", async () => {
    const loaded = await load(quickstart, { profile: true });
    await score(loaded, 5);
    const { kernels } = loaded.engine.stats();
    const names = [...loaded.variant.plan.kernels.user, ...loaded.variant.plan.kernels.item].map(
      (k) => k.name,
    );
    for (const name of names) {
      expect(kernels.get(name)?.runs).toBe(1);
      expect(kernels.get(name)?.nanoseconds).toBeGreaterThan(0);
    }
    loaded.engine.destroy();
  });
});

describe("a device that was lost", () => {
  it("is opened again by the engine, which then scores as before", async () => {
    const loaded = await load();
    const before = await score(loaded, 5);
    process.env.FAKE_CUDA_FAIL = "cuGraphLaunch:719";
    await expect(score(loaded, 5)).rejects.toMatchObject({ code: "RMX0804" });
    delete process.env.FAKE_CUDA_FAIL;
    await expect(score(loaded, 5)).rejects.toMatchObject({ code: "RMX0804" });
    await loaded.engine.restore();
    expect(await score(loaded, 5)).toEqual(before);
    loaded.engine.destroy();
  });
});
