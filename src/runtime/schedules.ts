/**
 * @file Measured schedules on disk: a JSON file a device, which `rmxc tune` writes and a compiler looks schedules up in.
 *
 *     { "format": 1,
 *       "device": { "name": …, "description": …, "profile": { … } },
 *       "schedules": [ { "key": "9f…", "bucket": 128, "kernel": "layers_0_ffn_up", "model": "rankmixer",
 *                        "schedule": { "lowering": …, "tiles": …, "steps": … }, "untuned": 812.4, "tuned": 707.1 }, … ] }
 *
 * `key` and `bucket` are those of `src/ir/schedule.ts`; times are microseconds. A file that the user names must be right; one
 * of the cache that cannot be used is a warning, since everything works without it.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../ir/error.ts";
import type { Profile } from "../ir/profile.ts";
import type { Schedule, ScheduleSource } from "../ir/schedule.ts";
import { cacheFolder, fileNameOf } from "./cachefolder.ts";
import { shapeText } from "./matrices.ts";
import { readProfile } from "./profile.ts";

export const FORMAT = 1;

export interface TunedSchedule {
  readonly key: string;
  readonly bucket: number;
  /** What people know it by: the kernel and the model that it was measured in. */
  readonly kernel: string;
  readonly model: string;
  readonly schedule: Schedule;
  /** Microseconds, of the cost model's favourite and of `schedule`, in one run. */
  readonly untuned: number;
  readonly tuned: number;
}

export interface TunedDevice {
  readonly name: string;
  readonly description: string;
  readonly profile: Profile;
}

export interface ScheduleFile {
  readonly device: TunedDevice;
  readonly schedules: readonly TunedSchedule[];
}

/** A file's schedules, to look up. */
export interface TunedSchedules extends ScheduleSource {
  /** The file. */
  readonly from: string;
  /** How many kernels asked and were answered. */
  readonly found: number;
}

/** The cache's file of a device. Devices that differ in name, driver, limits or features have files of their own. */
export function cachedFileOf({ name, description, profile }: TunedDevice, folder = cacheFolder()): string {
  const identity = JSON.stringify([description, profile.limits, profile.subgroup ?? null, profile.features]);
  return join(folder, "schedules", `${fileNameOf(name, identity)}.json`);
}

/** The cache's schedules for `device`; undefined where there are none, `problem` where there are and they cannot be used. */
export function cachedSchedules(
  device: TunedDevice,
  folder = cacheFolder(),
): { readonly schedules?: TunedSchedules; readonly problem?: InputError } {
  const path = cachedFileOf(device, folder);
  try {
    const text = readIfThere(path);
    return text === undefined ? {} : { schedules: lookup(path, parseScheduleFile(path, text)) };
  } catch (error) {
    if (error instanceof InputError) return { problem: error };
    throw error;
  }
}

/** The schedules of a file that the user named, for a device of this profile. Throws RMX0822 and RMX0823. */
export function loadSchedules(path: string, profile: Profile): TunedSchedules {
  const file = readScheduleFile(path);
  const differs = profileDifferences(file.device.profile, profile);
  if (differs.length > 0) {
    throw new InputError("RMX0823", `the schedules in ${path} are another device's`, {
      notes: [`they were measured on ${file.device.name}`, ...differs],
      help: "tune on this device: `rmxc tune SPEC -o FILE`, or leave `--schedules` out",
      exit: 1,
    });
  }
  return lookup(path, file);
}

/** Throws RMX0822. */
export function readScheduleFile(path: string): ScheduleFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    throw unreadable(path, ["the file cannot be read"]);
  }
  return parseScheduleFile(path, text);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw unreadable(path, ["the file cannot be read"]);
  }
}

function lookup(from: string, { schedules }: ScheduleFile): TunedSchedules {
  const byKey = new Map(schedules.map(({ key, bucket, schedule }) => [`${key} ${bucket}`, schedule]));
  const found = new Set<string>();
  return {
    from,
    get found() {
      return found.size;
    },
    find(key, bucket) {
      const at = `${key} ${bucket}`;
      const schedule = byKey.get(at);
      if (schedule !== undefined) found.add(at);
      return schedule;
    },
  };
}

/** What decides schedules and is not the same, a line each. */
function profileDifferences(tuned: Profile, here: Profile): string[] {
  const of = ({ limits, subgroup, matrices, cuda, features }: Profile): Record<string, unknown> => ({
    ...limits,
    architecture: cuda?.arch ?? "none",
    "subgroup sizes": subgroup === undefined ? "none" : `${subgroup.min} to ${subgroup.max}`,
    "subgroup matrices": matrices?.map(shapeText).join(", ") ?? "none",
    ...features,
  });
  const [then, now] = [of(tuned), of(here)];
  return Object.keys(now)
    .filter((key) => then[key] !== now[key])
    .map((key) => `${key}: ${String(then[key])} there, ${String(now[key])} here`);
}

function parseScheduleFile(path: string, text: string): ScheduleFile {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw unreadable(path, [`it is not JSON: ${(error as Error).message}`]);
  }
  const root = record(data);
  if (root.format !== FORMAT) {
    throw unreadable(path, [
      `it is of format ${JSON.stringify(root.format ?? null)}; this version reads format ${FORMAT}`,
    ]);
  }
  const device = record(root.device);
  const wrong: string[] = [];
  const profile = readProfile(device.profile, wrong);
  const schedules = Array.isArray(root.schedules) ? root.schedules.map(readSchedule) : undefined;
  if (schedules === undefined) wrong.push("schedules must be a list");
  schedules?.forEach((entry, i) => {
    if (entry === undefined) wrong.push(`schedules[${i}] is no schedule`);
  });
  if (profile === undefined || schedules === undefined || wrong.length > 0) throw unreadable(path, wrong);
  return {
    device: { name: String(device.name ?? ""), description: String(device.description ?? ""), profile },
    schedules: schedules.filter((entry) => entry !== undefined),
  };
}

/** What a schedule of these figures does is for the compiler to say, which takes only those of the kernel's own space. */
function readSchedule(data: unknown): TunedSchedule | undefined {
  const { key, bucket, kernel, model, untuned, tuned, schedule: inner } = record(data);
  const { lowering, tiles, steps } = record(inner);
  if (typeof key !== "string" || typeof kernel !== "string" || typeof model !== "string") return undefined;
  if (!isPositive(bucket) || !isPositive(untuned) || !isPositive(tuned)) return undefined;
  if (typeof record(lowering).kind !== "string" || !areCounts(tiles) || !areCounts(steps)) return undefined;
  const schedule = { lowering, tiles, steps } as Schedule;
  return { key, bucket, kernel, model, schedule, untuned, tuned };
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value > 0;
}

function areCounts(value: unknown): value is Readonly<Record<string, number>> {
  return typeof value === "object" && value !== null && Object.values(value).every(isPositive);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function unreadable(path: string, notes: readonly string[]): InputError {
  return new InputError("RMX0822", `the schedules in ${path} cannot be read`, {
    notes,
    help: "`rmxc tune SPEC` measures them anew; `rmxc cache clear` empties the cache",
    exit: 1,
  });
}
