/**
 * @file What the two lowerings of matrix products share: which tiles belong to a row, a column or a point of the
 * output tile, and the order in which a tile program computes them.
 *
 * A product kernel has one pair (m, n): every `dot` sums over (a row of m) × (a column of n). A tile that depends on
 * both lives in registers, one value an accumulator; one that depends on m alone (the mean of a row, say) or on n alone
 * is computed once a row or once a column.
 */
import type { Expr } from "../../src/ir/expr.ts";
import { mapExpr, substitute, tile, walkExpr } from "../../src/ir/expr.ts";
import {
  expressionsOf,
  type GridAxis,
  type InnerAxis,
  type ScoreStmt,
  type TileKernel,
  type TileStmt,
} from "../../src/ir/tile.ts";
import { outputsOf, usesTile } from "./points.ts";

export type Dot = Extract<TileStmt, { kind: "dot" }>;

/** A statement around the products of a kernel. */
export type Plain = Exclude<TileStmt, Dot | ScoreStmt>;

export interface Varies {
  readonly m: boolean;
  readonly n: boolean;
}

export interface Product {
  readonly m: GridAxis;
  readonly n: GridAxis;
  /** For each tile, whether it changes along m and along n. */
  readonly tiles: ReadonlyMap<string, Varies>;
}

export function productOf(kernel: TileKernel): Product {
  const dots = kernel.body.filter((s): s is Dot => s.kind === "dot");
  const [first] = dots;
  if (first === undefined || dots.some((d) => d.m !== first.m || d.n !== first.n)) {
    throw new Error(`internal: ${kernel.name} has no common (m, n) for its products`);
  }
  const axis = (name: string): GridAxis => {
    const found = kernel.grid.find((a) => a.name === name);
    if (found === undefined) throw new Error(`internal: ${kernel.name} has no grid axis ${name}`);
    return found;
  };
  const tiles = new Map<string, Varies>();
  const product = { m: axis(first.m), n: axis(first.n), tiles };
  for (const statement of kernel.body) {
    const varies = statement.kind === "dot" ? { m: true, n: true } : variesOf(statement, product);
    for (const out of outputsOf(statement)) tiles.set(out, varies);
  }
  return product;
}

/** Whether what a statement computes changes along m and along n. */
export function variesOf(statement: TileStmt, { m, n, tiles }: Product): Varies {
  const varies = { m: false, n: false };
  for (const e of expressionsOf(statement)) {
    walkExpr(e, (node) => {
      if (node.kind === "axis") {
        varies.m ||= node.name === m.name;
        varies.n ||= node.name === n.name;
      } else if (node.kind === "tile") {
        varies.m ||= tiles.get(node.tile)?.m ?? false;
        varies.n ||= tiles.get(node.tile)?.n ?? false;
      }
    });
  }
  return varies;
}

export function innerAxis(kernel: TileKernel, name: string): InnerAxis {
  const found = kernel.inner.find((a) => a.name === name);
  if (found === undefined) throw new Error(`internal: ${kernel.name} has no inner axis ${name}`);
  return found;
}

/** Products that follow each other over one k share a sweep; everything else stands alone. */
export function phases(body: readonly TileStmt[]): (Plain | readonly Dot[])[] {
  const parts: (Plain | Dot[])[] = [];
  for (const statement of body) {
    if (statement.kind === "score") throw new Error("internal: a score product has a lowering of its own");
    if (statement.kind !== "dot") {
      parts.push(statement);
      continue;
    }
    const last = parts.at(-1);
    if (Array.isArray(last) && last[0]?.k === statement.k) last.push(statement);
    else parts.push([statement]);
  }
  return parts;
}

/** A statement that sums along an inner axis. */
export type RowStatement = Extract<TileStmt, { kind: "reduce" | "moments" }>;

function isRowSum(part: Plain | readonly Dot[]): part is RowStatement {
  return "kind" in part && (part.kind === "reduce" || part.kind === "moments");
}

/**
 * Whether a product that is next but for others such goes through all that `statement` sums of a row, and nothing asks for the sum
 * before: a product can gather it on the way.
 */
export function goesAlong(
  statement: Plain,
  next: readonly (Plain | readonly Dot[])[],
  product: Product,
): statement is RowStatement {
  if (statement.kind !== "moments" && (statement.kind !== "reduce" || statement.fn !== "sum")) return false;
  const at = next.findIndex((part) => !isRowSum(part));
  const dots = next[at];
  if (dots === undefined || "kind" in dots) return false;
  // The product of a row that is normed in its prologue needs them before.
  const meanwhile = next.slice(0, at + 1).flat() as readonly TileStmt[];
  if (outputsOf(statement).some((out) => meanwhile.some((s) => usesTile(s, out)))) return false;
  const varies = variesOf(statement, product);
  return varies.m && !varies.n && statement.over.length === 1 && statement.over[0] === dots[0]?.k;
}

/** Writes axes and tiles of an expression anew. */
export function renamed(e: Expr, axes: ReadonlyMap<string, Expr>, tiles: (name: string) => string): Expr {
  return mapExpr(substitute(e, axes), (node) =>
    node.kind === "tile" ? tile(tiles(node.tile), node.type) : node,
  );
}
