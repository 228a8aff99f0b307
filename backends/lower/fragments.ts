/**
 * @file What a product kernel does around its sums, whoever has them: a thread's accumulators are an index map from its registers
 * (r, c) to rows and columns of the workgroup's tile, and everything else follows from it. A statement that changes along m and n
 * is evaluated at every accumulator; one that belongs to a row or a column alone (the mean of a row) by one thread, or one warp where a
 * row is long, which leaves it in workgroup memory; what belongs to neither, by every thread.
 *
 * Columns are taken four at a time. Rows and columns beyond the edge are copies of the last and are not stored.
 */
import type { Expr } from "../../src/ir/expr.ts";
import { axis } from "../../src/ir/expr.ts";
import type { SharedArray, ThreadExpr, ThreadType } from "../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  builtin,
  call,
  divI,
  gather4,
  i32,
  lessThan,
  minI,
  mulI,
  remI,
} from "../../src/ir/thread.ts";
import type { GridAxis, TileKernel, TileStmt } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import type { Product } from "./contraction.ts";
import { renamed, variesOf } from "./contraction.ts";
import type { Expressions } from "./expressions.ts";
import { scalarType } from "./expressions.ts";
import type { TileAxis } from "./grid.ts";
import { Inner, runtimeBound, type Team, tileValue } from "./inner.ts";
import { outputsOf } from "./points.ts";
import { acrossSubgroup } from "./row.ts";

/** Where a thread's accumulators lie in the workgroup's tile. */
export interface FragmentMap {
  /** Threads that have accumulators: all of the workgroup, or its first ones (`some`), which meet by themselves. */
  readonly threads: number;
  readonly some?: true;
  /** Accumulators of a thread: `rows` × `columns` groups of four. */
  readonly rows: number;
  readonly columns: number;
  row(r: number): ThreadExpr;
  /** Counted in groups of four. */
  column(c: number): ThreadExpr;
}

/** An expression's place: which names stand for m and n, and where its tiles lie. */
export interface Place {
  readonly name: string;
  readonly m?: string;
  readonly n?: string;
  /** This place's row and column group within the workgroup's tile. */
  readonly row?: ThreadExpr;
  readonly column?: ThreadExpr;
  /** `n` and `column` are of one column, not of a group. */
  readonly single?: boolean;
}

const ALONE: Team = { lanes: 1, lane: i32(0), combine: (_, value) => value };
/** A warp goes through a row together: its loads are of neighbours. */
const WARP: Team = { lanes: 32, lane: remI(builtin("thread"), i32(32)), combine: acrossSubgroup };
/** Elements of a row from which on that pays: a group of four for each lane. */
const LONG = 128;

type Store = Extract<TileStmt, { kind: "store" }>;

/** An accumulator of a thread: a row's group of four columns. */
interface Cell {
  readonly r: number;
  readonly c: number;
}

/** Accumulators whose values are made before the first of them is stored. More would take registers for what they load. */
const AT_ONCE = 8;

export class Fragments {
  readonly kernel: TileKernel;
  readonly product: Product;
  readonly m: TileAxis;
  readonly n: TileAxis;
  private readonly map: FragmentMap;
  private readonly builder: Builder;
  private readonly bindings: Bindings;
  private readonly expressions: Expressions;
  private readonly shared: SharedArray[];
  /** Workgroup memory of the tiles that belong to rows or columns. */
  private readonly arrays = new Map<string, { readonly array: string; readonly type: ThreadType }>();

  constructor(given: {
    readonly kernel: TileKernel;
    readonly product: Product;
    readonly m: TileAxis;
    readonly n: TileAxis;
    readonly map: FragmentMap;
    readonly builder: Builder;
    readonly bindings: Bindings;
    readonly expressions: Expressions;
    readonly shared: SharedArray[];
  }) {
    this.kernel = given.kernel;
    this.product = given.product;
    this.m = given.m;
    this.n = given.n;
    this.map = given.map;
    this.builder = given.builder;
    this.bindings = given.bindings;
    this.expressions = given.expressions;
    this.shared = given.shared;
  }

  /** Every accumulator of a thread, row by row. */
  cells(): Cell[] {
    const { rows, columns } = this.map;
    return Array.from({ length: rows * columns }, (_, i) => ({ r: Math.floor(i / columns), c: i % columns }));
  }

  /** The name under which the sum of a product at accumulator (r, c) is bound. */
  cellName(out: string, r: number, c: number): string {
    return `${out}@${r},${c}`;
  }

  /** Whether tiles of rows or columns lie in workgroup memory. */
  get usesMemory(): boolean {
    return this.arrays.size > 0;
  }

  compute(statement: Extract<TileStmt, { kind: "let" | "reduce" | "moments" }>): void {
    const varies = this.product.tiles.get(outputsOf(statement)[0] ?? "") ?? { m: true, n: true };
    if (varies.m && varies.n) {
      for (const { r, c } of this.cells()) {
        const place = this.cell(r, c);
        this.bindTiles(place);
        this.evaluate(statement, place, (out) => this.cellName(out, r, c));
      }
      return;
    }
    if (!varies.m && !varies.n) {
      this.evaluate(statement, { name: "all" }, (out) => out);
      return;
    }
    const { builder } = this;
    const side = varies.m ? this.m : this.n;
    const type = scalarType(statement.value.type);
    const arrays = outputsOf(statement).map((out) => ({
      out,
      array: this.memoryOf(out, type, side.axis.tile),
    }));
    const own = runtimeBound(builder, `${side.axis.name}_own`, side.axis.tile);
    const team = varies.m && statement.kind !== "let" && this.isLong(statement.over) ? WARP : ALONE;
    const first = divI(builtin("thread"), i32(team.lanes));
    builder.for("own", first, own, i32(this.map.threads / team.lanes), (index) => {
      const place = varies.m ? this.rowPlace("own", index) : this.singleColumn("own", index);
      this.bindTiles(place);
      this.evaluate(statement, place, (out) => `${out}@own`, team);
      const computed = arrays.map(({ out, array }) => {
        const value = builder.current.tiles.get(`${out}@own`);
        if (value === undefined) throw new Error(`internal: ${out} was not computed`);
        return { array, value };
      });
      const store = (): void => {
        for (const { array, value } of computed) builder.emit({ kind: "store_shared", array, index, value });
      };
      if (team === ALONE) store();
      else builder.if(call("eq", BOOL, team.lane, i32(0)), store);
    });
    builder.emit({ kind: "barrier", ...(this.map.some && { threads: this.map.threads }) });
  }

  store(statement: Store): void {
    const varies = variesOf(statement, this.product);
    const cells = this.cells().filter(({ r, c }) => (varies.m || r === 0) && (varies.n || c === 0));
    for (let i = 0; i < cells.length; i += AT_ONCE) this.storeCells(statement, cells.slice(i, i + AT_ONCE));
  }

  private storeCells(statement: Store, cells: readonly Cell[]): void {
    const { builder, expressions, m, n } = this;
    const varies = variesOf(statement, this.product);
    const places = cells.map(({ r, c }) => this.cell(r, c));
    // What the values are made of is asked for before the first is stored: a thread waits for memory once, not once a value.
    const values = places.map((place) => {
      this.bindTiles(place);
      return statement.over.length > 0
        ? undefined
        : builder.let("value", tileValue(expressions, this.at(statement.value, place)));
    });
    cells.forEach(({ r, c }, i) => {
      const place = places[i];
      const conditions: ThreadExpr[] = [];
      const row = addI(m.origin, this.map.row(r));
      const column = addI(n.origin, mulI(this.map.column(c), i32(4)));
      if (varies.m && !m.exact) conditions.push(lessThan(row, m.end));
      if (varies.n && !n.exact) conditions.push(lessThan(column, n.end));
      // What does not change along an axis is stored by the first along it.
      if (!varies.m) conditions.push(call("eq", BOOL, this.map.row(r), i32(0)));
      if (!varies.n) conditions.push(call("eq", BOOL, column, i32(0)));
      const body = (): void => {
        const ragged = varies.n && !multipleOfFour(n.axis);
        const left = ragged
          ? builder.let(`${n.axis.name}_left`, call("sub", n.end.type, n.end, column))
          : undefined;
        const write = (turn: (e: Expr) => Expr, made?: ThreadExpr): void => {
          const value = made ?? tileValue(expressions, turn(this.at(statement.value, place)));
          const index = statement.index.map((e) => turn(this.at(e, place)));
          expressions.store(statement.target, index, value, left);
        };
        const value = values[i];
        if (value !== undefined) write((e) => e, value);
        else
          new Inner(builder, expressions, this.bindings, this.kernel, ALONE, false).each(
            statement.over,
            (turn) => write(turn),
          );
      };
      const condition = conditions.reduce<ThreadExpr | undefined>(
        (a, b) => (a === undefined ? b : call("and", BOOL, a, b)),
        undefined,
      );
      if (condition === undefined) body();
      else builder.guard(condition, body);
    });
  }

  /** The tile's column group that a thread has as its c-th. */
  columnOf(c: number): ThreadExpr {
    return this.map.column(c);
  }

  private cell(r: number, c: number): Place {
    const rows = this.rowPlace(`row${r}`, this.map.row(r));
    const columns = this.columnPlace(`column${c}`, this.map.column(c));
    return { ...rows, ...columns, name: `${r},${c}` };
  }

  /** Row `row` of the tile under the name `suffix`. */
  rowPlace(suffix: string, row: ThreadExpr): Place {
    const name = `${this.m.axis.name}@${suffix}`;
    const { origin, end, exact } = this.m;
    this.bindOnce(name, `${this.m.axis.name}_${suffix}`, () => {
      const index = addI(origin, row);
      return exact ? index : minI(index, addI(end, i32(-1)));
    });
    return { name: suffix, m: name, row };
  }

  /** Column group `column` of the tile under the name `suffix`. */
  columnPlace(suffix: string, column: ThreadExpr): Place {
    const { origin, end, exact, axis: n } = this.n;
    const name = `${groupAxis(n.name)}@${suffix}`;
    this.bindOnce(name, `${n.name}4_${suffix}`, () => {
      const index = addI(divI(origin, i32(4)), column);
      return exact ? index : minI(index, addI(divI(addI(end, i32(3)), i32(4)), i32(-1)));
    });
    return { name: suffix, n: name, column };
  }

  singleColumn(suffix: string, column: ThreadExpr): Place {
    const { origin, end, exact, axis: n } = this.n;
    const name = `${n.name}@${suffix}`;
    this.bindOnce(name, `${n.name}_${suffix}`, () => {
      const index = addI(origin, column);
      return exact ? index : minI(index, addI(end, i32(-1)));
    });
    return { name: suffix, n: name, column, single: true };
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
        const four = [0, 1, 2, 3].map((c) => at(addI(mulI(column, i32(4)), i32(c))));
        this.builder.bindTile(name, place.single ? at(column) : gather4(four, type.of));
      }
    }
  }

  /** `e` at a place: m, n and what `more` names as they are written there, tiles as the values of that place. */
  at(e: Expr, place: Place, more: ReadonlyMap<string, Expr> = new Map()): Expr {
    const { m, n, tiles } = this.product;
    const axes = new Map<string, Expr>(more);
    if (place.m !== undefined) axes.set(m.name, axis(place.m, m.extent));
    if (place.n !== undefined)
      axes.set(n.name, place.single ? axis(place.n, n.extent) : quadruple(n.extent, place.n));
    return renamed(e, axes, (name) => {
      const varies = tiles.get(name);
      return varies?.m || varies?.n ? `${name}@${place.name}` : name;
    });
  }

  private evaluate(
    statement: Extract<TileStmt, { kind: "let" | "reduce" | "moments" }>,
    place: Place,
    nameOf: (out: string) => string,
    team = ALONE,
  ): void {
    const { builder } = this;
    const rewrite = (e: Expr): Expr => this.at(e, place);
    if (statement.kind === "let") {
      const name = nameOf(statement.out);
      builder.bindTile(name, builder.let(name, tileValue(this.expressions, rewrite(statement.value))));
      return;
    }
    const vector = place.n === undefined || place.single === true;
    const inner = new Inner(builder, this.expressions, this.bindings, this.kernel, team, vector);
    const named =
      statement.kind === "moments"
        ? { ...statement, mean: nameOf(statement.mean), m2: nameOf(statement.m2) }
        : { ...statement, out: nameOf(statement.out) };
    inner.reduce([named], statement.over, rewrite);
  }

  private isLong(over: readonly string[]): boolean {
    return this.kernel.inner.some(({ name, extent }) => over.includes(name) && extent >= LONG);
  }

  private bindOnce(name: string, hint: string, index: () => ThreadExpr): void {
    if (this.builder.find((s) => s.axes.has(name)) === undefined)
      this.builder.bindAxis(name, this.builder.let(hint, index()));
  }

  private memoryOf(out: string, type: ThreadType, count: number): string {
    const array = this.builder.name(`${out}_tile`);
    this.shared.push({ name: array, type, count });
    this.arrays.set(out, { array, type });
    return array;
  }
}

function multipleOfFour(a: GridAxis): boolean {
  return (typeof a.extent === "number" ? a.extent : a.extent.times) % 4 === 0;
}
