/**
 * @file The `row` lowering: `lanes` threads share a point and deal its inner axes among them; `rows` points a workgroup side by
 * side, and `turns` of those one after another. It serves row reductions: norms, softmax, pooling, means. What the points share (a
 * norm's gain and bias) is loaded before the first turn: the lanes' elements of an inner axis are the same in all of them.
 *
 * Lanes combine through subgroup operations where a point's lanes are exactly a subgroup, else through a tree in
 * workgroup memory. Either order is fixed. A point beyond the grid's edge is computed in vain (as a copy of the last
 * one), since all threads must meet where lanes combine; only its stores are left out.
 */
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import { addI, builtin, call, divI, i32, lessThan, mulI, remI } from "../../src/ir/thread.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import type { Builder } from "./builder.ts";
import { Expressions } from "./expressions.ts";
import { openGrid } from "./grid.ts";
import type { Fold, Team } from "./inner.ts";
import { foldTwo, Inner, runtimeBound } from "./inner.ts";
import { bindPoint, both, guarded, pointsOf, runPoint } from "./points.ts";

type Row = Extract<TileKernel["lowering"], { kind: "row" }>;

export function lowerRow(
  kernel: TileKernel,
  lowering: Row,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
): number {
  const { lanes, rows, turns = 1, combine, vector } = lowering;
  if (pointsOf(kernel) !== rows * turns)
    throw new Error(`internal: ${kernel.name} tiles ${pointsOf(kernel)} points for ${rows} rows`);
  const threads = lanes * rows;
  const tiles = openGrid(builder, kernel, bindings);
  const thread = builtin("thread");
  const lane = rows === 1 ? thread : builder.let("lane", remI(thread, i32(lanes)));
  const row = rows === 1 ? i32(0) : builder.let("row", divI(thread, i32(lanes)));

  const team: Team = {
    lanes,
    lane,
    combine: combine === "subgroup" ? acrossSubgroup : throughMemory(builder, shared, lanes, rows, lane, row),
  };
  const expressions = new Expressions(builder, bindings);
  const inner = new Inner(builder, expressions, bindings, kernel, team, vector === 4);
  const first = call("eq", { of: "bool", width: 1 }, lane, i32(0));
  const point = (local: ThreadExpr): void => {
    const inside = both(bindPoint(builder, tiles, local, 1, true));
    runPoint(builder, expressions, inner, kernel.body, {
      rewrite: (e) => e,
      once: (store) => guarded(builder, both(inside === undefined ? [first] : [first, inside]), store),
      inside: (store) => guarded(builder, inside, store),
    });
  };
  if (turns === 1) point(row);
  else {
    builder.for("turn", i32(0), runtimeBound(builder, "turns", turns), i32(1), (turn) =>
      point(addI(mulI(row, i32(turns)), turn)),
    );
  }
  return threads;
}

/** The fold over a subgroup, all of whose lanes come. */
export function acrossSubgroup(fn: Fold, value: ThreadExpr): ThreadExpr {
  return call(
    fn === "sum" ? "subgroup_add" : fn === "max" ? "subgroup_max" : "subgroup_min",
    value.type,
    value,
  );
}

/** A tree over workgroup memory: lane l takes lane l + half, for half = lanes/2, …, 1. */
function throughMemory(
  builder: Builder,
  shared: SharedArray[],
  lanes: number,
  rows: number,
  lane: ThreadExpr,
  row: ThreadExpr,
): Team["combine"] {
  if (!Number.isInteger(Math.log2(lanes))) throw new Error(`internal: ${lanes} lanes are no power of two`);
  return (fn, value) => {
    if (lanes === 1) return value;
    const array = value.type.of === "f32" ? "partial" : `partial_${value.type.of}_sums`;
    if (!shared.some((s) => s.name === array))
      shared.push({ name: array, type: value.type, count: lanes * rows });
    const at = (index: ThreadExpr): ThreadExpr => ({ kind: "shared", array, index, type: value.type });
    const thread = builtin("thread");
    builder.emit({ kind: "store_shared", array, index: thread, value });
    builder.emit({ kind: "barrier" });
    for (let half = lanes / 2; half >= 1; half /= 2) {
      builder.if(lessThan(lane, i32(half)), () => {
        builder.emit({
          kind: "store_shared",
          array,
          index: thread,
          value: foldTwo(fn, at(thread), at(addI(thread, i32(half)))),
        });
      });
      builder.emit({ kind: "barrier" });
    }
    const result = builder.let("total", at(mulI(row, i32(lanes))));
    // Nobody overwrites the array before everybody has read it.
    builder.emit({ kind: "barrier" });
    return result;
  };
}
