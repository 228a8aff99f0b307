/**
 * @file The `hopper` lowering of a matrix product: operands that need no arithmetic on the way in are copied tile by tile by the bulk copy
 * engine, and warpgroups multiply straight out of workgroup memory (`wgmma`). As many workgroups as the device runs at once go
 * through the tiles of the grid, each taking every G-th of G workgroups:
 *
 *     the first thread of the last warpgroup            the other warpgroups, 64 rows each
 *     for my tiles                                      for my tiles
 *       for blocks of 64 of k                             for blocks of 64 of k
 *         wait until stage s is empty                       wait until stage s is full
 *         announce its bytes, start its copies              start 4 products of 16 of k
 *                                                           wait for those of the block before; its stage is empty
 *                                                         epilogue, while the copies of the next tile are under way
 *
 * Stages are used in turn, through all tiles (see stages.ts). The copying warpgroup gives most of its registers to the others,
 * which hold the sums.
 *
 * Two workgroups may be a cluster: they have rows below each other and the same columns, of which each copies one half to both; a
 * stage is empty when the warps of both say so.
 *
 * Warpgroups may also take tiles of 64 rows in turn (`turns`): each then uses the stages of its own tiles alone, and one's epilogue
 * runs beside the other's products.
 *
 * Tiles are numbered as workgroups are elsewhere, the grid's last axis first: those that run at one time have the outer axes, and
 * with them a token's weights, in common.
 */
import type { Expr } from "../../../src/ir/expr.ts";
import { exprKey } from "../../../src/ir/expr.ts";
import type { SharedArray, ThreadExpr } from "../../../src/ir/thread.ts";
import {
  addI,
  builtin,
  call,
  divI,
  F32X4,
  I32,
  i32,
  lessThan,
  mulI,
  remI,
  variable,
} from "../../../src/ir/thread.ts";
import type { GridAxis, InnerAxis, TileKernel } from "../../../src/ir/tile.ts";
import type { Bindings } from "../access.ts";
import type { Builder } from "../builder.ts";
import type { Dot } from "../contraction.ts";
import { innerAxis, phases, productOf } from "../contraction.ts";
import { Expressions } from "../expressions.ts";
import { Fragments } from "../fragments.ts";
import { openAxes, openGrid, type TileAxis } from "../grid.ts";
import { runtimeBound } from "../inner.ts";
import { type BulkMemory, OwnArrays, type TileMemory } from "./memory.ts";
import { BLOCK, BulkOperand, DEPTH, GatheredOperand, operandOf } from "./operands.ts";
import { inRoles, isFirstCopying, multiplyingThreads, type Var } from "./roles.ts";
import { Stages } from "./stages.ts";

export type Hopper = Extract<TileKernel["lowering"], { kind: "hopper" }>;

export function lowerHopper(
  kernel: TileKernel,
  lowering: Hopper,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
  bulk: BulkMemory,
): number {
  const memory = new OwnArrays(lowering.stages, builder, shared);
  const product = new HopperProduct({ kernel, lowering, builder, bindings, shared, memory, bulk });
  const gathers = product.gathers;
  const stages = new Stages(lowering, gathers, builder, bulk);
  const blocks = product.openBlocks();
  const axes = openAxes(builder, kernel, bindings);
  const total = axes.reduce((all, { tiles }) => mulI(all, tiles), i32(1));
  const tiles = builder.let("all_tiles", total);
  return inRoles({ lowering, builder, stages, gathers }, ({ cluster, clusters }) => {
    /** What a role does with the workgroup's tiles from `first` on; `step` counts the blocks of k through all of them. */
    const each = (
      role: (step: Var) => void,
      first: ThreadExpr,
      every: ThreadExpr,
      start?: ThreadExpr,
    ): void => {
      const step = builder.var("step", I32, start);
      builder.for("tile", first, tiles, every, (tile) => {
        builder.frame = { axes, tile, scope: builder.current };
        role(step);
        builder.frame = undefined;
      });
    };
    return {
      copy: () => each((step) => product.copyTile(stages, step), cluster, clusters),
      multiply: (warpgroup) => {
        if (!lowering.turns) {
          each((step) => product.multiplyTile(stages, step, warpgroup), cluster, clusters);
          return;
        }
        const first = addI(cluster, mulI(warpgroup, clusters));
        const start = mulI(warpgroup, blocks);
        const done = builder.var("done", I32);
        const inTurn = (step: Var): void => {
          product.multiplyTile(stages, step, warpgroup, { done });
          // The other's blocks are passed over.
          builder.assign(step, addI(step, blocks));
          builder.assign(done, addI(done, i32(1)));
        };
        each(inTurn, first, mulI(clusters, i32(lowering.groups)), start);
      },
    };
  });
}

type Operand = BulkOperand | GatheredOperand;

interface Operands {
  readonly a: Operand;
  readonly b: Operand;
}

export interface ProductContext {
  readonly kernel: TileKernel;
  readonly lowering: Hopper;
  readonly builder: Builder;
  readonly bindings: Bindings;
  readonly shared: SharedArray[];
  /** Where its operands' tiles go. */
  readonly memory: TileMemory;
  readonly bulk: BulkMemory;
  /** Of use for a moment only: the weights leave the cache for anything else. */
  readonly once?: boolean;
}

/** A tile by its place in the grid. */
export interface OpenTile {
  readonly grid: readonly TileAxis[];
  readonly m: TileAxis;
  readonly n: TileAxis;
}

/** What each role does with one tile of a product, the one of the builder's frame. */
export class HopperProduct {
  private readonly kernel: TileKernel;
  private readonly l: Hopper;
  private readonly builder: Builder;
  private readonly bindings: Bindings;
  private readonly shared: SharedArray[];
  private readonly m: GridAxis;
  private readonly n: GridAxis;
  private readonly k: InnerAxis;
  private readonly dots: readonly Dot[];
  private readonly operands: readonly Operands[];
  /** Each once, however many products share it: those that the copy engine brings, those that threads do. */
  private readonly copied: readonly BulkOperand[];
  private readonly gathered: readonly GatheredOperand[];

  constructor({ kernel, lowering: l, builder, bindings, shared, memory, bulk, once }: ProductContext) {
    this.kernel = kernel;
    this.l = l;
    this.builder = builder;
    this.bindings = bindings;
    this.shared = shared;
    const { m, n } = productOf(kernel);
    this.m = m;
    this.n = n;
    this.dots = dotsOf(kernel);
    const { rows } = this;
    const odd = kernel.grid.find((a) => a.tile !== (a === m ? rows * l.cluster : a === n ? l.columns : 1));
    if (odd !== undefined)
      throw new Error(`internal: ${kernel.name} has a tile of ${odd.tile} along ${odd.name}`);
    this.k = innerAxis(kernel, (this.dots[0] as Dot).k);
    if (this.k.step !== BLOCK) throw new Error(`internal: ${kernel.name} goes through k by ${this.k.step}`);
    const known = new Map<string, Operand>();
    const operand = (dot: Dot, side: "a" | "b"): Operand => {
      const e: Expr = dot[side];
      const key = `${side} ${exprKey(e)}`;
      const extent = side === "a" ? rows : l.columns;
      const common = side === "a" ? 1 : l.cluster;
      const leaves = side === "b" && once === true;
      const given = { kernel, half: l.half, dot, side, extent, memory, shared: common, once: leaves };
      const made = known.get(key) ?? operandOf(given, builder, bindings);
      known.set(key, made);
      return made;
    };
    this.operands = this.dots.map((dot) => ({ a: operand(dot, "a"), b: operand(dot, "b") }));
    const all = [...known.values()];
    this.copied = all.filter((each): each is BulkOperand => each instanceof BulkOperand);
    this.gathered = all.filter((each): each is GatheredOperand => each instanceof GatheredOperand);
    bulk.maps.push(...this.copied.map(({ map }) => map));
  }

  /** Whether threads copy, too. */
  get gathers(): boolean {
    return this.gathered.length > 0;
  }

  /** Blocks of k of a tile. */
  openBlocks(): ThreadExpr {
    return runtimeBound(this.builder, `${this.k.name}_blocks`, Math.ceil(this.k.extent / BLOCK));
  }

  /** Rows of the workgroup's tile. */
  private get rows(): number {
    return BLOCK * (this.l.turns ? 1 : this.l.groups);
  }

  /** Number of the workgroup in its cluster. */
  private get rank(): ThreadExpr {
    return remI(builtin("workgroup"), i32(this.l.cluster));
  }

  /** The tile of the loop that is open; binds the axes that stand still within it. */
  private openTile(): OpenTile {
    const { builder, kernel, m, n } = this;
    const grid = openGrid(builder, kernel, this.bindings);
    for (const { axis, origin } of grid) if (axis !== m && axis !== n) builder.bindAxis(axis.name, origin);
    const of = (wanted: GridAxis): TileAxis => {
      const found = grid.find((t) => t.axis === wanted);
      if (found === undefined) throw new Error(`internal: ${kernel.name} has no tile along ${wanted.name}`);
      return found;
    };
    return { grid, m: of(m), n: of(n) };
  }

  /** Copies the tile's blocks of k. `before`: what must have happened before any of it is read. */
  copyTile(stages: Stages, step: Var, before?: (tile: OpenTile) => void): void {
    const { builder, l } = this;
    const tile = this.openTile();
    const { m, n } = tile;
    before?.(tile);
    const expressions = new Expressions(builder, this.bindings);
    const bytes = this.copied.reduce((sum, operand) => sum + operand.bytes, 0);
    const thread = call("sub", I32, builtin("thread"), i32(multiplyingThreads(l)));
    const own = this.gathered.length === 0 ? thread : builder.let("own", thread);
    const rows = this.gathered.map((operand) => operand.rows(builder, expressions, m, own));
    builder.for("block", i32(0), this.openBlocks(), i32(1), (block) => {
      const { stage, barrier } = stages.awaitEmpty(step);
      const k = builder.let("k0", mulI(block, i32(BLOCK)));
      const start = (): void => {
        builder.emit({ kind: "mbarrier", action: "expect", at: barrier, bytes });
        for (const operand of this.copied) {
          const isRows = this.operands.some(({ a }) => a === operand);
          const origin = isRows ? addI(m.origin, mulI(this.rank, i32(this.rows))) : n.origin;
          operand.copy(builder, expressions, { stage, k, origin, barrier, part: this.rank });
        }
      };
      if (this.gathered.length === 0) start();
      else {
        builder.if(isFirstCopying(l), start);
        this.gathered.forEach((operand, i) => {
          operand.copy(builder, rows[i] ?? [], { stage, k, thread: own });
        });
        builder.emit({ kind: "mbarrier", action: "arrive_copied", at: barrier });
      }
      builder.assign(step, addI(step, i32(1)));
    });
  }

  /**
   * The products of a tile, and what is done with their sums. `done`: the tiles that a warpgroup has had before, where they are taken in
   * turn. `stored`: tells what the tile has stored, after a barrier of those that did.
   */
  multiplyTile(
    stages: Stages,
    step: Var,
    warpgroup: ThreadExpr,
    { done, stored }: { readonly done?: ThreadExpr; readonly stored?: (tile: OpenTile) => void } = {},
  ): void {
    const { builder, kernel, l } = this;
    const tile = this.openTile();
    const { m, n } = tile;
    const lane = builder.let("lane", remI(builtin("thread"), i32(32)));
    const warp = builder.let("warp", remI(divI(builtin("thread"), i32(32)), i32(4)));
    const first = l.turns ? i32(0) : mulI(warpgroup, i32(BLOCK));
    const above = l.cluster === 1 ? i32(0) : builder.let("above", mulI(this.rank, i32(this.rows)));
    const row = addI(divI(lane, i32(4)), mulI(remI(lane, i32(2)), i32(8)));
    const fragments = new Fragments({
      kernel,
      product: productOf(kernel),
      m,
      n,
      map: {
        threads: multiplyingThreads(l),
        some: true,
        rows: 1,
        columns: l.columns / 8,
        // See `fragment_row`: the sums of a warpgroup are fragments of 16 × 8, a warp's 16 rows in a line.
        row: () => addI(addI(addI(above, first), mulI(warp, i32(16))), row),
        column: (c) => addI(i32(2 * c), divI(remI(lane, i32(4)), i32(2))),
      },
      builder,
      bindings: this.bindings,
      expressions: new Expressions(builder, this.bindings),
      shared: this.shared,
    });
    for (const phase of phases(kernel.body)) {
      builder.statement = "kind" in phase ? phase : phase[0];
      if (!("kind" in phase)) {
        if (done !== undefined) stages.awaitTurn(warpgroup, done);
        this.multiply(stages, step, lane, first, fragments, () => {
          if (done !== undefined) stages.passTurn(warpgroup, lane);
        });
      } else if (phase.kind === "store") fragments.store(phase);
      else fragments.compute(phase);
    }
    builder.statement = undefined;
    if (fragments.usesMemory && l.turns)
      throw new Error(`internal: warpgroups of ${kernel.name} take turns and share what belongs to rows`);
    if (stored !== undefined) builder.emit({ kind: "counter", action: "publish" });
    // What belongs to rows or columns of this tile is read no more.
    if (fragments.usesMemory || stored !== undefined)
      builder.emit({ kind: "barrier", threads: multiplyingThreads(l) });
    stored?.(tile);
  }

  /** `allFull`: when the last stage of the tile has been full. */
  private multiply(
    stages: Stages,
    step: Var,
    lane: ThreadExpr,
    first: ThreadExpr,
    fragments: Fragments,
    allFull: () => void,
  ): void {
    const { builder, l } = this;
    const sums = this.dots.map((dot) =>
      range(l.columns / 8).map((c) => builder.var(`${dot.out}_${c}`, F32X4).name),
    );
    builder.for("block", i32(0), this.openBlocks(), i32(1), (block) => {
      const stage = stages.awaitFull(step);
      builder.emit({ kind: "wgmma", action: "fence" });
      for (let depth = 0; depth < BLOCK / DEPTH; depth++) {
        this.operands.forEach(({ a, b }, d) => {
          builder.emit({
            kind: "wgmma",
            action: "multiply",
            half: l.half,
            sums: sums[d] ?? [],
            a: a.operand(stage, first, depth),
            b: b.operand(stage, i32(0), depth),
          });
        });
      }
      builder.emit({ kind: "wgmma", action: "commit" });
      builder.emit({ kind: "wgmma", action: "wait", pending: 1, sums: [] });
      stages.release(step, lane, lessThan(i32(0), block));
      builder.assign(step, addI(step, i32(1)));
    });
    allFull();
    builder.emit({ kind: "wgmma", action: "wait", pending: 0, sums: sums.flat() });
    stages.release(step, lane);
    this.dots.forEach((dot, d) => {
      sums[d]?.forEach((sum, c) => {
        const four = builder.let(`${dot.out}_row`, call("fragment_row", F32X4, variable(sum, F32X4)));
        builder.bindTile(fragments.cellName(dot.out, 0, c), four);
      });
    });
  }
}

/** The products of a kernel, which follow each other over one k. */
function dotsOf(kernel: TileKernel): readonly Dot[] {
  const swept = phases(kernel.body).filter((phase): phase is readonly Dot[] => !("kind" in phase));
  const [dots, ...more] = swept;
  if (dots === undefined || more.length > 0)
    throw new Error(`internal: ${kernel.name} has products one after the other`);
  return dots;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
