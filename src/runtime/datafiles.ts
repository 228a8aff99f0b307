/** @file Inputs read from and scores written to safetensors files. */
import type { FeatureInfo } from "../ir/graph.ts";
import { isFloatType } from "./dtypes.ts";
import {
  checkInputs,
  checkRequest,
  type FeatureArray,
  type FeatureValues,
  featureType,
  type ModelInputs,
  misfit,
  notI32,
} from "./inputs.ts";
import { SafetensorsFile, type TensorData, type TensorInfo, writeSafetensors } from "./safetensors.ts";

const role = { code: "RMX0701", noun: "inputs file" } as const;
const REQUEST = "request";

/**
 * The inputs in a file: user features `[R, …]`, item features `[N, …]`, `NAME.length` where lists are padded (absent: all
 * entries are real), `request` [N] where R > 1. Throws RMX0701 and what `checkInputs` throws.
 */
export function readInputs(path: string, features: readonly FeatureInfo[]): ModelInputs {
  const file = SafetensorsFile.open(path, role);
  try {
    checkShapes(file, features);
    const values = { user: read(file, features, "user"), item: read(file, features, "item") };
    const request = file.tensors.has(REQUEST) ? readRequest(file) : undefined;
    const user = checkInputs(features, "user", values.user);
    const item = checkInputs(features, "item", values.item, request?.length);
    return {
      requests: user.rows,
      candidates: item.rows,
      request: checkRequest(request, item.rows, user.rows),
      features: new Map([...user.features, ...item.features]),
    };
  } finally {
    file.close();
  }
}

/** Names, element types and shapes, all at once. */
function checkShapes(file: SafetensorsFile, features: readonly FeatureInfo[]): void {
  const wrong: string[] = [];
  for (const feature of features) {
    const tensor = file.tensors.get(feature.name);
    if (tensor === undefined) {
      if (feature.lengthOf === undefined) wrong.push(`missing: \`${feature.name}\` ${featureType(feature)}`);
      continue;
    }
    const problem = shapeProblem(tensor, feature) ?? typeProblem(tensor, feature);
    if (problem !== undefined) wrong.push(problem);
  }
  const known = new Set(features.map((feature) => feature.name));
  for (const [name, tensor] of file.tensors) {
    if (name === REQUEST && !known.has(name)) {
      if (tensor.shape.length !== 1 || isFloatType(tensor.dtype)) {
        wrong.push(`wrong: \`request\` is ${tensorType(tensor)}, it must be integers [N]`);
      }
    } else if (!known.has(name)) wrong.push(`unknown: \`${name}\` is no feature of the model`);
  }
  if (wrong.length > 0) throw misfit(`the inputs file ${file.path} does not fit the model`, wrong);
}

function shapeProblem(tensor: TensorInfo, feature: FeatureInfo): string | undefined {
  const [, ...inner] = tensor.shape;
  const fits =
    tensor.shape.length === feature.shape.length + 1 &&
    inner.every((extent, i) => extent === feature.shape[i]);
  return fits
    ? undefined
    : `wrong shape: \`${feature.name}\` is ${tensorType(tensor)}, the model declares ${featureType(feature)}`;
}

function typeProblem(tensor: TensorInfo, feature: FeatureInfo): string | undefined {
  const integers = !isFloatType(tensor.dtype);
  return feature.dtype === "f32" || integers
    ? undefined
    : `wrong type: \`${feature.name}\` is ${tensorType(tensor)}, the model declares ${featureType(feature)}`;
}

function tensorType(tensor: TensorInfo): string {
  return `${tensor.dtype} [${tensor.shape.join(", ")}]`;
}

function read(
  file: SafetensorsFile,
  features: readonly FeatureInfo[],
  stage: "user" | "item",
): FeatureValues {
  const values: Record<string, FeatureArray> = {};
  for (const feature of features) {
    if (feature.stage !== stage || !file.tensors.has(feature.name)) continue;
    values[feature.name] =
      feature.dtype === "f32"
        ? file.readFloats(feature.name)
        : file.readInts(feature.name, (at, value) => {
            throw notI32(feature, at, value);
          });
  }
  return values;
}

function readRequest(file: SafetensorsFile): Int32Array {
  const feature: FeatureInfo = { name: REQUEST, stage: "item", dtype: "i32", shape: [] };
  return file.readInts(REQUEST, (at, value) => {
    throw notI32(feature, at, value);
  });
}

/** Writes each task's scores under its name: [N], or [N, m] for a task of shape [m]. Throws RMX0702. */
export function writeOutputs(
  path: string,
  scores: ReadonlyMap<string, Float32Array>,
  outputs: readonly { readonly task: string; readonly shape: readonly number[] }[],
): void {
  const tensors = new Map<string, TensorData>();
  for (const { task, shape } of outputs) {
    const data = scores.get(task);
    if (data === undefined) throw new Error(`internal: no scores for ${task}`);
    const inner = shape.length === 1 && shape[0] === 1 ? [] : shape;
    const unit = inner.reduce((product, extent) => product * extent, 1);
    tensors.set(task, { shape: [data.length / unit, ...inner], data });
  }
  writeSafetensors(path, tensors);
}

/** Writes inputs in the form that `readInputs` takes. */
export function writeInputs(path: string, inputs: ModelInputs, features: readonly FeatureInfo[]): void {
  const tensors = new Map<string, TensorData>();
  for (const feature of features) {
    const data = inputs.features.get(feature.name);
    if (data === undefined) throw new Error(`internal: no values for ${feature.name}`);
    const rows = feature.stage === "user" ? inputs.requests : inputs.candidates;
    tensors.set(feature.name, { shape: [rows, ...feature.shape], data });
  }
  if (inputs.requests > 1) tensors.set(REQUEST, { shape: [inputs.candidates], data: inputs.request });
  writeSafetensors(path, tensors);
}
