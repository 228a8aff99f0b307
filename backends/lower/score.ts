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
 * Weights go from the lane that has them to those that own columns by `subgroupBroadcast` where a workgroup is one
 * subgroup, else through workgroup memory. Blocks that the mask hides (`visible`) are not visited. Where rows of one tile
 * belong to several segments (candidates of several requests), each segment is a pass of its own over its keys, in
 * which the rows of the others weigh nothing: their sums stay as they are, bit by bit.
 *
 * Rows and columns beyond the edge are computed as copies of the last and not stored.
 */
import { axesOf, axis, type Expr, int, loadsOf } from "../../src/ir/expr.ts";
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  builtin,
  call,
  component,
  constant,
  divI,
  F32,
  F32X4,
  I32,
  i32,
  lessThan,
  minI,
  mulI,
} from "../../src/ir/thread.ts";
import type { InnerAxis, ScoreStmt, TileKernel, TileStmt } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import { innerAxis, renamed } from "./contraction.ts";
import { Expressions, spread } from "./expressions.ts";
import type { TileAxis } from "./grid.ts";
import { openGrid } from "./grid.ts";
import { runtimeBound, tileValue } from "./inner.ts";

type Score = Extract<TileKernel["lowering"], { kind: "score" }>;
type Var = ThreadExpr & { readonly kind: "var" };

/** The running maximum of a row that has seen nothing; anything below `NOTHING` is −∞. */
const LOWEST = constant(-3.4028234663852886e38, F32);
const NOTHING = constant(-3e38, F32);
const ZERO = constant(0, F32);

/** Where an expression stands: the names that m, n and j have there. */
interface Place {
  readonly row?: number | "leader" | "own";
  readonly group?: number;
  readonly j?: string;
}

/** A row's running sums. */
interface Row {
  /** Its greatest weight so far; with `combine: "shared"` it lies in workgroup memory. */
  readonly most: Var | undefined;
  /** This lane's share of Σ exp(w − most). */
  readonly total: Var | undefined;
  readonly acc: readonly Var[];
}

export function lowerScore(
  kernel: TileKernel,
  lowering: Score,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
): number {
  new ScoreProduct(kernel, lowering, builder, bindings, shared).lower();
  return lowering.lanes;
}

class ScoreProduct {
  private readonly kernel: TileKernel;
  private readonly l: Score;
  private readonly s: ScoreStmt;
  private readonly builder: Builder;
  private readonly expressions: Expressions;
  private readonly shared: SharedArray[];
  private readonly m: TileAxis;
  private readonly n: TileAxis;
  private readonly j: InnerAxis;
  private readonly k: InnerAxis;
  private readonly softmax: boolean;
  private readonly rows: readonly number[];
  private readonly groups: readonly number[];
  /** Names of the arrays in workgroup memory, if any. */
  private readonly arrays = { weights: "", most: "", scale: "" };

  constructor(
    kernel: TileKernel,
    lowering: Score,
    builder: Builder,
    bindings: Bindings,
    shared: SharedArray[],
  ) {
    const s = kernel.body.find((statement) => statement.kind === "score");
    if (s?.kind !== "score") throw new Error(`internal: ${kernel.name} has no score product`);
    this.kernel = kernel;
    this.l = lowering;
    this.s = s;
    this.builder = builder;
    this.shared = shared;
    this.softmax = s.norm === "softmax";
    this.rows = range(lowering.rows);
    this.groups = range(lowering.groups);
    const tiles = new Map([
      [s.m, lowering.rows],
      [s.n, 4 * lowering.lanes * lowering.groups],
    ]);
    const odd = kernel.grid.find((a) => a.tile !== (tiles.get(a.name) ?? 1));
    if (odd !== undefined)
      throw new Error(`internal: ${kernel.name} has a tile of ${odd.tile} along ${odd.name}`);
    const grid = openGrid(builder, kernel, bindings);
    for (const { axis: a, origin } of grid) if (!tiles.has(a.name)) builder.bindAxis(a.name, origin);
    const tileOf = (name: string): TileAxis => {
      const found = grid.find((t) => t.axis.name === name);
      if (found === undefined) throw new Error(`internal: ${kernel.name} has no grid axis ${name}`);
      return found;
    };
    this.m = tileOf(s.m);
    this.n = tileOf(s.n);
    this.j = innerAxis(kernel, s.j);
    this.k = innerAxis(kernel, s.k);
    this.expressions = new Expressions(builder, bindings);
  }

  lower(): void {
    for (const r of this.rows) this.bindRow(r);
    if (this.l.combine === "subgroup" && this.l.rows > 1) this.bindOwnRow();
    for (const g of this.groups) this.bindColumns(g);
    for (const statement of this.kernel.body) {
      if (statement.kind === "score") this.multiply();
      else if (statement.kind === "let") this.compute(statement);
      else if (statement.kind === "store" && statement.over.length === 0) this.store(statement);
      else throw new Error(`internal: ${this.kernel.name} has a ${statement.kind} beside its score product`);
    }
  }

  // ------------------------------------------------------------------------------------------------ product

  private multiply(): void {
    const { builder, softmax } = this;
    this.openMemory();
    const own = this.l.combine === "subgroup";
    const state = this.rows.map(
      (r): Row => ({
        most: softmax && own ? builder.var(`most_${r}`, F32, LOWEST) : undefined,
        total: softmax ? builder.var(`total_${r}`, F32) : undefined,
        acc: this.groups.map((g) => builder.var(`${this.s.out}_${r}_${g}`, F32X4)),
      }),
    );
    const { segment } = this.s;
    if (segment === undefined || this.l.rows === 1) {
      if (segment !== undefined) builder.bindAxis(this.rowAxis("leader"), this.axisValue(this.rowAxis(0)));
      this.blocks(state);
    } else this.segments(state, segment);
    this.finish(state);
  }

  /** A pass for the first row of every segment. */
  private segments(state: readonly Row[], segment: Expr): void {
    const { builder, expressions } = this;
    builder.trusted = true;
    const keys = this.rows.map((r) =>
      builder.let(`segment_${r}`, expressions.as(this.at(segment, { row: r }), "i32")),
    );
    builder.for("leader", i32(0), runtimeBound(builder, "leaders", this.l.rows), i32(1), (leader) => {
      const near = addI(this.m.origin, leader);
      const row = this.m.exact ? near : minI(near, addI(this.m.end, i32(-1)));
      builder.bindAxis(this.rowAxis("leader"), builder.let(`${this.s.m}_leader`, row));
      const key = builder.let("segment", expressions.as(this.at(segment, { row: "leader" }), "i32"));
      const same = keys.map((k, r) => builder.let(`same_${r}`, call("eq", BOOL, k, key)));
      const earlier = same
        .map((is, r) => call("and", BOOL, is, lessThan(i32(r), leader)))
        .reduce((a, b) => call("or", BOOL, a, b));
      builder.if(call("not", BOOL, earlier), () => this.blocks(state, same));
    });
  }

  private blocks(state: readonly Row[], same?: readonly ThreadExpr[]): void {
    const { builder, j } = this;
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
      builder.bindAxis(this.ownJ, exact ? own : builder.let(j.name, minI(own, i32(j.extent - 1))));
      const scores = this.scores();
      const weights = this.rows.map((r) => {
        builder.bindTile(`${this.s.score}@${r}`, scores[r] as ThreadExpr);
        const w = this.expressions.as(this.at(this.s.weight, { row: r, j: this.ownJ }), "f32");
        const kept = [exact ? undefined : lessThan(own, i32(j.extent)), same?.[r]].filter(
          (c) => c !== undefined,
        );
        const cond = kept.reduce<ThreadExpr | undefined>(
          (a, b) => (a === undefined ? b : call("and", BOOL, a, b)),
          undefined,
        );
        const nothing = this.softmax ? LOWEST : ZERO;
        return builder.let(`w_${r}`, cond === undefined ? w : call("select", F32, nothing, w, cond));
      });
      if (combine === "subgroup") this.bySubgroup(state, weights, start);
      else this.byMemory(state, weights, start);
    });
  }

  /** Σ_k a · b for every row and this lane's j. */
  private scores(): ThreadExpr[] {
    const { builder, k, s } = this;
    const sums = this.rows.map((r) => builder.var(`${s.score}_${r}`, F32));
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
    const { builder, expressions, k, s, l } = this;
    const read = (e: Expr, place: Place): ThreadExpr =>
      spread(expressions.as(this.at(e, place, new Map([[k.name, at]])), "f32"), width);
    const key = builder.let("b", read(s.b, { row: "leader", j: this.ownJ }));
    if (l.combine === "subgroup" && l.rows > 1) {
      const own = builder.let("a", read(s.a, { row: "own" }));
      for (let c = 0; c < width; c++) {
        sums.forEach((sum, r) => {
          const handed = call("subgroup_broadcast", F32, component(own, c), i32(r));
          builder.accumulate(sum, call("mul", F32, handed, component(key, c)));
        });
      }
      return;
    }
    sums.forEach((sum, r) => {
      const product = call("mul", width === 4 ? F32X4 : F32, read(s.a, { row: r }), key);
      builder.accumulate(sum, width === 4 ? call("sum4", F32, product) : product);
    });
  }

  /** The weights of a block to the lanes that own columns, lane by lane. */
  private bySubgroup(state: readonly Row[], weights: readonly ThreadExpr[], start: ThreadExpr): void {
    const { builder, l } = this;
    const shares = state.map(({ most, total, acc }, r) => {
      const w = weights[r] as ThreadExpr;
      if (most === undefined || total === undefined) return w;
      const next = builder.let("most", call("max", F32, most, call("subgroup_max", F32, w)));
      const { p, scale } = this.rescaled(w, most, next);
      builder.assign(most, next);
      builder.assign(total, call("add", F32, call("mul", F32, total, scale), p));
      for (const sum of acc) builder.assign(sum, call("mul", F32X4, sum, scale));
      return this.gained(p, r);
    });
    for (let c = 0; c < l.lanes; c++) {
      const values = this.values(start, i32(c), `${this.j.name}@${c}`);
      state.forEach(({ acc }, r) => {
        const p = call("subgroup_broadcast", F32, shares[r] as ThreadExpr, i32(c));
        const handed = acc.length > 1 ? builder.let("p", p) : p;
        acc.forEach((sum, g) => {
          builder.accumulate(sum, call("mul", F32X4, handed, values[g] as ThreadExpr));
        });
      });
    }
  }

  /** The same through workgroup memory: weights, then the rows' maxima, then shares. */
  private byMemory(state: readonly Row[], weights: readonly ThreadExpr[], start: ThreadExpr): void {
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
      shares = state.map(({ total, acc }, r) => {
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
    const left = call("sub", I32, i32(this.j.extent), start);
    const end =
      this.j.extent % l.lanes === 0
        ? runtimeBound(builder, "lanes", l.lanes)
        : builder.let("lanes_left", minI(left, i32(l.lanes)));
    builder.for("lane", i32(0), end, i32(1), (lane) => {
      const values = this.values(start, lane, `${this.j.name}@shared`, true);
      state.forEach(({ acc }, r) => {
        const p = builder.let("p", get(arrays.weights, addI(i32(r * l.lanes), lane)));
        acc.forEach((sum, g) => {
          builder.accumulate(sum, call("mul", F32X4, p, values[g] as ThreadExpr));
        });
      });
    });
    builder.emit({ kind: "barrier" });
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
    const { gain } = this.s;
    if (gain === undefined) return p;
    const factor = this.expressions.as(this.at(gain, { row: r, j: this.ownJ }), "f32");
    return this.builder.let("p", call("mul", F32, p, factor));
  }

  /** v at j = start + lane in this lane's columns. */
  private values(start: ThreadExpr, lane: ThreadExpr, name: string, inside = false): ThreadExpr[] {
    const { builder, expressions, j } = this;
    const at = addI(start, lane);
    const exact = inside || j.extent % this.l.lanes === 0;
    builder.bindAxis(name, builder.let(j.name, exact ? at : minI(at, i32(j.extent - 1))));
    return this.groups.map((group) => {
      const v = this.at(this.s.v, { row: "leader", group, j: name });
      return builder.let("v", spread(expressions.as(v, "f32"), 4));
    });
  }

  /** The sums become tiles; a softmax is divided by its total, and is 0 where it has seen nothing. */
  private finish(state: readonly Row[]): void {
    const { builder, l, arrays } = this;
    const shared = l.combine === "shared";
    if (this.softmax && shared) {
      state.forEach(({ total }, r) => {
        if (total === undefined) return;
        const index = addI(i32(r * l.lanes), builtin("thread"));
        builder.emit({ kind: "store_shared", array: arrays.weights, index, value: total });
      });
      builder.emit({ kind: "barrier" });
    }
    state.forEach(({ total, acc }, r) => {
      let inverse: ThreadExpr | undefined;
      if (total !== undefined) {
        const sum = builder.let("sum", shared ? this.sumOf(r) : call("subgroup_add", F32, total));
        const over = call("div", F32, constant(1, F32), sum);
        inverse = builder.let("inverse", call("select", F32, over, ZERO, call("eq", BOOL, sum, ZERO)));
      }
      acc.forEach((sum, g) => {
        const name = `${this.s.out}@${r},${g}`;
        const scaled = inverse === undefined ? sum : call("mul", F32X4, sum, inverse);
        builder.bindTile(name, builder.let(`${this.s.out}_row${r}`, scaled));
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

  /** What some row of the tile may see: the union of their ranges, within the axis. */
  private visibleRange():
    | { readonly from?: ThreadExpr; readonly to?: ThreadExpr; readonly loaded: boolean }
    | undefined {
    const { visible, m } = this.s;
    if (visible === undefined) return undefined;
    const over = (e: Expr, fn: "max" | "min"): ThreadExpr => {
      const rows = axesOf(e).has(m) ? this.rows : [0];
      return rows
        .map((row) => this.expressions.as(this.at(e, { row }), "i32"))
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
    for (const row of this.rows) {
      for (const group of this.groups) {
        const value = tileValue(this.expressions, this.at(statement.value, { row, group }));
        const name = `${statement.out}@${row},${group}`;
        builder.bindTile(name, builder.let(`${statement.out}_row${row}`, value));
      }
    }
  }

  private store(statement: Extract<TileStmt, { kind: "store" }>): void {
    const { builder, m, n } = this;
    const extent = typeof n.axis.extent === "number" ? n.axis.extent : n.axis.extent.times;
    const ragged = extent % 4 !== 0;
    const columns = (group: number, body: (left?: ThreadExpr) => void): void => {
      const first = mulI(this.ownColumn(group), i32(4));
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
    for (const group of this.groups) {
      columns(group, (left) => {
        for (const row of this.rows) {
          rows(row, () => {
            const place = { row, group };
            const four = tileValue(this.expressions, this.at(statement.value, place));
            // An axis of one column is no axis in an index.
            const value = extent === 1 ? component(four, 0) : four;
            const index = statement.index.map((e) => this.at(e, place));
            this.expressions.store(statement.target, index, value, left);
          });
        }
      });
    }
  }

  // ------------------------------------------------------------------------------------------------- places

  private get ownJ(): string {
    return `${this.s.j}@own`;
  }

  private rowAxis(row: number | "leader" | "own"): string {
    return `${this.s.m}@${row}`;
  }

  private columnAxis(group: number): string {
    return `${groupAxis(this.s.n)}@${group}`;
  }

  private ownColumn(group: number): ThreadExpr {
    const first = addI(divI(this.n.origin, i32(4)), i32(group * this.l.lanes));
    return addI(first, builtin("thread"));
  }

  private bindRow(r: number): void {
    const { builder, m } = this;
    const index = addI(m.origin, i32(r));
    const near = m.exact || r === 0 ? index : minI(index, addI(m.end, i32(-1)));
    builder.bindAxis(this.rowAxis(r), builder.let(`${m.axis.name}_${r}`, near));
  }

  /** The row that this lane loads and hands round; lanes beyond the rows repeat the last. */
  private bindOwnRow(): void {
    const { builder, m, l } = this;
    if (l.rows > l.lanes) throw new Error(`internal: ${l.rows} rows for ${l.lanes} lanes`);
    const thread = builtin("thread");
    const index = addI(m.origin, l.rows === l.lanes ? thread : minI(thread, i32(l.rows - 1)));
    const near = m.exact ? index : minI(index, addI(m.end, i32(-1)));
    builder.bindAxis(this.rowAxis("own"), builder.let(`${m.axis.name}_own`, near));
  }

  private bindColumns(group: number): void {
    const { builder, n } = this;
    const own = this.ownColumn(group);
    const last = addI(divI(addI(n.end, i32(3)), i32(4)), i32(-1));
    const near = n.exact ? own : minI(own, last);
    builder.bindAxis(this.columnAxis(group), builder.let(`${n.axis.name}4_${group}`, near));
  }

  private axisValue(name: string): ThreadExpr {
    const value = this.builder.find((scope) => scope.axes.has(name))?.axes.get(name);
    if (value === undefined) throw new Error(`internal: axis ${name} is not bound`);
    return value;
  }

  /** `e` at a place: m, n and j as they are called there, tiles as that place's. */
  private at(e: Expr, place: Place, more: ReadonlyMap<string, Expr> = new Map()): Expr {
    const { m, n, j, s } = this;
    const axes = new Map<string, Expr>(more);
    if (place.row !== undefined) axes.set(s.m, axis(this.rowAxis(place.row), m.axis.extent));
    if (place.group !== undefined) axes.set(s.n, quadruple(n.axis.extent, this.columnAxis(place.group)));
    if (place.j !== undefined) axes.set(s.j, axis(place.j, j.extent));
    return renamed(e, axes, (name) =>
      name === s.score ? `${name}@${place.row}` : `${name}@${place.row},${place.group}`,
    );
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
