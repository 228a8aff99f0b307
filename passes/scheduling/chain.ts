/**
 * @file Schedules of two products in one launch (the `chain` lowering): both must cut rows alike and go through the same stages. Of
 * the pairs that do, the cost model's favourite, beside what the two cost apart.
 *
 *     seconds = dispatch + max(p, m) + BESIDE · min(p, m)
 *
 * where p is how long the workgroup with the most products is busy and m how long memory is: one launch, and one uneven end, for two,
 * and the intermediate's way back from memory less.
 */
import type { DeviceCeilings } from "../../src/ir/ceilings.ts";
import type { ComputeType } from "../../src/ir/graph.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { points, type Schedule, scheduleOf, withSchedule } from "../../src/ir/schedule.ts";
import type { Lowering, TileKernel } from "../../src/ir/tile.ts";
import { memorySeconds, tileSeconds } from "./costmodel.ts";
import { formOf, servedRows } from "./form.ts";
import { type SpacePlan, scheduleSpace } from "./space.ts";

type Hopper = Extract<Lowering, { kind: "hopper" }>;

/**
 * The share of the shorter of two that is felt beside the longer: what products and memory do at one time is not all free. A guess that
 * no measurement stands behind yet.
 */
const BESIDE = 1 / 2;
/** Fewer stages do not hide a copy's latency. */
const LEAST_STAGES = 3;

export interface ChainContext {
  readonly plan: SpacePlan;
  readonly profile: Profile;
  readonly ceilings: DeviceCeilings;
  readonly computeOf: (kernel: TileKernel) => ComputeType;
  /** Bytes that the two move once they are one. */
  readonly bytes: TileKernel["about"]["bytes"];
}

export interface ChainSchedule {
  /** The two products as they go through the same stages. */
  readonly kernels: readonly [TileKernel, TileKernel];
  /** Groups that the first product is ahead. */
  readonly lag: number;
  readonly seconds: number;
  /** Of the two as they are given, one after the other. */
  readonly apart: number;
}

/** The best schedule of `first` and `second`, products over the same `groups` groups and rows; undefined if they have none in common. */
export function chainSchedule(
  first: TileKernel,
  second: TileKernel,
  groups: number,
  context: ChainContext,
): ChainSchedule | undefined {
  const { plan, profile, ceilings, computeOf } = context;
  const schedulesOf = (kernel: TileKernel): readonly (Schedule & { readonly lowering: Hopper })[] =>
    scheduleSpace(kernel, plan, profile, ceilings, computeOf(kernel)).filter(isWhole);
  const apart = [first, second].reduce((sum, kernel) => sum + secondsApart(kernel, context), 0);
  const all = schedulesOf(first).flatMap((p) =>
    schedulesOf(second).flatMap((q): ChainSchedule[] => {
      const [a, b] = [p.lowering, q.lowering];
      const stages = Math.min(a.stages, b.stages);
      if (a.groups !== b.groups || a.cluster !== b.cluster || stages < LEAST_STAGES) return [];
      const kernels = [
        withSchedule(first, { ...p, lowering: { ...a, stages } }),
        withSchedule(second, { ...q, lowering: { ...b, stages } }),
      ] as const;
      return [{ kernels, apart, ...together(kernels, groups, context) }];
    }),
  );
  return all.sort((a, b) => a.seconds - b.seconds)[0];
}

/** Whether all warpgroups of a workgroup work on one tile. */
function isWhole(schedule: Schedule): schedule is Schedule & { readonly lowering: Hopper } {
  return schedule.lowering.kind === "hopper" && schedule.lowering.turns === undefined;
}

function felt(products: number, memory: number, { dispatch }: DeviceCeilings): number {
  return dispatch + Math.max(products, memory) + BESIDE * Math.min(products, memory);
}

function secondsApart(kernel: TileKernel, context: ChainContext): number {
  const [tiles, one] = tilesOf(kernel, context);
  const rounds = Math.ceil(tiles / workersOf(kernel));
  return felt(rounds * one, memoryOf(kernel, kernel.about.bytes, context), context.ceilings);
}

/** The chain's lag and seconds: tiles are dealt out as the kernel does it, those of the second product from where the first's end. */
function together(
  kernels: readonly [TileKernel, TileKernel],
  groups: number,
  context: ChainContext,
): { readonly lag: number; readonly seconds: number } {
  const [[tilesA, oneA], [tilesB, oneB]] = [tilesOf(kernels[0], context), tilesOf(kernels[1], context)];
  const workers = workersOf(kernels[0]);
  const lag = Math.min(groups - 1, Math.ceil((workers * groups) / tilesA));
  // Those with one more of the second product's tiles: as many as follow the last of the first's, then from the beginning.
  const [moreA, moreB] = [tilesA % workers, tilesB % workers];
  const both = Math.max(0, moreA + moreB - workers);
  const extra = both > 0 ? oneA + oneB : Math.max(moreA > 0 ? oneA : 0, moreB > 0 ? oneB : 0);
  const products = Math.floor(tilesA / workers) * oneA + Math.floor(tilesB / workers) * oneB + extra;
  const memory = memoryOf(kernels[0], context.bytes, context);
  return { lag, seconds: felt(products, memory, context.ceilings) };
}

/** Tiles of a product, and the seconds of each. */
function tilesOf(kernel: TileKernel, context: ChainContext): readonly [tiles: number, seconds: number] {
  const cost = costContext(kernel, context);
  const tiles = kernel.grid.reduce((all, a) => all * Math.ceil(points(a.extent, cost.rows) / a.tile), 1);
  return [tiles, tileSeconds(kernel, formOf(kernel, cost.values), scheduleOf(kernel), cost)];
}

function workersOf({ name, lowering }: TileKernel): number {
  if (lowering.kind !== "hopper") throw new Error(`internal: ${name} does not stay on its multiprocessor`);
  return Math.floor(lowering.blocks / lowering.cluster);
}

function memoryOf(kernel: TileKernel, bytes: TileKernel["about"]["bytes"], context: ChainContext): number {
  return memorySeconds({ about: { ...kernel.about, bytes } }, costContext(kernel, context));
}

function costContext(
  kernel: TileKernel,
  { plan, profile, ceilings }: ChainContext,
): { rows: number; values: readonly PlanValue[]; profile: Profile; ceilings: DeviceCeilings } {
  return { rows: servedRows(kernel, plan), values: plan.values, profile, ceilings };
}
