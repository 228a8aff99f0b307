/**
 * @file The safetensors format: eight bytes of header length (little endian), a JSON header
 * `{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}`, then the tensors' bytes, row-major, little
 * endian. Specification: https://github.com/huggingface/safetensors.
 *
 * The whole header is checked before any tensor is read: every later read is in bounds by construction.
 * Tensors need not be aligned (the format does not ask for it); values are copied out of the file as they are read.
 */
import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { InputError } from "../ir/error.ts";
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

/** What the file holds, as told to a user: weights and inputs report under codes of their own. */
export interface FileRole {
  /** RMX0601 or RMX0701: the file cannot be read as safetensors. */
  readonly code: string;
  /** "weights file", "inputs file". */
  readonly noun: string;
}

/** An open safetensors file. Close it, or its descriptor leaks. */
export class SafetensorsFile {
  readonly path: string;
  readonly role: FileRole;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #fd: number;

  private constructor(path: string, role: FileRole, fd: number, header: Header) {
    this.path = path;
    this.role = role;
    this.#fd = fd;
    this.tensors = header.tensors;
    this.metadata = header.metadata;
  }

  /** Opens `path` and checks its header. Throws an InputError with the role's code that says what is wrong and where. */
  static open(path: string, role: FileRole): SafetensorsFile {
    let fd: number;
    try {
      // Anything else (a directory, a pipe) cannot be read at an offset, and opening a pipe would wait for a writer.
      if (!statSync(path).isFile()) throw new Error("it is not a regular file");
      fd = openSync(path, "r");
    } catch (error) {
      throw new InputError(role.code, `the ${role.noun} ${path} cannot be opened`, {
        notes: [reasonOf(error)],
      });
    }
    try {
      return new SafetensorsFile(path, role, fd, readHeader(fd, path, role));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Elements [start, start + count) of a tensor as f32 (F64 and integers are rounded). */
  readFloats(name: string, start = 0, count = this.info(name).count - start): Float32Array {
    const out = new Float32Array(count);
    const { dtype } = this.info(name);
    if (dtype === "F32") this.#bytes(name, start, new Uint8Array(out.buffer));
    else dtypes[dtype].toFloats(this.#view(name, start, count), out);
    return out;
  }

  /** Elements [start, start + count) of an integer tensor; calls `bad(element, value)` for the first one beyond i32. */
  readInts(name: string, bad: (element: number, value: bigint) => never): Int32Array {
    const { count, dtype } = this.info(name);
    const out = new Int32Array(count);
    const { toInts } = dtypes[dtype];
    if (toInts === undefined) throw new Error(`internal: ${name} is ${dtype}, not integers`);
    toInts(this.#view(name, 0, count), out, bad);
    return out;
  }

  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info === undefined) throw new Error(`internal: no tensor ${name} in ${this.path}`);
    return info;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #view(name: string, start: number, count: number): DataView {
    const bytes = new Uint8Array(count * dtypes[this.info(name).dtype].bytes);
    this.#bytes(name, start, bytes);
    return new DataView(bytes.buffer);
  }

  #bytes(name: string, start: number, into: Uint8Array): void {
    const { offset, dtype, count } = this.info(name);
    const size = dtypes[dtype].bytes;
    if (start < 0 || start * size + into.length > count * size) {
      throw new Error(`internal: read beyond ${name}: ${start} + ${into.length / size} of ${count}`);
    }
    if (!readFully(this.#fd, into, offset + start * size)) {
      throw new InputError(
        this.role.code,
        `the ${this.role.noun} ${this.path} became shorter while it was read`,
      );
    }
  }
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code === "ENOENT"
    ? "there is no such file"
    : (error as Error).message;
}

/** False if the file ends before `into` is full. */
function readFully(fd: number, into: Uint8Array, position: number): boolean {
  // One read call takes at most 2 GiB.
  const largest = 1 << 30;
  for (let done = 0; done < into.length; ) {
    const got = readSync(fd, into, done, Math.min(largest, into.length - done), position + done);
    if (got === 0) return false;
    done += got;
  }
  return true;
}

interface Header {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

function readHeader(fd: number, path: string, role: FileRole): Header {
  const malformed = (what: string): InputError =>
    new InputError(role.code, `the ${role.noun} ${path} is not a well-formed safetensors file`, {
      notes: [what],
    });

  const { size } = fstatSync(fd);
  const lengthBytes = new Uint8Array(LENGTH_BYTES);
  if (size < LENGTH_BYTES || !readFully(fd, lengthBytes, 0)) {
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
  readFully(fd, bytes, LENGTH_BYTES);

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

/** Writes `tensors` to `path`, under another name until it is whole, so that no reader sees half a file. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata?: Readonly<Record<string, string>>,
): void {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let end = 0;
  for (const [name, { shape, data }] of tensors) {
    if (shape.reduce((product, extent) => product * extent, 1) !== data.length) {
      throw new Error(`internal: ${name} has ${data.length} elements for the shape [${shape.join(", ")}]`);
    }
    const begin = end;
    end += data.byteLength;
    header[name] = { dtype: dtypeOf(data), shape, data_offsets: [begin, end] };
  }
  let text = JSON.stringify(header);
  // Spaces up to a multiple of eight align the data for readers that map the file into memory.
  const bytes = new TextEncoder().encode(text).length;
  text += " ".repeat((8 - (bytes % 8)) % 8);
  const encoded = new TextEncoder().encode(text);
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setBigUint64(0, BigInt(encoded.length), true);

  const temporary = `${path}.${process.pid}.part`;
  let fd: number | undefined;
  try {
    fd = openSync(temporary, "w");
    writeFully(fd, length);
    writeFully(fd, encoded);
    for (const { data } of tensors.values()) {
      writeFully(fd, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    closeSync(fd);
    fd = undefined;
    renameSync(temporary, path);
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    rmSync(temporary, { force: true });
    throw new InputError("RMX0702", `${path} cannot be written`, { notes: [(error as Error).message] });
  }
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, Math.min(1 << 30, bytes.length - done));
  }
}

function dtypeOf(data: TensorData["data"]): DTypeName {
  if (data instanceof Float64Array) return "F64";
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Int32Array) return "I32";
  if (data instanceof BigInt64Array) return "I64";
  return data instanceof Int8Array ? "I8" : "U8";
}
