/**
 * @file Inputs: the feature values of requests and candidates, checked against what the model declares. Everything behind
 * this file relies on it: ids lie in their tables, lengths in their lists, and what a list holds behind its length is 0.
 *
 * A *row* is one request of a user feature or one candidate of an item feature.
 */
import { InputError } from "../ir/error.ts";
import type { FeatureInfo } from "../ir/graph.ts";
import { countOf } from "./weights.ts";

export type FeatureArray = Float32Array | Int32Array;

/** Row-major values by feature name, as a caller has them. */
export type FeatureValues = Readonly<Record<string, ArrayLike<number>>>;

/** One call's data, whole and checked; what the reference and verification take. */
export interface ModelInputs {
  readonly requests: number;
  readonly candidates: number;
  /** The request of each candidate. */
  readonly request: Int32Array;
  /** `[R, …]` and `[N, …]`, row-major. Every declared feature, lengths included. */
  readonly features: ReadonlyMap<string, FeatureArray>;
}

/** The checked features of one stage. */
export interface StageInputs {
  readonly rows: number;
  readonly features: ReadonlyMap<string, FeatureArray>;
}

/** "request" or "candidate", "requests" or "candidates". */
export function rowNoun(stage: "user" | "item", count = 1): string {
  return `${stage === "user" ? "request" : "candidate"}${count === 1 ? "" : "s"}`;
}

/**
 * Checks the values given for the features of `stage`. The number of rows follows from the values' lengths; `rows` is needed
 * only where the stage has no features. Throws RMX0703 (names and sizes, all of them) and RMX0704–RMX0708 (values).
 */
export function checkInputs(
  features: readonly FeatureInfo[],
  stage: "user" | "item",
  given: FeatureValues,
  rows?: number,
): StageInputs {
  const declared = features.filter((feature) => feature.stage === stage);
  const count = checkNames(declared, stage, given, rows);
  const lengths = new Map<string, Int32Array>();
  const checked = new Map<string, FeatureArray>();
  for (const feature of declared) {
    const { lengthOf } = feature;
    if (lengthOf === undefined) continue;
    const values = given[feature.name];
    const array =
      values === undefined ? new Int32Array(count).fill(lengthOf.max) : asIntegers(feature, values);
    checkLengths(feature, array, lengthOf.max);
    lengths.set(feature.name, array);
  }
  for (const feature of declared) {
    const length = feature.length === undefined ? undefined : lengths.get(feature.length);
    const array = lengths.get(feature.name) ?? checkValues(feature, given[feature.name] ?? [], length);
    checked.set(feature.name, array);
  }
  return { rows: count, features: checked };
}

/** The number of rows; throws if a name or a size is wrong. */
function checkNames(
  declared: readonly FeatureInfo[],
  stage: "user" | "item",
  given: FeatureValues,
  rows: number | undefined,
): number {
  const wrong: string[] = [];
  let count = rows;
  let saidBy = "the call";
  for (const feature of declared) {
    const values = given[feature.name];
    if (values === undefined) {
      if (feature.lengthOf === undefined) wrong.push(`missing: \`${feature.name}\` ${featureType(feature)}`);
      continue;
    }
    const unit = countOf(feature.shape);
    const here = unit === 0 ? (count ?? 0) : values.length / unit;
    if (!Number.isInteger(here)) {
      wrong.push(
        `wrong size: \`${feature.name}\` has ${values.length} values, no multiple of ${unit} a ${rowNoun(stage)}`,
      );
    } else if (count !== undefined && here !== count) {
      wrong.push(
        `wrong size: \`${feature.name}\` has ${here} ${rowNoun(stage, here)}, ${saidBy} has ${count}`,
      );
    } else if (count === undefined) {
      count = here;
      saidBy = `\`${feature.name}\``;
    }
  }
  const names = new Set(declared.map((feature) => feature.name));
  for (const name of Object.keys(given)) {
    if (!names.has(name)) wrong.push(`unknown: \`${name}\` is no ${stage} feature of the model`);
  }
  if (wrong.length > 0) throw misfit(`the ${stage} features do not fit the model`, wrong);
  if (count === undefined && stage === "item") {
    throw misfit("the number of candidates is not known", [
      "the model has no item features, so the call must say it",
    ]);
  }
  return count ?? 1;
}

export function misfit(message: string, notes: readonly string[]): InputError {
  return new InputError("RMX0703", message, {
    notes,
    help: "`rmxc check SPEC` lists the features with their shapes",
  });
}

/** `i32 [R, 50]`: a feature's element type and shape with its batch axis. */
export function featureType(feature: FeatureInfo): string {
  const batch = feature.stage === "user" ? "R" : "N";
  return `${feature.dtype} [${[batch, ...feature.shape].join(", ")}]`;
}

/** `request 3`, `request 3, entry 7`: where element `at` of a feature's values lies. */
function place(feature: FeatureInfo, at: number): string {
  const unit = countOf(feature.shape);
  const row = `${rowNoun(feature.stage)} ${Math.floor(at / unit)}`;
  return unit === 1 ? row : `${row}, entry ${at % unit}`;
}

function asIntegers(feature: FeatureInfo, values: ArrayLike<number>): Int32Array {
  if (values instanceof Int32Array) return values;
  const out = new Int32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const value = values[i] ?? NaN;
    if (value !== (value | 0)) throw notI32(feature, i, value);
    out[i] = value;
  }
  return out;
}

/** RMX0705: an integer that is none, or that a device's 32-bit integers do not hold. */
export function notI32(feature: FeatureInfo, at: number, value: number | bigint): InputError {
  return new InputError("RMX0705", `\`${feature.name}\` holds a value that is no 32-bit integer`, {
    notes: [`${place(feature, at)} is ${value}`],
  });
}

function checkLengths(feature: FeatureInfo, lengths: Int32Array, max: number): void {
  for (let row = 0; row < lengths.length; row++) {
    const value = lengths[row] ?? 0;
    if (value < 0 || value > max) {
      throw new InputError("RMX0706", `\`${feature.name}\` holds a length outside 0 to ${max}`, {
        notes: [`${place(feature, row)} is ${value}`],
      });
    }
  }
}

/** The values with the right element type; what lies behind a list's length is set to 0 and not looked at. */
function checkValues(
  feature: FeatureInfo,
  values: ArrayLike<number>,
  lengths: Int32Array | undefined,
): FeatureArray {
  const rows = values.length / Math.max(1, countOf(feature.shape));
  const perRow = countOf(feature.shape);
  const perEntry = countOf(feature.shape.slice(1));
  const cleared = lengths === undefined ? values : clearPadding(values, rows, perRow, perEntry, lengths);
  if (feature.dtype === "f32") {
    const array = cleared instanceof Float32Array ? cleared : Float32Array.from(cleared);
    if (!allFinite(array)) {
      const i = array.findIndex((value) => !Number.isFinite(value));
      throw new InputError("RMX0708", `\`${feature.name}\` holds a value that is not finite`, {
        notes: [`${place(feature, i)} is ${array[i]}`],
      });
    }
    return array;
  }
  const array = asIntegers(feature, cleared);
  const { table } = feature;
  if (table === undefined) return array;
  for (let i = 0; i < array.length; i++) {
    const id = array[i] ?? 0;
    if (id < 0 || id >= table.rows) {
      throw new InputError("RMX0704", `\`${feature.name}\` holds an id outside its table`, {
        notes: [
          `${place(feature, i)} is ${id}; the table \`${table.path}\` has the rows 0 to ${table.rows - 1}`,
        ],
      });
    }
  }
  return array;
}

/**
 * Whether no value is NaN or infinite: 0 · x is 0 of finite x alone. Four sums, since each waits for its last addition; asking each value
 * took five times as long, a fiftieth of a call of 2 MiB.
 */
function allFinite(values: Float32Array): boolean {
  const fours = values.length - (values.length % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < fours; i += 4) {
    a += 0 * (values[i] as number);
    b += 0 * (values[i + 1] as number);
    c += 0 * (values[i + 2] as number);
    d += 0 * (values[i + 3] as number);
  }
  for (let i = fours; i < values.length; i++) a += 0 * (values[i] as number);
  return a + b + c + d === 0;
}

/** `values` itself if the padding is 0 already. */
function clearPadding(
  values: ArrayLike<number>,
  rows: number,
  perRow: number,
  perEntry: number,
  lengths: Int32Array,
): ArrayLike<number> {
  let copy: number[] | FeatureArray | undefined;
  for (let row = 0; row < rows; row++) {
    for (let i = row * perRow + (lengths[row] ?? 0) * perEntry; i < (row + 1) * perRow; i++) {
      if (values[i] === 0) continue;
      copy ??=
        values instanceof Float32Array || values instanceof Int32Array ? values.slice() : Array.from(values);
      copy[i] = 0;
    }
  }
  return copy ?? values;
}

/** The request of each of `candidates` candidates. It may be left out where there is one request. Throws RMX0707. */
export function checkRequest(
  given: ArrayLike<number> | undefined,
  candidates: number,
  requests: number,
): Int32Array {
  if (given === undefined) {
    if (requests === 1 || candidates === 0) return new Int32Array(candidates);
    throw new InputError(
      "RMX0707",
      `there are ${requests} requests, but nothing says which candidate belongs to which`,
      {
        help: "give `request`, i32 [N]: the number of each candidate's request, from 0",
      },
    );
  }
  if (given.length !== candidates) {
    throw misfit("`request` does not fit the candidates", [
      `it has ${given.length} entries for ${candidates} candidates`,
    ]);
  }
  const out = new Int32Array(candidates);
  for (let n = 0; n < candidates; n++) {
    const value = given[n] ?? -1;
    if (!Number.isInteger(value) || value < 0 || value >= requests) {
      throw new InputError("RMX0707", "`request` names a request that does not exist", {
        notes: [`candidate ${n} says ${value}; the requests are 0 to ${requests - 1}`],
      });
    }
    out[n] = value;
  }
  return out;
}

/** Part of a call's features, rows [from, to), without copying. */
export function sliceRows(
  features: readonly FeatureInfo[],
  inputs: StageInputs,
  from: number,
  to: number,
): StageInputs {
  const sliced = new Map<string, FeatureArray>();
  for (const feature of features) {
    const array = inputs.features.get(feature.name);
    const unit = countOf(feature.shape);
    if (array !== undefined) sliced.set(feature.name, array.subarray(from * unit, to * unit));
  }
  return { rows: to - from, features: sliced };
}

/** The features of one stage of a whole call, as a caller of the engine would give them. */
export function stageValues(
  features: readonly FeatureInfo[],
  inputs: ModelInputs,
  stage: "user" | "item",
): Record<string, FeatureArray> {
  const values: Record<string, FeatureArray> = {};
  for (const { name, stage: of } of features) {
    const array = inputs.features.get(name);
    if (of === stage && array !== undefined) values[name] = array;
  }
  return values;
}
