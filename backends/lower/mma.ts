/**
 * @file The `mma` lowering of a matrix product: tensor cores by way of `mma.sync` and `ldmatrix`, from sm_80 on. Operands have 16
 * bits in workgroup memory (32 in tf32; 8 where codes are multiplied, of int8, or from sm_89 on of fp8), sums 32. How they come there is for `mmaoperands.ts`, where a warp's
 * fragments lie for `warptile.ts`; this file walks through k:
 *
 *     send for the first stages − 1 blocks of what is copied;  block 0 of what is computed → buffer 0
 *     for every block of k:
 *       wait for this block's copies;  barrier             everyone's have come, and everyone is done with the block before
 *       send for the block stages − 1 ahead                into the buffer of the block before
 *       registers = what is computed of the next block     its latency hides behind the products
 *       for every 16 of k (codes: 32):  fragments from this block's buffer;  acc += a · b
 *       registers → the next block's buffer, rounded
 *
 * A batch of copies is committed a block, be it empty, so that the number of batches under way says which block has come.
 */
import { type Expr, exprKey } from "../../src/ir/expr.ts";
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import { addI, builtin, divI, i32, lessThan, mulI, remI, sumType } from "../../src/ir/thread.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import type { Builder } from "./builder.ts";
import type { Dot } from "./contraction.ts";
import { innerAxis, phases, productOf } from "./contraction.ts";
import { Expressions } from "./expressions.ts";
import { Fragments } from "./fragments.ts";
import type { TileAxis } from "./grid.ts";
import { openGrid } from "./grid.ts";
import { depthOf } from "./grouptile.ts";
import { runtimeBound } from "./inner.ts";
import { type Operand, Operands } from "./mmaoperands.ts";
import { readTogether, type WarpTile, warpTile, wordsOf } from "./warptile.ts";

type Mma = Extract<TileKernel["lowering"], { kind: "mma" }>;
type Var = ThreadExpr & { readonly kind: "var" };

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
  private readonly warp: WarpTile;
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
    this.warp = warpTile(l, this.lane, this.warpM, this.warpN);
    this.fragments = new Fragments({
      kernel,
      product,
      m: tileOf(m),
      n: tileOf(n),
      map: { threads: this.threads, ...this.warp },
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
      grid(l.tilesM, l.tilesN, (r, c) => builder.var(`${dot.out}_${r}_${c}`, sumType(l.format))),
    );
    const blocks = Math.ceil(k.extent / k.step);
    const buffers = Math.min(l.stages, blocks);
    const operands = new Operands({
      format: l.format,
      threads: this.threads,
      lane: this.lane,
      buffers,
      builder,
      bindings: this.bindings,
      expressions: this.expressions,
      fragments: this.fragments,
      shared: this.shared,
    });
    // Products that share an operand share its tile.
    const staged = new Map<string, Operand>();
    const operand = (side: "a" | "b", e: Expr): Operand => {
      const key = `${side} ${exprKey(e)}`;
      const made =
        staged.get(key) ??
        (side === "a" ? operands.left(e, this.tileM, k) : operands.right(e, this.tileN, k));
      staged.set(key, made);
      return made;
    };
    const sides = dots.map((dot) => ({ a: operand("a", dot.a), b: operand("b", dot.b) }));
    const all = [...staged.values()];
    const copied = all.filter((tile) => tile.how === "copied");
    const computed = all.filter((tile) => tile.how === "computed");
    const bufferOf = (block: ThreadExpr): ThreadExpr => remI(block, i32(buffers));
    const send = (block: ThreadExpr, tag: string): void => {
      const buffer = builder.let("buffer", bufferOf(block));
      for (const tile of copied) tile.copy(block, buffer, tag);
    };

    const ahead = l.stages - 1;
    for (let block = 0; block < ahead && copied.length > 0; block++) {
      if (block < blocks) builder.block(() => send(i32(block), "first"));
      builder.emit({ kind: "commit_async" });
    }
    for (const tile of computed) operands.put(tile, tile.load(i32(0), "first"), i32(0));
    builder.for("block", i32(0), runtimeBound(builder, `${k.name}_blocks`, blocks), i32(1), (block) => {
      if (copied.length > 0) builder.emit({ kind: "wait_async", pending: ahead - 1 });
      builder.emit({ kind: "barrier" });
      if (copied.length > 0) {
        if (blocks > ahead) {
          const far = builder.let("ahead", addI(block, i32(ahead)));
          builder.if(lessThan(far, i32(blocks)), () => send(far, "ahead"));
        }
        builder.emit({ kind: "commit_async" });
      }
      const following = builder.let("following", addI(block, i32(1)));
      const next = blocks === 1 ? [] : computed.map((tile) => tile.load(following, "next"));
      const buffer = builder.let("buffer", bufferOf(block));
      for (let depth = 0; depth < k.step / depthOf(l.format); depth++)
        this.step(dots, sides, acc, buffer, depth);
      const other = builder.let("other", bufferOf(following));
      next.forEach((groups, i) => {
        operands.put(computed[i] as Operand, groups, other);
      });
    });
    // What follows may use the memory anew.
    builder.emit({ kind: "barrier" });
    const { warp } = this;
    dots.forEach((dot, d) => {
      for (const { r, c } of this.fragments.cells()) {
        const four = builder.let(`${dot.out}_row`, warp.cell(acc[d] ?? [], r, c));
        builder.bindTile(this.fragments.cellName(dot.out, r, c), four);
      }
    });
  }

  /** The products of one `mma`'s k: 16 of 16 bits, 32 of codes. */
  private step(
    dots: readonly Dot[],
    operands: readonly { readonly a: Operand; readonly b: Operand }[],
    acc: readonly (readonly (readonly Var[])[])[],
    buffer: ThreadExpr,
    depth: number,
  ): void {
    const { builder, l } = this;
    const known = new Map<string, readonly ThreadExpr[]>();
    const read = (tile: Operand, hint: string, at: ThreadExpr): readonly ThreadExpr[] => {
      const key = `${tile.array} ${hint}`;
      const words = known.get(key) ?? tile.fragment(buffer, at, depth).map((e) => builder.let(hint, e));
      known.set(key, words);
      return words;
    };
    const together = readTogether(l.format);
    dots.forEach((_, d) => {
      const { a, b } = operands[d] as { a: Operand; b: Operand };
      const rows = range(l.tilesM).map((r) =>
        read(a, `a${r}`, addI(mulI(this.warpM, i32(l.tilesM)), i32(r))),
      );
      const columns = range(l.tilesN / together).map((p) =>
        read(b, `b${p}`, addI(mulI(this.warpN, i32(l.tilesN / together)), i32(p))),
      );
      acc[d]?.forEach((row, r) => {
        row.forEach((sum, c) => {
          const [left] = rows[r] as readonly [ThreadExpr];
          const right = wordsOf(l.format, columns[Math.floor(c / together)] ?? [], c);
          builder.emit({ kind: "mma", format: l.format, acc: sum.name, a: left, b: right });
        });
      });
    });
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function grid<T>(rows: number, columns: number, make: (r: number, c: number) => T): T[][] {
  return range(rows).map((r) => range(columns).map((c) => make(r, c)));
}
