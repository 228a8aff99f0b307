/**
 * @file Kept user values: one slab a value, an array of fixed-size slots in which slot s of every slab belongs to the same
 * request. Item kernels read `slab[slot[request[n]]]`, so one call scores candidates of many requests. A slab grows
 * by being copied.
 */
import { InputError } from "../../ir/error.ts";
import { bytesOf, type Plan, type PlanValue, wordsOf } from "../../ir/plan.ts";
import type { ComputeBuffer } from "./compute.ts";
import { fromHalves, toHalves } from "./halves.ts";
import { layoutOf, newValues, packRows, unpackRows } from "./layout.ts";
import { capacityFor, type Memory } from "./memory.ts";
import { type Piece, readWords, type WaitFor } from "./readback.ts";

export class Slabs {
  /** The kept values of the plan. */
  readonly values: readonly PlanValue[];
  readonly #memory: Memory;
  readonly #buffers = new Map<number, ComputeBuffer>();
  /** Free slots, the next one last. */
  #free: number[] = [];
  #capacity = 0;
  readonly #most: number;

  constructor(plan: Plan, memory: Memory) {
    this.#memory = memory;
    this.values = plan.values.filter((value) => value.home.kind === "kept");
    const largest = Math.max(1, ...this.values.map(slotBytes));
    this.#most = Math.floor(memory.largestBinding / largest);
    this.#resize(Math.min(this.#most, capacityFor(Math.max(1, plan.serve.requests))));
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** Slots in use. */
  get used(): number {
    return this.#capacity - this.#free.length;
  }

  /** Bytes that one request keeps. */
  get slotBytes(): number {
    return this.values.reduce((sum, value) => sum + slotBytes(value), 0);
  }

  buffer(value: number): ComputeBuffer | undefined {
    return this.#buffers.get(value);
  }

  /** True if the slabs had to grow, which replaces their buffers. Throws RMX0808 where they cannot. */
  reserve(count: number): boolean {
    const needed = this.used + count;
    if (needed <= this.#capacity) return false;
    if (needed > this.#most) {
      throw new InputError("RMX0808", "too many requests are kept on the device", {
        notes: [`${needed} would be kept; the device has room for ${this.#most}`],
        help: "free the handles of requests that are done",
      });
    }
    this.#resize(Math.min(this.#most, capacityFor(needed)));
    return true;
  }

  allocate(count: number): number[] {
    const slots: number[] = [];
    for (let i = 0; i < count; i++) {
      const slot = this.#free.pop();
      if (slot === undefined) throw new Error("internal: slots were not reserved");
      slots.push(slot);
    }
    return slots;
  }

  free(slots: readonly number[]): void {
    this.#free.push(...slots.toReversed());
  }

  /** Where slots' rows of a value lie, one after another. */
  pieces(value: PlanValue, slots: readonly number[]): Piece[] {
    const buffer = this.#buffers.get(value.id);
    if (buffer === undefined) throw new Error(`internal: ${value.name} has no slab`);
    const pieces: Piece[] = [];
    const words = wordsOf(value, value.unit);
    eachSlotRun(slots, (_, slot, length) => {
      pieces.push({ buffer, at: slot * words, count: length * words });
    });
    return pieces;
  }

  /** What the slots hold, an array a value, compact. */
  read(slots: readonly number[], wait: WaitFor): Promise<(Float32Array | Int32Array)[]> {
    return Promise.all(
      this.values.map(async (value) => {
        const words = await readWords(this.#memory, value.element, this.pieces(value, slots), wait);
        const layout = layoutOf(value);
        const data = newValues(value.element, slots.length * layout.compactUnit);
        const { packing } = value;
        unpackRows(layout, packing ? fromHalves(words, packing.element) : words, slots.length, data);
        return data;
      }),
    );
  }

  /** The opposite of `read`. */
  write(slots: readonly number[], arrays: readonly (Float32Array | Int32Array)[]): void {
    this.values.forEach((value, i) => {
      const layout = layoutOf(value);
      const values = newValues(value.element, slots.length * layout.unit);
      packRows(layout, arrays[i] ?? [], 0, slots.length, values);
      const { packing } = value;
      const words = packing && values instanceof Float32Array ? toHalves(values, packing.element) : values;
      let done = 0;
      for (const { buffer, at, count } of this.pieces(value, slots)) {
        this.#memory.write(buffer, at, words.subarray(done, done + count));
        done += count;
      }
    });
  }

  #resize(capacity: number): void {
    const { gpu } = this.#memory;
    const encoder = gpu.createCommandEncoder({ label: "grow slabs" });
    const old: ComputeBuffer[] = [];
    for (const value of this.values) {
      const grown = this.#memory.storage(value.name, capacity * slotBytes(value));
      const before = this.#buffers.get(value.id);
      if (before !== undefined) {
        encoder.copyBufferToBuffer(before, 0, grown, 0, this.#capacity * slotBytes(value));
        old.push(before);
      }
      this.#buffers.set(value.id, grown);
    }
    if (old.length > 0) gpu.queue.submit([encoder.finish()]);
    for (const buffer of old) this.#memory.free(buffer);
    const added = Array.from({ length: capacity - this.#capacity }, (_, i) => capacity - 1 - i);
    this.#free = [...added, ...this.#free];
    this.#capacity = capacity;
  }
}

/** Bytes that one request's slot of a value takes. */
function slotBytes(value: PlanValue): number {
  return bytesOf(value, value.unit);
}

/** Calls `visit` for each run of consecutive slots: position in `slots`, first slot, length. */
export function eachSlotRun(
  slots: readonly number[],
  visit: (at: number, slot: number, length: number) => void,
): void {
  for (let at = 0; at < slots.length; ) {
    const slot = slots[at] ?? 0;
    let length = 1;
    while (slots[at + length] === slot + length) length++;
    visit(at, slot, length);
    at += length;
  }
}
