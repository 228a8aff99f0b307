/** @file `--profile`: a built-in profile by name, or a JSON file of the form of `Profile`. */
import { readFileSync } from "node:fs";
import { InputError } from "../ir/error.ts";
import type { Profile } from "../ir/profile.ts";
import { builtinProfiles } from "../ir/profiles.ts";
import type { MatrixShape } from "../ir/tile.ts";
import { sameShape, shapeText } from "./matrices.ts";

const limitNames = [
  "storageBinding",
  "bufferSize",
  "storageBuffers",
  "offsetAlignment",
  "workgroupMemory",
  "workgroupSize",
  "workgroups",
] as const satisfies readonly (keyof Profile["limits"])[];

const featureNames = [
  "f16",
  "software",
  "timestamps",
] as const satisfies readonly (keyof Profile["features"])[];

/** The profile of that name, else the one in that file. Throws RMX0809. */
export function loadProfile(nameOrPath: string): Profile {
  const builtin = Object.hasOwn(builtinProfiles, nameOrPath) ? builtinProfiles[nameOrPath] : undefined;
  if (builtin !== undefined) return builtin;
  let text: string;
  try {
    text = readFileSync(nameOrPath, "utf8");
  } catch {
    throw profileError(`\`${nameOrPath}\` is neither a built-in profile nor a file that can be read`);
  }
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw profileError(`the profile ${nameOrPath} is not JSON`, [(error as Error).message]);
  }
  const wrong: string[] = [];
  const profile = readProfile(data, wrong);
  if (profile === undefined) throw profileError(`the profile ${nameOrPath} is incomplete`, wrong);
  return profile;
}

function profileError(message: string, notes: readonly string[] = []): InputError {
  const names = Object.keys(builtinProfiles)
    .map((name) => `\`${name}\``)
    .join(", ");
  const help = `the built-in profiles are ${names}; \`rmxc doctor --json\` prints the profile of this machine's device`;
  return new InputError("RMX0809", message, { notes, help, exit: 1 });
}

/** The profile in `data`; undefined if anything is missing, which is then listed in `wrong`. */
export function readProfile(data: unknown, wrong: string[]): Profile | undefined {
  const root = record(data);
  const count = (from: Record<string, unknown>, name: string, where: string): number => {
    const value = from[name];
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
    wrong.push(`${where}${name} must be a positive integer`);
    return 1;
  };
  const flag = (from: Record<string, unknown>, name: string): boolean => {
    const value = from[name];
    if (typeof value !== "boolean") wrong.push(`features.${name} must be true or false`);
    return value === true;
  };
  const name = root.name;
  if (typeof name !== "string") wrong.push("name must be a string");
  const limits = record(root.limits);
  const features = record(root.features);
  const read = Object.fromEntries(limitNames.map((key) => [key, count(limits, key, "limits.")]));
  const flags = Object.fromEntries(featureNames.map((key) => [key, flag(features, key)]));
  let subgroup: Profile["subgroup"];
  if (root.subgroup !== undefined) {
    const given = record(root.subgroup);
    subgroup = { min: count(given, "min", "subgroup."), max: count(given, "max", "subgroup.") };
    if (subgroup.min > subgroup.max) wrong.push("subgroup.min must not exceed subgroup.max");
  }
  const matrices = Array.isArray(root.matrices)
    ? root.matrices.map((given: unknown, i): MatrixShape => {
        const [m = 1, n = 1, k = 1] = ["m", "n", "k"].map((axis) =>
          count(record(given), axis, `matrices[${i}].`),
        );
        return { m, n, k };
      })
    : undefined;
  if (root.matrices !== undefined && matrices === undefined) wrong.push("matrices must be a list of shapes");
  const { arch } = record(root.cuda);
  if (root.cuda !== undefined && !(typeof arch === "string" && /^sm_\d+a?$/.test(arch)))
    wrong.push('cuda.arch must be an architecture such as "sm_90"');
  if (wrong.length > 0) return undefined;
  return {
    name: String(name),
    ...(typeof arch === "string" && { cuda: { arch } }),
    limits: read as Record<(typeof limitNames)[number], number>,
    features: flags as Record<(typeof featureNames)[number], boolean>,
    ...(subgroup && { subgroup }),
    ...(matrices && { matrices }),
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** What `plan` was compiled for that `device` lacks, a line each; empty if the plan runs there. */
export function missingLimits(plan: Profile, device: Profile): string[] {
  const missing: string[] = [];
  if (plan.cuda !== undefined && device.cuda === undefined) missing.push("CUDA: the device takes WGSL");
  if (plan.cuda === undefined && device.cuda !== undefined) missing.push("WGSL: the device takes CUDA-C");
  if (plan.cuda !== undefined && device.cuda !== undefined && !runsOn(plan.cuda.arch, device.cuda.arch))
    missing.push(`${plan.cuda.arch}: the device has ${device.cuda.arch}`);
  for (const name of limitNames) {
    const [needs, has] = [plan.limits[name], device.limits[name]];
    // An alignment is satisfied by a smaller one; every other limit by a larger one.
    const enough = name === "offsetAlignment" ? has <= needs && needs % has === 0 : has >= needs;
    if (!enough) missing.push(`${name}: compiled for ${needs}, the device has ${has}`);
  }
  const needs = plan.subgroup;
  if (needs !== undefined) {
    const has = device.subgroup;
    if (has === undefined) missing.push("subgroups: the device has none");
    else if (has.min < needs.min || has.max > needs.max) {
      missing.push(
        `subgroup sizes: compiled for ${needs.min} to ${needs.max}, the device has ${has.min} to ${has.max}`,
      );
    }
  }
  for (const shape of plan.matrices ?? []) {
    if (!device.matrices?.some((other) => sameShape(shape, other)))
      missing.push(`subgroup matrices of ${shapeText(shape)}: the device does not multiply them`);
  }
  if (plan.features.f16 && !device.features.f16) missing.push("f16: the device has no 16-bit floats");
  return missing;
}

/** Text for an architecture runs on that and later ones; with a letter ("sm_90a"), on that very one, which serves "sm_90" as well. */
function runsOn(plan: string, device: string): boolean {
  if (plan.endsWith("a")) return plan === device;
  const number = (arch: string): number => Number.parseInt(arch.slice("sm_".length), 10);
  return number(plan) <= number(device);
}
