/** @file What stands out in a benchmark, a sentence each, with what to do about it. */
import { percent, seconds } from "../text.ts";
import type { KernelRow } from "./kernels.ts";
import type { BenchResult } from "./session.ts";

/** A kernel is worth a word from this share of the kernels' time on, if it reaches less than this of both ceilings. */
const NOTABLE_SHARE = 0.05;
const LOW = 0.4;
/** Kernels spoken of at most. */
const MOST_KERNELS = 3;
const MOST_OUTSIDE = 0.03;
const USER_DOMINATES = 0.5;
/** A kernel that takes fewer dispatches' time than this is mostly its launch. */
const FEW_DISPATCHES = 3;
const SMALL_SHARE = 0.1;
/** p99 over p50 from which on the figures are of a machine that is doing something else. */
const UNSTEADY = 2;

export interface Advice {
  /** What it is about: a kernel's name, or `call`, `host`, `user`, `launches`, `noise`, `chunks`. */
  readonly about: string;
  readonly text: string;
}

export function adviceOf(result: BenchResult, tuned: boolean): Advice[] {
  return [
    ...noise(result),
    ...outside(result),
    ...userStage(result),
    ...slowKernels(result, tuned),
    ...smallKernels(result),
    ...chunks(result),
    ...(tuned ? [] : untuned(result)),
  ];
}

function noise({ spreads, measured }: BenchResult): Advice[] {
  const { p50, p99 } = spreads.call;
  if (!(p99 > UNSTEADY * p50) || measured.calls.length < 10) return [];
  const text = `the slowest calls take ${(p99 / p50).toFixed(1)} times the median: something else used the machine; compare only figures of one run`;
  return [{ about: "noise", text }];
}

function outside({ outside: share, spreads }: BenchResult): Advice[] {
  if (!(share > MOST_OUTSIDE)) return [];
  const { upload, readback } = spreads;
  const text =
    `no kernel runs during ${percent(share)} of a call (upload ${seconds(upload.p50)}, read-back ${seconds(readback.p50)}): ` +
    "more candidates or requests a call spread it";
  return [{ about: "host", text }];
}

function userStage({ spreads, request }: BenchResult): Advice[] {
  const share = spreads.user.p50 / spreads.call.p50;
  if (!request.reuse || !(share > USER_DOMINATES)) return [];
  const text =
    `the user stage is ${percent(share)} of a cold call: a handle that is kept (\`engine.cache\`) answers the next call ` +
    `of the same user in ${seconds(spreads.kept.p50)}`;
  return [{ about: "user", text }];
}

function slowKernels({ kernels }: BenchResult, tuned: boolean): Advice[] {
  const isSlow = (row: KernelRow): boolean =>
    row.share >= NOTABLE_SHARE && !row.atMost && Math.max(row.ofFlops, row.ofBandwidth) < LOW;
  return kernels
    .filter(isSlow)
    .sort((a, b) => b.share - a.share)
    .slice(0, MOST_KERNELS)
    .map((row) => ({
      about: row.name,
      text:
        `${row.name} is ${percent(row.share)} of the kernels' time at ${percent(row.ofFlops)} of the product rate and ` +
        `${percent(row.ofBandwidth)} of the bandwidth${tuned ? "" : "; `rmxc tune` may find it a better schedule"}`,
    }));
}

function smallKernels({ kernels, probe }: BenchResult): Advice[] {
  const small = kernels.filter((row) => row.seconds < FEW_DISPATCHES * probe.dispatch * row.launches);
  const share = small.reduce((total, row) => total + row.share, 0);
  if (small.length < 2 || share < SMALL_SHARE) return [];
  const text =
    `${small.length} kernels, ${percent(share)} of the kernels' time, take less than ${FEW_DISPATCHES} dispatches ` +
    `(${seconds(probe.dispatch)} each): launching them is most of it`;
  return [{ about: "launches", text }];
}

function chunks({ chunks: count }: BenchResult): Advice[] {
  if (count <= 2) return [];
  const text = `the limit of a binding cuts a call into ${count} chunks of rows: fewer candidates a call cost no more each`;
  return [{ about: "chunks", text }];
}

function untuned({ request }: BenchResult): Advice[] {
  const text = `no schedules are tuned for this device, these kernels and this size: \`rmxc tune ${request.spec}\` measures them`;
  return [{ about: "schedules", text }];
}
