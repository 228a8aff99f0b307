/**
 * @file The axes of a kernel that is being made: those of its grid, over which its points are independent, and those that a point goes
 * along. Each is added with the name by which expressions of the kernel know it.
 */
import { type AxisExtent, axis, type Expr, type Extent } from "../../src/ir/expr.ts";
import type { ActiveRows, Node, Op } from "../../src/ir/graph.ts";
import type { GridAxis, InnerAxis } from "../../src/ir/tile.ts";
import { split } from "./labels.ts";
import type { Reader } from "./reader.ts";
import { RowPoint } from "./rows.ts";
import type { ValueTable } from "./values.ts";

export class KernelAxes {
  readonly grid: GridAxis[] = [];
  readonly inner: InnerAxis[] = [];
  private readonly reader: Reader;
  private readonly lists: ValueTable["lists"];
  /** The active rows that the kernel computes, if it does not compute all. */
  private readonly rows: ActiveRows | undefined;

  constructor(reader: Reader, lists: ValueTable["lists"], rows: ActiveRows | undefined) {
    this.reader = reader;
    this.lists = lists;
    this.rows = rows;
  }

  addGrid(name: string, extent: AxisExtent | Extent): Expr {
    const size: AxisExtent = extent === "R" || extent === "N" ? { of: extent, times: 1 } : extent;
    this.grid.push({ name, extent: size, tile: 1 });
    return axis(name, size);
  }

  addInner(name: string, extent: number): Expr {
    this.inner.push({ name, extent, step: 1 });
    return axis(name, extent);
  }

  /** A point of the grid for each axis; `axes` are their numbers in the node, whose rows a list may stand for. */
  gridOf(
    shape: readonly Extent[],
    names: readonly string[],
    axes: readonly number[] = shape.map((_, i) => i),
  ): Expr[] {
    if (this.rows) this.openRows(this.rows, false);
    return shape.map((s, i) => this.reader.row?.along(axes[i]) ?? this.addGrid(names[i], s));
  }

  /** Adds the axis of the list of active rows. */
  private openRows(rows: ActiveRows, tiled: boolean): RowPoint {
    this.reader.row = new RowPoint(this.lists.of(rows), rows, tiled);
    this.grid.push(this.reader.row.grid);
    return this.reader.row;
  }

  /** The rows of a product are the list's; each tile of them is of one group. */
  rowsOfProduct(rows: ActiveRows, op: Extract<Op, { kind: "einsum" }>, at: Map<number, Expr>): string {
    const { index, grid } = this.openRows(rows, true);
    rows.axes.forEach((a, i) => {
      at.set(op.out[a], index[i]);
    });
    return grid.name;
  }

  /** One grid axis for several labels, row-major. Its batch label, if any, comes first. */
  flatten(
    labels: readonly number[],
    sizes: ReadonlyMap<number, Extent>,
    name: string,
    at: Map<number, Expr>,
  ): string {
    const batch = labels.filter((l) => typeof sizes.get(l) !== "number");
    const ordered = [...batch, ...labels.filter((l) => !batch.includes(l))];
    const times = ordered.reduce((p, l) => {
      const s = sizes.get(l);
      return typeof s === "number" ? p * s : p;
    }, 1);
    const of = batch.length > 0 ? (sizes.get(batch[0]) as "R" | "N") : undefined;
    const extent: AxisExtent = of ? { of, times } : times;
    this.grid.push({ name, extent, tile: 1 });
    split(axis(name, extent), ordered, sizes, at);
    return name;
  }

  labelSizes(node: Node, op: Extract<Op, { kind: "einsum" }>): Map<number, Extent> {
    const sizes = new Map<number, Extent>();
    op.operands.forEach((labels, k) => {
      const shape = this.reader.seen(node.inputs[k]);
      labels.forEach((l, i) => {
        sizes.set(l, shape[i]);
      });
    });
    return sizes;
  }
}
