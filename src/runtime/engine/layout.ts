/**
 * @file How a value's elements lie in its buffer. Outside, data is compact and row-major; inside, `PlanValue.strides` pad
 * the innermost axis (so that rows can be read as vec4) and may order the axes otherwise.
 */
import type { Element, PlanValue } from "../../ir/plan.ts";

export type Words = Float32Array | Int32Array | Uint32Array;

export interface Layout {
  /** The extents below the leading axis, or all of them where the value is one row. */
  readonly inner: readonly number[];
  readonly strides: readonly number[];
  /** Rows along the leading axis; undefined for a batch axis. */
  readonly rows: number | undefined;
  /** Elements of a row outside and inside. */
  readonly compactUnit: number;
  readonly unit: number;
  /** Rows can be copied as they are. */
  readonly compact: boolean;
}

export const BYTES = 4;

function product(extents: readonly number[]): number {
  return extents.reduce((all, extent) => all * extent, 1);
}

export function isBatched(value: PlanValue): boolean {
  return typeof value.shape[0] === "string";
}

/**
 * Rows are the points of the batch axis; of a parameter, those of its leading axis where that is also the outermost in
 * memory, so that it can be uploaded in pieces.
 */
export function layoutOf(value: PlanValue): Layout {
  const [lead, ...rest] = value.shape;
  const inner = rest.map(fixed);
  const innerStrides = value.strides.slice(1);
  if (typeof lead === "string") return make(inner, innerStrides, undefined, value.unit);
  const step = value.strides[0] ?? 0;
  const whole = value.packing?.blocks?.includes(0) ?? false;
  const outermost =
    lead !== undefined && !whole && innerStrides.every((stride, i) => stride * (inner[i] ?? 1) <= step);
  if (outermost) return make(inner, innerStrides, lead, step);
  return make(value.shape.map(fixed), value.strides, 1, value.unit);
}

function make(
  inner: readonly number[],
  strides: readonly number[],
  rows: number | undefined,
  unit: number,
): Layout {
  const compactUnit = product(inner);
  let expected = 1;
  let compact = unit === compactUnit;
  for (let i = inner.length - 1; i >= 0; i--) {
    if (strides[i] !== expected && inner[i] !== 1) compact = false;
    expected *= inner[i] ?? 1;
  }
  return { inner, strides, rows, compactUnit, unit, compact };
}

function fixed(extent: number | string): number {
  if (typeof extent !== "number") throw new Error(`internal: batch axis ${extent} is not the leading axis`);
  return extent;
}

export function newWords(element: Element, count: number): Words {
  return element === "f32"
    ? new Float32Array(count)
    : element === "i32"
      ? new Int32Array(count)
      : new Uint32Array(count);
}

/** For values as they are handed out: unsigned ones are read as signed. */
export function newValues(element: Element, count: number): Float32Array | Int32Array {
  return element === "f32" ? new Float32Array(count) : new Int32Array(count);
}

/** Copies `rows` compact rows of `from`, starting with row `first`, into `into` as they lie in the buffer. */
export function packRows(
  layout: Layout,
  from: ArrayLike<number>,
  first: number,
  rows: number,
  into: Words,
): void {
  if (layout.compact && ArrayBuffer.isView(from)) {
    into.set((from as Words).subarray(first * layout.unit, (first + rows) * layout.unit));
    return;
  }
  for (let row = 0; row < rows; row++) {
    eachRun(layout, (outside, inside, length) => {
      const source = (first + row) * layout.compactUnit + outside;
      const target = row * layout.unit + inside;
      for (let i = 0; i < length; i++) into[target + i] = from[source + i] ?? 0;
    });
  }
}

/** The opposite of `packRows`: `rows` rows as they lie in a buffer into compact rows of `into` from row `first` on. */
export function unpackRows(layout: Layout, from: Words, rows: number, into: Words, first = 0): void {
  if (layout.compact) {
    into.set(from.subarray(0, rows * layout.unit), first * layout.unit);
    return;
  }
  for (let row = 0; row < rows; row++) {
    eachRun(layout, (outside, inside, length) => {
      const source = row * layout.unit + inside;
      const target = (first + row) * layout.compactUnit + outside;
      for (let i = 0; i < length; i++) into[target + i] = from[source + i] ?? 0;
    });
  }
}

/** Visits the contiguous runs of one row: offset outside, offset inside, elements. */
function eachRun(layout: Layout, visit: (outside: number, inside: number, length: number) => void): void {
  const { inner, strides } = layout;
  const last = inner.length - 1;
  const contiguous = last >= 0 && strides[last] === 1;
  const depth = contiguous ? last : inner.length;
  const length = contiguous ? (inner[last] ?? 1) : 1;
  let outside = 0;
  const go = (axis: number, inside: number): void => {
    if (axis === depth) {
      visit(outside, inside, length);
      outside += length;
      return;
    }
    const extent = inner[axis] ?? 1;
    const stride = strides[axis] ?? 0;
    for (let i = 0; i < extent; i++) go(axis + 1, inside + i * stride);
  };
  go(0, 0);
}
