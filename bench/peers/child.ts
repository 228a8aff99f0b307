/**
 * @file One peer in a process of its own, so that its threads and its event loop disturb nobody: loads a job when told to, and
 * makes calls when told to. Between commands the parent stops the process outright.
 */

import { loadJax } from "./jaxjs.ts";
import type { Job } from "./job.ts";
import { loadOrt } from "./onnxruntime.ts";
import { type Peer, type PeerId, peerIds } from "./peer.ts";
import { loadRmxc } from "./rmxc.ts";
import { loadTf } from "./tfjs.ts";
import { caller, fasterWaiting, type Waiting } from "./waiting.ts";

export type Command =
  | { readonly kind: "load"; readonly job: Job }
  | { readonly kind: "prepare" }
  | { readonly kind: "time"; readonly calls: number };

export interface Loaded {
  readonly outputs: ReadonlyMap<string, Float32Array>;
  readonly sentBack?: readonly string[];
}
export interface Prepared {
  readonly waiting: Waiting;
}
export interface Timed {
  readonly milliseconds: readonly number[];
}
export type Answer = Loaded | Prepared | Timed | { readonly failed: string };

function load(id: PeerId, job: Job): Promise<Peer> {
  switch (id) {
    case "rmxc":
      return loadRmxc(job, false);
    case "rmxc-reuse":
      return loadRmxc(job, true);
    case "jax-js":
      return loadJax(job);
    case "tfjs":
      return loadTf(job);
    default:
      return loadOrt(id, job);
  }
}

const id = peerIds.find((each) => each === process.argv[2]);
if (id === undefined) throw new Error(`internal: no peer ${process.argv[2]}`);
let peer: Peer | undefined;
let call: (() => Promise<number>) | undefined;

async function obey(command: Command): Promise<Answer> {
  if (command.kind === "load") {
    await peer?.close();
    peer = await load(id as PeerId, command.job);
    const outputs = await peer.call();
    return { outputs, ...(peer.sentBack !== undefined && { sentBack: peer.sentBack }) };
  }
  if (peer === undefined) throw new Error("internal: no job was loaded");
  if (command.kind === "prepare") {
    const waiting = await fasterWaiting(peer);
    call = caller(peer, waiting);
    await call();
    return { waiting };
  }
  if (call === undefined) throw new Error("internal: the peer was not prepared");
  const milliseconds: number[] = [];
  for (let i = 0; i < command.calls; i++) milliseconds.push(await call());
  return { milliseconds };
}

process.on("message", (command: Command) => {
  obey(command).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ failed: error instanceof Error ? error.message : String(error) }),
  );
});
