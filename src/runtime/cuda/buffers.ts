/**
 * @file Buffers, by what they are for. Kernels' data lies on the device, a stage's in one piece of it. What the host fills for
 * copies, and what it reads back, is page-locked memory of the host. Uniforms never leave the host: they travel as
 * arguments of launches.
 */
import { InputError } from "../../ir/error.ts";
import { type BufferDescriptor, BufferUsage, type ComputeBuffer } from "../engine/compute.ts";
import { type Context, type Fence, memoryNote, type Pinned } from "./context.ts";
import { bytesText, CudaError } from "./errors.ts";
import type { QuerySet } from "./timestamps.ts";

/** Pieces of one allocation start at multiples of this, as allocations do. */
const ALIGNMENT = 256;

abstract class Buffer implements ComputeBuffer {
  readonly label: string;
  readonly size: number;

  constructor({ label, size }: Pick<BufferDescriptor, "label" | "size">) {
    this.label = label;
    this.size = size;
  }

  abstract destroy(): void;

  mapAsync(_mode: number): Promise<undefined> {
    throw new Error(`internal: \`${this.label}\` cannot be mapped`);
  }

  getMappedRange(): ArrayBuffer {
    throw new Error(`internal: \`${this.label}\` is not mapped`);
  }

  unmap(): void {}
}

/** Memory of the device that several buffers share. */
class Allocation {
  readonly address: bigint;
  readonly #context: Context;
  #users: number;

  constructor(context: Context, address: bigint, users: number) {
    this.#context = context;
    this.address = address;
    this.#users = users;
  }

  /** The driver waits for work that uses it before it is free. */
  drop(): void {
    this.#users--;
    if (this.#users === 0) this.#context.release("cuMemFree_v2", this.address);
  }
}

/** What kernels read and write. */
export class DeviceBuffer extends Buffer {
  readonly address: bigint;
  readonly #allocation: Allocation;
  readonly #onDestroy: (buffer: DeviceBuffer) => void;
  #destroyed = false;

  constructor(
    descriptor: BufferDescriptor,
    allocation: Allocation,
    offset: number,
    onDestroy: (buffer: DeviceBuffer) => void,
  ) {
    super(descriptor);
    this.#allocation = allocation;
    this.address = allocation.address + BigInt(offset);
    this.#onDestroy = onDestroy;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#onDestroy(this);
    this.#allocation.drop();
  }
}

/** Words that launches take as arguments. */
export class UniformBuffer extends Buffer {
  readonly bytes: Uint8Array;

  constructor(descriptor: BufferDescriptor) {
    super(descriptor);
    this.bytes = new Uint8Array(descriptor.size);
  }

  destroy(): void {}
}

/** Where timestamps are resolved to: the events themselves, until somebody reads them. */
export class StampBuffer extends Buffer {
  queries: QuerySet | undefined;

  destroy(): void {}
}

/** A copy's source, filled by the host. While the device still reads one version of it, the host writes another. */
export class StagingBuffer extends Buffer {
  readonly #context: Context;
  readonly #versions: Version[] = [];
  #current: Version | undefined;

  constructor(context: Context, descriptor: BufferDescriptor) {
    super(descriptor);
    this.#context = context;
  }

  write(offset: number, bytes: Uint8Array): void {
    const before = this.#current;
    const into = this.#free();
    const target = new Uint8Array(into.pinned.memory);
    if (before !== undefined && before !== into) {
      const old = new Uint8Array(before.pinned.memory);
      target.set(old.subarray(0, offset));
      target.set(old.subarray(offset + bytes.length), offset + bytes.length);
    }
    target.set(bytes, offset);
    this.#current = into;
  }

  /** What was written last. */
  get current(): Version {
    if (this.#current === undefined) throw new Error(`internal: nothing was written to \`${this.label}\``);
    return this.#current;
  }

  destroy(): void {
    for (const { pinned, landing, used } of this.#versions) {
      if (used !== undefined && !this.#context.gone) used.block();
      this.#context.unpin(pinned);
      if (landing !== undefined) this.#context.release("cuMemFree_v2", landing);
    }
    this.#versions.length = 0;
  }

  #free(): Version {
    const free = this.#versions.find(({ used }) => used === undefined || used.done);
    if (free !== undefined) return free;
    const version = { pinned: this.#context.pin(this.size), landing: undefined, used: undefined };
    this.#versions.push(version);
    return version;
  }
}

export interface Version {
  readonly pinned: Pinned;
  /** Memory of the device that large pieces are sent to ahead of their turn. */
  landing: bigint | undefined;
  /** Behind the last command that reads it. */
  used: Fence | undefined;
}

/** What the host reads. */
export class ReadBuffer extends Buffer {
  readonly #context: Context;
  readonly pinned: Pinned;
  /** What was copied here are timestamps. */
  stamps: QuerySet | undefined;

  constructor(context: Context, descriptor: BufferDescriptor) {
    super(descriptor);
    this.#context = context;
    this.pinned = context.pin(descriptor.size);
  }

  override async mapAsync(): Promise<undefined> {
    await this.#context.fence().wait();
    this.stamps?.read(new BigUint64Array(this.pinned.memory));
    return undefined;
  }

  override getMappedRange(): ArrayBuffer {
    return this.pinned.memory;
  }

  destroy(): void {
    this.#context.unpin(this.pinned);
  }
}

/** Makes a buffer. Throws RMX0805. */
export function createBuffer(
  context: Context,
  descriptor: BufferDescriptor,
  onDestroy: (buffer: DeviceBuffer) => void,
): ComputeBuffer {
  const { usage } = descriptor;
  const [only] = (usage & BufferUsage.STORAGE) !== 0 ? createTogether(context, [descriptor], onDestroy) : [];
  if (only !== undefined) return only;
  if ((usage & BufferUsage.UNIFORM) !== 0) return new UniformBuffer(descriptor);
  if ((usage & BufferUsage.QUERY_RESOLVE) !== 0) return new StampBuffer(descriptor);
  return withSizes(context, [descriptor], "page-locked memory", () =>
    (usage & BufferUsage.MAP_READ) !== 0
      ? new ReadBuffer(context, descriptor)
      : new StagingBuffer(context, descriptor),
  );
}

/** Storage buffers in one allocation. Throws RMX0805. */
export function createTogether(
  context: Context,
  descriptors: readonly BufferDescriptor[],
  onDestroy: (buffer: DeviceBuffer) => void,
): DeviceBuffer[] {
  if (descriptors.length === 0) return [];
  const offsets: number[] = [];
  let bytes = 0;
  for (const { size } of descriptors) {
    offsets.push(bytes);
    bytes += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  }
  const address = withSizes(context, descriptors, "memory", () => context.make("cuMemAlloc_v2", bytes));
  const allocation = new Allocation(context, address, descriptors.length);
  return descriptors.map(
    (descriptor, i) => new DeviceBuffer(descriptor, allocation, offsets[i] ?? 0, onDestroy),
  );
}

function withSizes<R>(
  context: Context,
  descriptors: readonly BufferDescriptor[],
  what: string,
  work: () => R,
): R {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CudaError && error.outOfMemory)) throw error;
    const bytes = descriptors.reduce((sum, { size }) => sum + size, 0);
    const largest = descriptors.toSorted((a, b) => b.size - a.size)[0];
    const names =
      largest === undefined || descriptors.length === 1
        ? `\`${largest?.label}\` does not fit the device's ${what}`
        : `${descriptors.length} buffers do not fit the device's ${what}`;
    throw new InputError("RMX0805", names, {
      notes: [
        `${descriptors.length === 1 ? "it takes" : "together they take"} ${bytesText(bytes)}`,
        ...(descriptors.length > 1 && largest
          ? [`the largest, \`${largest.label}\`, takes ${bytesText(largest.size)}`]
          : []),
        memoryNote(context),
      ],
      help: "fewer candidates a call, a smaller model, or weights in 16 or 8 bits; `nvidia-smi` shows who else uses the memory",
    });
  }
}
