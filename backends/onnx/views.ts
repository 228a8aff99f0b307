/**
 * @file Reading a value through an index map: a slice, a reshape, a transpose and a reshape at most, each left out where it
 * changes nothing; a gather of flat indices where the map has no such form (`digits.ts`).
 */
import type { Extent } from "../../src/ir/expr.ts";
import { compileMap, type IndexMap, isIdentity, printMap, stridesOf } from "../../src/ir/indexmap.ts";
import { forEachIndex } from "../../src/ir/ops/tensor.ts";
import type { Builder } from "./builder.ts";
import { type Digit, planView, type SourceAxis, type ViewPlan } from "./digits.ts";
import { permutation, rowMajor, sameOrder, storedDims, type Value } from "./value.ts";

/** The largest list of ends: `Slice` cuts it to what is there. */
const END = 2 ** 31 - 1;

/** The same value with its axes stored in this order. */
export function inOrder(out: Builder, value: Value, order: readonly number[], about: string): Value {
  if (sameOrder(value.order, order)) return value;
  const perm = permutation(value.order, order);
  const dims = storedDims(value);
  const moving = perm.filter((place) => dims[place] !== 1);
  const target = storedDims({ ...value, order });
  // An axis that is stored once may go anywhere.
  const sorted = moving.every((place, i) => i === 0 || moving[i - 1] < place);
  const name = out.once(`order:${value.name}:${perm.join()}`, () =>
    sorted
      ? out.node("Reshape", [value.name, out.ints(target)], about)
      : out.node("Transpose", [value.name], about, { perm }),
  );
  return { ...value, name, order: [...order] };
}

/** What an op sees of `value` through `map`, stored in the order `want` of the view's axes (default: as is, else row-major). */
export function viewOf(
  out: Builder,
  value: Value,
  map: IndexMap | undefined,
  want: readonly number[] | undefined,
  about: string,
): Value {
  if (map === undefined || isIdentity(map, value.shape))
    return want === undefined ? value : inOrder(out, value, want, about);
  const order = want ?? rowMajor(map.out);
  const { source, batchAxis } = withoutBatch(value, map);
  const plan = planView(source.map, source.shape, batchAxis);
  const flat = map.out.map((extent, axis) => {
    if (axis === batchAxis) return value.flat[0];
    if (typeof extent !== "number") return true;
    return extent > 1 && (plan?.digits[axis].every((digit) => digit.repeats) ?? false);
  });
  const shape: Value = { name: "", dtype: value.dtype, shape: map.out, order, flat };
  const key = `view:${value.name}:${value.order.join()}:${printMap(map)}:${order.join()}`;
  const pieces = plan && piecesOf(value, plan, batchAxis);
  if (plan === undefined || pieces === undefined) return gathered(out, value, map, batchAxis, order, about);
  return { ...shape, name: out.once(key, () => rearranged(out, value, plan, pieces, shape, about)) };
}

/** The map and the extents of the source's axes behind its batch axis, as they are stored. */
function withoutBatch(value: Value, map: IndexMap) {
  const hasBatch = typeof value.shape[0] !== "number" && value.shape.length > 0;
  const first = hasBatch ? 1 : 0;
  const stored = value.shape.slice(first).map((extent, j) => (value.flat[first + j] ? 1 : Number(extent)));
  let batchAxis: number | undefined;
  if (hasBatch) {
    const [lead] = map.index;
    if (lead?.kind !== "axis") throw new Error("internal: a view that picks one of the batch");
    batchAxis = Number(lead.name.slice(1));
  }
  return { source: { map: { out: map.out, index: map.index.slice(first) }, shape: stored }, batchAxis };
}

/** An axis of the source after it was split: a digit of the view, the batch, or one that is read at a single place. */
interface Piece {
  readonly extent: number;
  readonly digit?: Digit;
  readonly batch?: true;
  /** Elements [from, from + count) of it are read, where not all are. */
  readonly cut?: { readonly from: number; readonly count: number };
}

interface Pieces {
  /** Slices of the source's stored axes, before they are split. */
  readonly slices: readonly {
    readonly place: number;
    readonly from: number;
    readonly to: number;
    readonly step: number;
  }[];
  readonly pieces: readonly Piece[];
}

/** Undefined where some axis cannot be split into its digits. */
function piecesOf(value: Value, plan: ViewPlan, batchAxis: number | undefined): Pieces | undefined {
  const first = batchAxis === undefined ? 0 : 1;
  const slices: { place: number; from: number; to: number; step: number }[] = [];
  const pieces: Piece[] = [];
  for (const [place, axis] of value.order.entries()) {
    if (axis < first) {
      pieces.push({ extent: value.flat[axis] ? 1 : -1, batch: true });
      continue;
    }
    const extent = value.flat[axis] ? 1 : Number(value.shape[axis]);
    const split = splitAxis(plan.source[axis - first], extent);
    if (split === undefined) return undefined;
    if (split.slice) slices.push({ place, ...split.slice });
    pieces.push(...split.pieces);
  }
  return { slices, pieces };
}

interface SplitAxis {
  readonly slice?: { readonly from: number; readonly to: number; readonly step: number };
  readonly pieces: readonly Piece[];
}

function splitAxis({ from, to, digits }: SourceAxis, extent: number): SplitAxis | undefined {
  const sliced = from > 0 || to < extent;
  const contiguous = digits.every(
    (d, i) => d.step === (digits[i + 1]?.step ?? 1) * (digits[i + 1]?.extent ?? 1),
  );
  if (digits.length === 0 || contiguous) {
    const pieces = digits.map((digit): Piece => ({ extent: digit.extent, digit }));
    return {
      ...(sliced && { slice: { from, to, step: 1 } }),
      pieces: pieces.length > 0 ? pieces : [{ extent: 1 }],
    };
  }
  if (digits.length === 1) {
    const [digit] = digits;
    return { slice: { from, to, step: digit.step }, pieces: [{ extent: digit.extent, digit }] };
  }
  return gapped(from, extent, digits);
}

/** Digits with gaps between them: the axis is split evenly and each piece cut. */
function gapped(from: number, extent: number, digits: readonly Digit[]): SplitAxis | undefined {
  const pieces: Piece[] = [];
  let above = extent;
  let rest = from;
  for (const digit of digits) {
    if (above % digit.step !== 0) return undefined;
    const size = above / digit.step;
    const at = Math.floor(rest / digit.step);
    if (at + digit.extent > size) return undefined;
    const whole = at === 0 && digit.extent === size;
    pieces.push({ extent: size, digit, ...(!whole && { cut: { from: at, count: digit.extent } }) });
    rest -= at * digit.step;
    above = digit.step;
  }
  if (above > 1) pieces.push({ extent: above, cut: { from: rest, count: 1 } });
  return { pieces };
}

function rearranged(
  out: Builder,
  value: Value,
  plan: ViewPlan,
  { slices, pieces }: Pieces,
  view: Value,
  about: string,
): string {
  let name = value.name;
  let dims = storedDims(value);
  const reshape = (to: readonly number[]): void => {
    if (to.length !== dims.length || to.some((extent, p) => extent !== dims[p]))
      name = out.node("Reshape", [name, out.ints(to)], about);
    dims = [...to];
  };
  const slice = (cuts: Pieces["slices"]): void => {
    if (cuts.length === 0) return;
    const columns = [cuts.map((c) => c.from), cuts.map((c) => c.to), cuts.map((c) => c.place)];
    const steps = cuts.some((c) => c.step !== 1) ? [out.ints(cuts.map((c) => c.step))] : [];
    name = out.node("Slice", [name, ...columns.map((list) => out.ints(list)), ...steps], about);
    for (const { place, from, to, step } of cuts) dims[place] = Math.ceil((to - from) / step);
  };
  slice(slices);
  reshape(pieces.map((piece) => piece.extent));
  slice(
    pieces.flatMap(({ cut }, place) =>
      cut ? [{ place, from: cut.from, to: Math.min(END, cut.from + cut.count), step: 1 }] : [],
    ),
  );
  const kept = pieces.filter((piece) => piece.digit !== undefined || piece.batch);
  const keptDims = dims.filter((_, p) => kept.includes(pieces[p]));
  // The digits in the order in which the view stores them.
  const wanted = view.order.flatMap((axis) => {
    const digits = kept.filter((piece) => piece.digit?.axis === axis);
    const batch = kept.filter((piece) => piece.batch && typeof view.shape[axis] !== "number");
    return [...batch, ...digits.toSorted((a, b) => (a.digit?.place ?? 0) - (b.digit?.place ?? 0))];
  });
  const perm = wanted.map((piece) => kept.indexOf(piece));
  if (perm.some((from, p) => from !== p)) {
    reshape(keptDims);
    name = out.node("Transpose", [name], about, { perm });
    dims = perm.map((from) => keptDims[from]);
  }
  const repeated = view.order.some((axis) => !view.flat[axis] && plan.digits[axis].some((d) => d.repeats));
  if (repeated) {
    const digits = view.order.flatMap((axis) => digitsToStretch(plan, view, axis));
    reshape(digits.map((d) => (d.repeats ? 1 : d.extent)));
    const to = digits.map((d) => (d.extent === -1 ? 1 : d.extent));
    name = out.node("Expand", [name, out.ints(to)], about);
    dims = digits.map((d) => d.extent);
  }
  reshape(storedDims(view));
  return name;
}

/** An axis of the view as it lies before its repeats are written out: an axis that stays stored once counts as 1. */
function digitsToStretch(plan: ViewPlan, view: Value, axis: number): ViewPlan["digits"][number] {
  if (typeof view.shape[axis] !== "number") return [{ extent: view.flat[axis] ? 1 : -1, repeats: false }];
  return view.flat[axis] ? [{ extent: 1, repeats: false }] : plan.digits[axis];
}

/** A view without a form in digits: a gather of flat indices, one for each element that differs. */
function gathered(
  out: Builder,
  value: Value,
  map: IndexMap,
  batchAxis: number | undefined,
  want: readonly number[],
  about: string,
): Value {
  const first = batchAxis === undefined ? 0 : 1;
  const sizes = value.shape.slice(first).map((extent, j) => (value.flat[first + j] ? 1 : Number(extent)));
  const inner = { out: map.out.map((e) => (typeof e === "number" ? e : 1)), index: map.index.slice(first) };
  const strides = stridesOf(sizes).map((step, j) => (sizes[j] === 1 ? 0 : step));
  const flatOf = compileMap(inner, strides);
  const list: number[] = [];
  forEachIndex(inner.out, (index) => {
    list.push(flatOf(index));
  });
  const others = rowMajor(map.out).filter((axis) => axis !== batchAxis);
  const order = batchAxis === undefined ? others : [batchAxis, ...others];
  const dims = others.map((axis) => inner.out[axis]);
  const lead = batchAxis === undefined ? [] : [value.flat[0] ? 1 : -1];
  const dense = inOrder(out, value, rowMajor(value.shape), about);
  const total = sizes.reduce((product, extent) => product * extent, 1);
  const rows = out.node("Reshape", [dense.name, out.ints([...lead, total])], about);
  const index = out.data("int64", dims, list, `${about}/index`);
  const name = out.node("Gather", [rows, index], about, { axis: lead.length });
  const flat = map.out.map((extent, axis) =>
    axis === batchAxis ? value.flat[0] : typeof extent !== "number",
  );
  return inOrder(out, { name, dtype: value.dtype, shape: map.out, order, flat }, want, about);
}

/** Stretches the axes that are stored once and that `which` names; `batch` gives the size of a batch axis as [1] of int64. */
export function stretched(
  out: Builder,
  value: Value,
  which: (axis: number) => boolean,
  batch: (extent: Extent) => string,
  about: string,
): Value {
  const axes = value.order.filter((axis) => value.flat[axis] && which(axis));
  if (axes.length === 0) return value;
  const dims = value.order.map((axis) => (axes.includes(axis) ? value.shape[axis] : 1));
  const at = dims.findIndex((extent) => typeof extent !== "number");
  const fixed = dims.map((extent) => (typeof extent === "number" ? extent : 1));
  const name = out.once(`stretch:${value.name}:${dims.join()}`, () => {
    const runs = [fixed.slice(0, at), fixed.slice(at + 1)].map((run) =>
      run.length > 0 ? [out.ints(run)] : [],
    );
    const shape =
      at < 0
        ? out.ints(fixed)
        : out.node("Concat", [...runs[0], batch(dims[at]), ...runs[1]], about, { axis: 0 });
    return out.node("Expand", [value.name, shape], about);
  });
  return { ...value, name, flat: value.flat.map((f, axis) => f && !axes.includes(axis)) };
}
