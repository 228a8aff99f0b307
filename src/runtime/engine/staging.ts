/**
 * @file What one call sends to the device, gathered on the host and sent in one write: to a staging buffer, from which
 * the call's own command buffer copies each piece to its place. A queue write costs the same small while whatever its size,
 * and a model has tens of features. A call with a single piece writes it where it belongs, and so does a piece so large that
 * gathering it, a copy on the host and one on the device, would cost more than a write of its own.
 */
import type { Element } from "../../ir/plan.ts";
import { BufferUsage, type ComputeBuffer, type ComputeEncoder } from "./compute.ts";
import { BYTES, type Words } from "./layout.ts";
import { capacityFor, type Memory } from "./memory.ts";

interface Piece {
  readonly target: ComputeBuffer;
  /** In the target, in words. */
  readonly at: number;
  readonly count: number;
  /** The words themselves; undefined where they already lie in the host's memory. */
  readonly words: Words | undefined;
  /** In the host's memory, in words. */
  readonly from: number;
}

/** Words from which on a piece has a write of its own: 64 KiB. */
const LARGE = 16384;

/** Calls are gathered one after another: between the first `add` of a call and its `send` nothing else may be added. */
export class Staging {
  readonly #memory: Memory;
  #host = new ArrayBuffer(4096);
  #buffer: ComputeBuffer | undefined;
  #capacity = 0;
  #pieces: Piece[] = [];
  #words = 0;
  /** Written as they are, past the staging buffer. */
  #large: { readonly target: ComputeBuffer; readonly at: number; readonly words: Words }[] = [];

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** Sends `words` to word `at` of `target`. They are read when the call is sent. */
  add(target: ComputeBuffer, at: number, words: Words): void {
    if (words.length >= LARGE) this.#large.push({ target, at, words });
    else this.#push(target, at, words.length, words);
  }

  /** Room for `count` words that go to word `at` of `target`; to be filled before anything else is added. */
  place(target: ComputeBuffer, at: number, element: Element, count: number): Words {
    const from = this.#push(target, at, count, undefined);
    this.#reserve(this.#words);
    return element === "f32"
      ? new Float32Array(this.#host, from * BYTES, count)
      : element === "i32"
        ? new Int32Array(this.#host, from * BYTES, count)
        : new Uint32Array(this.#host, from * BYTES, count);
  }

  /** Writes what was gathered and encodes the copies; nothing is gathered afterwards. */
  send(encoder: ComputeEncoder): void {
    const pieces = this.#pieces;
    const words = this.#words;
    for (const { target, at, words: given } of this.#large) this.#memory.write(target, at, given);
    this.discard();
    const [only] = pieces;
    if (only === undefined) return;
    if (pieces.length === 1) {
      this.#memory.write(only.target, only.at, only.words ?? new Int32Array(this.#host, 0, only.count));
      return;
    }
    this.#reserve(words);
    for (const { words: given, from } of pieces) {
      if (given === undefined) continue;
      // Bits, whatever they stand for: a copy between floats might quiet a NaN.
      const bits = new Int32Array(given.buffer, given.byteOffset, given.length);
      new Int32Array(this.#host, from * BYTES, given.length).set(bits);
    }
    const buffer = this.#staging(words);
    this.#memory.write(buffer, 0, new Int32Array(this.#host, 0, words));
    for (const { target, at, count, from } of pieces) {
      encoder.copyBufferToBuffer(buffer, from * BYTES, target, at * BYTES, count * BYTES);
    }
  }

  /** Drops what was gathered. */
  discard(): void {
    this.#pieces = [];
    this.#large = [];
    this.#words = 0;
  }

  #push(target: ComputeBuffer, at: number, count: number, words: Words | undefined): number {
    const from = this.#words;
    if (count === 0) return from;
    this.#pieces.push({ target, at, count, words, from });
    this.#words += count;
    return from;
  }

  /** Room for so many words on the host; what was placed is kept. */
  #reserve(words: number): void {
    if (this.#host.byteLength >= words * BYTES) return;
    const larger = new ArrayBuffer(capacityFor(words * BYTES));
    new Uint8Array(larger).set(new Uint8Array(this.#host));
    this.#host = larger;
  }

  #staging(words: number): ComputeBuffer {
    if (this.#buffer !== undefined && this.#capacity >= words) return this.#buffer;
    if (this.#buffer !== undefined) this.#memory.free(this.#buffer);
    this.#capacity = capacityFor(words);
    const usage = BufferUsage.COPY_SRC | BufferUsage.COPY_DST;
    this.#buffer = this.#memory.create("uploads", this.#capacity * BYTES, usage);
    return this.#buffer;
  }
}
