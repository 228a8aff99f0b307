/**
 * @file The `subgroup` lowering of a matrix product, for devices where a load is what costs. One subgroup a workgroup:
 * lane l loads four elements along k of row l (and l + lanes, …) of `a` at once, every lane owns four adjacent columns,
 * and each row's four elements go round by `broadcast`:
 *
 *     for k in steps of 4:   a_j = a[row l + j·lanes, k .. k+3]                        1 load a row block
 *                            b_c = b[k + c, 4 columns],  c in 0 .. 3                   4 loads
 *       for every row r:     x = broadcast(a_j, lane r)
 *                            acc_r = acc_r + x.0·b_0 + x.1·b_1 + x.2·b_2 + x.3·b_3     16 multiply-adds a lane
 *
 * Each accumulator is touched once a step, not once an element of k: there are more of them than a core has registers, and a
 * loop's masked assignment costs as much as an addition. That is a third faster than column by column, with the same bits
 * (docs/kernels.md). Register blocks without subgroups reach half of it, tiles in workgroup memory less. Rows and columns
 * beyond the edge are computed as copies of the last and not stored; but where the number of rows is known at the call
 * alone, a tile that holds one (one request, one candidate) runs a loop of its own that computes no others, with the same bits.
 *
 * Statistics of the rows (a norm before the product) are gathered from the elements of `a` in the same loop (rowsums.ts).
 *
 * Two products whose weights lie side by side (gate and up) have one sum and half as many columns; neighbouring lanes share out
 * their rows afterwards (exchange.ts).
 *
 * What follows the sums (bias, activation, residual, the store) is written out for `ROLLED` rows and runs in a loop: the
 * accumulators move up as many places a turn, so that none is indexed. A gelu written out for 32 rows is what a driver would
 * compile for seconds.
 */
import type { Expr } from "../../src/ir/expr.ts";
import { add, axis, int, mul, sameExpr } from "../../src/ir/expr.ts";
import { interleavedProducts } from "../../src/ir/interleaved.ts";
import type { ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
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
import type { TileKernel, TileStmt } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, quadruple } from "./access.ts";
import type { Builder, Scope } from "./builder.ts";
import type { Dot, Plain, Product } from "./contraction.ts";
import {
  goesAlong,
  innerAxis,
  phases,
  productOf,
  type RowStatement,
  renamed,
  variesOf,
} from "./contraction.ts";
import { SIDE, Sides } from "./exchange.ts";
import { convert, Expressions, spread } from "./expressions.ts";
import type { TileAxis } from "./grid.ts";
import { openGrid } from "./grid.ts";
import { Inner, runtimeBound, tileValue } from "./inner.ts";
import { outputsOf, usesTile } from "./points.ts";
import { RowSums } from "./rowsums.ts";

type Subgroup = Extract<TileKernel["lowering"], { kind: "subgroup" }>;
type Var = ThreadExpr & { readonly kind: "var" };

/** Rows of a turn of the loop after the sums. */
const ROLLED = 4;

const NOTHING = constant(0, F32);

/** Where an expression stands: at a row that this lane loads, at a row of accumulators, or at the lane's columns alone. */
type Place =
  | { readonly kind: "loaded"; readonly j: number }
  | { readonly kind: "row"; readonly r: number }
  | { readonly kind: "columns" };

export function lowerSubgroup(
  kernel: TileKernel,
  lowering: Subgroup,
  builder: Builder,
  bindings: Bindings,
): number {
  new SubgroupProduct(kernel, lowering, builder, bindings).lower();
  return lowering.lanes;
}

class SubgroupProduct {
  private readonly kernel: TileKernel;
  private readonly lanes: number;
  private readonly rows: number;
  private readonly builder: Builder;
  private readonly expressions: Expressions;
  private readonly product: Product;
  private readonly mTile: TileAxis;
  private readonly nTile: TileAxis;
  private readonly columns: ThreadExpr;
  private readonly alongRows: Inner;
  private readonly alongColumns: Inner;
  private readonly sums = new Map<string, readonly Var[]>();
  /** Two products with one sum: theirs, and who owns what afterwards. */
  private readonly shared:
    | { readonly dots: readonly [Dot, Dot]; readonly b: Expr; readonly sides: Sides }
    | undefined;
  /** Within the loop after the sums: the first of the turn's rows, and the scope of a turn. */
  private turn: { readonly origin: ThreadExpr; readonly scope: Scope } | undefined;

  constructor(kernel: TileKernel, lowering: Subgroup, builder: Builder, bindings: Bindings) {
    const { lanes, rows } = lowering;
    this.kernel = kernel;
    this.lanes = lanes;
    this.rows = rows;
    this.builder = builder;
    this.product = productOf(kernel);
    const { m, n } = this.product;
    const pair = n.tile === 2 * lanes ? interleavedProducts(kernel, axis(SIDE, 2)) : undefined;
    const columns = pair ? 2 * lanes : 4 * lanes;
    const odd = kernel.grid.find((a) => a.tile !== (a === m ? rows : a === n ? columns : 1));
    if (odd !== undefined)
      throw new Error(`internal: ${kernel.name} has a tile of ${odd.tile} along ${odd.name}`);
    const grid = openGrid(builder, kernel, bindings);
    for (const { axis: a, origin } of grid) if (a !== m && a !== n) builder.bindAxis(a.name, origin);
    this.mTile = grid.find((t) => t.axis === m) as TileAxis;
    this.nTile = grid.find((t) => t.axis === n) as TileAxis;
    if (!this.nTile.aligned) throw new Error(`internal: ${kernel.name} is sliced along its columns`);

    if (pair) {
      const [first, second, b] = pair;
      this.shared = { dots: [first, second], b, sides: new Sides(builder) };
    }
    const lane = pair ? divI(builtin("thread"), i32(2)) : builtin("thread");
    const own = builder.let(`${n.name}4`, addI(divI(this.nTile.origin, i32(4)), lane));
    this.columns = own;
    const groups = divI(addI(this.nTile.end, i32(3)), i32(4));
    const clamped = this.nTile.exact ? own : builder.let(`${n.name}4_near`, minI(own, addI(groups, i32(-1))));
    builder.bindAxis(groupAxis(n.name), clamped);

    this.expressions = new Expressions(builder, bindings);
    const alone = { lanes: 1, lane: i32(0), combine: (_: unknown, value: ThreadExpr) => value };
    this.alongRows = new Inner(builder, this.expressions, bindings, kernel, alone, true);
    this.alongColumns = new Inner(builder, this.expressions, bindings, kernel, alone, false);
  }

  lower(): void {
    const parts = phases(this.kernel.body);
    const last = parts.findLastIndex((part) => !("kind" in part));
    const gathered: RowStatement[] = [];
    for (const [i, part] of parts.slice(0, last + 1).entries()) {
      this.builder.statement = "kind" in part ? part : part[0];
      if (!("kind" in part)) this.multiply(part, gathered.splice(0));
      else if (goesAlong(part, parts.slice(i + 1), this.product)) gathered.push(part);
      else this.statement(part);
    }
    const after = parts.slice(last + 1) as readonly Plain[];
    const run = (): void => {
      for (const statement of after) {
        this.builder.statement = statement;
        this.statement(statement);
      }
    };
    if (this.rolls(after)) this.roll(run);
    else {
      if (this.shared) this.shareOut(this.written);
      run();
    }
  }

  /** Binds the sums, and what else belongs to a row, at the rows that this lane carries on with: the first `count` of them. */
  private shareOut(count: number): void {
    const { builder, shared, sums } = this;
    if (shared === undefined) throw new Error("internal: nothing to share out");
    const [first, second] = shared.dots;
    for (const [tile, rows] of sums) {
      for (let r = 0; r < count; r++) {
        const [even, odd] = [rows[2 * r] as Var, rows[2 * r + 1] as Var];
        if (tile === second.out) {
          const [p, q] = shared.sides.exchange(even, odd);
          builder.bindTile(`${first.out}@row${r}`, p);
          builder.bindTile(`${second.out}@row${r}`, q);
        } else builder.bindTile(`${tile}@row${r}`, builder.let(tile, shared.sides.own(even, odd)));
      }
    }
  }

  /** Whether the statements after the sums are the same for every row, whose sums are all that they have of what came before. */
  private rolls(after: readonly Plain[]): boolean {
    const { product, rows, sums, shared } = this;
    if (rows <= ROLLED || rows % ROLLED !== 0 || after.length === 0) return false;
    const own = new Set(after.flatMap(outputsOf));
    return after.every((statement) => {
      if (statement.kind !== "let" && statement.kind !== "store") return false;
      if (!variesOf(statement, product).m) return false;
      const held = (tile: string): boolean => sums.has(tile) || shared?.dots[0].out === tile;
      return [...product.tiles].every(
        ([tile, { m }]) => !m || held(tile) || own.has(tile) || !usesTile(statement, tile),
      );
    });
  }

  private roll(run: () => void): void {
    const { builder, rows, mTile } = this;
    const { name } = mTile.axis;
    // A bound that the driver can read off, even a minimum with one, has it unroll the loop.
    const most = runtimeBound(builder, `${name}_most`, rows);
    const all = mTile.exact
      ? most
      : builder.let(`${name}_rows`, minI(most, call("sub", I32, mTile.end, mTile.origin)));
    builder.for(`${name}_turn`, i32(0), all, i32(ROLLED), (turn) => {
      this.turn = { origin: builder.let(`${name}_first`, addI(mTile.origin, turn)), scope: builder.current };
      // Bound anew: what is made of a sum changes from turn to turn.
      if (this.shared) this.shareOut(this.written);
      else {
        for (const [tile, sums] of this.sums) {
          for (let r = 0; r < ROLLED; r++) builder.bindTile(`${tile}@row${r}`, sums[r] as Var);
        }
      }
      run();
      for (const sums of this.sums.values()) {
        for (let r = 0; r + ROLLED < rows; r++) builder.assign(sums[r] as Var, sums[r + ROLLED] as Var);
      }
    });
    this.turn = undefined;
  }

  /** Rows that a statement is written out for. */
  private get written(): number {
    const rows = this.turn === undefined ? this.rows : ROLLED;
    return this.shared ? rows / 2 : rows;
  }

  /** Row `r` of those, within the tile or the turn. */
  private rowOf(r: number): ThreadExpr {
    return this.shared ? addI(i32(2 * r), this.shared.sides.side) : i32(r);
  }

  /** `gathered`: statistics of the rows, which the products load. */
  private multiply(all: readonly Dot[], gathered: readonly RowStatement[]): void {
    const { builder, expressions, lanes, rows, shared } = this;
    const dots = shared ? [{ ...shared.dots[1], b: shared.b }] : all;
    const [first] = dots as readonly [Dot];
    const k = innerAxis(this.kernel, first.k);
    const acc = dots.map((dot) =>
      Array.from({ length: rows }, (_, r) => builder.var(`${dot.out}_${r}`, F32X4)),
    );
    const blocks = Array.from({ length: Math.ceil(rows / lanes) }, (_, j) => j);
    for (const j of blocks) this.bindRow({ kind: "loaded", j });
    const rowSums = gathered.map((statement) => ({
      statement,
      sums: blocks.map(() => new RowSums(builder, statement, k.extent)),
    }));

    // Of products that share `a`, one hands its rows round for all.
    const givers = dots.map((dot) => dots.findIndex((other) => sameExpr(other.a, dot.a)));
    const step = (
      at: (c: number | undefined) => Expr,
      width: 1 | 4,
      live: number,
      part: () => ThreadExpr,
    ): void => {
      const a = dots.map((dot, d) =>
        givers[d] !== d
          ? []
          : blocks.map((j) => {
              const along = new Map([[k.name, at(undefined)]]);
              const value = expressions.as(this.at(dot.a, { kind: "loaded", j }, along), "f32");
              return builder.let("a", spread(value, width));
            }),
      );
      const share = rowSums.some(({ statement }) => statement.kind === "moments") ? part() : NOTHING;
      for (const { statement, sums } of rowSums) {
        for (const j of blocks) {
          const along = new Map([[k.name, at(undefined)]]);
          const value = expressions.as(this.at(statement.value, { kind: "loaded", j }, along), "f32");
          sums[j]?.add(builder.let("of_row", spread(value, width)), share);
        }
      }
      const b = dots.map((dot) =>
        Array.from({ length: width }, (_, c) => {
          const along = new Map([[k.name, at(c)]]);
          const value = expressions.as(this.at(dot.b, { kind: "columns" }, along), "f32");
          return builder.let("b", spread(value, 4));
        }),
      );
      for (let r = 0; r < live; r++) {
        const handed = a.map((rows) => {
          const held = rows[Math.floor(r / lanes)];
          return held && builder.let("x", call("subgroup_broadcast", held.type, held, i32(r % lanes)));
        });
        dots.forEach((_, d) => {
          const x = handed[givers[d] ?? 0] as ThreadExpr;
          const sum = acc[d]?.[r] as Var;
          const next = (b[d] ?? []).reduce(
            (so: ThreadExpr, column, c) =>
              call("add", F32X4, so, call("mul", F32X4, component(x, c), column)),
            sum,
          );
          builder.assign(sum, next);
        });
      }
    };

    const whole = Math.floor(k.extent / 4);
    const hint = `${k.name}4`;
    const end = whole > 0 ? runtimeBound(builder, `${hint}_end`, whole) : i32(0);
    const sum = (live: number): void => {
      if (whole > 0) {
        builder.for(hint, i32(0), end, i32(1), (index) => {
          builder.bindAxis(groupAxis(k.name), index);
          const group = axis(groupAxis(k.name), Math.ceil(k.extent / 4));
          step(
            (c) =>
              c === undefined ? quadruple(k.extent, groupAxis(k.name)) : add(mul(group, int(4)), int(c)),
            4,
            live,
            () =>
              builder.let("part", call("div", F32, constant(1, F32), convert(addI(index, i32(1)), "f32"))),
          );
        });
      }
      for (let rest = 4 * whole; rest < k.extent; rest++)
        step(
          () => int(rest),
          1,
          live,
          () => constant(1 / (rest - 4 * whole + 1), F32),
        );
    };
    const { origin, end: rowEnd, exact } = this.mTile;
    const known = typeof this.product.m.extent === "number";
    if (known || exact || rows === 1) sum(rows);
    else
      builder.if(
        lessThan(addI(origin, i32(1)), rowEnd),
        () => sum(rows),
        () => sum(1),
      );
    dots.forEach((dot, d) => {
      this.sums.set(dot.out, acc[d] ?? []);
      if (shared) return;
      for (const [r, value] of (acc[d] ?? []).entries()) builder.bindTile(`${dot.out}@row${r}`, value);
    });
    for (const { statement, sums } of rowSums) {
      const held = sums.map((s) => s.finish());
      outputsOf(statement).forEach((out, o) => {
        const ofLanes = held.flatMap((values) => values.slice(o, o + 1));
        this.keepRows(
          out,
          Array.from({ length: rows }, (_, r) => {
            const value = ofLanes[Math.floor(r / lanes)];
            if (value === undefined) throw new Error(`internal: ${out} is not held`);
            return call("subgroup_broadcast", F32, value, i32(r % lanes));
          }),
        );
      });
    }
  }

  /** A value of each row that all lanes know becomes one that moves up with the sums. */
  private keepRows(out: string, values: readonly ThreadExpr[]): void {
    const { builder } = this;
    const rows = values.map((value, r) => builder.var(`${out}_${r}`, value.type, value));
    this.sums.set(out, rows);
    if (this.shared) return;
    for (const [r, value] of rows.entries()) builder.bindTile(`${out}@row${r}`, value);
  }

  private statement(statement: Plain): void {
    if (statement.kind === "store") {
      this.store(statement);
      return;
    }
    const out = outputsOf(statement)[0] ?? "";
    const { m, n } = this.product.tiles.get(out) ?? { m: true, n: true };
    for (const place of this.places(m, n)) this.compute(statement, place);
    if (m && !n) this.handRound(statement);
  }

  private places(m: boolean, n: boolean): Place[] {
    if (!m) return [{ kind: "columns" }];
    if (n) return Array.from({ length: this.written }, (_, r) => ({ kind: "row", r }));
    return Array.from({ length: Math.ceil(this.rows / this.lanes) }, (_, j) => ({ kind: "loaded", j }));
  }

  private compute(statement: Exclude<Plain, { kind: "store" }>, place: Place): void {
    const { builder } = this;
    this.bindRow(place);
    const rewrite = (e: Expr): Expr => this.at(e, place);
    if (statement.kind === "let") {
      const value = tileValue(this.expressions, rewrite(statement.value));
      builder.bindTile(
        this.tileAt(statement.out, place),
        builder.let(this.tileAt(statement.out, place), value),
      );
      return;
    }
    const inner = place.kind === "loaded" ? this.alongRows : this.alongColumns;
    const named =
      statement.kind === "moments"
        ? { ...statement, mean: this.tileAt(statement.mean, place), m2: this.tileAt(statement.m2, place) }
        : { ...statement, out: this.tileAt(statement.out, place) };
    inner.reduce([named], statement.over, rewrite);
  }

  /** A value of a row lies with the lane that loads the row; rows of accumulators that need it get it by broadcast. */
  private handRound(statement: TileStmt): void {
    const { builder, lanes } = this;
    const later = this.kernel.body.slice(this.kernel.body.indexOf(statement) + 1);
    for (const out of outputsOf(statement)) {
      const needed = later.some((s) => s.kind !== "dot" && usesTile(s, out));
      if (!needed) continue;
      const held = (r: number): ThreadExpr => {
        const value = builder.current.tiles.get(
          this.tileAt(out, { kind: "loaded", j: Math.floor(r / lanes) }),
        );
        if (value === undefined) throw new Error(`internal: ${out} is not held`);
        return call("subgroup_broadcast", value.type, value, i32(r % lanes));
      };
      const { shared, rows } = this;
      // Where what follows the sums may run in a loop, they move up with the sums.
      if (!shared && rows > ROLLED && rows % ROLLED === 0) {
        this.keepRows(
          out,
          Array.from({ length: rows }, (_, r) => held(r)),
        );
        continue;
      }
      for (let r = 0; r < (shared ? rows / 2 : rows); r++) {
        const name = this.tileAt(out, { kind: "row", r });
        const value = shared ? shared.sides.own(held(2 * r), held(2 * r + 1)) : held(r);
        builder.bindTile(name, builder.let(name, value));
      }
    }
  }

  private store(statement: Extract<TileStmt, { kind: "store" }>): void {
    const { builder, expressions, nTile, mTile, product } = this;
    const uses = variesOf(statement, product);
    const columnGuard = uses.n
      ? nTile.exact
        ? undefined
        : lessThan(mulI(this.columns, i32(4)), nTile.end)
      : call("eq", { of: "bool", width: 1 }, this.columns, i32(0));
    const whole =
      (typeof product.n.extent === "number" ? product.n.extent : product.n.extent.times) % 4 === 0;
    const columnsGuarded = (body: () => void): void => {
      if (columnGuard === undefined) body();
      else builder.guard(columnGuard, body);
    };
    columnsGuarded(() => {
      const left =
        whole || !uses.n
          ? undefined
          : builder.let(`${product.n.name}_left`, addI(nTile.end, mulI(this.columns, i32(-4))));
      for (let r = 0; r < (uses.m ? this.written : 1); r++) {
        const place: Place = { kind: "row", r };
        const index = addI(this.turn?.origin ?? mTile.origin, this.rowOf(r));
        const write = (turn: (e: Expr) => Expr): void => {
          const value = tileValue(expressions, turn(this.at(statement.value, place)));
          expressions.store(
            statement.target,
            statement.index.map((e) => turn(this.at(e, place))),
            value,
            left,
          );
        };
        const body = (): void => {
          if (statement.over.length === 0) write((e) => e);
          else this.alongColumns.each(statement.over, write);
        };
        if (mTile.exact || !uses.m) {
          this.bindRow(place);
          body();
          continue;
        }
        builder.guard(lessThan(index, mTile.end), () => {
          // Within the guard the row exists: what depends on it is not computed outside.
          builder.bindAxis(this.rowAxis(place), builder.let(`${product.m.name}_${r}`, index));
          body();
        });
      }
    });
  }

  /** `e` at a place: m and n written as what this lane holds there, tiles as the values of that place. */
  private at(e: Expr, place: Place, more: ReadonlyMap<string, Expr> = new Map()): Expr {
    const { m, n } = this.product;
    const axes = new Map<string, Expr>([...more, [n.name, quadruple(n.extent, groupAxis(n.name))]]);
    if (place.kind !== "columns") axes.set(m.name, axis(this.rowAxis(place), m.extent));
    return renamed(e, axes, (name) => this.tileAt(name, place));
  }

  private tileAt(name: string, place: Place): string {
    const { m, n } = this.product.tiles.get(name) ?? { m: true, n: true };
    if (!m) return name;
    if (place.kind === "columns")
      throw new Error(`internal: ${name} belongs to a row and is used at a column`);
    if (n && place.kind === "loaded")
      throw new Error(`internal: ${name} belongs to a point and is used at a row`);
    return place.kind === "loaded" ? `${name}@lane${place.j}` : `${name}@row${place.r}`;
  }

  private rowAxis(place: Exclude<Place, { readonly kind: "columns" }>): string {
    return place.kind === "loaded"
      ? `${this.product.m.name}@lane${place.j}`
      : `${this.product.m.name}@${this.turn === undefined ? "row" : "turn"}${place.r}`;
  }

  /** Binds the index of a row, once, in the outermost scope that knows the tile. */
  private bindRow(place: Place): void {
    if (place.kind === "columns") return;
    const name = this.rowAxis(place);
    if (this.builder.find((s) => s.axes.has(name)) !== undefined) return;
    const { origin, end, axis: m, exact } = this.mTile;
    const loaded = place.kind === "loaded";
    const turn = loaded ? undefined : this.turn;
    this.builder.inside(turn?.scope ?? this.builder.tileScope, () => {
      const index = loaded
        ? addI(origin, addI(builtin("thread"), i32(place.j * this.lanes)))
        : addI(turn?.origin ?? origin, this.rowOf(place.r));
      // More lanes than rows, or rows beyond the edge: a copy of the last.
      const inTile = loaded && (place.j + 1) * this.lanes > this.rows;
      const near = inTile ? minI(index, addI(origin, i32(this.rows - 1))) : index;
      const value = exact ? near : minI(near, addI(end, i32(-1)));
      this.builder.bindAxis(
        name,
        this.builder.let(`${m.name}_${loaded ? `lane${place.j}` : place.r}`, value),
      );
    });
  }
}
