/**
 * @file Converts weights to the storage types of a model: reads each parameter piece by piece, encodes it, measures the error, and
 * writes codes, scales and zero points where a file is asked for. No more than one piece is in memory beside a parameter's scales.
 */
import { decode, encode } from "../ir/codecs/codec.ts";
import { splitsByRow } from "../ir/codecs/span.ts";
import type { Graph, ParamInfo } from "../ir/graph.ts";
import { elementBytes, F32_STORAGE, inputScaleName, scaleShape, storedBytes } from "../ir/storage.ts";
import type { TensorSpec } from "../runtime/safetensorsheader.ts";
import { SafetensorsWriter } from "../runtime/safetensorswriter.ts";
import { fileTypes, groupName, scaleName, zeroName } from "../runtime/storedtensor.ts";
import { countOf, type WeightSource } from "../runtime/weights.ts";
import { ErrorMeter, type TensorError } from "./tensorerror.ts";

export interface TensorReport {
  readonly param: ParamInfo;
  /** In the source and as stored now. */
  readonly bytes: { readonly before: number; readonly after: number };
  /** Undefined for a parameter that stays in f32. */
  readonly error: TensorError | undefined;
}

export interface ConvertOptions {
  /** Calibrated scales of activations, by the path of the parameter that they are read with. */
  readonly inputScales: ReadonlyMap<string, number>;
  /** Where to write; absent: errors are measured alone, those of very large parameters on a sample. */
  readonly output?: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Elements of a piece, where the parameter splits into such. */
const PIECE = 1 << 20;
/** Without an output no more elements of a parameter than this are looked at. */
const SAMPLE = 1 << 22;

/** Parameters for training that the weights lack are left out. Throws what reading and writing throw. */
export function convert(graph: Graph, weights: WeightSource, options: ConvertOptions): TensorReport[] {
  const params = graph.params.filter(({ path }) => weights.has(path));
  const writer =
    options.output === undefined
      ? undefined
      : new SafetensorsWriter(
          options.output,
          tensorsOf(params, options.inputScales),
          metadataOf(graph, params),
        );
  const total = params.reduce((sum, { shape }) => sum + countOf(shape), 0);
  let done = 0;
  try {
    const reports = params.map((param) => {
      const error = convertOne(param, weights, writer, (count) => options.onProgress?.(done + count, total));
      const inputScale = options.inputScales.get(param.path);
      if (inputScale !== undefined) writer?.write(bytesOf(Float32Array.of(inputScale)));
      done += countOf(param.shape);
      options.onProgress?.(done, total);
      const before = storedBytes(param.shape, weights.storageOf?.(param.path) ?? F32_STORAGE);
      return { param, bytes: { before, after: storedBytes(param.shape, param.storage) }, error };
    });
    // Those of derived values, which have no tensor of their own.
    for (const scale of scalesAlone(params, options.inputScales).values())
      writer?.write(bytesOf(Float32Array.of(scale)));
    writer?.finish();
    return reports;
  } finally {
    writer?.abandon();
  }
}

/** The file's tensors in the order in which they are written. */
function tensorsOf(
  params: readonly ParamInfo[],
  inputScales: ReadonlyMap<string, number>,
): Map<string, TensorSpec> {
  const tensors = new Map<string, TensorSpec>();
  for (const { path, shape, storage } of params) {
    tensors.set(path, { dtype: fileTypes[storage.element], shape });
    if (storage.scale !== undefined) {
      const scales = scaleShape(shape, storage.scale);
      tensors.set(scaleName(path), { dtype: "F32", shape: scales });
      if (!storage.scale.symmetric) tensors.set(zeroName(path), { dtype: "I8", shape: scales });
    }
    if (inputScales.has(path)) tensors.set(inputScaleName(path), { dtype: "F32", shape: [] });
  }
  for (const path of scalesAlone(params, inputScales).keys())
    tensors.set(inputScaleName(path), { dtype: "F32", shape: [] });
  return tensors;
}

/** The scales of activations that no parameter is multiplied with. */
function scalesAlone(
  params: readonly ParamInfo[],
  inputScales: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const known = new Set(params.map(({ path }) => path));
  return new Map([...inputScales].filter(([path]) => !known.has(path)));
}

function metadataOf(graph: Graph, params: readonly ParamInfo[]): Record<string, string> {
  const groups = params.flatMap(({ path, storage: { scale } }) =>
    scale?.group === undefined ? [] : [[groupName(path), String(scale.group)] as const],
  );
  return { model: graph.name, ...Object.fromEntries(groups) };
}

function convertOne(
  param: ParamInfo,
  weights: WeightSource,
  writer: SafetensorsWriter | undefined,
  onElements: (done: number) => void,
): TensorError | undefined {
  const { path, storage } = param;
  const unchanged = storage.element === "f32";
  if (unchanged && writer === undefined) return undefined;
  const meter = new ErrorMeter(storage);
  const scales: Float32Array[] = [];
  const zeros: Int8Array[] = [];
  const sample = writer === undefined ? SAMPLE : Infinity;
  for (const { start, shape: piece } of pieces(param, sample)) {
    const count = countOf(piece);
    const values = weights.read(path, start, count);
    const encoded = encode(values, piece, storage);
    writer?.write(encoded.data.subarray(0, count * elementBytes[storage.element]));
    scales.push(encoded.scales);
    if (encoded.zeros !== undefined) zeros.push(encoded.zeros);
    if (!unchanged) meter.add(values, decode(encoded, piece, storage), piece, start);
    onElements(start + count);
  }
  weights.release();
  for (const part of [...scales, ...zeros]) writer?.write(bytesOf(part));
  return unchanged ? undefined : meter.result();
}

/** Runs of rows that have scales of their own, spread evenly over a parameter that is sampled; else all of it. */
function* pieces(
  { shape, storage }: ParamInfo,
  sample: number,
): Generator<{ readonly start: number; readonly shape: readonly number[] }> {
  const unit = countOf(shape.slice(1));
  if (!splitsByRow(shape, storage) || unit === 0) {
    yield { start: 0, shape };
    return;
  }
  const [rows, ...rest] = shape;
  const step = Math.max(1, Math.floor(PIECE / unit));
  const count = Math.ceil(rows / step);
  const stride = Math.max(1, Math.ceil((rows * unit) / sample));
  for (let piece = 0; piece < count; piece += stride) {
    const from = piece * step;
    yield { start: from * unit, shape: [Math.min(step, rows - from), ...rest] };
  }
}

function bytesOf(array: Float32Array | Int8Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
