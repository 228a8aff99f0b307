/**
 * @file Writes to the device's memory: the data is put into page-locked blocks, from which the device fetches it while the host goes
 * on. A block that is full waits for its readers and is used again, so weights of any size pass through a few of them.
 */
import type { Context, Fence, Pinned } from "./context.ts";

const BLOCK_BYTES = 16 * 1024 * 1024;
const MOST_BLOCKS = 4;
/** Pieces start at multiples of this. */
const ALIGNMENT = 64;

interface Block {
  readonly pinned: Pinned;
  used: number;
  /** Behind the last copy out of it, once it is full. */
  read: Fence | undefined;
}

export class Uploads {
  readonly #context: Context;
  /** Oldest first; the last is the one that is filled. */
  readonly #blocks: Block[] = [];

  constructor(context: Context) {
    this.#context = context;
  }

  /** Copies `data` to `address` of the device, after all that was given to the stream before. */
  write(address: bigint, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const block = this.#room(Math.min(data.length - done, BLOCK_BYTES));
      const part = data.subarray(done, done + BLOCK_BYTES - block.used);
      new Uint8Array(block.pinned.memory).set(part, block.used);
      const from = block.pinned.address + BigInt(block.used);
      this.#context.call(
        "cuMemcpyHtoDAsync_v2",
        address + BigInt(done),
        from,
        part.length,
        this.#context.stream,
      );
      block.used += Math.ceil(part.length / ALIGNMENT) * ALIGNMENT;
      done += part.length;
    }
  }

  destroy(): void {
    for (const { pinned } of this.#blocks) this.#context.unpin(pinned);
    this.#blocks.length = 0;
  }

  /** The block to fill, with some room: small pieces are not cut. */
  #room(bytes: number): Block {
    const current = this.#blocks.at(-1);
    if (current !== undefined && current.used + Math.min(bytes, ALIGNMENT * 1024) <= BLOCK_BYTES)
      return current;
    if (current !== undefined) current.read = this.#context.fence();
    const oldest = this.#blocks[0];
    if (oldest !== undefined && (this.#blocks.length >= MOST_BLOCKS || oldest.read?.done === true)) {
      oldest.read?.block();
      this.#blocks.shift();
      this.#blocks.push({ ...oldest, used: 0, read: undefined });
    } else this.#blocks.push({ pinned: this.#context.pin(BLOCK_BYTES), used: 0, read: undefined });
    const next = this.#blocks.at(-1);
    if (next === undefined) throw new Error("internal: no block");
    return next;
  }
}
