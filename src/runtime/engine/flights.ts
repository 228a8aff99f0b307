/**
 * @file Calls between submission and results. WebGPU's queue runs commands and writes in the order in which they were
 * given, so the next call may be checked, packed and submitted while the device still executes the last one; what two calls
 * cannot share is the buffer that the host maps. A *flight* is one such buffer. There are two: one call executes
 * while the next is uploaded, and a third would only wait for longer.
 */

/** Flights dealt out in the order in which they were asked for. */
export class Flights<T> {
  readonly all: readonly T[];
  readonly #free: T[];
  readonly #inUse = new Set<T>();
  readonly #waiting: ((flight: T) => void)[] = [];

  constructor(flights: readonly T[]) {
    this.all = flights;
    this.#free = flights.toReversed();
  }

  get inUse(): ReadonlySet<T> {
    return this.#inUse;
  }

  /** Runs `run` with a flight of its own. What it does before its first `await` happens in the order of the calls. */
  async run<R>(run: (flight: T) => Promise<R>): Promise<R> {
    const flight = await this.#take();
    try {
      return await run(flight);
    } finally {
      this.#give(flight);
    }
  }

  #take(): Promise<T> {
    const flight = this.#free.pop();
    if (flight === undefined) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#inUse.add(flight);
    return Promise.resolve(flight);
  }

  #give(flight: T): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next(flight);
      return;
    }
    this.#inUse.delete(flight);
    this.#free.push(flight);
  }
}
