/**
 * @file Operands of a product in workgroup memory: a block of k at a time, every thread of the workgroup brings its share. `a` lies
 * by columns, a_tile[k][m], so that a thread finds its rows side by side; `b` by rows, b_tile[k][n]. Prologues run here, once an
 * element. Beyond the end of k lie zeros.
 *
 * Sums over the rows of `a` (a norm's statistics) are gathered on the way: a share lies in the same row whatever the block, so that each
 * thread sums its own shares and the rows' sums are put together behind the last block.
 *
 * `stage` loads and stores at once. `fetch` loads now and leaves storing for later, into the other half of the memory: where
 * every thread has the same few shares, their values wait in registers in between.
 */
import type { Expr } from "../../src/ir/expr.ts";
import { axis, exprKey } from "../../src/ir/expr.ts";
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
  gather4,
  I32,
  i32,
  lessThan,
  minI,
  mulI,
  remI,
  splat,
  widen,
} from "../../src/ir/thread.ts";
import type { InnerAxis } from "../../src/ir/tile.ts";
import { groupAxis, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import { type Expressions, spread } from "./expressions.ts";
import { runtimeBound } from "./inner.ts";

/** Shares of a staging step that are written out rather than looped over. */
const UNROLLED = 4;

/** An expression's place: which names stand for m, n and k, and where its tiles lie. */
export interface Place {
  readonly name: string;
  readonly m?: string;
  readonly n?: string;
  /** This place's row and column (group) within the workgroup's tile. */
  readonly row?: ThreadExpr;
  readonly column?: ThreadExpr;
}

/** What a product tells of its tile: its size, and how an expression is written at a place of it. */
export interface Site {
  readonly builder: Builder;
  readonly expressions: Expressions;
  readonly threads: number;
  /** Rows of the tile. */
  readonly rows: number;
  /** Columns handled at once, and groups of so many that the tile has. */
  readonly width: 1 | 4;
  readonly tileColumns: number;
  /** Bind the index of a row, or of a column group, of the tile to a name, and give the name. */
  bindM(suffix: string, row: ThreadExpr): string;
  bindN(suffix: string, column: ThreadExpr): string;
  /** Lets the tiles of rows and columns be read at a place. */
  bindTiles(place: Place): void;
  at(e: Expr, place: Place, more: ReadonlyMap<string, Expr>): Expr;
}

/** An operand's tile. */
export interface OperandTile {
  readonly array: string;
  readonly side: "a" | "b";
  readonly e: Expr;
  /** Shares that a block is dealt in. */
  readonly shares: number;
  /** Elements of the array that a block takes. */
  readonly size: number;
}

/** A sum over each row of `a` that goes along with staging it. */
export interface RowSum {
  readonly value: Expr;
  /** One for each of a thread's shares: four sums side by side where `a` is loaded in fours. */
  readonly sums: readonly (ThreadExpr & { readonly kind: "var" })[];
  /** Shares of a row, which lie with neighbouring threads. */
  readonly perRow: number;
}

/** One of a thread's shares of a block. */
interface Share {
  readonly index: ThreadExpr;
  readonly turn: number;
  /** Names apart what belongs to it. */
  readonly suffix: string;
  /** Whether the block was loaded before. */
  readonly again?: ThreadExpr;
}

/** Stores what was loaded, from the array's element `base` of each tile on. */
type Put = (half: ThreadExpr | undefined) => void;

export class Staging {
  private readonly site: Site;
  private readonly shared: SharedArray[];
  private readonly k: InnerAxis;
  private readonly buffers: 1 | 2;
  private readonly bWidth: 1 | 4;
  private readonly tiles = new Map<string, OperandTile>();
  private readonly rowSums: RowSum[] = [];

  /** `bWidth`: elements of `b` that an element of its array holds, at most those that the site handles at once. */
  constructor(site: Site, shared: SharedArray[], k: InnerAxis, buffers: 1 | 2, bWidth: 1 | 4 = site.width) {
    this.site = site;
    this.shared = shared;
    this.k = k;
    this.buffers = buffers;
    this.bWidth = bWidth;
  }

  /** The array of an operand; products that share an operand share its tile. */
  operand(side: "a" | "b", e: Expr): OperandTile {
    const key = `${side} ${exprKey(e)}`;
    const known = this.tiles.get(key);
    if (known !== undefined) return known;
    const { site, k, buffers, bWidth } = this;
    const array = site.builder.name(`${side}_tile`);
    const size = side === "a" ? k.step * site.rows : (k.step * site.tileColumns * site.width) / bWidth;
    this.shared.push({ name: array, type: side === "a" ? F32 : widen(F32, bWidth), count: buffers * size });
    const shares = side === "a" ? (site.rows * k.step) / this.aWidth : k.step * site.tileColumns;
    const tile = { array, side, e, shares, size };
    this.tiles.set(key, tile);
    return tile;
  }

  /** Whether sums over the rows of `a` may go along: each thread has the same few shares of every block. */
  static gathers({ rows, threads }: Pick<Site, "rows" | "threads">, { step }: InnerAxis): boolean {
    return step % 4 === 0 && (rows * step) / 4 <= UNROLLED * threads;
  }

  /** Has `value`, which changes along the rows of `a` and k, summed along k. Before `sweep`. */
  rowSum(hint: string, value: Expr): RowSum {
    const { site, k } = this;
    const turns = Math.ceil((site.rows * k.step) / 4 / site.threads);
    const sums = Array.from({ length: turns }, (_, i) => site.builder.var(`${hint}_${i}`, F32X4));
    const sum = { value, sums, perRow: k.step / 4 };
    this.rowSums.push(sum);
    return sum;
  }

  /** Elements of k that a thread loads of `a` at once. */
  private get aWidth(): 1 | 4 {
    return this.k.step % 4 === 0 ? 4 : 1;
  }

  /** Brings block `block` into a half of the memory (all of it where there is one buffer). */
  private stage(block: ThreadExpr, half?: ThreadExpr): void {
    for (const tile of this.tiles.values()) {
      this.share(tile.shares, (share) => this.load(tile, block, share)(half));
    }
  }

  /** Adds what this thread holds of a block's rows to their sums, in the scope in which `a` was loaded. */
  private addToRows(share: Share, along: Expr, group: ThreadExpr, place: Place): void {
    const { builder } = this.site;
    for (const { value, sums } of this.rowSums) {
      const sum = sums[share.turn];
      if (sum === undefined) throw new Error("internal: a share that belongs to no row");
      const own = this.valueAt(value, place, along, group, 4, 4);
      const zero = splat(constant(0, F32));
      builder.accumulate(sum, share.again ? call("select", F32X4, own, zero, splat(share.again)) : own);
    }
  }

  /** Loads block `block`, which may be there already; what it gives stores it. */
  private fetch(block: ThreadExpr, again: ThreadExpr): Put {
    const { builder, threads } = this.site;
    const puts = [...this.tiles.values()].map((tile): Put => {
      const turns = tile.shares / threads;
      if (!Number.isInteger(turns) || turns > UNROLLED) {
        return (half) =>
          this.share(tile.shares, (share) => this.load(tile, block, { ...share, again })(half));
      }
      const held = Array.from({ length: turns }, (_, turn) => {
        const index = addI(builtin("thread"), i32(turn * threads));
        return this.load(tile, block, { index, turn, suffix: `${turn}`, again });
      });
      return (half) => {
        for (const put of held) put(half);
      };
    });
    return (half) =>
      builder.block(() => {
        for (const put of puts) put(half);
      });
  }

  /** Goes through the blocks of k. `multiply` finds block `block` in a half of the memory, or in all of it. */
  sweep(multiply: (block: ThreadExpr, half: ThreadExpr | undefined) => void): void {
    const { k, site } = this;
    const { builder } = site;
    const blocks = runtimeBound(builder, `${k.name}_blocks`, Math.ceil(k.extent / k.step));
    const barrier = (): void => builder.emit({ kind: "barrier" });
    if (this.buffers === 1) {
      builder.for("block", i32(0), blocks, i32(1), (block) => {
        this.stage(block);
        barrier();
        multiply(block, undefined);
        barrier();
      });
      return;
    }
    builder.block(() => this.stage(i32(0), i32(0)));
    barrier();
    builder.for("block", i32(0), blocks, i32(1), (block) => {
      const half = builder.let("half", remI(block, i32(2)));
      // The last block is loaded once more, for nobody, so that loads stand outside of any branch.
      const last = addI(blocks, i32(-1));
      const again = call("ge", BOOL, block, last);
      const put = this.fetch(builder.let("next", minI(addI(block, i32(1)), last)), again);
      multiply(block, half);
      put(builder.let("other", call("sub", I32, i32(1), half)));
      barrier();
    });
  }

  /** Where a half of the memory begins in a tile's array. */
  baseOf({ size }: OperandTile, half: ThreadExpr | undefined): ThreadExpr {
    return half === undefined ? i32(0) : mulI(half, i32(size));
  }

  /** Deals `count` shares to the threads. */
  private share(count: number, body: (share: Share) => void): void {
    const { builder, threads } = this.site;
    const turns = Math.ceil(count / threads);
    if (turns > UNROLLED) {
      const all = runtimeBound(builder, "shares", count);
      builder.for("share", builtin("thread"), all, i32(threads), (index) =>
        body({ index, turn: 0, suffix: "" }),
      );
      return;
    }
    for (let i = 0; i < turns; i++) {
      const index = addI(builtin("thread"), i32(i * threads));
      const ragged = i === turns - 1 && count % threads !== 0;
      const one = (): void => body({ index, turn: i, suffix: `${i}` });
      if (ragged) builder.if(lessThan(index, i32(count)), one);
      else one();
    }
  }

  private load(tile: OperandTile, block: ThreadExpr, share: Share): Put {
    return tile.side === "a" ? this.loadA(tile, block, share) : this.loadB(tile, block, share);
  }

  private loadA(tile: OperandTile, block: ThreadExpr, share: Share): Put {
    const { site, k, aWidth: width } = this;
    const { index, suffix } = share;
    const { builder, rows } = site;
    const perRow = k.step / width;
    const row = builder.let("at_row", divI(index, i32(perRow)));
    const part = builder.let(`at_${k.name}`, remI(index, i32(perRow)));
    const group = builder.let(width === 4 ? `${k.name}4` : k.name, addI(mulI(block, i32(perRow)), part));
    const place: Place = { name: `stage${suffix}`, m: site.bindM(`stage${suffix}`, row), row };
    const name = `${width === 4 ? groupAxis(k.name) : k.name}@${suffix}`;
    const last = i32(Math.ceil(k.extent / width) - 1);
    builder.bindAxis(name, k.extent % k.step === 0 ? group : minI(group, last));
    const written = width === 4 ? quadruple(k.extent, name) : axis(name, k.extent);
    const value = builder.let("a", this.valueAt(tile.e, place, written, group, width, width));
    const [first] = this.tiles.values();
    if (tile === first) this.addToRows(share, written, group, place);
    return (half) => {
      for (let c = 0; c < width; c++) {
        const to = addI(mulI(addI(mulI(part, i32(width)), i32(c)), i32(rows)), row);
        const at = addI(this.baseOf(tile, half), to);
        builder.emit({ kind: "store_shared", array: tile.array, index: at, value: component(value, c) });
      }
    };
  }

  private loadB(tile: OperandTile, block: ThreadExpr, { index, suffix }: Share): Put {
    const { site, k, bWidth } = this;
    const { builder, tileColumns } = site;
    const column = builder.let("at_column", remI(index, i32(tileColumns)));
    const at = builder.let(k.name, addI(mulI(block, i32(k.step)), divI(index, i32(tileColumns))));
    const place: Place = { name: `stage${suffix}`, n: site.bindN(`stage${suffix}`, column), column };
    const value = this.ofB(tile.e, place, at, suffix);
    const held = this.buffers === 2 || bWidth < site.width ? builder.let("b", value) : value;
    return (half) => {
      const base = this.baseOf(tile, half);
      const parts = site.width / bWidth;
      for (let c = 0; c < parts; c++) {
        const to = addI(base, addI(mulI(index, i32(parts)), i32(c)));
        const part = parts === 1 ? held : component(held, c);
        builder.emit({ kind: "store_shared", array: tile.array, index: to, value: part });
      }
    };
  }

  /** Row `at` of `b` at a place; zero beyond k's end. */
  ofB(e: Expr, place: Place, at: ThreadExpr, suffix: string): ThreadExpr {
    const { site, k } = this;
    const name = `${k.name}@${suffix}`;
    site.builder.bindAxis(name, k.extent % k.step === 0 ? at : minI(at, i32(k.extent - 1)));
    return this.valueAt(e, place, axis(name, k.extent), at, 1, site.width);
  }

  private valueAt(
    e: Expr,
    place: Place,
    along: Expr,
    index: ThreadExpr,
    width: 1 | 4,
    spreadTo: 1 | 4,
  ): ThreadExpr {
    const { site, k } = this;
    site.bindTiles(place);
    const value = site.expressions.as(site.at(e, place, new Map([[k.name, along]])), "f32");
    return this.within(spread(value, spreadTo), index, width);
  }

  /** Zero where k has run over its end; a group is cut in the middle where it must be. */
  private within(value: ThreadExpr, index: ThreadExpr, width: 1 | 4): ThreadExpr {
    const { k } = this;
    if (k.extent % k.step === 0) return value;
    const zero = spread(constant(0, F32), value.type.width);
    if (width === 1 || k.extent % 4 === 0) {
      const inside = spread(lessThan(index, i32(k.extent / width)), value.type.width);
      return call("select", value.type, zero, value, inside);
    }
    const places = gather4(
      [0, 1, 2, 3].map((c) => addI(mulI(index, i32(4)), i32(c))),
      "i32",
    );
    const inside = call("lt", { of: "bool", width: 4 }, places, splat(i32(k.extent)));
    return call("select", value.type, zero, value, inside);
  }
}
