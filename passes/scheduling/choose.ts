/** @file A kernel's schedule: the tuner's, where it has measured one that the device can run, else the cost model's favourite. */
import type { DeviceCeilings } from "../../src/ir/ceilings.ts";
import type { Graph } from "../../src/ir/graph.ts";
import type { Profile } from "../../src/ir/profile.ts";
import {
  kernelKey,
  type ScheduleSource,
  sameSchedule,
  shapeBucket,
  withSchedule,
} from "../../src/ir/schedule.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import { prepared } from "./form.ts";
import { type SpacePlan, scheduleSpace } from "./space.ts";

export interface Choice {
  readonly profile: Profile;
  readonly schedules?: ScheduleSource;
  readonly ceilings?: DeviceCeilings;
  /** The type that the model's products are computed in. Default f32. */
  readonly compute?: Graph["precision"]["compute"];
}

export function scheduled(
  kernel: TileKernel,
  plan: SpacePlan,
  { profile, schedules, ceilings, compute }: Choice,
): TileKernel {
  const base = prepared(kernel, plan.values);
  const space = scheduleSpace(base, plan, profile, ceilings, compute);
  const tuned = schedules?.find(kernelKey(base, plan.values), shapeBucket(base, plan.serve));
  const chosen = (tuned && space.find((s) => sameSchedule(s, tuned))) ?? space[0];
  return withSchedule(base, chosen);
}
