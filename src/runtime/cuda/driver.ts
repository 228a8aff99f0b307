/**
 * @file The CUDA driver API, as much of it as the engine uses. Every return code is checked; see errors.ts. The names are those that
 * the library exports, `_v2` where CUDA once changed a signature: drivers never drop one, so that these work
 * from CUDA 11.4 on.
 */
import type { InputError } from "../../ir/error.ts";
import { CudaError, noDevice, SUCCESS } from "./errors.ts";
import { driverCandidates } from "./libraries.ts";
import type { Native, NativeLibrary, Signature } from "./native.ts";

const signatures = {
  cuInit: ["u32"],
  cuDriverGetVersion: ["memory"],
  cuGetErrorName: ["i32", "memory"],
  cuGetErrorString: ["i32", "memory"],

  cuDeviceGetCount: ["memory"],
  cuDeviceGet: ["memory", "i32"],
  cuDeviceGetName: ["memory", "i32", "i32"],
  cuDeviceGetAttribute: ["memory", "i32", "i32"],
  cuDeviceTotalMem_v2: ["memory", "i32"],
  cuDevicePrimaryCtxRetain: ["memory", "i32"],
  cuDevicePrimaryCtxRelease_v2: ["i32"],
  cuCtxSetCurrent: ["u64"],

  cuMemGetInfo_v2: ["memory", "memory"],
  cuMemAlloc_v2: ["memory", "u64"],
  cuMemFree_v2: ["u64"],
  cuMemHostAlloc: ["memory", "u64", "u32"],
  cuMemFreeHost: ["u64"],
  cuMemcpyHtoDAsync_v2: ["u64", "u64", "u64", "u64"],
  cuMemcpyDtoHAsync_v2: ["u64", "u64", "u64", "u64"],
  cuMemcpyDtoDAsync_v2: ["u64", "u64", "u64", "u64"],
  cuMemsetD32Async: ["u64", "u32", "u64", "u64"],

  cuStreamCreate: ["memory", "u32"],
  cuStreamDestroy_v2: ["u64"],
  cuStreamSynchronize: ["u64"],
  cuStreamWaitEvent: ["u64", "u64", "u32"],
  cuEventCreate: ["memory", "u32"],
  cuEventDestroy_v2: ["u64"],
  cuEventRecord: ["u64", "u64"],
  cuEventQuery: ["u64"],
  cuEventSynchronize: ["u64"],
  cuEventElapsedTime: ["memory", "u64", "u64"],

  cuModuleLoadData: ["memory", "memory"],
  cuModuleUnload: ["u64"],
  cuModuleGetFunction: ["memory", "u64", "text"],
  cuFuncGetAttribute: ["memory", "i32", "u64"],
  cuFuncSetAttribute: ["u64", "i32", "i32"],
  cuLaunchKernel: ["u64", "u32", "u32", "u32", "u32", "u32", "u32", "u32", "u64", "u64", "u64"],
  cuLaunchCooperativeKernel: ["u64", "u32", "u32", "u32", "u32", "u32", "u32", "u32", "u64", "u64"],

  cuGraphCreate: ["memory", "u32"],
  cuGraphDestroy: ["u64"],
  cuGraphAddKernelNode: ["memory", "u64", "memory", "u64", "memory"],
  cuGraphKernelNodeSetAttribute: ["u64", "i32", "memory"],
  cuGraphAddMemsetNode: ["memory", "u64", "memory", "u64", "memory", "u64"],
  cuGraphInstantiateWithFlags: ["memory", "u64", "u64"],
  cuGraphExecKernelNodeSetParams: ["u64", "u64", "memory"],
  cuGraphExecDestroy: ["u64"],
  cuGraphLaunch: ["u64", "u64"],
} as const satisfies Readonly<Record<string, Signature>>;

/** What drivers have from CUDA 12.0 on. */
const newer = {
  cuTensorMapEncodeTiled: [
    "u64",
    "u32",
    "u32",
    "u64",
    "memory",
    "memory",
    "memory",
    "memory",
    "u32",
    "u32",
    "u32",
    "u32",
  ],
} as const satisfies Readonly<Record<string, Signature>>;

/** The oldest driver with those. */
export const TENSOR_MAPS_VERSION = 12000;

type Library = NativeLibrary<typeof signatures>;
type Newer = NativeLibrary<typeof newer>;
type Name = keyof typeof signatures;
type Args<K extends Name> = Parameters<Library[K]>;
/** Functions whose first argument is where the result goes. */
type Making<K extends Name> = Args<K> extends [unknown, ...infer Rest] ? Rest : never;

/** The oldest driver with everything above: CUDA 11.4. */
const LEAST_VERSION = 11040;

export class Driver {
  readonly native: Native;
  readonly path: string;
  /** 1000 · major + 10 · minor: the newest CUDA that the driver serves. */
  readonly version: number;
  readonly #library: Library;
  readonly #out = new BigUint64Array(1);
  #current = 0n;
  #newer: Newer | undefined;

  private constructor(native: Native, path: string, library: Library) {
    this.native = native;
    this.path = path;
    this.#library = library;
    const version = new Int32Array(1);
    library.cuDriverGetVersion(version);
    this.version = version[0] ?? 0;
  }

  /** Finds and initialises the driver. Throws RMX0824. */
  static open(native: Native): Driver {
    const found = native.open(driverCandidates(), signatures);
    if ("failures" in found) {
      throw noDevice(
        "there is no CUDA driver",
        found.failures,
        "install NVIDIA's driver for the GPU; `RMXC_LIBCUDA` names a libcuda in an unusual place",
      );
    }
    const driver = new Driver(native, found.path, found.library);
    if (driver.version < LEAST_VERSION) {
      throw noDevice(
        `the CUDA driver is of CUDA ${versionText(driver.version)}; 11.4 is the oldest that serves`,
        [found.path],
        "install a newer NVIDIA driver",
      );
    }
    const result = found.library.cuInit(0);
    if (result !== SUCCESS) throw driver.#initFailure(result);
    return driver;
  }

  /** Calls a function and throws a CudaError unless it succeeds. */
  call<K extends Name>(name: K, ...args: Args<K>): void {
    const result = this.attempt(name, ...args);
    if (result !== SUCCESS) throw this.failure(name, result);
  }

  /** Calls a function and gives its return code. */
  attempt<K extends Name>(name: K, ...args: Args<K>): number {
    return (this.#library[name] as (...args: unknown[]) => number)(...args);
  }

  /** The handle that a function writes to its first argument. */
  make<K extends Name>(name: K, ...args: Making<K>): bigint {
    this.call(name, ...([this.#out, ...args] as unknown as Args<K>));
    return this.#out[0] ?? 0n;
  }

  /** The int that a function writes to its first argument. */
  int<K extends Name>(name: K, ...args: Making<K>): number {
    return Number(BigInt.asIntN(32, this.make(name, ...args)));
  }

  /** `cuTensorMapEncodeTiled`, which older drivers do not have. */
  encodeTensorMap(...args: Parameters<Newer["cuTensorMapEncodeTiled"]>): void {
    if (this.#newer === undefined) {
      const found = this.native.open([this.path], newer);
      if ("failures" in found) throw new Error(`internal: no tensor maps: ${found.failures.join()}`);
      this.#newer = found.library;
    }
    const result = this.#newer.cuTensorMapEncodeTiled(...args);
    if (result !== SUCCESS) throw this.failure("cuTensorMapEncodeTiled", result);
  }

  /** `attempt` on another thread, where no context is current. */
  later<K extends Name>(name: K, ...args: Args<K>): Promise<number> {
    return (this.#library[name] as unknown as { later(...args: unknown[]): Promise<number> }).later(...args);
  }

  /** Makes a context this thread's. */
  use(context: bigint): void {
    if (this.#current === context) return;
    this.call("cuCtxSetCurrent", context);
    this.#current = context;
  }

  /** No context is this thread's any more. */
  forget(): void {
    this.attempt("cuCtxSetCurrent", 0n);
    this.#current = 0n;
  }

  failure(call: string, result: number): CudaError {
    return new CudaError({
      call,
      result,
      name: this.#words("cuGetErrorName", result) ?? "an unknown error",
      text: this.#words("cuGetErrorString", result) ?? "the driver has no words for it",
    });
  }

  #words(name: "cuGetErrorName" | "cuGetErrorString", result: number): string | undefined {
    this.#out[0] = 0n;
    if (this.#library[name](result, this.#out) !== SUCCESS || this.#out[0] === 0n) return undefined;
    return this.native.text(this.#out[0] ?? 0n);
  }

  /** What usually is wrong where the driver is there and does not start. */
  #initFailure(result: number): InputError {
    const { notes } = this.failure("cuInit", result);
    const [message, help] = initFailures.get(result) ?? [
      "the CUDA driver does not start",
      "`nvidia-smi` says more",
    ];
    return noDevice(message, [...notes, this.path], help);
  }
}

const initFailures: ReadonlyMap<number, readonly [message: string, help: string]> = new Map([
  [
    100,
    [
      "the CUDA driver sees no device",
      "check `nvidia-smi` and `CUDA_VISIBLE_DEVICES`; a container needs `--gpus all` and /dev/nvidia*",
    ],
  ],
  [
    803,
    ["the CUDA library and the kernel module are of different versions", "reboot, or load the new module"],
  ],
  [804, ["the CUDA compatibility package does not serve this GPU", "install a newer driver instead"]],
]);

/** `12.4` for 12040. */
export function versionText(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}
