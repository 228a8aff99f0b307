/**
 * A candidate's scores depend on the candidate and its request, bit by bit, and on nothing else in the call: not on where it
 * stands, with how many others, of which requests, nor on whether the user's part is fresh, cached or a copy.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../src/compile.ts";
import type { FeatureInfo } from "../../src/ir/graph.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import type { Engine, Scores } from "../../src/runtime/engine/types.ts";
import { type FeatureArray, stageValues } from "../../src/runtime/inputs.ts";
import { countOf } from "../../src/runtime/weights.ts";
import { openTestDevice } from "./tinyengine.ts";

const examples = join(import.meta.dirname, "../../examples");
type Values = Record<string, FeatureArray>;

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.destroy());

const models: readonly { readonly name: string; readonly set: Readonly<Record<string, number | boolean>> }[] =
  [
    { name: "ug_rankmixer", set: { T: 6, U: 4, D: 24, compensate: true, rows: 1000 } },
    { name: "rankmixer_moe", set: { T: 4, U: 2, D: 16, L: 1 } },
  ];

describe.each(models)("$name", ({ name, set }) => {
  const REQUESTS = 3;
  const CANDIDATES = 70;
  let engine: Engine;
  let features: readonly FeatureInfo[];
  let user: Values;
  let item: Values;

  beforeAll(async () => {
    const program = await compile(join(examples, `${name}.rmx`), { set, profiles: [device.profile] });
    features = program.graph.features;
    engine = await program.load(drawnWeights(program.graph.params, { seed: 1, perturb: true }), device, {
      poison: true,
    });
    const call = drawnInputs(features, { requests: REQUESTS, candidates: CANDIDATES, seed: 2 });
    user = stageValues(features, call, "user");
    item = stageValues(features, call, "item");
  }, 60_000);
  afterAll(() => engine.destroy());

  /** Rows `rows` of every feature. */
  function pick(values: Values, rows: readonly number[]): Values {
    return Object.fromEntries(
      Object.entries(values).map(([name, array]) => {
        const unit = countOf(features.find((feature) => feature.name === name)?.shape ?? []);
        const picked = array.slice(0, rows.length * unit);
        rows.forEach((row, i) => {
          picked.set(array.subarray(row * unit, (row + 1) * unit), i * unit);
        });
        return [name, picked];
      }),
    );
  }

  function bitsOf(scores: Scores, n: number): number[] {
    return [...scores.values()].map((values) => new Int32Array(values.buffer)[n] ?? Number.NaN);
  }

  it("scores a candidate alone as among others, wherever it stands", async () => {
    const handle = await engine.user(user);
    // Candidate c belongs to request c mod 3 in every call.
    const score = (candidates: readonly number[]): Promise<Scores> =>
      engine.score(handle, pick(item, candidates), { request: candidates.map((c) => c % REQUESTS) });
    const alone = new Map<number, number[]>();
    for (const c of [0, 1, 5, 34, 69]) alone.set(c, bitsOf(await score([c]), 0));
    const all = Array.from({ length: CANDIDATES }, (_, c) => c);
    const calls = [
      all,
      all.toReversed(),
      all.map((c) => (c * 37 + 11) % CANDIDATES),
      all.toSorted((a, b) => (a % REQUESTS) - (b % REQUESTS)),
      [69, 0, 0, 5, 1, 34, 0],
      [34, 5],
    ];
    for (const candidates of calls) {
      const scores = await score(candidates);
      let seen = 0;
      candidates.forEach((c, n) => {
        const wanted = alone.get(c);
        if (wanted === undefined) return;
        seen++;
        expect(bitsOf(scores, n), `candidate ${c} at ${n} of ${candidates.length}`).toEqual(wanted);
      });
      expect(seen).toBeGreaterThanOrEqual(2);
    }
    handle.free();
  });

  it("scores with a fresh handle as with one of many requests, a cached one and a copy", async () => {
    const rows = [4, 1, 60, 7];
    const items = pick(item, rows);
    for (let r = 0; r < REQUESTS; r++) {
      const features = pick(user, [r]);
      const fresh = await engine.user(features);
      const wanted = await engine.score(fresh, items);
      expect([...(wanted.values().next().value ?? [])].every(Number.isFinite)).toBe(true);

      const together = await engine.user(user);
      const request = rows.map(() => r);
      expect(await engine.score(together, items, { request })).toEqual(wanted);
      const between = rows.map(() => r + 1);
      expect(await engine.score([fresh, together], items, { request: between })).toEqual(wanted);

      const cache = engine.cache({ maxBytes: 1 << 20 });
      (await cache.user("a", features)).free();
      const cached = await cache.user("a", features);
      expect(cache.stats().hits).toBe(1);
      expect(await engine.score(cached, items)).toEqual(wanted);

      const copy = await engine.deserialize(await fresh.serialize());
      expect(copy.bytes).toBe(fresh.bytes);
      expect(await engine.score(copy, items)).toEqual(wanted);
      for (const handle of [fresh, together, cached, copy]) handle.free();
      cache.clear();
    }
    expect(engine.stats().requestsKept).toBe(0);
  });
});
