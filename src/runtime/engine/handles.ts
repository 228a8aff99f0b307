/**
 * @file User handles. Several may stand for the same kept values; these are given up with the last of them. That makes
 * `free` idempotent: nobody can give up what another holds.
 */
import { InputError } from "../../ir/error.ts";
import type { UserHandle } from "./types.ts";

/** Where handles' values are kept: one model on one device. */
export interface Keeper<K> {
  /** What is kept here can be used. */
  readonly live: boolean;
  /** Throws why it cannot. */
  check(): void;
  requestsOf(kept: K): number;
  bytesOf(kept: K): number;
  serialize(kept: K): Promise<Uint8Array>;
  release(kept: K): void;
}

interface Shared<K> {
  readonly kept: K;
  holders: number;
}

export class Handle<K> implements UserHandle {
  readonly keeper: Keeper<K>;
  readonly #shared: Shared<K>;
  #freed = false;

  private constructor(keeper: Keeper<K>, shared: Shared<K>) {
    this.keeper = keeper;
    this.#shared = shared;
  }

  static to<K>(keeper: Keeper<K>, kept: K): Handle<K> {
    return new Handle(keeper, { kept, holders: 1 });
  }

  get requests(): number {
    return this.keeper.requestsOf(this.#shared.kept);
  }

  get bytes(): number {
    return this.keeper.bytesOf(this.#shared.kept);
  }

  get live(): boolean {
    return !this.#freed && this.keeper.live;
  }

  /** What it stands for. Throws RMX0709 if it was freed, RMX0804 if the device is gone. */
  get kept(): K {
    this.#check();
    return this.#shared.kept;
  }

  retain(): Handle<K> {
    this.#check();
    this.#shared.holders++;
    return new Handle(this.keeper, this.#shared);
  }

  async serialize(): Promise<Uint8Array> {
    const held = this.retain();
    try {
      return await this.keeper.serialize(held.kept);
    } finally {
      held.free();
    }
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#shared.holders--;
    if (this.#shared.holders === 0) this.keeper.release(this.#shared.kept);
  }

  #check(): void {
    if (this.#freed) throw invalid("it was freed");
    this.keeper.check();
  }
}

function invalid(reason: string): InputError {
  return new InputError("RMX0709", "a user handle is not valid in this engine", { notes: [reason] });
}

/**
 * Runs `use` with what `users` stand for at `keeper`, held until it is done, whoever frees them meanwhile. Throws RMX0709 if one of
 * them is not valid there.
 */
export async function holding<K, R>(
  keeper: Keeper<K>,
  users: UserHandle | readonly UserHandle[],
  use: (kept: readonly K[]) => Promise<R>,
): Promise<R> {
  keeper.check();
  const held: Handle<K>[] = [];
  try {
    for (const user of Array.isArray(users) ? (users as readonly UserHandle[]) : [users as UserHandle]) {
      if (!(user instanceof Handle)) throw invalid("it is no handle of an engine");
      if (user.keeper !== keeper) {
        throw invalid(
          user.keeper.live ? "another engine made it" : "the device that kept its results is gone",
        );
      }
      // The same keeper keeps the same kind of values.
      held.push((user as Handle<K>).retain());
    }
    return await use(held.map((handle) => handle.kept));
  } finally {
    for (const handle of held) handle.free();
  }
}
