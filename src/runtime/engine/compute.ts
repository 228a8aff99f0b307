/**
 * @file What the engine asks of a device: buffers, a queue in whose order everything happens, lists of commands, reads. These are
 * WebGPU's own words and meanings, and the part of WebGPU that the engine uses, so that a `GPUDevice` is a `ComputeDevice`
 * as it stands; src/runtime/cuda implements the same part on the CUDA driver.
 *
 * What differs in more than words is a kernel's text and how its bindings are tied to it: `Pipeline`.
 */
import type { KernelText } from "../../ir/plan.ts";

export interface ComputeBuffer {
  readonly label: string;
  /** Bytes. */
  readonly size: number;
  destroy(): void;
  /** Resolves when everything that was submitted before is done; then `getMappedRange` shows the content. */
  mapAsync(mode: number): Promise<undefined>;
  getMappedRange(): ArrayBuffer;
  unmap(): void;
}

/** An executable kernel. */
export interface ComputePipeline {
  readonly label: string;
}

/** What one launch of a kernel reads and writes. (Overloads that take one are compared by the letter, hence WebGPU's own.) */
export type ComputeGroup = Pick<GPUBindGroup, "__brand" | "label">;

/** Moments on the device's clock, two for each pass that is timed. */
export interface ComputeQuerySet {
  readonly label: string;
  destroy(): void;
}

export interface ComputeCommands {
  readonly label: string;
}

export interface ComputePass {
  setPipeline(pipeline: ComputePipeline): void;
  setBindGroup(index: 0, group: ComputeGroup): void;
  dispatchWorkgroups(x: number, y: number): void;
  /**
   * As many workgroups as three u32 at byte `offset` of `buffer` say. A device that cannot read them there launches `most`, which
   * is as many as there can be; those that have nothing to do return.
   */
  dispatchWorkgroupsIndirect(buffer: ComputeBuffer, offset: number, most?: number): void;
  end(): void;
}

export interface PassTimestamps {
  readonly querySet: ComputeQuerySet;
  readonly beginningOfPassWriteIndex?: number;
  readonly endOfPassWriteIndex?: number;
}

export interface ComputeEncoder {
  beginComputePass(descriptor?: {
    readonly label?: string;
    readonly timestampWrites?: PassTimestamps;
  }): ComputePass;
  copyBufferToBuffer(
    from: ComputeBuffer,
    fromOffset: number,
    to: ComputeBuffer,
    toOffset: number,
    bytes: number,
  ): void;
  resolveQuerySet(
    queries: ComputeQuerySet,
    first: number,
    count: number,
    into: ComputeBuffer,
    offset: number,
  ): void;
  finish(): ComputeCommands;
}

export interface ComputeQueue {
  /** Copies the data before it returns. */
  writeBuffer(buffer: ComputeBuffer, offset: number, data: ArrayBuffer, from: number, bytes: number): void;
  submit(commands: Iterable<ComputeCommands>): void;
  onSubmittedWorkDone(): Promise<undefined>;
}

export interface BufferDescriptor {
  readonly label: string;
  readonly size: number;
  readonly usage: number;
}

export interface ComputeDevice {
  readonly queue: ComputeQueue;
  readonly limits: { readonly maxBufferSize: number };
  /** Resolves when the device is gone. */
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  createBuffer(descriptor: BufferDescriptor): ComputeBuffer;
  /** Buffers that are made and go together, in one piece of memory. A device without has no use for that. */
  createBuffers?(descriptors: readonly BufferDescriptor[]): readonly ComputeBuffer[];
  createCommandEncoder(descriptor: { readonly label: string }): ComputeEncoder;
  createQuerySet(descriptor: {
    readonly label: string;
    readonly type: "timestamp";
    readonly count: number;
  }): ComputeQuerySet;
  /** Errors that allocations report on the side, until the matching `popErrorScope`. */
  pushErrorScope(filter: "out-of-memory"): void;
  popErrorScope(): Promise<{ readonly message: string } | null>;
  addEventListener(type: "uncapturederror", listener: ErrorListener): void;
  removeEventListener(type: "uncapturederror", listener: ErrorListener): void;
}

export type ErrorListener = (event: { readonly error: { readonly message: string } }) => void;

/** What is bound: a buffer, or `size` bytes of it from `offset` on. */
export interface BufferBinding {
  readonly buffer: ComputeBuffer;
  readonly offset?: number;
  readonly size?: number;
  /** The kernel writes it. */
  readonly written?: boolean;
}

export interface Pipeline {
  readonly text: KernelText;
  readonly pipeline: ComputePipeline;
  /** `bindings[0]` is the `Call` uniform, the others are those of the text, in order. */
  bind(label: string, bindings: readonly BufferBinding[]): ComputeGroup;
}

/** Makes kernels' texts executable; by kernel name. Throws RMX0803. `onProgress` gets kernels. */
export type PipelineMaker = (
  kernels: readonly KernelText[],
  counters: { pipelinesCreated: number },
  onProgress: (done: number, total: number) => void,
) => Promise<ReadonlyMap<string, Pipeline>>;

/** The constants of WebGPU's specification; outside a browser they are no globals until Dawn is loaded. */
export const BufferUsage = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  INDIRECT: 0x100,
  QUERY_RESOLVE: 0x200,
} as const;

export const MapMode = { READ: 1 } as const;
