/** @file The driver's return codes as errors that say what happened and what to do about it. */
import { InputError } from "../../ir/error.ts";

export const SUCCESS = 0;
export const OUT_OF_MEMORY = 2;
export const INVALID_CONTEXT = 201;
/** A launch of a graph or a query of an event that is not done. */
export const NOT_READY = 600;

const NO_BINARY_FOR_GPU = 209;
const INVALID_IMAGE = 200;
const INVALID_PTX = 218;
const UNSUPPORTED_PTX_VERSION = 222;

/** After one of these the context is of no use any more: everything on it is gone. */
const fatal: ReadonlySet<number> = new Set([
  214, // ECC_UNCORRECTABLE
  700, // ILLEGAL_ADDRESS
  702, // LAUNCH_TIMEOUT
  709, // CONTEXT_IS_DESTROYED
  710, // ASSERT
  714, // HARDWARE_STACK_ERROR
  715, // ILLEGAL_INSTRUCTION
  716, // MISALIGNED_ADDRESS
  717, // INVALID_ADDRESS_SPACE
  718, // INVALID_PC
  719, // LAUNCH_FAILED
  720, // COOPERATIVE_LAUNCH_TOO_LARGE
  999, // UNKNOWN
]);

const badImage: ReadonlySet<number> = new Set([
  INVALID_IMAGE,
  NO_BINARY_FOR_GPU,
  INVALID_PTX,
  UNSUPPORTED_PTX_VERSION,
]);

export interface CudaFailure {
  /** The function that returned it. */
  readonly call: string;
  /** CUresult. */
  readonly result: number;
  /** `CUDA_ERROR_…`. */
  readonly name: string;
  /** The driver's own words. */
  readonly text: string;
}

/** A driver call that failed: RMX0804 where the device is lost by it, else RMX0807. */
export class CudaError extends InputError {
  readonly result: number;
  /** The device is of no use any more. */
  readonly fatal: boolean;

  constructor({ call, result, name, text }: CudaFailure) {
    const lost = fatal.has(result);
    const notes = [`${call}: ${name} (${result}): ${text}`];
    if (lost) {
      super("RMX0804", "the CUDA device was lost", {
        notes,
        help: "`engine.restore()` loads the model again; `compute-sanitizer` finds the kernel that is to blame",
      });
    } else super("RMX0807", "the CUDA driver refused a call", { notes, help: "see `rmxc doctor`" });
    this.name = "CudaError";
    this.result = result;
    this.fatal = lost;
  }

  get outOfMemory(): boolean {
    return this.result === OUT_OF_MEMORY;
  }

  /** The machine code is not for this device, or is damaged. */
  get badImage(): boolean {
    return badImage.has(this.result);
  }
}

/** RMX0824: there is no CUDA device to be had. */
export function noDevice(message: string, notes: readonly string[], help: string): InputError {
  return new InputError("RMX0824", message, { notes, help });
}

/** `12.3 GiB`. */
export function bytesText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let size = bytes;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}
