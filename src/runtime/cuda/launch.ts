/**
 * @file One launch as the driver takes it: a kernel's arguments and the structure that describes its node in a graph, laid out once
 * in memory that the driver reads, so that a launch again costs no more than writing what changed.
 *
 *     arguments    the bindings' addresses, 8 bytes each, then rmxc_call {int rows, from, to, one}, then tensor maps of 128 bytes
 *     pointers     where each argument lies (`kernelParams`)
 *     node         CUDA_KERNEL_NODE_PARAMS: {func, grid x y z, block x y z, shared bytes, kernelParams, extra}
 *
 * A kernel whose blocks wait for each other by counters finds them zero, whatever became of the launch before, and is launched
 * cooperatively: all of its blocks run at one time, or the driver refuses. It has one block a multiprocessor at most, whatever device it
 * was compiled for; with fewer blocks each has more to do.
 */
import type { TensorMap } from "../../ir/bulk.ts";
import { CALL_WORDS } from "../../ir/plan.ts";
import type { BufferBinding, ComputeGroup, ComputePipeline } from "../engine/compute.ts";
import { DeviceBuffer, UniformBuffer } from "./buffers.ts";
import type { Context } from "./context.ts";
import { encodeTensorMap, MAP_ALIGNMENT, MAP_BYTES } from "./tensormaps.ts";

const WORD = 4;
/** Blocks of a cluster, at most. */
const CLUSTER = 2;
const POINTER = 8;
const CALL_BYTES = 4 * CALL_WORDS;
const NODE_BYTES = 56;

/** A kernel on the device. */
export interface CudaPipeline extends ComputePipeline {
  readonly kernel: bigint;
  /** Threads of a block. */
  readonly threads: number;
  /** Bytes of shared memory beyond what the kernel declares. */
  readonly sharedBytes: number;
  /** Tensors that it copies tiles of, behind its other arguments. */
  readonly maps: readonly TensorMap[];
  /** Bindings by which its blocks wait for each other. */
  readonly counters: readonly number[];
}

/** What is zero before a launch. */
export interface Cleared {
  readonly buffer: DeviceBuffer;
  readonly address: bigint;
  readonly words: number;
}

/** What a kernel's launch binds. */
export class LaunchGroup implements ComputeGroup {
  readonly __brand = "GPUBindGroup";
  readonly label: string;
  readonly reads: readonly DeviceBuffer[];
  readonly writes: readonly DeviceBuffer[];
  readonly cleared: readonly Cleared[];
  /** CUDA_KERNEL_NODE_PARAMS as `set` left it. */
  readonly node: Uint8Array;
  readonly #pipeline: CudaPipeline;
  readonly #call: UniformBuffer;
  readonly #callOffset: number;
  readonly #callWords: Int32Array;
  readonly #grid: Uint32Array;
  readonly #pointers: bigint;
  /** Blocks that can run at one time, in whole clusters. */
  readonly #most: number;

  /** `bindings[0]`: the call's words. */
  constructor(
    context: Context,
    label: string,
    pipeline: CudaPipeline,
    [call, ...bindings]: readonly BufferBinding[],
  ) {
    if (call === undefined || !(call.buffer instanceof UniformBuffer))
      throw new Error(`internal: ${label} has no call`);
    this.label = label;
    this.#pipeline = pipeline;
    this.#most = context.multiprocessors - (context.multiprocessors % CLUSTER);
    this.#call = call.buffer;
    this.#callOffset = call.offset ?? 0;
    const buffers = bindings.map(({ buffer, offset = 0, size, written = true }) => {
      if (!(buffer instanceof DeviceBuffer))
        throw new Error(`internal: ${label} binds no memory of the device`);
      return {
        buffer,
        address: buffer.address + BigInt(offset),
        bytes: size ?? buffer.size - offset,
        written,
      };
    });
    this.writes = buffers.filter(({ written }) => written).map(({ buffer }) => buffer);
    this.reads = buffers.filter(({ written }) => !written).map(({ buffer }) => buffer);

    const { maps, counters } = pipeline;
    this.cleared = counters.map((at) => {
      const bound = buffers[at];
      if (bound === undefined) throw new Error(`internal: ${label} counts in a binding that it has not`);
      const { buffer, address, bytes } = bound;
      return { buffer, address, words: bytes / WORD };
    });
    const call0 = buffers.length * POINTER;
    const pointers = call0 + CALL_BYTES;
    const node = pointers + (buffers.length + 1 + maps.length) * POINTER;
    const mapsEnd = maps.length === 0 ? 0 : maps.length * MAP_BYTES + MAP_ALIGNMENT;
    const memory = new ArrayBuffer(node + NODE_BYTES + mapsEnd);
    const base = context.driver.native.addressOf(memory);
    const words64 = new BigUint64Array(memory, 0, (node + NODE_BYTES) / POINTER);
    const place = (argument: number, at: bigint): void => {
      words64[pointers / POINTER + argument] = at;
    };
    buffers.forEach(({ address }, i) => {
      words64[i] = address;
    });
    for (let i = 0; i <= buffers.length; i++) place(i, base + BigInt(i * POINTER));
    const map0 = alignedTo(BigInt(MAP_ALIGNMENT), base + BigInt(node + NODE_BYTES));
    maps.forEach((map, i) => {
      const bound = buffers[map.binding];
      if (bound === undefined) throw new Error(`internal: ${label} maps a binding that it has not`);
      const at = map0 + BigInt(i * MAP_BYTES);
      encodeTensorMap(context, at, map, bound.address, bound.bytes);
      place(buffers.length + 1 + i, at);
    });
    words64[node / POINTER] = pipeline.kernel;
    words64[(node + 40) / POINTER] = base + BigInt(pointers);
    const sizes = new Uint32Array(memory, node + 8, 7);
    sizes.set([1, 1, 1, pipeline.threads, 1, 1, pipeline.sharedBytes]);
    this.#callWords = new Int32Array(memory, call0, CALL_WORDS);
    this.#grid = sizes.subarray(0, 2);
    this.#pointers = base + BigInt(pointers);
    this.node = new Uint8Array(memory, node, NODE_BYTES);
  }

  get pipeline(): CudaPipeline {
    return this.#pipeline;
  }

  /** Puts in the blocks of a grid and the call's present words. */
  set(x: number, y: number): void {
    const { bytes } = this.#call;
    this.#grid[0] = this.isCooperative ? Math.min(x, this.#most) : x;
    this.#grid[1] = y;
    this.#callWords.set(new Int32Array(bytes.buffer, bytes.byteOffset + this.#callOffset, CALL_WORDS));
  }

  /** Everything of a launch that can change from call to call, as `set` left it. */
  get changing(): readonly number[] {
    return [...this.#grid, ...this.#callWords];
  }

  /** Whether its blocks wait for each other. */
  get isCooperative(): boolean {
    return this.cleared.length > 0;
  }

  /** Launches outside any graph. */
  launch(context: Context): void {
    const { kernel, threads, sharedBytes } = this.#pipeline;
    const { stream } = context;
    const [x = 1, y = 1] = this.#grid;
    for (const { address, words } of this.cleared)
      context.call("cuMemsetD32Async", address, 0, words, stream);
    const given = [kernel, x, y, 1, threads, 1, 1, sharedBytes, stream, this.#pointers] as const;
    if (this.isCooperative) context.call("cuLaunchCooperativeKernel", ...given);
    else context.call("cuLaunchKernel", ...given, 0);
  }
}

function alignedTo(alignment: bigint, address: bigint): bigint {
  return ((address + alignment - 1n) / alignment) * alignment;
}
