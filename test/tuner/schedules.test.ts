/** @file Schedule files: read, refused, looked up, merged, listed. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/ir/error.ts";
import { software } from "../../src/ir/profiles.ts";
import type { Schedule } from "../../src/ir/schedule.ts";
import { cacheFolder, fileNameOf } from "../../src/runtime/cachefolder.ts";
import {
  cachedFileOf,
  cachedSchedules,
  loadSchedules,
  readScheduleFile,
  type TunedSchedule,
} from "../../src/runtime/schedules.ts";
import { listCache, removeEntries, storeSchedules } from "../../src/tuner/store.ts";
import { folder } from "../support/cli.ts";

const device = { name: "A Device (v1.2)", description: "maker · kind", profile: software };
const schedule: Schedule = {
  lowering: { kind: "subgroup", lanes: 8, rows: 4 },
  tiles: { n: 4, d: 32 },
  steps: { k: 4 },
};

function entry(key: string, bucket = 128, tuned = 1.5): TunedSchedule {
  return { key, bucket, kernel: `kernel_${key}`, model: "m", schedule, untuned: 2, tuned };
}

function thrown(work: () => unknown): InputError {
  try {
    work();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("the cache's folder", () => {
  it.each([
    [{ RMXC_CACHE: "/here", XDG_CACHE_HOME: "/xdg" }, "linux", "/here"],
    [{ XDG_CACHE_HOME: "/xdg" }, "linux", "/xdg/rmxc"],
    [{ XDG_CACHE_HOME: "relative" }, "linux", "/home/u/.cache/rmxc"],
    [{}, "linux", "/home/u/.cache/rmxc"],
    [{}, "darwin", "/home/u/Library/Caches/rmxc"],
    [{ LOCALAPPDATA: "/local" }, "win32", "/local/rmxc/cache"],
    [{}, "win32", "/home/u/AppData/Local/rmxc/cache"],
  ] as const)("of %j on %s is %s", (env, platform, want) => {
    expect(cacheFolder(env, platform, "/home/u")).toBe(want);
  });

  it("holds a file a device: another driver or another limit is another device", () => {
    const path = (change: object) => cachedFileOf({ ...device, ...change }, "/c");
    expect(path({})).toMatch(/^\/c\/schedules\/a-device-v1-2-[0-9a-f]{8}\.json$/);
    expect(path({ description: "maker · kind · newer" })).not.toBe(path({}));
    const limits = { ...software.limits, workgroupMemory: 1 };
    expect(path({ profile: { ...software, limits } })).not.toBe(path({}));
    // A profile's name decides nothing.
    expect(path({ profile: { ...software, name: "device" } })).toBe(path({}));
    expect(fileNameOf("…", "x")).toMatch(/^[0-9a-f]{8}$/);
  });
});

describe("a schedule file", () => {
  it("comes back as it was stored, readable and without leftovers", () => {
    const path = join(folder(), "deep/er/tuned.json");
    storeSchedules(path, { device, schedules: [entry("b"), entry("a")] });
    expect(readScheduleFile(path)).toEqual({ device, schedules: [entry("a"), entry("b")] });
    expect(readdirSync(dirname(path))).toEqual(["tuned.json"]);
    const found = loadSchedules(path, software);
    expect(found.find("a", 128)).toEqual(schedule);
    expect(found.find("a", 64)).toBeUndefined();
    expect(found.find("c", 128)).toBeUndefined();
    expect(found.find("a", 128)).toEqual(schedule);
    expect(found).toMatchObject({ from: path, found: 1 });
  });

  it("keeps what others stored and replaces what is measured anew", () => {
    const path = join(folder(), "tuned.json");
    storeSchedules(path, { device, schedules: [entry("a"), entry("b"), entry("b", 256)] });
    storeSchedules(path, { device, schedules: [entry("b", 128, 1.25)] });
    expect(readScheduleFile(path).schedules).toEqual([entry("a"), entry("b", 128, 1.25), entry("b", 256)]);
    const other = { ...device, description: "another" };
    storeSchedules(path, { device: other, schedules: [entry("c")] });
    expect(readScheduleFile(path)).toEqual({ device: other, schedules: [entry("c")] });
  });

  it.each([
    ["{", "not JSON"],
    ["[]", "format null"],
    ['{"format": 2}', "format 2; this version reads format 1"],
    ['{"format": 1, "device": {}, "schedules": []}', "limits.storageBinding"],
    [JSON.stringify({ format: 1, device, schedules: {} }), "schedules must be a list"],
    [JSON.stringify({ format: 1, device, schedules: [entry("a"), { key: "a" }] }), "schedules[1]"],
    [JSON.stringify({ format: 1, device, schedules: [{ ...entry("a"), bucket: -1 }] }), "schedules[0]"],
    [
      JSON.stringify({ format: 1, device, schedules: [{ ...entry("a"), schedule: { lowering: 3 } }] }),
      "schedules[0]",
    ],
  ])("that is wrong is refused with the reason: %s", (text, note) => {
    const path = join(folder({ "tuned.json": text }), "tuned.json");
    const error = thrown(() => loadSchedules(path, software));
    expect(error).toMatchObject({ code: "RMX0822", exit: 1 });
    expect(error.help).toContain("rmxc tune");
    expect(error.notes.join("\n")).toContain(note);
    // It is in nobody's way.
    storeSchedules(path, { device, schedules: [entry("a")] });
    expect(readScheduleFile(path).schedules).toEqual([entry("a")]);
  });

  it("that is not there is refused, where the user named it", () => {
    expect(thrown(() => loadSchedules(join(folder(), "none.json"), software)).code).toBe("RMX0822");
  });

  it("of a device with other limits, subgroups or features is refused, naming each", () => {
    const path = join(folder(), "tuned.json");
    storeSchedules(path, { device, schedules: [] });
    const here = {
      ...software,
      name: "device",
      limits: { ...software.limits, storageBuffers: 8 },
      subgroup: { min: 4, max: 4 },
    };
    expect(thrown(() => loadSchedules(path, here))).toMatchObject({
      code: "RMX0823",
      exit: 1,
      notes: [
        "they were measured on A Device (v1.2)",
        "storageBuffers: 16 there, 8 here",
        "subgroup sizes: 8 to 8 there, 4 to 4 here",
      ],
    });
    expect(loadSchedules(path, { ...software, name: "device" }).found).toBe(0);
  });
});

describe("the cache", () => {
  it("answers for a device that has a file, and is silent for one that has none", () => {
    const place = folder();
    expect(cachedSchedules(device, place)).toEqual({});
    storeSchedules(cachedFileOf(device, place), { device, schedules: [entry("a")] });
    expect(cachedSchedules(device, place).schedules?.find("a", 128)).toEqual(schedule);
    expect(cachedSchedules({ ...device, description: "another" }, place)).toEqual({});
  });

  it("reports a broken file instead of failing", () => {
    const place = folder();
    const path = cachedFileOf(device, place);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "{");
    const { schedules, problem } = cachedSchedules(device, place);
    expect(schedules).toBeUndefined();
    expect(problem).toMatchObject({ code: "RMX0822" });
    const [listed, ...more] = listCache(place);
    expect(more).toEqual([]);
    expect(listed).toMatchObject({ path, bytes: 1, file: undefined, problem: { code: "RMX0822" } });
  });

  it("lists its files and removes those it is told to", () => {
    const place = folder();
    expect(listCache(place)).toEqual([]);
    const other = { ...device, name: "Another" };
    storeSchedules(cachedFileOf(device, place), { device, schedules: [entry("a")] });
    storeSchedules(cachedFileOf(other, place), { device: other, schedules: [entry("a"), entry("b")] });
    const entries = listCache(place);
    expect(entries.map(({ file }) => [file?.device.name, file?.schedules.length])).toEqual([
      ["A Device (v1.2)", 1],
      ["Another", 2],
    ]);
    for (const { path, bytes } of entries) expect(bytes).toBe(readFileSync(path).length);
    removeEntries(entries.slice(0, 1));
    expect(listCache(place).map(({ file }) => file?.device.name)).toEqual(["Another"]);
  });
});
