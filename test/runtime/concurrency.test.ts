/** Calls of several tasks at once: right, overlapping, and without a trace once they are done. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import type { UserHandle } from "../../src/runtime/engine/types.ts";
import { integerAt, streamKey } from "../../src/runtime/random.ts";
import { expectClose, inputs, openTestDevice, scoresOf, tinyEngine, userOf, want } from "./tinyengine.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.destroy());

describe("calls at once", () => {
  it("are right whatever their tasks interleave", async () => {
    const engine = await tinyEngine(device, { poison: true });
    try {
      const task = async (name: number): Promise<void> => {
        const key = streamKey(7, `task ${name}`);
        for (let round = 0; round < 12; round++) {
          const draw = (what: number, bound: number): number => integerAt(key, 8 * round + what, bound);
          const call = inputs(1 + draw(0, 4), draw(1, 70), 100 * name + round);
          const user = await engine.user(userOf(call));
          if (draw(2, 3) === 0) {
            const copy = await engine.deserialize(await user.serialize());
            user.free();
            expectClose(await scoresOf(engine, copy, call), want(call));
            copy.free();
            continue;
          }
          const twice = [scoresOf(engine, user, call), scoresOf(engine, user, call)];
          if (draw(3, 2) === 0) user.free();
          for (const scores of twice) expectClose(await scores, want(call));
          user.free();
        }
      };
      await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(task));
      expect(engine.stats().requestsKept).toBe(0);
    } finally {
      engine.destroy();
    }
  });

  it("upload while the device executes; one after another do not", async () => {
    const engine = await tinyEngine(device);
    try {
      const call = inputs(1, 64);
      const user = await engine.user(userOf(call));
      for (let i = 0; i < 10; i++) await scoresOf(engine, user, call);
      const before = engine.stats();
      expect(before.overlapped).toBe(0);
      await Promise.all(Array.from({ length: 50 }, () => scoresOf(engine, user, call)));
      const after = engine.stats();
      expect(after.submits - before.submits).toBe(50);
      // The first has nothing to overlap with, nor has one that was made when two had just come back together.
      expect(after.overlapped).toBeGreaterThanOrEqual(25);
    } finally {
      engine.destroy();
    }
  });

  it("of many requests with ragged numbers of candidates in any order create nothing once they were made", async () => {
    const engine = await tinyEngine(device);
    try {
      // 40 handles of 1 to 3 requests; every request has 0 to 30 candidates, shuffled over all of them.
      const handles: UserHandle[] = [];
      const calls = Array.from({ length: 40 }, (_, i) => inputs(1 + (i % 3), 0, i));
      for (const call of calls) handles.push(await engine.user(userOf(call)));
      const requests = calls.reduce((sum, call) => sum + call.requests, 0);
      const u = Float32Array.from(calls.flatMap((call) => [...(call.features.get("u") ?? [])]));
      const drawn = (seed: number, candidates: number) => {
        const call = inputs(requests, candidates, seed);
        return { ...call, features: new Map([...call.features, ["u", u]]) };
      };
      expectClose(await scoresOf(engine, handles, drawn(1, 1200)), want(drawn(1, 1200)));
      const { buffersCreated, bindGroupsCreated, pipelinesCreated, bytes } = engine.stats();
      const sizes = [1200, 1, 517, 1199, 0, 64];
      const scores = await Promise.all(sizes.map((n, i) => scoresOf(engine, handles, drawn(i, n))));
      sizes.forEach((n, i) => {
        expectClose(scores[i] ?? [], want(drawn(i, n)));
      });
      // The second flight's buffer for scores is made when two calls first meet.
      const made = engine.stats().buffersCreated - buffersCreated;
      expect(made).toBeLessThanOrEqual(1);
      await Promise.all(sizes.map((n, i) => scoresOf(engine, handles, drawn(i, n))));
      expect(engine.stats()).toMatchObject({ bindGroupsCreated, pipelinesCreated });
      expect(engine.stats().buffersCreated).toBe(buffersCreated + made);
      expect(engine.stats().bytes).toBeLessThan(bytes + 16 * 2048);
    } finally {
      engine.destroy();
    }
  });
});

/** A collection now, so that what is left is held by somebody. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
}

/** bench/soak.ts makes ten thousand and more, of a compiled model, and looks at all of the process's memory. */
describe("thousands of calls", () => {
  const TASKS = 8;
  const BATCH = 100;
  const WARM_UP = 10;
  const BATCHES = 11;

  it("leave nothing behind: device objects, slots, what callers were given", {
    timeout: 60_000,
  }, async () => {
    const engine = await tinyEngine(device);
    try {
      const cache = engine.cache({ maxBytes: 16 * 32 });
      const calls = Array.from({ length: 16 }, (_, i) => inputs(1, 1 + (i % 5), i));
      const wanted = calls.map(want);
      const made: WeakRef<object>[] = [];
      const serve = async (count: number): Promise<void> => {
        const task = async (first: number): Promise<void> => {
          for (let i = first; i < count; i += TASKS) {
            const call = calls[i % calls.length] ?? inputs(1, 1);
            // Half of the requests come from users that a cache of 32 knows, half from ones that it does not.
            const key = i % 2 === 0 ? `known ${i % calls.length}` : `new ${i}`;
            const user = await cache.user(key, userOf(call));
            const scores = await scoresOf(engine, user, call);
            user.free();
            made.push(new WeakRef(user), new WeakRef(scores));
            if (i % 97 === 0) expectClose(scores, wanted[i % calls.length] ?? []);
          }
        };
        await Promise.all(Array.from({ length: TASKS }, (_, i) => task(i)));
        // A WeakRef holds what it refers to until the present turn of the event loop ends.
        await new Promise((resolve) => setTimeout(resolve));
        collectGarbage();
      };
      for (let i = 0; i < WARM_UP; i++) await serve(BATCH);
      const before = engine.stats();
      const begin = performance.now();
      for (let i = 0; i < BATCHES; i++) await serve(BATCH);
      const ms = (performance.now() - begin) / (BATCH * BATCHES);
      const after = engine.stats();
      console.log(`${ms.toFixed(2)} ms a call of ${TASKS} tasks`);
      const { buffersCreated, bindGroupsCreated, pipelinesCreated, buffers, bytes } = before;
      expect(after).toMatchObject({ buffersCreated, bindGroupsCreated, pipelinesCreated, buffers, bytes });
      expect(after.requestsKept).toBe(cache.stats().entries);
      cache.clear();
      expect(engine.stats().requestsKept).toBe(0);
      // Whatever a call gave its caller is gone, but perhaps for the last ones.
      expect(made.length).toBe(2 * BATCH * (WARM_UP + BATCHES));
      expect(made.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(2 * TASKS);
    } finally {
      engine.destroy();
    }
  });
});
