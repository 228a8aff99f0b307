/**
 * @file Fills tiles of workgroup memory with rows of an expression, rounded to 16 bits: keys, values, rows of queries. A group is eight
 * neighbours along `along`; beyond its end they are zero. What lies in memory in that format is copied as it is (`cp.async`; the
 * caller commits and waits), anything else is evaluated.
 */
import { type AxisExtent, axis, type Expr } from "../../src/ir/expr.ts";
import type { Half, ThreadExpr } from "../../src/ir/thread.ts";
import { addI, i32, minI, mulI } from "../../src/ir/thread.ts";
import { type Bindings, groupAxis, groupOffset, octuple, quadruple, storedHalf } from "./access.ts";
import type { Builder } from "./builder.ts";
import { renamed } from "./contraction.ts";
import { type Expressions, spread } from "./expressions.ts";
import { before, bytesBefore, type GroupTile, packedGroup, placeIn, shareOf, turnsOf } from "./grouptile.ts";

const GROUP = 8;

/** The axis of a tile's rows: which index row `row` has. */
export interface RowsOf {
  readonly name: string;
  readonly extent: AxisExtent;
  readonly of: (row: ThreadExpr) => ThreadExpr;
}

/** The axis along which a row's groups lie. */
export interface Along {
  readonly name: string;
  readonly extent: number;
}

export class RowTiles {
  private readonly given: {
    readonly format: Half;
    readonly threads: number;
    readonly builder: Builder;
    readonly bindings: Bindings;
    readonly expressions: Expressions;
  };

  constructor(given: RowTiles["given"]) {
    this.given = given;
  }

  /** Whether rows of `e` are copied. */
  private copies(e: Expr, { name, extent }: Along): boolean {
    return this.groupAt(e, new Map([[name, octuple(extent, `${name}/8`)]])) !== undefined;
  }

  /** Fills a buffer of `tile` with `e`, in which `other` names more axes; every thread does its share. */
  fill(
    tile: GroupTile,
    e: Expr,
    rows: RowsOf,
    along: Along,
    buffer: ThreadExpr,
    other: ReadonlyMap<string, Expr> = new Map(),
  ): void {
    const { builder, format, threads } = this.given;
    const copied = this.copies(e, along);
    for (let turn = 0; turn < turnsOf(tile, threads); turn++) {
      const { row, group } = shareOf(builder, tile, threads, turn);
      const name = `${tile.array}${turn}`;
      builder.bindAxis(`${rows.name}@${name}`, builder.let(rows.name, rows.of(row)));
      const axes = new Map<string, Expr>([...other, [rows.name, axis(`${rows.name}@${name}`, rows.extent)]]);
      const index = placeIn(tile, buffer, row, group);
      if (copied) this.copy(tile, e, axes, along, group, name, index);
      else {
        const fours = [0, 1].map((h) => this.four(e, axes, along, group, h, name));
        const value = packedGroup(builder, format, fours);
        builder.emit({ kind: "store_shared", array: tile.array, index, value });
      }
    }
  }

  private copy(
    tile: GroupTile,
    e: Expr,
    axes: ReadonlyMap<string, Expr>,
    { name, extent }: Along,
    group: ThreadExpr,
    tag: string,
    index: ThreadExpr,
  ): void {
    const { builder, expressions } = this.given;
    builder.bindAxis(`${name}/8@${tag}`, group);
    const at = this.groupAt(e, new Map([...axes, [name, octuple(extent, `${name}/8@${tag}`)]]));
    if (at === undefined) throw new Error("internal: what is copied does not lie in groups");
    const whole = extent === GROUP * tile.width;
    builder.emit({
      kind: "copy_async",
      array: tile.array,
      index,
      binding: at.binding,
      from: expressions.evaluate(at.group),
      ...(!whole && { bytes: bytesBefore(i32(extent), group, GROUP) }),
    });
  }

  /** Which 16 bytes of a binding `e` is, if it is. */
  private groupAt(
    e: Expr,
    axes: ReadonlyMap<string, Expr>,
  ): { readonly binding: number; readonly group: Expr } | undefined {
    const { bindings, format } = this.given;
    if (e.kind !== "load") return undefined;
    const { index: binding, value } = bindings.entry(e.source);
    if (storedHalf(value) !== format) return undefined;
    const index = e.index.map((part) => renamed(part, axes, (tile) => tile));
    const group = groupOffset(bindings.offset(e.source, index), GROUP);
    return group && { binding, group };
  }

  /** Four neighbours, the h-th of a group; zero beyond the end. */
  private four(
    e: Expr,
    axes: ReadonlyMap<string, Expr>,
    { name, extent }: Along,
    group: ThreadExpr,
    h: number,
    tag: string,
  ): ThreadExpr {
    const { builder, expressions } = this.given;
    const quad = builder.let(`${name}4`, addI(mulI(group, i32(2)), i32(h)));
    const at = `${groupAxis(name)}@${tag}_${h}`;
    builder.bindAxis(at, minI(quad, i32(Math.ceil(extent / 4) - 1)));
    const more = new Map([...axes, [name, quadruple(extent, at)]]);
    const value = spread(
      expressions.as(
        renamed(e, more, (tile) => tile),
        "f32",
      ),
      4,
    );
    return before(value, quad, extent, 4);
  }
}
