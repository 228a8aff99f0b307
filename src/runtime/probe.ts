/**
 * @file What the device at hand can do at best, measured: the rate of a matrix product, the bandwidth of a copy in memory and of
 * one in cache, what a dispatch costs, and how long an empty submission takes to come back. Figures of a kernel mean little without
 * them; they are taken in the process and at the time of what they are held against.
 */
import type { WebGpuDevice } from "./device.ts";
import { cachedCopy, matrixProduct, memoryCopy, nothing, type ProbeKernel } from "./probekernels.ts";
import { Waiter } from "./wait.ts";

export interface Probe {
  /** The device's. */
  readonly name: string;
  /** FLOP/s in f32 of a matrix product, vector units alone. */
  readonly flops: number;
  /** Bytes a second, read and written, of a copy that no cache holds. */
  readonly bandwidth: number;
  /** The same of one that a cache can hold. */
  readonly cached: number;
  /** Seconds that one more dispatch takes, with one workgroup that returns at once. */
  readonly dispatch: number;
  /** Seconds from an empty submission to its completion. */
  readonly roundTrip: number;
}

/** A submission is long enough for its start and end not to count. */
const LEAST_SECONDS = 0.05;
const MOST_DISPATCHES = 4096;
const RUNS = 5;
const EMPTY_DISPATCHES = 512;
const ROUND_TRIPS = 25;

/** Takes about a second. */
export async function probeDevice(device: WebGpuDevice): Promise<Probe> {
  const { profile } = device;
  const waiter = new Waiter(profile.features.software);
  const product = matrixProduct(profile);
  const copy = memoryCopy(profile);
  const cached = cachedCopy(profile);
  const empty = nothing();
  return {
    name: device.name,
    flops: product.work / (await secondsOf(device, waiter, product)),
    bandwidth: copy.work / (await secondsOf(device, waiter, copy)),
    cached: cached.work / (await secondsOf(device, waiter, cached)),
    dispatch: await dispatchSeconds(device, waiter, empty),
    roundTrip: await roundTripSeconds(device.gpu),
  };
}

/** The least seconds of one dispatch among many. */
async function secondsOf({ gpu }: WebGpuDevice, waiter: Waiter, kernel: ProbeKernel): Promise<number> {
  const prepared = await prepare(gpu, kernel);
  const once = (dispatches: number): Promise<number> =>
    secondsFor(gpu, prepared, dispatches, (done) => waiter.wait(`probe ${dispatches}`, done));
  let dispatches = 1;
  await once(dispatches);
  while (dispatches < MOST_DISPATCHES && (await once(dispatches)) < LEAST_SECONDS) dispatches *= 2;
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) least = Math.min(least, await once(dispatches));
  prepared.free();
  return least / dispatches;
}

async function dispatchSeconds({ gpu }: WebGpuDevice, waiter: Waiter, kernel: ProbeKernel): Promise<number> {
  const prepared = await prepare(gpu, kernel);
  const least = async (dispatches: number): Promise<number> => {
    let seconds = Number.POSITIVE_INFINITY;
    for (let run = 0; run <= RUNS; run++) {
      const wait = (done: Promise<undefined>) => waiter.wait(`empty ${dispatches}`, done);
      seconds = Math.min(seconds, await secondsFor(gpu, prepared, dispatches, wait));
    }
    return seconds;
  };
  const more = (await least(2 * EMPTY_DISPATCHES)) - (await least(EMPTY_DISPATCHES));
  prepared.free();
  return Math.max(0, more) / EMPTY_DISPATCHES;
}

/** The median: a wait is as long as it usually is. Awaited plainly, since sleeping would be measured too. */
async function roundTripSeconds(gpu: GPUDevice): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const started = performance.now();
    gpu.queue.submit([gpu.createCommandEncoder().finish()]);
    await gpu.queue.onSubmittedWorkDone();
    times.push((performance.now() - started) / 1000);
  }
  times.sort((a, b) => a - b);
  return times[ROUND_TRIPS >> 1] ?? 0;
}

interface Prepared {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup | undefined;
  readonly workgroups: readonly [number, number];
  free(): void;
}

async function prepare(gpu: GPUDevice, { code, workgroups, buffers: sizes }: ProbeKernel): Promise<Prepared> {
  const module = gpu.createShaderModule({ code });
  const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const buffers = sizes.map((size) => gpu.createBuffer({ size, usage: GPUBufferUsage.STORAGE }));
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  return {
    pipeline,
    group:
      buffers.length === 0
        ? undefined
        : gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }),
    workgroups,
    free: () => {
      for (const buffer of buffers) buffer.destroy();
    },
  };
}

async function secondsFor(
  gpu: GPUDevice,
  { pipeline, group, workgroups }: Prepared,
  dispatches: number,
  wait: (done: Promise<undefined>) => Promise<undefined>,
): Promise<number> {
  const encoder = gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  if (group !== undefined) pass.setBindGroup(0, group);
  for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(...workgroups);
  pass.end();
  const started = performance.now();
  gpu.queue.submit([encoder.finish()]);
  await wait(gpu.queue.onSubmittedWorkDone());
  return (performance.now() - started) / 1000;
}
