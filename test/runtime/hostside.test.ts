/** What the host does for a call, counted rather than timed. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { type KernelEngine, loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { createPipelines, type WebGpuPipeline } from "../../src/runtime/engine/pipelines.ts";
import type { EngineStats } from "../../src/runtime/engine/types.ts";
import { warmPipelines } from "../../src/runtime/engine/warm.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";
import {
  expectClose,
  inputs,
  openTestDevice,
  scoresOf,
  tinyEngine,
  userOf,
  want,
  weights,
} from "./tinyengine.ts";
import { kernels, tinyPlan } from "./tinyplan.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.destroy());

type Counts = Pick<
  EngineStats,
  "submits" | "writes" | "maps" | "buffersCreated" | "bindGroupsCreated" | "pipelinesCreated"
>;

async function countsOf(engine: KernelEngine, work: () => Promise<unknown>): Promise<Counts> {
  const before = engine.stats();
  await work();
  const after = engine.stats();
  return {
    submits: after.submits - before.submits,
    writes: after.writes - before.writes,
    maps: after.maps - before.maps,
    buffersCreated: after.buffersCreated - before.buffersCreated,
    bindGroupsCreated: after.bindGroupsCreated - before.bindGroupsCreated,
    pipelinesCreated: after.pipelinesCreated - before.pipelinesCreated,
  };
}

const nothing = { buffersCreated: 0, bindGroupsCreated: 0, pipelinesCreated: 0 };

describe("a steady call", () => {
  it("is one write, one submission and one mapping, also where the rows change", async () => {
    const engine = await tinyEngine(device);
    const largest = inputs(3, 65);
    const warm = await engine.user(userOf(largest));
    await scoresOf(engine, warm, largest);
    warm.free();
    for (const call of [largest, inputs(3, 65, 2), inputs(2, 7, 3), inputs(1, 1, 4)]) {
      const users = await countsOf(engine, async () => (await engine.user(userOf(call))).free());
      expect(users).toEqual({ submits: 1, writes: 1, maps: 0, ...nothing });
      const user = await engine.user(userOf(call));
      let scores: Float32Array = new Float32Array();
      const items = await countsOf(engine, async () => {
        scores = await scoresOf(engine, user, call);
      });
      expect(items).toEqual({ submits: 1, writes: 1, maps: 1, ...nothing });
      expectClose(scores, want(call));
      user.free();
    }
    engine.destroy();
  });
});

it("a call that fails while it is gathered leaves nothing behind for the next one", async () => {
  let broken = false;
  const breakable: WeightSource = {
    ...weights,
    read: (path, start, count) => {
      if (broken) throw new Error("the disk is gone");
      return weights.read(path, start, count);
    },
  };
  const engine = await loadKernelEngine(device, { plan: tinyPlan(device.profile), kernels }, breakable);
  const [before, after] = [inputs(2, 9), inputs(2, 5, 2)];
  const user = await engine.user(userOf(after));
  await scoresOf(engine, user, before);
  broken = true;
  await expect(scoresOf(engine, user, after)).rejects.toThrow("the disk is gone");
  broken = false;
  expectClose(await scoresOf(engine, user, after), want(after));
  engine.destroy();
});

describe("the first launch of every pipeline", () => {
  const software = (on: boolean): WebGpuDevice["profile"] => ({
    ...device.profile,
    features: { ...device.profile.features, software: on },
  });

  /** Pipelines that no engine has launched, on a device of their own. */
  async function cold(use: (gpu: GPUDevice, pipelines: WebGpuPipeline[]) => Promise<void>): Promise<void> {
    const opened = await openTestDevice();
    const made = await createPipelines(opened.gpu, kernels, { pipelinesCreated: 0 });
    await use(opened.gpu, [...made.values()]);
    opened.destroy();
  }

  /** As long as a driver that compiles. */
  async function slowly<T>(_: string, promise: Promise<T>): Promise<T> {
    const result = await promise;
    await new Promise((resolve) => setTimeout(resolve, 150));
    return result;
  }

  async function warmed(
    another: WebGpuDevice["another"],
    on = true,
    load = 0,
  ): Promise<readonly [number, number]> {
    let last: readonly [number, number] = [0, 0];
    await cold(async (gpu, pipelines) => {
      await warmPipelines({
        device: { ...device, gpu, profile: software(on), another },
        pipelines,
        processors: 2,
        load,
        wait: slowly,
        onProgress: (done, total) => {
          last = [done, total];
        },
      });
    });
    return last;
  }

  it("is shared with other devices where a driver compiles at the first launch, which are gone afterwards", async () => {
    const opened: GPUDevice[] = [];
    const done = await warmed(async () => {
      const gpu = await device.another();
      if (gpu !== undefined) opened.push(gpu);
      return gpu;
    });
    expect(done).toEqual([kernels.length, kernels.length]);
    expect(opened.length).toBeGreaterThan(0);
    for (const gpu of opened) expect((await gpu.lost).reason).toBe("destroyed");
  });

  it("happens all the same where there is no other device, or none can be had", async () => {
    const full = [kernels.length, kernels.length];
    expect(await warmed(async () => undefined)).toEqual(full);
    expect(await warmed(() => Promise.reject(new Error("out of devices")))).toEqual(full);
  });

  it("needs no help where drivers compile pipelines as they are created", async () => {
    let asked = 0;
    const another = async (): Promise<undefined> => {
      asked++;
    };
    expect(await warmed(another, false)).toEqual([kernels.length, kernels.length]);
    expect(asked).toBe(0);
  });

  it("asks for no help where the processors are busy", async () => {
    let asked = 0;
    const another = async (): Promise<undefined> => {
      asked++;
    };
    expect(await warmed(another, true, 2.5)).toEqual([kernels.length, kernels.length]);
    expect(asked).toBe(0);
  });

  it("is made once for each pipeline of a device", async () => {
    await cold(async (gpu, pipelines) => {
      let waits = 0;
      const options = {
        device: { ...device, gpu, profile: software(false) },
        pipelines,
        processors: 2,
        wait: async <T>(_: string, promise: Promise<T>): Promise<T> => {
          waits++;
          return promise;
        },
        onProgress: () => {},
      };
      await warmPipelines(options);
      expect(waits).toBeGreaterThan(0);
      waits = 0;
      await warmPipelines(options);
      expect(waits).toBe(0);
    });
  });
});
