/** @file How much of its parameters one workgroup of a kernel goes through: what caching between workgroups has to keep. */
import { type Expr, walkExpr } from "../../src/ir/expr.ts";
import { bytesOf, type Plan } from "../../src/ir/plan.ts";
import { expressionsOf, type GridAxis, type TileKernel } from "../../src/ir/tile.ts";

/**
 * Bytes of parameters that a workgroup reads which owns `grid[i].tile` points of each axis. An axis that is an index of a parameter
 * cuts it; embedding tables, of which a row's worth is read, do not count.
 */
export function parameterBytes(
  kernel: TileKernel,
  grid: readonly GridAxis[],
  { plan }: { readonly plan: Pick<Plan, "values" | "params"> },
): number {
  const tables = new Set(plan.params.filter((p) => p.table).map((p) => p.path));
  const shares = new Map<number, number>();
  for (const s of kernel.body) {
    for (const e of expressionsOf(s)) {
      walkExpr(e, (node) => {
        if (node.kind !== "load") return;
        const { home } = plan.values[node.source];
        const fixed = home.kind === "load" || (home.kind === "param" && !tables.has(home.path));
        if (fixed) shares.set(node.source, Math.max(shares.get(node.source) ?? 0, share(node.index, grid)));
      });
    }
  }
  return [...shares].reduce(
    (sum, [value, part]) => sum + bytesOf(plan.values[value], plan.values[value].unit) * part,
    0,
  );
}

/** The share of a value that indices over one tile of the grid reach. */
function share(index: readonly Expr[], grid: readonly GridAxis[]): number {
  return index.reduce((part, e) => {
    const along = grid.find((a) => e.kind === "axis" && a.name === e.name);
    if (along === undefined || typeof along.extent !== "number") return part;
    return part * Math.min(1, along.tile / along.extent);
  }, 1);
}
