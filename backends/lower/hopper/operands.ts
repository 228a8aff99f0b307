/**
 * @file A product's operands as the bulk copy engine brings them: where a stage's tiles lie in workgroup memory, which copies fill them, and
 * where a warpgroup's product begins in them. See src/ir/bulk.ts for how a tile lies.
 */
import type { MapAxis, SharedPlace, ThreadMap, WarpgroupOperand } from "../../../src/ir/bulk.ts";
import { type BulkView, bulkView, type RowView, rowView, type ViewAxis } from "../../../src/ir/bulkview.ts";
import { axis, substitute } from "../../../src/ir/expr.ts";
import type { Half, ThreadExpr } from "../../../src/ir/thread.ts";
import { addI, call, divI, I32, i32, minI, mulI, remI } from "../../../src/ir/thread.ts";
import type { TileKernel } from "../../../src/ir/tile.ts";
import type { Bindings } from "../access.ts";
import type { Builder } from "../builder.ts";
import { type Dot, innerAxis } from "../contraction.ts";
import type { Expressions } from "../expressions.ts";
import type { TileAxis } from "../grid.ts";
import type { TileMemory, TilePlace } from "./memory.ts";

/** Elements of k of a stage, which are also those of a tile of an operand that lies along its own axis: 128 bytes. */
export const BLOCK = 64;
/** k of one product. */
export const DEPTH = 16;
/** Groups of 16 bytes of a row of a tile. */
const ROW_GROUPS = 8;
/** Rows that a warpgroup's threads bring with one copy each. */
const ROWS_AT_ONCE = 128 / ROW_GROUPS;
const BYTES = 2;

interface Given {
  readonly kernel: TileKernel;
  readonly half: Half;
  readonly dot: Dot;
  readonly side: "a" | "b";
  /** Rows or columns of the workgroup's tile. */
  readonly extent: number;
  readonly memory: TileMemory;
  /** Workgroups that have the tile in common: each brings its part to all of them. */
  readonly shared: number;
  /** Its bytes leave the cache for anything else. */
  readonly once: boolean;
}

/** Where a stage's tile lies, and what products read there. */
abstract class Staged {
  /** Bytes of a stage. */
  readonly bytes: number;
  protected readonly extent: number;
  private readonly place: TilePlace;

  constructor({ side, extent, memory }: Given) {
    this.extent = extent;
    this.bytes = BYTES * BLOCK * extent;
    this.place = memory.place(`${side}_tile`, this.bytes);
  }

  protected abstract readonly along: "k" | "own";

  /** The operand of a product: rows or columns from `first` on (a multiple of 64 if there are more), k from `depth` · 16 on. */
  operand(stage: ThreadExpr, first: ThreadExpr, depth: number): WarpgroupOperand {
    const { along } = this;
    // Along k, rows follow each other; along the own axis, every 64 of it are a tile with a row for each k.
    const step = along === "k" ? (DEPTH * BYTES) / 16 : DEPTH * ROW_GROUPS;
    const within = addI(mulI(first, i32(ROW_GROUPS)), i32(depth * step));
    return { at: this.at(stage, within), along, block: BYTES * BLOCK * BLOCK };
  }

  protected at(stage: ThreadExpr, group: ThreadExpr): SharedPlace {
    const { array, stride, offset } = this.place;
    return { array, index: addI(mulI(stage, i32(stride)), addI(i32(offset), group)) };
  }
}

/** Tiles that the copy engine cuts. */
export class BulkOperand extends Staged {
  readonly map: ThreadMap;
  protected readonly along: "k" | "own";
  private readonly view: BulkView;
  private readonly shared: number;
  private readonly once: boolean;

  constructor(given: Given, view: BulkView, builder: Builder, bindings: Bindings) {
    super(given);
    const { half, extent } = given;
    this.shared = given.shared;
    this.once = given.once;
    this.view = view;
    this.along = view.along;
    const { index: binding, name } = bindings.entry(view.source);
    const sides = view.along === "k" ? [view.k, view.own] : [view.own, view.k];
    const boxes = view.along === "k" ? [BLOCK, extent / given.shared] : [BLOCK, BLOCK];
    this.map = {
      name: builder.name(`${name}_map`),
      binding,
      element: half,
      axes: [
        ...sides.map((axis, i) => mapAxis(axis, boxes[i] ?? 1)),
        ...view.still.map((axis) => mapAxis(axis, 1)),
      ],
    };
  }

  /** Starts the copies of k from `k` on and of the own axis from `origin` on into stage `stage`; of a shared tile, of part `part`. */
  copy(
    builder: Builder,
    expressions: Expressions,
    place: {
      readonly stage: ThreadExpr;
      readonly k: ThreadExpr;
      readonly origin: ThreadExpr;
      readonly barrier: SharedPlace;
      readonly part: ThreadExpr;
    },
  ): void {
    const { shared, extent } = this;
    const still = this.view.still.map(({ name, extent }) => expressions.as(axis(name, extent), "i32"));
    const part = shared === 1 ? i32(0) : builder.let("part", mulI(place.part, i32(extent / shared)));
    for (let tile = 0; tile < this.tiles; tile++) {
      const first = addI(part, i32(BLOCK * tile));
      const own = addI(place.origin, first);
      const from = this.view.along === "k" ? [place.k, own] : [own, place.k];
      builder.emit({
        kind: "bulk_load",
        map: this.map.name,
        from: [...from, ...still],
        to: this.at(place.stage, mulI(first, i32(ROW_GROUPS))),
        barrier: place.barrier,
        ...(shared > 1 && { cluster: shared }),
        ...(this.once && { once: true }),
      });
    }
  }

  /** Copies that this workgroup starts. */
  private get tiles(): number {
    return this.view.along === "k" ? 1 : this.extent / this.shared / BLOCK;
  }
}

/** Rows that lie anywhere: the copying warpgroup's threads bring 16 bytes each, eight threads a row. */
export class GatheredOperand extends Staged {
  protected readonly along = "k";
  private readonly view: RowView;
  private readonly binding: number;
  private readonly own: string;
  private readonly k: number;

  constructor(given: Given, view: RowView, bindings: Bindings) {
    super(given);
    this.view = view;
    this.binding = bindings.entry(view.source).index;
    this.own = given.side === "a" ? given.dot.m : given.dot.n;
    this.k = innerAxis(given.kernel, given.dot.k).extent;
  }

  /** Where this thread's rows of a tile begin; `thread` counts the warpgroup's. Rows beyond the last are copies of it. */
  rows(
    builder: Builder,
    expressions: Expressions,
    { origin, end, axis: own }: TileAxis,
    thread: ThreadExpr,
  ): ThreadExpr[] {
    return Array.from({ length: this.extent / ROWS_AT_ONCE }, (_, i) => {
      const name = `${this.own}@copied${i}`;
      const row = addI(addI(origin, divI(thread, i32(ROW_GROUPS))), i32(ROWS_AT_ONCE * i));
      builder.bindAxis(name, builder.let("copied_row", minI(row, addI(end, i32(-1)))));
      const at = substitute(this.view.row, new Map([[this.own, axis(name, own.extent)]]));
      return builder.let("row_at", expressions.as(at, "i32"));
    });
  }

  /** Sends for k from `k` on of the thread's rows. */
  copy(
    builder: Builder,
    rows: readonly ThreadExpr[],
    { stage, k, thread }: { readonly stage: ThreadExpr; readonly k: ThreadExpr; readonly thread: ThreadExpr },
  ): void {
    const group = builder.let("group_at", remI(thread, i32(ROW_GROUPS)));
    const row = builder.let("row", divI(thread, i32(ROW_GROUPS)));
    const permuted = builder.let("permuted", call("bitxor", I32, group, remI(row, i32(ROW_GROUPS))));
    const from = builder.let("from", addI(divI(k, i32(8)), group));
    // k may end within a group.
    const left = call("sub", I32, i32(BYTES * this.k), mulI(from, i32(16)));
    const bytes = this.k % BLOCK === 0 ? undefined : builder.let("bytes", maxI(i32(0), minI(i32(16), left)));
    rows.forEach((start, i) => {
      const within = addI(mulI(addI(row, i32(ROWS_AT_ONCE * i)), i32(ROW_GROUPS)), permuted);
      const { array, index } = this.at(stage, within);
      const source = { binding: this.binding, from: addI(start, from) };
      builder.emit({ kind: "copy_async", array, index, ...source, ...(bytes && { bytes }) });
    });
  }
}

/** The operand of one side of a product; undefined where something must be computed on the way. */
export function operandOf(given: Given, builder: Builder, bindings: Bindings): BulkOperand | GatheredOperand {
  const { kernel, half, dot, side } = given;
  const lookUp = (source: number) => bindings.entry(source).value;
  const own = side === "a" ? dot.m : dot.n;
  const bulk = bulkView(dot[side], half, lookUp, { k: dot.k, own });
  if (bulk !== undefined) return new BulkOperand(given, bulk, builder, bindings);
  const rows = side === "a" ? rowView(dot.a, half, lookUp, dot.k) : undefined;
  if (rows !== undefined) return new GatheredOperand(given, rows, bindings);
  throw new Error(`internal: ${side} of a product of ${kernel.name} cannot be copied as it lies`);
}

/** An axis whose points a call decides has as many as what is bound holds. */
function mapAxis({ extent, stride }: ViewAxis, box: number): MapAxis {
  return { extent: typeof extent === "number" ? extent : "rows", stride, box };
}

function maxI(a: ThreadExpr, b: ThreadExpr): ThreadExpr {
  return call("max", I32, a, b);
}
