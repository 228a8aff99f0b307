/**
 * @file The `blocked` lowering of a matrix product: threadsM × threadsN threads stage `step` elements of k at a time
 * through workgroup memory and keep registersM × registersN accumulators each.
 *
 *     for every block of k:
 *       a_tile[k][m] = a,  b_tile[k][n] = b          every thread its share; zero beyond k's end
 *       barrier
 *       for k in the block:  acc[r][c] += a_tile[k][row r] · b_tile[k][column c]
 *       barrier
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
  component,
  constant,
  divI,
  F32,
  gather4,
  i32,
  lessThan,
  minI,
  mulI,
  remI,
  splat,
  widen,
} from "../../src/ir/thread.ts";
import type { GridAxis, InnerAxis, TileKernel, TileStmt } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import type { Dot, Product } from "./contraction.ts";
import { innerAxis, phases, productOf, renamed, variesOf } from "./contraction.ts";
import { Expressions, scalarType, spread } from "./expressions.ts";
import type { TileAxis } from "./grid.ts";
import { openGrid } from "./grid.ts";
import { Inner, runtimeBound, tileValue } from "./inner.ts";
import { outputsOf } from "./points.ts";

type Blocked = Extract<TileKernel["lowering"], { kind: "blocked" }>;
type Var = ThreadExpr & { readonly kind: "var" };

/** Shares of a staging step that are written out rather than looped over. */
const UNROLLED = 4;

/** An expression's place: which names stand for m, n and k, and where its tiles lie. */
interface Place {
  readonly name: string;
  readonly m?: string;
  readonly n?: string;
  /** This place's row and column (group) within the workgroup's tile. */
  readonly row?: ThreadExpr;
  readonly column?: ThreadExpr;
}

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

class BlockedProduct {
  private readonly kernel: TileKernel;
  private readonly l: Blocked;
  private readonly builder: Builder;
  private readonly bindings: Bindings;
  private readonly shared: SharedArray[];
  private readonly expressions: Expressions;
  private readonly product: Product;
  private readonly m: TileAxis;
  private readonly n: TileAxis;
  private readonly threads: number;
  /** Columns handled at once. */
  private readonly width: 1 | 4;
  private readonly threadM: ThreadExpr;
  private readonly threadN: ThreadExpr;
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
    for (const phase of phases(this.kernel.body)) {
      this.builder.statement = "kind" in phase ? phase : phase[0];
      if (!("kind" in phase)) this.multiply(phase);
      else if (phase.kind === "store") this.store(phase);
      else this.compute(phase);
    }
  }

  /** Columns (or groups of four) that a thread owns, and that the tile has. */
  private get ownColumns(): number {
    return this.l.registersN / this.width;
  }

  private get tileColumns(): number {
    return this.l.threadsN * this.ownColumns;
  }

  private multiply(dots: readonly Dot[]): void {
    const { builder, l } = this;
    const [first] = dots as readonly [Dot];
    const k = innerAxis(this.kernel, first.k);
    const rows = l.threadsM * l.registersM;
    const columnType = widen(F32, this.width);
    const acc = dots.map((dot) => this.each((r, c) => builder.var(`${dot.out}_${r}_${c}`, columnType)));
    // Products that share an operand share its tile.
    const operands = new Map<
      string,
      { readonly array: string; readonly stage: (block: ThreadExpr) => void }
    >();
    const operand = (side: "a" | "b", e: Expr): string => {
      const key = `${side} ${exprKey(e)}`;
      const known = operands.get(key);
      if (known !== undefined) return known.array;
      const array = builder.name(`${side}_tile`);
      this.shared.push(
        side === "a"
          ? { name: array, type: F32, count: k.step * rows }
          : { name: array, type: columnType, count: k.step * this.tileColumns },
      );
      operands.set(key, {
        array,
        stage: (block) => (side === "a" ? this.stageA(array, e, k, block) : this.stageB(array, e, k, block)),
      });
      return array;
    };
    const arrays = dots.map((dot) => ({ a: operand("a", dot.a), b: operand("b", dot.b) }));

    const blocks = runtimeBound(builder, `${k.name}_blocks`, Math.ceil(k.extent / k.step));
    const stepEnd = runtimeBound(builder, `${k.name}_step`, k.step);
    builder.for("block", i32(0), blocks, i32(1), (block) => {
      for (const { stage } of operands.values()) stage(block);
      builder.emit({ kind: "barrier" });
      builder.for(k.name, i32(0), stepEnd, i32(1), (at) => {
        const cache = new Map<string, ThreadExpr>();
        const read = (array: string, type: ThreadType, index: ThreadExpr, name: string): ThreadExpr => {
          const key = `${array} ${name}`;
          const known = cache.get(key) ?? builder.let(name, { kind: "shared", array, index, type });
          cache.set(key, known);
          return known;
        };
        const rowStart = addI(mulI(at, i32(rows)), mulI(this.threadM, i32(l.registersM)));
        const columnStart = addI(mulI(at, i32(this.tileColumns)), this.threadN);
        dots.forEach((_, d) => {
          const { a, b } = arrays[d] as { a: string; b: string };
          const as = Array.from({ length: l.registersM }, (_, r) =>
            read(a, F32, addI(rowStart, i32(r)), `a${r}`),
          );
          const bs = Array.from({ length: this.ownColumns }, (_, c) =>
            read(b, columnType, addI(columnStart, i32(c * l.threadsN)), `b${c}`),
          );
          acc[d]?.forEach(({ r, c, value }) => {
            builder.accumulate(
              value as Var,
              call("mul", columnType, as[r] as ThreadExpr, bs[c] as ThreadExpr),
            );
          });
        });
      });
      builder.emit({ kind: "barrier" });
    });
    dots.forEach((dot, d) => {
      for (const { r, c, value } of acc[d] ?? []) builder.bindTile(`${dot.out}@${r},${c}`, value);
    });
  }

  /** Deals `count` shares to the threads. */
  private share(count: number, body: (index: ThreadExpr, suffix: string) => void): void {
    const { builder, threads } = this;
    const turns = Math.ceil(count / threads);
    const guarded = (index: ThreadExpr, last: boolean, suffix: string): void => {
      if (last && count % threads !== 0) builder.if(lessThan(index, i32(count)), () => body(index, suffix));
      else body(index, suffix);
    };
    if (turns <= UNROLLED) {
      for (let i = 0; i < turns; i++)
        guarded(addI(builtin("thread"), i32(i * threads)), i === turns - 1, `${i}`);
      return;
    }
    builder.for("share", builtin("thread"), runtimeBound(builder, "shares", count), i32(threads), (index) =>
      body(index, ""),
    );
  }

  private stageA(array: string, e: Expr, k: InnerAxis, block: ThreadExpr): void {
    const { builder } = this;
    const rows = this.l.threadsM * this.l.registersM;
    const width = k.step % 4 === 0 ? 4 : 1;
    const perRow = k.step / width;
    this.share(rows * perRow, (index, suffix) => {
      const row = builder.let("at_row", divI(index, i32(perRow)));
      const part = builder.let(`at_${k.name}`, remI(index, i32(perRow)));
      const group = builder.let(width === 4 ? `${k.name}4` : k.name, addI(mulI(block, i32(perRow)), part));
      const place: Place = { name: `stage${suffix}`, m: this.bindM(`stage${suffix}`, row), row };
      const name = `${width === 4 ? groupAxis(k.name) : k.name}@${suffix}`;
      builder.bindAxis(
        name,
        k.extent % k.step === 0 ? group : minI(group, i32(Math.ceil(k.extent / width) - 1)),
      );
      const written = width === 4 ? quadruple(k.extent, name) : axis(name, k.extent);
      this.bindTiles(place);
      const raw = spread(this.expressions.as(this.at(e, place, new Map([[k.name, written]])), "f32"), width);
      const value = builder.let("a", this.within(raw, group, k, width));
      for (let c = 0; c < width; c++) {
        const to = addI(mulI(addI(mulI(part, i32(width)), i32(c)), i32(rows)), row);
        builder.emit({ kind: "store_shared", array, index: to, value: component(value, c) });
      }
    });
  }

  private stageB(array: string, e: Expr, k: InnerAxis, block: ThreadExpr): void {
    const { builder } = this;
    this.share(k.step * this.tileColumns, (index, suffix) => {
      const column = builder.let("at_column", remI(index, i32(this.tileColumns)));
      const at = builder.let(k.name, addI(mulI(block, i32(k.step)), divI(index, i32(this.tileColumns))));
      const place: Place = { name: `stage${suffix}`, n: this.bindN(`stage${suffix}`, column), column };
      const name = `${k.name}@${suffix}`;
      builder.bindAxis(name, k.extent % k.step === 0 ? at : minI(at, i32(k.extent - 1)));
      this.bindTiles(place);
      const raw = spread(
        this.expressions.as(this.at(e, place, new Map([[k.name, axis(name, k.extent)]])), "f32"),
        this.width,
      );
      builder.emit({ kind: "store_shared", array, index, value: this.within(raw, at, k, 1) });
    });
  }

  /** Zero where k has run over its end; a group is cut in the middle where it must be. */
  private within(value: ThreadExpr, index: ThreadExpr, k: InnerAxis, width: 1 | 4): ThreadExpr {
    if (k.extent % k.step === 0) return value;
    const zero = spread(constant(0, F32), value.type.width);
    if (width === 1 || k.extent % 4 === 0) {
      return call(
        "select",
        value.type,
        zero,
        value,
        spread(lessThan(index, i32(k.extent / width)), value.type.width),
      );
    }
    const places = gather4(
      [0, 1, 2, 3].map((c) => addI(mulI(index, i32(4)), i32(c))),
      "i32",
    );
    return call(
      "select",
      value.type,
      zero,
      value,
      call("lt", { of: "bool", width: 4 }, places, splat(i32(k.extent))),
    );
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
  private each<T>(
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

  private bindM(suffix: string, row: ThreadExpr): string {
    const name = `${this.m.axis.name}@${suffix}`;
    const { origin, end, exact } = this.m;
    return this.bindOnce(name, `${this.m.axis.name}_${suffix}`, () => {
      const index = addI(origin, row);
      return exact ? index : minI(index, addI(end, i32(-1)));
    });
  }

  /** The column, or group of four columns, number `column` of the tile. */
  private bindN(suffix: string, column: ThreadExpr): string {
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
  private bindTiles(place: Place): void {
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
  private at(e: Expr, place: Place, more: ReadonlyMap<string, Expr> = new Map(), scalarColumn = false): Expr {
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

function multipleOfFour(a: GridAxis): boolean {
  return (typeof a.extent === "number" ? a.extent : a.extent.times) % 4 === 0;
}
