/** @file The engine's device memory: every buffer is made here, counted, checked against the limits and freed at the end. */
import { InputError } from "../../ir/error.ts";
import type { Profile } from "../../ir/profile.ts";
import { BYTES, type Words } from "./layout.ts";

/** Counts of what was made on the device. */
export interface Counters {
  buffersCreated: number;
  pipelinesCreated: number;
  bindGroupsCreated: number;
  submits: number;
  /** Of these, those made while an earlier call was on the device. */
  overlapped: number;
}

/** Sizes grow in steps of 2^k and 1.5 · 2^k: at most a third is unused, and a growing load settles after a few steps. */
export function capacityFor(count: number): number {
  let power = 1;
  while (power < count) power *= 2;
  const between = (power / 4) * 3;
  return power >= 4 && between >= count ? between : power;
}

/** One write's largest size: large enough to be fast, small enough for the copy that the implementation makes. */
export const CHUNK_BYTES = 16 * 1024 * 1024;

export class Memory {
  readonly gpu: GPUDevice;
  readonly limits: Profile["limits"];
  readonly #counters: Counters;
  readonly #live = new Set<GPUBuffer>();
  #bytes = 0;
  #scratch = new ArrayBuffer(4096);
  #poison: Uint32Array | undefined;

  constructor(gpu: GPUDevice, limits: Profile["limits"], counters: Counters) {
    this.gpu = gpu;
    this.limits = limits;
    this.#counters = counters;
  }

  /** Bytes that one storage binding can reach. */
  get largestBinding(): number {
    return Math.min(this.limits.storageBinding, this.limits.bufferSize);
  }

  /** A buffer of at least `bytes`. Throws RMX0805 where no buffer is that large. */
  create(label: string, bytes: number, usage: number): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    if (bytes > this.limits.bufferSize) {
      throw new InputError("RMX0805", `\`${label}\` does not fit a buffer of the device`, {
        notes: [`it takes ${bytes} bytes, the largest buffer has ${this.limits.bufferSize}`],
      });
    }
    const buffer = this.gpu.createBuffer({
      label,
      size: Math.min(size, this.gpu.limits.maxBufferSize),
      usage,
    });
    this.#counters.buffersCreated++;
    this.#live.add(buffer);
    this.#bytes += buffer.size;
    return buffer;
  }

  /** A storage buffer that can be written, copied from and copied to. */
  storage(label: string, bytes: number): GPUBuffer {
    return this.create(
      label,
      bytes,
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    );
  }

  /** Commands that were submitted may still use the buffer; it is gone after them. */
  /** A storage buffer that kernels write the arguments of dispatches to. */
  arguments(label: string, bytes: number): GPUBuffer {
    return this.create(
      label,
      bytes,
      GPUBufferUsage.STORAGE | GPUBufferUsage.INDIRECT | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    );
  }

  free(buffer: GPUBuffer): void {
    if (!this.#live.delete(buffer)) return;
    this.#bytes -= buffer.size;
    buffer.destroy();
  }

  freeAll(): void {
    for (const buffer of this.#live) this.free(buffer);
  }

  /** Buffers that are there now, and their bytes. */
  get held(): { readonly buffers: number; readonly bytes: number } {
    return { buffers: this.#live.size, bytes: this.#bytes };
  }

  /** Memory of the host for one write, which copies it; kept, so that a steady call allocates none. */
  scratch(bytes: number): ArrayBuffer {
    if (this.#scratch.byteLength < bytes) this.#scratch = new ArrayBuffer(capacityFor(bytes));
    return this.#scratch;
  }

  write(buffer: GPUBuffer, wordOffset: number, words: Words, count = words.length): void {
    if (count === 0) return;
    this.gpu.queue.writeBuffer(
      buffer,
      wordOffset * BYTES,
      words.buffer as ArrayBuffer,
      words.byteOffset,
      count * BYTES,
    );
  }

  /** Fills words [from, from + count) with a NaN. */
  fillNaN(buffer: GPUBuffer, from: number, count: number): void {
    this.#poison ??= new Uint32Array(65536).fill(0x7fc00000);
    for (let done = 0; done < count; done += this.#poison.length) {
      this.write(buffer, from + done, this.#poison, Math.min(this.#poison.length, count - done));
    }
  }
}
