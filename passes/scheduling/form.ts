/**
 * @file What form a kernel takes, which its tile program decides whatever the device: a product, a score product, rows whose
 * lanes share a sweep, or points that share nothing. A schedule fills the form with figures.
 */
import type { Expr } from "../../src/ir/expr.ts";
import type { Plan, PlanValue } from "../../src/ir/plan.ts";
import { points } from "../../src/ir/schedule.ts";
import type { ScoreStmt, TileKernel, TileStmt } from "../../src/ir/tile.ts";
import { flattenGrid } from "../fusion/flatten.ts";

export type Form =
  | { readonly form: "list" }
  | { readonly form: "score"; readonly score: ScoreStmt }
  | { readonly form: "dot"; readonly dot: Extract<TileStmt, { kind: "dot" }> }
  | { readonly form: "row" }
  /** `vector`: the last axis is handled four points at a time. */
  | { readonly form: "element"; readonly vector: 1 | 4 };

export function formOf(kernel: TileKernel, values: readonly PlanValue[]): Form {
  if (kernel.lists) return { form: "list" };
  for (const s of kernel.body) {
    if (s.kind === "score") return { form: "score", score: s };
    if (s.kind === "dot") return { form: "dot", dot: s };
  }
  const shared = kernel.body.some((s) => s.kind === "store" && s.over.length > 0);
  // A sum over experts reads rows whose columns are the grid's last axis: they are what a workgroup shares.
  const combines = kernel.buffers.some(({ value }) => values[value].home.kind === "list") && !kernel.indirect;
  const innermost = !combines && kernel.body.some((s) => sharesInnermost(s, kernel, values));
  if (shared || innermost) return { form: "row" };
  const last = kernel.grid.at(-1);
  return { form: "element", vector: last && inFours(last.extent) ? 4 : 1 };
}

/** Points of the last axis from which on a workgroup keeps to one row of them. */
const LONG = 128;

/**
 * The kernel over the grid that its schedules speak of: element-wise kernels whose last axis is short run over one axis for all.
 * The same for a kernel that is in that form already.
 */
export function prepared(kernel: TileKernel, values: readonly PlanValue[]): TileKernel {
  const form = formOf(kernel, values);
  const last = kernel.grid.at(-1);
  if (form.form !== "element" || last === undefined) return kernel;
  const long = form.vector === 4 && typeof last.extent === "number" && last.extent >= LONG;
  return long ? kernel : flattenGrid(kernel);
}

/** Of rows that a gate may choose, the share to tune for. */
const CHOSEN = 0.5;

/** How many points of the axis `name` a call with `rows` rows of the batch axis has; of a list, each group. */
export function pointsExpected(kernel: TileKernel, name: string, rows: number): number {
  const along = kernel.grid.find((a) => a.name === name);
  const all = points(along?.extent ?? 1, rows);
  if (!along?.rows?.group) return all;
  return (all * CHOSEN) / along.rows.group.reduce((n, g) => n * g.extent, 1);
}

/** Rows of the batch axis that an axis counts, in a call of the size to tune for. */
export function servedRows(kernel: TileKernel, { serve }: Pick<Plan, "serve">): number {
  const of = kernel.grid.flatMap((a) => (typeof a.extent === "number" ? [] : [a.extent.of]))[0];
  return of === "N" ? serve.candidates : of === "R" ? serve.requests : 1;
}

function inFours(extent: TileKernel["grid"][number]["extent"]): boolean {
  return typeof extent === "number" && extent % 4 === 0;
}

/** Whether neighbours along a reduced axis are neighbours in memory for some value that the statement sums. */
function sharesInnermost(s: TileStmt, kernel: TileKernel, values: readonly PlanValue[]): boolean {
  if (s.kind !== "reduce" && s.kind !== "moments") return false;
  const last = s.over[s.over.length - 1];
  const size = kernel.inner.find((a) => a.name === last)?.extent ?? 1;
  if (size < 8) return false;
  const isAdjacent = (e: Expr): boolean => {
    if (e.kind === "load")
      return e.index.some((i, axis) => values[e.source].strides[axis] === 1 && mentions(i, last));
    return e.kind === "apply" && e.args.some(isAdjacent);
  };
  return isAdjacent(s.value);
}

function mentions(e: Expr, name: string): boolean {
  if (e.kind === "axis") return e.name === name;
  return e.kind === "apply" && e.args.some((a) => mentions(a, name));
}
