/**
 * @file What a pass is: a value with a name that a person can say, one sentence about what it does, and a pure function.
 * A pass never mutates what it was given. `pipeline.ts` alone knows the order.
 */
import type { DeviceCeilings } from "../src/ir/ceilings.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Profile } from "../src/ir/profile.ts";
import type { ScheduleSource } from "../src/ir/schedule.ts";

/**
 * - off: every op its own kernel; only layout, gathers and casts are read through. To debug with.
 * - vertical: a kernel has a prologue and an epilogue.
 * - phases: and kernels become phases of one where a workgroup reads only what it has stored itself.
 * - all: and both products of an FFN are one launch where workgroups wait for each other.
 */
export const fusions = ["off", "vertical", "phases", "all"] as const;
export type Fusion = (typeof fusions)[number];

/** Whether kernels that are whole by themselves may become one. */
export function joinsKernels(fusion: Fusion): boolean {
  return fusion === "phases" || fusion === "all";
}

export interface PassContext {
  readonly profile: Profile;
  /** False: what depends on the request alone is computed for every candidate all the same. Default true. */
  readonly reuse?: boolean;
  /** Schedules that overrule the cost model's where they are valid. */
  readonly schedules?: ScheduleSource;
  /** What the cost model takes the device for. Default: that of the profile's class. */
  readonly ceilings?: DeviceCeilings;
  /** How far kernels are fused; see `Fusion`. Default all. */
  readonly fusion?: Fusion;
  /** Told of choices that a person may wonder about, a sentence each. */
  explain?(sentence: string): void;
}

export interface Pass<From, To> {
  readonly name: string;
  /** One sentence for `--print-passes` and the docs. */
  readonly summary: string;
  run(input: From, context: PassContext): To;
}

export type GraphPass = Pass<Graph, Graph>;

export function definePass<From, To>(pass: Pass<From, To>): Pass<From, To> {
  return pass;
}
