/**
 * @file The reference's inner loops for einsum: the product of one or two strided tensors, summed over the labels
 * that the result lacks.
 *
 * The label that is contiguous in the larger operand runs innermost, as an axpy where the result has it (four rows of
 * weights a sweep) and as a dot product where it does not, so that weights stream through the cache once. A factor that is exactly 0 skips its
 * term: an expert whose gate is 0 contributes 0 even where its output is not finite. Since 0·∞ and 0·NaN are NaN,
 * the fast loops run unguarded and only a NaN sends a row to the guarded form.
 */

import { stridesOf } from "../indexmap.ts";
import { numel, type Tensor } from "./tensor.ts";

/** One level of the loop nest; steps are in elements of the factors and of the result (0: it does not have the label). */
interface Loop {
  readonly extent: number;
  readonly a: number;
  readonly b: number;
  readonly out: number;
}

const ONE: Tensor = { shape: [], dtype: "num", data: new Float64Array([1]) };

/** out[target…] = Σ a[…]·b[…] with axes named by `labels`; a lone operand is multiplied by 1. */
export function contractPair(
  operands: readonly Tensor[],
  labels: readonly (readonly number[])[],
  target: readonly number[],
): Tensor {
  const [a, b = ONE] = operands;
  const extents = new Map<number, number>();
  for (const [k, operand] of operands.entries()) {
    for (const [j, label] of labels[k].entries()) extents.set(label, operand.shape[j]);
  }
  const shape = target.map((label) => extents.get(label) ?? 0);
  const out = new Float64Array(numel(shape));
  const aSteps = stepsOf(a, labels[0]);
  const bSteps = stepsOf(b, labels[1] ?? []);
  const outStrides = stridesOf(shape);
  const order = [...target, ...[...extents.keys()].filter((label) => !target.includes(label))];
  const loops = order.map((label): Loop => {
    const at = target.indexOf(label);
    const step = at < 0 ? 0 : outStrides[at];
    return {
      extent: extents.get(label) ?? 0,
      a: aSteps.get(label) ?? 0,
      b: bSteps.get(label) ?? 0,
      out: step,
    };
  });
  if (loops.every((loop) => loop.extent > 0)) run(a, b, out, innermostLast(loops));
  return { shape, dtype: "num", data: out };
}

/** Elements to move for a step of each label; a repeated label walks the diagonal. */
function stepsOf(tensor: Tensor, labels: readonly number[]): Map<number, number> {
  const strides = tensor.strides ?? stridesOf(tensor.shape);
  const steps = new Map<number, number>();
  for (const [j, label] of labels.entries()) steps.set(label, (steps.get(label) ?? 0) + strides[j]);
  return steps;
}

/** Moves the loop that is contiguous in the most varied data to the end; the result's labels stay outermost otherwise. */
function innermostLast(loops: readonly Loop[]): Loop[] {
  const spanned = (side: "a" | "b"): number =>
    loops.reduce((n, loop) => (loop[side] === 0 ? n : n * loop.extent), 1);
  const large = spanned("b") >= spanned("a") ? "b" : "a";
  const contiguous = loops.findIndex((loop) => loop[large] === 1 && loop.extent > 1);
  const chosen = contiguous < 0 ? loops.length - 1 : contiguous;
  return [...loops.filter((_, i) => i !== chosen), ...loops.slice(chosen, chosen + 1)];
}

/** A loop as the kernels see it: x is the factor that is a scalar along the innermost loop, if one is. */
interface Steps {
  readonly extent: number;
  readonly x: number;
  readonly y: number;
  readonly out: number;
}

function run(a: Tensor, b: Tensor, out: Float64Array, loops: readonly Loop[]): void {
  const last = loops.at(-1);
  const swap = last !== undefined && last.a !== 0 && last.b === 0;
  const [x, y] = swap ? [b, a] : [a, b];
  const steps = loops.map((loop): Steps => {
    const [xStep, yStep] = swap ? [loop.b, loop.a] : [loop.a, loop.b];
    return { extent: loop.extent, x: xStep, y: yStep, out: loop.out };
  });
  const none: Steps = { extent: 1, x: 0, y: 0, out: 0 };
  const inner = steps.at(-1) ?? none;
  const middle = steps.at(-2) ?? none;
  const outer = steps.slice(0, -2);
  const kernel = kernelFor(middle, inner);
  const counter = outer.map(() => 0);
  let xAt = x.offset ?? 0;
  let yAt = y.offset ?? 0;
  let outAt = 0;
  for (;;) {
    kernel({ out, x: x.data, y: y.data, middle, inner }, outAt, xAt, yAt);
    let j = outer.length - 1;
    for (; j >= 0; j--) {
      const { extent, x: xStep, y: yStep, out: outStep } = outer[j];
      xAt += xStep;
      yAt += yStep;
      outAt += outStep;
      if (++counter[j] < extent) break;
      xAt -= xStep * extent;
      yAt -= yStep * extent;
      outAt -= outStep * extent;
      counter[j] = 0;
    }
    if (j < 0) return;
  }
}

/** What a kernel works on: the data and the two innermost loops. */
interface Nest {
  readonly out: Float64Array;
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  readonly middle: Steps;
  readonly inner: Steps;
}

/** Runs (a part of) the two innermost loops from these positions. */
type Row = (nest: Nest, outAt: number, xAt: number, yAt: number) => void;

function kernelFor(middle: Steps, inner: Steps): Row {
  if (inner.out === 0) return eachRow(dot);
  if (inner.x !== 0) return eachRow(multiply);
  return middle.out === 0 && inner.out === 1 && inner.y === 1 ? axpyRows : eachRow(axpy);
}

function eachRow(row: Row): Row {
  return (nest, outAt, xAt, yAt) => {
    const { extent, x, y, out } = nest.middle;
    for (let i = 0; i < extent; i++) row(nest, outAt + i * out, xAt + i * x, yAt + i * y);
  };
}

/** out[o] += Σ x·y. */
function dot({ out, x, y, inner }: Nest, outAt: number, xAt: number, yAt: number): void {
  const { extent, x: xs, y: ys } = inner;
  let sum = 0;
  for (let i = 0, p = xAt, q = yAt; i < extent; i++, p += xs, q += ys) sum += x[p] * y[q];
  if (Number.isNaN(sum)) {
    sum = 0;
    for (let i = 0, p = xAt, q = yAt; i < extent; i++, p += xs, q += ys) {
      if (x[p] !== 0 && y[q] !== 0) sum += x[p] * y[q];
    }
  }
  out[outAt] += sum;
}

/** out[o + i] += x·y[i]. */
function axpy({ out, x, y, inner }: Nest, outAt: number, xAt: number, yAt: number): void {
  const { extent, y: ys, out: os } = inner;
  const scale = x[xAt];
  if (scale === 0) return;
  if (Number.isFinite(scale)) {
    // A zero y gives scale·0 = 0 by itself.
    for (let i = 0, p = outAt, q = yAt; i < extent; i++, p += os, q += ys) out[p] += scale * y[q];
  } else {
    for (let i = 0, p = outAt, q = yAt; i < extent; i++, p += os, q += ys) {
      if (y[q] !== 0) out[p] += scale * y[q];
    }
  }
}

/** out[o + i] += Σ x[r]·y[r][i] over the middle loop, four contiguous rows of y a sweep. */
function axpyRows(nest: Nest, outAt: number, xAt: number, yAt: number): void {
  const { out, x, y, middle, inner } = nest;
  const { extent: rows, x: xs, y: ys } = middle;
  const width = inner.extent;
  let r = 0;
  for (; r + 4 <= rows; r += 4) {
    const from = xAt + r * xs;
    const [a, b, c, d] = [x[from], x[from + xs], x[from + 2 * xs], x[from + 3 * xs]];
    const product = a * b * c * d;
    const y0 = yAt + r * ys;
    if (product === 0 || !Number.isFinite(product)) {
      // Some factor is 0 or not finite (or the product left the range): row by row, with the guards.
      for (let k = 0; k < 4; k++) axpy(nest, outAt, from + k * xs, y0 + k * ys);
      continue;
    }
    const y1 = y0 + ys;
    const y2 = y1 + ys;
    const y3 = y2 + ys;
    for (let i = 0; i < width; i++) {
      out[outAt + i] += a * y[y0 + i] + b * y[y1 + i] + c * y[y2 + i] + d * y[y3 + i];
    }
  }
  for (; r < rows; r++) axpy(nest, outAt, xAt + r * xs, yAt + r * ys);
}

/** out[o + i] += x[i]·y[i]. */
function multiply({ out, x, y, inner }: Nest, outAt: number, xAt: number, yAt: number): void {
  const { extent, x: xs, y: ys, out: os } = inner;
  for (let i = 0, p = outAt, q = yAt, r = xAt; i < extent; i++, p += os, q += ys, r += xs) {
    if (x[r] !== 0 && y[q] !== 0) out[p] += x[r] * y[q];
  }
}
