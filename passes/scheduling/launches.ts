/** @file Kernels over a list of active rows: the device counts their workgroups, by tiles that `schedule` chose. */
import type { RowLaunch, TileKernel } from "../../src/ir/tile.ts";

/**
 * Gives each list the tiles that the products over it run by, and what it takes to count the workgroups of every kernel that
 * runs over it.
 */
export function countLaunches(kernels: readonly TileKernel[]): TileKernel[] {
  return kernels.map((kernel) => {
    if (!kernel.lists) return kernel;
    const { list } = kernel.lists;
    const users = kernels.filter((k) => k.indirect?.value === list.launches);
    const products = users.flatMap((k) => k.grid.filter((a) => a.rows?.group));
    const tile = products[0]?.tile ?? 1;
    if (products.some((a) => a.tile !== tile))
      throw new Error("internal: products over one list differ in their tiles");
    const launches: RowLaunch[] = [];
    for (const user of users) launches[user.indirect?.index ?? 0] = launchOf(user);
    return { ...kernel, lists: { ...kernel.lists, list: { ...list, tile }, launches } };
  });
}

function launchOf({ name, grid }: TileKernel): RowLaunch {
  const along = grid.find((a) => a.rows);
  if (along?.rows === undefined) throw new Error(`internal: ${name} runs over no list`);
  const others = grid.reduce((n, a) => {
    if (a === along) return n;
    if (typeof a.extent !== "number") throw new Error(`internal: ${name} runs over a list and a batch axis`);
    return n * Math.ceil(a.extent / a.tile);
  }, 1);
  const { group, times } = along.rows;
  return group ? { of: "tiles", times: 1, tile: 1, others } : { of: "rows", times, tile: along.tile, others };
}
