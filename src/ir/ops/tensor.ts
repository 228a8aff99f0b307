/**
 * @file Tensors of the reference evaluation: a shape, an element type and flat numbers. Data is row-major unless
 * `strides` say otherwise; only ops that declare `strided` are handed such views (einsum, whose weights are too
 * large to copy).
 */
import type { DType, Expr, Extent } from "../expr.ts";
import { axis, substitute } from "../expr.ts";
import { affineLayout, compileMap, type IndexMap, isIdentity, stridesOf } from "../indexmap.ts";

export interface Tensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Numbers of any array kind: a parameter is the stored array itself, never a copy. Booleans are 0 and 1. */
  readonly data: ArrayLike<number>;
  /** In elements, one an axis (0 where it is stretched); absent: row-major. */
  readonly strides?: readonly number[];
  /** Where element (0, …, 0) lies; absent: 0. */
  readonly offset?: number;
}

/** What an evaluation binds the symbolic extents to. */
export interface BatchSizes {
  readonly R: number;
  readonly N: number;
}

export function numel(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function bindExtent(extent: Extent, sizes: BatchSizes): number {
  return typeof extent === "number" ? extent : sizes[extent];
}

export function bindShape(shape: readonly Extent[], sizes: BatchSizes): number[] {
  return shape.map((extent) => bindExtent(extent, sizes));
}

/** The map with R and N replaced by this call's sizes, in its extents and in the axes of its expressions. */
export function bindMap(map: IndexMap, sizes: BatchSizes): IndexMap {
  if (map.out.every((extent) => typeof extent === "number")) return map;
  const out = bindShape(map.out, sizes);
  const axes = new Map<string, Expr>(out.map((extent, j) => [`i${j}`, axis(`i${j}`, extent)]));
  return { out, index: map.index.map((e) => substitute(e, axes)) };
}

/** Zeros, in the array kind that holds `dtype` exactly. */
export function newData(dtype: DType, length: number): Float64Array | Int32Array | Uint8Array {
  if (dtype === "num") return new Float64Array(length);
  return dtype === "i32" ? new Int32Array(length) : new Uint8Array(length);
}

/** Visits every index of `shape` in row-major order; `visit` gets one array, updated in place. */
export function forEachIndex(
  shape: readonly number[],
  visit: (index: readonly number[], flat: number) => void,
): void {
  const total = numel(shape);
  const index = shape.map(() => 0);
  for (let flat = 0; flat < total; flat++) {
    visit(index, flat);
    for (let j = shape.length - 1; j >= 0; j--) {
      if (++index[j] < shape[j]) break;
      index[j] = 0;
    }
  }
}

/** The view of a row-major tensor as strides over the same data, where the map is affine; undefined where it divides. */
export function stridedView(tensor: Tensor, map: IndexMap): Tensor | undefined {
  if (tensor.strides !== undefined) throw new Error("internal: a view of a strided tensor");
  const layout = affineLayout(map, tensor.shape);
  if (layout === undefined) return undefined;
  return {
    ...tensor,
    shape: bindShape(map.out, { R: 0, N: 0 }),
    strides: layout.strides,
    offset: layout.offset,
  };
}

/** The row-major tensor that a map makes of a row-major one; the tensor itself for an identity. */
export function viewTensor(tensor: Tensor, map: IndexMap | undefined): Tensor {
  if (map === undefined || isIdentity(map, tensor.shape)) return tensor;
  const view = stridedView(tensor, map);
  if (view !== undefined) return densify(view);
  const shape = bindShape(map.out, { R: 0, N: 0 });
  const data = newData(tensor.dtype, numel(shape));
  const flatOf = compileMap(map, stridesOf(tensor.shape));
  const source = tensor.data;
  forEachIndex(shape, (index, flat) => {
    data[flat] = source[flatOf(index)];
  });
  return { shape, dtype: tensor.dtype, data };
}

/** A row-major copy of a strided tensor; a row-major one is returned as it is. */
export function densify(tensor: Tensor): Tensor {
  const { shape, dtype, data: source, strides, offset = 0 } = tensor;
  if (strides === undefined) return tensor;
  const data = newData(dtype, numel(shape));
  const inner = shape.length === 0 ? 1 : shape[shape.length - 1];
  const step = strides[shape.length - 1] ?? 0;
  forEachIndex(shape.slice(0, -1), (index, row) => {
    let from = offset;
    for (let j = 0; j < index.length; j++) from += index[j] * strides[j];
    for (let i = 0, to = row * inner; i < inner; i++, to++) data[to] = source[from + i * step];
  });
  return { shape, dtype, data };
}
