/**
 * @file Selection: the k largest along an axis, as a mask or as indices in descending order. Equal values: the
 * lower index first. A NaN ranks below every number, so that a choice always exists.
 */
import type { TensorType } from "../graph.ts";
import {
  atLeastLoad,
  constantExtent,
  constantShape,
  elements,
  expectInputs,
  expectType,
  joinAlong,
  type OpDef,
  OpError,
} from "./def.ts";
import { forEachRow } from "./rows.ts";
import { newData, numel, type Tensor } from "./tensor.ts";

const RULE = "the latest of its row along the axis, at least load";

interface Selection {
  readonly k: number;
  readonly axis: number;
}

function expectSelection(what: string, op: Selection, inputs: readonly TensorType[]): TensorType {
  expectInputs(what, inputs, 1);
  expectType(what, inputs[0], ["num", "i32"]);
  const size = constantExtent(what, inputs[0].shape, op.axis);
  if (!Number.isInteger(op.k) || op.k < 1 || op.k > size)
    throw new OpError(`${what} chooses 1 to ${size} of ${size}, not ${op.k}`);
  return inputs[0];
}

/** Positions along the row, best first. */
function ranking(row: readonly number[]): number[] {
  const before = (i: number, j: number): number => {
    const [a, b] = [row[i], row[j]];
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
    if (a > b) return -1;
    return a < b ? 1 : i - j;
  };
  return row.map((_, i) => i).sort(before);
}

function rowAt(input: Tensor, start: number, step: number, length: number): number[] {
  return Array.from({ length }, (_, i) => input.data[start + i * step]);
}

/** A comparison of each element with each. */
function selectionFlops(
  type: TensorType,
  along: number,
  sizes: { readonly R: number; readonly N: number },
): number {
  return elements(type, sizes) * constantExtent("top_k", type.shape, along);
}

export const topKMask: OpDef<"top_k_mask"> = {
  kind: "top_k_mask",
  stageRule: RULE,
  transpose: "none",
  shape: (op, inputs) => ({ shape: expectSelection("top_k_mask", op, inputs).shape, dtype: "bool" }),
  stage: (op, [input], type) => atLeastLoad(joinAlong(input, type.shape, op.axis), type.shape),
  evaluate(op, [input]): Tensor {
    const data = newData("bool", numel(input.shape));
    forEachRow(input.shape, op.axis, (start, step, length) => {
      for (const i of ranking(rowAt(input, start, step, length)).slice(0, op.k)) data[start + i * step] = 1;
    });
    return { shape: input.shape, dtype: "bool", data };
  },
  flops: (op, [input], _type, sizes) => selectionFlops(input, op.axis, sizes),
};

export const topKIndex: OpDef<"top_k_index"> = {
  kind: "top_k_index",
  stageRule: RULE,
  transpose: "none",
  shape: (op, inputs) => ({
    shape: expectSelection("top_k_index", op, inputs).shape.with(op.axis, op.k),
    dtype: "i32",
  }),
  stage: (op, [input], type) => atLeastLoad(joinAlong(input, type.shape, op.axis), type.shape),
  evaluate(op, [input], type): Tensor {
    const shape = constantShape(type.shape);
    const data = newData("i32", numel(shape));
    const chosen: number[][] = [];
    forEachRow(input.shape, op.axis, (start, step, length) => {
      chosen.push(ranking(rowAt(input, start, step, length)).slice(0, op.k));
    });
    let row = 0;
    forEachRow(shape, op.axis, (start, step) => {
      for (const [i, position] of chosen[row++].entries()) data[start + i * step] = position;
    });
    return { shape, dtype: "i32", data };
  },
  flops: (op, [input], _type, sizes) => selectionFlops(input, op.axis, sizes),
};
