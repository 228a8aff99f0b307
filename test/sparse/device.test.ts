/** Experts over active rows on the WebGPU device: values against the reference, and how much work is launched. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import type { Profile } from "../../src/ir/profile.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { type KernelEngine, loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { relativeError, verify } from "../../src/runtime/verify.ts";
import { seeded } from "../support/random.ts";
import { F32, graphOfSpec, openZoo } from "../support/zoo.ts";
import { FFN, type MoeOptions, moeSpec, topK } from "./specs.ts";

const T = 3;
const E = 4;

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
});
afterAll(() => device.destroy());

/** The router's logit of expert e for token t of candidate n. */
type Router = (n: number, t: number, e: number) => number;

interface Case {
  readonly spec?: MoeOptions;
  readonly candidates: number;
  readonly router: Router;
  /** Whether expert e is active, given the logits of its row. */
  readonly active: (row: readonly number[], e: number) => boolean;
}

const random = (seed: number): Router => {
  const next = seeded(seed);
  return () => next() * 2 - 1;
};

/** The k largest, equal ones by position. */
const largest =
  (k: number) =>
  (row: readonly number[], e: number): boolean =>
    row.filter((z, j) => z > row[e] || (z === row[e] && j < e)).length < k;

const positive = (row: readonly number[], e: number): boolean => row[e] > 0;
const RELU = "g = relu(z)";

const cases: Readonly<Record<string, Case>> = {
  "a random choice of 2": { candidates: 70, router: random(1), active: largest(2) },
  "the same expert for every token": {
    spec: { gate: topK(1) },
    candidates: 37,
    router: (_n, _t, e) => (e === 2 ? 1 : -e),
    active: largest(1),
  },
  "an expert that nobody chooses": {
    candidates: 33,
    router: (n, t, e) => (e === 1 ? -9 : Math.sin(n * 3 + t + e)),
    active: largest(2),
  },
  "ties go to the lower index": { candidates: 5, router: () => 0.5, active: largest(2) },
  "one candidate": { candidates: 1, router: random(2), active: largest(2) },
  "positive gates, a varying number": {
    spec: { gate: RELU },
    candidates: 50,
    router: random(3),
    active: positive,
  },
  "positive gates, none": { spec: { gate: RELU }, candidates: 9, router: () => -1, active: positive },
  "positive gates, all": { spec: { gate: RELU }, candidates: 19, router: () => 1, active: positive },
  "experts that tokens share": {
    spec: {
      gate: topK(1),
      mix: FFN.replaceAll("[T, E", "[E")
        .replaceAll("t e d k ->", "e d k ->")
        .replace("t e k d ->", "e k d ->"),
    },
    candidates: 21,
    router: random(4),
    active: largest(1),
  },
};

describe.each(Object.keys(cases))("%s", (name) => {
  const { spec, candidates, router, active } = cases[name];

  it("agrees with the reference and launches no more than the active rows take", async () => {
    const graph = graphOfSpec(moeSpec(spec));
    const weights = drawnWeights(graph.params, { seed: 1, perturb: true });
    const variant = compileFor(graph, device.profile, { reuseArena: false });
    const logits = new Float32Array(candidates * T * E).map((_, i) =>
      router(Math.floor(i / (T * E)), Math.floor(i / E) % T, i % E),
    );
    const drawn = drawnInputs(graph.features, { requests: 2, candidates, seed: 5, shuffled: true });
    const inputs = { ...drawn, features: new Map([...drawn.features, ["r", logits]]) };
    const engine = await loadKernelEngine(device, variant, weights, { inspect: true, poison: true });
    try {
      const { kernels, tasks } = await verify({ ...variant, source: graph, engine, inputs, weights });
      for (const { name: kernel, error } of [...kernels, ...tasks])
        expect(error, kernel).toBeLessThanOrEqual(F32);
      await expectWork(engine, variant.plan.kernels.item, logits, active);
    } finally {
      engine.destroy();
    }
  });
});

/** The launched workgroups are Σ over groups of ⌈rows / tile⌉, times the tiles of columns. */
async function expectWork(
  engine: KernelEngine,
  kernels: readonly TileKernel[],
  logits: Float32Array,
  active: Case["active"],
): Promise<void> {
  const lister = kernels.find((k) => k.lists?.step === "list")?.lists;
  if (lister === undefined) throw new Error("nothing lists rows");
  const { list } = lister;
  const perGroup = new Array<number>(list.groups).fill(0);
  for (let row = 0; row < logits.length; row++) {
    const first = row - (row % E);
    if (active([...logits.subarray(first, first + E)], row % E)) perGroup[row % list.groups]++;
  }
  expect([...(await engine.read(list.counts)).data]).toEqual(perGroup);
  const tiles = perGroup.reduce((sum, rows) => sum + Math.ceil(rows / list.tile), 0);
  const launches = (await engine.read(list.launches)).data;
  const products = kernels.filter((k) => k.body.some((s) => s.kind === "dot") && k.indirect !== undefined);
  expect(products).toHaveLength(2);
  for (const { grid, indirect } of products) {
    const columns = grid.reduce(
      (n, a) => (typeof a.extent === "number" ? n * Math.ceil(a.extent / a.tile) : n),
      1,
    );
    const at = 4 * (indirect?.index ?? 0);
    expect(launches[at] * launches[at + 1] * launches[at + 2]).toBe(tiles * columns);
  }
}

it("scores no candidates, and the same bits with and without the neighbours of a call", async () => {
  const graph = graphOfSpec(moeSpec());
  const weights = drawnWeights(graph.params, { seed: 1 });
  const engine = await loadKernelEngine(device, compileFor(graph, device.profile), weights, { poison: true });
  const { features } = drawnInputs(graph.features, { requests: 1, candidates: 40, seed: 2 });
  const item = (from: number, to: number): Record<string, Float32Array> =>
    Object.fromEntries(
      ["v", "r"].map((name) => {
        const all = features.get(name) as Float32Array;
        return [name, all.slice((from * all.length) / 40, (to * all.length) / 40)];
      }),
    );
  try {
    const user = await engine.user({ u: features.get("u") ?? [] });
    expect((await engine.score(user, item(0, 0), { candidates: 0 })).get("score")).toEqual(
      new Float32Array(),
    );
    const all = (await engine.score(user, item(0, 40))).get("score");
    const some = (await engine.score(user, item(7, 20))).get("score");
    expect(some).toEqual(all?.subarray(7 * T, 20 * T));
  } finally {
    engine.destroy();
  }
});

describe("on other devices' terms", () => {
  const scores = async (profile: Profile, spec: string, candidates: number): Promise<Float32Array> => {
    const graph = graphOfSpec(spec);
    const weights = drawnWeights(graph.params, { seed: 1 });
    const variant = compileFor(graph, profile);
    expect(variant.plan.kernels.item.some((k) => k.indirect)).toBe(true);
    const engine = await loadKernelEngine(device, variant, weights, { poison: true });
    const { features } = drawnInputs(graph.features, { requests: 1, candidates, seed: 2 });
    try {
      const user = await engine.user({ u: features.get("u") ?? [] });
      const item = { v: features.get("v") ?? [], r: features.get("r") ?? [] };
      return (await engine.score(user, item)).get("score") ?? new Float32Array();
    } finally {
      engine.destroy();
    }
  };

  it("gives the same bits where weights are bound in slices and a call is cut into chunks", async () => {
    const { limits } = device.profile;
    const wanted = await scores(device.profile, moeSpec(), 23);
    for (const [storageBinding, bufferSize] of [
      [4096, limits.bufferSize],
      [2000, 8192],
    ]) {
      const small = { ...device.profile, limits: { ...limits, storageBinding, bufferSize } };
      expect(await scores(small, moeSpec(), 23)).toEqual(wanted);
    }
  });

  it.each(["g = relu(z)", topK(1)])("agrees in tiles of workgroup memory: %s", async (gate) => {
    const { name, limits } = device.profile;
    const plain: Profile = { name, limits, features: { f16: false, software: false, timestamps: false } };
    const [tiled, bySubgroup] = await Promise.all(
      [plain, device.profile].map((profile) => scores(profile, moeSpec({ gate }), 45)),
    );
    expect(relativeError(tiled, bySubgroup)).toBeLessThan(F32);
  });
});
