/**
 * @file The `stream` lowering of a matrix product with few rows, which is bound by reading its weights: 1 to 64 rows a token on tensor
 * cores, 1 to 16 in f32, sums in f32 (streamsums.ts). On tensor cores the sides change places: weights are the left operand of `mma.sync`, 16 of their columns by 16 of k, and eight
 * rows of activations the right one, so that one row wastes no more than seven eighths of an instruction that is idle anyway. Where both
 * sides are 8-bit codes, so is what is multiplied, two pieces at a time.
 *
 *     block:    warpsN × warpsK warps; a warp has 32 · columns columns and every warpsK-th piece of 16 k
 *     for k in steps of 16 · ahead · warpsK:
 *       send for the next step's weights              16 bytes a lane at a time, `ahead` pieces of k: straight to registers
 *       for each piece:  x = the activations, w = this step's weights, decoded; for tensor cores both as pairs of 16 bits
 *                        acc += w · x                 for each 8 rows
 *     sums of the warpsK warps through workgroup memory, in the order of the warps;  the epilogue, dealt among them
 *
 * A product's fragments may count k and columns in any order in which both sides agree. Here a lane (g = lane / 4, t = lane mod 4) has
 * columns 4g … 4g + 3 and k 4t … 4t + 3 of a piece: a 4 × 4 block of 8-bit codes, which lies in memory as 16 bytes; and it
 * ends with the sums of four neighbouring columns for rows 2t and 2t + 1, which the epilogue takes as they are. No element passes
 * through workgroup memory, none is exchanged. Nothing is added by atomics: a call's bits are the same every time.
 */
import { type Expr, exprKey } from "../../src/ir/expr.ts";
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import {
  addI,
  builtin,
  call,
  constant,
  divI,
  F32,
  F32X4,
  i32,
  lessThan,
  minI,
  mulI,
  remI,
  splat,
} from "../../src/ir/thread.ts";
import { type InnerAxis, isCodes, type TileKernel } from "../../src/ir/tile.ts";
import { type Bindings, groupAxis, quadruple } from "./access.ts";
import type { Builder } from "./builder.ts";
import { unrounded } from "./codeoperands.ts";
import type { Dot } from "./contraction.ts";
import { innerAxis, phases, productOf } from "./contraction.ts";
import { Expressions, spread } from "./expressions.ts";
import { Fragments } from "./fragments.ts";
import { openGrid, type TileAxis } from "./grid.ts";
import { runtimeBound } from "./inner.ts";
import { type SumContext, type Sums, tensorSums, type Var, vectorSums } from "./streamsums.ts";
import { type Weights, weightsOf } from "./streamweights.ts";

type Stream = Extract<TileKernel["lowering"], { kind: "stream" }>;

/** A lane's group of four k of a piece: the axis that is bound to it, and whether it exists, where that is not certain. */
interface Piece {
  readonly along: string;
  readonly live: ThreadExpr | undefined;
}

/** k of a piece: of one `mma`. */
const PIECE = 16;
/** Bytes of workgroup memory for partial sums, at most: what every block has without asking. */
const PARTIAL_BYTES = 32 * 1024;

export function lowerStream(
  kernel: TileKernel,
  lowering: Stream,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
): number {
  new StreamProduct(kernel, lowering, builder, bindings, shared).lower();
  return 32 * lowering.warpsN * lowering.warpsK;
}

class StreamProduct {
  private readonly kernel: TileKernel;
  private readonly l: Stream;
  private readonly builder: Builder;
  private readonly bindings: Bindings;
  private readonly shared: SharedArray[];
  private readonly expressions: Expressions;
  private readonly fragments: Fragments;
  /** g and t of the lane. */
  private readonly group: ThreadExpr;
  private readonly quarter: ThreadExpr;
  private readonly lane: ThreadExpr;
  private readonly warpK: ThreadExpr;
  private readonly warpN: ThreadExpr;
  /** Warps along k that have sums in the end. */
  private readonly heirs: number;
  /** Where partial sums meet. */
  private partial: string | undefined;

  constructor(kernel: TileKernel, l: Stream, builder: Builder, bindings: Bindings, shared: SharedArray[]) {
    this.kernel = kernel;
    this.l = l;
    this.builder = builder;
    this.bindings = bindings;
    this.shared = shared;
    const product = productOf(kernel);
    const { m, n } = product;
    const [tileM, tileN] = [8 * l.rows, 32 * l.columns * l.warpsN];
    const odd = kernel.grid.find((a) => a.tile !== (a === m ? tileM : a === n ? tileN : 1));
    if (odd !== undefined)
      throw new Error(`internal: ${kernel.name} has a tile of ${odd.tile} along ${odd.name}`);
    const grid = openGrid(builder, kernel, bindings);
    for (const { axis, origin } of grid) if (axis !== m && axis !== n) builder.bindAxis(axis.name, origin);
    const tileOf = (wanted: typeof m): TileAxis => {
      const found = grid.find((tile) => tile.axis === wanted);
      if (found === undefined) throw new Error(`internal: ${kernel.name} has no tile along ${wanted.name}`);
      return found;
    };
    if (!tileOf(n).aligned) throw new Error(`internal: ${kernel.name} is sliced along its columns`);
    const thread = builtin("thread");
    this.lane = builder.let("lane", remI(thread, i32(32)));
    const warp = divI(thread, i32(32));
    this.warpK = l.warpsK === 1 ? i32(0) : builder.let("warp_k", remI(warp, i32(l.warpsK)));
    this.warpN = l.warpsN === 1 ? i32(0) : builder.let("warp_n", divI(warp, i32(l.warpsK)));
    this.group = builder.let("g", divI(this.lane, i32(4)));
    this.quarter = builder.let("t", remI(this.lane, i32(4)));
    this.heirs = heirsOf(l);
    this.expressions = new Expressions(builder, bindings);
    const heir = l.warpsK > this.heirs ? minI(this.warpK, i32(this.heirs - 1)) : this.warpK;
    const own = this.heirs === 1 ? i32(0) : builder.let("own", heir);
    this.fragments = new Fragments({
      kernel,
      product,
      m: tileOf(m),
      n: tileOf(n),
      map: {
        threads: 32 * l.warpsN * l.warpsK,
        rows: (2 * l.rows) / this.heirs,
        columns: l.columns,
        row: (r) => this.rowOf(addI(i32(r * this.heirs), own)),
        column: (c) =>
          addI(mulI(this.warpN, i32(8 * l.columns)), addI(mulI(this.group, i32(l.columns)), i32(c))),
      },
      builder,
      bindings,
      expressions: this.expressions,
      shared,
    });
  }

  lower(): void {
    const { builder, fragments, l } = this;
    for (const phase of phases(this.kernel.body)) {
      builder.statement = "kind" in phase ? phase : phase[0];
      if (!("kind" in phase)) this.multiply(phase);
      else if (phase.kind !== "store") fragments.compute(phase);
      else if (this.heirs === l.warpsK) fragments.store(phase);
      else builder.if(lessThan(this.warpK, i32(this.heirs)), () => fragments.store(phase));
    }
  }

  /** Of a lane's rows, of which each 8 of the tile have two, number `at`. */
  private rowOf(at: ThreadExpr): ThreadExpr {
    return addI(addI(mulI(divI(at, i32(2)), i32(8)), mulI(this.quarter, i32(2))), remI(at, i32(2)));
  }

  private multiply(dots: readonly Dot[]): void {
    const { builder, l } = this;
    const [first] = dots as readonly [Dot];
    const k = innerAxis(this.kernel, first.k);
    if (k.extent % 4 !== 0) throw new Error(`internal: ${this.kernel.name} streams a sum over ${k.extent}`);
    const steps = Math.ceil(k.extent / (PIECE * l.ahead * l.warpsK));
    const pieces = range(l.ahead);
    let piece: Piece | undefined;
    const sums = this.sums((a, name, row) => {
      if (piece === undefined) throw new Error("internal: no piece of k is being multiplied");
      return this.activation(a, name, row, k, piece);
    });
    const acc = dots.map((dot) => sums.open(dot.out));
    // Products that share an operand read it once.
    const known = new Map<string, Weights>();
    const weights = dots.map(({ b }) => {
      const made = known.get(exprKey(b)) ?? weightsOf(b, k, this.weightContext());
      known.set(exprKey(b), made);
      return made;
    });
    const distinct = [...new Set(weights)];

    this.bindPieces(k, i32(0), "first");
    const held = distinct.map((each) =>
      pieces.map((u) =>
        each.load(this.along(k, "first", u)).map((words) => builder.var("held", words.type, words)),
      ),
    );
    builder.for("step", i32(0), runtimeBound(builder, `${k.name}_steps`, steps), i32(1), (step) => {
      const live = this.bindPieces(k, step, "now");
      const next: (readonly ThreadExpr[])[][] = [];
      if (steps > 1) {
        this.bindPieces(k, addI(step, i32(1)), "next");
        for (const each of distinct)
          next.push(
            pieces.map((u) => each.load(this.along(k, "next", u)).map((w) => builder.let("next", w))),
          );
      }
      for (let first = 0; first < l.ahead; first += sums.together) {
        const some = range(sums.together).map((i) => first + i);
        const activations = (a: Expr): ReturnType<Sums["activations"]> => {
          const all = some.map((u) => {
            piece = { along: this.along(k, "now", u), live: live[u] };
            return sums.activations(a);
          });
          return range(all[0]?.length ?? 0).map((r) => all.flatMap((x) => x[r] ?? []));
        };
        const operands = (each: Weights, c: number): readonly ThreadExpr[] =>
          some.flatMap((u) => {
            const words = held[distinct.indexOf(each)]?.[u] ?? [];
            return each.operands(words, c, this.along(k, "now", u)).map((w) => builder.let("w", w));
          });
        this.add(sums, dots, acc, activations, weights, operands);
      }
      const [into, from] = [held.flat(2), next.flat(2)];
      for (const [i, words] of from.entries()) builder.assign(into[i] as Var, words);
    });
    for (const [d, dot] of dots.entries()) this.share(dot, sums.cells(acc[d] ?? []));
  }

  private sums(activation: SumContext["activation"]): Sums {
    const { builder, lane, group, quarter } = this;
    const { format, rows, columns } = this.l;
    const context = { builder, rows, columns, lane, group, quarter, activation };
    return format === "f32" ? vectorSums(context) : tensorSums(context, format);
  }

  /** Adds pieces of k to all products' sums; what they share is read and decoded once. */
  private add(
    sums: Sums,
    dots: readonly Dot[],
    acc: readonly (readonly Var[])[],
    activationsOf: (a: Expr) => ReturnType<Sums["activations"]>,
    weights: readonly Weights[],
    operandsOf: (weights: Weights, c: number) => readonly ThreadExpr[],
  ): void {
    const activations = new Map<string, ReturnType<Sums["activations"]>>();
    const decoded = new Map<Weights, readonly (readonly ThreadExpr[])[]>();
    for (const [d, { a }] of dots.entries()) {
      const x = activations.get(exprKey(a)) ?? activationsOf(a);
      activations.set(exprKey(a), x);
      const each = weights[d] as Weights;
      const w = decoded.get(each) ?? range(this.l.columns).map((c) => operandsOf(each, c));
      decoded.set(each, w);
      sums.add(acc[d] ?? [], x, w);
    }
  }

  /** Four neighbours along k of a row of the tile; zero beyond the end of k. */
  private activation(
    a: Expr,
    name: string,
    row: ThreadExpr,
    k: InnerAxis,
    { along, live }: Piece,
  ): ThreadExpr {
    const { builder, fragments } = this;
    const place = fragments.rowPlace(name, row);
    fragments.bindTiles(place);
    const number = isCodes(this.l.format) ? unrounded(a, k) : a;
    const e = fragments.at(number, place, new Map([[k.name, quadruple(k.extent, along)]]));
    const four = spread(this.expressions.as(e, "f32"), 4);
    return builder.let(
      "x",
      live === undefined ? four : call("select", F32X4, splat(constant(0, F32)), four, splat(live)),
    );
  }

  /** The group of four k that a lane has of each piece of a step, clamped; whether it exists, where that is not certain. */
  private bindPieces(k: InnerAxis, step: ThreadExpr, tag: string): (ThreadExpr | undefined)[] {
    const { builder, l } = this;
    const groups = k.extent / 4;
    const exact = k.extent % (PIECE * l.ahead * l.warpsK) === 0;
    return range(l.ahead).map((u) => {
      const piece = addI(mulI(addI(mulI(step, i32(l.ahead)), i32(u)), i32(l.warpsK)), this.warpK);
      const index = builder.let(`${k.name}4`, addI(mulI(piece, i32(4)), this.quarter));
      // The step after the last one sends for nothing new.
      const clamped = exact && tag !== "next" ? index : minI(index, i32(groups - 1));
      builder.bindAxis(this.along(k, tag, u), builder.let(`${k.name}4_near`, clamped));
      return exact ? undefined : builder.let("live", lessThan(index, i32(groups)));
    });
  }

  private along(k: InnerAxis, tag: string, u: number): string {
    return `${groupAxis(k.name)}@${tag}${u}`;
  }

  /** Adds the warps' partial sums up, and binds them at the rows that each warp carries on with. */
  private share(dot: Dot, cells: readonly (readonly ThreadExpr[])[]): void {
    const { builder, fragments, l, heirs } = this;
    const cell = (row: number, c: number): ThreadExpr => cells[row]?.[c] as ThreadExpr;
    const bind = (r: number, c: number, value: ThreadExpr): void =>
      builder.bindTile(fragments.cellName(dot.out, r, c), builder.let(dot.out, value));
    if (l.warpsK === 1) {
      for (const r of range(2 * l.rows)) for (const c of range(l.columns)) bind(r, c, cell(r, c));
      return;
    }
    const array = this.partialSums();
    const place = (warp: ThreadExpr, heir: ThreadExpr, c: number): ThreadExpr => {
      const slot = addI(mulI(addI(mulI(this.warpN, i32(l.warpsK)), warp), i32(heirs)), heir);
      return addI(mulI(addI(mulI(slot, i32(l.columns)), i32(c)), i32(32)), this.lane);
    };
    const heir = heirs === 1 ? i32(0) : minI(this.warpK, i32(heirs - 1));
    for (const round of range((2 * l.rows) / heirs)) {
      builder.emit({ kind: "barrier" });
      for (const j of range(heirs))
        for (const c of range(l.columns))
          builder.emit({
            kind: "store_shared",
            array,
            index: place(this.warpK, i32(j), c),
            value: cell(round * heirs + j, c),
          });
      builder.emit({ kind: "barrier" });
      for (const c of range(l.columns)) {
        const parts = range(l.warpsK).map(
          (w): ThreadExpr => ({ kind: "shared", array, index: place(i32(w), heir, c), type: F32X4 }),
        );
        bind(
          round,
          c,
          parts.reduce((sum, part) => call("add", F32X4, sum, part)),
        );
      }
    }
  }

  private partialSums(): string {
    const { l, heirs } = this;
    if (this.partial === undefined) {
      this.partial = this.builder.name("partial");
      const count = l.warpsN * l.warpsK * heirs * l.columns * 32;
      this.shared.push({ name: this.partial, type: F32X4, count });
    }
    return this.partial;
  }

  private weightContext() {
    const { l, builder, bindings, expressions, fragments } = this;
    const eighth = addI(mulI(this.warpN, i32(8)), this.group);
    return { format: l.format, columns: l.columns, builder, bindings, expressions, fragments, eighth };
  }
}

/** As many of the warps along k as have rows to carry on with and room for their sums. */
function heirsOf({ rows, columns, warpsN, warpsK }: Stream): number {
  let heirs = 1;
  const bytes = (count: number): number => 16 * 32 * warpsN * warpsK * columns * count;
  while (2 * heirs <= Math.min(warpsK, 2 * rows) && bytes(2 * heirs) <= PARTIAL_BYTES) heirs *= 2;
  return heirs;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
