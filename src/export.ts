/**
 * @file `rmxc export` as a function: spec in, an ONNX model on disk out. Constants are written inside the model, or into a file
 * beside it where a protobuf message could not hold them; either way their bytes are made as they are written.
 */
import { basename } from "node:path";
import { exportGraph, type OnnxOptions, REQUEST_INPUT } from "../backends/onnx/export.ts";
import { byteSize, type Initializer, type OnnxModel } from "../backends/onnx/model.ts";
import { type ExternalPlace, encodeModel } from "../backends/onnx/schema.ts";
import type { Diagnostic, Sources } from "../grammar/diagnostics.ts";
import { splitGraph } from "../passes/pipeline.ts";
import { writeChunksAtomic, writeFileAtomic } from "./files.ts";
import { InputError } from "./ir/error.ts";
import type { Graph } from "./ir/graph.ts";
import { scaledDerived } from "./ir/storage.ts";
import { drawnWeights } from "./runtime/drawn.ts";
import { fileWeights } from "./runtime/fileweights.ts";
import type { WeightSource } from "./runtime/weights.ts";
import { elaborateSpec, type SpecOptions } from "./spec.ts";

export interface ExportOptions extends SpecOptions, OnnxOptions {
  /** A safetensors file, or a source of values. Default: drawn from `seed`, gains and biases perturbed, as `rmxc run` does. */
  readonly weights?: string | WeightSource;
  /** Default 0. */
  readonly seed?: number;
  /** True: constants lie in OUT.data beside the model. Default: only where the model would not hold them. */
  readonly externalData?: boolean;
  /** Bytes of constants written so far, of all. */
  onProgress?(done: number, total: number): void;
}

export interface Exported {
  readonly model: OnnxModel;
  /** The model, and the file of its constants where there is one. */
  readonly files: readonly string[];
  /** Of all constants. */
  readonly constantBytes: number;
  readonly warnings: readonly Diagnostic[];
  readonly sources: Sources;
}

/** A protobuf message ends at 2 GiB; the nodes have the rest. */
const INSIDE_LIMIT = 2 ** 31 - 2 ** 26;
/** The format's advice, so that a reader may map the file. */
const ALIGNMENT = 4096;
/** Shapes, axes and the like stay in the model: shape inference wants to see them. */
const SMALLEST_EXTERNAL = 1024;

/** The ONNX model of an elaborated Graph. Throws RMX0530 where a name would mean two things in it. */
export function onnxModel(graph: Graph, weights: WeightSource, options: OnnxOptions = {}): OnnxModel {
  checkNames(graph, options);
  return exportGraph(splitGraph(graph, { reuse: options.reuse ?? true }), weights, options);
}

/**
 * Writes the model of `specPath` to `out`, whole or not at all. Throws a DiagnosticError with every error of the spec, and an
 * InputError for weights that do not fit it or a place that cannot be written.
 */
export function exportSpec(specPath: string, out: string, options: ExportOptions = {}): Exported {
  const { graph, diagnostics, sources } = elaborateSpec(specPath, options);
  const weights = openWeights(graph, options);
  try {
    const model = onnxModel(graph, weights, options);
    const constantBytes = model.initializers.reduce((sum, tensor) => sum + byteSize(tensor), 0);
    const files = writeModel(model, out, options.externalData ?? constantBytes > INSIDE_LIMIT, (done) =>
      options.onProgress?.(done, constantBytes),
    );
    return { model, files, constantBytes, warnings: diagnostics, sources };
  } finally {
    if (typeof options.weights !== "object") weights.close();
  }
}

function openWeights(graph: Graph, { weights, seed = 0 }: ExportOptions): WeightSource {
  if (weights === undefined) return drawnWeights(graph.params, { seed, perturb: true });
  return typeof weights === "string" ? fileWeights(weights, graph.params, scaledDerived(graph)) : weights;
}

/** Inputs are called as features and outputs as tasks, and a name is one value in ONNX. */
function checkNames(graph: Graph, { logits = false }: OnnxOptions): void {
  const inputs = new Set([REQUEST_INPUT, ...graph.features.map(({ name }) => name)]);
  const outputs = graph.outputs.flatMap(({ name, logit }) =>
    logits && logit ? [name, `${name}.logit`] : [name],
  );
  const twice = outputs.filter((name, k) => inputs.has(name) || outputs.indexOf(name) !== k);
  const reserved = graph.features.some(({ name }) => name === REQUEST_INPUT) ? [REQUEST_INPUT] : [];
  if (twice.length + reserved.length === 0) return;
  throw new InputError("RMX0530", "a name would mean two values in the exported model", {
    notes: [...reserved, ...twice].map((name) => `\`${name}\``),
    help: "rename the feature or the task",
  });
}

/** The files written: the constants first, so that a model never names a file that is not there. */
function writeModel(
  model: OnnxModel,
  out: string,
  external: boolean,
  onBytes: (done: number) => void,
): readonly string[] {
  let done = 0;
  const counted = model.initializers.map(
    (tensor): Initializer => ({
      ...tensor,
      *chunks() {
        for (const chunk of tensor.chunks()) {
          yield chunk;
          done += chunk.length;
          onBytes(done);
        }
      },
    }),
  );
  if (!external) {
    writeFileAtomic(out, encodeModel({ ...model, initializers: counted }));
    return [out];
  }
  const data = `${out}.data`;
  const places = placesIn(basename(data), counted);
  writeChunksAtomic(data, laidOut(places));
  const place = (tensor: Initializer): ExternalPlace | undefined => places.get(tensor);
  writeFileAtomic(out, encodeModel({ ...model, initializers: counted }, place));
  return [out, data];
}

function placesIn(location: string, tensors: readonly Initializer[]): Map<Initializer, ExternalPlace> {
  const places = new Map<Initializer, ExternalPlace>();
  let end = 0;
  for (const tensor of tensors) {
    const size = byteSize(tensor);
    if (size < SMALLEST_EXTERNAL) continue;
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    places.set(tensor, { location, offset });
    end = offset + size;
  }
  return places;
}

function* laidOut(places: ReadonlyMap<Initializer, ExternalPlace>): Iterable<Uint8Array> {
  let at = 0;
  for (const [tensor, { offset }] of places) {
    if (offset > at) yield new Uint8Array(offset - at);
    yield* tensor.chunks();
    at = offset + byteSize(tensor);
  }
}
