/** @file Device time by kernel, from timestamps at the begin and the end of a pass. */
import type { Stage } from "../../ir/graph.ts";
import type { Memory } from "./memory.ts";
import type { KernelTime } from "./types.ts";

const TIMESTAMP_BYTES = 8;

export class KernelTimer {
  readonly #names: readonly string[];
  readonly #stage: Stage;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #readback: GPUBuffer;
  readonly #times: Map<string, KernelTime>;
  #used = new Set<number>();

  /** `names`: the kernel of each launch. Times are added up in `times`. */
  constructor(memory: Memory, stage: Stage, names: readonly string[], times: Map<string, KernelTime>) {
    const count = Math.max(1, names.length) * 2;
    this.#stage = stage;
    this.#names = names;
    this.#times = times;
    this.#queries = memory.gpu.createQuerySet({ label: `${stage} timestamps`, type: "timestamp", count });
    const bytes = count * TIMESTAMP_BYTES;
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    this.#resolved = memory.create(`${stage} timestamps`, bytes, QUERY_RESOLVE | COPY_SRC);
    this.#readback = memory.create(`${stage} timestamps read`, bytes, COPY_DST | MAP_READ);
  }

  /** For the pass of launch `i`. */
  writes(i: number): GPUComputePassTimestampWrites {
    this.#used.add(i);
    return { querySet: this.#queries, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
  }

  resolve(encoder: GPUCommandEncoder): void {
    encoder.resolveQuerySet(this.#queries, 0, Math.max(1, this.#names.length) * 2, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#readback, 0, this.#readback.size);
  }

  /** Adds the launches since the last call; the commands must have been submitted. */
  async collect(wait: (promise: Promise<undefined>) => Promise<undefined>): Promise<void> {
    await wait(this.#readback.mapAsync(GPUMapMode.READ));
    const stamps = new BigUint64Array(this.#readback.getMappedRange());
    for (const i of this.#used) {
      const name = this.#names[i];
      const nanoseconds = Number((stamps[2 * i + 1] ?? 0n) - (stamps[2 * i] ?? 0n));
      if (name === undefined) throw new Error(`internal: no launch ${i}`);
      const before = this.#times.get(name) ?? { stage: this.#stage, runs: 0, nanoseconds: 0 };
      this.#times.set(name, {
        stage: this.#stage,
        runs: before.runs + 1,
        nanoseconds: before.nanoseconds + nanoseconds,
      });
    }
    this.#used = new Set();
    this.#readback.unmap();
  }

  destroy(): void {
    this.#queries.destroy();
  }
}
