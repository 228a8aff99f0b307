/** @file One workload on every peer: check first, then rounds in which the peers take turns. */
import { median } from "../../src/cli/timing.ts";
import { checkOutputs, type Outputs, referenceOf } from "./check.ts";
import type { Job } from "./job.ts";
import { type PeerId, peers } from "./peer.ts";
import { PeerProcess } from "./process.ts";
import type { Waiting } from "./waiting.ts";
import type { Workload } from "./workloads.ts";

export interface Plan {
  readonly peers: readonly PeerId[];
  readonly rounds: number;
  /** A peer's turn in a round lasts about so long, and one call at least. */
  readonly turnMs: number;
}

export interface Measured {
  readonly peer: PeerId;
  readonly milliseconds: number;
  readonly calls: number;
  readonly waiting: Waiting;
  readonly error: number;
  readonly sentBack?: readonly string[];
}

export interface Missing {
  readonly peer: PeerId;
  readonly reason: string;
}

export interface Outcome {
  readonly workload: Workload;
  readonly measured: readonly Measured[];
  readonly missing: readonly Missing[];
}

interface Ready {
  readonly process: PeerProcess;
  readonly waiting: Waiting;
  readonly error: number;
  readonly sentBack?: readonly string[];
  readonly times: number[];
}

const MOST_CALLS = 20;

/** `exported` gives the graph's file, for peers that read one. */
export async function measureWorkload(
  workload: Workload,
  script: string,
  plan: Plan,
  exported: () => string,
  say: (line: string) => void,
): Promise<Outcome> {
  const missing: Missing[] = [];
  const ready: Ready[] = [];
  const reference = referenceOf({ ...workload, onnx: "" });
  let ours: Outputs | undefined;
  try {
    for (const peer of plan.peers) {
      if (!peers[peer].reads && workload.blocks === undefined) continue;
      if (peer === "rmxc-reuse" && workload.blocks !== undefined) continue;
      say(`${workload.name}: ${peers[peer].label}`);
      const process = new PeerProcess(peer, script);
      try {
        const job: Job = { ...workload, onnx: peer.startsWith("ort-") ? exported() : "" };
        const { outputs, sentBack } = await process.load(job);
        if (peer === "rmxc") ours = outputs;
        // Candidates of one request have other scores than those of many.
        const error = peer === "rmxc-reuse" ? 0 : checkOutputs(outputs, reference, ours ?? outputs);
        const { waiting } = await process.prepare();
        ready.push({ process, waiting, error, times: [], ...(sentBack !== undefined && { sentBack }) });
      } catch (error) {
        process.end();
        missing.push({ peer, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    await takeTurns(ready, plan, (round) => say(`${workload.name}: round ${round + 1} of ${plan.rounds}`));
  } finally {
    for (const { process } of ready) process.end();
  }
  const measured = ready.map(
    ({ process, times, waiting, error, sentBack }): Measured => ({
      peer: process.id,
      milliseconds: median(times),
      calls: times.length,
      waiting,
      error,
      ...(sentBack !== undefined && { sentBack }),
    }),
  );
  return { workload, measured, missing };
}

/** A, B, C, A, B, C, …: whatever else the machine does meets them alike. */
async function takeTurns(
  ready: readonly Ready[],
  { rounds, turnMs }: Plan,
  onRound: (round: number) => void,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    onRound(round);
    for (const { process, times } of ready) {
      const calls = times.length === 0 ? 1 : Math.round(turnMs / median(times));
      times.push(...(await process.time(Math.min(MOST_CALLS, Math.max(1, calls)))));
    }
  }
}
