/** @file Results on their way back to the host. */
import type { Element, PlanValue } from "../../ir/plan.ts";
import { BufferUsage, type ComputeBuffer, type ComputeEncoder } from "./compute.ts";
import { BYTES, layoutOf, newWords, unpackRows, type Words } from "./layout.ts";
import type { Memory } from "./memory.ts";

/** The engine's wait for a promise of the device: asleep where that helps, with the device's errors thrown. */
export type WaitFor = (kind: string, promise: Promise<undefined>) => Promise<undefined>;

/** Every output of a plan side by side in one buffer that the host can map: one call at a time. */
export class OutputReader {
  readonly #memory: Memory;
  readonly #outputs: readonly PlanValue[];
  #buffer: ComputeBuffer | undefined;
  #capacity = 0;

  constructor(memory: Memory, outputs: readonly PlanValue[]) {
    this.#memory = memory;
    this.#outputs = outputs;
  }

  /** Encodes the copies of `rows` rows of every output. */
  copy(
    encoder: ComputeEncoder,
    bufferOf: (value: PlanValue) => ComputeBuffer | undefined,
    rows: number,
    capacity: number,
  ): void {
    if (this.#buffer === undefined || this.#capacity < capacity) {
      if (this.#buffer !== undefined) this.#memory.free(this.#buffer);
      const words = this.#outputs.reduce((sum, value) => sum + value.unit * capacity, 0);
      const usage = BufferUsage.COPY_DST | BufferUsage.MAP_READ;
      this.#buffer = this.#memory.create("scores", words * BYTES, usage);
      this.#capacity = capacity;
    }
    let at = 0;
    for (const value of this.#outputs) {
      const from = bufferOf(value);
      if (from === undefined) throw new Error(`internal: no buffer for ${value.name}`);
      encoder.copyBufferToBuffer(from, 0, this.#buffer, at, rows * value.unit * BYTES);
      at += rows * value.unit * BYTES;
    }
  }

  /** Waits for the copies and puts output i into `into[i]` from row `first` on. */
  async read(rows: number, into: readonly Float32Array[], first: number, wait: WaitFor): Promise<void> {
    const buffer = this.#buffer;
    if (buffer === undefined) throw new Error("internal: nothing was copied");
    await wait(`item ${this.#capacity}`, this.#memory.map(buffer));
    const words = new Float32Array(buffer.getMappedRange());
    let at = 0;
    this.#outputs.forEach((value, i) => {
      const target = into[i];
      if (target === undefined) throw new Error(`internal: no array for ${value.name}`);
      unpackRows(layoutOf(value), words.subarray(at, at + rows * value.unit), rows, target, first);
      at += rows * value.unit;
    });
    buffer.unmap();
  }
}

/** A piece of a storage buffer, in words. */
export interface Piece {
  readonly buffer: ComputeBuffer;
  readonly at: number;
  readonly count: number;
}

/** The words of `pieces`, one after another. Makes a buffer for the call: it is for what is read now and then. */
export async function readWords(
  memory: Memory,
  element: Element,
  pieces: readonly Piece[],
  wait: WaitFor,
): Promise<Words> {
  const total = pieces.reduce((sum, piece) => sum + piece.count, 0);
  const words = newWords(element, total);
  if (total === 0) return words;
  const staging = memory.create("read", total * BYTES, BufferUsage.COPY_DST | BufferUsage.MAP_READ);
  const encoder = memory.gpu.createCommandEncoder({ label: "read" });
  let at = 0;
  for (const { buffer, at: from, count } of pieces) {
    encoder.copyBufferToBuffer(buffer, from * BYTES, staging, at * BYTES, count * BYTES);
    at += count;
  }
  memory.gpu.queue.submit([encoder.finish()]);
  try {
    await wait(`read ${total}`, memory.map(staging));
    const mapped = staging.getMappedRange();
    words.set(element === "f32" ? new Float32Array(mapped, 0, total) : new Int32Array(mapped, 0, total));
  } finally {
    memory.free(staging);
  }
  return words;
}
