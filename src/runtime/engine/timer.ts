/** @file Time on the device, from timestamps at the begin and the end of a pass: of a whole stage, or a pass for each kernel. */
import {
  BufferUsage,
  type ComputeBuffer,
  type ComputeEncoder,
  type ComputeQuerySet,
  MapMode,
  type PassTimestamps,
} from "./compute.ts";
import type { Memory } from "./memory.ts";
import type { LaunchTime } from "./types.ts";

const TIMESTAMP_BYTES = 8;

export class PassTimer {
  /** Whether each launch gets a pass of its own; otherwise the stage is one pass. */
  readonly each: boolean;
  readonly #names: readonly string[];
  readonly #queries: ComputeQuerySet;
  readonly #resolved: ComputeBuffer;
  readonly #readback: ComputeBuffer;
  #used = new Set<number>();

  /** `names`: of each pass, in order. */
  constructor(memory: Memory, label: string, names: readonly string[], each: boolean) {
    const count = Math.max(1, names.length) * 2;
    this.each = each;
    this.#names = names;
    this.#queries = memory.gpu.createQuerySet({ label: `${label} timestamps`, type: "timestamp", count });
    const bytes = count * TIMESTAMP_BYTES;
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = BufferUsage;
    this.#resolved = memory.create(`${label} timestamps`, bytes, QUERY_RESOLVE | COPY_SRC);
    this.#readback = memory.create(`${label} timestamps read`, bytes, COPY_DST | MAP_READ);
  }

  /** For pass `i`. */
  writes(i: number): PassTimestamps {
    this.#used.add(i);
    return { querySet: this.#queries, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
  }

  resolve(encoder: ComputeEncoder): void {
    encoder.resolveQuerySet(this.#queries, 0, Math.max(1, this.#names.length) * 2, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#readback, 0, this.#readback.size);
  }

  /** The passes since the last call, nanoseconds since the first of them began; the commands must have been submitted. */
  async collect(wait: (promise: Promise<undefined>) => Promise<undefined>): Promise<LaunchTime[]> {
    await wait(this.#readback.mapAsync(MapMode.READ));
    const stamps = new BigUint64Array(this.#readback.getMappedRange());
    const used = [...this.#used].sort((a, b) => a - b);
    const first = stamps[2 * (used[0] ?? 0)] ?? 0n;
    const times = used.map((i): LaunchTime => {
      const name = this.#names[i];
      if (name === undefined) throw new Error(`internal: no pass ${i}`);
      return {
        name,
        begin: Number((stamps[2 * i] ?? 0n) - first),
        end: Number((stamps[2 * i + 1] ?? 0n) - first),
      };
    });
    this.#used = new Set();
    this.#readback.unmap();
    return times;
  }

  destroy(): void {
    this.#queries.destroy();
  }
}
