/**
 * @file Tuning a model: load it with its kernels apart, time them in real calls, search, then hold the whole model as tuned against
 * the model as it was, merged kernels and all. What does not make calls faster is not worth a file.
 */
import { computeTypes } from "../../passes/scheduling/computetype.ts";
import { compileFor } from "../compile.ts";
import type { Graph } from "../ir/graph.ts";
import { type Schedule, type ScheduleSource, sameSchedule } from "../ir/schedule.ts";
import type { KernelDevice } from "../runtime/device.ts";
import { type KernelEngine, loadKernelEngine } from "../runtime/engine/kernelengine.ts";
import type { CallTimes } from "../runtime/engine/types.ts";
import { type ModelInputs, stageValues } from "../runtime/inputs.ts";
import type { TunedSchedule } from "../runtime/schedules.ts";
import type { WeightSource } from "../runtime/weights.ts";
import { median } from "../statistics.ts";
import { type Subject, subjectsOf, type Tuned, tuneKernels } from "./tune.ts";

export interface TuneRequest {
  /** As compiled for calls of the size of `inputs`. */
  readonly graph: Graph;
  readonly device: KernelDevice;
  readonly weights: WeightSource;
  readonly inputs: ModelInputs;
  readonly reuse: boolean;
  readonly budgetSeconds: number;
  /** Runs `work` under a bar of that name. */
  progress<T>(label: string, work: (report: (done: number, total: number) => void) => Promise<T>): Promise<T>;
}

export interface TuneResult {
  readonly tuned: readonly Tuned[];
  /** Kernels that the budget did not reach. */
  readonly left: readonly Subject[];
  /** Kernels of the user and the item stage. */
  readonly kernels: number;
  /** Seconds of a whole call, medians of calls in turn. */
  readonly call: { readonly untuned: number; readonly tuned: number };
}

/** Throws what compiling, loading and the device throw. */
export async function tuneModel(request: TuneRequest): Promise<TuneResult> {
  const { tuned, left, kernels } = await search(request);
  const source = sourceOf(tuned);
  const changed = tuned.some(({ schedule, subject }) => !isFavourite(schedule, subject));
  const call = changed
    ? await request.progress("comparing whole calls", (report) => compareCalls(request, source, report))
    : { untuned: Number.NaN, tuned: Number.NaN };
  return { tuned, left, kernels, call };
}

function isFavourite(schedule: Schedule, { space: [first] }: Subject): boolean {
  return first !== undefined && sameSchedule(schedule, first);
}

/** Calls by which the kernels are weighed. */
const WEIGHING_CALLS = 3;

async function search(request: TuneRequest): Promise<Omit<TuneResult, "call">> {
  const { graph, device, weights, inputs, reuse, budgetSeconds, progress } = request;
  const { profile } = device;
  const variant = compileFor(graph, profile, { reuse, reuseArena: false, fuse: "vertical" });
  const engine = await progress("loading", (report) =>
    loadKernelEngine(device, variant, weights, { onProgress: (_, done, total) => report(done, total) }),
  );
  try {
    const handle = await engine.user(stageValues(graph.features, inputs, "user"), {
      requests: inputs.requests,
    });
    const seconds = await weigh(engine, request);
    await callOnce(engine, request);
    const subjects = subjectsOf(variant.plan, profile, seconds, computeTypes(variant.graph, variant.plan));
    const tuned = await progress("tuning", (onProgress) =>
      engine.trial((trials) => tuneKernels(trials, variant.plan, subjects, { budgetSeconds, onProgress })),
    );
    handle.free();
    const { user, item } = variant.plan.kernels;
    return { tuned, left: subjects.slice(tuned.length), kernels: user.length + item.length };
  } finally {
    engine.destroy();
  }
}

/** Seconds of each kernel in a call, by name. */
async function weigh(engine: KernelEngine, request: TuneRequest): Promise<Map<string, number>> {
  await callOnce(engine, request);
  const calls: CallTimes[] = [];
  engine.watch({ detail: "kernels", call: (times) => calls.push(times) });
  for (let i = 0; i < WEIGHING_CALLS; i++) await callOnce(engine, request);
  engine.watch(undefined);
  const seconds = new Map<string, number>();
  for (const { name, begin, end } of calls.flatMap(({ launches }) => launches)) {
    seconds.set(name, (seconds.get(name) ?? 0) + (end - begin) / 1e9 / WEIGHING_CALLS);
  }
  return seconds;
}

/** A cold call; its requests' slots stay as they were written until others take them. */
async function callOnce(engine: KernelEngine, { graph, inputs }: TuneRequest): Promise<void> {
  const { requests, candidates, request } = inputs;
  const handle = await engine.user(stageValues(graph.features, inputs, "user"), { requests });
  try {
    await engine.score(handle, stageValues(graph.features, inputs, "item"), { request, candidates });
  } finally {
    handle.free();
  }
}

const COMPARED = { least: 3, most: 15, seconds: 6 };

/** The model as it is served, with and without the tuned schedules. */
async function compareCalls(
  request: TuneRequest,
  schedules: ScheduleSource,
  report: (done: number, total: number) => void,
): Promise<TuneResult["call"]> {
  const { graph, device, weights, reuse } = request;
  const load = (options: { schedules?: ScheduleSource }): Promise<KernelEngine> =>
    loadKernelEngine(device, compileFor(graph, device.profile, { reuse, ...options }), weights);
  const engines = [await load({}), await load({ schedules })];
  try {
    const times: number[][] = engines.map(() => []);
    for (const engine of engines) await callOnce(engine, request);
    const started = performance.now();
    for (let round = 0; round < COMPARED.most; round++) {
      if (round >= COMPARED.least && performance.now() - started > 1000 * COMPARED.seconds) break;
      for (const [i, engine] of engines.entries()) {
        const begin = performance.now();
        await callOnce(engine, request);
        times[i]?.push((performance.now() - begin) / 1000);
      }
      report(round + 1, COMPARED.most);
    }
    const [untuned = [], tuned = []] = times;
    return { untuned: median(untuned), tuned: median(tuned) };
  } finally {
    for (const engine of engines) engine.destroy();
  }
}

function sourceOf(tuned: readonly Tuned[]): ScheduleSource {
  const found = new Map<string, Schedule>();
  for (const { subject, schedule } of tuned) found.set(`${subject.key} ${subject.bucket}`, schedule);
  return { find: (key, bucket) => found.get(`${key} ${bucket}`) };
}

/** As they are stored: microseconds, to a tenth. */
export function storedOf(model: string, tuned: readonly Tuned[]): TunedSchedule[] {
  const micro = (seconds: number): number => Math.max(0.1, Math.round(1e7 * seconds) / 10);
  return tuned.map(({ subject, schedule, untuned, tuned: taken }) => ({
    key: subject.key,
    bucket: subject.bucket,
    kernel: subject.kernel.name,
    model,
    schedule,
    untuned: micro(untuned),
    tuned: micro(taken),
  }));
}
