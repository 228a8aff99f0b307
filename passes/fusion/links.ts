/**
 * @file Along which grid axes what a kernel reads is what the same point has stored. Of a value that one kernel stores and another
 * reads, an axis is *aligned* if wherever the reader looks, its own index along the axis is the index at which the element was stored:
 *
 *     s[n, t, d] = …            in kernel P, at its (n, t, d)
 *     … s[n, t, k] …            in kernel Q: aligned along n and t, not along d
 *     … s[n, d // 8, …] …       in kernel Q: aligned along n alone
 *
 * Rows of the batch count as one axis however a kernel writes them: `n`, or `m // 16` where an axis runs over 16 points a row.
 */
import { type Expr, walkExpr } from "../../src/ir/expr.ts";
import { expressionsOf, type TileKernel } from "../../src/ir/tile.ts";

/** What an index is made of: a row of the batch, perhaps through a table of slots, or a point of an axis of known extent. */
type Position =
  | { readonly kind: "batch"; readonly through: number | undefined }
  | { readonly kind: "axis"; readonly name: string };

export interface Link {
  /** The reader works on the rows of the batch that it reads. */
  readonly batch: boolean;
  /** Pairs of axes, the writer's and the reader's. */
  readonly axes: readonly { readonly from: string; readonly to: string }[];
}

/** How `reader` reads what `writer` stores; undefined if it reads nothing of it. */
export function linkOf(writer: TileKernel, reader: TileKernel): Link | undefined {
  let link: Link | undefined;
  for (const s of writer.body) {
    if (s.kind !== "store") continue;
    const stored = s.index.map((e) => positionOf(writer, e));
    for (const index of readsOf(reader, s.target)) {
      const read = index.map((e) => positionOf(reader, e));
      const pairs = stored.map((from, j) => [from, read[j]] as const);
      const own: Link = {
        batch: pairs.some(([a, b]) => a?.kind === "batch" && b?.kind === "batch" && a.through === b.through),
        axes: pairs.flatMap(([a, b]) =>
          a?.kind === "axis" && b?.kind === "axis" ? [{ from: a.name, to: b.name }] : [],
        ),
      };
      link = link === undefined ? own : common(link, own);
    }
  }
  return link;
}

function common(a: Link, b: Link): Link {
  const both = a.axes.filter((p) => b.axes.some((q) => q.from === p.from && q.to === p.to));
  return { batch: a.batch && b.batch, axes: both };
}

/** The indices at which a kernel loads a value. */
function readsOf(kernel: TileKernel, value: number): (readonly Expr[])[] {
  const found: (readonly Expr[])[] = [];
  for (const s of kernel.body) {
    for (const e of expressionsOf(s)) {
      walkExpr(e, (node) => {
        if (node.kind === "load" && node.source === value) found.push(node.index);
      });
    }
  }
  return found;
}

function positionOf(kernel: TileKernel, e: Expr): Position | undefined {
  if (e.kind === "load") {
    const [index] = e.index;
    const at = e.index.length === 1 && index !== undefined ? positionOf(kernel, index) : undefined;
    return at?.kind === "batch" && at.through === undefined
      ? { kind: "batch", through: e.source }
      : undefined;
  }
  const row = rowOf(e);
  const along = kernel.grid.find((a) => a.name === row?.name);
  if (row === undefined || along === undefined || along.rows) return undefined;
  if (typeof along.extent === "number")
    return row.times === 1 ? { kind: "axis", name: along.name } : undefined;
  return along.extent.times === row.times ? { kind: "batch", through: undefined } : undefined;
}

/** `axis` or `axis // times`. */
function rowOf(e: Expr): { readonly name: string; readonly times: number } | undefined {
  if (e.kind === "axis") return { name: e.name, times: 1 };
  if (e.kind !== "apply" || e.fn !== "floordiv") return undefined;
  const [of, by] = e.args;
  return of?.kind === "axis" && by?.kind === "const" ? { name: of.name, times: by.value } : undefined;
}
