/** @file NVRTC, CUDA's compiler as a library: text in, machine code out, without any file or header. */
import { builtinsBeside, nvrtcCandidates } from "./libraries.ts";
import type { Native, NativeLibrary, Signature } from "./native.ts";
import { type Compiled, OPTIONS, type Toolchain, targetFor } from "./toolchain.ts";

const signatures = {
  nvrtcVersion: ["memory", "memory"],
  nvrtcGetNumSupportedArchs: ["memory"],
  nvrtcGetSupportedArchs: ["memory"],
  nvrtcCreateProgram: ["memory", "text", "text", "i32", "u64", "u64"],
  nvrtcDestroyProgram: ["memory"],
  nvrtcCompileProgram: ["u64", "i32", "texts"],
  nvrtcGetProgramLogSize: ["u64", "memory"],
  nvrtcGetProgramLog: ["u64", "memory"],
  nvrtcGetCUBINSize: ["u64", "memory"],
  nvrtcGetCUBIN: ["u64", "memory"],
  nvrtcGetPTXSize: ["u64", "memory"],
  nvrtcGetPTX: ["u64", "memory"],
} as const satisfies Readonly<Record<string, Signature>>;

type Library = NativeLibrary<typeof signatures>;

/** The newest NVRTC that the driver serves, as the names rank them; undefined with the reasons where none loads. */
export function openNvrtc(
  native: Native,
  driverVersion: number,
): { readonly toolchain: Toolchain } | { readonly failures: readonly string[] } {
  const failures: string[] = [];
  for (const candidate of nvrtcCandidates()) {
    for (const builtins of builtinsBeside(candidate)) native.preload(builtins);
    const found = native.open([candidate], signatures);
    if ("failures" in found) {
      failures.push(...found.failures);
      continue;
    }
    const version = versionOf(found.library);
    // Machine code of a later major version is not promised to load.
    if (version.major > Math.floor(driverVersion / 1000)) {
      failures.push(`${found.path}: NVRTC ${version.text} is newer than the driver`);
      continue;
    }
    return { toolchain: toolchainOf(found.path, found.library, version.text) };
  }
  return { failures };
}

function versionOf(library: Library): { readonly major: number; readonly text: string } {
  const [major, minor] = [new Int32Array(1), new Int32Array(1)];
  library.nvrtcVersion(major, minor);
  return { major: major[0] ?? 0, text: `${major[0]}.${minor[0]}` };
}

function toolchainOf(path: string, library: Library, version: string): Toolchain {
  const architectures = supported(library);
  return {
    name: "NVRTC",
    version,
    path,
    async compile(name, text, arch): Promise<Compiled> {
      const target = targetFor(arch, architectures, version);
      const program = new BigUint64Array(1);
      const made = library.nvrtcCreateProgram(program, text, `${name}.cu`, 0, 0, 0);
      if (made !== 0) throw new Error(`internal: nvrtcCreateProgram: ${made}`);
      const handle = program[0] ?? 0n;
      try {
        const options = [`--gpu-architecture=${target}`, ...OPTIONS];
        const result = await library.nvrtcCompileProgram.later(handle, options.length, options);
        const log = bytesOf(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog, handle);
        const messages = new TextDecoder().decode(log).replace(/\0.*$/s, "").trim();
        if (result !== 0) return { ok: false, log: messages === "" ? `NVRTC error ${result}` : messages };
        const image = target.startsWith("sm_")
          ? bytesOf(library.nvrtcGetCUBINSize, library.nvrtcGetCUBIN, handle)
          : bytesOf(library.nvrtcGetPTXSize, library.nvrtcGetPTX, handle);
        return { ok: true, image, log: messages };
      } finally {
        library.nvrtcDestroyProgram(program);
      }
    },
  };
}

function supported(library: Library): number[] {
  const count = new Int32Array(1);
  library.nvrtcGetNumSupportedArchs(count);
  const list = new Int32Array(Math.max(1, count[0] ?? 0));
  library.nvrtcGetSupportedArchs(list);
  return [...list].filter((arch) => arch > 0);
}

type Sized = (handle: bigint, into: BigUint64Array) => number;
type Filled = (handle: bigint, into: Uint8Array) => number;

function bytesOf(sizeOf: Sized, fill: Filled, handle: bigint): Uint8Array {
  const size = new BigUint64Array(1);
  sizeOf(handle, size);
  const bytes = new Uint8Array(Math.max(1, Number(size[0])));
  fill(handle, bytes);
  return bytes;
}
