/** @file One grid axis for all: what an element-wise kernel over small axes runs on, so that no workgroup is mostly idle. */
import { type AxisExtent, axis, type Expr, floordiv, int, mod, substitute } from "../../src/ir/expr.ts";
import { simplify } from "../../src/ir/simplify.ts";
import type { TileKernel, TileStmt } from "../../src/ir/tile.ts";

/** The same kernel over one axis `e`, row-major over the old ones. A batch axis must lead. */
export function flattenGrid(kernel: TileKernel): TileKernel {
  if (kernel.grid.length <= 1) return kernel;
  const name =
    kernel.inner.some((a) => a.name === "e") || kernel.grid.some((a) => a.name === "e") ? "point" : "e";
  let times = 1;
  for (const a of kernel.grid) times *= typeof a.extent === "number" ? a.extent : a.extent.times;
  const lead = kernel.grid.find((a) => typeof a.extent !== "number");
  if (lead && lead !== kernel.grid[0]) return kernel;
  const extent: AxisExtent = lead && typeof lead.extent !== "number" ? { of: lead.extent.of, times } : times;
  const flat = axis(name, extent);
  const at = new Map<string, Expr>();
  let inner = 1;
  for (let i = kernel.grid.length - 1; i >= 0; i--) {
    const a = kernel.grid[i];
    const size = typeof a.extent === "number" ? a.extent : a.extent.times;
    const rest = inner === 1 ? flat : floordiv(flat, int(inner));
    at.set(a.name, simplify(i === 0 ? rest : mod(rest, int(size))));
    inner *= size;
  }
  const sub = (e: Expr): Expr => simplify(substitute(e, at));
  const body = kernel.body.map((s): TileStmt => {
    if (s.kind === "dot" || s.kind === "score") return s;
    if (s.kind === "store") return { ...s, index: s.index.map(sub), value: sub(s.value) };
    return { ...s, value: sub(s.value) };
  });
  const rows = kernel.grid[0].rows;
  const over = rows && {
    rows: { ...rows, times: rows.times * (times / extentTimes(kernel.grid[0].extent)) },
  };
  return { ...kernel, grid: [{ name, extent, tile: 1, ...over }], body };
}

function extentTimes(extent: AxisExtent): number {
  return typeof extent === "number" ? extent : extent.times;
}
