/**
 * @file Whether an operand of a product is a tensor that the bulk copy engine can cut tiles from: 16-bit numbers whose offset is linear in
 * the axes of the kernel, innermost along k or along the operand's own axis (m or n), everything else standing still within a tile.
 */
import { type AxisExtent, add, axesOf, type Expr, int, loadsOf, mul } from "./expr.ts";
import type { PlanValue } from "./plan.ts";
import { affineIn, simplify } from "./simplify.ts";
import type { Half } from "./thread.ts";

export interface BulkView {
  readonly source: number;
  /** Which of the two is innermost in memory. */
  readonly along: "k" | "own";
  readonly k: ViewAxis;
  readonly own: ViewAxis;
  /** The axes that stand still. */
  readonly still: readonly ViewAxis[];
}

export interface ViewAxis {
  readonly name: string;
  readonly extent: AxisExtent;
  /** Elements between neighbours. */
  readonly stride: number;
}

/** The copy engine's axes, and the elements of 16 bytes, which its strides are multiples of. */
const MOST_AXES = 5;
const ALIGNED = 8;

/**
 * `e`: an operand of a product over `k` whose rows or columns are `own`. Undefined: something must be computed on the way, or memory
 * lies in another order. An operand is free of the product's other axis as it is.
 */
export function bulkView(
  e: Expr,
  half: Half,
  lookUp: (source: number) => PlanValue,
  { k, own }: { readonly k: string; readonly own: string },
): BulkView | undefined {
  if (e.kind !== "load") return undefined;
  const { packing, strides, unit } = lookUp(e.source);
  const plain = packing?.element === half && packing.blocks === undefined && packing.scale === undefined;
  if (!plain || e.index.some((index) => loadsOf(index).length > 0) || unit % ALIGNED !== 0) return undefined;
  const offset = e.index.reduce<Expr>((sum, index, j) => add(sum, mul(index, int(strides[j] ?? 0))), int(0));
  const axes = linearIn(simplify(offset));
  if (axes === undefined || axes.length > MOST_AXES) return undefined;
  const [alongK, alongOwn] = [k, own].map((name) => axes.find((axis) => axis.name === name));
  if (alongK === undefined || alongOwn === undefined) return undefined;
  const along = alongK.stride === 1 ? "k" : alongOwn.stride === 1 ? "own" : undefined;
  if (along === undefined) return undefined;
  const inner = along === "k" ? alongK : alongOwn;
  if (!axes.every((axis) => axis === inner || (axis.stride > 0 && axis.stride % ALIGNED === 0)))
    return undefined;
  const still = axes.filter((axis) => axis !== alongK && axis !== alongOwn);
  return { source: e.source, along, k: alongK, own: alongOwn, still };
}

/** Rows that lie anywhere, each with its k side by side: what threads copy 16 bytes at a time where the copy engine cannot. */
export interface RowView {
  readonly source: number;
  /** Where a row begins, in groups of 16 bytes: of the operand's own axis, of what is read at it, and of axes that stand still. */
  readonly row: Expr;
}

/** `e`: an operand of a product over `k`, as for `bulkView`. */
export function rowView(
  e: Expr,
  half: Half,
  lookUp: (source: number) => PlanValue,
  k: string,
): RowView | undefined {
  if (e.kind !== "load") return undefined;
  const { packing, strides, unit } = lookUp(e.source);
  const plain = packing?.element === half && packing.blocks === undefined && packing.scale === undefined;
  const last = e.index.findIndex((index) => index.kind === "axis" && index.name === k);
  const others = e.index.map((index, j) => ({ index, stride: strides[j] ?? 0 })).filter((_, j) => j !== last);
  const aligned = others.every(({ index, stride }) => stride % ALIGNED === 0 && !axesOf(index).has(k));
  if (!plain || !aligned || unit % ALIGNED !== 0 || strides[last] !== 1) return undefined;
  const row = others.reduce<Expr>(
    (sum, { index, stride }) => add(sum, mul(index, int(stride / ALIGNED))),
    int(0),
  );
  return { source: e.source, row: simplify(row) };
}

/** The axes of a sum of their multiples; undefined if it is none. */
function linearIn(offset: Expr): ViewAxis[] | undefined {
  const axes: ViewAxis[] = [];
  let rest = offset;
  for (const { name, extent } of axesOf(offset).values()) {
    const form = affineIn(rest, name);
    if (form === undefined) return undefined;
    axes.push({ name, extent, stride: form.coef });
    rest = simplify(form.rest);
  }
  return rest.kind === "const" && rest.value === 0 ? axes : undefined;
}
