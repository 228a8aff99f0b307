/** @file Options that several commands share, and the reading of their values. */
import type { Options } from "yargs";
import { UsageError } from "./command.ts";

export const specPositional = {
  spec: { type: "string", demandOption: true, describe: "the model: a .rmx file" },
} as const satisfies Record<string, Options>;

export const setOption = {
  set: {
    type: "string",
    array: true,
    requiresArg: true,
    describe: "set a parameter of the model, k=v; may be repeated",
  },
} as const satisfies Record<string, Options>;

export const reuseOption = {
  "no-reuse": {
    type: "boolean",
    default: false,
    describe: "compute the user's share for every candidate, as a model without reuse does",
  },
} as const satisfies Record<string, Options>;

export const explainOption = {
  explain: {
    choices: ["stages"] as const,
    describe: "say in which stage each part runs, what is kept, and what ties the rest to the candidate",
  },
} as const satisfies Record<string, Options>;

export const jsonOption = {
  json: { type: "boolean", default: false, describe: "print one JSON document on stdout" },
} as const satisfies Record<string, Options>;

/** `["T=32", "D=1536"]` as a record; the values stay text, which the model's own parameter types read. */
export function readSets(entries: readonly string[] = []): Record<string, string> {
  const sets: Record<string, string> = {};
  for (const entry of entries) {
    const at = entry.indexOf("=");
    if (at <= 0)
      throw new UsageError(`--set takes NAME=VALUE, not ${JSON.stringify(entry)}`, "for example --set D=128");
    const name = entry.slice(0, at).trim();
    if (Object.hasOwn(sets, name)) throw new UsageError(`--set ${name} is given twice`);
    sets[name] = entry.slice(at + 1).trim();
  }
  return sets;
}
