/** @file The hand-written plan of tinyplan.ts on the device, and what it must answer. */
import { expect } from "vitest";
import type { Profile } from "../../src/ir/profile.ts";
import { openDevice, type WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { type KernelEngine, loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import type { LoadOptions, UserHandle } from "../../src/runtime/engine/types.ts";
import { type FeatureArray, type ModelInputs, stageValues } from "../../src/runtime/inputs.ts";
import { expected, kernels, params, tinyPlan } from "./tinyplan.ts";

export const weights = drawnWeights(params, { seed: 3 });
export const { features } = tinyPlan({} as Profile);

export async function openTestDevice(): Promise<WebGpuDevice> {
  const opened = await openDevice("webgpu");
  if (opened.kind !== "webgpu") throw new Error("no WebGPU device");
  return opened;
}

export function tinyEngine(
  device: WebGpuDevice,
  options: LoadOptions & { limits?: Partial<Profile["limits"]> } = {},
): Promise<KernelEngine> {
  const { limits, ...load } = options;
  const profile = { ...device.profile, limits: { ...device.profile.limits, ...limits } };
  return loadKernelEngine(device, { plan: tinyPlan(profile), kernels }, weights, load);
}

export function inputs(requests: number, candidates: number, seed = 1): ModelInputs {
  return drawnInputs(features, { requests, candidates, seed, shuffled: true });
}

export function userOf(call: ModelInputs): Record<string, FeatureArray> {
  return stageValues(features, call, "user");
}

export async function scoresOf(
  engine: KernelEngine,
  user: UserHandle | readonly UserHandle[],
  call: ModelInputs,
): Promise<Float32Array> {
  const scores = await engine.score(user, stageValues(features, call, "item"), { request: call.request });
  return scores.get("y") ?? new Float32Array();
}

/** By the formula at the head of tinyplan.ts, in f64. */
export function want(call: ModelInputs): number[] {
  const of = (name: string): ArrayLike<number> => call.features.get(name) ?? [];
  const read = (path: string, start: number, count: number): Float32Array => weights.read(path, start, count);
  return expected(read, of("u"), of("x"), of("id"), call.request);
}

export function expectClose(actual: ArrayLike<number>, wanted: readonly number[]): void {
  expect(actual.length).toBe(wanted.length);
  wanted.forEach((value, i) => {
    expect(Math.abs(Number(actual[i]) - value)).toBeLessThan(1e-5 * (1 + Math.abs(value)));
  });
}
