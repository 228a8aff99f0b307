/** A device that goes away: typed errors for everyone, and an engine that comes back on another one. */
import { describe, expect, it, onTestFinished } from "vitest";
import { referenceDevice, type WebGpuDevice } from "../../src/runtime/device.ts";
import type { KernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { expectClose, inputs, openTestDevice, scoresOf, tinyEngine, userOf, want } from "./tinyengine.ts";

const call = inputs(2, 33);
const lost = expect.objectContaining({ name: "InputError", code: "RMX0804", exit: 3 });

async function open(): Promise<{ device: WebGpuDevice; engine: KernelEngine }> {
  const device = await openTestDevice();
  const engine = await tinyEngine(device, { poison: true });
  onTestFinished(() => {
    engine.destroy();
    device.destroy();
  });
  return { device, engine };
}

async function works(engine: KernelEngine): Promise<void> {
  const user = await engine.user(userOf(call));
  expectClose(await scoresOf(engine, user, call), want(call));
  user.free();
}

describe("a lost device", () => {
  it("fails calls that are under way and all later ones, each with the same code", async () => {
    const { device, engine } = await open();
    const user = await engine.user(userOf(call));
    const bytes = await user.serialize();
    const pending = [
      ...Array.from({ length: 10 }, () => scoresOf(engine, user, call)),
      ...Array.from({ length: 3 }, () => engine.user(userOf(call))),
    ];
    device.destroy();
    const settled = await Promise.allSettled(pending);
    // What the device had finished may have come back; nothing else may.
    for (const one of settled) if (one.status === "rejected") expect(one.reason).toEqual(lost);
    expect(settled.filter(({ status }) => status === "rejected").length).toBeGreaterThanOrEqual(8);
    await expect(scoresOf(engine, user, call)).rejects.toEqual(lost);
    await expect(engine.user(userOf(call))).rejects.toEqual(lost);
    await expect(engine.deserialize(bytes)).rejects.toEqual(lost);
    await expect(user.serialize()).rejects.toEqual(lost);
    expect(user.live).toBe(false);
    user.free();
  });

  it("is replaced by one that `restore` opens; handles from before are not valid, copies of them are", async () => {
    const { device, engine } = await open();
    const before = await engine.user(userOf(call));
    const bytes = await before.serialize();
    const fresh = await scoresOf(engine, before, call);
    const cache = engine.cache({ maxBytes: 1 << 20 });
    (await cache.user("a", userOf(call))).free();
    device.destroy();
    await expect(engine.user(userOf(call))).rejects.toEqual(lost);

    const restored = engine.restore();
    // Made meanwhile: it waits.
    const waiting = engine.user(userOf(call));
    await restored;
    expect(await scoresOf(engine, await waiting, call)).toEqual(fresh);
    await works(engine);
    expect(before.live).toBe(false);
    await expect(scoresOf(engine, before, call)).rejects.toMatchObject({
      code: "RMX0709",
      notes: ["the device that kept its results is gone"],
    });
    before.free();
    expect(await scoresOf(engine, await engine.deserialize(bytes), call)).toEqual(fresh);

    expect(cache.get("a")).toBeUndefined();
    const again = await cache.user("a", userOf(call));
    expect(await scoresOf(engine, again, call)).toEqual(fresh);
    expect(cache.stats()).toMatchObject({ entries: 1, misses: 3, evictions: 0 });
  });

  it("is replaced by one that `restore` is given, and that again", async () => {
    const { device, engine } = await open();
    device.destroy();
    for (let i = 0; i < 2; i++) {
      const next = await openTestDevice();
      await engine.restore(next);
      await works(engine);
      next.destroy();
      await expect(engine.user(userOf(call))).rejects.toEqual(lost);
    }
  });

  it("stays lost where the replacement does not do, and can be replaced after that", async () => {
    const { device, engine } = await open();
    device.destroy();
    await expect(engine.restore(referenceDevice())).rejects.toMatchObject({ code: "RMX0821" });
    const weak = await openTestDevice();
    const limits = { ...weak.profile.limits, storageBuffers: 1 };
    await expect(engine.restore({ ...weak, profile: { ...weak.profile, limits } })).rejects.toMatchObject({
      code: "RMX0802",
    });
    await expect(engine.user(userOf(call))).rejects.toEqual(lost);
    await engine.restore(weak);
    await works(engine);
    weak.destroy();
  });
});

describe("an engine that is there no more", () => {
  it("fails what is under way when it is destroyed, and does not come back", async () => {
    const { engine } = await open();
    const user = await engine.user(userOf(call));
    const pending = Array.from({ length: 6 }, () => scoresOf(engine, user, call));
    engine.destroy();
    engine.destroy();
    for (const one of await Promise.allSettled(pending)) {
      expect(one).toMatchObject({ status: "rejected", reason: lost });
    }
    user.free();
    await expect(engine.restore()).rejects.toEqual(lost);
  });

  it("moves to another device while the old one is fine", async () => {
    const { engine } = await open();
    const user = await engine.user(userOf(call));
    const next = await openTestDevice();
    await engine.restore(next);
    await works(engine);
    await expect(scoresOf(engine, user, call)).rejects.toMatchObject({ code: "RMX0709" });
    engine.destroy();
    next.destroy();
  });
});
