/** @file Timestamps: events before and after a pass, read as nanoseconds since the first of them. */
import type { ComputeQuerySet } from "../engine/compute.ts";
import type { Context } from "./context.ts";

const DEFAULT = 0;

export class QuerySet implements ComputeQuerySet {
  readonly label: string;
  readonly #context: Context;
  readonly #events: readonly bigint[];
  /** Recorded since the last reading, in order. */
  #recorded: number[] = [];

  constructor(context: Context, label: string, count: number) {
    this.label = label;
    this.#context = context;
    this.#events = Array.from({ length: count }, () => context.make("cuEventCreate", DEFAULT));
  }

  /** Marks moment `i` on the stream. */
  record(i: number | undefined): void {
    if (i === undefined) return;
    this.#context.call("cuEventRecord", this.#event(i), this.#context.stream);
    this.#recorded.push(i);
  }

  /** The moments that were recorded, all of which must have passed. Half a microsecond is as fine as they get. */
  read(into: BigUint64Array): void {
    const [first] = this.#recorded;
    if (first === undefined) return;
    const milliseconds = new Float32Array(1);
    for (const i of this.#recorded) {
      this.#context.call("cuEventElapsedTime", milliseconds, this.#event(first), this.#event(i));
      into[i] = BigInt(Math.round((milliseconds[0] ?? 0) * 1e6));
    }
    this.#recorded = [];
  }

  destroy(): void {
    if (this.#context.gone) return;
    for (const event of this.#events) this.#context.call("cuEventDestroy_v2", event);
  }

  #event(i: number): bigint {
    const event = this.#events[i];
    if (event === undefined) throw new Error(`internal: ${this.label} has no moment ${i}`);
    return event;
  }
}
