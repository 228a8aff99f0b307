/**
 * @file User results by a key of the caller's (a user's id and the time of their last event, say), the least recently used out
 * first. The cache holds one handle an entry and hands out others, so an entry that is evicted lives on until those who
 * use it have freed theirs.
 */
import { InputError } from "../../ir/error.ts";
import type { FeatureValues } from "../inputs.ts";
import type { Engine, UserHandle } from "./types.ts";

export interface CacheOptions {
  /** Device memory that entries may take together. */
  readonly maxBytes: number;
}

export interface CacheStats {
  /** Calls that found an entry, or one under way. */
  readonly hits: number;
  /** Calls that found none; `user` then computed one. */
  readonly misses: number;
  /** Entries dropped to make room. */
  readonly evictions: number;
  readonly entries: number;
  readonly bytes: number;
}

/** Features, or how to get them, which only a miss does. */
export type FeatureSource = FeatureValues | (() => FeatureValues | Promise<FeatureValues>);

/** A computation that is under way, and those who joined it. */
interface Computation {
  readonly joined: {
    readonly resolve: (handle: UserHandle) => void;
    readonly reject: (reason: unknown) => void;
  }[];
}

export class UserCache {
  readonly #engine: Pick<Engine, "user">;
  readonly #maxBytes: number;
  /** Oldest use first: a Map keeps the order of insertion, and a use inserts anew. */
  readonly #entries = new Map<string, UserHandle>();
  readonly #underWay = new Map<string, Computation>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  constructor(engine: Pick<Engine, "user">, { maxBytes }: CacheOptions) {
    this.#engine = engine;
    this.#maxBytes = maxBytes;
  }

  /** A handle of the caller's own to the entry, to be freed; undefined if there is none. */
  get(key: string): UserHandle | undefined {
    const found = this.#use(key);
    if (found === undefined) this.#misses++;
    else this.#hits++;
    return found?.retain();
  }

  /**
   * As `get`, but computes the entry where there is none. Calls for one key that meet share one computation, and its failure.
   */
  async user(
    key: string,
    features: FeatureSource,
    options?: { readonly requests?: number },
  ): Promise<UserHandle> {
    const found = this.#use(key);
    if (found !== undefined) {
      this.#hits++;
      return found.retain();
    }
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) {
      this.#hits++;
      return new Promise((resolve, reject) => underWay.joined.push({ resolve, reject }));
    }
    this.#misses++;
    const computation: Computation = { joined: [] };
    this.#underWay.set(key, computation);
    try {
      const handle = await this.#compute(features, options);
      const own = handle.retain();
      // Before the entry is made, which may be evicted at once.
      for (const { resolve } of computation.joined) resolve(handle.retain());
      if (this.#end(key, computation)) this.put(key, handle);
      else handle.free();
      return own;
    } catch (error) {
      this.#end(key, computation);
      for (const { reject } of computation.joined) reject(error);
      throw error;
    }
  }

  /** Gives the cache a handle, such as one that was deserialised; the cache frees it. */
  put(key: string, handle: UserHandle): void {
    this.delete(key);
    this.#entries.set(key, handle);
    this.#bytes += sizeOf(handle);
    while (this.#bytes > this.#maxBytes && this.#evictOldest());
  }

  /**
   * Drops an entry: its user has done something that changes the results. What is under way is not entered any more. False if there
   * is neither.
   */
  delete(key: string): boolean {
    const underWay = this.#underWay.delete(key);
    return this.#drop(key) || underWay;
  }

  clear(): void {
    this.#underWay.clear();
    for (const key of [...this.#entries.keys()]) this.#drop(key);
  }

  stats(): CacheStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
      entries: this.#entries.size,
      bytes: this.#bytes,
    };
  }

  /** False if the key was deleted since the computation began. */
  #end(key: string, computation: Computation): boolean {
    return this.#underWay.get(key) === computation && this.#underWay.delete(key);
  }

  #drop(key: string): boolean {
    const handle = this.#entries.get(key);
    if (handle === undefined) return false;
    this.#entries.delete(key);
    this.#bytes -= sizeOf(handle);
    handle.free();
    return true;
  }

  /** The entry, now the most recently used. One that its engine lost with its device is dropped. */
  #use(key: string): UserHandle | undefined {
    const handle = this.#entries.get(key);
    if (handle === undefined) return undefined;
    if (!handle.live) {
      this.#drop(key);
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, handle);
    return handle;
  }

  /** Where the device has no slot left, entries make room one after another. */
  async #compute(features: FeatureSource, options?: { readonly requests?: number }): Promise<UserHandle> {
    const values = typeof features === "function" ? await features() : features;
    for (;;) {
      try {
        return await this.#engine.user(values, options);
      } catch (error) {
        const full = error instanceof InputError && error.code === "RMX0808";
        if (!full || !this.#evictOldest()) throw error;
      }
    }
  }

  #evictOldest(): boolean {
    for (const key of this.#entries.keys()) {
      this.#evictions++;
      return this.#drop(key);
    }
    return false;
  }
}

/** An entry of a model that keeps nothing counts as well. */
function sizeOf(handle: UserHandle): number {
  return Math.max(1, handle.bytes);
}
