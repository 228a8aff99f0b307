/**
 * @file Index maps as what ONNX can say: slices, a reshape, a transpose, a reshape. A view's flat index is a sum of functions
 * of one axis each; each of these is written in mixed radix, f(i) = Σ digit_p(i) · stride_p, as token mixing's
 *
 *     (i0, i1: 16, 128) -> [i1 // 8, i0 * 8 + i1 % 8]     i1 = (16 digits of stride 128) (8 digits of stride 1)
 *
 * and every digit then belongs to one axis of the source: splitting the source's axes into these digits, permuting them and
 * merging them again is the view. Windows that overlap and diagonals have no such form; they are gathered.
 */
import { axesOf } from "../../src/ir/expr.ts";
import { compilePoint, type IndexMap, stridesOf } from "../../src/ir/indexmap.ts";
import { linearOf } from "../../src/ir/linear.ts";
import { simplify } from "../../src/ir/simplify.ts";

/** A digit of an axis of the view, stepping `step` elements along an axis of the source. */
export interface Digit {
  readonly extent: number;
  readonly step: number;
  /** The axis of the view and the digit's place in it, outermost first. */
  readonly axis: number;
  readonly place: number;
}

export interface SourceAxis {
  /** The elements [from, to) are read. */
  readonly from: number;
  readonly to: number;
  /** Outermost first, not overlapping. */
  readonly digits: readonly Digit[];
}

export interface ViewPlan {
  /** One for each axis of the source. */
  readonly source: readonly SourceAxis[];
  /** For each axis of the view its digits, outermost first, and whether nothing moves along one. */
  readonly digits: readonly (readonly { readonly extent: number; readonly repeats: boolean }[])[];
}

interface Radix {
  readonly extent: number;
  readonly stride: number;
}

/**
 * The digits of a view `map` of a value of extents `shape`, both without their batch axes (`skip` names the batch axis of the
 * view, if there is one, and `map.index` lacks the source's). Undefined where it has no such form.
 */
export function planView(
  map: IndexMap,
  shape: readonly number[],
  skip: number | undefined,
): ViewPlan | undefined {
  if (!isSeparable(map)) return undefined;
  const strides = stridesOf(shape);
  const points = map.index.map(compilePoint);
  const flatAt = (at: readonly number[]): number =>
    points.reduce((sum, f, j) => sum + (shape[j] === 1 ? 0 : f(at) * strides[j]), 0);
  const origin = map.out.map(() => 0);
  const base = flatAt(origin);
  const source = shape.map((_, j) => ({
    offset: Math.floor(base / strides[j]) % shape[j],
    digits: [] as Digit[],
  }));
  const digits: { extent: number; repeats: boolean }[][] = [];
  for (const [axis, extent] of map.out.entries()) {
    if (axis === skip || typeof extent !== "number") {
      digits.push([]);
      continue;
    }
    const values = Float64Array.from({ length: extent }, (_, i) => flatAt(origin.with(axis, i)) - base);
    const radices = mixedRadix(values);
    const parts = radices && alongAxes(radices, shape, strides);
    if (parts === undefined) return undefined;
    for (const [place, { j, extent: size, step }] of parts.entries()) {
      if (j !== undefined) source[j].digits.push({ extent: size, step, axis, place });
    }
    digits.push(parts.map((part) => ({ extent: part.extent, repeats: part.j === undefined })));
  }
  const read: SourceAxis[] = [];
  for (const [j, { offset, digits: unordered }] of source.entries()) {
    const ordered = unordered.toSorted((a, b) => b.step - a.step);
    const to = offset + ordered.reduce((sum, d) => sum + (d.extent - 1) * d.step, 0) + 1;
    const overlaps = ordered.some((d, i) => i > 0 && ordered[i - 1].step < d.step * d.extent);
    if (to > shape[j] || overlaps) return undefined;
    read.push({ from: offset, to, digits: ordered });
  }
  return { source: read, digits };
}

/** Whether every index is a sum of functions of one axis each. */
function isSeparable({ index }: IndexMap): boolean {
  return index.every((e) => linearOf(simplify(e)).terms.every(({ atom }) => axesOf(atom).size <= 1));
}

/** f(i) = Σ digit · stride, outermost first; undefined where f has no such form with strides of at least 0. */
function mixedRadix(f: Float64Array): Radix[] | undefined {
  const n = f.length;
  if (n <= 1) return [];
  const stride = f[1] - f[0];
  if (stride < 0) return undefined;
  let run = 2;
  while (run < n && f[run] === run * stride) run++;
  while (n % run !== 0) run--;
  if (run === 1) return undefined;
  for (let i = 0; i < n; i++) {
    const low = i % run;
    if (f[i] !== f[i - low] + low * stride) return undefined;
  }
  const outer = mixedRadix(Float64Array.from({ length: n / run }, (_, q) => f[q * run]));
  return outer && [...outer, { extent: run, stride }];
}

interface Part {
  /** The source's axis; undefined: repeats. */
  readonly j: number | undefined;
  readonly extent: number;
  readonly step: number;
}

/** Each digit within one axis of the source: one that runs through several is split where they meet. */
function alongAxes(
  radices: readonly Radix[],
  shape: readonly number[],
  strides: readonly number[],
): Part[] | undefined {
  const parts: Part[] = [];
  for (const { extent, stride } of radices) {
    if (stride === 0) {
      parts.push({ j: undefined, extent, step: 0 });
      continue;
    }
    const split: Part[] = [];
    let rest = extent;
    let step = stride;
    while (rest > 1) {
      const j = shape.findIndex((size, k) => size > 1 && strides[k] <= step);
      if (j < 0 || step % strides[j] !== 0) return undefined;
      const here = (strides[j] * shape[j]) / step;
      const size = rest * step > strides[j] * shape[j] ? here : rest;
      if (size <= 1 || !Number.isInteger(size) || rest % size !== 0) return undefined;
      split.unshift({ j, extent: size, step: step / strides[j] });
      rest /= size;
      step *= size;
    }
    parts.push(...split);
  }
  return parts;
}
