/**
 * @file What the device at hand can do at best, measured: the rate of a matrix product, the bandwidth of a copy in memory and of
 * one in cache, what a dispatch costs, and how long an empty submission takes to come back. Figures of a kernel mean little without
 * them; they are taken in the process and at the time of what they are held against.
 */
import type { KernelDevice, WebGpuDevice } from "./device.ts";
import {
  BufferUsage,
  type ComputeDevice,
  type ComputeGroup,
  type ComputePipeline,
} from "./engine/compute.ts";
import { pipelinesOn } from "./engine/prepare.ts";
import {
  cachedCopy,
  matrixProduct,
  memoryCopy,
  memoryRead,
  nothing,
  type ProbeKernel,
} from "./probekernels.ts";
import { Waiter } from "./wait.ts";

export interface Probe {
  /** The device's. */
  readonly name: string;
  /** FLOP/s in f32 of a matrix product, vector units alone. */
  readonly flops: number;
  /** FLOP/s of tensor cores (`mma.sync`; on sm_90a `wgmma`) on 16-bit numbers with sums in f32; absent where there are no tensor cores. */
  readonly tensor?: number;
  /** Bytes a second, read and written, of a copy that no cache holds. */
  readonly bandwidth: number;
  /** The same of one that a cache can hold. */
  readonly cached: number;
  /** Seconds that one more dispatch takes, with one workgroup that returns at once. */
  readonly dispatch: number;
  /** Seconds from an empty submission to its completion. */
  readonly roundTrip: number;
}

/** The kernels of one kind of device. */
export interface ProbeKernels {
  readonly product: ProbeKernel;
  readonly tensor?: ProbeKernel;
  readonly copy: ProbeKernel;
  readonly cached: ProbeKernel;
  /** Does nothing. On CUDA each launch follows the one before, as a model's kernels do, for it has a buffer to write. */
  readonly empty: ProbeKernel;
}

/** A submission is long enough for its start and end not to count. */
const LEAST_SECONDS = 0.05;
const MOST_DISPATCHES = 4096;
const MOST_REPEATS = 2 ** 20;
const RUNS = 5;
const EMPTY_DISPATCHES = 512;
const ROUND_TRIPS = 25;

/** Takes about a second. Throws RMX0803. */
export async function probeDevice(device: KernelDevice): Promise<Probe> {
  const { product, tensor, copy, cached, empty } = await kernelsFor(device);
  const prober = new Prober(device);
  const rate = async (kernel: ProbeKernel): Promise<number> => kernel.work / (await prober.seconds(kernel));
  return {
    name: device.name,
    flops: await rate(product),
    ...(tensor !== undefined && { tensor: await rate(tensor) }),
    bandwidth: await rate(copy),
    cached: await rate(cached),
    dispatch: await prober.dispatchSeconds(empty),
    roundTrip: await roundTripSeconds(device.gpu),
  };
}

/** Bytes a second at which a WebGPU device goes through memory that no cache holds, writing next to nothing. Throws RMX0803. */
export async function readRate(device: WebGpuDevice): Promise<number> {
  const kernel = memoryRead(device.profile);
  return kernel.work / (await new Prober(device).seconds(kernel));
}

async function kernelsFor(device: KernelDevice): Promise<ProbeKernels> {
  if (device.kind === "cuda") return (await import("./cuda/probekernels.ts")).cudaProbe(device);
  const { profile } = device;
  return {
    product: matrixProduct(profile),
    copy: memoryCopy(profile),
    cached: cachedCopy(profile),
    empty: nothing(),
  };
}

class Prober {
  readonly #device: KernelDevice;
  readonly #gpu: ComputeDevice;
  readonly #waiter: Waiter;

  constructor(device: KernelDevice) {
    this.#device = device;
    this.#gpu = device.gpu;
    this.#waiter = new Waiter(device.profile.features.software);
  }

  /** The least seconds of the kernel's work, done many times over: in one dispatch where it repeats itself, else in many. */
  async seconds(kernel: ProbeKernel): Promise<number> {
    const prepared = await this.#prepare(kernel, 1);
    const times = (count: number): Promise<number> => {
      if (kernel.repeats !== true) return this.#once(prepared, count);
      prepared.setRows(count);
      return this.#once(prepared, 1);
    };
    const most = kernel.repeats === true ? MOST_REPEATS : MOST_DISPATCHES;
    let count = 1;
    await times(count);
    while (count < most && (await times(count)) < LEAST_SECONDS) count *= 2;
    let least = Number.POSITIVE_INFINITY;
    for (let run = 0; run < RUNS; run++) least = Math.min(least, await times(count));
    prepared.free();
    return least / count;
  }

  /** Of dispatches that are replayed, each with bindings of its own, as a model's are. */
  async dispatchSeconds(kernel: ProbeKernel): Promise<number> {
    const prepared = await this.#prepare(kernel, 2 * EMPTY_DISPATCHES);
    const least = async (dispatches: number): Promise<number> => {
      let seconds = Number.POSITIVE_INFINITY;
      for (let run = 0; run <= RUNS; run++)
        seconds = Math.min(seconds, await this.#once(prepared, dispatches));
      return seconds;
    };
    const more = (await least(2 * EMPTY_DISPATCHES)) - (await least(EMPTY_DISPATCHES));
    prepared.free();
    return Math.max(0, more) / EMPTY_DISPATCHES;
  }

  async #prepare({ text, workgroups, buffers: sizes }: ProbeKernel, groups: number): Promise<Prepared> {
    const made = await pipelinesOn(this.#device, [text], { pipelinesCreated: 0 });
    const pipeline = made.get(text.name);
    if (pipeline === undefined) throw new Error(`internal: no pipeline for ${text.name}`);
    const usage = BufferUsage.UNIFORM | BufferUsage.COPY_DST;
    const call = this.#gpu.createBuffer({ label: "call", size: 16, usage });
    const setRows = (rows: number): void =>
      this.#gpu.queue.writeBuffer(call, 0, Int32Array.of(rows, 0, 0, 1).buffer, 0, 16);
    setRows(1);
    const buffers = sizes.map((size, i) =>
      this.#gpu.createBuffer({ label: `${text.name} ${i}`, size, usage: BufferUsage.STORAGE }),
    );
    const bindings = buffers.map((buffer, i) => ({
      buffer,
      written: text.bindings[i]?.access === "read_write",
    }));
    return {
      pipeline: pipeline.pipeline,
      groups: Array.from({ length: groups }, (_, i) =>
        pipeline.bind(`${text.name} ${i}`, [{ buffer: call }, ...bindings]),
      ),
      workgroups,
      setRows,
      free: () => {
        for (const buffer of [call, ...buffers]) buffer.destroy();
      },
    };
  }

  /** Seconds of one submission of so many dispatches. */
  async #once({ pipeline, groups, workgroups }: Prepared, dispatches: number): Promise<number> {
    const encoder = this.#gpu.createCommandEncoder({ label: "probe" });
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    for (let i = 0; i < dispatches; i++) {
      const group = groups[i % groups.length];
      if (group !== undefined && (i === 0 || groups.length > 1)) pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
    }
    pass.end();
    const started = performance.now();
    this.#gpu.queue.submit([encoder.finish()]);
    await this.#waiter.wait(`${pipeline.label} ${dispatches}`, this.#gpu.queue.onSubmittedWorkDone());
    return (performance.now() - started) / 1000;
  }
}

interface Prepared {
  readonly pipeline: ComputePipeline;
  readonly groups: readonly ComputeGroup[];
  readonly workgroups: readonly [number, number];
  /** Of the call. */
  setRows(rows: number): void;
  free(): void;
}

/** The median: a wait is as long as it usually is. Awaited plainly, since sleeping would be measured too. */
async function roundTripSeconds(gpu: ComputeDevice): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const started = performance.now();
    gpu.queue.submit([gpu.createCommandEncoder({ label: "nothing" }).finish()]);
    await gpu.queue.onSubmittedWorkDone();
    times.push((performance.now() - started) / 1000);
  }
  times.sort((a, b) => a - b);
  return times[ROUND_TRIPS >> 1] ?? 0;
}
