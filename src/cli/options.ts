/** @file Options that several commands share, and the reading of their values. */
import type { Options } from "yargs";
import { UsageError } from "./command.ts";

export const specPositional = {
  spec: { type: "string", demandOption: true, describe: "the model: a .rmx file" },
} as const satisfies Record<string, Options>;

export const kernelDeviceOption = {
  device: {
    choices: ["auto", "cuda", "webgpu"] as const,
    default: "auto" as const,
    describe: "where to run: auto takes an NVIDIA GPU first",
  },
} as const satisfies Record<string, Options>;

export const setOption = {
  set: {
    type: "string",
    array: true,
    requiresArg: true,
    describe: "set a parameter of the model, k=v; may be repeated",
  },
} as const satisfies Record<string, Options>;

export const precisionOption = {
  precision: {
    type: "string",
    requiresArg: true,
    describe:
      "lines of a precision block that come after the spec's, as 'compute = f16; \"**.w\" = int8 per channel'",
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

export const scheduleFileOption = {
  schedules: {
    type: "string",
    requiresArg: true,
    describe: "tuned schedules: a file that `rmxc tune -o` wrote for the device of the profile",
  },
} as const satisfies Record<string, Options>;

export const schedulesOption = {
  schedules: {
    type: "string",
    requiresArg: true,
    describe: "tuned schedules: a file of `rmxc tune -o` [default: this device's in the cache]",
  },
  "no-tuned": {
    type: "boolean",
    default: false,
    describe: "leave tuned schedules aside: the cost model alone chooses",
  },
} as const satisfies Record<string, Options>;

export const explainFusionOption = {
  explain: {
    choices: ["stages", "fusion"] as const,
    describe:
      "`stages`: where each part runs, and why; `fusion`: what each kernel does, and why it is not one with its neighbours",
  },
} as const satisfies Record<string, Options>;

export const fuseOption = {
  fuse: {
    choices: ["off", "vertical", "phases", "all"] as const,
    default: "all" as const,
    describe:
      "off: an op a kernel; vertical: what is read and what follows belong to a kernel; phases: kernels become phases of one; all: so do both products of an FFN whose workgroups wait for each other (sm_90a)",
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
