/**
 * @file What the `flash` lowering does with a block of scores, in registers. Of a fragment, 16 rows × 8 keys, lane l has keys
 * 2·(l mod 4) and the next of rows ⌊l/4⌋ (first two) and ⌊l/4⌋ + 8. Two fragments of sums, packed to 16 bits, are one of operands, so
 * that weights need no exchange on their way to the second product; a row lies in the four lanes of a quad, which exchange
 * maxima and totals alone.
 */
import { add, axis, type Expr, floordiv, int, min, mod, mul } from "../../src/ir/expr.ts";
import type { Half, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  call,
  component,
  constant,
  divI,
  F32,
  F32X4,
  gather4,
  I32,
  i32,
  lessThan,
  mulI,
  remI,
  splat,
  U32,
} from "../../src/ir/thread.ts";
import type { InnerAxis, ScoreStmt } from "../../src/ir/tile.ts";
import { LANE } from "./access.ts";
import type { Builder } from "./builder.ts";
import { renamed } from "./contraction.ts";
import { type Expressions, spread } from "./expressions.ts";
import type { TileAxis } from "./grid.ts";
import { fragmentOf, type GroupTile } from "./grouptile.ts";

type Var = ThreadExpr & { readonly kind: "var" };

/** Of the two rows that a lane has accumulators of. */
export type Quad = readonly [ThreadExpr, ThreadExpr];

/** A row's running maximum and this lane's share of its total; of the two rows that a lane has accumulators of. */
export interface Running {
  readonly most: readonly [Var, Var];
  readonly total: readonly [Var, Var];
}

/** The greatest weight of a row that has seen nothing: below every finite one, so that exp(−∞ − most) is 0 and no NaN. */
const LOWEST = constant(-3.4028234663852886e38, F32);
const NOTHING = constant(Number.NEGATIVE_INFINITY, F32);
const ZERO = constant(0, F32);

export class FlashScores {
  private readonly builder: Builder;
  private readonly expressions: Expressions;
  private readonly format: Half;
  /** Keys of a block. */
  private readonly keys: number;
  private readonly s: ScoreStmt;
  private readonly j: InnerAxis;
  private readonly m: TileAxis;
  private readonly lane: ThreadExpr;
  private readonly warp: ThreadExpr;
  private readonly cellName: (out: string, column: number) => string;
  /** The lanes of the quad that have the same rows. */
  private readonly partners: readonly ThreadExpr[];

  constructor(given: {
    readonly builder: Builder;
    readonly expressions: Expressions;
    readonly format: Half;
    readonly keys: number;
    readonly s: ScoreStmt;
    readonly j: InnerAxis;
    readonly m: TileAxis;
    readonly lane: ThreadExpr;
    readonly warp: ThreadExpr;
    /** The name of the sums' tile at accumulator `column`. */
    readonly cellName: (out: string, column: number) => string;
  }) {
    this.builder = given.builder;
    this.expressions = given.expressions;
    this.format = given.format;
    this.keys = given.keys;
    this.s = given.s;
    this.j = given.j;
    this.m = given.m;
    this.lane = given.lane;
    this.warp = given.warp;
    this.cellName = given.cellName;
    this.partners = [1, 2].map((apart) =>
      given.builder.let("partner", call("bitxor", I32, given.lane, i32(apart))),
    );
  }

  openRunning(): Running {
    const { builder } = this;
    const two = (hint: string, value?: ThreadExpr): readonly [Var, Var] => [
      builder.var(hint, F32, value),
      builder.var(hint, F32, value),
    ];
    return { most: two("most", LOWEST), total: two("total") };
  }

  /** What of a block of keys multiplies the values: a fragment of eight keys each. */
  weights(
    a: readonly ThreadExpr[],
    keys: GroupTile,
    block: ThreadExpr,
    buffer: ThreadExpr,
    running: Running | undefined,
    acc: readonly Var[],
    mine: Quad | undefined,
  ): readonly ThreadExpr[] {
    const { builder, keys: count, s, j, lane } = this;
    const scores = range(count / 8).map((c) => builder.var(`${s.score}_${c}`, F32X4));
    a.forEach((left, d) => {
      range(count / 16).forEach((p) => {
        const pair = builder.let("b", fragmentOf(builder, keys, "right", lane, buffer, i32(p), i32(d)));
        this.multiply(scores[2 * p], left, pair, 0);
        this.multiply(scores[2 * p + 1], left, pair, 1);
      });
    });
    const start = builder.let(`${s.j}_start`, mulI(block, i32(count)));
    const exact = j.extent % count === 0;
    const places = scores.map((score, c) => {
      // Columns 2q and the next of this fragment.
      const first = builder.let(s.j, addI(start, addI(i32(8 * c), mulI(remI(lane, i32(4)), i32(2)))));
      builder.bindAxis(`${s.j}@${c}`, first);
      builder.bindTile(`${s.score}@${c}`, score);
      return first;
    });
    const weights = places.map((first, c) => {
      const w = spread(this.expressions.as(this.at(s.weight, c), "f32"), 4);
      if (exact && mine === undefined) return builder.let("w", w);
      const counts = [0, 1].flatMap((row) =>
        [0, 1].map((h) => {
          const within = exact ? undefined : lessThan(addI(first, i32(h)), i32(j.extent));
          const own = mine?.[row];
          return within && own ? call("and", BOOL, own, within) : ((own ?? within) as ThreadExpr);
        }),
      );
      const inside = gather4(counts, "bool");
      return builder.let("w", call("select", F32X4, splat(running ? NOTHING : ZERO), w, inside));
    });
    if (running === undefined) return weights;
    return this.softmax(weights, running, acc).map((p, c) => this.gained(p, c));
  }

  /** exp(w − most') of a block; brings the sums so far to the new maxima. */
  private softmax(
    weights: readonly ThreadExpr[],
    { most, total }: Running,
    acc: readonly Var[],
  ): ThreadExpr[] {
    const { builder } = this;
    const max = (x: ThreadExpr, y: ThreadExpr): ThreadExpr => call("max", F32, x, y);
    const scales = most.map((so, row) => {
      const own = weights.flatMap((w) => [0, 1].map((h) => component(w, 2 * row + h))).reduce(max);
      const top = this.partners.reduce(
        (x, partner) => {
          const known = builder.let("top", x);
          return max(known, call("subgroup_shuffle", F32, known, partner));
        },
        max(so, own),
      );
      const next = builder.let("top", top);
      const scale = builder.let("scale", power(call("sub", F32, so, next)));
      builder.assign(so, next);
      return scale;
    });
    const rows = (two: readonly ThreadExpr[]): ThreadExpr =>
      gather4(
        [0, 0, 1, 1].map((row) => two[row] as ThreadExpr),
        "f32",
      );
    const tops = builder.let("tops", rows(most));
    const shares = weights.map((w) => builder.let("p", power(call("sub", F32X4, w, tops))));
    total.forEach((sum, row) => {
      const parts = shares.flatMap((p) => [0, 1].map((h) => component(p, 2 * row + h)));
      const before = call("mul", F32, sum, scales[row] as ThreadExpr);
      builder.assign(
        sum,
        parts.reduce((x, y) => call("add", F32, x, y), before),
      );
    });
    const scaled = builder.let("scales", rows(scales));
    for (const sum of acc) builder.assign(sum, call("mul", F32X4, sum, scaled));
    return shares;
  }

  private gained(p: ThreadExpr, c: number): ThreadExpr {
    const { gain } = this.s;
    if (gain === undefined) return p;
    return this.builder.let("p", call("mul", F32X4, p, this.expressions.as(this.at(gain, c), "f32")));
  }

  /** acc += p · v: the sums' layout of two fragments is an operand's of one. */
  addValues(acc: readonly Var[], shares: readonly ThreadExpr[], values: GroupTile, buffer: ThreadExpr): void {
    const { builder, keys: count, lane, format } = this;
    const pack = format === "f16" ? "pack_f16" : "pack_bf16";
    range(count / 16).forEach((d) => {
      const words = [2 * d, 2 * d + 1].flatMap((c) =>
        [0, 2].map((h) => {
          const p = shares[c] as ThreadExpr;
          return call(pack, U32, component(p, h), component(p, h + 1));
        }),
      );
      const left = builder.let("p", gather4(words, "u32"));
      range(acc.length / 2).forEach((p) => {
        const of = "right_transposed";
        const pair = builder.let("v", fragmentOf(builder, values, of, lane, buffer, i32(p), i32(d)));
        this.multiply(acc[2 * p], left, pair, 0);
        this.multiply(acc[2 * p + 1], left, pair, 1);
      });
    });
  }

  private multiply(acc: Var | undefined, a: ThreadExpr, pair: ThreadExpr, side: 0 | 1): void {
    if (acc === undefined) throw new Error("internal: a fragment without sums");
    const b = [component(pair, 2 * side), component(pair, 2 * side + 1)] as const;
    this.builder.emit({ kind: "mma", format: this.format, acc: acc.name, a, b });
  }

  /**
   * `e` at fragment `c` of the scores: its elements along LANE are keys j and j + 1 of row ⌊l/4⌋ of the warp's, then of the row
   * eight below.
   */
  private at(e: Expr, c: number): Expr {
    const { s, j, m, builder } = this;
    const rows = `${s.m}@quad`;
    if (builder.find((scope) => scope.axes.has(rows)) === undefined) {
      builder.inside(builder.tileScope, () => {
        const row = addI(mulI(this.warp, i32(16)), divI(this.lane, i32(4)));
        builder.bindAxis(rows, builder.let(`${s.m}_quad`, addI(m.origin, row)));
        builder.bindAxis(`${s.m}@last`, builder.let(`${s.m}_last`, addI(m.end, i32(-1))));
      });
    }
    const lane = axis(LANE, 4);
    const row = add(axis(rows, m.axis.extent), mul(floordiv(lane, int(2)), int(8)));
    const key = add(axis(`${s.j}@${c}`, j.extent), mod(lane, int(2)));
    const axes = new Map<string, Expr>([
      [s.m, m.exact ? row : min(row, axis(`${s.m}@last`, m.axis.extent))],
      [s.j, j.extent % this.keys === 0 ? key : min(key, int(j.extent - 1))],
    ]);
    return renamed(e, axes, (name) => (name === s.score ? `${name}@${c}` : name));
  }

  /** The sums become tiles; a softmax is divided by its total, and is 0 where it has seen nothing. */
  finish(acc: readonly Var[], running: Running | undefined): void {
    const { builder, s } = this;
    const inverses = running?.total.map((total) => {
      const sum = this.partners.reduce((x: ThreadExpr, partner) => {
        const known = builder.let("sum", x);
        return call("add", F32, known, call("subgroup_shuffle", F32, known, partner));
      }, total);
      const all = builder.let("sum", sum);
      const over = call("div", F32, constant(1, F32), all);
      return builder.let("inverse", call("select", F32, over, ZERO, call("eq", BOOL, all, ZERO)));
    });
    const factor =
      inverses &&
      builder.let(
        "inverses",
        gather4(
          [0, 0, 1, 1].map((row) => inverses[row] as ThreadExpr),
          "f32",
        ),
      );
    acc.forEach((sum, c) => {
      const scaled = factor === undefined ? sum : builder.let("sum", call("mul", F32X4, sum, factor));
      const four = builder.let(`${s.out}_row`, call("fragment_row", F32X4, scaled));
      builder.bindTile(this.cellName(s.out, c), four);
    });
  }
}

/** exp(x), as the device's own power of two. */
function power(x: ThreadExpr): ThreadExpr {
  const scaled = call("mul", x.type, x, constant(Math.LOG2E, F32));
  return call("exp2", x.type, scaled);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
