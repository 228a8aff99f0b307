/**
 * @file Writing safetensors: the header first, then the tensors' bytes in its order, piece by piece, so that a file may be larger than
 * memory. It grows under another name until it is whole: no reader sees half a file.
 */
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { InputError } from "../ir/error.ts";
import { bytesOf, headerBytes, specsOf, type TensorData, type TensorSpec } from "./safetensorsheader.ts";

export class SafetensorsWriter {
  readonly #path: string;
  readonly #temporary: string;
  /** Undefined once the file is closed. */
  #fd: number | undefined;
  #missing: number;

  /** Begins the file `path` of these tensors. Throws RMX0702 where it cannot be written, as all methods do. */
  constructor(
    path: string,
    tensors: ReadonlyMap<string, TensorSpec>,
    metadata?: Readonly<Record<string, string>>,
  ) {
    this.#path = path;
    this.#temporary = `${path}.${process.pid}.part`;
    this.#missing = 0;
    this.#writing(() => {
      this.#fd = openSync(this.#temporary, "w");
    });
    const header = headerBytes(tensors, metadata);
    this.#missing = header.length + [...tensors.values()].reduce((sum, spec) => sum + bytesOf(spec), 0);
    this.write(header);
  }

  /** The next bytes of the file. */
  write(bytes: Uint8Array): void {
    this.#missing -= bytes.length;
    this.#writing((fd) => {
      // One write call takes at most 2 GiB.
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(fd, bytes, done, Math.min(1 << 30, bytes.length - done));
      }
    });
  }

  /** Gives the file its name; all bytes must have been written. */
  finish(): void {
    if (this.#missing !== 0)
      throw new Error(`internal: ${this.#missing} bytes of ${this.#path} are not written`);
    this.#writing((fd) => {
      closeSync(fd);
      this.#fd = undefined;
      renameSync(this.#temporary, this.#path);
    });
  }

  /** Leaves no trace of the file unless it was finished. */
  abandon(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    rmSync(this.#temporary, { force: true });
  }

  #writing(work: (fd: number) => void): void {
    try {
      work(this.#fd ?? -1);
    } catch (error) {
      this.abandon();
      rmSync(this.#temporary, { force: true });
      throw new InputError("RMX0702", `${this.#path} cannot be written`, {
        notes: [(error as Error).message],
      });
    }
  }
}

/** Writes `tensors` to `path`, whole or not at all. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata?: Readonly<Record<string, string>>,
): void {
  const writer = new SafetensorsWriter(path, specsOf(tensors), metadata);
  for (const { data } of tensors.values()) {
    writer.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  writer.finish();
}
