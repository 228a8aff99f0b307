/**
 * @file The first launch of every pipeline, made while the engine loads. Some drivers compile then and not before; lavapipe does,
 * for seconds, on the one thread that executes a device's queue. So the launches are given out to several devices of the adapter,
 * each with a thread of its own. What the helpers compile reaches the engine's device through the driver's cache on disk: its own
 * launches of those kernels take milliseconds. (A driver without a cache compiles them twice, as late as it would have anyway.)
 * Where other work keeps the processors busy nobody helps: opening devices and making pipelines twice took a fifth longer there.
 *
 * A launch has one workgroup and no rows, so a kernel finds nothing to do; its buffers are a few words that nobody reads.
 */
import { availableParallelism, loadavg } from "node:os";
import { CALL_WORDS } from "../../ir/plan.ts";
import type { WebGpuDevice } from "../device.ts";
import { BYTES } from "./layout.ts";
import { createPipelines, type WebGpuPipeline } from "./pipelines.ts";

/** A driver that answers sooner has nothing to compile, and help would come too late. */
const PATIENCE_MS = 20;
/** More helpers cost more to open than they save. */
const MOST_HELPERS = 3;
/** Threads that want to run, for each processor, from which on a helper would only take turns with others. */
const BUSY = 1.25;
/** Pipelines are handed out by size, largest first, so many portions for each device that one more hardly waits for the last. */
const PORTIONS = 4;
/** Larger than what any kernel needs of a binding that it does not read. */
const DUMMY_BYTES = 256;

export interface WarmOptions {
  readonly device: WebGpuDevice;
  /** Each once. */
  readonly pipelines: readonly WebGpuPipeline[];
  /** Of the machine, for a device that is software. */
  readonly processors?: number;
  /** Threads of the machine that want to run, of late. Default: the load average, which systems without one give as 0. */
  readonly load?: number;
  readonly wait: <T>(kind: string, promise: Promise<T>) => Promise<T>;
  readonly onProgress: (done: number, total: number) => void;
}

/** Pipelines that have been launched; engines on one device share them. */
const warm = new WeakSet<GPUComputePipeline>();

export async function warmPipelines(options: WarmOptions): Promise<void> {
  const { device, pipelines, wait, onProgress } = options;
  const { processors = availableParallelism(), load = loadavg()[0] ?? 0 } = options;
  const cold = pipelines.filter(({ pipeline }) => !warm.has(pipeline));
  const queue = cold.toSorted((a, b) => b.text.text.length - a.text.text.length);
  let done = 0;
  const progress = (count: number): void => {
    done += count;
    onProgress(pipelines.length - cold.length + done, pipelines.length);
  };
  progress(0);
  const portion = Math.ceil(cold.length / PORTIONS / (1 + MOST_HELPERS));
  const helped: WebGpuPipeline[] = [];
  const own = (async () => {
    const launcher = new Launcher(device.gpu);
    for (let part = queue.splice(0, portion); part.length > 0; part = queue.splice(0, portion)) {
      await wait("warm up", launcher.launch(part));
      progress(part.length);
    }
    return launcher;
  })();
  const idle = device.profile.features.software && load < BUSY * processors;
  const helpers = idle ? Math.min(MOST_HELPERS, processors - 1, cold.length - 1) : 0;
  const ended = own.then(
    () => true,
    () => true,
  );
  const help = Array.from({ length: helpers }, async () => {
    if (await Promise.race([ended, after(PATIENCE_MS)])) return;
    // Whatever a helper fails at, the engine's own device will do, or fail at in turn.
    const gpu = await device.another().catch(() => undefined);
    if (gpu === undefined) return;
    const launcher = new Launcher(gpu);
    for (let part = queue.splice(0, portion); part.length > 0; part = queue.splice(0, portion)) {
      helped.push(...part);
      const texts = part.map(({ text }) => text);
      const launched = createPipelines(gpu, texts, { pipelinesCreated: 0 }).then((made) =>
        launcher.launch([...made.values()]),
      );
      await wait(
        "warm up",
        launched.catch(() => undefined),
      );
      progress(part.length);
    }
    launcher.destroy();
    gpu.destroy();
  });
  const launcher = await own;
  await Promise.all(help);
  if (helped.length > 0) await wait("warm up", launcher.launch(helped));
  launcher.destroy();
  for (const { pipeline } of cold) warm.add(pipeline);
  onProgress(pipelines.length, pipelines.length);
}

function after(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms));
}

/** Launches pipelines of one device on buffers of no meaning. */
export class Launcher {
  readonly #gpu: GPUDevice;
  readonly #call: GPUBuffer;
  /** By binding: one buffer must not be bound twice where it is written. */
  readonly #dummies: GPUBuffer[] = [];

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
    const { UNIFORM, COPY_DST } = GPUBufferUsage;
    this.#call = gpu.createBuffer({ label: "warm up", size: CALL_WORDS * BYTES, usage: UNIFORM | COPY_DST });
    gpu.queue.writeBuffer(this.#call, 0, new Int32Array([0, 0, 0, 1]));
  }

  launch(pipelines: readonly WebGpuPipeline[]): Promise<undefined> {
    const encoder = this.#gpu.createCommandEncoder({ label: "warm up" });
    const pass = encoder.beginComputePass();
    for (const { text, pipeline, layout } of pipelines) {
      const entries = text.bindings.map((_, i) => ({ binding: i + 1, resource: { buffer: this.#dummy(i) } }));
      pass.setPipeline(pipeline);
      pass.setBindGroup(
        0,
        this.#gpu.createBindGroup({
          layout,
          entries: [{ binding: 0, resource: { buffer: this.#call } }, ...entries],
        }),
      );
      pass.dispatchWorkgroups(1);
    }
    pass.end();
    this.#gpu.queue.submit([encoder.finish()]);
    return this.#gpu.queue.onSubmittedWorkDone();
  }

  destroy(): void {
    for (const buffer of [this.#call, ...this.#dummies]) buffer.destroy();
  }

  #dummy(i: number): GPUBuffer {
    this.#dummies[i] ??= this.#gpu.createBuffer({
      label: "warm up",
      size: DUMMY_BYTES,
      usage: GPUBufferUsage.STORAGE,
    });
    return this.#dummies[i];
  }
}
