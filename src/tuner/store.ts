/** @file Schedule files written, merged and listed: the other half of `src/runtime/schedules.ts`, which reads them. */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { writeFileAtomic } from "../files.ts";
import { InputError } from "../ir/error.ts";
import { printJson } from "../json.ts";
import { cacheFolder } from "../runtime/cachefolder.ts";
import { FORMAT, readScheduleFile, type ScheduleFile, type TunedSchedule } from "../runtime/schedules.ts";

/**
 * Writes the schedules, whole or not at all. Of those that the file held already, others' stay (kernels, buckets); where it held
 * something that is no schedule file, it is replaced.
 */
export function storeSchedules(path: string, file: ScheduleFile): void {
  const before = readable(path);
  const same = before !== undefined && isDeepStrictEqual(before.device, file.device);
  const at = ({ key, bucket }: TunedSchedule): string => `${key} ${bucket}`;
  const merged = new Map((same ? before.schedules : []).map((entry) => [at(entry), entry]));
  for (const entry of file.schedules) merged.set(at(entry), entry);
  const schedules = [...merged.values()].sort(
    (a, b) =>
      compare(a.model, b.model) ||
      compare(a.kernel, b.kernel) ||
      a.bucket - b.bucket ||
      compare(a.key, b.key),
  );
  mkdirSync(dirname(path), { recursive: true });
  writeFileAtomic(path, printJson({ format: FORMAT, device: file.device, schedules }));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function readable(path: string): ScheduleFile | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return readScheduleFile(path);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** One file of the cache. */
export interface CacheEntry {
  readonly path: string;
  readonly bytes: number;
  readonly modified: Date;
  /** Undefined: it cannot be read, for the reason in `problem`. */
  readonly file: ScheduleFile | undefined;
  readonly problem?: InputError;
}

/** In the order of their names; none where there is no cache. */
export function listCache(folder = cacheFolder()): CacheEntry[] {
  const place = join(folder, "schedules");
  if (!existsSync(place)) return [];
  const names = readdirSync(place).filter((name) => name.endsWith(".json"));
  return names.sort().map((name): CacheEntry => {
    const path = join(place, name);
    const { size, mtime } = statSync(path);
    const entry = { path, bytes: size, modified: mtime };
    try {
      return { ...entry, file: readScheduleFile(path) };
    } catch (error) {
      if (error instanceof InputError) return { ...entry, file: undefined, problem: error };
      throw error;
    }
  });
}

export function removeEntries(entries: readonly CacheEntry[]): void {
  for (const { path } of entries) rmSync(path, { force: true });
}
