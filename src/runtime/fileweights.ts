/**
 * @file Weights from a safetensors file, by parameter path. The file is held against the model before a value is read, and
 * everything that does not fit is listed at once. Values are checked to be finite as they are read: other parameters when
 * the engine loads them, a table's rows when they are looked up (a table may be larger than memory).
 */
import { closest, distance } from "fastest-levenshtein";
import { decode } from "../ir/codecs/codec.ts";
import { InputError } from "../ir/error.ts";
import type { ParamInfo, Storage } from "../ir/graph.ts";
import { F32_STORAGE, inputScaleName } from "../ir/storage.ts";
import { isFloatType } from "./dtypes.ts";
import { SafetensorsFile } from "./safetensors.ts";
import { StoredTensor, scaleName, zeroName } from "./storedtensor.ts";
import { byPath, countOf, KeptReads, type WeightSource } from "./weights.ts";

const role = { code: "RMX0601", noun: "weights file" } as const;

/**
 * Opens `path` for the parameters of a model; `derived` are the paths of load-stage values whose activations it may hold the scale of.
 * Throws RMX0601 (not a safetensors file), RMX0602 (does not fit the model).
 */
export function fileWeights(
  path: string,
  params: readonly ParamInfo[],
  derived: readonly string[] = [],
): WeightSource {
  const file = SafetensorsFile.open(path, role);
  const stored = new Map<string, StoredTensor>();
  const misfits = findMisfits(file, params, derived, stored);
  if (misfits.length > 0) {
    file.close();
    const help = "`rmxc params SPEC` lists every parameter with its shape";
    throw new InputError("RMX0602", `the weights file ${path} does not fit the model`, {
      notes: misfits,
      help,
    });
  }
  const known = byPath(params);
  const reads = new KeptReads(known, (param, start, count) => {
    const values = stored.get(param.path)?.read(start, count) ?? file.readFloats(param.path, start, count);
    checkFinite(path, param, start, values);
    return values;
  });
  return {
    read: (name, start, count) => {
      const tensor = stored.get(name);
      // Where scales span the leading axis a piece costs as much as the whole, which is then kept.
      if (tensor === undefined || tensor.splits) return reads.read(name, start, count);
      return reads.read(name, 0, file.info(name).count).subarray(start, start + count);
    },
    has: (name) => file.tensors.has(name),
    storageOf: (name) => stored.get(name)?.storage ?? plainStorage(file, name),
    encoded: (name, span) => {
      const param = known.get(name);
      if (param === undefined) throw new Error(`internal: no parameter ${name}`);
      const from = span.from * countOf(param.shape.slice(1));
      const tensor = stored.get(name);
      const plain = plainStorage(file, name);
      if (tensor === undefined && plain === undefined) return undefined;
      const encoded = tensor?.encoded(span) ?? {
        data: file.readBytes(name, from, countOf(span.shape)),
        scales: new Float32Array(),
      };
      const values = decode(encoded, span.shape, tensor?.storage ?? plain ?? F32_STORAGE);
      checkFinite(path, param, from, values);
      return encoded;
    },
    inputScaleOf: (name) => {
      const tensor = file.tensors.get(inputScaleName(name));
      return tensor === undefined ? undefined : file.readFloats(tensor.name)[0];
    },
    release: () => reads.release(),
    close: () => {
      reads.release();
      file.close();
    },
  };
}

function checkFinite(file: string, param: ParamInfo, start: number, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isFinite(value)) throw notFinite(file, param, start + i, value);
  }
}

function plainStorage(file: SafetensorsFile, name: string): Storage | undefined {
  const dtype = file.tensors.get(name)?.dtype;
  return dtype === "F16" || dtype === "BF16" ? { element: dtype === "F16" ? "f16" : "bf16" } : undefined;
}

/**
 * One line for each parameter that is missing or wrong and for each tensor that the model does not declare. Puts those that are
 * stored with scales into `stored`.
 */
function findMisfits(
  file: SafetensorsFile,
  params: readonly ParamInfo[],
  derived: readonly string[],
  stored: Map<string, StoredTensor>,
): string[] {
  const known = byPath(params);
  const missing: string[] = [];
  const wrong: string[] = [];
  for (const param of params) {
    const tensor = file.tensors.get(param.path);
    if (tensor === undefined) {
      if (!param.training) missing.push(`missing: \`${param.path}\` [${param.shape.join(", ")}]`);
      continue;
    }
    if (
      tensor.shape.length !== param.shape.length ||
      tensor.shape.some((extent, i) => extent !== param.shape[i])
    ) {
      const shapes = `has shape [${tensor.shape.join(", ")}], the model declares [${param.shape.join(", ")}]`;
      wrong.push(`wrong shape: \`${param.path}\` ${shapes}`);
    } else {
      const opened = StoredTensor.open(file, param);
      if (typeof opened === "string") wrong.push(opened);
      else if (opened !== undefined) stored.set(param.path, opened);
    }
  }
  const inputScales = [...params.map(({ path }) => path), ...derived].map(inputScaleName);
  for (const name of inputScales) {
    const tensor = file.tensors.get(name);
    if (tensor !== undefined && (tensor.count !== 1 || !isFloatType(tensor.dtype)))
      wrong.push(`wrong: \`${name}\` is one number, the scale of the activations`);
  }
  const scales = new Set([
    ...params.flatMap(({ path }) => [scaleName(path), zeroName(path)]),
    ...inputScales,
  ]);
  const absent = params.filter((param) => !file.tensors.has(param.path)).map((param) => param.path);
  const unknown = [...file.tensors.keys()]
    .filter((name) => !known.has(name) && !scales.has(name))
    .map((name) => `unknown: \`${name}\`${suggestion(name, absent)}`);
  return [...missing, ...wrong, ...unknown];
}

function suggestion(name: string, candidates: readonly string[]): string {
  if (candidates.length === 0) return "";
  const best = closest(name, candidates);
  return distance(name, best) <= Math.max(2, name.length / 4) ? ` (did you mean \`${best}\`?)` : "";
}

function notFinite(path: string, param: ParamInfo, element: number, value: number): InputError {
  return new InputError("RMX0603", `the weights file ${path} holds a value that is not finite`, {
    notes: [`\`${param.path}\` is ${value} at ${indexText(element, param.shape)}`],
  });
}

/** The index of element `element` (row-major) of a tensor: `[2, 0, 5]`. */
export function indexText(element: number, shape: readonly number[]): string {
  const index: number[] = [];
  let rest = element;
  for (const extent of shape.toReversed()) {
    index.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return `[${index.join(", ")}]`;
}
