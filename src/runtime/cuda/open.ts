/** @file Opens the CUDA device: driver, context, compiler, and the profile that its attributes make. */
import type { Profile } from "../../ir/profile.ts";
import { sm_80 } from "../../ir/profiles.ts";
import type { CudaDevice } from "../device.ts";
import { Compiler } from "./compiler.ts";
import { Context } from "./context.ts";
import { Driver, TENSOR_MAPS_VERSION, versionText } from "./driver.ts";
import { bytesText, noDevice } from "./errors.ts";
import { CudaGpu } from "./gpu.ts";
import { Modules } from "./modules.ts";
import { loadNative } from "./native.ts";

/** CUdevice_attribute. */
const MULTIPROCESSORS = 16;
const CLOCK_KHZ = 13;
const CAPABILITY_MAJOR = 75;
const CAPABILITY_MINOR = 76;
const SHARED_BYTES_OPTIN = 97;
const L2_BYTES = 38;

/** Tensor cores with bf16, and asynchronous copies: compute capability 8.0. */
export const LEAST_CAPABILITY = 80;
/** A block always has so much; more must be asked for. */
const LEAST_SHARED_BYTES = 48 * 1024;

/** What is known of a device before anything is made on it. */
export interface CudaInfo {
  readonly ordinal: number;
  readonly name: string;
  /** 90 for 9.0. */
  readonly capability: number;
  /** The architecture to compile for. */
  readonly arch: string;
  readonly bytes: number;
  readonly multiprocessors: number;
  readonly sharedBytes: number;
  readonly l2Bytes: number;
  readonly clockKHz: number;
}

/** The devices that the driver sees. */
export function listDevices(driver: Driver): CudaInfo[] {
  const count = driver.int("cuDeviceGetCount");
  return Array.from({ length: count }, (_, ordinal): CudaInfo => {
    const device = driver.int("cuDeviceGet", ordinal);
    const attribute = (which: number): number => driver.int("cuDeviceGetAttribute", which, device);
    const name = new Uint8Array(256);
    driver.call("cuDeviceGetName", name, name.length, device);
    const capability = 10 * attribute(CAPABILITY_MAJOR) + attribute(CAPABILITY_MINOR);
    return {
      ordinal,
      name: new TextDecoder().decode(name.subarray(0, name.indexOf(0))),
      capability,
      // Instructions that one architecture alone has go by an `a`, from Hopper on.
      arch: `sm_${capability}${capability >= 90 ? "a" : ""}`,
      bytes: Number(driver.make("cuDeviceTotalMem_v2", device)),
      multiprocessors: attribute(MULTIPROCESSORS),
      sharedBytes: attribute(SHARED_BYTES_OPTIN),
      l2Bytes: attribute(L2_BYTES),
      clockKHz: attribute(CLOCK_KHZ),
    };
  });
}

/** Opens the first device that serves. Throws RMX0824, RMX0825. */
export async function openCuda(): Promise<Omit<CudaDevice, "schedules" | "schedulesProblem">> {
  const native = await loadNative();
  const driver = Driver.open(native);
  const devices = listDevices(driver);
  const info = devices.find(({ capability }) => capability >= LEAST_CAPABILITY);
  if (info === undefined) {
    throw noDevice(
      "no CUDA device has compute capability 8.0",
      devices.map(({ name, capability }) => `${name}: ${(capability / 10).toFixed(1)}`),
      "use `--device webgpu`, which runs on older GPUs",
    );
  }
  const { toolchain } = Compiler.find(native, driver.version, info.arch);
  const arch = architecture(info, driver.version, toolchain.version);
  const compiler = new Compiler(toolchain, arch);
  const context = new Context(driver, driver.int("cuDeviceGet", info.ordinal));
  const profile = profileOf({ ...info, arch });
  const gpu = new CudaGpu(context, new Modules(context, compiler), profile.limits.bufferSize);
  return {
    kind: "cuda",
    gpu,
    multiprocessors: info.multiprocessors,
    l2Bytes: info.l2Bytes,
    name: info.name,
    description: describe(info, driver, compiler),
    profile,
    lost: context.lost.then(({ reason, message }) =>
      reason === "destroyed" ? undefined : message || "no reason given",
    ),
    destroy: () => gpu.destroy(),
  };
}

/** Without its `a` where driver or compiler do not know the instructions that it stands for: both do from CUDA 12.0 on. */
function architecture({ arch }: CudaInfo, driverVersion: number, compilerVersion: string): string {
  const compilerKnows = Number(compilerVersion.split(".")[0]) >= TENSOR_MAPS_VERSION / 1000;
  return driverVersion >= TENSOR_MAPS_VERSION && compilerKnows ? arch : arch.replace(/a$/, "");
}

function describe(info: CudaInfo, driver: Driver, { toolchain }: Compiler): string {
  return [
    info.name,
    info.arch,
    bytesText(info.bytes),
    `driver of CUDA ${versionText(driver.version)}`,
    `${toolchain.name} ${toolchain.version}`,
  ].join(" · ");
}

/** The limits of its class, with the memory that it has. */
export function profileOf({ arch, bytes, sharedBytes, multiprocessors, l2Bytes }: CudaInfo): Profile {
  const { limits } = sm_80;
  return {
    ...sm_80,
    name: "device",
    limits: {
      ...limits,
      storageBinding: Math.min(limits.storageBinding, bytes),
      bufferSize: Math.min(limits.bufferSize, bytes),
      workgroupMemory: Math.max(LEAST_SHARED_BYTES, sharedBytes),
    },
    cuda: { arch, multiprocessors, l2Bytes },
  };
}
