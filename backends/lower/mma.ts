/**
 * @file The `mma` lowering of a matrix product: tensor cores by way of `mma.sync` and `ldmatrix`, from sm_80 on. Operands are rounded
 * to 16 bits as they are staged in workgroup memory; sums stay in f32.
 *
 *     stage block 0 in buffer 0;  barrier
 *     for every block of k:
 *       registers = operands of the next block             their latency hides behind the products
 *       for every 16 of k:  fragments from this block's buffer;  acc += a · b
 *       registers → the other buffer, rounded;  barrier
 *
 * A group of workgroup memory is 16 bytes, eight neighbours: along k for `a`; for `b` along n or along k, whichever
 * are neighbours in memory (`ldmatrix` transposes). Groups of a row are permuted by an exclusive or with the row's number, so
 * that the eight rows that `ldmatrix` reads at once lie in different banks, and so do the writes of neighbouring threads.
 */
import type { Expr } from "../../src/ir/expr.ts";
import { axis, exprKey, loadsOf } from "../../src/ir/expr.ts";
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
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
  U32,
  U32X4,
} from "../../src/ir/thread.ts";
import type { InnerAxis, TileKernel } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import { groupAxis, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import type { Dot } from "./contraction.ts";
import { innerAxis, phases, productOf } from "./contraction.ts";
import { Expressions, spread } from "./expressions.ts";
import { Fragments, type Place } from "./fragments.ts";
import type { TileAxis } from "./grid.ts";
import { openGrid } from "./grid.ts";
import { runtimeBound } from "./inner.ts";

type Mma = Extract<TileKernel["lowering"], { kind: "mma" }>;
type Var = ThreadExpr & { readonly kind: "var" };

/** Elements of a group of workgroup memory: 16 bytes. */
const GROUP = 8;
/** k of one `mma`. */
const DEPTH = 16;

/** An operand's tile in workgroup memory: two buffers of `rows` rows of `width` groups. */
interface Staged {
  readonly array: string;
  readonly rows: number;
  readonly width: number;
  /** The groups that this thread stages of block `block`, in registers; `tag` keeps names apart. */
  readonly load: (block: ThreadExpr, tag: string) => readonly ThreadExpr[];
  /** Fragments for this thread's warp: `at` counts 16 rows of m, or 16 columns of n. */
  readonly fragment: (buffer: ThreadExpr, at: ThreadExpr, depth: number) => ThreadExpr;
}

export function lowerMma(
  kernel: TileKernel,
  lowering: Mma,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
): number {
  new MmaProduct(kernel, lowering, builder, bindings, shared).lower();
  return 32 * lowering.warpsM * lowering.warpsN;
}

class MmaProduct {
  private readonly kernel: TileKernel;
  private readonly l: Mma;
  private readonly builder: Builder;
  private readonly bindings: Bindings;
  private readonly shared: SharedArray[];
  private readonly expressions: Expressions;
  private readonly fragments: Fragments;
  private readonly threads: number;
  private readonly lane: ThreadExpr;
  private readonly warpM: ThreadExpr;
  private readonly warpN: ThreadExpr;
  private readonly tileM: number;
  private readonly tileN: number;

  constructor(kernel: TileKernel, l: Mma, builder: Builder, bindings: Bindings, shared: SharedArray[]) {
    this.kernel = kernel;
    this.l = l;
    this.builder = builder;
    this.bindings = bindings;
    this.shared = shared;
    this.threads = 32 * l.warpsM * l.warpsN;
    this.tileM = 16 * l.warpsM * l.tilesM;
    this.tileN = 8 * l.warpsN * l.tilesN;
    const product = productOf(kernel);
    const { m, n } = product;
    const odd = kernel.grid.find((a) => a.tile !== (a === m ? this.tileM : a === n ? this.tileN : 1));
    if (odd !== undefined)
      throw new Error(`internal: ${kernel.name} has a tile of ${odd.tile} along ${odd.name}`);
    const grid = openGrid(builder, kernel, bindings);
    for (const { axis: a, origin } of grid) if (a !== m && a !== n) builder.bindAxis(a.name, origin);
    const tileOf = (wanted: typeof m): TileAxis => {
      const found = grid.find((t) => t.axis === wanted);
      if (found === undefined) throw new Error(`internal: ${kernel.name} has no tile along ${wanted.name}`);
      return found;
    };
    if (!tileOf(n).aligned) throw new Error(`internal: ${kernel.name} is sliced along its columns`);
    this.lane = builder.let("lane", remI(builtin("thread"), i32(32)));
    const warp = builder.let("warp", divI(builtin("thread"), i32(32)));
    this.warpM = l.warpsM === 1 ? i32(0) : builder.let("warp_m", divI(warp, i32(l.warpsN)));
    this.warpN = l.warpsN === 1 ? i32(0) : builder.let("warp_n", remI(warp, i32(l.warpsN)));
    this.expressions = new Expressions(builder, bindings);
    const row = divI(this.lane, i32(4));
    const map = {
      threads: this.threads,
      rows: l.tilesM,
      columns: l.tilesN,
      // See `fragment_row`.
      row: (r: number): ThreadExpr =>
        addI(
          addI(mulI(this.warpM, i32(16 * l.tilesM)), i32(16 * r)),
          addI(row, mulI(remI(this.lane, i32(2)), i32(8))),
        ),
      column: (c: number): ThreadExpr =>
        addI(addI(mulI(this.warpN, i32(2 * l.tilesN)), i32(2 * c)), divI(remI(this.lane, i32(4)), i32(2))),
    };
    this.fragments = new Fragments({
      kernel,
      product,
      m: tileOf(m),
      n: tileOf(n),
      map,
      builder,
      bindings,
      expressions: this.expressions,
      shared,
    });
  }

  lower(): void {
    for (const phase of phases(this.kernel.body)) {
      this.builder.statement = "kind" in phase ? phase : phase[0];
      if (!("kind" in phase)) this.multiply(phase);
      else if (phase.kind === "store") this.fragments.store(phase);
      else this.fragments.compute(phase);
    }
  }

  private multiply(dots: readonly Dot[]): void {
    const { builder, l } = this;
    const [first] = dots as readonly [Dot];
    const k = innerAxis(this.kernel, first.k);
    const acc = dots.map((dot) =>
      grid(l.tilesM, l.tilesN, (r, c) => builder.var(`${dot.out}_${r}_${c}`, F32X4)),
    );
    // Products that share an operand share its tile.
    const staged = new Map<string, Staged>();
    const operand = (side: "a" | "b", e: Expr): Staged => {
      const key = `${side} ${exprKey(e)}`;
      const made = staged.get(key) ?? (side === "a" ? this.rowsOfA(e, k) : this.operandB(e, k));
      staged.set(key, made);
      return made;
    };
    const operands = dots.map((dot) => ({ a: operand("a", dot.a), b: operand("b", dot.b) }));
    const all = [...staged.values()];

    for (const tile of all) this.put(tile, tile.load(i32(0), "first"), i32(0));
    builder.emit({ kind: "barrier" });
    const blocks = Math.ceil(k.extent / k.step);
    builder.for("block", i32(0), runtimeBound(builder, `${k.name}_blocks`, blocks), i32(1), (block) => {
      const buffer = builder.let("buffer", remI(block, i32(2)));
      const next = blocks === 1 ? [] : all.map((tile) => tile.load(addI(block, i32(1)), "next"));
      for (let depth = 0; depth < k.step / DEPTH; depth++) this.step(dots, operands, acc, buffer, depth);
      const other = call("sub", I32, i32(1), buffer);
      next.forEach((groups, i) => {
        this.put(all[i] as Staged, groups, other);
      });
      builder.emit({ kind: "barrier" });
    });
    dots.forEach((dot, d) => {
      acc[d]?.forEach((row, r) => {
        row.forEach((sum, c) => {
          const four = builder.let(`${dot.out}_row`, call("fragment_row", F32X4, sum));
          builder.bindTile(this.fragments.cellName(dot.out, r, c), four);
        });
      });
    });
  }

  /** The products of 16 of k. */
  private step(
    dots: readonly Dot[],
    operands: readonly { readonly a: Staged; readonly b: Staged }[],
    acc: readonly (readonly (readonly Var[])[])[],
    buffer: ThreadExpr,
    depth: number,
  ): void {
    const { builder, l } = this;
    const known = new Map<string, ThreadExpr>();
    const read = (tile: Staged, hint: string, at: ThreadExpr): ThreadExpr => {
      const key = `${tile.array} ${hint}`;
      const fragment = known.get(key) ?? builder.let(hint, tile.fragment(buffer, at, depth));
      known.set(key, fragment);
      return fragment;
    };
    dots.forEach((_, d) => {
      const { a, b } = operands[d] as { a: Staged; b: Staged };
      const rows = range(l.tilesM).map((r) =>
        read(a, `a${r}`, addI(mulI(this.warpM, i32(l.tilesM)), i32(r))),
      );
      const columns = range(l.tilesN / 2).map((p) =>
        read(b, `b${p}`, addI(mulI(this.warpN, i32(l.tilesN / 2)), i32(p))),
      );
      acc[d]?.forEach((row, r) => {
        row.forEach((sum, c) => {
          const pair = columns[Math.floor(c / 2)] as ThreadExpr;
          const words = [component(pair, 2 * (c % 2)), component(pair, 2 * (c % 2) + 1)] as const;
          builder.emit({ kind: "mma", half: l.half, acc: sum.name, a: rows[r] as ThreadExpr, b: words });
        });
      });
    });
  }

  /** `a`: rows of m, groups along k. */
  private rowsOfA(e: Expr, k: InnerAxis): Staged {
    const array = this.memory("a_tile", this.tileM, k.step / GROUP);
    return {
      ...array,
      load: (block, tag) =>
        this.share(array, `${tag}_a`, (row, group, name) =>
          this.alongK(e, k, this.fragments.rowPlace(name, row), block, group),
        ),
      fragment: (buffer, at, depth) => {
        const row = addI(mulI(at, i32(16)), remI(this.lane, i32(16)));
        const group = addI(i32((depth * DEPTH) / GROUP), divI(this.lane, i32(16)));
        return this.matrices(array, buffer, row, group, false);
      },
    };
  }

  private operandB(e: Expr, k: InnerAxis): Staged {
    const { n } = this.fragments.product;
    const loads = loadsOf(e);
    const widens = (name: string, extent: typeof n.extent): boolean =>
      loads.some((load) => this.bindings.widens(load, name, extent));
    return widens(k.name, k.extent) && !widens(n.name, n.extent) ? this.columnsOfB(e, k) : this.rowsOfB(e, k);
  }

  /** `b` with groups along n: rows of k. */
  private rowsOfB(e: Expr, k: InnerAxis): Staged {
    const array = this.memory("b_tile", k.step, this.tileN / GROUP);
    return {
      ...array,
      load: (block, tag) =>
        this.share(array, `${tag}_b`, (row, group, name) => {
          const at = this.builder.let(k.name, addI(mulI(block, i32(k.step)), row));
          const along = `${k.name}@${name}`;
          this.builder.bindAxis(along, minI(at, i32(k.extent - 1)));
          const more = new Map([[k.name, axis(along, k.extent)]]);
          return [0, 1].map((h) => {
            const place = this.fragments.columnPlace(`${name}_${h}`, addI(mulI(group, i32(2)), i32(h)));
            return this.within(this.value(e, place, more), at, k, 1);
          });
        }),
      fragment: (buffer, at, depth) => {
        const row = addI(i32(depth * DEPTH), remI(this.lane, i32(16)));
        const group = addI(mulI(at, i32(2)), divI(this.lane, i32(16)));
        return this.matrices(array, buffer, row, group, true);
      },
    };
  }

  /** `b` with groups along k: rows of n. */
  private columnsOfB(e: Expr, k: InnerAxis): Staged {
    const array = this.memory("b_tile", this.tileN, k.step / GROUP);
    return {
      ...array,
      load: (block, tag) =>
        this.share(array, `${tag}_b`, (row, group, name) =>
          this.alongK(e, k, this.fragments.singleColumn(name, row), block, group),
        ),
      fragment: (buffer, at, depth) => {
        const half = mulI(divI(this.lane, i32(16)), i32(8));
        const row = addI(addI(mulI(at, i32(16)), half), remI(this.lane, i32(8)));
        const group = addI(i32((depth * DEPTH) / GROUP), remI(divI(this.lane, i32(8)), i32(2)));
        return this.matrices(array, buffer, row, group, false);
      },
    };
  }

  /** Eight neighbours along k, as two groups of four. */
  private alongK(e: Expr, k: InnerAxis, place: Place, block: ThreadExpr, group: ThreadExpr): ThreadExpr[] {
    return [0, 1].map((h) => {
      const within = addI(mulI(group, i32(2)), i32(h));
      const at = this.builder.let(`${k.name}4`, addI(mulI(block, i32(k.step / 4)), within));
      const along = `${groupAxis(k.name)}@${place.name}_${h}`;
      this.builder.bindAxis(along, minI(at, i32(Math.ceil(k.extent / 4) - 1)));
      const four = this.value(e, place, new Map([[k.name, quadruple(k.extent, along)]]));
      return this.within(four, at, k, 4);
    });
  }

  private value(e: Expr, place: Place, more: ReadonlyMap<string, Expr>): ThreadExpr {
    this.fragments.bindTiles(place);
    return spread(this.expressions.as(this.fragments.at(e, place, more), "f32"), 4);
  }

  /** Zero where k has run over its end; a group of four is cut in the middle where it must be. */
  private within(value: ThreadExpr, index: ThreadExpr, k: InnerAxis, width: 1 | 4): ThreadExpr {
    if (k.extent % k.step === 0) return value;
    const inside =
      width === 1 || k.extent % 4 === 0
        ? splat(lessThan(index, i32(k.extent / width)))
        : call(
            "lt",
            { of: "bool", width: 4 },
            gather4(
              [0, 1, 2, 3].map((c) => addI(mulI(index, i32(4)), i32(c))),
              "i32",
            ),
            splat(i32(k.extent)),
          );
    return call("select", F32X4, splat(constant(0, F32)), value, inside);
  }

  private memory(hint: string, rows: number, width: number): Pick<Staged, "array" | "rows" | "width"> {
    const array = this.builder.name(hint);
    this.shared.push({ name: array, type: U32X4, count: 2 * rows * width });
    return { array, rows, width };
  }

  /** Deals the groups of a tile to the threads; gives each thread's, rounded. Threads without a share stage the last group. */
  private share(
    { rows, width }: Pick<Staged, "rows" | "width">,
    tag: string,
    eight: (row: ThreadExpr, group: ThreadExpr, name: string) => readonly ThreadExpr[],
  ): ThreadExpr[] {
    const { builder, l } = this;
    const pack = l.half === "f16" ? "pack_f16" : "pack_bf16";
    return range(this.turns(rows * width)).map((turn) => {
      const { row, group } = this.own(rows, width, turn);
      const name = `${tag}${turn}`;
      const words = eight(row, group, name).flatMap((four) => {
        const known = builder.let("x", four);
        return [0, 2].map((c) => call(pack, U32, component(known, c), component(known, c + 1)));
      });
      return builder.let(name, gather4(words, "u32"));
    });
  }

  private turns(groups: number): number {
    return Math.ceil(groups / this.threads);
  }

  /** The row and the group in it that this thread stages in turn `turn`. */
  private own(
    rows: number,
    width: number,
    turn: number,
  ): { readonly row: ThreadExpr; readonly group: ThreadExpr } {
    const index = addI(builtin("thread"), i32(turn * this.threads));
    const last = rows * width - 1;
    const near = (turn + 1) * this.threads - 1 <= last ? index : minI(index, i32(last));
    return {
      row: this.builder.let("at_row", divI(near, i32(width))),
      group: this.builder.let("at_group", remI(near, i32(width))),
    };
  }

  private put({ array, rows, width }: Staged, groups: readonly ThreadExpr[], buffer: ThreadExpr): void {
    groups.forEach((value, turn) => {
      const { row, group } = this.own(rows, width, turn);
      const index = this.place(rows, width, buffer, row, group);
      this.builder.emit({ kind: "store_shared", array, index, value });
    });
  }

  private matrices(
    { array, rows, width }: Pick<Staged, "array" | "rows" | "width">,
    buffer: ThreadExpr,
    row: ThreadExpr,
    group: ThreadExpr,
    transposed: boolean,
  ): ThreadExpr {
    const index = this.place(rows, width, buffer, this.builder.let("at_row", row), group);
    return { kind: "matrices", array, index, transposed, type: U32X4 };
  }

  /** Where group `group` of row `row` lies. Eight rows fill the banks once, whatever their width. */
  private place(
    rows: number,
    width: number,
    buffer: ThreadExpr,
    row: ThreadExpr,
    group: ThreadExpr,
  ): ThreadExpr {
    const start = addI(mulI(buffer, i32(rows * width)), mulI(row, i32(width)));
    if (width === 1) return addI(start, group);
    const spreadRows = Math.max(1, 8 / width);
    const bits = remI(divI(row, i32(spreadRows)), i32(Math.min(8, width)));
    return addI(start, call("bitxor", I32, group, bits));
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function grid<T>(rows: number, columns: number, make: (r: number, c: number) => T): T[][] {
  return range(rows).map((r) => range(columns).map((c) => make(r, c)));
}
