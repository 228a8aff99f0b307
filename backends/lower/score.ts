/**
 * @file The `score` lowering of attention and its kin: two chained products whose scores live in registers (FlashAttention,
 * Dao et al. 2022, arXiv 2205.14135; online softmax, Milakov and Gimelshein 2018, arXiv 1805.02867). A workgroup owns
 * `rows` rows and all (or a tile of) the columns. It walks j in blocks of `lanes`:
 *
 *     lane l:  s_r = Σ_k a[r, k] · b[j0 + l, k]            four k at a time, one load of b for all rows
 *              w_r = weight(s_r)
 *     row r:   top = max over lanes of w_r;  most' = max(most, top);  p_r = exp(w_r − most')
 *              total, acc *= exp(most − most')              the sums so far, brought to the new maximum
 *     for every lane c:   acc_r += p_r of lane c · v[j0 + c, 4 columns]
 *
 * Blocks that the mask hides (`visible`) are not visited. Where rows of one tile belong to several segments (candidates of
 * several requests), each segment is a pass of its own over its keys, in which the rows of the others weigh nothing: their sums
 * stay as they are, bit by bit.
 *
 * Rows and columns beyond the edge are computed as copies of the last and not stored.
 */
import { axesOf, type Expr, int, loadsOf } from "../../src/ir/expr.ts";
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  builtin,
  call,
  component,
  divI,
  F32,
  F32X4,
  I32,
  i32,
  lessThan,
  minI,
  mulI,
} from "../../src/ir/thread.ts";
import type { TileKernel, TileStmt } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import { Expressions, spread } from "./expressions.ts";
import { runtimeBound, tileValue } from "./inner.ts";
import { type Place, type ScoreLowering, ScorePlaces } from "./scoreplaces.ts";
import { LOWEST, ScoreSums, type Var, ZERO } from "./scoresums.ts";

export function lowerScore(
  kernel: TileKernel,
  lowering: ScoreLowering,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
): number {
  new ScoreProduct(kernel, lowering, builder, bindings, shared).lower();
  return lowering.lanes;
}

class ScoreProduct {
  private readonly kernel: TileKernel;
  private readonly l: ScoreLowering;
  private readonly builder: Builder;
  private readonly expressions: Expressions;
  private readonly shared: SharedArray[];
  private readonly places: ScorePlaces;

  constructor(
    kernel: TileKernel,
    lowering: ScoreLowering,
    builder: Builder,
    bindings: Bindings,
    shared: SharedArray[],
  ) {
    this.kernel = kernel;
    this.l = lowering;
    this.builder = builder;
    this.shared = shared;
    this.places = new ScorePlaces(kernel, lowering, builder, bindings);
    this.expressions = new Expressions(builder, bindings);
  }

  lower(): void {
    for (const statement of this.kernel.body) {
      if (statement.kind === "score") this.multiply();
      else if (statement.kind === "let") this.compute(statement);
      else if (statement.kind === "store" && statement.over.length === 0) this.store(statement);
      else throw new Error(`internal: ${this.kernel.name} has a ${statement.kind} beside its score product`);
    }
  }

  private multiply(): void {
    const { builder, expressions, places } = this;
    const sums = new ScoreSums(this.l, builder, expressions, places, this.shared);
    const { segment } = places.s;
    if (segment === undefined || this.l.rows === 1) {
      if (segment !== undefined) {
        builder.bindAxis(places.rowAxis("leader"), places.axisValue(places.rowAxis(0)));
      }
      this.blocks(sums);
    } else this.segments(sums, segment);
    sums.finish();
  }

  /** A pass for the first row of every segment. */
  private segments(sums: ScoreSums, segment: Expr): void {
    const { builder, expressions, places } = this;
    builder.trusted = true;
    const keys = places.rows.map((r) =>
      builder.let(`segment_${r}`, expressions.as(places.at(segment, { row: r }), "i32")),
    );
    builder.for("leader", i32(0), runtimeBound(builder, "leaders", this.l.rows), i32(1), (leader) => {
      const near = addI(places.m.origin, leader);
      const row = places.m.exact ? near : minI(near, addI(places.m.end, i32(-1)));
      builder.bindAxis(places.rowAxis("leader"), builder.let(`${places.s.m}_leader`, row));
      const key = builder.let("segment", expressions.as(places.at(segment, { row: "leader" }), "i32"));
      const same = keys.map((k, r) => builder.let(`same_${r}`, call("eq", BOOL, k, key)));
      const earlier = same
        .map((is, r) => call("and", BOOL, is, lessThan(i32(r), leader)))
        .reduce((a, b) => call("or", BOOL, a, b));
      builder.if(call("not", BOOL, earlier), () => this.blocks(sums, same));
    });
  }

  private blocks(sums: ScoreSums, same?: readonly ThreadExpr[]): void {
    const { builder, places } = this;
    const { j } = places;
    const { lanes, combine } = this.l;
    const whole = Math.ceil(j.extent / lanes);
    const visible = this.visibleRange();
    let from: ThreadExpr = i32(0);
    let to = runtimeBound(builder, `${j.name}_blocks`, whole);
    // Barriers must not depend on what is read from memory; subgroups may, all lanes of one read the same.
    if (visible && (combine === "subgroup" || !visible.loaded)) {
      builder.trusted ||= visible.loaded;
      if (visible.from) from = builder.let(`${j.name}_first`, divI(visible.from, i32(lanes)));
      if (visible.to) {
        const end = divI(addI(visible.to, i32(lanes - 1)), i32(lanes));
        to = builder.let(`${j.name}_last`, minI(end, to));
      }
    }
    builder.for("block", from, to, i32(1), (block) => {
      const start = mulI(block, i32(lanes));
      const own = builder.let(`${j.name}_own`, addI(start, builtin("thread")));
      const exact = j.extent % lanes === 0;
      builder.bindAxis(places.ownJ, exact ? own : builder.let(j.name, minI(own, i32(j.extent - 1))));
      const scores = this.scores();
      const weights = places.rows.map((r) => {
        builder.bindTile(`${places.s.score}@${r}`, scores[r] as ThreadExpr);
        const w = this.expressions.as(places.at(places.s.weight, { row: r, j: places.ownJ }), "f32");
        const kept = [exact ? undefined : lessThan(own, i32(j.extent)), same?.[r]].filter(
          (c) => c !== undefined,
        );
        const cond = kept.reduce<ThreadExpr | undefined>(
          (a, b) => (a === undefined ? b : call("and", BOOL, a, b)),
          undefined,
        );
        const nothing = places.s.norm === "softmax" ? LOWEST : ZERO;
        return builder.let(`w_${r}`, cond === undefined ? w : call("select", F32, nothing, w, cond));
      });
      sums.add(weights, start);
    });
  }

  /** Σ_k a · b for every row and this lane's j. */
  private scores(): ThreadExpr[] {
    const { builder, places } = this;
    const { k, s } = places;
    const sums = this.places.rows.map((r) => builder.var(`${s.score}_${r}`, F32));
    const whole = Math.floor(k.extent / 4);
    if (whole > 0) {
      const hint = `${k.name}4`;
      builder.for(hint, i32(0), runtimeBound(builder, `${hint}_end`, whole), i32(1), (index) => {
        builder.bindAxis(groupAxis(k.name), index);
        this.multiplyAdd(sums, quadruple(k.extent, groupAxis(k.name)), 4);
      });
    }
    for (let rest = 4 * whole; rest < k.extent; rest++) this.multiplyAdd(sums, int(rest), 1);
    return sums;
  }

  /**
   * The terms of one k, or of four, at once. Lane r of a subgroup loads row r of `a` and hands it round, as in the `subgroup`
   * lowering; with a single row, or without subgroups, every lane loads the rows, which are the same for all.
   */
  private multiplyAdd(sums: readonly Var[], at: Expr, width: 1 | 4): void {
    const { builder, expressions, l, places } = this;
    const { k, s } = places;
    const read = (e: Expr, place: Place): ThreadExpr =>
      spread(expressions.as(places.at(e, place, new Map([[k.name, at]])), "f32"), width);
    const key = builder.let("b", read(s.b, { row: "leader", j: places.ownJ }));
    if (places.loaded.length > 0) {
      const own = places.loaded.map((b) => builder.let("a", read(s.a, { row: `own${b}` })));
      sums.forEach((sum, r) => {
        const held = own[Math.floor(r / l.lanes)] as ThreadExpr;
        const x = builder.let("x", call("subgroup_broadcast", held.type, held, i32(r % l.lanes)));
        let next: ThreadExpr = sum;
        for (let c = 0; c < width; c++) {
          next = call("add", F32, next, call("mul", F32, component(x, c), component(key, c)));
        }
        builder.assign(sum, next);
      });
      return;
    }
    sums.forEach((sum, r) => {
      const product = call("mul", width === 4 ? F32X4 : F32, read(s.a, { row: r }), key);
      builder.accumulate(sum, width === 4 ? call("sum4", F32, product) : product);
    });
  }

  /** What some row of the tile may see: the union of their ranges, within the axis. */
  private visibleRange():
    | { readonly from?: ThreadExpr; readonly to?: ThreadExpr; readonly loaded: boolean }
    | undefined {
    const { visible, m } = this.places.s;
    if (visible === undefined) return undefined;
    const over = (e: Expr, fn: "max" | "min"): ThreadExpr => {
      const rows = axesOf(e).has(m) ? this.places.rows : [0];
      return rows
        .map((row) => this.expressions.as(this.places.at(e, { row }), "i32"))
        .reduce((a, b) => call(fn, I32, a, b));
    };
    const { from, to } = visible;
    const loaded = [from, to].some((e) => e !== undefined && loadsOf(e).length > 0);
    return {
      ...(from ? { from: call("max", I32, over(from, "min"), i32(0)) } : {}),
      ...(to ? { to: call("max", I32, over(to, "max"), i32(0)) } : {}),
      loaded,
    };
  }

  // ----------------------------------------------------------------------------------------------- epilogue

  private compute(statement: Extract<TileStmt, { kind: "let" }>): void {
    const { builder } = this;
    for (const row of this.places.rows) {
      for (const group of this.places.groups) {
        const value = tileValue(this.expressions, this.places.at(statement.value, { row, group }));
        const name = `${statement.out}@${row},${group}`;
        builder.bindTile(name, builder.let(`${statement.out}_row${row}`, value));
      }
    }
  }

  private store(statement: Extract<TileStmt, { kind: "store" }>): void {
    const { builder, places } = this;
    const { m, n } = places;
    const extent = typeof n.axis.extent === "number" ? n.axis.extent : n.axis.extent.times;
    const ragged = extent % 4 !== 0;
    const columns = (group: number, body: (left?: ThreadExpr) => void): void => {
      const first = mulI(this.places.ownColumn(group), i32(4));
      const inside = (): void =>
        body(ragged ? builder.let(`${n.axis.name}_left`, call("sub", I32, n.end, first)) : undefined);
      if (n.exact) inside();
      else builder.guard(lessThan(first, n.end), inside);
    };
    const rows = (row: number, body: () => void): void => {
      const index = addI(m.origin, i32(row));
      if (m.exact || row === 0) body();
      else builder.guard(lessThan(index, m.end), body);
    };
    for (const group of this.places.groups) {
      columns(group, (left) => {
        for (const row of this.places.rows) {
          rows(row, () => {
            const place = { row, group };
            const four = tileValue(this.expressions, this.places.at(statement.value, place));
            // An axis of one column is no axis in an index.
            const value = extent === 1 ? component(four, 0) : four;
            const index = statement.index.map((e) => this.places.at(e, place));
            this.expressions.store(statement.target, index, value, left);
          });
        }
      });
    }
  }
}
