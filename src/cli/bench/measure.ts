/**
 * @file Timing a loaded model. Calls come in rounds of two that alternate, so that what else the machine does meets them alike: one
 * that nobody looks at, whose wall time is the call's, and one that is watched, which gives the parts. Then some calls
 * in which each kernel is timed by itself.
 */
import type { Stage } from "../../ir/graph.ts";
import type { KernelEngine } from "../../runtime/engine/kernelengine.ts";
import type { CallTimes } from "../../runtime/engine/types.ts";
import type { FeatureValues, ModelInputs } from "../../runtime/inputs.ts";

/** The features of one call, the same every time. */
export interface Call {
  readonly inputs: ModelInputs;
  readonly user: FeatureValues;
  readonly items: FeatureValues;
}

/** One watched call. */
export interface Watched {
  /** Wall seconds, less those that the watching took. */
  readonly seconds: number;
  /** Both stages' chunks, in order. */
  readonly chunks: readonly CallTimes[];
}

export interface Measured {
  /** Wall seconds of the calls that nobody watched. */
  readonly calls: readonly number[];
  /** Calls of which each stage's time on the device is known. */
  readonly stages: readonly Watched[];
  /** Calls of which each kernel's is. */
  readonly kernels: readonly Watched[];
}

export interface MeasureOptions {
  /** Of each kind; absent: as many as `seconds` allow. */
  readonly runs?: number | undefined;
  readonly seconds: number;
  readonly onProgress: (done: number, total: number) => void;
}

const WARM_UP = 3;
const LEAST_CALLS = 5;
const KERNEL_CALLS = { least: 3, most: 25 };
/** The part of the time that goes to the calls by kernel. */
const KERNEL_SHARE = 0.25;

export async function measureCalls(
  engine: KernelEngine,
  call: Call,
  options: MeasureOptions,
): Promise<Measured> {
  const { runs, seconds, onProgress } = options;
  for (let i = 0; i < WARM_UP; i++) await oneCall(engine, call);
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  const calls: number[] = [];
  const stages: Watched[] = [];
  const callSeconds = (1 - KERNEL_SHARE) * seconds;
  const more = (done: number): boolean =>
    runs === undefined ? done < LEAST_CALLS || elapsed() < callSeconds : done < runs;
  while (more(calls.length)) {
    const begin = performance.now();
    await oneCall(engine, call);
    calls.push((performance.now() - begin) / 1000);
    stages.push(await watchedCall(engine, call, "stages"));
    if (runs === undefined) onProgress(Math.min(elapsed(), seconds), seconds);
    else onProgress(calls.length, runs);
  }
  const kernels: Watched[] = [];
  const most = Math.min(KERNEL_CALLS.most, runs ?? KERNEL_CALLS.most);
  await watchedCall(engine, call, "kernels");
  while (kernels.length < most && (kernels.length < KERNEL_CALLS.least || elapsed() < seconds)) {
    kernels.push(await watchedCall(engine, call, "kernels"));
  }
  return { calls, stages, kernels };
}

async function watchedCall(engine: KernelEngine, call: Call, detail: "stages" | "kernels"): Promise<Watched> {
  const chunks: CallTimes[] = [];
  engine.watch({ detail, call: (times) => chunks.push(times) });
  try {
    const begin = performance.now();
    await oneCall(engine, call);
    const watching = sum(chunks.map(({ reading }) => reading));
    return { seconds: (performance.now() - begin - watching) / 1000, chunks };
  } finally {
    engine.watch(undefined);
  }
}

/** A cold call: the user stage, then all candidates. */
async function oneCall(engine: KernelEngine, { inputs, user, items }: Call): Promise<void> {
  const { requests, candidates, request } = inputs;
  const handle = await engine.user(user, { requests });
  try {
    await engine.score(handle, items, { request, candidates });
  } finally {
    handle.free();
  }
}

/** Seconds of the parts of a watched call. */
export interface Parts {
  /** Features packed and written, commands encoded and submitted, of both stages. */
  readonly upload: number;
  readonly user: number;
  readonly item: number;
  /** From the device's last kernel to the scores in an array. */
  readonly readback: number;
  /** The item stage alone, all of it: a call with a handle that was kept. */
  readonly kept: number;
  /** When no kernel runs, of the whole call. */
  readonly outside: number;
}

export function partsOf({ seconds, chunks }: Watched): Parts {
  const onDevice = (stage: Stage): number =>
    sum(chunks.filter((times) => times.stage === stage).map(deviceSeconds));
  const items = chunks.filter(({ stage }) => stage === "item");
  const [user, item] = [onDevice("user"), onDevice("item")];
  return {
    upload: sum(chunks.map(({ begin, submitted }) => (submitted - begin) / 1000)),
    user,
    item,
    outside: Math.max(0, seconds - user - item),
    readback: sum(
      items.map((times) => Math.max(0, (times.end - times.submitted) / 1000 - deviceSeconds(times))),
    ),
    kept: sum(items.map(({ begin, end }) => (end - begin) / 1000)),
  };
}

function deviceSeconds({ launches }: CallTimes): number {
  return sum(launches.map(({ begin, end }) => (end - begin) / 1e9));
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
