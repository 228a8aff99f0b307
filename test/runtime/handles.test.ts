/** User handles: shared by several holders, copied as bytes, refused where they do not belong. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { type KernelEngine, loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import {
  expectClose,
  inputs,
  openTestDevice,
  scoresOf,
  tinyEngine,
  userOf,
  want,
  weights,
} from "./tinyengine.ts";
import { kernels, tinyPlan } from "./tinyplan.ts";

let device: WebGpuDevice;
let engine: KernelEngine;
beforeAll(async () => {
  device = await openTestDevice();
});
beforeEach(async () => {
  engine = await tinyEngine(device, { poison: true });
  return () => engine.destroy();
});
afterAll(() => device.destroy());

describe("a handle", () => {
  it("lives until the last of its holders frees it", async () => {
    const call = inputs(2, 9);
    const first = await engine.user(userOf(call));
    const second = first.retain();
    expect(engine.stats().requestsKept).toBe(2);
    first.free();
    first.free();
    expect(first.live).toBe(false);
    expect(second.live).toBe(true);
    expectClose(await scoresOf(engine, second, call), want(call));
    expect(() => first.retain()).toThrow(expect.objectContaining({ code: "RMX0709" }));
    second.free();
    expect(engine.stats().requestsKept).toBe(0);
  });

  it("takes a padded row of every kept value for each request", async () => {
    // k is the only one: rows of 3 padded to 4 words.
    const user = await engine.user(userOf(inputs(5, 0)));
    expect(user.requests).toBe(5);
    expect(user.bytes).toBe(5 * 4 * 4);
  });

  it("may be freed while a call with it runs, even if its slots are asked for at once", async () => {
    const [one, two] = [inputs(2, 40, 1), inputs(2, 40, 2)];
    const user = await engine.user(userOf(one));
    const scores = scoresOf(engine, user, one);
    user.free();
    const other = engine.user(userOf(two));
    expectClose(await scores, want(one));
    expectClose(await scoresOf(engine, await other, two), want(two));
    expect(engine.stats().requestsKept).toBe(2);
  });
});

describe("a serialised handle", () => {
  it("gives the same bits on the same engine, on another one and in other slots", async () => {
    const call = inputs(3, 31);
    const user = await engine.user(userOf(call));
    const fresh = await scoresOf(engine, user, call);
    const bytes = await user.serialize();
    const between = await engine.user(userOf(inputs(1, 0)));
    user.free();
    const copy = await engine.deserialize(bytes);
    expect({ requests: copy.requests, bytes: copy.bytes }).toEqual({ requests: 3, bytes: user.bytes });
    expect(await scoresOf(engine, copy, call)).toEqual(fresh);
    between.free();

    const other = await tinyEngine(device, { poison: true });
    try {
      expect(await scoresOf(other, await other.deserialize(bytes), call)).toEqual(fresh);
    } finally {
      other.destroy();
    }
  });

  it("is a safetensors file of compact rows that says what it belongs to", async () => {
    const u = [1, 2, 3, 4, 5, 6];
    const bytes = await (await engine.user({ u })).serialize();
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    expect(header).toEqual({
      __metadata__: {
        format: "rmxc.user.1",
        model: "tiny",
        plan: expect.stringMatching(/^[0-9a-f]{64}$/),
        version: "",
        requests: "2",
      },
      "0.k": { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
    });
    const w = weights.read("w", 0, 3);
    const kept = new Float32Array(bytes.slice(8 + length).buffer);
    expect(kept).toEqual(Float32Array.from(u, (value, i) => Math.fround(value) * (w[i % 3] ?? 0)));
  });

  it("of no requests is one, too", async () => {
    const none = await engine.user({ u: [] });
    const copy = await engine.deserialize(await none.serialize());
    expect(copy.requests).toBe(0);
    expect(await engine.score(copy, { x: [], id: [] })).toEqual(new Map([["y", new Float32Array()]]));
  });

  it("is read at any offset of its buffer", async () => {
    const call = inputs(1, 5);
    const user = await engine.user(userOf(call));
    const bytes = await user.serialize();
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    expect(await scoresOf(engine, await engine.deserialize(shifted), call)).toEqual(
      await scoresOf(engine, user, call),
    );
  });

  it("of other weights, another plan or another model is refused by name", async () => {
    const bytes = await (await engine.user({ u: [1, 2, 3] })).serialize();
    const plan = tinyPlan(device.profile);
    const [first, ...rest] = kernels;
    if (first === undefined) throw new Error("no kernels");
    const others = [
      { plan, kernels, options: { version: "2" }, note: /^version: it has "", the engine "2"$/ },
      {
        plan: { ...plan, name: "other" },
        kernels,
        options: {},
        note: /^model: it has "tiny", the engine "other"$/,
      },
      {
        plan,
        kernels: [{ ...first, text: `${first.text}\n// another schedule` }, ...rest],
        options: {},
        note: /^plan: it has "[0-9a-f]{64}", the engine "[0-9a-f]{64}"$/,
      },
    ];
    for (const { note, options, ...program } of others) {
      const other = await loadKernelEngine(device, program, weights, options);
      try {
        const refused = other.deserialize(bytes);
        await expect(refused).rejects.toMatchObject({ code: "RMX0812", exit: 1 });
        const { notes } = await refused.catch((error) => error);
        expect(
          notes.some((line: string) => note.test(line)),
          notes.join("\n"),
        ).toBe(true);
        expect(other.stats().requestsKept).toBe(0);
      } finally {
        other.destroy();
      }
    }
  });

  it("does not depend on the item program", async () => {
    const call = inputs(1, 5);
    const user = await engine.user(userOf(call));
    const bytes = await user.serialize();
    const changed = kernels.map((kernel) =>
      kernel.stage === "item" ? { ...kernel, text: `${kernel.text}\n// tuned` } : kernel,
    );
    const other = await loadKernelEngine(
      device,
      { plan: tinyPlan(device.profile), kernels: changed },
      weights,
    );
    try {
      const copy = await other.deserialize(bytes);
      expect(await scoresOf(other, copy, call)).toEqual(await scoresOf(engine, user, call));
    } finally {
      other.destroy();
    }
  });

  it("that is damaged is an input error, never another one", async () => {
    const bytes = await (await engine.user({ u: [1, 2, 3] })).serialize();
    const dataStart = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    for (let cut = 0; cut < bytes.length; cut += 7) {
      await expect(engine.deserialize(bytes.slice(0, cut))).rejects.toMatchObject({ code: "RMX0812" });
    }
    // Every byte of the header takes part in what is checked, but for the padding at its end.
    const padding = new TextDecoder().decode(bytes.subarray(8, dataStart)).trimEnd().length + 8;
    for (let at = 0; at < padding; at++) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x41;
      await expect(engine.deserialize(damaged), `byte ${at}`).rejects.toMatchObject({ code: "RMX0812" });
    }
  });
});
