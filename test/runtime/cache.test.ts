/** The cache of user results: who is evicted, who computes, who frees. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import type { KernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { expectClose, inputs, openTestDevice, scoresOf, tinyEngine, userOf, want } from "./tinyengine.ts";

/** A request of the tiny plan keeps one row of 4 words. */
const ROW = 16;

let device: WebGpuDevice;
let engine: KernelEngine;
beforeAll(async () => {
  device = await openTestDevice();
});
beforeEach(async () => {
  engine = await tinyEngine(device);
  return () => engine.destroy();
});
afterAll(() => device.destroy());

const u = [1, 2, 3];

describe("a cache", () => {
  it("computes a key once and gives each caller a handle to be freed", async () => {
    const cache = engine.cache({ maxBytes: 10 * ROW });
    const call = inputs(1, 9);
    const miss = await cache.user("a", userOf(call));
    const before = engine.stats().submits;
    const hit = await cache.user("a", userOf(inputs(1, 9, 2)));
    expect(engine.stats().submits).toBe(before);
    const fresh = await scoresOf(engine, miss, call);
    miss.free();
    expectClose(fresh, want(call));
    expect(await scoresOf(engine, hit, call)).toEqual(fresh);
    hit.free();
    expect(cache.get("b")).toBeUndefined();
    cache.get("a")?.free();
    expect(cache.stats()).toEqual({ hits: 2, misses: 2, evictions: 0, entries: 1, bytes: ROW });
    cache.clear();
    expect(engine.stats().requestsKept).toBe(0);
  });

  it("asks for features only where it misses", async () => {
    const cache = engine.cache({ maxBytes: ROW });
    const source = vi.fn(async () => ({ u }));
    (await cache.user("a", source)).free();
    (await cache.user("a", source)).free();
    expect(source).toHaveBeenCalledTimes(1);
  });

  it("evicts the least recently used, which frees its slot", async () => {
    const cache = engine.cache({ maxBytes: 3 * ROW });
    for (const key of ["a", "b", "c"]) (await cache.user(key, { u })).free();
    cache.get("a")?.free();
    (await cache.user("d", { u })).free();
    expect(cache.get("b")).toBeUndefined();
    for (const key of ["a", "c", "d"]) {
      const handle = cache.get(key);
      expect(handle?.live, key).toBe(true);
      handle?.free();
    }
    expect(cache.stats()).toMatchObject({ evictions: 1, entries: 3, bytes: 3 * ROW });
    expect(engine.stats().requestsKept).toBe(3);
  });

  it("leaves an evicted entry to those who use it", async () => {
    const cache = engine.cache({ maxBytes: ROW });
    const call = inputs(1, 20);
    const used = await cache.user("a", userOf(call));
    (await cache.user("b", { u })).free();
    expect(cache.get("a")).toBeUndefined();
    expectClose(await scoresOf(engine, used, call), want(call));
    expect(engine.stats().requestsKept).toBe(2);
    used.free();
    expect(engine.stats().requestsKept).toBe(1);
  });

  it("without room for a single entry still serves, and to all who joined", async () => {
    const cache = engine.cache({ maxBytes: 0 });
    const call = inputs(1, 4);
    const handles = await Promise.all([1, 2, 3].map(() => cache.user("a", userOf(call))));
    for (const handle of handles) {
      expectClose(await scoresOf(engine, handle, call), want(call));
      handle.free();
    }
    expect(cache.stats()).toEqual({ hits: 2, misses: 1, evictions: 1, entries: 0, bytes: 0 });
    expect(engine.stats().requestsKept).toBe(0);
  });

  it("shares one computation among calls that meet, and its failure", async () => {
    const cache = engine.cache({ maxBytes: 10 * ROW });
    const before = engine.stats().submits;
    const handles = await Promise.all(["a", "b", "a", "a"].map((key) => cache.user(key, { u })));
    expect(engine.stats().submits).toBe(before + 2);
    for (const handle of handles) handle.free();
    expect(engine.stats().requestsKept).toBe(2);

    const failing = [cache.user("c", { u: [Number.NaN, 0, 0] }), cache.user("c", { u })];
    for (const result of await Promise.allSettled(failing)) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "RMX0708" } });
    }
    (await cache.user("c", { u })).free();
  });

  it("does not enter what was deleted while it was computed", async () => {
    const cache = engine.cache({ maxBytes: 10 * ROW });
    const stale = cache.user("a", { u });
    expect(cache.delete("a")).toBe(true);
    const fresh = cache.user("a", { u: [3, 2, 1] });
    expect((await stale).live).toBe(true);
    (await stale).free();
    (await fresh).free();
    expect(cache.stats()).toMatchObject({ misses: 2, entries: 1 });
    expect(engine.stats().requestsKept).toBe(1);
    expect(cache.delete("a")).toBe(true);
    expect(cache.delete("a")).toBe(false);
  });

  it("takes handles that came from elsewhere", async () => {
    const call = inputs(1, 7);
    const user = await engine.user(userOf(call));
    const cache = engine.cache({ maxBytes: 10 * ROW });
    cache.put("a", await engine.deserialize(await user.serialize()));
    const hit = cache.get("a");
    if (hit === undefined) throw new Error("no entry");
    expect(await scoresOf(engine, hit, call)).toEqual(await scoresOf(engine, user, call));
  });

  it("makes room where the device has no slot left", async () => {
    // 256 bytes hold 16 rows of 4 words.
    const small = await tinyEngine(device, { limits: { storageBinding: 256 } });
    try {
      const cache = small.cache({ maxBytes: 1000 * ROW });
      for (let i = 0; i < 40; i++) (await cache.user(String(i), { u })).free();
      expect(cache.stats()).toMatchObject({ entries: 16, evictions: 24 });
      const held = await Promise.all(Array.from({ length: 16 }, (_, i) => cache.user(String(24 + i), { u })));
      await expect(cache.user("x", { u })).rejects.toMatchObject({ code: "RMX0808" });
      for (const handle of held) handle.free();
    } finally {
      small.destroy();
    }
  });
});
