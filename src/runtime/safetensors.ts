/**
 * @file The safetensors format: eight bytes of header length (little endian), a JSON header
 * `{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}`, then the tensors' bytes, row-major, little
 * endian. Specification: https://github.com/huggingface/safetensors.
 *
 * The whole header is checked before any tensor is read: every later read is in bounds by construction.
 * Tensors need not be aligned (the format does not ask for it); values are copied out of the file as they are read.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { InputError } from "../ir/error.ts";
import { dtypes } from "./dtypes.ts";
import { type Header, readHeader, type TensorInfo } from "./safetensorsheader.ts";

export type { TensorData, TensorInfo } from "./safetensorsheader.ts";
export { writeSafetensors } from "./safetensorswriter.ts";

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
      const source = {
        size: fstatSync(fd).size,
        read: (into: Uint8Array, position: number) => readFully(fd, into, position),
      };
      const malformed = (what: string): InputError =>
        new InputError(role.code, `the ${role.noun} ${path} is not a well-formed safetensors file`, {
          notes: [what],
        });
      return new SafetensorsFile(path, role, fd, readHeader(source, malformed));
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

  /** The bytes of elements [start, start + count) as they are in the file. */
  readBytes(name: string, start: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count * dtypes[this.info(name).dtype].bytes);
    this.#bytes(name, start, bytes);
    return bytes;
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
    return new DataView(this.readBytes(name, start, count).buffer);
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
