/**
 * @file The grid of a kernel: from the index of a workgroup to the origin of its tile.
 *
 * Workgroups are numbered over both dimensions of the dispatch and decoded innermost axis last, so that neighbours in
 * time share the outer axes. A dispatch may hold more workgroups than the grid has tiles; the rest return at once.
 *
 * An axis over a list of active rows has as many points as the list's table says. Where tiles keep to groups, the table holds
 * each tile's group, first row and end; a launch of a slice of the groups leaves the others' tiles alone.
 *
 * A phase of a kernel has the same axes, cut to the box of its workgroup; a loop goes through their tiles.
 */
import type { AxisExtent } from "../../src/ir/expr.ts";
import type { ThreadExpr } from "../../src/ir/thread.ts";
import { addI, BOOL, builtin, call, divI, I32, i32, lessThan, mulI, remI } from "../../src/ir/thread.ts";
import { GROUP, type GridAxis, type RowAxis, sharesAxis, type TileKernel } from "../../src/ir/tile.ts";
import { type Bindings, SLICE_FROM } from "./access.ts";
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

/** An axis before its tile is known. */
export interface OpenAxis extends Omit<TileAxis, "origin"> {
  readonly from: ThreadExpr;
  /** Tiles between `from` and `end`. */
  readonly tiles: ThreadExpr;
}

/** A workgroup's part of an axis that phases share. */
export interface Span {
  readonly axis: GridAxis;
  readonly from: ThreadExpr;
  readonly to: ThreadExpr;
}

/** The tile of this workgroup; of a phase, the tile that its loop is at. */
export function openGrid(builder: Builder, kernel: TileKernel, bindings: Bindings): readonly TileAxis[] {
  const { frame } = builder;
  if (frame !== undefined) return decode(builder, kernel, bindings, frame.axes, frame.tile);
  const axes = openAxes(builder, kernel, bindings);
  const total = axes.reduce((product, { tiles }) => mulI(product, tiles), i32(1));
  leaveIf(builder, call("ge", BOOL, builtin("workgroup"), total));
  return decode(builder, kernel, bindings, axes, builtin("workgroup"));
}

/** The axes of a grid; of a phase, within the workgroup's `spans`. */
export function openAxes(
  builder: Builder,
  kernel: TileKernel,
  bindings: Bindings,
  spans: readonly Span[] = [],
): readonly OpenAxis[] {
  builder.bindAxis(SLICE_FROM, builtin("call.from"));
  return kernel.grid.map((axis): OpenAxis => {
    if (axis.rows) return openRows(builder, bindings, axis, axis.rows);
    const span = spans.find((s) => sharesAxis(axis, s.axis));
    if (span !== undefined) return openShared(builder, axis, span);
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
}

function decode(
  builder: Builder,
  kernel: TileKernel,
  bindings: Bindings,
  axes: readonly OpenAxis[],
  tile: ThreadExpr,
): readonly TileAxis[] {
  let rest = tile;
  const decoded = axes
    .map((entry) => entry)
    .reverse()
    .map((entry, i): TileAxis => {
      const outermost = i === axes.length - 1;
      const index = outermost ? rest : remI(rest, entry.tiles);
      if (!outermost && !(entry.tiles.kind === "const" && entry.tiles.value === 1)) {
        rest = divI(rest, entry.tiles);
      }
      const { axis, end, exact, aligned } = entry;
      if (axis.rows?.group) return tileOfList(builder, bindings, kernel, entry, axis.rows, index);
      const origin = addI(entry.from, mulI(index, i32(axis.tile)));
      const hint = axis.tile === 1 ? axis.name : `${axis.name}0`;
      return { axis, origin: builder.let(hint, origin), end, exact, aligned };
    });
  return decoded.reverse();
}

/** Of an axis of a phase, what lies in the workgroup's box: of rows of the batch, `times` points each. */
function openShared(builder: Builder, axis: GridAxis, { axis: shared, from: lo, to: hi }: Span): OpenAxis {
  const { extent, tile } = axis;
  const times = typeof extent === "number" ? 1 : extent.times;
  const most = shared.tile * times;
  const from = times === 1 ? lo : builder.let(`${axis.name}_from`, mulI(lo, i32(times)));
  const end = times === 1 ? hi : builder.let(`${axis.name}_end`, mulI(hi, i32(times)));
  const full = shared.tile === 1 || (typeof shared.extent === "number" && shared.extent % shared.tile === 0);
  const length = full ? i32(most) : call("sub", end.type, end, from);
  const tiles =
    most <= tile
      ? i32(1)
      : tile === 1 || full
        ? divI(addI(length, i32(tile - 1)), i32(tile))
        : builder.let(`${axis.name}_tiles`, divI(addI(length, i32(tile - 1)), i32(tile)));
  return {
    axis,
    from,
    end,
    tiles,
    exact: tile === 1 || (full && most % tile === 0),
    aligned: most % tile === 0,
  };
}

function leaveIf(builder: Builder, cond: ThreadExpr): void {
  builder.emit({ kind: "if", cond, body: [{ kind: "return" }] });
}

/** Word `at` of a list's table. */
function tableWord(bindings: Bindings, table: number, at: ThreadExpr): ThreadExpr {
  return { kind: "load", binding: bindings.entry(table).index, index: at, type: I32 };
}

function openRows(builder: Builder, bindings: Bindings, axis: GridAxis, rows: RowAxis): OpenAxis {
  const opened = { axis, from: i32(0), exact: axis.tile === 1, aligned: true };
  if (rows.group) {
    const tiles = builder.let(`${axis.name}_tiles`, tableWord(bindings, rows.tiles, i32(1)));
    return { ...opened, end: tiles, tiles };
  }
  const end = builder.let(`${axis.name}_end`, mulI(tableWord(bindings, rows.tiles, i32(0)), i32(rows.times)));
  const tiles =
    axis.tile === 1
      ? end
      : builder.let(`${axis.name}_tiles`, divI(addI(end, i32(axis.tile - 1)), i32(axis.tile)));
  return { ...opened, end, tiles };
}

/** Tile `index` of a list: its rows, and the group that they belong to. */
function tileOfList(
  builder: Builder,
  bindings: Bindings,
  { slicing }: TileKernel,
  { axis, exact, aligned }: OpenAxis,
  { tiles, group = [] }: RowAxis,
  index: ThreadExpr,
): TileAxis {
  const record = builder.let("tile_record", mulI(addI(index, i32(1)), i32(4)));
  const word = (hint: string, at: number): ThreadExpr =>
    builder.let(hint, tableWord(bindings, tiles, addI(record, i32(at))));
  let rest = word("tile_group", 0);
  const within = (digit: ThreadExpr): void => {
    const before = lessThan(digit, builtin("call.from"));
    leaveIf(builder, call("or", BOOL, before, call("ge", BOOL, digit, builtin("call.to"))));
  };
  if (slicing?.axis === GROUP) within(rest);
  group.toReversed().forEach(({ name, extent }, i) => {
    const outermost = i === group.length - 1;
    const digit = builder.let(name, outermost ? rest : remI(rest, i32(extent)));
    if (!outermost) rest = divI(rest, i32(extent));
    builder.bindAxis(name, digit);
    if (slicing?.axis === name) within(digit);
  });
  return { axis, origin: word(`${axis.name}0`, 1), end: word(`${axis.name}_end`, 2), exact, aligned };
}
