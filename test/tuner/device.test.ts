/** @file Tuning on the device: real kernels race, what is found is used, and scores stay what they were. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import {
  kernelKey,
  type ScheduleSource,
  sameSchedule,
  shapeBucket,
  withSchedule,
} from "../../src/ir/schedule.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { stageValues } from "../../src/runtime/inputs.ts";
import { probeDevice } from "../../src/runtime/probe.ts";
import { relativeError } from "../../src/runtime/verify.ts";
import { storedOf, type TuneResult, tuneModel } from "../../src/tuner/session.ts";
import { F32, graphOfSpec, openZoo } from "../support/zoo.ts";

/** A software driver compiles every candidate, on a machine that may have other things to do. */
const PATIENCE_MS = 240_000;
const BUDGET_SECONDS = 6;

let device: WebGpuDevice;
let found: TuneResult;
beforeAll(async () => {
  device = await openZoo();
  found = await tune(device, BUDGET_SECONDS);
}, PATIENCE_MS);
afterAll(() => device.destroy());

const text = `
model m() {
  user { u: f32[5, 12] }
  item { x: f32[3, 12] }
  serve { requests <= 2, candidates <= 13 }
  h = linear(concat(u, x, axis = 0), 36) as up
  g = linear(gelu(h), 12) as down
  task y = linear(mean(g, "t d -> d"), 1)
}`;

const graph = graphOfSpec(text);
const weights = drawnWeights(graph.params, { seed: 1, perturb: true });
const inputs = drawnInputs(graph.features, { requests: 2, candidates: 13, seed: 2, shuffled: true });

function tune(on: WebGpuDevice, budgetSeconds: number) {
  const progress = <T>(_: string, work: (report: () => void) => Promise<T>): Promise<T> => work(() => {});
  return tuneModel({ graph, device: on, weights, inputs, reuse: true, budgetSeconds, progress });
}

async function scores(schedules: ScheduleSource): Promise<Float32Array> {
  const engine = await loadKernelEngine(device, compileFor(graph, device.profile, { schedules }), weights);
  const user = await engine.user(stageValues(graph.features, inputs, "user"), { requests: 2 });
  const found = await engine.score(user, stageValues(graph.features, inputs, "item"), {
    request: inputs.request,
  });
  engine.destroy();
  return found.get("y") ?? new Float32Array();
}

function expectSound({ tuned }: TuneResult): void {
  expect(tuned.length).toBeGreaterThanOrEqual(1);
  for (const { subject, schedule, untuned, tuned: taken, tried, refused } of tuned) {
    expect(refused).toEqual([]);
    expect(tried).toBeLessThanOrEqual(subject.space.length);
    expect(subject.space.some((known) => sameSchedule(known, schedule))).toBe(true);
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThanOrEqual(untuned);
  }
  for (const stored of storedOf("m", tuned))
    expect(Math.min(stored.tuned, stored.untuned)).toBeGreaterThan(0);
}

it("races schedules of the kernels' spaces; none of them stores anything else", () => {
  expectSound(found);
  expect(found.kernels).toBeGreaterThanOrEqual(found.tuned.length + found.left.length);
  expect(found.tuned.some(({ tried }) => tried > 1)).toBe(true);
});

it(
  "does so without timestamps too",
  async () => {
    const { profile } = device;
    const features = { ...profile.features, timestamps: false };
    expectSound(await tune({ ...device, profile: { ...profile, features } }, 1));
  },
  PATIENCE_MS,
);

it(
  "whatever is found, a compiler takes it and the scores stay",
  async () => {
    // The last of each space, which the cost model likes least: another schedule than it would choose.
    const subjects = [...found.tuned.map(({ subject }) => subject), ...found.left];
    const last = new Map(subjects.map(({ key, bucket, space }) => [`${key} ${bucket}`, space.at(-1)]));
    const schedules: ScheduleSource = { find: (key, bucket) => last.get(`${key} ${bucket}`) };
    const { plan } = compileFor(graph, device.profile, { fuse: "vertical", schedules });
    const changed = [...plan.kernels.user, ...plan.kernels.item].filter((kernel) => {
      const wanted = schedules.find(kernelKey(kernel, plan.values), shapeBucket(kernel, plan.serve));
      if (wanted !== undefined) expect(withSchedule(kernel, wanted)).toEqual(kernel);
      return wanted !== undefined;
    });
    expect(changed.length).toBe(subjects.reduce((sum, { names }) => sum + names.length, 0));
    const untuned = await scores({ find: () => undefined });
    expect(relativeError(await scores(schedules), untuned)).toBeLessThan(F32);
  },
  PATIENCE_MS,
);

it(
  "the probe's figures are those of a device",
  async () => {
    const probe = await probeDevice(device);
    expect(probe.name).toBe(device.name);
    const { flops, bandwidth, cached, dispatch, roundTrip } = probe;
    for (const rate of [flops, bandwidth, cached]) expect(rate).toBeGreaterThan(1e6);
    for (const seconds of [dispatch, roundTrip]) {
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThan(0.1);
    }
  },
  PATIENCE_MS,
);
