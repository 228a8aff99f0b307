/**
 * @file The `element` lowering: a thread computes a point of the grid, or four adjacent points of the last axis. Reductions
 * are serial. It serves what has many points and little work at each: elementwise kernels, gathers, small products.
 */
import type { Expr } from "../../src/ir/expr.ts";
import { substitute } from "../../src/ir/expr.ts";
import type { ThreadExpr } from "../../src/ir/thread.ts";
import { addI, builtin, call, i32, lessThan, mulI } from "../../src/ir/thread.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, groupOffset, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import { Expressions } from "./expressions.ts";
import { openGrid } from "./grid.ts";
import { Inner } from "./inner.ts";
import { bindPoint, both, guarded, pointsOf, runPoint } from "./points.ts";

type Element = Extract<TileKernel["lowering"], { kind: "element" }>;

export function lowerElement(
  kernel: TileKernel,
  lowering: Element,
  builder: Builder,
  bindings: Bindings,
): number {
  const { threads } = lowering;
  const vector = lowering.vector === 4 && canWiden(kernel, bindings) ? 4 : 1;
  const tiles = openGrid(builder, kernel, bindings);
  const expressions = new Expressions(builder, bindings);
  const last = kernel.grid.at(-1);
  const rewrite =
    vector === 4 && last !== undefined
      ? (e: Expr): Expr => substitute(e, new Map([[last.name, quadruple(last.extent, groupAxis(last.name))]]))
      : (e: Expr): Expr => e;
  const points = pointsOf(kernel) / vector;

  const run = (local: ThreadExpr): void => {
    const conditions = bindPoint(builder, tiles, local, vector, false);
    if (points < threads) conditions.unshift(lessThan(local, i32(points)));
    guarded(builder, both(conditions), () => {
      const team = { lanes: 1, lane: i32(0), combine: (_: unknown, value: ThreadExpr) => value };
      const inner = new Inner(builder, expressions, bindings, kernel, team, vector === 1);
      const end = tiles.at(-1)?.end ?? i32(1);
      const whole = vector === 1 || (last !== undefined && multipleOfFour(last.extent));
      const group = builder
        .find((s) => s.axes.has(groupAxis(last?.name ?? "")))
        ?.axes.get(groupAxis(last?.name ?? ""));
      const left =
        whole || group === undefined
          ? undefined
          : builder.let(`${last?.name}_left`, call("sub", end.type, end, mulI(group, i32(4))));
      const now = (store: () => void): void => store();
      runPoint(builder, expressions, inner, kernel.body, { rewrite, left, once: now, inside: now });
    });
  };

  const thread = builtin("thread");
  if (points <= threads) run(thread);
  else {
    // Fewer threads than points: each takes every `threads`-th point of the tile.
    const rounds = Math.ceil(points / threads);
    builder.for("round", i32(0), mulI(builtin("call.one"), i32(rounds)), i32(1), (round) => {
      const local = builder.let("point", addI(mulI(round, i32(threads)), thread));
      guarded(builder, points % threads === 0 ? undefined : lessThan(local, i32(points)), () => run(local));
    });
  }
  return threads;
}

/** Four points at once pay only if every store is of a whole group. */
function canWiden(kernel: TileKernel, bindings: Bindings): boolean {
  const last = kernel.grid.at(-1);
  if (last === undefined || last.tile % 4 !== 0 || kernel.slicing?.axis === last.name) return false;
  const four = new Map([[last.name, quadruple(last.extent, groupAxis(last.name))]]);
  return kernel.body.every((s) => {
    if (s.kind !== "store") return true;
    if (!bindings.entry(s.target).groups) return false;
    return (
      groupOffset(
        bindings.offset(
          s.target,
          s.index.map((e) => substitute(e, four)),
        ),
      ) !== undefined
    );
  });
}

function multipleOfFour(extent: TileKernel["grid"][number]["extent"]): boolean {
  return (typeof extent === "number" ? extent : extent.times) % 4 === 0;
}
