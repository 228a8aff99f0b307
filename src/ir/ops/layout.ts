/**
 * @file Layout ops that are nodes: `view` (the identity over its operand's index map, which is where rearranges,
 * slices and broadcasts live), `concat` and `pad`.
 */
import { and, type Expr, ge, int, lt, sub, where } from "../expr.ts";
import type { TensorType } from "../graph.ts";
import { concatStages, padStage } from "../stage.ts";
import {
  clampIndex,
  constantExtent,
  constantShape,
  expectAxis,
  expectInputs,
  LOAD,
  type OpDef,
  OpError,
  showShape,
  ZERO,
} from "./def.ts";
import { newData, numel, type Tensor } from "./tensor.ts";

export const view: OpDef<"view"> = {
  kind: "view",
  stageRule: "each element has the stage of the element it shows",
  transpose: "view_adjoint",
  shape(_op, inputs) {
    expectInputs("a view", inputs, 1);
    return inputs[0];
  },
  stage: (_op, inputs) => inputs[0],
  evaluate: (_op, [input]) => input,
  flops: () => 0,
  element: (_node, index, operand) => operand(0, index),
};

/** Rows before the axis, and elements a step of the axis covers. */
function around(shape: readonly number[], axis: number): { readonly outer: number; readonly inner: number } {
  return { outer: numel(shape.slice(0, axis)), inner: numel(shape.slice(axis + 1)) };
}

export const concat: OpDef<"concat"> = {
  kind: "concat",
  stageRule: "each element keeps its stage",
  transpose: "view",
  shape(op, inputs) {
    if (inputs.length === 0) throw new OpError("concat needs at least one operand");
    const [first] = inputs;
    let along = 0;
    for (const input of inputs) {
      const same = (type: TensorType): readonly unknown[] => type.shape.filter((_, j) => j !== op.axis);
      expectAxis("concat", input.shape, op.axis);
      if (input.dtype !== first.dtype)
        throw new OpError(`concat takes one element type, not ${first.dtype} and ${input.dtype}`);
      if (
        input.shape.length !== first.shape.length ||
        same(input).some((extent, j) => extent !== same(first)[j])
      ) {
        throw new OpError(
          `concat along axis ${op.axis} takes shapes that agree elsewhere, not ${showShape(first.shape)} and ${showShape(input.shape)}`,
        );
      }
      along += constantExtent("concat", input.shape, op.axis);
    }
    return { shape: first.shape.map((extent, j) => (j === op.axis ? along : extent)), dtype: first.dtype };
  },
  stage: (op, inputs) => concatStages(op.axis, inputs),
  evaluate(op, inputs, type): Tensor {
    const shape = constantShape(type.shape);
    const data = newData(type.dtype, numel(shape));
    const { outer, inner } = around(shape, op.axis);
    const stride = shape[op.axis] * inner;
    let start = 0;
    for (const input of inputs) {
      const length = input.shape[op.axis] * inner;
      for (let row = 0; row < outer; row++) {
        for (let i = 0; i < length; i++) data[row * stride + start + i] = input.data[row * length + i];
      }
      start += length;
    }
    return { shape, dtype: type.dtype, data };
  },
  flops: () => 0,
  /** Nested selections on the axis; every piece's index is held within the piece, which costs nothing where bounds prove it. */
  element(node, index, operand, inputs) {
    const { axis } = node.op;
    const at = index[axis];
    const sizes = inputs.map((input) => constantExtent("concat", input.shape, axis));
    let start = sizes.reduce((sum, size) => sum + size, 0);
    let result: Expr | undefined;
    for (let k = sizes.length - 1; k >= 0; k--) {
      start -= sizes[k];
      const piece = operand(k, index.with(axis, clampIndex(sub(at, int(start)), sizes[k])));
      result = result === undefined ? piece : where(lt(at, int(start + sizes[k])), piece, result);
    }
    if (result === undefined) throw new Error("internal: an empty concat");
    return result;
  },
};

export const pad: OpDef<"pad"> = {
  kind: "pad",
  stageRule: "each element keeps its stage; the filling is zero if it is 0, else load",
  transpose: "view",
  shape(op, inputs) {
    expectInputs("pad", inputs, 1);
    const [{ shape, dtype }] = inputs;
    const size = constantExtent("pad", shape, op.axis);
    if (!(Number.isInteger(op.before) && Number.isInteger(op.after)) || op.before < 0 || op.after < 0) {
      throw new OpError(`pad adds whole elements, not ${op.before} before and ${op.after} after`);
    }
    if (dtype !== "num" && !Number.isInteger(op.fill))
      throw new OpError(`pad cannot fill ${dtype} with ${op.fill}`);
    return { shape: shape.with(op.axis, size + op.before + op.after), dtype };
  },
  stage: (op, [input]) => padStage(input, op.axis, op.before, op.after, op.fill === 0 ? ZERO : LOAD),
  evaluate(op, [input], type): Tensor {
    const shape = constantShape(type.shape);
    const data = newData(type.dtype, numel(shape)).fill(op.fill);
    const { outer, inner } = around(shape, op.axis);
    const length = input.shape[op.axis] * inner;
    for (let row = 0; row < outer; row++) {
      const to = (row * shape[op.axis] + op.before) * inner;
      for (let i = 0; i < length; i++) data[to + i] = input.data[row * length + i];
    }
    return { shape, dtype: type.dtype, data };
  },
  flops: () => 0,
  element(node, index, operand, inputs) {
    const { axis, before, fill } = node.op;
    const size = constantExtent("pad", inputs[0].shape, axis);
    const at = sub(index[axis], int(before));
    const inside = and(ge(at, int(0)), lt(at, int(size)));
    const filling: Expr = { kind: "const", value: fill, type: node.type.dtype };
    return where(inside, operand(0, index.with(axis, clampIndex(at, size))), filling);
  },
};
