/** @file `--schedules` and `--no-tuned`: which tuned schedules a command compiles with. */
import type { Profile } from "../ir/profile.ts";
import type { Device } from "../runtime/device.ts";
import type { TunedSchedules } from "../runtime/schedules.ts";
import { UsageError } from "./command.ts";
import type { Output } from "./output.ts";
import { fromInputError, sayDiagnostics } from "./report.ts";

export interface ScheduleArguments {
  readonly schedules: string | undefined;
  readonly "no-tuned": boolean;
}

/** Of the file that was named, else of the device's cache; a cache that cannot be used is said and left aside. */
export async function schedulesOf(
  args: ScheduleArguments,
  device: Device,
  out: Output,
): Promise<TunedSchedules | undefined> {
  const named = await namedSchedules(args, device.profile);
  if (named !== undefined || args["no-tuned"]) return named;
  if (device.schedulesProblem !== undefined) {
    const warning = { ...fromInputError(device.schedulesProblem), severity: "warning" as const };
    await sayDiagnostics([warning], new Map(), out);
  }
  return device.schedules;
}

/** Of the file that was named alone. Throws RMX0822 and RMX0823. */
export async function namedSchedules(
  args: ScheduleArguments,
  profile: Profile,
): Promise<TunedSchedules | undefined> {
  const { schedules: path, "no-tuned": none } = args;
  if (path !== undefined && none) throw new UsageError("--schedules and --no-tuned contradict each other");
  if (path === undefined) return undefined;
  const { loadSchedules } = await import("../runtime/schedules.ts");
  return loadSchedules(path, profile);
}
