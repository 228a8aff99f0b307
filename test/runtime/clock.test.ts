/** @file Timed calls: what a watcher is told, with the device's timestamps and without. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import type { KernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import type { CallTimes } from "../../src/runtime/engine/types.ts";
import { expectClose, inputs, openTestDevice, scoresOf, tinyEngine, userOf, want } from "./tinyengine.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.destroy());

/** The device as it is, and as one without timestamps. */
const kinds = [
  ["with timestamps", (): WebGpuDevice => device],
  [
    "without timestamps",
    (): WebGpuDevice => {
      const { profile } = device;
      return { ...device, profile: { ...profile, features: { ...profile.features, timestamps: false } } };
    },
  ],
] as const;

async function watched(on: WebGpuDevice, detail: "stages" | "kernels"): Promise<CallTimes[]> {
  const engine = await tinyEngine(on);
  try {
    const told: CallTimes[] = [];
    engine.watch({ detail, call: (times) => told.push(times) });
    await checkedCall(engine);
    engine.watch(undefined);
    await checkedCall(engine);
    return told;
  } finally {
    engine.destroy();
  }
}

/** 3 requests, 41 candidates; the scores must be right whoever watches. */
async function checkedCall(engine: KernelEngine): Promise<void> {
  const call = inputs(3, 41);
  const user = await engine.user(userOf(call));
  expectClose(await scoresOf(engine, user, call), want(call));
  user.free();
}

describe.each(kinds)("%s", (_, on) => {
  it("each stage is told once, its marks in order", async () => {
    const told = await watched(on(), "stages");
    expect(told.map(({ stage, rows }) => [stage, rows])).toEqual([
      ["user", 3],
      ["item", 41],
    ]);
    for (const { stage, begin, submitted, end, reading, launches } of told) {
      expect(begin).toBeLessThanOrEqual(submitted);
      expect(submitted).toBeLessThan(end);
      expect(reading).toBeGreaterThanOrEqual(0);
      expect(launches.map(({ name }) => name)).toEqual([stage]);
    }
  });

  it("each kernel is told in order, one after the other, inside its call", async () => {
    const told = await watched(on(), "kernels");
    const names = told.flatMap(({ launches }) => launches.map(({ name }) => name));
    expect(names).toEqual(["weigh", "join", "finish"]);
    for (const { launches, begin, end } of told) {
      let before = 0;
      for (const launch of launches) {
        expect(launch.begin).toBeGreaterThanOrEqual(before);
        expect(launch.end).toBeGreaterThanOrEqual(launch.begin);
        before = launch.end;
      }
      expect(before / 1e6).toBeLessThanOrEqual(end - begin);
    }
  });
});

it("a call that the limits cut into chunks is told chunk by chunk", async () => {
  // The widest row has 4 words, so 256 bytes hold 16 rows.
  const engine = await tinyEngine(device, { limits: { storageBinding: 256 } });
  const rows: [string, number][] = [];
  engine.watch({ detail: "stages", call: (times) => rows.push([times.stage, times.rows]) });
  const call = inputs(3, 41);
  await scoresOf(engine, await engine.user(userOf(call)), call);
  engine.destroy();
  expect(rows).toEqual([
    ["user", 3],
    ["item", 16],
    ["item", 16],
    ["item", 9],
  ]);
});
