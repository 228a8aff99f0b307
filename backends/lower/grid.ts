/**
 * @file The grid of a kernel: from the index of a workgroup to the origin of its tile.
 *
 * Workgroups are numbered over both dimensions of the dispatch and decoded innermost axis last, so that neighbours in
 * time share the outer axes. A dispatch may hold more workgroups than the grid has tiles; the rest return at once.
 */
import type { AxisExtent } from "../../src/ir/expr.ts";
import type { ThreadExpr } from "../../src/ir/thread.ts";
import { addI, builtin, call, divI, i32, mulI, remI } from "../../src/ir/thread.ts";
import type { GridAxis, TileKernel } from "../../src/ir/tile.ts";
import { SLICE_FROM } from "./access.ts";
import type { Builder } from "./builder.ts";

export interface TileAxis {
  readonly axis: GridAxis;
  /** First index of this workgroup's tile. */
  readonly origin: ThreadExpr;
  /** One past the last index of the axis in this launch. */
  readonly end: ThreadExpr;
  /** No tile reaches beyond `end`. */
  readonly exact: boolean;
  /** The origin is a multiple of the tile (a sliced axis starts anywhere). */
  readonly aligned: boolean;
}

/** The extent of an axis as a thread sees it. */
export function extentOf(extent: AxisExtent): ThreadExpr {
  return typeof extent === "number" ? i32(extent) : mulI(builtin("call.rows"), i32(extent.times));
}

export function openGrid(builder: Builder, kernel: TileKernel): readonly TileAxis[] {
  const axes = kernel.grid.map((axis) => {
    const sliced = kernel.slicing?.axis === axis.name;
    const from = sliced ? builtin("call.from") : i32(0);
    const end = builder.let(`${axis.name}_end`, sliced ? builtin("call.to") : extentOf(axis.extent));
    const length = sliced ? call("sub", end.type, end, from) : end;
    const whole = typeof axis.extent === "number" && axis.extent % axis.tile === 0;
    const tiles =
      axis.tile === 1
        ? length
        : builder.let(`${axis.name}_tiles`, divI(addI(length, i32(axis.tile - 1)), i32(axis.tile)));
    return { axis, from, end, tiles, exact: axis.tile === 1 || (whole && !sliced), aligned: !sliced };
  });
  builder.bindAxis(SLICE_FROM, builtin("call.from"));
  const total = axes.reduce((product, { tiles }) => mulI(product, tiles), i32(1));
  builder.emit({
    kind: "if",
    cond: call("ge", { of: "bool", width: 1 }, builtin("workgroup"), total),
    then: [{ kind: "return" }],
  });
  let rest: ThreadExpr = builtin("workgroup");
  const decoded = axes
    .map((entry) => entry)
    .reverse()
    .map((entry, i) => {
      const outermost = i === axes.length - 1;
      const index = outermost ? rest : remI(rest, entry.tiles);
      if (!outermost && !(entry.tiles.kind === "const" && entry.tiles.value === 1)) {
        rest = divI(rest, entry.tiles);
      }
      const origin = addI(entry.from, mulI(index, i32(entry.axis.tile)));
      const hint = entry.axis.tile === 1 ? entry.axis.name : `${entry.axis.name}0`;
      return {
        axis: entry.axis,
        origin: builder.let(hint, origin),
        end: entry.end,
        exact: entry.exact,
        aligned: entry.aligned,
      };
    });
  return decoded.reverse();
}
