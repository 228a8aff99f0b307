import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../src/ir/error.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { openDevice, type WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { type KernelEngine, loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import type { LoadOptions } from "../../src/runtime/engine/types.ts";
import { type FeatureArray, type ModelInputs, stageValues } from "../../src/runtime/inputs.ts";
import { expected, K, kernels, L, P, params, T, tinyPlan, X } from "./tinyplan.ts";

let device: WebGpuDevice;
const weights = drawnWeights(params, { seed: 3 });

beforeAll(async () => {
  const opened = await openDevice("webgpu");
  if (opened.kind !== "webgpu") throw new Error("no WebGPU device");
  device = opened;
});
afterAll(() => device.destroy());

async function withEngine(
  options: LoadOptions & { limits?: Partial<Profile["limits"]> },
  use: (engine: KernelEngine) => Promise<void>,
): Promise<void> {
  const { limits, ...load } = options;
  const profile = { ...device.profile, limits: { ...device.profile.limits, ...limits } };
  const engine = await loadKernelEngine(device, { plan: tinyPlan(profile), kernels }, weights, load);
  try {
    await use(engine);
  } finally {
    engine.destroy();
  }
}

const { features } = tinyPlan({} as Profile);

function inputs(requests: number, candidates: number, seed = 1): ModelInputs {
  return drawnInputs(features, { requests, candidates, seed, shuffled: true });
}

async function scoresOf(engine: KernelEngine, call: ModelInputs): Promise<Float32Array> {
  const user = await engine.user(stageValues(features, call, "user"));
  const scores = await engine.score(user, stageValues(features, call, "item"), { request: call.request });
  user.free();
  return scores.get("y") ?? new Float32Array();
}

function want(call: ModelInputs, chunk?: number): number[] {
  const of = (name: string): ArrayLike<number> => call.features.get(name) ?? [];
  return expected(
    (path, start, count) => weights.read(path, start, count),
    of("u"),
    of("x"),
    of("id"),
    call.request,
    chunk,
  );
}

function expectClose(actual: ArrayLike<number>, wanted: readonly number[]): void {
  expect(actual.length).toBe(wanted.length);
  wanted.forEach((value, i) => {
    expect(Math.abs(Number(actual[i]) - value)).toBeLessThan(1e-5 * (1 + Math.abs(value)));
  });
}

describe("a call", () => {
  it.each([
    [1, 1],
    [3, 7],
    [5, 129],
  ])("of %i requests and %i candidates", async (requests, candidates) => {
    await withEngine({ poison: true }, async (engine) => {
      const call = inputs(requests, candidates);
      expectClose(await scoresOf(engine, call), want(call));
    });
  });

  it("without candidates gives empty scores and launches nothing", async () => {
    await withEngine({}, async (engine) => {
      const call = inputs(2, 0);
      const user = await engine.user(stageValues(features, call, "user"));
      const { submits } = engine.stats();
      const scores = await engine.score(user, { x: [], id: [] });
      expect(scores).toEqual(new Map([["y", new Float32Array()]]));
      expect(engine.stats().submits).toBe(submits);
    });
  });

  it("allocates nothing once it has been made before, and neither does a smaller one", async () => {
    await withEngine({ poison: true }, async (engine) => {
      await scoresOf(engine, inputs(3, 65));
      const { buffersCreated, bindGroupsCreated, pipelinesCreated } = engine.stats();
      for (const [requests, candidates] of [
        [3, 65],
        [1, 2],
        [2, 64],
      ] as const) {
        const call = inputs(requests, candidates, candidates);
        expectClose(await scoresOf(engine, call), want(call));
      }
      expect(engine.stats()).toMatchObject({ buffersCreated, bindGroupsCreated, pipelinesCreated });
    });
  });

  it("is cut into chunks where a binding would be too large", async () => {
    // The widest row has 4 words, so 256 bytes hold 16 rows.
    await withEngine({ limits: { storageBinding: 256 }, poison: true }, async (engine) => {
      const call = inputs(3, 50);
      expectClose(await scoresOf(engine, call), want(call, 16));
    });
  });

  it("gives the same bits twice, and calls made at once do not disturb each other", async () => {
    await withEngine({ poison: true }, async (engine) => {
      const calls = [inputs(2, 33, 1), inputs(3, 5, 2), inputs(1, 70, 3)];
      const alone: Float32Array[] = [];
      for (const call of calls) alone.push(await scoresOf(engine, call));
      expect(await Promise.all(calls.map((call) => scoresOf(engine, call)))).toEqual(alone);
    });
  });
});

describe("kept user values", () => {
  it("outlive calls, growth of the slabs and each other", async () => {
    await withEngine({ poison: true }, async (engine) => {
      const first = inputs(2, 9, 1);
      const user = await engine.user(stageValues(features, first, "user"));
      const others = [];
      for (let i = 0; i < 7; i++)
        others.push(await engine.user(stageValues(features, inputs(3, 0, i), "user")));
      others[2]?.free();
      const reused = inputs(4, 11, 5);
      const last = await engine.user(stageValues(features, reused, "user"));
      const items = stageValues(features, first, "item");
      const scores = await engine.score(user, items, { request: first.request });
      expectClose(scores.get("y") ?? [], want(first));
      const again = await engine.score(last, stageValues(features, reused, "item"), {
        request: reused.request,
      });
      expectClose(again.get("y") ?? [], want(reused));
    });
  });

  it("of several handles are scored in one call", async () => {
    await withEngine({}, async (engine) => {
      const call = inputs(3, 20);
      const u = call.features.get("u") ?? new Float32Array();
      const one = await engine.user({ u: u.slice(0, 3) });
      const two = await engine.user({ u: u.slice(3) });
      const scores = await engine.score([one, two], stageValues(features, call, "item"), {
        request: call.request,
      });
      expectClose(scores.get("y") ?? [], want(call));
    });
  });

  it("cannot be used after they were freed, or in another engine", async () => {
    await withEngine({}, async (engine) => {
      const user = await engine.user({ u: [1, 2, 3] });
      await withEngine({}, async (other) => {
        await expect(other.score(user, { x: [1, 2, 3], id: [0] })).rejects.toMatchObject({ code: "RMX0709" });
      });
      user.free();
      await expect(engine.score(user, { x: [1, 2, 3], id: [0] })).rejects.toMatchObject({ code: "RMX0709" });
    });
  });

  it("are limited by the largest binding", async () => {
    await withEngine({ limits: { storageBinding: 256 } }, async (engine) => {
      const kept = await engine.user({ u: new Float32Array(16 * 3) });
      await expect(engine.user({ u: [1, 2, 3] })).rejects.toMatchObject({ code: "RMX0808" });
      kept.free();
      await engine.user({ u: [1, 2, 3] });
    });
  });
});

it("reads back every kind of value", async () => {
  await withEngine({ poison: true, inspect: true }, async (engine) => {
    const call = inputs(2, 5);
    const u = call.features.get("u") ?? new Float32Array();
    const user = await engine.user(stageValues(features, call, "user"));
    await engine.score(user, stageValues(features, call, "item"), { request: call.request });
    const w = weights.read("w", 0, 3);
    const k = await engine.read(K);
    expect(k.shape).toEqual([2, 3]);
    expectClose(
      k.data,
      Array.from(u, (value, i) => value * Number(w[i % 3])),
    );
    expect(await engine.read(X)).toEqual({ shape: [5, 3], data: call.features.get("x") });
    expect(await engine.read(P)).toEqual({ shape: [6, 3], data: weights.read("p", 0, 18) });
    const sums = Array.from({ length: 6 }, (_, j) => weights.read("p", j * 3, 3).reduce((a, b) => a + b, 0));
    expectClose((await engine.read(L)).data, sums);
    const x = call.features.get("x") ?? [];
    const t = Array.from({ length: 15 }, (_, i) => {
      const request = call.request[Math.floor(i / 3)] ?? 0;
      return Number(x[i]) + Number(k.data[request * 3 + (i % 3)]);
    });
    expectClose((await engine.read(T)).data, t);
  });
});

it("times kernels where the device has timestamps", async () => {
  await withEngine({ profile: true }, async (engine) => {
    await scoresOf(engine, inputs(2, 40));
    const call = inputs(1, 40);
    expectClose(await scoresOf(engine, call), want(call));
    const { kernels: times } = engine.stats();
    if (!device.profile.features.timestamps) return expect(times.size).toBe(0);
    expect([...times.keys()]).toEqual(["row_sums", "weigh", "join", "finish"]);
    expect(times.get("finish")).toMatchObject({ stage: "item", runs: 2 });
    expect(times.get("row_sums")).toMatchObject({ stage: "load", runs: 3 });
  });
});

it("reports progress up to the end", async () => {
  const last = new Map<string, [number, number]>();
  await withEngine({ onProgress: (what, done, total) => last.set(what, [done, total]) }, async () => {});
  expect(last).toEqual(
    new Map([
      ["kernels", [4, 4]],
      ["weights", [21, 21]],
    ]),
  );
});

describe("failures", () => {
  it("a kernel that does not compile is named, with its line", async () => {
    const broken = kernels.map((kernel) =>
      kernel.name === "join"
        ? { ...kernel, text: kernel.text.replace("x_[i * 4 + d]", "x_[i * 4 + e]") }
        : kernel,
    );
    const failing = loadKernelEngine(device, { plan: tinyPlan(device.profile), kernels: broken }, weights);
    await expect(failing).rejects.toMatchObject({
      code: "RMX0803",
      message: expect.stringContaining("`join`"),
    });
    const error: unknown = await failing.catch((reason: unknown) => reason);
    if (!(error instanceof InputError)) throw error;
    expect(error.notes.join()).toMatch(/join\.wgsl:\d+:\d+: unresolved value 'e'/);
    expect(error.notes.join()).toContain("x_[i * 4 + e]");
  });

  it("a plan for a larger device is refused by name of the limit", async () => {
    const profile = { ...device.profile, limits: { ...device.profile.limits, storageBuffers: 1000 } };
    const failing = loadKernelEngine(device, { plan: tinyPlan(profile), kernels }, weights);
    await expect(failing).rejects.toMatchObject({
      code: "RMX0802",
      notes: [`storageBuffers: compiled for 1000, the device has ${device.profile.limits.storageBuffers}`],
    });
  });

  it("wrong features are input errors", async () => {
    await withEngine({}, async (engine) => {
      await expect(engine.user({ v: [1, 2, 3] })).rejects.toBeInstanceOf(InputError);
      const user = await engine.user({ u: [1, 2, 3] });
      await expect(engine.score(user, { x: [1, 2, 3], id: [100] })).rejects.toMatchObject({
        code: "RMX0704",
      });
      expectClose(
        (await engine.score(user, { x: [1, 2, 3], id: [99] })).get("y") ?? [],
        want({
          requests: 1,
          candidates: 1,
          request: new Int32Array(1),
          features: new Map<string, FeatureArray>([
            ["u", Float32Array.of(1, 2, 3)],
            ["x", Float32Array.of(1, 2, 3)],
            ["id", Int32Array.of(99)],
          ]),
        }),
      );
    });
  });

  it("a lost device is an error of its own", async () => {
    const opened = await openDevice("webgpu");
    if (opened.kind !== "webgpu") throw new Error("no WebGPU device");
    const engine = await loadKernelEngine(opened, { plan: tinyPlan(opened.profile), kernels }, weights);
    const user = await engine.user({ u: [1, 2, 3] });
    opened.destroy();
    await expect(engine.score(user, { x: [1, 2, 3], id: [0] })).rejects.toMatchObject({ code: "RMX0804" });
    await expect(engine.user({ u: [1, 2, 3] })).rejects.toMatchObject({ code: "RMX0804" });
  });
});
