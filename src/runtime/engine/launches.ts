/** @file How many workgroups a kernel can have whose number only the device knows. */
import type { Plan } from "../../ir/plan.ts";
import type { RowLaunch, RowList, TileKernel } from "../../ir/tile.ts";

/**
 * Workgroups of an indirect kernel at `rows` rows of the batch axis, at most: those of a gate that is on wherever the list has
 * room, spread over all groups.
 */
export function mostWorkgroups(plan: Plan, kernel: TileKernel, rows: number): number {
  const { indirect } = kernel;
  if (indirect === undefined) throw new Error(`internal: ${kernel.name} is not indirect`);
  const lister = plan.kernels[kernel.stage].find(
    ({ lists }) => lists?.step === "list" && lists.list.launches === indirect.value,
  );
  const launch = lister?.lists?.launches[indirect.index];
  if (lister?.lists === undefined || launch === undefined) {
    throw new Error(`internal: no list counts the workgroups of ${kernel.name}`);
  }
  const most = workgroupsAt(lister.lists.list, launch, rows);
  const { lowering } = kernel;
  return lowering.kind === "hopper" ? Math.min(most, lowering.blocks) : most;
}

/** `most` rows a point of the batch; each group's last tile may have a single row. */
function workgroupsAt(list: RowList, { of, times, tile, others }: RowLaunch, rows: number): number {
  const all = list.most * rows;
  const points = of === "rows" ? all : Math.min(all, Math.floor(all / list.tile) + list.groups);
  return Math.ceil((points * times) / tile) * others;
}
