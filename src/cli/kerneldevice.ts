/** @file The device of a command that times kernels: CUDA or WebGPU, never the reference, which runs none. */
import { InputError } from "../ir/error.ts";
import type { DeviceChoice, KernelDevice } from "../runtime/device.ts";
import type { Output } from "./output.ts";

/** Throws what opening the device throws, and RMX0821 where `auto` finds none. */
export async function openKernelDevice(choice: DeviceChoice, out: Output): Promise<KernelDevice> {
  const { openDevice } = await import("../runtime/device.ts");
  const device = await openDevice(choice, { quiet: true });
  const { notice } = device;
  if (device.kind !== "reference") {
    if (notice !== undefined) out.say(`rmxc: ${notice}`);
    return device;
  }
  device.destroy();
  throw new InputError("RMX0821", "there is no device that runs kernels, and nothing else to time", {
    ...(notice !== undefined && { notes: [notice] }),
    help: "`rmxc doctor` says what is missing",
  });
}
