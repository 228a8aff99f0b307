/**
 * @file The `list` lowering: the tables of a gate's active rows (`RowList` in src/ir/tile.ts), a workgroup a group.
 *
 *     count   every thread counts the active members among every threads-th; their sum is counts[g]
 *     list    base = Σ counts of the groups before;  every thread owns a run of neighbouring members, counts its active ones,
 *             and, once it knows how many the threads before it have, writes them from there on
 *
 * No atomics: each place is computed, so the order is that of the members whatever the workgroups do. The last group's
 * workgroup knows the totals; it writes what the kernels over the list are launched with.
 */
import type { Profile } from "../../src/ir/profile.ts";
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import { addI, BOOL, builtin, call, divI, I32, i32, lessThan, minI, mulI } from "../../src/ir/thread.ts";
import type { ListStep, RowLaunch, TileKernel } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import type { Builder } from "./builder.ts";
import { Expressions } from "./expressions.ts";
import { extentOf, openGrid } from "./grid.ts";
import { runtimeBound } from "./inner.ts";

type ListLowering = Extract<TileKernel["lowering"], { kind: "list" }>;
type Var = ThreadExpr & { readonly kind: "var" };

export function lowerList(
  kernel: TileKernel,
  { threads }: ListLowering,
  { profile }: { readonly profile: Profile },
  builder: Builder,
  bindings: Bindings,
  shared: SharedArray[],
): number {
  if (kernel.lists === undefined) throw new Error(`internal: ${kernel.name} lists nothing`);
  const [grid] = openGrid(builder, kernel, bindings);
  builder.bindAxis("g", grid.origin);
  const lister = new Lister(kernel.lists, threads, grid.origin, builder, bindings, shared);
  if (kernel.lists.step === "count") lister.count();
  else lister.list(profile.limits.workgroups);
  return threads;
}

class Lister {
  private readonly step: ListStep;
  private readonly threads: number;
  private readonly group: ThreadExpr;
  private readonly builder: Builder;
  private readonly bindings: Bindings;
  private readonly shared: SharedArray[];
  private readonly expressions: Expressions;
  private readonly members: ThreadExpr;
  private readonly thread: ThreadExpr = builtin("thread");

  constructor(
    step: ListStep,
    threads: number,
    group: ThreadExpr,
    builder: Builder,
    bindings: Bindings,
    shared: SharedArray[],
  ) {
    this.step = step;
    this.threads = threads;
    this.group = group;
    this.builder = builder;
    this.bindings = bindings;
    this.shared = shared;
    this.expressions = new Expressions(builder, bindings);
    this.members = builder.let("members", extentOf(step.list.members));
  }

  count(): void {
    const { builder, step, thread } = this;
    const own = builder.var("own", I32);
    this.eachMember(thread, this.members, i32(this.threads), () => builder.accumulate(own, i32(1)));
    const part = this.part("part", own);
    builder.emit({ kind: "barrier" });
    builder.if(equal(thread, i32(0)), () => {
      const total = builder.var("total", I32);
      this.eachThread((i) => builder.accumulate(total, part(i)));
      this.store(step.list.counts, this.group, total);
    });
  }

  /** `most`: workgroups of a dispatch along x. */
  list(most: number): void {
    const { builder, thread, threads, group } = this;
    const { list, launches } = this.step;
    const capacity = builder.let("capacity", this.perBatch(list.most));

    const rowsBefore = builder.var("rows_before", I32);
    const tilesBefore = builder.var("tiles_before", I32);
    builder.for("earlier", thread, group, i32(threads), (g) => {
      const count = builder.let("count", this.load(list.counts, g));
      builder.accumulate(rowsBefore, count);
      builder.accumulate(tilesBefore, tilesOf(count, list.tile));
    });
    const run = builder.let("run", divI(addI(this.members, i32(threads - 1)), i32(threads)));
    const from = builder.let("run_from", minI(mulI(thread, run), this.members));
    const to = builder.let("run_to", minI(addI(from, run), this.members));
    const own = builder.var("own", I32);
    this.eachMember(from, to, i32(1), () => builder.accumulate(own, i32(1)));
    const rowParts = this.part("row_part", rowsBefore);
    const tileParts = this.part("tile_part", tilesBefore);
    const ownParts = this.part("own_part", own);
    builder.emit({ kind: "barrier" });

    const base = builder.var("base", I32);
    const tileBase = builder.var("tile_base", I32);
    const at = builder.var("at", I32);
    this.eachThread((i) => {
      builder.accumulate(base, rowParts(i));
      builder.accumulate(tileBase, tileParts(i));
      builder.if(lessThan(i, thread), () => builder.accumulate(at, ownParts(i)));
    });
    builder.accumulate(at, base);
    this.eachMember(
      from,
      to,
      i32(1),
      (row) => {
        builder.if(
          lessThan(at, capacity),
          () => {
            this.store(list.rows, at, row);
            this.store(list.places, row, at);
          },
          () => this.store(list.places, row, i32(-1)),
        );
        builder.accumulate(at, i32(1));
      },
      (row) => this.store(list.places, row, i32(-1)),
    );

    const count = builder.let("count", this.load(list.counts, group));
    const tiles = builder.let("tiles", tilesOf(count, list.tile));
    const room = builder.let("tile_room", addI(this.perBatch(list.most + 1), i32(-1)));
    builder.for("tile", thread, tiles, i32(threads), (i) => {
      const number = builder.let("number", addI(tileBase, i));
      builder.if(lessThan(number, room), () => {
        const record = builder.let("record", mulI(addI(number, i32(1)), i32(4)));
        const first = addI(base, mulI(i, i32(list.tile)));
        const end = addI(first, i32(list.tile));
        const words = [group, first, minI(end, minI(addI(base, count), capacity)), i32(0)];
        for (const [w, word] of words.entries()) this.store(list.tiles, addI(record, i32(w)), word);
      });
    });
    const last = call("and", BOOL, equal(group, i32(list.groups - 1)), equal(thread, i32(0)));
    builder.if(last, () => {
      const allRows = builder.let("all_rows", minI(addI(base, count), capacity));
      const allTiles = builder.let("all_tiles", minI(addI(tileBase, tiles), room));
      for (const [w, word] of [allRows, allTiles, i32(0), i32(0)].entries())
        this.store(list.tiles, i32(w), word);
      launches.forEach((launch, j) => {
        this.launch(launch, j, launch.of === "rows" ? allRows : allTiles, most);
      });
    });
  }

  /** Workgroups along x as far as a dispatch takes them, then along y. */
  private launch(launch: RowLaunch, index: number, points: ThreadExpr, most: number): void {
    const { builder, step } = this;
    const { times, tile, others } = launch;
    const along = divI(addI(mulI(points, i32(times)), i32(tile - 1)), i32(tile));
    const total = builder.let("workgroups", mulI(along, i32(others)));
    const x = builder.let("along_x", minI(total, i32(most)));
    const some = builder.let("some", call("max", I32, x, i32(1)));
    const rows = divI(addI(total, addI(some, i32(-1))), some);
    for (const [w, word] of [x, rows, i32(1), i32(0)].entries())
      this.store(step.list.launches, i32(4 * index + w), word);
  }

  /** Runs `active` or `idle` with the row of each member of [from, to) in steps. */
  private eachMember(
    from: ThreadExpr,
    to: ThreadExpr,
    by: ThreadExpr,
    active: (row: ThreadExpr) => void,
    idle?: (row: ThreadExpr) => void,
  ): void {
    const { builder, step } = this;
    builder.for("member", from, to, by, (m) => {
      builder.bindAxis("m", m);
      const row = builder.let("row", addI(mulI(m, i32(step.list.groups)), this.group));
      const condition = this.expressions.as(step.active, "bool");
      builder.if(condition, () => active(row), idle && (() => idle(row)));
    });
  }

  private eachThread(body: (index: ThreadExpr) => void): void {
    this.builder.for("i", i32(0), runtimeBound(this.builder, "threads", this.threads), i32(1), body);
  }

  /** Leaves every thread's `value` in workgroup memory; gives a read of thread i's. */
  private part(hint: string, value: Var): (index: ThreadExpr) => ThreadExpr {
    const array = this.builder.name(hint);
    this.shared.push({ name: array, type: I32, count: this.threads });
    this.builder.emit({ kind: "store_shared", array, index: this.thread, value });
    return (index) => ({ kind: "shared", array, index, type: I32 });
  }

  private perBatch(times: number): ThreadExpr {
    const { members } = this.step.list;
    if (typeof members === "number") throw new Error("internal: a list without a batch axis");
    return extentOf({ of: members.of, times });
  }

  private load(value: number, index: ThreadExpr): ThreadExpr {
    return { kind: "load", binding: this.bindings.entry(value).index, index, type: I32 };
  }

  private store(value: number, index: ThreadExpr, what: ThreadExpr): void {
    const binding = this.bindings.entry(value).index;
    this.builder.emit({ kind: "store", binding, index, value: what });
  }
}

function tilesOf(rows: ThreadExpr, tile: number): ThreadExpr {
  return divI(addI(rows, i32(tile - 1)), i32(tile));
}

function equal(a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  return call("eq", BOOL, a, b);
}
