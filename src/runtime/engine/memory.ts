/** @file The engine's device memory: every buffer is made here, counted, checked against the limits and freed at the end. */
import { InputError } from "../../ir/error.ts";
import type { Profile } from "../../ir/profile.ts";
import { BufferUsage, type ComputeBuffer, type ComputeDevice, MapMode } from "./compute.ts";
import { BYTES, type Words } from "./layout.ts";

/** Counts of what was made on the device. */
export interface Counters {
  buffersCreated: number;
  pipelinesCreated: number;
  bindGroupsCreated: number;
  submits: number;
  /** Queue writes and mappings for reading. */
  writes: number;
  maps: number;
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

const STORAGE = BufferUsage.STORAGE | BufferUsage.COPY_DST | BufferUsage.COPY_SRC;

/** Bytes of the buffer that holds so many. */
export function sizeFor(bytes: number): number {
  return Math.max(16, Math.ceil(bytes / 16) * 16);
}

export class Memory {
  readonly gpu: ComputeDevice;
  readonly limits: Profile["limits"];
  readonly #counters: Counters;
  readonly #live = new Set<ComputeBuffer>();
  #bytes = 0;
  #poison: Uint32Array | undefined;

  constructor(gpu: ComputeDevice, limits: Profile["limits"], counters: Counters) {
    this.gpu = gpu;
    this.limits = limits;
    this.#counters = counters;
  }

  /** Bytes that one storage binding can reach. */
  get largestBinding(): number {
    return Math.min(this.limits.storageBinding, this.limits.bufferSize);
  }

  /** A buffer of at least `bytes`. Throws RMX0805 where no buffer is that large. */
  create(label: string, bytes: number, usage: number): ComputeBuffer {
    if (bytes > this.limits.bufferSize) {
      throw new InputError("RMX0805", `\`${label}\` does not fit a buffer of the device`, {
        notes: [`it takes ${bytes} bytes, the largest buffer has ${this.limits.bufferSize}`],
      });
    }
    const buffer = this.gpu.createBuffer({
      label,
      size: Math.min(sizeFor(bytes), this.gpu.limits.maxBufferSize),
      usage,
    });
    this.#hold(buffer);
    return buffer;
  }

  /** Storage buffers that are made and freed together: one piece of memory on devices that have a use for that. */
  storageTogether(buffers: readonly { readonly label: string; readonly bytes: number }[]): ComputeBuffer[] {
    if (this.gpu.createBuffers === undefined || buffers.some(({ bytes }) => bytes > this.limits.bufferSize))
      return buffers.map(({ label, bytes }) => this.storage(label, bytes));
    const descriptors = buffers.map(({ label, bytes }) => ({ label, size: sizeFor(bytes), usage: STORAGE }));
    const created = [...this.gpu.createBuffers(descriptors)];
    for (const buffer of created) this.#hold(buffer);
    return created;
  }

  /** A storage buffer that can be written, copied from and copied to. */
  storage(label: string, bytes: number): ComputeBuffer {
    return this.create(label, bytes, STORAGE);
  }

  /** A storage buffer that kernels write the arguments of dispatches to. */
  arguments(label: string, bytes: number): ComputeBuffer {
    return this.create(
      label,
      bytes,
      BufferUsage.STORAGE | BufferUsage.INDIRECT | BufferUsage.COPY_DST | BufferUsage.COPY_SRC,
    );
  }

  /** Commands that were submitted may still use the buffer; it is gone after them. */
  free(buffer: ComputeBuffer): void {
    if (!this.#live.delete(buffer)) return;
    this.#bytes -= buffer.size;
    buffer.destroy();
  }

  #hold(buffer: ComputeBuffer): void {
    this.#counters.buffersCreated++;
    this.#live.add(buffer);
    this.#bytes += buffer.size;
  }

  freeAll(): void {
    for (const buffer of this.#live) this.free(buffer);
  }

  /** Buffers that are there now, and their bytes. */
  get held(): { readonly buffers: number; readonly bytes: number } {
    return { buffers: this.#live.size, bytes: this.#bytes };
  }

  write(buffer: ComputeBuffer, wordOffset: number, words: Words, count = words.length): void {
    if (count === 0) return;
    this.#counters.writes++;
    this.gpu.queue.writeBuffer(
      buffer,
      wordOffset * BYTES,
      words.buffer as ArrayBuffer,
      words.byteOffset,
      count * BYTES,
    );
  }

  /** Makes a buffer's contents readable by the host once commands that were submitted are done. */
  map(buffer: ComputeBuffer): Promise<undefined> {
    this.#counters.maps++;
    return buffer.mapAsync(MapMode.READ);
  }

  /** Fills words [from, from + count) with a NaN, whose halves are NaNs of f16. */
  fillNaN(buffer: ComputeBuffer, from: number, count: number): void {
    this.#poison ??= new Uint32Array(65536).fill(0x7fff7fff);
    for (let done = 0; done < count; done += this.#poison.length) {
      this.write(buffer, from + done, this.#poison, Math.min(this.#poison.length, count - done));
    }
  }
}
