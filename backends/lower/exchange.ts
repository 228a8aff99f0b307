/**
 * @file One sum for two products whose weights lie side by side (src/ir/interleaved.ts): the accumulators of even lanes are the first
 * product's, those of odd lanes the second's, of the same rows and columns. Afterwards neighbours share the rows out: the even lane
 * gets both products of rows 0, 2, 4 …, the odd one of rows 1, 3, 5 …, and each carries on with half of the rows.
 *
 *     lane            even        odd                                   even         odd
 *     row 2i          first       second      what the other needs      both         –
 *     row 2i + 1      first       second      changes hands             –            both
 */
import { BOOL, builtin, call, I32, i32, remI, splat, type ThreadExpr, U32 } from "../../src/ir/thread.ts";
import type { Builder } from "./builder.ts";

/** The axis that tells the products apart: 0 in even lanes, 1 in odd ones. */
export const SIDE = "%side";

export class Sides {
  private readonly builder: Builder;
  /** 0 or 1. */
  readonly side: ThreadExpr;
  private readonly odd: ThreadExpr;
  private readonly other: ThreadExpr;

  constructor(builder: Builder) {
    this.builder = builder;
    this.side = builder.let("side", remI(builtin("thread"), i32(2)));
    this.odd = builder.let("odd", call("eq", BOOL, this.side, i32(1)));
    const lane = call(
      "sub",
      I32,
      call("add", I32, builtin("thread"), i32(1)),
      call("mul", I32, this.side, i32(2)),
    );
    this.other = builder.let("neighbour", call("convert", U32, lane));
    builder.bindAxis(SIDE, this.side);
  }

  /** This lane's own of the values of rows 2i and 2i + 1. */
  own(even: ThreadExpr, odd: ThreadExpr): ThreadExpr {
    const which = odd.type.width === 4 ? splat(this.odd) : this.odd;
    return call("select", odd.type, even, odd, which);
  }

  /** Both products at this lane's row, of its sums at rows 2i and 2i + 1. */
  exchange(even: ThreadExpr, odd: ThreadExpr): readonly [first: ThreadExpr, second: ThreadExpr] {
    const { builder } = this;
    const kept = builder.let("kept", this.own(even, odd));
    const given = builder.let("given", this.own(odd, even));
    const got = builder.let("got", call("subgroup_shuffle", given.type, given, this.other));
    return [builder.let("first", this.own(kept, got)), builder.let("second", this.own(got, kept))];
  }
}
