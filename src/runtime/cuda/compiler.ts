/**
 * @file From a kernel's text to machine code: out of the cache on disk where it has been compiled before, else by NVRTC, else by
 * `nvcc`, several kernels at a time. A file of the cache is named by a hash of the text, the architecture, the options, and the
 * compiler and its version: everything that the machine code depends on.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { InputError } from "../../ir/error.ts";
import { cacheFolder } from "../cachefolder.ts";
import { KernelRefused } from "../refusal.ts";
import type { Native } from "./native.ts";
import { openNvcc } from "./nvcc.ts";
import { openNvrtc } from "./nvrtc.ts";
import { OPTIONS, type Toolchain } from "./toolchain.ts";

/** libuv has so many threads for NVRTC by default; more `nvcc`s at a time take too much memory. */
const MOST_AT_A_TIME = 4;
/** Lines of a compiler's log that an error shows. */
const SHOWN_LINES = 12;

export interface Image {
  readonly bytes: Uint8Array;
  /** It came from the cache. */
  readonly cached: boolean;
}

/** Every compiler that can be found, NVRTC first, and why the others cannot. */
export function findToolchains(
  native: Native,
  driverVersion: number,
): { readonly toolchains: readonly Toolchain[]; readonly failures: readonly string[] } {
  const found = [openNvrtc(native, driverVersion), openNvcc()];
  return {
    toolchains: found.flatMap((each) => ("toolchain" in each ? [each.toolchain] : [])),
    failures: found.flatMap((each) => ("failures" in each ? each.failures : [])),
  };
}

export class Compiler {
  readonly arch: string;
  readonly toolchain: Toolchain;
  readonly #folder: string;
  readonly #waiting: (() => void)[] = [];
  #free = Math.min(MOST_AT_A_TIME, availableParallelism());
  /** Kernels that were compiled and not found in the cache. */
  compiled = 0;

  constructor(toolchain: Toolchain, arch: string, folder = join(cacheFolder(), "cubins")) {
    this.toolchain = toolchain;
    this.arch = arch;
    this.#folder = folder;
  }

  /** Throws RMX0825 where there is no compiler. */
  static find(native: Native, driverVersion: number, arch: string): Compiler {
    const { toolchains, failures } = findToolchains(native, driverVersion);
    const [best] = toolchains;
    if (best !== undefined) return new Compiler(best, arch);
    throw new InputError("RMX0825", "there is no CUDA compiler: neither NVRTC nor nvcc", {
      notes: failures,
      help: "`pip install nvidia-cuda-nvrtc-cu12`, a CUDA toolkit, or `RMXC_NVRTC` with the path of a libnvrtc",
    });
  }

  /** Throws RMX0803 with the compiler's messages. */
  async image(name: string, text: string): Promise<Image> {
    const path = this.#place(text);
    const bytes = read(path);
    if (bytes !== undefined) return { bytes, cached: true };
    return this.#inTurn(async () => {
      const result = await this.toolchain.compile(name, text, this.arch);
      if (!result.ok) throw this.#refusal(name, result.log);
      this.compiled++;
      this.#keep(path, result.image);
      return { bytes: result.image, cached: false };
    });
  }

  /** Compiles again what the device did not take from the cache. */
  forget(text: string): void {
    rmSync(this.#place(text), { force: true });
  }

  #place(text: string): string {
    const { name, version } = this.toolchain;
    const key = JSON.stringify([text, this.arch, OPTIONS, name, version]);
    return join(this.#folder, `${createHash("sha256").update(key).digest("hex")}.cubin`);
  }

  /** A cache that cannot be written costs time, nothing else. */
  #keep(path: string, image: Uint8Array): void {
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      mkdirSync(this.#folder, { recursive: true });
      writeFileSync(temporary, image);
      renameSync(temporary, path);
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }

  #refusal(name: string, log: string): InputError {
    const lines = log.split("\n").filter((line) => line.trim() !== "");
    const more = lines.length - SHOWN_LINES;
    const at = [...log.matchAll(/\.cu\((\d+)\): (?:catastrophic )?error/g)].map(([, line]) => Number(line));
    return new KernelRefused(name, at, `${this.toolchain.name} does not accept the kernel \`${name}\``, {
      notes: [
        ...lines.slice(0, SHOWN_LINES),
        ...(more > 0 ? [`and ${more} lines more`] : []),
        `${this.toolchain.name} ${this.toolchain.version} for ${this.arch} (${this.toolchain.path})`,
      ],
      help: "this is a fault of rmxc or of the compiler; `--device reference` runs without kernels",
    });
  }

  async #inTurn<R>(work: () => Promise<R>): Promise<R> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

function read(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
