/**
 * @file How the weights of a block of a score product reach the lanes that own columns, and the running sums that they go into:
 * by subgroup operations where a workgroup is one subgroup, else through workgroup memory.
 */
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  builtin,
  call,
  constant,
  F32,
  F32X4,
  I32,
  i32,
  lessThan,
  minI,
  mulI,
} from "../../src/ir/thread.ts";
import type { Builder } from "./builder.ts";
import { type Expressions, spread } from "./expressions.ts";
import { runtimeBound } from "./inner.ts";
import type { ScoreLowering, ScorePlaces } from "./scoreplaces.ts";

export type Var = ThreadExpr & { readonly kind: "var" };

/** The running maximum of a row that has seen nothing; anything below `NOTHING` is −∞. */
export const LOWEST = constant(-3.4028234663852886e38, F32);
const NOTHING = constant(-3e38, F32);
export const ZERO = constant(0, F32);

/** Keys whose values are added to a sum at a time. */
const TOGETHER = 4;

/** A row's running sums. */
export interface Row {
  /** Its greatest weight so far; with `combine: "shared"` it lies in workgroup memory. */
  readonly most: Var | undefined;
  /** This lane's share of Σ exp(w − most). */
  readonly total: Var | undefined;
  readonly acc: readonly Var[];
}

export class ScoreSums {
  private readonly l: ScoreLowering;
  private readonly builder: Builder;
  private readonly expressions: Expressions;
  private readonly places: ScorePlaces;
  private readonly shared: SharedArray[];
  private readonly softmax: boolean;
  /** Names of the arrays in workgroup memory, if any. */
  private readonly arrays = { weights: "", most: "", scale: "" };
  readonly rows: readonly Row[];
  /** For 1, 2, 4, … lanes apart: the lane that this one exchanges values with. */
  private readonly partners: readonly ThreadExpr[];

  constructor(
    lowering: ScoreLowering,
    builder: Builder,
    expressions: Expressions,
    places: ScorePlaces,
    shared: SharedArray[],
  ) {
    this.l = lowering;
    this.builder = builder;
    this.expressions = expressions;
    this.places = places;
    this.shared = shared;
    this.softmax = places.s.norm === "softmax";
    this.openMemory();
    const own = lowering.combine === "subgroup";
    this.partners = own && this.softmax ? this.openPartners() : [];
    this.rows = places.rows.map(
      (r): Row => ({
        most: this.softmax && own ? builder.var(`most_${r}`, F32, LOWEST) : undefined,
        total: this.softmax ? builder.var(`total_${r}`, F32) : undefined,
        acc: places.groups.map((g) => builder.var(`${places.s.out}_${r}_${g}`, F32X4)),
      }),
    );
  }

  /** Adds a block: `weights` of this lane's j for every row; the block begins at j = `start`. */
  add(weights: readonly ThreadExpr[], start: ThreadExpr): void {
    if (this.l.combine === "subgroup") this.bySubgroup(weights, start);
    else this.byMemory(weights, start);
  }

  /**
   * The weights of a block go from the lane that has them to all, some keys at a time: a value that is loaded costs hundreds of
   * instructions where lanes load one by one, and each sum is touched once for all of them.
   */
  private bySubgroup(weights: readonly ThreadExpr[], start: ThreadExpr): void {
    const { builder, l, places } = this;
    const shares = this.rows.map(({ most, total, acc }, r) => {
      const w = weights[r] as ThreadExpr;
      if (most === undefined || total === undefined) return w;
      const next = builder.let("most", call("max", F32, most, this.greatest(w)));
      const { p, scale } = this.rescaled(w, most, next);
      builder.assign(most, next);
      builder.assign(total, call("add", F32, call("mul", F32, total, scale), p));
      for (const sum of acc) builder.assign(sum, call("mul", F32X4, sum, scale));
      return this.gained(p, r);
    });
    const together = Math.min(TOGETHER, l.lanes);
    const rounds = runtimeBound(builder, "rounds", l.lanes / together);
    builder.for("round", i32(0), rounds, i32(1), (round) => {
      const lanes = Array.from({ length: together }, (_, c) =>
        builder.let("lane", addI(mulI(round, i32(together)), i32(c))),
      );
      const values = lanes.map((lane, c) => this.values(start, lane, `${places.j.name}@${c}`));
      this.rows.forEach(({ acc }, r) => {
        const handed = lanes.map((lane) =>
          builder.let("p", call("subgroup_shuffle", F32, shares[r] as ThreadExpr, lane)),
        );
        acc.forEach((sum, g) => {
          const next = handed.reduce(
            (so: ThreadExpr, p, c) =>
              call("add", F32X4, so, call("mul", F32X4, p, values[c]?.[g] as ThreadExpr)),
            sum,
          );
          builder.assign(sum, next);
        });
      });
    });
  }

  /** The same through workgroup memory: weights, then the rows' maxima, then shares. */
  private byMemory(weights: readonly ThreadExpr[], start: ThreadExpr): void {
    const { builder, l, arrays } = this;
    const thread = builtin("thread");
    const at = (r: number): ThreadExpr => addI(i32(r * l.lanes), thread);
    const put = (array: string, index: ThreadExpr, value: ThreadExpr): void =>
      builder.emit({ kind: "store_shared", array, index, value });
    const get = (array: string, index: ThreadExpr): ThreadExpr => ({
      kind: "shared",
      array,
      index,
      type: F32,
    });
    let shares = weights;
    if (this.softmax) {
      weights.forEach((w, r) => {
        put(arrays.weights, at(r), w);
      });
      builder.emit({ kind: "barrier" });
      builder.if(lessThan(thread, i32(l.rows)), () => {
        const before = builder.let("before", get(arrays.most, thread));
        const top = builder.var("top", F32, before);
        builder.for("lane", i32(0), runtimeBound(builder, "lanes", l.lanes), i32(1), (lane) => {
          const w = get(arrays.weights, addI(mulI(thread, i32(l.lanes)), lane));
          builder.assign(top, call("max", F32, top, w));
        });
        put(arrays.scale, thread, call("exp", F32, call("sub", F32, before, top)));
        put(arrays.most, thread, top);
      });
      builder.emit({ kind: "barrier" });
      shares = this.rows.map(({ total, acc }, r) => {
        const scale = builder.let("scale", get(arrays.scale, i32(r)));
        const p = this.share(weights[r] as ThreadExpr, get(arrays.most, i32(r)));
        if (total !== undefined) {
          builder.assign(total, call("add", F32, call("mul", F32, total, scale), p));
        }
        for (const sum of acc) builder.assign(sum, call("mul", F32X4, sum, scale));
        return this.gained(p, r);
      });
    }
    shares.forEach((p, r) => {
      put(arrays.weights, at(r), p);
    });
    builder.emit({ kind: "barrier" });
    const left = call("sub", I32, i32(this.places.j.extent), start);
    const end =
      this.places.j.extent % l.lanes === 0
        ? runtimeBound(builder, "lanes", l.lanes)
        : builder.let("lanes_left", minI(left, i32(l.lanes)));
    builder.for("lane", i32(0), end, i32(1), (lane) => {
      const values = this.values(start, lane, `${this.places.j.name}@shared`, true);
      this.rows.forEach(({ acc }, r) => {
        const p = builder.let("p", get(arrays.weights, addI(i32(r * l.lanes), lane)));
        acc.forEach((sum, g) => {
          builder.accumulate(sum, call("mul", F32X4, p, values[g] as ThreadExpr));
        });
      });
    });
    builder.emit({ kind: "barrier" });
  }

  private openPartners(): ThreadExpr[] {
    const partners: ThreadExpr[] = [];
    const lane = builtin("thread");
    for (let apart = 1; apart < this.l.lanes; apart *= 2) {
      const back = mulI(call("bitand", I32, lane, i32(apart)), i32(-2));
      partners.push(this.builder.let("partner", addI(addI(lane, i32(apart)), back)));
    }
    return partners;
  }

  /** The greatest of the lanes' values, by exchange: a software device reduces a subgroup lane by lane, which takes longer. */
  private greatest(w: ThreadExpr): ThreadExpr {
    return this.partners.reduce((top, partner) => {
      const other = call("subgroup_shuffle", F32, top, partner);
      return this.builder.let("top", call("max", F32, top, other));
    }, w);
  }

  /** exp(w − most'), and what brings the sums so far to the new maximum. */
  private rescaled(w: ThreadExpr, most: ThreadExpr, next: ThreadExpr): { p: ThreadExpr; scale: ThreadExpr } {
    const scale = this.builder.let("scale", call("exp", F32, call("sub", F32, most, next)));
    return { p: this.share(w, next), scale };
  }

  private share(w: ThreadExpr, most: ThreadExpr): ThreadExpr {
    const p = call("exp", F32, call("sub", F32, w, most));
    return this.builder.let("p", call("select", F32, p, ZERO, lessThan(w, NOTHING)));
  }

  private gained(p: ThreadExpr, r: number): ThreadExpr {
    const { gain } = this.places.s;
    if (gain === undefined) return p;
    const factor = this.expressions.as(this.places.at(gain, { row: r, j: this.places.ownJ }), "f32");
    return this.builder.let("p", call("mul", F32, p, factor));
  }

  /** v at j = start + lane in this lane's columns. */
  private values(start: ThreadExpr, lane: ThreadExpr, name: string, inside = false): ThreadExpr[] {
    const { builder, expressions, places } = this;
    const { j } = places;
    const at = addI(start, lane);
    const exact = inside || j.extent % this.l.lanes === 0;
    builder.bindAxis(name, builder.let(j.name, exact ? at : minI(at, i32(j.extent - 1))));
    return this.places.groups.map((group) => {
      const v = this.places.at(this.places.s.v, { row: "leader", group, j: name });
      return builder.let("v", spread(expressions.as(v, "f32"), 4));
    });
  }

  /** The sums become tiles; a softmax is divided by its total, and is 0 where it has seen nothing. */
  finish(): void {
    const { builder, l, arrays } = this;
    const shared = l.combine === "shared";
    if (this.softmax && shared) {
      this.rows.forEach(({ total }, r) => {
        if (total === undefined) return;
        const index = addI(i32(r * l.lanes), builtin("thread"));
        builder.emit({ kind: "store_shared", array: arrays.weights, index, value: total });
      });
      builder.emit({ kind: "barrier" });
    }
    this.rows.forEach(({ total, acc }, r) => {
      let inverse: ThreadExpr | undefined;
      if (total !== undefined) {
        const sum = builder.let("sum", shared ? this.sumOf(r) : call("subgroup_add", F32, total));
        const over = call("div", F32, constant(1, F32), sum);
        inverse = builder.let("inverse", call("select", F32, over, ZERO, call("eq", BOOL, sum, ZERO)));
      }
      acc.forEach((sum, g) => {
        const name = `${this.places.s.out}@${r},${g}`;
        const scaled = inverse === undefined ? sum : call("mul", F32X4, sum, inverse);
        builder.bindTile(name, builder.let(`${this.places.s.out}_row${r}`, scaled));
      });
    });
  }

  /** The lanes' shares of a row's total, one after another. */
  private sumOf(r: number): ThreadExpr {
    const { builder, l } = this;
    const sum = builder.var("shares", F32);
    builder.for("lane", i32(0), runtimeBound(builder, "lanes", l.lanes), i32(1), (lane) => {
      const index = addI(i32(r * l.lanes), lane);
      builder.accumulate(sum, { kind: "shared", array: this.arrays.weights, index, type: F32 });
    });
    return sum;
  }

  private openMemory(): void {
    const { builder, l, arrays } = this;
    if (l.combine === "subgroup") return;
    const array = (hint: string, count: number): string => {
      const name = builder.name(hint);
      this.shared.push({ name, type: F32, count });
      return name;
    };
    arrays.weights = array("weights", l.rows * l.lanes);
    if (!this.softmax) return;
    arrays.most = array("mosts", l.rows);
    arrays.scale = array("scales", l.rows);
    builder.if(lessThan(builtin("thread"), i32(l.rows)), () => {
      builder.emit({ kind: "store_shared", array: arrays.most, index: builtin("thread"), value: LOWEST });
    });
    builder.emit({ kind: "barrier" });
  }
}
