/**
 * @file The `chain` lowering: both products of a per-token FFN in one launch, so that a token's intermediate h is read where it was
 * written, in the L2 cache, and nothing is launched, and no multiprocessor is idle, between the two.
 *
 * The tiles of both products have one order. A *group* is a point of the outer axes, a token; with F(g) the tiles of the first product in
 * group g, S(g) those of the second, G groups and a lag of L groups:
 *
 *     F(0) … F(L)   S(0)   F(L+1)   S(1)   …   F(G−1)   S(G−1−L) … S(G−1)
 *
 * Of W workgroups (clusters, where workgroups share columns) each takes every W-th tile of either product, in this order, and does with
 * it what `hopper` does; the stages and their barriers go through all of them. Tiles of the two differ in length: dealt out one product
 * after the other, each workgroup has as many of either as any other, but for one. L = min(G − 1, ⌈W / tiles of F⌉) groups are as many
 * tiles of the first product as there are workgroups: a tile of the second finds its rows finished, or nearly so, while the intermediates of
 * L + 1 tokens are between the two.
 *
 * A tile of the second product reads the rows of h that the first product's tiles of the same token and the same rows store, its *box*. A
 * word in memory counts for each box the workgroups that have stored theirs:
 *
 *     warpgroups, after the first product's tile      copying thread, before the second product's tile
 *       store h                                         until counter[box] = tiles of the box: ld.acquire.gpu
 *       fence.proxy.async, each thread                  fence.proxy.async
 *       barrier of the warpgroups                       bulk copies of h
 *       one thread: red.release.gpu counter[box]
 *
 * Stores go through the generic proxy, bulk copies read through the async one: hence a fence on both sides.
 *
 * It ends: a tile waits for earlier ones alone, each workgroup does its own in order, and all workgroups run at one time (one a
 * multiprocessor, launched together or not at all). The first tile that is not done always can be.
 *
 * Weights, which come from memory once and are of use for a moment, are the first to give way in the cache; else they would drive out the
 * intermediate before it is read.
 */
import type { SharedArray, ThreadExpr } from "../../../src/ir/thread.ts";
import {
  addI,
  BOOL,
  builtin,
  call,
  divI,
  I32,
  i32,
  lessThan,
  minI,
  mulI,
  remI,
} from "../../../src/ir/thread.ts";
import { type GridAxis, partsOf, type TileKernel } from "../../../src/ir/tile.ts";
import type { Bindings } from "../access.ts";
import type { Builder } from "../builder.ts";
import { productOf } from "../contraction.ts";
import { type OpenAxis, openAxes } from "../grid.ts";
import { type BulkMemory, CommonArray } from "./memory.ts";
import { type Hopper, HopperProduct, type OpenTile } from "./product.ts";
import { inRoles, type Var } from "./roles.ts";
import { Stages } from "./stages.ts";

type Chain = Extract<TileKernel["lowering"], { kind: "chain" }>;

interface Phase {
  readonly product: HopperProduct;
  readonly axes: readonly OpenAxis[];
  /** Tiles of a group. */
  readonly tiles: ThreadExpr;
}

export function lowerChain(
  kernel: TileKernel,
  lowering: Chain,
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
  bulk: BulkMemory,
): number {
  const parts = partsOf(kernel);
  const [up, down, ...more] = parts.map(hopperOf);
  if (up === undefined || down === undefined || more.length > 0 || !agree(up, down))
    throw new Error(`internal: ${kernel.name} chains products of different shapes`);
  const memory = new CommonArray(builder);
  const products = parts.map(
    (part) =>
      new HopperProduct({
        kernel: part,
        lowering: hopperOf(part),
        builder,
        bindings,
        shared,
        memory: memory.program(),
        bulk,
        once: true,
      }),
  );
  if (products.some(({ gathers }) => gathers))
    throw new Error(`internal: ${kernel.name} chains products whose rows threads gather`);
  shared.push(memory.declare(up.stages));
  const stages = new Stages(up, false, builder, bulk);
  const [first, second] = openPhases(kernel, parts, products, builder, bindings);
  const groups = groupsOf(kernel).reduce((all, { extent }) => all * extent, 1);
  const all = [first, second].map(({ tiles }) => mulI(i32(groups), tiles));
  const [firstAll, secondAll] = [builder.let("first_all", all[0]), builder.let("second_all", all[1])];
  const counter = new Counter(kernel, lowering, first.axes, builder, bindings);
  return inRoles({ lowering: up, builder, stages, gathers: false }, ({ cluster, clusters }) => {
    const ahead = divI(addI(clusters, addI(first.tiles, i32(-1))), first.tiles);
    const lag = builder.let("lag", minI(i32(groups - 1), ahead));
    // The second product's tiles are dealt out from where the first's end.
    const dealt = addI(cluster, subI(clusters, remI(firstAll, clusters)));
    const begin = builder.let("second_from", remI(dealt, clusters));
    const count = addI(countFrom(cluster, firstAll, clusters), countFrom(begin, secondAll, clusters));
    const turns = builder.let("turns", count);
    /** Calls what a role does with a tile of either phase for each of the workgroup's tiles; `step` counts blocks of k through all. */
    const each = (roles: readonly [(step: Var) => void, (step: Var) => void]): void => {
      const step = builder.var("step", I32);
      const next = [builder.var("first_tile", I32, cluster), builder.var("second_tile", I32, begin)] as const;
      builder.for("turn", i32(0), turns, i32(1), () => {
        const [p, q] = next;
        const early = call("le", BOOL, divI(p, first.tiles), addI(divI(q, second.tiles), lag));
        const at = ({ axes }: Phase, tile: Var, role: (step: Var) => void): void => {
          builder.frame = { axes, tile, scope: builder.current };
          role(step);
          builder.frame = undefined;
          builder.assign(tile, addI(tile, clusters));
        };
        builder.if(
          call("and", BOOL, lessThan(p, firstAll), early),
          () => at(first, p, roles[0]),
          () => {
            // Workgroup arrays are the text's, not the branch's: names stay taken.
            for (const { name } of shared) builder.current.names.add(name);
            at(second, q, roles[1]);
          },
        );
      });
    };
    return {
      copy: () =>
        each([
          (step) => first.product.copyTile(stages, step),
          (step) => second.product.copyTile(stages, step, (tile) => counter.await(tile)),
        ]),
      multiply: (warpgroup) =>
        each([
          (step) =>
            first.product.multiplyTile(stages, step, warpgroup, { stored: (tile) => counter.arrive(tile) }),
          (step) => second.product.multiplyTile(stages, step, warpgroup),
        ]),
    };
  });
}

/** How many of `from`, `from` + `every`, … are below `end`. */
function countFrom(from: ThreadExpr, end: ThreadExpr, every: ThreadExpr): ThreadExpr {
  const left = call("max", I32, i32(0), subI(end, from));
  return divI(addI(left, addI(every, i32(-1))), every);
}

function subI(a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  return call("sub", I32, a, b);
}

/** The words that count, for each box, who has stored tiles of the first product in it. */
class Counter {
  private readonly builder: Builder;
  private readonly binding: number;
  private readonly rows: OpenAxis;
  private readonly groups: readonly { readonly name: string; readonly extent: number }[];
  /** Arrivals of a box: its tiles, by each workgroup of the cluster. */
  private readonly count: number;

  constructor(
    kernel: TileKernel,
    { counters, tiles, cluster }: Chain,
    axes: readonly OpenAxis[],
    builder: Builder,
    bindings: Bindings,
  ) {
    this.builder = builder;
    this.binding = bindings.entry(counters).index;
    this.groups = groupsOf(kernel);
    this.count = tiles[0] * cluster;
    const rows = axes.at(-1);
    if (rows === undefined) throw new Error(`internal: ${kernel.name} has no rows`);
    this.rows = rows;
  }

  /** The tile's stores are done, and a barrier behind them. */
  arrive(tile: OpenTile): void {
    this.builder.guard(call("eq", BOOL, builtin("thread"), i32(0)), () => {
      this.builder.emit({ kind: "counter", action: "arrive", ...this.at(tile) });
    });
  }

  /** Before copies of the box's rows. */
  await(tile: OpenTile): void {
    this.builder.emit({ kind: "counter", action: "await", ...this.at(tile), count: this.count });
    this.builder.emit({ kind: "counter", action: "publish" });
  }

  /** Words are numbered as boxes are: group by group, rows innermost. */
  private at({ grid, m }: OpenTile): { readonly binding: number; readonly index: ThreadExpr } {
    const group = this.groups.reduce<ThreadExpr>((before, { name, extent }) => {
      const digit = grid.find(({ axis }) => axis.name === name)?.origin;
      if (digit === undefined) throw new Error(`internal: a tile without ${name}`);
      return addI(mulI(before, i32(extent)), digit);
    }, i32(0));
    const row = divI(m.origin, i32(m.axis.tile));
    const index = this.builder.let("box", addI(mulI(group, this.rows.tiles), row));
    return { binding: this.binding, index };
  }
}

/** The axes of the phases; they have those of the groups, and the rows, in common. */
function openPhases(
  kernel: TileKernel,
  parts: readonly TileKernel[],
  products: readonly HopperProduct[],
  builder: Builder,
  bindings: Bindings,
): readonly [Phase, Phase] {
  const outer = groupsOf(kernel).length;
  const known: OpenAxis[] = [];
  const phases = parts.map((part, i): Phase => {
    const { m } = productOf(part);
    if (part.grid.at(-1) !== m) throw new Error(`internal: rows of ${part.name} are not innermost`);
    const same = ({ axis: a }: OpenAxis, b: GridAxis): boolean =>
      a.name === b.name && a.tile === b.tile && JSON.stringify(a.extent) === JSON.stringify(b.extent);
    const fresh = part.grid.filter((axis) => !known.some((a) => same(a, axis)));
    known.push(...openAxes(builder, { ...part, grid: fresh }, bindings));
    const axes = part.grid.map((axis): OpenAxis => {
      const found = known.find((a) => same(a, axis));
      if (found === undefined) throw new Error(`internal: ${axis.name} of ${part.name} was not opened`);
      return { ...found, axis };
    });
    const inside = axes.slice(outer).reduce<ThreadExpr>((all, { tiles }) => mulI(all, tiles), i32(1));
    const product = products[i];
    if (product === undefined) throw new Error(`internal: ${part.name} has no product`);
    return { product, axes, tiles: builder.let(`${i === 0 ? "first" : "second"}_tiles`, inside) };
  });
  const [first, second] = phases;
  if (first === undefined || second === undefined) throw new Error(`internal: ${kernel.name} has two phases`);
  return [first, second];
}

/** The axes of a chain's groups: those of its grid but for the rows. */
function groupsOf({ name, grid }: TileKernel): { readonly name: string; readonly extent: number }[] {
  return grid.slice(0, -1).map(({ name: axis, extent }) => {
    if (typeof extent !== "number") throw new Error(`internal: ${name} has groups along a batch`);
    return { name: axis, extent };
  });
}

function hopperOf({ name, lowering }: TileKernel): Hopper {
  if (lowering.kind !== "hopper" || lowering.turns)
    throw new Error(`internal: ${name} is chained and not a product of whole workgroups`);
  return lowering;
}

/** Whether two products can go through the same stages. */
function agree(a: Hopper, b: Hopper): boolean {
  return (
    a.half === b.half &&
    a.groups === b.groups &&
    a.stages === b.stages &&
    a.cluster === b.cluster &&
    a.blocks === b.blocks
  );
}
