/**
 * @file One device's primary context, the streams of work on it, and the memory that both sides see. Work is issued to one stream, in
 * whose order it happens; a second one carries large uploads, so that they cross the bus while kernels of an earlier
 * call run.
 */
import { InputError } from "../../ir/error.ts";
import type { Driver } from "./driver.ts";
import { bytesText, CudaError, INVALID_CONTEXT, NOT_READY, SUCCESS } from "./errors.ts";

/** CUdevice_attribute. */
const MULTIPROCESSORS = 16;
const NON_BLOCKING = 1;
const DISABLE_TIMING = 2;
/** Whoever waits for the event sleeps instead of spinning. */
const BLOCKING_SYNC = 1;

/** Between two looks at an event where this process's other threads cannot wait for it. */
const POLL_MS = 1;

export interface Loss {
  readonly reason: "destroyed" | "unknown";
  readonly message: string;
}

/** Page-locked memory of the host, which the device reads and writes by itself. */
export interface Pinned {
  readonly address: bigint;
  readonly bytes: number;
  readonly memory: ArrayBuffer;
}

type Call = Driver["call"];
type Make = Driver["make"];

export class Context {
  readonly driver: Driver;
  readonly device: number;
  readonly multiprocessors: number;
  readonly lost: Promise<Loss>;
  /** Where work is done, in the order in which it was given. */
  readonly stream: bigint;
  /** Where large uploads go ahead of it. */
  readonly uploads: bigint;
  readonly #context: bigint;
  readonly #events: bigint[] = [];
  #lose: (loss: Loss) => void = () => {};
  #gone = false;
  #released = false;

  constructor(driver: Driver, device: number) {
    this.driver = driver;
    this.device = device;
    this.multiprocessors = driver.int("cuDeviceGetAttribute", MULTIPROCESSORS, device);
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    this.#context = driver.make("cuDevicePrimaryCtxRetain", device);
    driver.use(this.#context);
    this.stream = driver.make("cuStreamCreate", NON_BLOCKING);
    this.uploads = driver.make("cuStreamCreate", NON_BLOCKING);
  }

  /** The driver's own handle. */
  get handle(): bigint {
    return this.#context;
  }

  /** Lost or destroyed. */
  get gone(): boolean {
    return this.#gone;
  }

  /** `Driver.call` in this context. */
  readonly call: Call = (name, ...args) => {
    this.#guarded(() => this.driver.call(name, ...args));
  };

  /** `Driver.make` in this context. */
  readonly make: Make = (name, ...args) => this.#guarded(() => this.driver.make(name, ...args));

  readonly encodeTensorMap: Driver["encodeTensorMap"] = (...args) =>
    this.#guarded(() => this.driver.encodeTensorMap(...args));

  /** Gives something back, of which nothing is left where the context is gone. */
  release(
    name: "cuMemFree_v2" | "cuMemFreeHost" | "cuGraphExecDestroy" | "cuGraphDestroy" | "cuModuleUnload",
    handle: bigint,
  ): void {
    if (!this.#gone) this.call(name, handle);
  }

  /** Device memory: what is free, and all of it. */
  get memory(): { readonly free: number; readonly total: number } {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    this.call("cuMemGetInfo_v2", free, total);
    return { free: Number(free[0]), total: Number(total[0]) };
  }

  pin(bytes: number): Pinned {
    const address = this.make("cuMemHostAlloc", bytes, 0);
    return { address, bytes, memory: this.driver.native.view(address, bytes) };
  }

  unpin({ address }: Pinned): void {
    this.release("cuMemFreeHost", address);
  }

  /** Marks this point of the stream. */
  fence(stream = this.stream): Fence {
    const event = this.#events.pop() ?? this.make("cuEventCreate", DISABLE_TIMING | BLOCKING_SYNC);
    this.call("cuEventRecord", event, stream);
    return new Fence(this, event, (free) => this.#events.push(free));
  }

  /**
   * Nothing works here from now on, for a reason that only the device knows. The primary context is given up at once: a device
   * that is opened after this gets a new one.
   */
  lose(message: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#lose({ reason: "unknown", message });
    this.#release();
  }

  /** Waits for what is under way; what is wrong with it does not matter any more. */
  drain(): void {
    if (this.#gone) return;
    this.driver.use(this.#context);
    this.driver.attempt("cuStreamSynchronize", this.uploads);
    this.driver.attempt("cuStreamSynchronize", this.stream);
  }

  /** To be drained before. */
  destroy(): void {
    if (this.#gone) return;
    for (const event of this.#events) this.driver.attempt("cuEventDestroy_v2", event);
    this.driver.attempt("cuStreamDestroy_v2", this.uploads);
    this.driver.attempt("cuStreamDestroy_v2", this.stream);
    this.#gone = true;
    this.#lose({ reason: "destroyed", message: "" });
    this.#release();
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.driver.forget();
    this.driver.attempt("cuDevicePrimaryCtxRelease_v2", this.device);
  }

  /** Throws what a failed call of this context means. */
  fail(call: string, result: number): never {
    const error = this.driver.failure(call, result);
    if (error.fatal) this.lose(error.notes.join("; "));
    throw error;
  }

  #guarded<R>(work: () => R): R {
    // The driver must not be given handles of a context that is no more.
    if (this.#gone) throw new InputError("RMX0804", "the CUDA device is gone");
    try {
      this.driver.use(this.#context);
      return work();
    } catch (error) {
      if (error instanceof CudaError && error.fatal) this.lose(error.notes.join("; "));
      throw error;
    }
  }
}

/** A point of a stream that can be waited for. */
export class Fence {
  readonly #context: Context;
  readonly #recycle: (event: bigint) => void;
  #event: bigint | undefined;
  #waiting: Promise<void> | undefined;

  constructor(context: Context, event: bigint, recycle: (event: bigint) => void) {
    this.#context = context;
    this.#event = event;
    this.#recycle = recycle;
  }

  /** Whether the stream has got here. */
  get done(): boolean {
    if (this.#event === undefined) return true;
    if (this.#context.gone) return false;
    const result = this.#context.driver.attempt("cuEventQuery", this.#event);
    if (result === NOT_READY) return false;
    if (result !== SUCCESS) this.#context.fail("cuEventQuery", result);
    if (this.#waiting === undefined) this.#free();
    return true;
  }

  /** Makes what is given to `stream` from now on wait for it. */
  before(stream: bigint): void {
    if (this.#event !== undefined) this.#context.call("cuStreamWaitEvent", stream, this.#event, 0);
  }

  /** Blocks this thread. */
  block(): void {
    if (this.#event === undefined) return;
    this.#context.call("cuEventSynchronize", this.#event);
    if (this.#waiting === undefined) this.#free();
  }

  /** Sleeps on another thread until the stream gets here. */
  wait(): Promise<void> {
    if (this.done) return Promise.resolve();
    this.#waiting ??= this.#wait();
    return this.#waiting;
  }

  async #wait(): Promise<void> {
    const event = this.#event;
    if (event === undefined) return;
    const result = await this.#context.driver.later("cuEventSynchronize", event);
    if (result === INVALID_CONTEXT) {
      // A driver that wants a context on the waiting thread too.
      while (!this.done) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    } else if (result !== SUCCESS) this.#context.fail("cuEventSynchronize", result);
    this.#free();
  }

  #free(): void {
    if (this.#event !== undefined) this.#recycle(this.#event);
    this.#event = undefined;
  }
}

/** What a device has left, for whoever got too little. */
export function memoryNote(context: Context): string {
  const { free, total } = context.memory;
  return `${bytesText(free)} of the device's ${bytesText(total)} are free`;
}
