/**
 * @file Normalisation of rows: layer, rms and l2 norms over the last axis without gains, and softmax. An affine
 * part is pointwise and belongs to the library.
 */

import type { Operand } from "../graph.ts";
import { concatStages, reduceStage, replaceWhere, viewElements } from "../stage.ts";
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
  type StageContext,
  ZERO,
} from "./def.ts";
import { forEachRow } from "./rows.ts";
import { numel, type Tensor } from "./tensor.ts";

export const normalize: OpDef<"normalize"> = {
  kind: "normalize",
  stageRule: "the latest of its row along the last axis; zero where the whole row is",
  transpose: "normalize_adjoint",
  shape(op, inputs) {
    expectInputs(`${op.norm}_norm`, inputs, 1);
    const [type] = inputs;
    expectType(`${op.norm}_norm`, type, ["num"]);
    if (constantExtent(`${op.norm}_norm`, type.shape, type.shape.length - 1) === 0)
      throw new OpError(`${op.norm}_norm of an empty row`);
    if (!(op.eps >= 0)) throw new OpError(`${op.norm}_norm needs eps of at least 0, not ${op.eps}`);
    return type;
  },
  stage(op, [input], type) {
    const joined = joinAlong(input, type.shape, type.shape.length - 1);
    return op.eps > 0 ? joined : atLeastLoad(joined, type.shape);
  },
  evaluate(op, [input], type): Tensor {
    const shape = constantShape(type.shape);
    const data = new Float64Array(numel(shape));
    forEachRow(shape, shape.length - 1, (start, _step, length) => {
      const row = Float64Array.from({ length }, (_, i) => input.data[start + i]);
      const { mean, scale } = statisticsOf(row, op);
      for (let i = 0; i < length; i++) data[start + i] = (row[i] - mean) * scale;
    });
    return { shape, dtype: "num", data };
  },
  // Layer: the sum, the differences, their squares' sum, the scaling; the others need no mean.
  flops: (op, _inputs, type, sizes) => (op.norm === "layer" ? 5 : 3) * elements(type, sizes),
};

/** The shift and the scale of a row: (mean, 1/√(variance + eps)) for layer, (0, 1/√(mean x² + eps)) for rms. */
function statisticsOf(
  row: Float64Array,
  op: { readonly norm: "layer" | "rms" | "l2"; readonly eps: number },
): { readonly mean: number; readonly scale: number } {
  const total = (f: (x: number) => number): number => row.reduce((sum, x) => sum + f(x), 0);
  const mean = op.norm === "layer" ? total((x) => x) / row.length : 0;
  const squares = total((x) => (x - mean) ** 2);
  return { mean, scale: 1 / Math.sqrt((op.norm === "l2" ? squares : squares / row.length) + op.eps) };
}

export const rowStatistics: OpDef<"row_statistics"> = {
  kind: "row_statistics",
  stageRule: "the latest of its row along the last axis, at least load",
  transpose: "row_statistics_adjoint",
  shape(op, inputs, declared) {
    const { shape } = normalize.shape({ ...op, kind: "normalize" }, inputs, declared);
    return { shape: [...shape.slice(0, -1), 2], dtype: "num" };
  },
  stage(_op, [input], type, ctx) {
    const rank = type.shape.length;
    const rows = reduceStage(joinAlong(input, ctx.inputs[0].shape, rank - 1), [rank - 1], true);
    return atLeastLoad(concatStages(rank - 1, [rows, rows]), type.shape);
  },
  evaluate(op, [input], type): Tensor {
    const shape = constantShape(type.shape);
    const data = new Float64Array(numel(shape));
    forEachRow(input.shape, input.shape.length - 1, (start, _step, length) => {
      const row = Float64Array.from({ length }, (_, i) => input.data[start + i]);
      const { mean, scale } = statisticsOf(row, op);
      data[(start / length) * 2] = mean;
      data[(start / length) * 2 + 1] = scale;
    });
    return { shape, dtype: "num", data };
  },
  flops: (op, inputs, _type, sizes) => (op.norm === "layer" ? 4 : 2) * elements(inputs[0], sizes),
};

export const softmax: OpDef<"softmax"> = {
  kind: "softmax",
  stageRule:
    "zero where the operand is a constant -inf (seen through views and where with a compile-time condition); " +
    "elsewhere the latest of the row's other elements, at least load",
  transpose: "softmax_adjoint",
  shape(op, inputs) {
    expectInputs("softmax", inputs, 1);
    expectType("softmax", inputs[0], ["num"]);
    constantExtent("softmax", inputs[0].shape, op.axis);
    return inputs[0];
  },
  stage(op, [input], type, ctx) {
    const hidden = minusInfinity(ctx.operands[0], constantShape(type.shape), ctx);
    if (hidden === undefined) return atLeastLoad(joinAlong(input, type.shape, op.axis), type.shape);
    const visible = replaceWhere(input, hidden, ZERO);
    return replaceWhere(atLeastLoad(joinAlong(visible, type.shape, op.axis), type.shape), hidden, ZERO);
  },
  evaluate(op, [input], type): Tensor {
    const shape = constantShape(type.shape);
    const data = new Float64Array(numel(shape));
    forEachRow(shape, op.axis, (start, step, length) => {
      let peak = -Infinity;
      for (let i = 0; i < length; i++) peak = Math.max(peak, input.data[start + i * step]);
      if (peak === -Infinity) return;
      let sum = 0;
      for (let i = 0; i < length; i++)
        sum += data[start + i * step] = Math.exp(input.data[start + i * step] - peak);
      for (let i = 0; i < length; i++) data[start + i * step] /= sum;
    });
    return { shape, dtype: "num", data };
  },
  // The maximum, the difference, exp (8), the sum and a product by the reciprocal.
  flops: (_op, _inputs, type, sizes) => 12 * elements(type, sizes),
};

/** Masks are looked at element by element up to this size. */
const TRACKED_ELEMENTS = 2 ** 20;

/** One byte an element of the operand as the op sees it: 1 where it is certainly −inf; undefined where none is known to be. */
function minusInfinity(
  operand: Operand,
  shape: readonly number[],
  ctx: StageContext,
): Uint8Array | undefined {
  if (numel(shape) > TRACKED_ELEMENTS) return undefined;
  const node = ctx.node(operand.id);
  const inner = constantShape(node.type.shape);
  if (numel(inner) > TRACKED_ELEMENTS) return undefined;
  const mask = nodeMinusInfinity(operand.id, inner, ctx);
  if (mask === undefined || operand.map === undefined) return mask;
  return viewElements(mask, inner, operand.map);
}

function nodeMinusInfinity(id: number, shape: readonly number[], ctx: StageContext): Uint8Array | undefined {
  const known = ctx.constant({ id });
  if (known !== undefined)
    return known.dtype === "num" ? Uint8Array.from(known.data, (x) => (x === -Infinity ? 1 : 0)) : undefined;
  const node = ctx.node(id);
  if (node.op.kind === "view") return minusInfinity(node.inputs[0], shape, ctx);
  if (node.op.kind !== "pointwise" || node.op.fn !== "where") return undefined;
  const [a, b] = [minusInfinity(node.inputs[1], shape, ctx), minusInfinity(node.inputs[2], shape, ctx)];
  const chosen = ctx.constant(node.inputs[0])?.data;
  if (a === undefined && b === undefined) return undefined;
  return Uint8Array.from({ length: numel(shape) }, (_, i) => {
    const [ifTrue, ifFalse] = [a?.[i] ?? 0, b?.[i] ?? 0];
    return chosen === undefined ? ifTrue & ifFalse : chosen[i] !== 0 ? ifTrue : ifFalse;
  });
}
