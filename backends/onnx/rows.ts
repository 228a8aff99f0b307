/** @file Ops over rows: norms, their statistics, softmax, reductions. */
import type { Operand } from "../../src/ir/graph.ts";
import { dense, type EmitContext, type NodeOf, preferredOrder, stretched } from "./context.ts";
import { rowMajor, type Value } from "./value.ts";

/** Gains and offsets of a layer norm along its row, where the Graph multiplies and adds them right after it. */
export interface Affine {
  readonly gain?: Operand;
  readonly offset?: Operand;
}

/** The operand with its last axis stored innermost and in full; the other axes as they lie. */
function rowOf(ctx: EmitContext, operand: Operand, rank: number, along: number, about: string): Value {
  const lies = preferredOrder(ctx, [operand], rank);
  const order = [...lies.filter((axis) => axis !== along), along];
  return dense(ctx, operand, order, about, (axis) => axis === along);
}

export function normalize(ctx: EmitContext, node: NodeOf<"normalize">, affine: Affine): Value {
  const { op, type, path } = node;
  const last = type.shape.length - 1;
  const x = rowOf(ctx, node.inputs[0], type.shape.length, last, path);
  if (op.norm !== "layer")
    return { ...x, name: ctx.out.node("Div", [x.name, deviation(ctx, x.name, op, path)], path) };
  const width = Number(type.shape[last]);
  const { gain, offset } = affine;
  const vector = (operand: Operand): string =>
    stretched(
      ctx.out,
      ctx.readToBroadcast(operand, rowMajor(type.shape), path),
      (axis) => axis === last,
      ctx.batch,
      path,
    ).name;
  const scale =
    gain === undefined
      ? ctx.out.once(`ones:${width}`, () =>
          ctx.out.data("float", [width], new Float32Array(width).fill(1), "ones"),
        )
      : vector(gain);
  const inputs = [x.name, scale, ...(offset === undefined ? [] : [vector(offset)])];
  return {
    ...x,
    name: ctx.out.node("LayerNormalization", inputs, path, { axis: -1, epsilon: { float: op.eps } }),
  };
}

/** √(mean x² + eps), or √(Σ x² + eps), of each row: the form in which ONNX Runtime finds an RMS norm. */
function deviation(
  ctx: EmitContext,
  x: string,
  { norm, eps }: { readonly norm: "layer" | "rms" | "l2"; readonly eps: number },
  about: string,
): string {
  const { out } = ctx;
  const squares = out.node("Pow", [x, out.scalar(2, "num")], about);
  const total = out.node(norm === "l2" ? "ReduceSum" : "ReduceMean", [squares, out.ints([-1])], about);
  return out.node("Sqrt", [out.node("Add", [total, out.scalar(eps, "num")], about)], about);
}

/** [..., 2]: the mean and 1 over the deviation. */
export function rowStatistics(ctx: EmitContext, node: NodeOf<"row_statistics">): Value {
  const { op, type, path } = node;
  const { out } = ctx;
  const last = type.shape.length - 1;
  const x = rowOf(ctx, node.inputs[0], type.shape.length, last, path);
  const layer = op.norm === "layer";
  const mean = out.node("ReduceMean", [x.name, out.ints([-1])], path);
  const centred = layer ? out.node("Sub", [x.name, mean], path) : x.name;
  const scale = out.node("Reciprocal", [deviation(ctx, centred, op, path)], path);
  const shift = layer ? mean : out.node("Mul", [mean, out.scalar(0, "num")], path);
  const name = out.node("Concat", [shift, scale], path, { axis: -1 });
  return { ...x, name, shape: type.shape };
}

/**
 * A row that is hidden throughout (all −inf) is 0 by the language and NaN by ONNX: where rows may be, they are set to 0 by their
 * maximum.
 */
export function softmax(ctx: EmitContext, node: NodeOf<"softmax">, mayHide: boolean): Value {
  const { op, type, path } = node;
  const { out } = ctx;
  const x = rowOf(ctx, node.inputs[0], type.shape.length, op.axis, path);
  const name = out.node("Softmax", [x.name], path, { axis: -1 });
  if (!mayHide) return { ...x, name };
  const peak = out.node("ReduceMax", [x.name, out.ints([-1])], path);
  const visible = out.node("Greater", [peak, out.scalar(-Infinity, "num")], path);
  return { ...x, name: out.node("Where", [visible, name, out.scalar(0, "num")], path) };
}

const REDUCTIONS = { sum: "ReduceSum", mean: "ReduceMean", max: "ReduceMax", min: "ReduceMin" } as const;

export function reduce(ctx: EmitContext, node: NodeOf<"reduce">): Value {
  const { op, type, path } = node;
  const { out } = ctx;
  const [operand] = node.inputs;
  const rank = (operand.map?.out ?? ctx.node(operand.id).type.shape).length;
  const order = preferredOrder(ctx, node.inputs, rank);
  const summed = (axis: number): boolean => op.axes.includes(axis);
  const x = dense(ctx, operand, order, path, summed);
  const places = x.order.flatMap((axis, place) => (summed(axis) ? [place] : []));
  const name = out.node(REDUCTIONS[op.fn], [x.name, out.ints(places)], path, {
    keepdims: op.keep ? 1 : 0,
  });
  if (op.keep) return { ...x, name, shape: type.shape, flat: x.flat.map((f, axis) => f && !summed(axis)) };
  const kept = rowMajor(x.shape).filter((axis) => !summed(axis));
  const newAxis = new Map(kept.map((axis, k) => [axis, k]));
  return {
    name,
    dtype: type.dtype,
    shape: type.shape,
    order: x.order.flatMap((axis) => newAxis.get(axis) ?? []),
    flat: kept.map((axis) => x.flat[axis]),
  };
}
