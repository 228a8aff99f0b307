/** @file Gathers, choices and joins: lookups, `take`, `by_request`, top-k, concatenation, padding. */
import type { Extent } from "../../src/ir/expr.ts";
import type { Operand } from "../../src/ir/graph.ts";
import { cast, dense, type EmitContext, type NodeOf, preferredOrder } from "./context.ts";
import { ELEMENTS } from "./model.ts";
import { rowMajor, type Value } from "./value.ts";

function shapeOf(ctx: EmitContext, operand: Operand): readonly Extent[] {
  return operand.map?.out ?? ctx.node(operand.id).type.shape;
}

/** (table [rows, C…], index [I…]) → [I…, C…]. */
export function lookup(ctx: EmitContext, node: NodeOf<"lookup">): Value {
  const [table, index] = node.inputs;
  return gatherRows(ctx, node, table, 0, index, node.type.shape);
}

/**
 * (x [B…, A, C…], index [B…, I…]) → [B…, I…, C…]: a `Gather` where x is the same for all of B, else a `GatherND` with the
 * leading axes as its batch.
 */
export function take(ctx: EmitContext, node: NodeOf<"take">): Value {
  const { op, type, path } = node;
  const { out } = ctx;
  const [x, index] = node.inputs;
  const probe = ctx.read(x, undefined, path);
  const leading = Array.from({ length: op.axis }, (_, axis) => axis);
  const once = leading.every((axis) => probe.flat[axis] || probe.shape[axis] === 1);
  if (once) return gatherRows(ctx, node, x, op.axis, index, type.shape);
  const values = dense(ctx, x, rowMajor(shapeOf(ctx, x)), path);
  const indices = dense(ctx, index, rowMajor(shapeOf(ctx, index)), path);
  const last = indices.shape.length;
  const wide = out.node("Cast", [indices.name], path, { to: ELEMENTS.int64.code });
  const points = out.node("Unsqueeze", [wide, out.ints([last])], path);
  const name = out.node("GatherND", [values.name, points], path, { batch_dims: op.axis });
  const flat = type.shape.map(() => false);
  return { name, dtype: type.dtype, shape: type.shape, order: rowMajor(type.shape), flat };
}

/** Rows along axis `at` of a value that is the same for all of the axes before it. */
function gatherRows(
  ctx: EmitContext,
  node: NodeOf<"take"> | NodeOf<"lookup">,
  x: Operand,
  at: number,
  index: Operand,
  shape: readonly Extent[],
): Value {
  const { path } = node;
  const { out } = ctx;
  const order = rowMajor(shapeOf(ctx, x));
  const values = dense(ctx, x, order, path, (axis) => axis >= at);
  const extents = values.shape.slice(at).map(Number);
  const rows =
    at === 0
      ? values.name
      : out.once(`rows:${values.name}`, () => out.node("Reshape", [values.name, out.ints(extents)], path));
  const indices = ctx.read(index, undefined, path);
  const name = out.node("Gather", [rows, indices.name], path, { axis: 0 });
  const width = shape.length - indices.shape.length;
  const inner = Array.from({ length: width }, (_, k) => indices.shape.length + k);
  return {
    name,
    dtype: node.type.dtype,
    shape,
    order: [...indices.order, ...inner],
    flat: [...indices.flat, ...inner.map(() => false)],
  };
}

/** Each candidate reads its request's element; the two are one where every candidate is a request of its own. */
export function byRequest(ctx: EmitContext, node: NodeOf<"by_request">, request: string | undefined): Value {
  const { type, path } = node;
  const x = ctx.read(node.inputs[0], undefined, path);
  if (request === undefined || x.flat[0]) return { ...x, shape: type.shape };
  const name = ctx.out.node("Gather", [x.name, request], path, { axis: x.order.indexOf(0) });
  return { ...x, name, shape: type.shape };
}

/** The indices of the k largest, [..., k] along the last stored axis, as int64. */
function topK(ctx: EmitContext, node: NodeOf<"top_k_mask"> | NodeOf<"top_k_index">): Value {
  const { op, path } = node;
  const { out } = ctx;
  const shape = shapeOf(ctx, node.inputs[0]);
  const lies = preferredOrder(ctx, node.inputs, shape.length);
  const order = [...lies.filter((axis) => axis !== op.axis), op.axis];
  const x = cast(
    out,
    dense(ctx, node.inputs[0], order, path, (axis) => axis === op.axis),
    "num",
    path,
  );
  const [, name] = out.nodeOf("TopK", [x.name, out.ints([op.k])], 2, path, { axis: -1 });
  return { ...x, name, dtype: "i32", shape: shape.with(op.axis, op.k) };
}

export function topKIndex(ctx: EmitContext, node: NodeOf<"top_k_index">): Value {
  const chosen = topK(ctx, node);
  return { ...chosen, name: ctx.out.node("Cast", [chosen.name], node.path, { to: ELEMENTS.int32.code }) };
}

/** Whether one of the k indices is mine. */
export function topKMask(ctx: EmitContext, node: NodeOf<"top_k_mask">): Value {
  const { op, type, path } = node;
  const { out } = ctx;
  const chosen = topK(ctx, node);
  const extent = Number(type.shape[op.axis]);
  const each = out.node("Unsqueeze", [chosen.name, out.ints([-1])], path);
  const positions = out.ints(Array.from({ length: extent }, (_, i) => i));
  const hits = out.node("Cast", [out.node("Equal", [each, positions], path)], path, {
    to: ELEMENTS.float.code,
  });
  const any = out.node("ReduceMax", [hits, out.ints([-2])], path, { keepdims: 0 });
  const name = out.node("Cast", [any], path, { to: ELEMENTS.bool.code });
  return { ...chosen, name, dtype: "bool", shape: type.shape };
}

/** Axes along which some piece is stored in full are stored in full in all of them. */
export function concat(ctx: EmitContext, node: NodeOf<"concat">): Value {
  const { op, type, path } = node;
  const order = preferredOrder(ctx, node.inputs, type.shape.length);
  const probes = node.inputs.map((operand) => ctx.read(operand, order, path));
  const full = (axis: number): boolean => axis === op.axis || probes.some((probe) => !probe.flat[axis]);
  const pieces = node.inputs.map((operand) => dense(ctx, operand, order, path, full));
  const name = ctx.out.node(
    "Concat",
    pieces.map((piece) => piece.name),
    path,
    { axis: order.indexOf(op.axis) },
  );
  const flat = type.shape.map((_, axis) => !full(axis));
  return { name, dtype: type.dtype, shape: type.shape, order, flat };
}

export function pad(ctx: EmitContext, node: NodeOf<"pad">): Value {
  const { op, type, path } = node;
  const { out } = ctx;
  const order = preferredOrder(ctx, node.inputs, type.shape.length);
  const x = dense(ctx, node.inputs[0], order, path, (axis) => axis === op.axis);
  const at = (size: number): number[] => order.map((axis) => (axis === op.axis ? size : 0));
  const pads = out.ints([...at(op.before), ...at(op.after)]);
  const name = out.node("Pad", [x.name, pads, out.scalar(op.fill, type.dtype)], path);
  return { ...x, name, shape: type.shape };
}
