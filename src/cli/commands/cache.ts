/** @file `rmxc cache ls|clear`: the tuned schedules in the user's cache, a file a device. */

import type { CacheEntry } from "../../tuner/store.ts";
import { defineCommand, UsageError } from "../command.ts";
import { jsonOption } from "../options.ts";
import type { Output } from "../output.ts";
import { fromInputError, sayDiagnostics } from "../report.ts";
import { bytes, plural, table } from "../text.ts";

const actions = ["ls", "clear"] as const;

export const cacheCommand = defineCommand({
  usage: "cache <action>",
  summary: "list or clear the tuned schedules in the user's cache",
  positionals: {
    action: { choices: actions, demandOption: true, describe: "ls lists, clear removes" },
  },
  options: {
    device: {
      type: "string",
      requiresArg: true,
      describe: "only devices whose name contains this",
    },
    yes: { type: "boolean", default: false, describe: "clear without asking" },
    ...jsonOption,
  },
  examples: [
    ["rmxc cache ls", "devices, kernels, bytes, age"],
    ["rmxc cache clear --device llvmpipe --yes", "of one device"],
  ],
  async run(args, out) {
    const { cacheFolder } = await import("../../runtime/cachefolder.ts");
    const { listCache, removeEntries } = await import("../../tuner/store.ts");
    const folder = cacheFolder();
    const entries = listCache(folder).filter((entry) => matches(entry, args.device));
    if (args.action === "ls") {
      if (args.json) out.json({ folder, devices: entries.map(entryJson) });
      else if (entries.length === 0) out.print(`nothing in ${folder}`);
      else out.print(`${folder}\n\n${entryTable(entries)}`);
      for (const { problem } of entries)
        if (problem !== undefined)
          await sayDiagnostics([{ ...fromInputError(problem), severity: "warning" }], new Map(), out);
      return 0;
    }
    const removed = entries.length > 0 && (args.yes || (await agreed(entries, out))) ? entries : [];
    removeEntries(removed);
    if (args.json) out.json({ folder, removed: removed.map(entryJson) });
    else out.print(`removed ${plural(removed.length, "file")} from ${folder}`);
    return 0;
  },
});

function matches({ path, file }: CacheEntry, part: string | undefined): boolean {
  if (part === undefined) return true;
  return (file?.device.name ?? path).toLowerCase().includes(part.toLowerCase());
}

/** Asks where a person can answer. */
async function agreed(entries: readonly CacheEntry[], out: Output): Promise<boolean> {
  if (!out.terminal || process.stdin.isTTY !== true)
    throw new UsageError("clear removes files: confirm with --yes", "rmxc cache ls shows which");
  const { createInterface } = await import("node:readline/promises");
  const asked = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asked.question(
      `remove tuned schedules of ${plural(entries.length, "device")}? [y/N] `,
    );
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    asked.close();
  }
}

function entryTable(entries: readonly CacheEntry[]): string {
  return table(
    ["device", "models", "kernels", "size", "age"],
    entries.map(({ path, file, bytes: size, modified }) => [
      file?.device.name ?? `${path} (cannot be read)`,
      String(modelsOf(file).length),
      String(file?.schedules.length ?? 0),
      bytes(size),
      ageOf(modified),
    ]),
    ["left", "right", "right", "right", "right"],
  );
}

function entryJson({ path, file, bytes: size, modified }: CacheEntry) {
  return {
    path,
    device: file?.device.name ?? null,
    models: modelsOf(file),
    kernels: file?.schedules.length ?? 0,
    bytes: size,
    modified: modified.toISOString(),
  };
}

function modelsOf(file: CacheEntry["file"]): string[] {
  return [...new Set(file?.schedules.map(({ model }) => model))].sort();
}

/** How long ago, in the largest unit that fits once. */
function ageOf(then: Date): string {
  const minutes = Math.max(0, (Date.now() - then.getTime()) / 60_000);
  if (minutes < 60) return plural(Math.floor(minutes), "minute");
  if (minutes < 24 * 60) return plural(Math.floor(minutes / 60), "hour");
  return plural(Math.floor(minutes / (24 * 60)), "day");
}
