/**
 * @file Runs a tile program at one point: reductions swept by the team, pointwise tiles, stores. The `element` and `row`
 * lowerings differ in who makes up the team and in how a thread finds its point.
 */
import type { Expr } from "../../src/ir/expr.ts";
import type { ThreadExpr } from "../../src/ir/thread.ts";
import { addI, call, divI, i32, lessThan, minI, remI } from "../../src/ir/thread.ts";
import { expressionsOf, type ScoreStmt, type TileKernel, type TileStmt } from "../../src/ir/tile.ts";
import { groupAxis } from "./access.ts";
import type { Builder } from "./builder.ts";
import type { Expressions } from "./expressions.ts";
import type { TileAxis } from "./grid.ts";
import type { Inner, Reduction } from "./inner.ts";
import { axesReduced, tileValue } from "./inner.ts";

export interface PointOptions {
  /** Prepares every expression: writes a grid axis four at a time. */
  readonly rewrite: (e: Expr) => Expr;
  /** Of a group of four along a grid axis, how many exist; absent: all. */
  readonly left?: ThreadExpr;
  /** Wraps stores at the point: which lane, and whether the point exists. */
  readonly once: (store: () => void) => void;
  /** Wraps stores over inner axes. */
  readonly inside: (store: () => void) => void;
}

export function runPoint(
  builder: Builder,
  expressions: Expressions,
  inner: Inner,
  body: readonly TileStmt[],
  options: PointOptions,
): void {
  const { rewrite } = options;
  for (const part of groups(body)) {
    builder.statement = Array.isArray(part) ? part[0] : part;
    if (Array.isArray(part)) {
      const first = part[0] as Reduction;
      inner.reduce(part, axesReduced(first), rewrite);
      continue;
    }
    const statement = part as Exclude<TileStmt, Reduction | ScoreStmt>;
    if (statement.kind === "let") {
      builder.bindTile(
        statement.out,
        builder.let(statement.out, tileValue(expressions, rewrite(statement.value))),
      );
      continue;
    }
    const write = (...turns: readonly ((e: Expr) => Expr)[]): void => {
      const [first, second] = turns.map((turn) => {
        const value = tileValue(expressions, turn(rewrite(statement.value)));
        return { value, index: statement.index.map((e) => turn(rewrite(e))) };
      });
      if (second !== undefined) expressions.storeBoth(statement.target, [first, second]);
      else expressions.store(statement.target, first.index, first.value, options.left);
    };
    if (statement.over.length === 0) options.once(() => write((e) => e));
    else options.inside(() => inner.each(statement.over, write));
  }
}

/** Reductions that follow each other over the same axes, without using each other, share a sweep. */
function groups(body: readonly TileStmt[]): (Exclude<TileStmt, Reduction | ScoreStmt> | Reduction[])[] {
  const parts: (Exclude<TileStmt, Reduction | ScoreStmt> | Reduction[])[] = [];
  for (const statement of body) {
    if (statement.kind === "score")
      throw new Error("internal: a score product is not computed point by point");
    if (statement.kind === "let" || statement.kind === "store") {
      parts.push(statement);
      continue;
    }
    const last = parts.at(-1);
    const joins =
      Array.isArray(last) &&
      axesReduced(last[0] as Reduction).join() === axesReduced(statement).join() &&
      !last.some((earlier) => outputsOf(earlier).some((tile) => usesTile(statement, tile)));
    if (joins) last.push(statement);
    else parts.push([statement]);
  }
  return parts;
}

export function outputsOf(statement: TileStmt): readonly string[] {
  return statement.kind === "moments"
    ? [statement.mean, statement.m2]
    : statement.kind === "store"
      ? []
      : [statement.out];
}

export function usesTile(statement: TileStmt, tile: string): boolean {
  return expressionsOf(statement).some((e) => mentions(e, tile));
}

function mentions(e: Expr, tile: string): boolean {
  if (e.kind === "tile") return e.tile === tile;
  const parts = e.kind === "apply" ? e.args : e.kind === "load" ? e.index : [];
  return parts.some((part) => mentions(part, tile));
}

/**
 * Binds the grid axes to point number `local` of the workgroup's tile (innermost axis last; the last axis counted in
 * groups of four with `vector`). Gives the conditions under which the point exists; with `clamp` an axis that has
 * run over its end stays at its last index, so that the point can be computed in vain.
 */
export function bindPoint(
  builder: Builder,
  tiles: readonly TileAxis[],
  local: ThreadExpr,
  vector: 1 | 4,
  clamp: boolean,
): ThreadExpr[] {
  const conditions: ThreadExpr[] = [];
  let rest = local;
  const last = tiles.length - 1;
  for (let i = last; i >= 0; i--) {
    const { axis, origin, end, exact } = tiles[i] as TileAxis;
    const four = i === last && vector === 4;
    const size = four ? axis.tile / 4 : axis.tile;
    const outermost = tiles.slice(0, i).every((t) => t.axis.tile === 1);
    const step = size === 1 ? i32(0) : outermost ? rest : remI(rest, i32(size));
    if (size !== 1 && !outermost) rest = divI(rest, i32(size));
    const base = four ? divI(origin, i32(4)) : origin;
    const limit = four ? divI(addI(end, i32(3)), i32(4)) : end;
    let index = addI(base, step);
    if (!exact) {
      index = builder.let(four ? `${axis.name}4` : axis.name, index);
      conditions.push(lessThan(index, limit));
      if (clamp) index = minI(index, call("sub", limit.type, limit, i32(1)));
    }
    builder.bindAxis(
      four ? groupAxis(axis.name) : axis.name,
      builder.let(four ? `${axis.name}4` : axis.name, index),
    );
  }
  return conditions;
}

/** Points of a workgroup's tile. */
export function pointsOf(kernel: TileKernel): number {
  return kernel.grid.reduce((product, axis) => product * axis.tile, 1);
}

export function both(conditions: readonly ThreadExpr[]): ThreadExpr | undefined {
  return conditions.length === 0
    ? undefined
    : conditions.reduce((a, b) => call("and", { of: "bool", width: 1 }, a, b));
}

export function guarded(builder: Builder, condition: ThreadExpr | undefined, body: () => void): void {
  if (condition === undefined) body();
  else builder.if(condition, body);
}
