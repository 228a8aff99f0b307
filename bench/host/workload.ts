/** @file Workload R on an engine, for the host's figures. */
import {
  compile,
  drawnInputs,
  drawnWeights,
  type Engine,
  openDevice,
  type Program,
} from "../../src/index.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";

const SPEC = "bench/workloads/rankmixer_blocks.rmx";

export interface Size {
  readonly candidates: number;
  readonly set: Readonly<Record<string, number>>;
}
export const small: Size = { candidates: 64, set: { T: 16, D: 128, L: 1 } };
export const medium: Size = { candidates: 128, set: { T: 16, D: 256, L: 1 } };

export async function openGpu(): Promise<WebGpuDevice> {
  const device = await openDevice("webgpu", { quiet: true });
  if (device.kind !== "webgpu") throw new Error("the host side is measured on a WebGPU device");
  return device;
}

export function compileFor(device: WebGpuDevice, { set }: Size): Promise<Program> {
  return compile(SPEC, { set, profiles: [device.profile] });
}

export function load(program: Program, device: WebGpuDevice): Promise<Engine> {
  return program.load(drawnWeights(program.graph.params), device);
}

/** A function that makes one item call; the user stage of this workload has nothing to do. */
export async function callOf(
  engine: Engine,
  program: Program,
  { candidates }: Size,
): Promise<() => Promise<number>> {
  const { features } = drawnInputs(program.graph.features, { requests: 1, candidates, seed: 1 });
  const items = Object.fromEntries(features);
  const user = await engine.user({}, { requests: 1 });
  return async () => {
    const begin = performance.now();
    await engine.score(user, items, { candidates });
    return performance.now() - begin;
  };
}
