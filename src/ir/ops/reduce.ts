/** @file Reductions over axes: sum, mean, max and min. Maxima and minima are NaN where an element is. */
import { reduceStage } from "../stage.ts";
import {
  constantExtent,
  constantShape,
  elements,
  expectAxis,
  expectInputs,
  expectType,
  type OpDef,
  OpError,
} from "./def.ts";
import { forEachIndex, newData, numel, type Tensor } from "./tensor.ts";

export const reduce: OpDef<"reduce"> = {
  kind: "reduce",
  stageRule: "the latest of the elements it combines, zeros skipped; zero where all of them are",
  transpose: "broadcast",
  shape(op, inputs) {
    expectInputs(op.fn, inputs, 1);
    const [{ shape, dtype }] = inputs;
    expectType(op.fn, inputs[0], op.fn === "mean" ? ["num"] : ["num", "i32"]);
    for (const axis of op.axes) {
      expectAxis(op.fn, shape, axis);
      if (constantExtent(op.fn, shape, axis) === 0)
        throw new OpError(`${op.fn} over axis ${axis}, which has no elements`);
    }
    if (new Set(op.axes).size !== op.axes.length) throw new OpError(`${op.fn} names an axis twice`);
    if (op.keep) return { shape: shape.map((extent, j) => (op.axes.includes(j) ? 1 : extent)), dtype };
    return { shape: shape.filter((_, j) => !op.axes.includes(j)), dtype };
  },
  stage: (op, [input]) => reduceStage(input, op.axes, op.keep),
  evaluate(op, [input], type): Tensor {
    const shape = constantShape(type.shape);
    const initial = op.fn === "max" ? -Infinity : op.fn === "min" ? Infinity : 0;
    const result = new Float64Array(numel(shape)).fill(initial);
    const strides = resultStrides(input.shape, op.axes);
    const source = input.data;
    forEachIndex(input.shape, (index, flat) => {
      let to = 0;
      for (let j = 0; j < index.length; j++) to += index[j] * strides[j];
      const value = source[flat];
      if (op.fn === "max") result[to] = Math.max(result[to], value);
      else if (op.fn === "min") result[to] = Math.min(result[to], value);
      else result[to] += value;
    });
    const count = numel(op.axes.map((axis) => input.shape[axis]));
    if (op.fn === "mean") for (let i = 0; i < result.length; i++) result[i] /= count;
    const data = newData(type.dtype, result.length);
    data.set(result);
    return { shape, dtype: type.dtype, data };
  },
  flops: (_op, [input], _type, sizes) => elements(input, sizes),
};

/** Strides of the result over the operand's axes: 0 along the reduced ones. */
function resultStrides(shape: readonly number[], axes: readonly number[]): number[] {
  const strides = shape.map(() => 0);
  let step = 1;
  for (let j = shape.length - 1; j >= 0; j--) {
    if (axes.includes(j)) continue;
    strides[j] = step;
    step *= shape[j];
  }
  return strides;
}
