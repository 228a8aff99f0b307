/**
 * @file Statistics of a row that a product gathers while it goes through the row anyway: sums, and (mean, M2), never Σx² − (Σx)²/n.
 *
 *     for k in steps of 4:   x = row[k .. k+3]          the product's own load
 *                            four streams, one a component: Welford's rule, mean += (x − mean)/n, M2 += (x − mean before)(x − mean)
 *     what is left of k:     one more stream
 *     after it:              the streams combined exactly (Chan, Golub, LeVeque 1979)
 */
import type { ThreadExpr } from "../../src/ir/thread.ts";
import { call, constant, F32, F32X4, widen } from "../../src/ir/thread.ts";
import type { Builder } from "./builder.ts";
import type { RowStatement } from "./contraction.ts";

type Var = ThreadExpr & { readonly kind: "var" };

/** Sums that advance together: four, or one for what is left. */
interface Streams {
  readonly mean: Var | undefined;
  readonly sum: Var;
}

export class RowSums {
  private readonly builder: Builder;
  private readonly statement: RowStatement;
  private readonly extent: number;
  private readonly fours: Streams | undefined;
  private readonly rest: Streams | undefined;

  /** Declares the sums of one row over `extent` elements. */
  constructor(builder: Builder, statement: RowStatement, extent: number) {
    this.builder = builder;
    this.statement = statement;
    this.extent = extent;
    if (statement.kind === "reduce" && statement.fn !== "sum")
      throw new Error(`internal: a ${statement.fn} of rows beside a product`);
    this.fours = extent >= 4 ? this.open(F32X4) : undefined;
    this.rest = extent % 4 !== 0 ? this.open(F32) : undefined;
  }

  /** Takes elements of the row: four at once, or one of what is left. `part`: 1 / how often, this time included. */
  add(x: ThreadExpr, part: ThreadExpr): void {
    const { builder } = this;
    const streams = x.type.width === 4 ? this.fours : this.rest;
    if (streams === undefined) throw new Error("internal: an element beyond the row");
    const { mean, sum } = streams;
    if (mean === undefined) {
      builder.accumulate(sum, x);
      return;
    }
    const away = builder.let("away", call("sub", x.type, x, mean));
    builder.accumulate(mean, call("mul", x.type, away, part));
    builder.accumulate(sum, call("mul", x.type, away, call("sub", x.type, x, mean)));
  }

  /** The statement's results, in the order of its outputs. */
  finish(): readonly ThreadExpr[] {
    const { builder, fours, rest, extent, statement } = this;
    const counts = { fours: Math.floor(extent / 4), rest: extent % 4 };
    const all = [
      ...(fours ? [{ ...fours, count: constant(counts.fours, F32) }] : []),
      ...(rest ? [{ ...rest, count: constant(counts.rest, F32) }] : []),
    ];
    const add = (values: readonly ThreadExpr[]): ThreadExpr =>
      values.map(folded).reduce((a, b) => call("add", F32, a, b));
    if (statement.kind === "reduce") return [builder.let(statement.out, add(all.map((s) => s.sum)))];
    const totals = all.map(({ mean, sum, count }) => call("mul", sum.type, mean ?? sum, count));
    const mean = builder.let(statement.mean, call("div", F32, add(totals), constant(extent, F32)));
    const squares = all.map(({ mean: own, sum, count }) => {
      const away = builder.let("away", call("sub", sum.type, own ?? sum, mean));
      return call("add", sum.type, sum, call("mul", sum.type, call("mul", sum.type, away, away), count));
    });
    return [mean, builder.let(statement.m2, add(squares))];
  }

  private open(type: typeof F32): Streams {
    const { builder, statement } = this;
    if (statement.kind === "reduce") return { mean: undefined, sum: builder.var(statement.out, type) };
    return { mean: builder.var(statement.mean, type), sum: builder.var(statement.m2, type) };
  }
}

function folded(value: ThreadExpr): ThreadExpr {
  return value.type.width === 4 ? call("sum4", widen(value.type, 1), value) : value;
}
