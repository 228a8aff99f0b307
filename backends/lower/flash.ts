/**
 * @file The `flash` lowering of attention and its kin: both chained products on tensor cores, the scores between them in registers alone
 * (FlashAttention-2, Dao 2023, arXiv 2307.08691). A warp owns 16 rows and all columns; a workgroup's warps share the keys and values,
 * which come to workgroup memory a block ahead:
 *
 *     fragments of a, once
 *     for every block of keys:
 *       wait for this block's b and v;  barrier;  send for the next block's
 *       s = a · bᵀ                                     accumulators, 16 × keys
 *       w = weight(s)                                  the mask and all else, at each accumulator's row and key
 *       most' = max(most, max w);  p = exp(w − most')  a row lies in the four lanes of a quad, which exchange maxima
 *       total, acc *= exp(most − most');  total += Σ p
 *       acc += p · v                                   p is rounded to 16 bits where it is: two fragments of sums are one of operands
 *
 * Sums, maxima and totals are f32. Blocks that no row of the tile may see are not visited. Where rows of a tile belong to several
 * segments (candidates of several requests), each run of rows of one segment is a pass of its own over its keys, in which the others
 * weigh nothing: their sums stay as they are, bit by bit. Keys beyond the end weigh nothing; rows and
 * columns beyond the edge are computed as copies of the last, or zero, and not stored.
 */
import { axesOf, axis, type Expr, int, mapExpr, sameExpr } from "../../src/ir/expr.ts";
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  builtin,
  call,
  divI,
  F32X4,
  I32,
  i32,
  lessThan,
  minI,
  mulI,
  remI,
} from "../../src/ir/thread.ts";
import type { InnerAxis, ScoreStmt, TileKernel } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import type { Builder } from "./builder.ts";
import { innerAxis, type Product, renamed, variesOf } from "./contraction.ts";
import { Expressions } from "./expressions.ts";
import { FlashScores, type Quad } from "./flashscores.ts";
import { Fragments } from "./fragments.ts";
import type { TileAxis } from "./grid.ts";
import { openGrid } from "./grid.ts";
import { fragmentOf, type GroupTile, openTile } from "./grouptile.ts";
import { runtimeBound } from "./inner.ts";
import { increasesIn } from "./monotone.ts";
import { outputsOf } from "./points.ts";
import { RowTiles } from "./rowtiles.ts";

export type Flash = Extract<TileKernel["lowering"], { kind: "flash" }>;

export function lowerFlash(
  kernel: TileKernel,
  lowering: Flash,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
): number {
  new FlashProduct(kernel, lowering, builder, bindings, shared).lower();
  return 32 * lowering.warps;
}

/** Blocks of keys [from, to). */
interface Blocks {
  readonly from: ThreadExpr;
  readonly to: ThreadExpr;
}

class FlashProduct {
  private readonly kernel: TileKernel;
  private readonly l: Flash;
  private readonly builder: Builder;
  private readonly expressions: Expressions;
  private readonly shared: SharedArray[];
  private readonly fragments: Fragments;
  private readonly tiles: RowTiles;
  private readonly s: ScoreStmt;
  private readonly j: InnerAxis;
  private readonly k: InnerAxis;
  private readonly m: TileAxis;
  private readonly lane: ThreadExpr;
  private readonly warp: ThreadExpr;
  private readonly scores: FlashScores;
  /** Columns, 16 and 8 at a time. */
  private readonly columns: number;

  constructor(kernel: TileKernel, l: Flash, builder: Builder, bindings: Bindings, shared: SharedArray[]) {
    this.kernel = kernel;
    this.l = l;
    this.builder = builder;
    this.shared = shared;
    const s = kernel.body.find((statement) => statement.kind === "score");
    if (s?.kind !== "score") throw new Error(`internal: ${kernel.name} has no score product`);
    this.s = s;
    this.j = innerAxis(kernel, s.j);
    this.k = innerAxis(kernel, s.k);
    const grid = openGrid(builder, kernel, bindings);
    for (const { axis: a, origin } of grid)
      if (a.name !== s.m && a.name !== s.n) builder.bindAxis(a.name, origin);
    const tileOf = (name: string): TileAxis => {
      const found = grid.find((t) => t.axis.name === name);
      if (found === undefined) throw new Error(`internal: ${kernel.name} has no grid axis ${name}`);
      return found;
    };
    this.m = tileOf(s.m);
    const n = tileOf(s.n);
    this.columns = n.axis.tile;
    if (this.m.axis.tile !== 16 * l.warps || this.columns % 16 !== 0)
      throw new Error(`internal: ${kernel.name} has tiles that no warps cover`);
    this.lane = builder.let("lane", remI(builtin("thread"), i32(32)));
    this.warp = l.warps === 1 ? i32(0) : builder.let("warp", divI(builtin("thread"), i32(32)));
    this.expressions = new Expressions(builder, bindings);
    this.fragments = new Fragments({
      kernel,
      product: productOfScore(kernel, s, this.m, n),
      m: this.m,
      n,
      map: {
        threads: 32 * l.warps,
        rows: 1,
        columns: this.columns / 8,
        // See `fragment_row`.
        row: () =>
          addI(
            addI(mulI(this.warp, i32(16)), divI(this.lane, i32(4))),
            mulI(remI(this.lane, i32(2)), i32(8)),
          ),
        column: (c) => addI(i32(2 * c), divI(remI(this.lane, i32(4)), i32(2))),
      },
      builder,
      bindings,
      expressions: this.expressions,
      shared,
    });
    this.scores = new FlashScores({
      builder,
      expressions: this.expressions,
      format: l.format,
      keys: l.keys,
      s,
      j: this.j,
      m: this.m,
      lane: this.lane,
      warp: this.warp,
      cellName: (out, column) => this.fragments.cellName(out, 0, column),
    });
    this.tiles = new RowTiles({
      format: l.format,
      threads: 32 * l.warps,
      builder,
      bindings,
      expressions: this.expressions,
    });
  }

  lower(): void {
    for (const statement of this.kernel.body) {
      this.builder.statement = statement;
      if (statement.kind === "score") this.multiply();
      else if (statement.kind === "store") this.fragments.store(statement);
      else if (statement.kind === "dot")
        throw new Error(`internal: ${this.kernel.name} has a dot beside its score product`);
      else this.fragments.compute(statement);
    }
  }

  private multiply(): void {
    const { builder, l, s, j, k, m, tiles, columns } = this;
    const depth = 16 * Math.ceil(k.extent / 16);
    const open = (hint: string, rows: number, wide: number, buffers: number): GroupTile =>
      openTile(builder, this.shared, hint, rows, wide / 8, buffers);
    const left = open("a_tile", 16 * l.warps, depth, 1);
    const keys = open("b_tile", l.keys, depth, 2);
    const values = open("v_tile", l.keys, columns, 2);
    const n = this.fragments.n.axis;
    const columnsOf = typeof n.extent === "number" ? n.extent : n.extent.times;
    const rowOf = (row: ThreadExpr): ThreadExpr => {
      const at = addI(m.origin, row);
      return m.exact ? at : minI(at, addI(m.end, i32(-1)));
    };
    // Keys and values of a segment are those of its first row.
    const leading = new Map(s.segment ? [[s.m, axis(`${s.m}@leader`, m.axis.extent)]] : []);
    const block = (at: ThreadExpr, buffer: ThreadExpr): void => {
      const keyOf = (row: ThreadExpr): ThreadExpr => {
        const key = addI(mulI(at, i32(l.keys)), row);
        return j.extent % l.keys === 0 ? key : minI(key, i32(j.extent - 1));
      };
      const rows = { name: s.j, extent: j.extent, of: keyOf };
      tiles.fill(keys, s.b, rows, k, buffer, leading);
      tiles.fill(values, s.v, rows, { name: s.n, extent: columnsOf }, buffer, leading);
    };
    const commit = (): void => builder.emit({ kind: "commit_async" });
    const arrive = (pending: number): void => {
      builder.emit({ kind: "wait_async", pending });
      builder.emit({ kind: "barrier" });
    };
    const first = ({ from, to }: Blocks): void => {
      builder.guard(lessThan(from, to), () => block(from, remI(from, i32(2))));
      commit();
    };

    builder.block(() => tiles.fill(left, s.a, { name: s.m, extent: m.axis.extent, of: rowOf }, k, i32(0)));
    commit();
    const all = s.segment === undefined ? this.visibleBlocks() : undefined;
    if (all) first(all);
    arrive(all ? 1 : 0);
    const a = range(depth / 16).map((d) =>
      builder.let("a", fragmentOf(builder, left, "left", this.lane, i32(0), this.warp, i32(d))),
    );
    const acc = range(columns / 8).map((c) => builder.var(`${s.out}_${c}`, F32X4));
    const running = s.norm === "softmax" ? this.scores.openRunning() : undefined;
    const sweep = ({ from, to }: Blocks, mine?: Quad): void => {
      builder.for("block", from, to, i32(1), (at) => {
        arrive(0);
        const buffer = builder.let("buffer", remI(at, i32(2)));
        const following = builder.let("following", addI(at, i32(1)));
        builder.if(lessThan(following, to), () => block(following, remI(following, i32(2))));
        commit();
        const shares = this.scores.weights(a, keys, at, buffer, running, acc, mine);
        this.scores.addValues(acc, shares, values, buffer);
      });
      // What follows may use the memory anew.
      builder.emit({ kind: "barrier" });
    };
    if (all) sweep(all);
    else
      this.runs((mine) => {
        const blocks = this.visibleBlocks();
        first(blocks);
        sweep(blocks, mine);
      });
    this.scores.finish(acc, running);
  }

  /** A pass for each run of rows of one segment; `pass` gets which of a lane's two rows are in it. */
  private runs(pass: (mine: Quad) => void): void {
    const { builder, expressions, lane, m, s } = this;
    const { segment } = s;
    if (segment === undefined) throw new Error("internal: runs of no segment");
    const rows = m.axis.tile;
    const keyAt = (hint: string, row: ThreadExpr): ThreadExpr => {
      const name = `${s.m}@${hint}`;
      const at = addI(m.origin, row);
      const index = m.exact ? at : minI(at, addI(m.end, i32(-1)));
      builder.bindAxis(name, builder.let(`${s.m}_${hint}`, index));
      const place = new Map([[s.m, axis(name, m.axis.extent)]]);
      return builder.let(
        "segment",
        expressions.as(
          renamed(segment, place, (tile) => tile),
          "i32",
        ),
      );
    };
    // A lane knows the segments of every 32nd row; the first of another one ends a run.
    const own = range(Math.ceil(rows / 32)).map((c) => {
      const row = minI(addI(lane, i32(32 * c)), i32(rows - 1));
      const known = builder.let("row", row);
      return { row: known, key: keyAt(`own${c}`, known) };
    });
    const length = builder.var("run", I32, i32(1));
    builder.for("leader", i32(0), runtimeBound(builder, "leaders", rows), length, (leader) => {
      const key = keyAt("leader", leader);
      const others = own.map(({ row, key: theirs }) => {
        const other = call("and", BOOL, lessThan(leader, row), call("ne", BOOL, theirs, key));
        return call("select", I32, i32(rows), row, other);
      });
      const end = builder.let("end", call("subgroup_min", I32, others.reduce(minI)));
      builder.assign(length, call("sub", I32, end, leader));
      const row = builder.let("row", addI(mulI(this.warp, i32(16)), divI(lane, i32(4))));
      const within = (at: ThreadExpr): ThreadExpr =>
        call("and", BOOL, call("ge", BOOL, at, leader), lessThan(at, end));
      pass(
        [0, 8].map((below) => builder.let("mine", within(addI(row, i32(below))))) as [ThreadExpr, ThreadExpr],
      );
    });
  }

  /** Blocks of keys that some row of the tile may see; what is not known to grow with the row bounds nothing. */
  private visibleBlocks(): Blocks {
    const { builder, expressions, s, j, m, l } = this;
    const whole = runtimeBound(builder, `${s.j}_blocks`, Math.ceil(j.extent / l.keys));
    const last = m.exact
      ? addI(m.origin, i32(m.axis.tile - 1))
      : minI(addI(m.origin, i32(m.axis.tile - 1)), addI(m.end, i32(-1)));
    const ofRow = (e: Expr | undefined, hint: string, row: ThreadExpr): ThreadExpr | undefined => {
      if (e === undefined) return undefined;
      const shared = s.segment !== undefined && !axesOf(without(e, s.segment)).has(s.m);
      if (!shared && !increasesIn(e, s.m)) return undefined;
      const name = `${s.m}@${shared ? "leader" : hint}`;
      if (!shared) builder.bindAxis(name, builder.let(`${s.m}_${hint}`, row));
      const value = expressions.as(
        renamed(e, new Map([[s.m, axis(name, m.axis.extent)]]), (t) => t),
        "i32",
      );
      return call("max", I32, value, i32(0));
    };
    const first = ofRow(s.visible?.from, "first", m.origin);
    const end = ofRow(s.visible?.to, "bottom", last);
    const from = first && builder.let(`${s.j}_from`, divI(first, i32(l.keys)));
    const to = end && minI(divI(addI(end, i32(l.keys - 1)), i32(l.keys)), whole);
    return { from: from ?? i32(0), to: to ? builder.let(`${s.j}_to`, to) : whole };
  }
}

/** `e` with what depends on the segment alone as if it were a constant. */
function without(e: Expr, segment: Expr): Expr {
  return mapExpr(e, (node) => (sameExpr(node, segment) ? int(0) : node));
}

/** Which tiles of the kernel change along m and n. */
function productOfScore(kernel: TileKernel, s: ScoreStmt, m: TileAxis, n: TileAxis): Product {
  const tiles = new Map([[s.out, { m: true, n: true }]]);
  const product = { m: m.axis, n: n.axis, tiles };
  for (const statement of kernel.body) {
    if (statement.kind === "score") continue;
    const varies = variesOf(statement, product);
    for (const out of outputsOf(statement)) tiles.set(out, varies);
  }
  return product;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
