/**
 * @file A value of the Graph as it lies in the ONNX model. Its axes may be stored in another order than the Graph's (token-major
 * activations, say), and an axis along which all elements are equal is stored once: ONNX operators broadcast it.
 */
import type { DType, Extent } from "../../src/ir/expr.ts";
import type { ElementType } from "./model.ts";

export interface Value {
  /** Of the ONNX tensor. */
  readonly name: string;
  readonly dtype: DType;
  /** The Graph's extents. */
  readonly shape: readonly Extent[];
  /** The axis stored at each place, outermost first. */
  readonly order: readonly number[];
  /** Whether an axis is stored with extent 1 and meant to be stretched. */
  readonly flat: readonly boolean[];
}

export const ELEMENT_OF: Readonly<Record<DType, ElementType>> = { num: "float", i32: "int32", bool: "bool" };

export function rowMajor(shape: readonly unknown[]): number[] {
  return shape.map((_, axis) => axis);
}

export function sameOrder(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((axis, place) => axis === b[place]);
}

/** The extents of the tensor, outermost first: -1 stands for the batch, as in a `Reshape`. */
export function storedDims({ shape, order, flat }: Pick<Value, "shape" | "order" | "flat">): number[] {
  return order.map((axis) => {
    const extent = shape[axis];
    return flat[axis] ? 1 : typeof extent === "number" ? extent : -1;
  });
}

/** Where the permutation takes its axes from: `to[p] = from[permutation[p]]`. */
export function permutation(from: readonly number[], to: readonly number[]): number[] {
  return to.map((axis) => {
    const place = from.indexOf(axis);
    if (place < 0) throw new Error(`internal: axis ${axis} is not among [${from.join(", ")}]`);
    return place;
  });
}
