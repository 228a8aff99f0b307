/** @file An NVIDIA GPU as the engine's `ComputeDevice`. */
import type {
  BufferDescriptor,
  ComputeBuffer,
  ComputeDevice,
  ErrorListener,
  Pipeline,
  PipelineMaker,
} from "../engine/compute.ts";
import { createBuffer, createTogether, type DeviceBuffer } from "./buffers.ts";
import { Encoder } from "./commands.ts";
import type { Context } from "./context.ts";
import { GraphCache } from "./graph.ts";
import { LaunchGroup } from "./launch.ts";
import type { Modules } from "./modules.ts";
import { Queue } from "./queue.ts";
import { QuerySet } from "./timestamps.ts";

/** More than an engine's stages; several engines share a device. */
const MOST_GRAPHS = 32;

export class CudaGpu implements ComputeDevice {
  readonly queue: Queue;
  readonly limits: { readonly maxBufferSize: number };
  readonly lost: ComputeDevice["lost"];
  readonly #context: Context;
  readonly #modules: Modules;
  readonly #graphs: GraphCache;
  readonly #forget = (buffer: DeviceBuffer): void => this.#graphs.forget(buffer);

  constructor(context: Context, modules: Modules, maxBufferSize: number) {
    this.#context = context;
    this.#modules = modules;
    this.#graphs = new GraphCache(context, MOST_GRAPHS);
    this.queue = new Queue(context, this.#graphs);
    this.limits = { maxBufferSize };
    this.lost = context.lost;
  }

  /** Graphs that are kept for replay. */
  get graphs(): number {
    return this.#graphs.size;
  }

  createBuffer(descriptor: BufferDescriptor): ComputeBuffer {
    return createBuffer(this.#context, descriptor, this.#forget);
  }

  createBuffers(descriptors: readonly BufferDescriptor[]): readonly ComputeBuffer[] {
    return createTogether(this.#context, descriptors, this.#forget);
  }

  createCommandEncoder({ label }: { readonly label: string }): Encoder {
    return new Encoder(label);
  }

  createQuerySet({ label, count }: { readonly label: string; readonly count: number }): QuerySet {
    return new QuerySet(this.#context, label, count);
  }

  readonly createPipelines: PipelineMaker = async (kernels, counters, onProgress) => {
    let done = 0;
    onProgress(0, kernels.length);
    const made = await Promise.all(
      kernels.map(async (text): Promise<[string, Pipeline]> => {
        const pipeline = await this.#modules.pipeline(text, counters);
        onProgress(++done, kernels.length);
        const bind: Pipeline["bind"] = (label, bindings) =>
          new LaunchGroup(this.#context, label, pipeline, bindings);
        return [text.name, { text, pipeline, bind }];
      }),
    );
    return new Map(made);
  };

  /** Allocations throw what is wrong with them. */
  pushErrorScope(): void {}

  popErrorScope(): Promise<null> {
    return Promise.resolve(null);
  }

  /** Calls throw what is wrong with them; nothing is reported on the side. */
  addEventListener(_type: "uncapturederror", _listener: ErrorListener): void {}

  removeEventListener(_type: "uncapturederror", _listener: ErrorListener): void {}

  destroy(): void {
    this.#context.drain();
    this.#graphs.clear();
    this.#modules.destroy();
    this.queue.destroy();
    this.#context.destroy();
  }
}
