/**
 * @file The header of a safetensors file, checked and made: eight bytes of length (little endian), then the JSON
 * `{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}`. See safetensors.ts.
 *
 * The whole header is checked before any tensor is read: every later read is in bounds by construction.
 */
import type { InputError } from "../ir/error.ts";
import { type DTypeName, dtypes, isDTypeName } from "./dtypes.ts";
import { topLevelKeys } from "./jsonkeys.ts";

export interface TensorInfo {
  readonly name: string;
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly count: number;
  /** Bytes from the file's start. */
  readonly offset: number;
}

const LENGTH_BYTES = 8;
/** The reference implementation's cap: a longer header is a broken length, not a big model. */
const MAX_HEADER_BYTES = 100_000_000;
/** No address space holds more; it keeps products of extents exact. */
const MAX_ELEMENTS = 2 ** 48;

export interface Header {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Where the bytes are: a file or memory. */
export interface ByteSource {
  readonly size: number;
  /** False if the source ends before `into` is full. */
  read(into: Uint8Array, position: number): boolean;
}

/** Throws what `malformed` makes of the first thing that is wrong. */
export function readHeader(source: ByteSource, malformed: (what: string) => InputError): Header {
  const { size } = source;
  const lengthBytes = new Uint8Array(LENGTH_BYTES);
  if (size < LENGTH_BYTES || !source.read(lengthBytes, 0)) {
    throw malformed(`it has ${size} bytes; the header's length alone takes ${LENGTH_BYTES}`);
  }
  const claimed = new DataView(lengthBytes.buffer).getBigUint64(0, true);
  if (claimed > MAX_HEADER_BYTES) {
    throw malformed(`its header claims ${claimed} bytes; the limit is ${MAX_HEADER_BYTES}`);
  }
  const length = Number(claimed);
  if (LENGTH_BYTES + length > size) {
    throw malformed(
      `it is truncated: its header claims ${length} bytes, the file has ${size - LENGTH_BYTES} after the length`,
    );
  }
  const bytes = new Uint8Array(length);
  source.read(bytes, LENGTH_BYTES);

  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (error) {
    throw malformed(`its header is not JSON: ${(error as Error).message}`);
  }
  if (!isObject(json)) throw malformed("its header is not a JSON object");
  const seen = new Set<string>();
  for (const key of topLevelKeys(text)) {
    if (seen.has(key)) throw malformed(`\`${key}\` appears twice in its header`);
    seen.add(key);
  }

  const dataStart = LENGTH_BYTES + length;
  const tensors = new Map<string, TensorInfo>();
  const spans: { name: string; begin: number; end: number }[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, entry] of Object.entries(json)) {
    if (name === "__metadata__") {
      if (!isObject(entry) || !Object.values(entry).every((value) => typeof value === "string")) {
        throw malformed("`__metadata__` is not an object of strings");
      }
      metadata = entry as Record<string, string>;
      continue;
    }
    const { info, begin, end } = readEntry(name, entry, dataStart, malformed);
    if (dataStart + end > size) {
      throw malformed(`it is truncated: \`${name}\` ends at byte ${dataStart + end}, the file at ${size}`);
    }
    tensors.set(name, info);
    if (end > begin) spans.push({ name, begin, end });
  }

  spans.sort((a, b) => a.begin - b.begin);
  let at = 0;
  let before = "the header";
  for (const { name, begin, end } of spans) {
    if (begin < at) throw malformed(`\`${name}\` overlaps \`${before}\``);
    if (begin > at)
      throw malformed(`${begin - at} bytes between ${before} and \`${name}\` belong to no tensor`);
    at = end;
    before = name;
  }
  if (dataStart + at !== size)
    throw malformed(`${size - dataStart - at} bytes at its end belong to no tensor`);
  return { tensors, metadata };
}

function readEntry(
  name: string,
  entry: unknown,
  dataStart: number,
  malformed: (what: string) => InputError,
): { info: TensorInfo; begin: number; end: number } {
  if (!isObject(entry)) throw malformed(`\`${name}\` is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDTypeName(dtype)) {
    const supported = Object.keys(dtypes).join(", ");
    throw malformed(`\`${name}\` has the element type ${JSON.stringify(dtype)}; supported are ${supported}`);
  }
  if (!isSizes(shape))
    throw malformed(`\`${name}\` has the shape ${JSON.stringify(shape)}, not a list of sizes`);
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (count > MAX_ELEMENTS) throw malformed(`\`${name}\` claims ${count} elements`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw malformed(`\`${name}\` has the data_offsets ${JSON.stringify(offsets)}, not [begin, end]`);
  }
  const [begin = 0, end = 0] = offsets;
  const wanted = count * dtypes[dtype].bytes;
  if (end - begin !== wanted) {
    throw malformed(
      `\`${name}\` takes ${end - begin} bytes, but ${dtype} [${shape.join(", ")}] takes ${wanted}`,
    );
  }
  return { info: { name, dtype, shape, count, offset: dataStart + begin }, begin, end };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.every((v) => typeof v === "number" && Number.isSafeInteger(v) && v >= 0)
  );
}

/** A tensor to write: the array's type gives the element type. */
export interface TensorData {
  readonly shape: readonly number[];
  readonly data: Float64Array | Float32Array | Int32Array | Uint8Array | Int8Array | BigInt64Array;
}

/** A tensor to write, without its values. */
export interface TensorSpec {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
}

export function specsOf(tensors: ReadonlyMap<string, TensorData>): Map<string, TensorSpec> {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => {
      if (bytesOf({ dtype: dtypeOf(data), shape }) !== data.byteLength) {
        throw new Error(`internal: ${name} has ${data.length} elements for the shape [${shape.join(", ")}]`);
      }
      return [name, { dtype: dtypeOf(data), shape }];
    }),
  );
}

export function bytesOf({ dtype, shape }: TensorSpec): number {
  return shape.reduce((product, extent) => product * extent, dtypes[dtype].bytes);
}

/** Length and JSON, the first bytes of a file that holds `tensors` in order. */
export function headerBytes(
  tensors: ReadonlyMap<string, TensorSpec>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let end = 0;
  for (const [name, { dtype, shape }] of tensors) {
    const begin = end;
    end += bytesOf({ dtype, shape });
    header[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  // Spaces up to a multiple of eight align the data for readers that map the file into memory.
  const bytes = new Uint8Array(LENGTH_BYTES + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - LENGTH_BYTES), true);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}

function dtypeOf(data: TensorData["data"]): DTypeName {
  if (data instanceof Float64Array) return "F64";
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Int32Array) return "I32";
  if (data instanceof BigInt64Array) return "I64";
  return data instanceof Int8Array ? "I8" : "U8";
}
