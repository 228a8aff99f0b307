/**
 * @file Weights from a safetensors file, by parameter path. The file is held against the model before a value is read, and
 * everything that does not fit is listed at once. Values are checked to be finite as they are read: other parameters when
 * the engine loads them, a table's rows when they are looked up (a table may be larger than memory).
 */
import { closest, distance } from "fastest-levenshtein";
import { InputError } from "../ir/error.ts";
import type { ParamInfo } from "../ir/graph.ts";
import { SafetensorsFile } from "./safetensors.ts";
import { byPath, KeptReads, type WeightSource } from "./weights.ts";

const role = { code: "RMX0601", noun: "weights file" } as const;

const floatTypes: ReadonlySet<string> = new Set(["F64", "F32", "F16", "BF16"]);

/** Opens `path` for the parameters of a model. Throws RMX0601 (not a safetensors file), RMX0602 (does not fit the model). */
export function fileWeights(path: string, params: readonly ParamInfo[]): WeightSource {
  const file = SafetensorsFile.open(path, role);
  const misfits = findMisfits(file, params);
  if (misfits.length > 0) {
    file.close();
    const help = "`rmxc params SPEC` lists every parameter with its shape";
    throw new InputError("RMX0602", `the weights file ${path} does not fit the model`, {
      notes: misfits,
      help,
    });
  }
  const reads = new KeptReads(byPath(params), (param, start, count) => {
    const values = file.readFloats(param.path, start, count);
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? NaN;
      if (!Number.isFinite(value)) throw notFinite(path, param, start + i, value);
    }
    return values;
  });
  return {
    read: (name, start, count) => reads.read(name, start, count),
    has: (name) => file.tensors.has(name),
    release: () => reads.release(),
    close: () => {
      reads.release();
      file.close();
    },
  };
}

/** One line for each parameter that is missing or wrong and for each tensor that the model does not declare. */
function findMisfits(file: SafetensorsFile, params: readonly ParamInfo[]): string[] {
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
    }
    if (!floatTypes.has(tensor.dtype)) {
      wrong.push(
        `wrong type: \`${param.path}\` is ${tensor.dtype}; a parameter is one of ${[...floatTypes].join(", ")}`,
      );
    }
  }
  const absent = params.filter((param) => !file.tensors.has(param.path)).map((param) => param.path);
  const unknown = [...file.tensors.keys()]
    .filter((name) => !known.has(name))
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
