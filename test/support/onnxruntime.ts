/** @file ONNX Runtime on the CPU, from its own folder (test/onnx), and the feeds of an exported model. */
import { createRequire } from "node:module";
import { join } from "node:path";
import type { OnnxModel } from "../../backends/onnx/model.ts";
import type { ModelInputs } from "../../src/runtime/inputs.ts";

interface OrtTensor {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly dims: readonly number[];
}

interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

interface Ort {
  readonly InferenceSession: {
    create(model: string | Uint8Array, options: { readonly logSeverityLevel: number }): Promise<OrtSession>;
  };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor;
}

const require = createRequire(join(import.meta.dirname, "../onnx/package.json"));

const ERRORS_ONLY = 3;

/** `npm ci --prefix test/onnx` installs it; npm test does. */
function runtime(): Ort {
  return require("onnxruntime-node") as Ort;
}

/** A model (its path, or its bytes) on ONNX Runtime's CPU; `release` it. */
export function openModel(model: string | Uint8Array): Promise<OrtSession> {
  return runtime().InferenceSession.create(model, { logSeverityLevel: ERRORS_ONLY });
}

/** One call: each output's values. */
export async function runModel(
  session: OrtSession,
  model: Pick<OnnxModel, "inputs">,
  inputs: ModelInputs,
): Promise<ReadonlyMap<string, OrtTensor>> {
  const { Tensor } = runtime();
  const feeds: Record<string, OrtTensor> = {};
  for (const { name, type, dims } of model.inputs) {
    const data = name === "request" ? inputs.request : inputs.features.get(name);
    if (data === undefined) throw new Error(`the exported model has an input ${name}, the spec has not`);
    const sizes = { R: inputs.requests, N: inputs.candidates };
    const shape = dims.map((extent) => (typeof extent === "number" ? extent : sizes[extent as "R" | "N"]));
    feeds[name] = new Tensor(type === "float" ? "float32" : type, data, shape);
  }
  return new Map(Object.entries(await session.run(feeds)));
}
