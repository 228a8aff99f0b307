/**
 * @file What can go wrong on a device besides what a call's promises say: errors that it reports on the side, and its loss.
 * A report names no call, so it is held against every call that was between submission and results at that moment.
 */
import { InputError } from "../../ir/error.ts";
import { Waiter } from "../wait.ts";
import type { ComputeDevice, ErrorListener } from "./compute.ts";

/** A call between submission and results. */
export interface Watched {
  /** What the device reported in the meantime. */
  readonly errors: string[];
}

/** The reason of a loss arrives a moment after the promises that it broke. */
const REASON_MS = 50;

export class Health {
  readonly #gpu: ComputeDevice;
  readonly #waiter: Waiter;
  readonly #inFlight: () => Iterable<Watched>;
  /** Reported while no call was there to blame; the next one is told. */
  readonly #stray: string[] = [];
  #lost: string | undefined;
  #closed: string | undefined;
  readonly #onError: ErrorListener = (event) => {
    const message = event.error.message.trim();
    const watched = [...this.#inFlight()];
    for (const { errors } of watched) errors.push(message);
    if (watched.length === 0) this.#stray.push(message);
  };

  /** `asleep`: see `Waiter`. */
  constructor(gpu: ComputeDevice, asleep: boolean, inFlight: () => Iterable<Watched>) {
    this.#gpu = gpu;
    this.#waiter = new Waiter(asleep);
    this.#inFlight = inFlight;
    gpu.addEventListener("uncapturederror", this.#onError);
    // The promise lives as long as the device, which may outlive many engines: it must not keep them.
    const self = new WeakRef(this);
    gpu.lost.then((lost) => self.deref()?.lose(lost.message || lost.reason));
  }

  get live(): boolean {
    return this.#lost === undefined && this.#closed === undefined;
  }

  lose(reason: string): void {
    this.#lost ??= reason;
  }

  /** From now on every check fails with `reason`. */
  close(reason: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#gpu.removeEventListener("uncapturederror", this.#onError);
  }

  /** The promise's result, or the error that the device reported in the meantime. */
  async wait<T>(call: Watched, kind: string, promise: Promise<T>): Promise<T> {
    try {
      const result = await this.#waiter.wait(kind, promise);
      this.checkCall(call);
      return result;
    } catch (error) {
      if (error instanceof InputError) throw error;
      await new Promise((resolve) => setTimeout(resolve, REASON_MS));
      this.checkCall(call);
      throw new InputError("RMX0807", "the device reported an error", { notes: [(error as Error).message] });
    }
  }

  /** Throws RMX0804 if the device or the engine is gone. */
  check(): void {
    if (this.#lost !== undefined) {
      throw new InputError("RMX0804", "the device was lost", {
        notes: [this.#lost],
        help: "`engine.restore()` loads the model onto another device",
      });
    }
    if (this.#closed !== undefined) throw new InputError("RMX0804", this.#closed);
  }

  /** As `check`, and throws RMX0807 if the device reported an error that may be this call's. */
  checkCall(call: Watched): void {
    this.check();
    const notes = [...this.#stray.splice(0), ...call.errors.splice(0)];
    if (notes.length > 0) throw new InputError("RMX0807", "the device reported an error", { notes });
  }
}
