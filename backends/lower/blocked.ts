/**
 * @file The `blocked` lowering of a matrix product: threadsM × threadsN threads stage `step` elements of k at a time
 * through workgroup memory (staging.ts) and keep registersM × registersN accumulators each.
 *
 *     for every block of k:
 *       a_tile[k][m] = a,  b_tile[k][n] = b          every thread its share; zero beyond k's end
 *       barrier
 *       for k in the block:  acc[r][c] += a_tile[k][row r] · b_tile[k][column c]
 *       barrier
 *
 * With two `buffers` the next block is loaded before this one is multiplied and stored behind it, into the other half of the
 * memory: loads are under way while threads multiply, and one barrier a block is enough. Threads that share no column (threadsM of 1:
 * products of few rows) read `b` where it lies. Either way the sums are the same, bit by bit.
 *
 * Expressions of the prologue run while staging, once an element; those of the epilogue at the accumulators. A value of a row
 * or a column alone (the mean of a row) is computed by one thread and lies in workgroup memory. With registersN a
 * multiple of 4 columns are handled as vectors. Rows and columns beyond the edge are copies of the last.
 */
import type { Expr } from "../../src/ir/expr.ts";
import { axis, exprKey } from "../../src/ir/expr.ts";
import type { SharedArray, ThreadExpr, ThreadType } from "../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  builtin,
  call,
  divI,
  F32,
  gather4,
  i32,
  lessThan,
  minI,
  mulI,
  remI,
  widen,
} from "../../src/ir/thread.ts";
import type { GridAxis, TileKernel, TileStmt } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import type { Dot, Plain, Product, RowStatement } from "./contraction.ts";
import { goesAlong, innerAxis, phases, productOf, renamed, variesOf } from "./contraction.ts";
import { Expressions, scalarType } from "./expressions.ts";
import type { TileAxis } from "./grid.ts";
import { openGrid } from "./grid.ts";
import { Inner, runtimeBound, tileValue } from "./inner.ts";
import { outputsOf } from "./points.ts";
import { type OperandTile, type Place, type RowSum, type Site, Staging } from "./staging.ts";

export type Blocked = Extract<TileKernel["lowering"], { kind: "blocked" }>;
type Var = ThreadExpr & { readonly kind: "var" };

export function lowerBlocked(
  kernel: TileKernel,
  lowering: Blocked,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
): number {
  new BlockedProduct(kernel, lowering, builder, bindings, shared).lower();
  return lowering.threadsM * lowering.threadsN;
}

/** A product whose points are dealt to threads in blocks; who multiplies otherwise (matrix.ts) replaces `multiply`. */
export class BlockedProduct implements Site {
  protected readonly kernel: TileKernel;
  protected readonly l: Blocked;
  readonly builder: Builder;
  private readonly bindings: Bindings;
  protected readonly shared: SharedArray[];
  readonly expressions: Expressions;
  private readonly product: Product;
  private readonly m: TileAxis;
  private readonly n: TileAxis;
  readonly threads: number;
  /** Columns handled at once. */
  readonly width: 1 | 4;
  protected readonly threadM: ThreadExpr;
  protected readonly threadN: ThreadExpr;
  /** Workgroup memory of the tiles that belong to rows or columns. */
  private readonly arrays = new Map<string, { readonly array: string; readonly type: ThreadType }>();

  constructor(kernel: TileKernel, l: Blocked, builder: Builder, bindings: Bindings, shared: SharedArray[]) {
    this.kernel = kernel;
    this.l = l;
    this.builder = builder;
    this.bindings = bindings;
    this.shared = shared;
    this.product = productOf(kernel);
    const { m, n } = this.product;
    this.threads = l.threadsM * l.threadsN;
    const odd = kernel.grid.find(
      (a) => a.tile !== (a === m ? l.threadsM * l.registersM : a === n ? l.threadsN * l.registersN : 1),
    );
    if (odd !== undefined)
      throw new Error(`internal: ${kernel.name} has a tile of ${odd.tile} along ${odd.name}`);
    const grid = openGrid(builder, kernel, bindings);
    for (const { axis: a, origin } of grid) if (a !== m && a !== n) builder.bindAxis(a.name, origin);
    this.m = grid.find((t) => t.axis === m) as TileAxis;
    this.n = grid.find((t) => t.axis === n) as TileAxis;
    this.width = l.registersN % 4 === 0 && this.n.aligned ? 4 : 1;
    this.threadM = builder.let("row", divI(builtin("thread"), i32(l.threadsN)));
    this.threadN = builder.let("column", remI(builtin("thread"), i32(l.threadsN)));
    this.expressions = new Expressions(builder, bindings);
  }

  lower(): void {
    const parts = phases(this.kernel.body);
    const gathered: RowStatement[] = [];
    for (const [i, phase] of parts.entries()) {
      this.builder.statement = "kind" in phase ? phase : phase[0];
      if (!("kind" in phase)) this.multiply(phase, gathered.splice(0));
      else if (this.gathers(phase, parts.slice(i + 1))) gathered.push(phase);
      else if (phase.kind === "store") this.store(phase);
      else this.compute(phase);
    }
  }

  get rows(): number {
    return this.l.threadsM * this.l.registersM;
  }

  /** Columns (or groups of four) that a thread owns, and that the tile has. */
  private get ownColumns(): number {
    return this.l.registersN / this.width;
  }

  get tileColumns(): number {
    return this.l.threadsN * this.ownColumns;
  }

  /** Whether the product that follows gathers a sum over its rows; mean and deviation at once would be too many values to put together. */
  private gathers(statement: Plain, next: readonly (Plain | readonly Dot[])[]): statement is RowStatement {
    if (statement.kind !== "reduce" || !goesAlong(statement, next, this.product)) return false;
    return Staging.gathers(this, innerAxis(this.kernel, statement.over[0] ?? ""));
  }

  /** The sums over rows that staging gathers. */
  protected begin(
    staging: Staging,
    gathered: readonly RowStatement[],
  ): readonly (readonly [string, RowSum])[] {
    return gathered.map(
      (s) => [outputsOf(s)[0] ?? "", staging.rowSum(outputsOf(s)[0] ?? "", s.value)] as const,
    );
  }

  /** Puts the shares of each row's sum together, in workgroup memory. */
  protected finish(gathered: readonly (readonly [string, RowSum])[]): void {
    const { builder, threads } = this;
    for (const [out, { sums, perRow }] of gathered) {
      const parts = builder.name(`${out}_parts`);
      this.shared.push({ name: parts, type: F32, count: sums.length * threads });
      sums.forEach((sum, i) => {
        const index = addI(builtin("thread"), i32(i * threads));
        builder.emit({ kind: "store_shared", array: parts, index, value: call("sum4", F32, sum) });
      });
      builder.emit({ kind: "barrier" });
      const array = this.memoryOf(out, F32, this.rows);
      const all = runtimeBound(builder, `${this.m.axis.name}_own`, this.rows);
      builder.for("own", builtin("thread"), all, i32(threads), (row) => {
        const part = (p: number): ThreadExpr => {
          const index = addI(mulI(row, i32(perRow)), i32(p));
          return { kind: "shared", array: parts, index, type: F32 };
        };
        const value = range(perRow)
          .map(part)
          .reduce((a, b) => call("add", F32, a, b));
        builder.emit({ kind: "store_shared", array, index: row, value });
      });
      builder.emit({ kind: "barrier" });
    }
  }

  protected multiply(dots: readonly Dot[], gathered: readonly RowStatement[]): void {
    const { builder, l } = this;
    const [first] = dots as readonly [Dot];
    const k = innerAxis(this.kernel, first.k);
    const columnType = widen(F32, this.width);
    const acc = dots.map((dot) => this.each((r, c) => builder.var(`${dot.out}_${r}_${c}`, columnType)));
    const staging = new Staging(this, this.shared, k, l.buffers ?? 1);
    const apart = l.threadsM === 1;
    const operands = dots.map((dot) => ({
      a: staging.operand("a", dot.a),
      b: apart ? undefined : staging.operand("b", dot.b),
    }));
    const sums = this.begin(staging, gathered);
    const stepEnd = runtimeBound(builder, `${k.name}_step`, k.step);
    staging.sweep((block, half) => {
      builder.for(k.name, i32(0), stepEnd, i32(1), (at) => {
        const cache = new Map<string, ThreadExpr>();
        const once = (key: string, name: string, value: () => ThreadExpr): ThreadExpr => {
          const known = cache.get(`${key} ${name}`) ?? builder.let(name, value());
          cache.set(`${key} ${name}`, known);
          return known;
        };
        const read = (tile: OperandTile, type: ThreadType, within: ThreadExpr, name: string): ThreadExpr =>
          once(tile.array, name, () => {
            const index = addI(staging.baseOf(tile, half), within);
            return { kind: "shared", array: tile.array, index, type };
          });
        const rowStart = addI(mulI(at, i32(this.rows)), mulI(this.threadM, i32(l.registersM)));
        const columnStart = addI(mulI(at, i32(this.tileColumns)), this.threadN);
        const ahead = addI(mulI(block, i32(k.step)), at);
        dots.forEach((dot, d) => {
          const { a, b } = operands[d] as (typeof operands)[number];
          const as = range(l.registersM).map((r) => read(a, F32, addI(rowStart, i32(r)), `a${r}`));
          const bs = range(this.ownColumns).map((c) => {
            const column = addI(this.threadN, i32(c * l.threadsN));
            if (b !== undefined) return read(b, columnType, addI(columnStart, i32(c * l.threadsN)), `b${c}`);
            const place: Place = { name: `own${c}`, n: this.bindN(`column${c}`, column), column };
            return once(exprKey(dot.b), `b${c}`, () => staging.ofB(dot.b, place, ahead, "own"));
          });
          acc[d]?.forEach(({ r, c, value }) => {
            const product = call("mul", columnType, as[r] as ThreadExpr, bs[c] as ThreadExpr);
            builder.accumulate(value as Var, product);
          });
        });
      });
    });
    dots.forEach((dot, d) => {
      for (const { r, c, value } of acc[d] ?? []) builder.bindTile(`${dot.out}@${r},${c}`, value);
    });
    this.finish(sums);
  }

  private compute(statement: Extract<TileStmt, { kind: "let" | "reduce" | "moments" }>): void {
    const varies = this.product.tiles.get(outputsOf(statement)[0] ?? "") ?? { m: true, n: true };
    if (varies.m && varies.n) {
      for (const { r, c } of this.each(() => undefined)) {
        const place = this.accumulator(r, c);
        this.bindTiles(place);
        this.evaluate(statement, place, (out) => `${out}@${r},${c}`);
      }
      return;
    }
    if (!varies.m && !varies.n) {
      this.evaluate(statement, { name: "all" }, (out) => out);
      return;
    }
    const { builder } = this;
    const side = varies.m ? this.m : this.n;
    const count = side.axis.tile;
    const type = scalarType(statement.value.type);
    const arrays = outputsOf(statement).map((out) => ({ out, array: this.memoryOf(out, type, count) }));
    const one = (index: ThreadExpr, suffix: string): void => {
      const name = `own${suffix}`;
      const place: Place = varies.m
        ? { name, m: this.bindM(name, index), row: index }
        : { name, n: this.bindColumn(name, index), column: index };
      this.bindTiles(place);
      this.evaluate(statement, place, (out) => `${out}@${name}`, varies.n);
      for (const { out, array } of arrays) {
        const value = builder.current.tiles.get(`${out}@${name}`);
        if (value === undefined) throw new Error(`internal: ${out} was not computed`);
        builder.emit({ kind: "store_shared", array, index, value });
      }
    };
    // Always a branch or a loop of its own, so that a row's values do not outlive it.
    builder.for(
      "own",
      builtin("thread"),
      runtimeBound(builder, `${side.axis.name}_own`, count),
      i32(this.threads),
      (index) => one(index, ""),
    );
    builder.emit({ kind: "barrier" });
  }

  private evaluate(
    statement: Extract<TileStmt, { kind: "let" | "reduce" | "moments" }>,
    place: Place,
    nameOf: (out: string) => string,
    scalarColumn = false,
  ): void {
    const { builder } = this;
    const rewrite = (e: Expr): Expr => this.at(e, place, new Map(), scalarColumn);
    if (statement.kind === "let") {
      const name = nameOf(statement.out);
      builder.bindTile(name, builder.let(name, tileValue(this.expressions, rewrite(statement.value))));
      return;
    }
    const alone = { lanes: 1, lane: i32(0), combine: (_: unknown, value: ThreadExpr) => value };
    const vector = place.n === undefined || scalarColumn;
    const inner = new Inner(builder, this.expressions, this.bindings, this.kernel, alone, vector);
    const named =
      statement.kind === "moments"
        ? { ...statement, mean: nameOf(statement.mean), m2: nameOf(statement.m2) }
        : { ...statement, out: nameOf(statement.out) };
    inner.reduce([named], statement.over, rewrite);
  }

  private store(statement: Extract<TileStmt, { kind: "store" }>): void {
    const { builder, expressions, m, n } = this;
    const varies = variesOf(statement, this.product);
    const cells = this.each(() => undefined).filter(
      ({ r, c }) => (varies.m || r === 0) && (varies.n || c === 0),
    );
    for (const { r, c } of cells) {
      const place = this.accumulator(r, c);
      const conditions: ThreadExpr[] = [];
      const row = addI(m.origin, place.row as ThreadExpr);
      const column = addI(n.origin, mulI(place.column as ThreadExpr, i32(this.width)));
      if (varies.m && !m.exact) conditions.push(lessThan(row, m.end));
      if (varies.n && !n.exact) conditions.push(lessThan(column, n.end));
      // What does not change along an axis is stored by the first along it.
      if (!varies.m) conditions.push(call("eq", BOOL, this.threadM, i32(0)));
      if (!varies.n) conditions.push(call("eq", BOOL, column, n.aligned ? i32(0) : builtin("call.from")));
      const body = (): void => {
        this.bindTiles(place);
        const ragged = varies.n && this.width === 4 && !multipleOfFour(n.axis);
        const left = ragged
          ? builder.let(`${n.axis.name}_left`, call("sub", n.end.type, n.end, column))
          : undefined;
        const write = (turn: (e: Expr) => Expr): void => {
          const value = tileValue(expressions, turn(this.at(statement.value, place)));
          expressions.store(
            statement.target,
            statement.index.map((e) => turn(this.at(e, place))),
            value,
            left,
          );
        };
        if (statement.over.length === 0) write((e) => e);
        else {
          const alone = { lanes: 1, lane: i32(0), combine: (_: unknown, value: ThreadExpr) => value };
          new Inner(builder, expressions, this.bindings, this.kernel, alone, false).each(
            statement.over,
            write,
          );
        }
      };
      const condition = conditions.reduce<ThreadExpr | undefined>(
        (a, b) => (a === undefined ? b : call("and", BOOL, a, b)),
        undefined,
      );
      if (condition === undefined) body();
      else builder.guard(condition, body);
    }
  }

  /** Every accumulator of a thread. */
  protected each<T>(
    make: (r: number, c: number) => T,
  ): { readonly r: number; readonly c: number; readonly value: T }[] {
    return Array.from({ length: this.l.registersM * this.ownColumns }, (_, i) => {
      const [r, c] = [Math.floor(i / this.ownColumns), i % this.ownColumns];
      return { r, c, value: make(r, c) };
    });
  }

  private accumulator(r: number, c: number): Place {
    const row = addI(mulI(this.threadM, i32(this.l.registersM)), i32(r));
    const column = addI(this.threadN, i32(c * this.l.threadsN));
    return {
      name: `${r},${c}`,
      m: this.bindM(`row${r}`, row),
      n: this.bindN(`column${c}`, column),
      row,
      column,
    };
  }

  bindM(suffix: string, row: ThreadExpr): string {
    const name = `${this.m.axis.name}@${suffix}`;
    const { origin, end, exact } = this.m;
    return this.bindOnce(name, `${this.m.axis.name}_${suffix}`, () => {
      const index = addI(origin, row);
      return exact ? index : minI(index, addI(end, i32(-1)));
    });
  }

  /** The column, or group of four columns, number `column` of the tile. */
  bindN(suffix: string, column: ThreadExpr): string {
    if (this.width === 1) return this.bindColumn(suffix, column);
    const { origin, end, exact, axis: n } = this.n;
    return this.bindOnce(`${groupAxis(n.name)}@${suffix}`, `${n.name}4_${suffix}`, () => {
      const index = addI(divI(origin, i32(4)), column);
      return exact ? index : minI(index, addI(divI(addI(end, i32(3)), i32(4)), i32(-1)));
    });
  }

  private bindColumn(suffix: string, column: ThreadExpr): string {
    const { origin, end, exact, axis: n } = this.n;
    return this.bindOnce(`${n.name}@${suffix}`, `${n.name}_${suffix}`, () => {
      const index = addI(origin, column);
      return exact ? index : minI(index, addI(end, i32(-1)));
    });
  }

  private bindOnce(name: string, hint: string, index: () => ThreadExpr): string {
    if (this.builder.find((s) => s.axes.has(name)) === undefined) {
      this.builder.bindAxis(name, this.builder.let(hint, index()));
    }
    return name;
  }

  private memoryOf(out: string, type: ThreadType, count: number): string {
    const array = this.builder.name(`${out}_tile`);
    this.shared.push({ name: array, type, count });
    this.arrays.set(out, { array, type });
    return array;
  }

  /** Lets the tiles of rows and columns be read at a place. */
  bindTiles(place: Place): void {
    for (const [out, { array, type }] of this.arrays) {
      const varies = this.product.tiles.get(out);
      const at = (index: ThreadExpr): ThreadExpr => ({ kind: "shared", array, index, type });
      const name = `${out}@${place.name}`;
      if (varies?.m && place.row !== undefined) this.builder.bindTile(name, at(place.row));
      if (varies?.n && place.column !== undefined) {
        const { column } = place;
        const wide = this.width === 4 && place.n?.startsWith(groupAxis(this.n.axis.name));
        const four = [0, 1, 2, 3].map((c) => at(addI(mulI(column, i32(4)), i32(c))));
        this.builder.bindTile(name, wide ? gather4(four, type.of) : at(column));
      }
    }
  }

  /** `e` at a place: m, n and k as they are written there, tiles as the values of that place. */
  at(e: Expr, place: Place, more: ReadonlyMap<string, Expr> = new Map(), scalarColumn = false): Expr {
    const { m, n, tiles } = this.product;
    const axes = new Map<string, Expr>(more);
    if (place.m !== undefined) axes.set(m.name, axis(place.m, m.extent));
    if (place.n !== undefined) {
      axes.set(
        n.name,
        this.width === 4 && !scalarColumn ? quadruple(n.extent, place.n) : axis(place.n, n.extent),
      );
    }
    return renamed(e, axes, (name) => {
      const varies = tiles.get(name);
      return varies?.m || varies?.n ? `${name}@${place.name}` : name;
    });
  }
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function multipleOfFour(a: GridAxis): boolean {
  return (typeof a.extent === "number" ? a.extent : a.extent.times) % 4 === 0;
}
