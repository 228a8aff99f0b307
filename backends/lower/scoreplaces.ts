/**
 * @file Where the expressions of a score product stand: at which row of its tile, which columns, which j; and what the axes m, n
 * and j are called there.
 */
import { axis, type Expr } from "../../src/ir/expr.ts";
import type { ThreadExpr } from "../../src/ir/thread.ts";
import { addI, builtin, divI, i32, minI } from "../../src/ir/thread.ts";
import type { InnerAxis, ScoreStmt, TileKernel } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import { innerAxis, renamed } from "./contraction.ts";
import type { TileAxis } from "./grid.ts";
import { openGrid } from "./grid.ts";

export type ScoreLowering = Extract<TileKernel["lowering"], { kind: "score" }>;

/** A row of the tile, the first of a segment, or the one of a block of `lanes` rows that this lane loads. */
export type RowPlace = number | "leader" | `own${number}`;

/** Where an expression stands: the names that m, n and j have there. */
export interface Place {
  readonly row?: RowPlace;
  readonly group?: number;
  readonly j?: string;
}

export class ScorePlaces {
  readonly s: ScoreStmt;
  readonly m: TileAxis;
  readonly n: TileAxis;
  readonly j: InnerAxis;
  readonly k: InnerAxis;
  /** Rows of the tile, vec4s of columns that a lane owns, and blocks of rows that lanes load one each of. */
  readonly rows: readonly number[];
  readonly groups: readonly number[];
  readonly loaded: readonly number[];
  private readonly lowering: ScoreLowering;
  private readonly builder: Builder;

  constructor(kernel: TileKernel, lowering: ScoreLowering, builder: Builder, bindings: Bindings) {
    const s = kernel.body.find((statement) => statement.kind === "score");
    if (s?.kind !== "score") throw new Error(`internal: ${kernel.name} has no score product`);
    this.s = s;
    this.lowering = lowering;
    this.builder = builder;
    this.rows = range(lowering.rows);
    this.groups = range(lowering.groups);
    const handed = lowering.combine === "subgroup" && lowering.rows > 1;
    this.loaded = handed ? range(Math.ceil(lowering.rows / lowering.lanes)) : [];
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
    for (const r of this.rows) this.bindRow(r);
    for (const b of this.loaded) this.bindOwnRow(b);
    for (const g of this.groups) this.bindColumns(g);
  }

  get ownJ(): string {
    return `${this.s.j}@own`;
  }

  rowAxis(row: RowPlace): string {
    return `${this.s.m}@${row}`;
  }

  private columnAxis(group: number): string {
    return `${groupAxis(this.s.n)}@${group}`;
  }

  ownColumn(group: number): ThreadExpr {
    const first = addI(divI(this.n.origin, i32(4)), i32(group * this.lowering.lanes));
    return addI(first, builtin("thread"));
  }

  private bindRow(r: number): void {
    const { builder, m } = this;
    const index = addI(m.origin, i32(r));
    const near = m.exact || r === 0 ? index : minI(index, addI(m.end, i32(-1)));
    builder.bindAxis(this.rowAxis(r), builder.let(`${m.axis.name}_${r}`, near));
  }

  /** The row of block `b` that this lane loads and hands round; lanes beyond the rows repeat the last. */
  private bindOwnRow(b: number): void {
    const { builder, m, lowering } = this;
    const { rows, lanes } = lowering;
    const first = addI(builtin("thread"), i32(b * lanes));
    const index = addI(m.origin, (b + 1) * lanes <= rows ? first : minI(first, i32(rows - 1)));
    const near = m.exact ? index : minI(index, addI(m.end, i32(-1)));
    builder.bindAxis(this.rowAxis(`own${b}`), builder.let(`${m.axis.name}_own${b}`, near));
  }

  private bindColumns(group: number): void {
    const { builder, n } = this;
    const own = this.ownColumn(group);
    const last = addI(divI(addI(n.end, i32(3)), i32(4)), i32(-1));
    const near = n.exact ? own : minI(own, last);
    builder.bindAxis(this.columnAxis(group), builder.let(`${n.axis.name}4_${group}`, near));
  }

  axisValue(name: string): ThreadExpr {
    const value = this.builder.find((scope) => scope.axes.has(name))?.axes.get(name);
    if (value === undefined) throw new Error(`internal: axis ${name} is not bound`);
    return value;
  }

  /** `e` at a place: m, n and j as they are called there, tiles as that place's. */
  at(e: Expr, place: Place, more: ReadonlyMap<string, Expr> = new Map()): Expr {
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
