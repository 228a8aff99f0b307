/**
 * @file How the operands of a product on tensor cores come to workgroup memory, a block of k at a time, by one of two ways:
 *
 *     copied      numbers that lie in memory as they are multiplied (of 16 bits; f32 for tf32; codes of 8 bits) go straight there, 16 bytes
 *                 at a time, several blocks ahead, while other blocks are multiplied (`cp.async`)
 *     computed    anything else (a norm, a lookup, codes of int8, f32 for 16 bits) is evaluated in registers, rounded and stored
 *
 * A group of `a` is of neighbours along k; of `b` along n or along k, whichever are neighbours in memory: `ldmatrix` transposes numbers of
 * 16 bits. It does not those of tf32, which turn in registers, 4 × 4 at a time, and are rounded as fragments. Codes have an order of
 * their own (`codeoperands.ts`). Beyond the end of k both are zero. Rows and columns beyond the edge are copies of the last one, or zero.
 */
import type { AxisExtent, Expr, LoadExpr } from "../../src/ir/expr.ts";
import { axis, loadsOf } from "../../src/ir/expr.ts";
import type { MmaFormat, SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  call,
  component,
  divI,
  gather4,
  I32,
  i32,
  lessThan,
  minI,
  mulI,
  U32X4,
} from "../../src/ir/thread.ts";
import { type InnerAxis, isCodes } from "../../src/ir/tile.ts";
import { type Bindings, groupAxis, groupOffset, octuple, quadruple, storedFormat } from "./access.ts";
import type { Builder } from "./builder.ts";
import {
  BLOCK,
  blockFragments,
  FOURS,
  fourOfLeft,
  GROUP_CODES,
  unrounded,
  weightBlock,
} from "./codeoperands.ts";
import { type Expressions, spread } from "./expressions.ts";
import type { Fragments, Place } from "./fragments.ts";
import {
  BYTES,
  before,
  bytesBefore,
  type FragmentOf,
  fragmentOf,
  type GroupTile,
  openTile,
  packedGroup,
  placeIn,
  shareOf,
  turnsOf,
} from "./grouptile.ts";

/** An operand's tile, and what brings block `block` of k into one of its buffers. */
export type Operand = GroupTile & {
  /** Words for a warp: `at` counts 16 rows of m (one fragment), or the columns that are read together (see `warptile.ts`). */
  readonly fragment: (buffer: ThreadExpr, at: ThreadExpr, depth: number) => readonly ThreadExpr[];
} & (
    | {
        readonly how: "copied";
        /** Sends for the block; `tag` keeps names apart. */
        readonly copy: (block: ThreadExpr, buffer: ThreadExpr, tag: string) => void;
      }
    | {
        readonly how: "computed";
        /** This thread's groups of the block, in registers. */
        readonly load: (block: ThreadExpr, tag: string) => readonly Held[];
      }
  );

/** A group in registers, and its place in the tile. */
interface Held {
  readonly row: ThreadExpr;
  readonly group: ThreadExpr;
  readonly value: ThreadExpr;
}

/** Values of a share of block `block`, four at a time. */
type Fours = (row: ThreadExpr, block: ThreadExpr, group: ThreadExpr, name: string) => readonly ThreadExpr[];

export class Operands {
  private readonly given: {
    readonly format: MmaFormat;
    readonly threads: number;
    readonly lane: ThreadExpr;
    /** How often each tile lies in workgroup memory. */
    readonly buffers: number;
    readonly builder: Builder;
    readonly bindings: Bindings;
    readonly expressions: Expressions;
    readonly fragments: Fragments;
    readonly shared: SharedArray[];
  };

  constructor(given: Operands["given"]) {
    this.given = given;
  }

  /** `a`: `rows` rows of m, groups along k. */
  left(e: Expr, rows: number, k: InnerAxis): Operand {
    const { format, fragments } = this.given;
    const place = (name: string, row: ThreadExpr): Place => fragments.rowPlace(name, row);
    if (!isCodes(format)) return this.alongK("a_tile", "left", e, rows, k, place);
    const tile = this.open("a_tile", "left", rows, k.step / GROUP_CODES);
    const number = unrounded(e, k);
    return this.computed(tile, (row, block, group, name) => {
      const at = place(name, row);
      return FOURS.map((h) => this.fourAlong(k, number, at, block, fourOfLeft(group, h), h));
    });
  }

  /** `b`: `columns` columns of n. */
  right(e: Expr, columns: number, k: InnerAxis): Operand {
    const { bindings, format, fragments } = this.given;
    if (isCodes(format)) return this.blocks(e, columns, k);
    const { n } = fragments.product;
    const loads = loadsOf(e);
    const widens = (name: string, extent: typeof n.extent): boolean =>
      loads.some((load) => bindings.widens(load, name, extent));
    if (!widens(k.name, k.extent) || widens(n.name, n.extent)) return this.alongN(e, columns, k);
    const place = (name: string, column: ThreadExpr): Place => fragments.singleColumn(name, column);
    return this.alongK("b_tile", "right", e, columns, k, place);
  }

  /** Puts the groups of a computed operand into a buffer. */
  put(tile: GroupTile, groups: readonly Held[], buffer: ThreadExpr): void {
    for (const { row, group, value } of groups) {
      const index = placeIn(tile, buffer, row, group);
      this.given.builder.emit({ kind: "store_shared", array: tile.array, index, value });
    }
  }

  /** Elements of a group, but of codes. */
  private get width(): 4 | 8 {
    return this.given.format === "tf32" ? 4 : 8;
  }

  private alongK(
    hint: string,
    of: FragmentOf,
    e: Expr,
    rows: number,
    k: InnerAxis,
    place: (name: string, row: ThreadExpr) => Place,
  ): Operand {
    const { builder } = this.given;
    const { width } = this;
    const tile = this.open(hint, of, rows, k.step / width);
    const source = this.copyable(e, k.name, k.extent);
    if (source !== undefined) {
      return this.copied(tile, (row, block, group, name) => {
        const at = builder.let(`${k.name}${width}`, addI(mulI(block, i32(k.step / width)), group));
        const along = `${k.name}/${width}@${name}`;
        builder.bindAxis(along, at);
        const more = new Map([[k.name, neighbours(width, k.extent, along)]]);
        const bytes = k.extent % k.step === 0 ? undefined : bytesBefore(i32(k.extent), at, width);
        return { from: this.group(source, place(name, row), more), bytes };
      });
    }
    return this.computed(tile, (row, block, group, name) => {
      const at = place(name, row);
      return Array.from({ length: width / 4 }, (_, h) =>
        this.fourAlong(k, e, at, block, addI(mulI(group, i32(width / 4)), i32(h)), h),
      );
    });
  }

  /** Elements 4 · `four` … of block `block` of k, at a place of m or n; `h` keeps names apart. */
  private fourAlong(
    k: InnerAxis,
    e: Expr,
    at: Place,
    block: ThreadExpr,
    four: ThreadExpr,
    h: number,
  ): ThreadExpr {
    const { builder } = this.given;
    const index = builder.let(`${k.name}4`, addI(mulI(block, i32(k.step / 4)), four));
    const along = `${groupAxis(k.name)}@${at.name}_${h}`;
    builder.bindAxis(along, minI(index, i32(Math.ceil(k.extent / 4) - 1)));
    const value = this.value(e, at, new Map([[k.name, quadruple(k.extent, along)]]));
    return this.within(value, index, k, 4);
  }

  /** `b` with groups along n: rows of k. */
  private alongN(e: Expr, columns: number, k: InnerAxis): Operand {
    const { builder, fragments } = this.given;
    const { origin, end, exact, axis: n } = fragments.n;
    /** Row `row` of block `block`, and the name under which it is bound. */
    const ofK = (row: ThreadExpr, block: ThreadExpr, name: string): { at: ThreadExpr; along: Expr } => {
      const at = builder.let(k.name, addI(mulI(block, i32(k.step)), row));
      builder.bindAxis(`${k.name}@${name}`, k.extent % k.step === 0 ? at : minI(at, i32(k.extent - 1)));
      return { at, along: axis(`${k.name}@${name}`, k.extent) };
    };
    /** Columns 4 · column … of row `row`. */
    const four = (row: ThreadExpr, block: ThreadExpr, column: ThreadExpr, name: string): ThreadExpr => {
      const { at, along } = ofK(row, block, name);
      const place = fragments.columnPlace(name, column);
      return this.within(this.value(e, place, new Map([[k.name, along]])), at, k, 1);
    };
    if (this.given.format === "tf32") return this.turned(columns, k, four);
    const GROUP = this.width;
    const tile = this.open("b_tile", "right_transposed", k.step, columns / GROUP);
    const source = this.copyable(e, n.name, n.extent);
    if (source !== undefined) {
      return this.copied(tile, (row, block, group, name) => {
        const { at, along } = ofK(row, block, name);
        const first = addI(divI(origin, i32(GROUP)), group);
        const last = addI(divI(addI(end, i32(GROUP - 1)), i32(GROUP)), i32(-1));
        const column = builder.let(`${n.name}8`, exact ? first : minI(first, last));
        builder.bindAxis(`${n.name}/8@${name}`, column);
        const more = new Map([
          [k.name, along],
          [n.name, neighbours(GROUP, n.extent, `${n.name}/8@${name}`)],
        ]);
        const cut = typeof n.extent !== "number" || n.extent % GROUP !== 0;
        const here = exact || !cut ? i32(BYTES) : bytesBefore(end, column, GROUP);
        const inside = k.extent % k.step === 0 ? undefined : lessThan(at, i32(k.extent));
        const bytes = inside === undefined ? here : call("select", I32, i32(0), here, inside);
        const from = this.group(source, { name }, more);
        return { from, ...(bytes.kind === "const" ? {} : { bytes }) };
      });
    }
    return this.computed(tile, (row, block, group, name) => {
      return [0, 1].map((h) => four(row, block, addI(mulI(group, i32(2)), i32(h)), `${name}_${h}`));
    });
  }

  /** `b` with neighbours along n, in groups along k all the same: a share is four columns of four k. */
  private turned(
    columns: number,
    k: InnerAxis,
    four: (row: ThreadExpr, block: ThreadExpr, column: ThreadExpr, name: string) => ThreadExpr,
  ): Operand {
    const { builder, threads } = this.given;
    const tile = this.open("b_tile", "right", columns, k.step / 4);
    // Neighbouring threads take neighbouring columns.
    const shares: GroupTile = { array: tile.array, rows: k.step / 4, width: columns / 4 };
    return {
      ...tile,
      how: "computed",
      load: (block, tag) =>
        Array.from({ length: turnsOf(shares, threads) }, (_, turn) => {
          const { row: group, group: column } = shareOf(builder, shares, threads, turn);
          const name = `${tag}_${tile.array}${turn}`;
          const rows = [0, 1, 2, 3].map((i) =>
            builder.let("x", four(addI(mulI(group, i32(4)), i32(i)), block, column, `${name}_${i}`)),
          );
          return [0, 1, 2, 3].map((c): Held => {
            const turnedRow = gather4(
              rows.map((x) => component(x, c)),
              "f32",
            );
            const value = builder.let(name, call("bits", U32X4, turnedRow));
            return { row: builder.let("at_row", addI(mulI(column, i32(4)), i32(c))), group, value };
          });
        }).flat(),
    };
  }

  /** `b` of codes, which lie in blocks. */
  private blocks(e: Expr, columns: number, k: InnerAxis): Operand {
    const { builder, buffers, lane, shared } = this.given;
    if (e.kind !== "load") throw new Error("internal: a product of codes with what is computed");
    const tile = openTile(builder, shared, "b_tile", k.step / BLOCK, columns / BLOCK, buffers);
    const fragment: Operand["fragment"] = (buffer, at, depth) =>
      blockFragments(builder, tile, lane, buffer, at, depth);
    return this.copied({ ...tile, fragment }, (row, block, group, name) => ({
      from: weightBlock(e, k, this.given, { row, block, group, name }),
    }));
  }

  private open(
    hint: string,
    of: FragmentOf,
    rows: number,
    width: number,
  ): GroupTile & Pick<Operand, "fragment"> {
    const { builder, shared, buffers, lane, format } = this.given;
    const tile = openTile(builder, shared, hint, rows, width, buffers);
    return {
      ...tile,
      fragment: (buffer, at, depth) => {
        const fragment = fragmentOf(builder, tile, of, lane, buffer, at, i32(depth));
        return [format === "tf32" ? call("round_tf32", U32X4, fragment) : fragment];
      },
    };
  }

  /** The load that `e` is, where groups along `name` lie together as they are multiplied. */
  private copyable(e: Expr, name: string, extent: AxisExtent): LoadExpr | undefined {
    const { bindings, fragments, format } = this.given;
    if (e.kind !== "load" || storedFormat(bindings.entry(e.source).value) !== format) return undefined;
    const group = new Map([[name, neighbours(this.width, extent, `${name}/${this.width}`)]]);
    const index = e.index.map((part) => fragments.at(part, { name: "copy" }, group));
    return groupOffset(bindings.offset(e.source, index), this.width) === undefined ? undefined : e;
  }

  /** Which 16 bytes of its binding a load begins at. */
  private group(e: LoadExpr, place: Place, more: ReadonlyMap<string, Expr>): GroupAt {
    const { bindings, expressions, fragments } = this.given;
    fragments.bindTiles(place);
    const index = e.index.map((part) => fragments.at(part, place, more));
    const at = groupOffset(bindings.offset(e.source, index), this.width);
    if (at === undefined) throw new Error("internal: what is copied does not lie in groups");
    return { binding: bindings.entry(e.source).index, group: expressions.evaluate(at) };
  }

  private copied(
    tile: GroupTile & Pick<Operand, "fragment">,
    groupOf: (
      row: ThreadExpr,
      block: ThreadExpr,
      group: ThreadExpr,
      name: string,
    ) => { readonly from: GroupAt; readonly bytes?: ThreadExpr | undefined },
  ): Operand {
    const { builder, threads } = this.given;
    return {
      ...tile,
      how: "copied",
      copy: (block, buffer, tag) => {
        for (let turn = 0; turn < turnsOf(tile, threads); turn++) {
          const { row, group } = shareOf(builder, tile, threads, turn);
          const { from, bytes } = groupOf(row, block, group, `${tag}_${tile.array}${turn}`);
          builder.emit({
            kind: "copy_async",
            array: tile.array,
            index: placeIn(tile, buffer, row, group),
            binding: from.binding,
            from: from.group,
            ...(bytes && { bytes }),
          });
        }
      },
    };
  }

  /** Deals the groups to the threads and rounds their values. */
  private computed(tile: GroupTile & Pick<Operand, "fragment">, values: Fours): Operand {
    const { builder, format, threads } = this.given;
    return {
      ...tile,
      how: "computed",
      load: (block, tag) =>
        Array.from({ length: turnsOf(tile, threads) }, (_, turn): Held => {
          const { row, group } = shareOf(builder, tile, threads, turn);
          const name = `${tag}_${tile.array}${turn}`;
          return {
            row,
            group,
            value: builder.let(name, packedGroup(builder, format, values(row, block, group, name))),
          };
        }),
    };
  }

  private value(e: Expr, place: Place, more: ReadonlyMap<string, Expr>): ThreadExpr {
    const { expressions, fragments } = this.given;
    fragments.bindTiles(place);
    return spread(expressions.as(fragments.at(e, place, more), "f32"), 4);
  }

  /** Zero where k has run over its end. */
  private within(value: ThreadExpr, index: ThreadExpr, k: InnerAxis, width: 1 | 4): ThreadExpr {
    return k.extent % k.step === 0 ? value : before(value, index, k.extent, width);
  }
}

function neighbours(width: 4 | 8, extent: AxisExtent, group: string): Expr {
  return width === 4 ? quadruple(extent, group) : octuple(extent, group);
}

interface GroupAt {
  readonly binding: number;
  readonly group: ThreadExpr;
}
