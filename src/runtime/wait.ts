/**
 * @file Waiting for a device without burning the processor it runs on.
 *
 * While a promise of Dawn's Node binding is pending, the binding polls from `setImmediate`, which keeps one core at full
 * load. Where the "device" is the same processor (lavapipe) that core is half of the machine. So the thread sleeps in
 * `Atomics.wait` for most of the time that the same work took before, and polls in short naps after that. Every
 * nap ends in one turn of the event loop, so timers and sockets are served at least every `LONGEST_NAP_MS`.
 */

const LONGEST_NAP_MS = 10;
const SHORTEST_NAP_MS = 0.02;
/** A nap while polling lasts this part of the time waited so far, which bounds the overshoot of work never seen before. */
const NAP_OF_ELAPSED = 1 / 40;
/**
 * The part of the predicted time that is slept through. The prediction is the least of late, and a sleep ends late where the device
 * keeps every core busy: with 0.96 a call of 7 ms waited 0.6 ms longer, half of that at the least.
 */
const ASLEEP_OF_PREDICTED = 0.85;
/** Naps after that last a part of the predicted time: a small one until the work is this much overdue, a larger one for a while. */
const NAPS = [
  { until: 1.1, nap: 1 / 250 },
  { until: 1.5, nap: 1 / 100 },
] as const;

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread. False where blocking is forbidden (a browser's main thread). */
function nap(ms: number): boolean {
  try {
    Atomics.wait(cell, 0, 0, ms);
    return true;
  } catch {
    return false;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface Pending {
  readonly begin: number;
  /** Milliseconds; 0 where nothing is known. */
  readonly predicted: number;
}

/** The nap that this promise asks for after `elapsed` milliseconds. */
function napFor({ predicted }: Pending, elapsed: number): number {
  const asleep = predicted * ASLEEP_OF_PREDICTED;
  if (elapsed < asleep) return asleep - elapsed;
  const due = NAPS.find(({ until }) => elapsed < until * predicted);
  return Math.max(SHORTEST_NAP_MS, due ? due.nap * predicted : elapsed * NAP_OF_ELAPSED);
}

/** Remembers how long each kind of work took and waits for its next promise accordingly. */
export class Waiter {
  #asleep: boolean;
  #watching = false;
  readonly #pending = new Set<Pending>();
  readonly #predicted = new Map<string, number>();

  /** `asleep`: the device shares this processor. Otherwise `wait` is a plain await. */
  constructor(asleep: boolean) {
    this.#asleep = asleep && typeof setImmediate === "function";
  }

  /** The promise's result; `kind` names work that takes about the same time every time. */
  async wait<T>(kind: string, promise: Promise<T>): Promise<T> {
    if (!this.#asleep) return promise;
    const begin = performance.now();
    const pending = { begin, predicted: this.#predicted.get(kind) ?? 0 };
    const settled = (): void => {
      this.#pending.delete(pending);
    };
    this.#pending.add(pending);
    promise.then(settled, settled);
    if (!this.#watching) this.#watch();
    const result = await promise;
    this.#learn(kind, performance.now() - begin);
    return result;
  }

  /** Naps while anything is pending, each nap as short as the most urgent one asks for. */
  async #watch(): Promise<void> {
    this.#watching = true;
    await turn();
    while (this.#pending.size > 0) {
      const now = performance.now();
      let wanted = LONGEST_NAP_MS;
      for (const pending of this.#pending) wanted = Math.min(wanted, napFor(pending, now - pending.begin));
      this.#asleep = nap(wanted);
      if (!this.#asleep) break;
      await turn();
    }
    this.#watching = false;
  }

  /** Falls at once and rises slowly: sleeping too long costs time, waking too early only a few polls. */
  #learn(kind: string, ms: number): void {
    const before = this.#predicted.get(kind);
    this.#predicted.set(kind, before === undefined || ms < before ? ms : before + (ms - before) / 8);
  }
}
