/**
 * @file Two ways to wait for a peer. While a promise is pending, Dawn's binding for Node spins the main thread, which takes a
 * core from a device that is the same processor. rmxc sleeps instead (src/runtime/wait.ts); a peer whose library does not is
 * measured both ways, and the faster one counts.
 */
import { median } from "../../src/cli/timing.ts";
import { Waiter } from "../../src/runtime/wait.ts";
import type { Peer } from "./peer.ts";

export type Waiting = "own" | "plain" | "asleep";

const TRIALS = 3;

export async function fasterWaiting(peer: Peer): Promise<Waiting> {
  await peer.call();
  if (peer.sleeps) return "own";
  const plain = await trial(peer, "plain");
  const asleep = await trial(peer, "asleep");
  return asleep < plain ? "asleep" : "plain";
}

async function trial(peer: Peer, waiting: Waiting): Promise<number> {
  const call = caller(peer, waiting);
  // The first one teaches the waiter how long a call takes.
  await call();
  const times: number[] = [];
  for (let run = 0; run < TRIALS; run++) times.push(await call());
  return median(times);
}

/** A function that makes one call and gives its milliseconds. */
export function caller(peer: Peer, waiting: Waiting): () => Promise<number> {
  const waiter = new Waiter(waiting === "asleep");
  return async () => {
    const begin = performance.now();
    await waiter.wait("call", peer.call());
    return performance.now() - begin;
  };
}
