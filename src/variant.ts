/** @file Small questions that one asks a compiled variant. */
import type { Plan } from "./ir/plan.ts";
import type { TileKernel } from "./ir/tile.ts";

export const stages = ["load", "user", "item"] as const;

/** In execution order. */
export function allKernels(plan: Plan): readonly TileKernel[] {
  return stages.flatMap((stage) => plan.kernels[stage]);
}
