/** @file For `rmxc doctor`: what there is of CUDA on this machine, and what is missing. Opens nothing and makes nothing. */
import { InputError } from "../../ir/error.ts";
import { findToolchains } from "./compiler.ts";
import { Driver, versionText } from "./driver.ts";
import { loadNative, type Native } from "./native.ts";
import { type CudaInfo, LEAST_CAPABILITY, listDevices } from "./open.ts";

export interface CudaReport {
  /** The newest CUDA that the driver serves. */
  readonly driver?: { readonly version: string; readonly path: string };
  readonly devices: readonly CudaInfo[];
  /** What compiles kernels; the first is used. */
  readonly compilers: readonly { readonly name: string; readonly version: string; readonly path: string }[];
  /** Where compilers were looked for and not found. */
  readonly notFound: readonly string[];
  /** Why there is no CUDA device; absent if there is one. */
  readonly problem?: InputError;
}

/** A driver that any compiler suits, where there is none to ask. */
const ANY_VERSION = Number.MAX_SAFE_INTEGER;

export async function diagnoseCuda(): Promise<CudaReport> {
  let native: Native;
  try {
    native = await loadNative();
  } catch (error) {
    return { devices: [], compilers: [], notFound: [], problem: asProblem(error) };
  }
  let driver: Driver | undefined;
  let devices: readonly CudaInfo[] = [];
  let problem: InputError | undefined;
  try {
    driver = Driver.open(native);
    devices = listDevices(driver);
    if (!devices.some(({ capability }) => capability >= LEAST_CAPABILITY))
      problem = new InputError("RMX0824", "no CUDA device has compute capability 8.0");
  } catch (error) {
    problem = asProblem(error);
  }
  const { toolchains, failures } = findToolchains(native, driver?.version ?? ANY_VERSION);
  return {
    ...(driver && { driver: { version: versionText(driver.version), path: driver.path } }),
    devices,
    compilers: toolchains.map(({ name, version, path }) => ({ name, version, path })),
    notFound: failures,
    ...(problem && { problem }),
  };
}

function asProblem(error: unknown): InputError {
  if (error instanceof InputError) return error;
  throw error;
}
