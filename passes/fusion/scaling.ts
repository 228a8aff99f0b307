/** @file What a norm does to a row, as a statement that gathers its statistics and expressions of what it gathers. */
import { add, apply, div, type Expr, mul, num, tile } from "../../src/ir/expr.ts";
import type { Op } from "../../src/ir/graph.ts";
import type { TileStmt } from "../../src/ir/tile.ts";

export type NormOp = Extract<Op, { kind: "normalize" | "row_statistics" }>;

/** What a norm does to a row: (x − mean) · scale. */
export interface RowScaling {
  readonly mean: Expr | undefined;
  readonly scale: Expr;
}

/** The statement that gathers the statistics of the row x[along], and its shift (layer norms have one) and scale. */
export function scalingOf(
  x: Expr,
  along: string,
  size: number,
  op: NormOp,
  suffix = "",
): RowScaling & { readonly statement: TileStmt } {
  const root = (squares: Expr): Expr => apply("rsqrt", add(squares, num(op.eps)));
  const over = [along];
  if (op.norm === "layer") {
    const [mean, m2] = [`mean${suffix}`, `m2${suffix}`];
    return {
      statement: { kind: "moments", mean, m2, over, value: x },
      mean: tile(mean, "num"),
      scale: root(div(tile(m2, "num"), num(size))),
    };
  }
  const out = `squares${suffix}`;
  const squares = tile(out, "num");
  return {
    statement: { kind: "reduce", fn: "sum", out, over, value: mul(x, x) },
    mean: undefined,
    scale: root(op.norm === "rms" ? div(squares, num(size)) : squares),
  };
}
