/**
 * @file Contractions. Of two operands the labels are sorted into
 *
 *     batch (both, kept) · rows (the left alone) · columns (the right alone) · summed (both, not kept)
 *
 * and the product is one `MatMul` of [batch…, rows, summed] by [batch…, summed, columns]. A constant operand stands on the right
 * and is written in that form; a computed one is brought there by at most one transpose. Nothing summed: a `Mul`. Only
 * what has no such form (a diagonal, three operands) is an `Einsum`.
 */
import type { Extent } from "../../src/ir/expr.ts";
import type { Operand } from "../../src/ir/graph.ts";
import { dense, type EmitContext, type NodeOf } from "./context.ts";
import { rowMajor, storedDims, type Value } from "./value.ts";

/** An operand with its labels; axes along which it repeats, and that the other operand has, are left out. */
interface Factor {
  readonly operand: Operand;
  readonly labels: readonly number[];
  readonly extents: ReadonlyMap<number, Extent>;
  readonly constant: boolean;
}

export function einsum(ctx: EmitContext, node: NodeOf<"einsum">): Value {
  const { op } = node;
  const repeats = op.operands.some((labels) => new Set(labels).size < labels.length);
  if (node.inputs.length !== 2 || repeats) return general(ctx, node);
  const factors = node.inputs.map((operand, k) => factorOf(ctx, node, operand, k));
  const [a, b] = factors;
  if (factors.some((f, k) => summedAlone(f, factors[1 - k], op.out).length > 0)) return general(ctx, node);
  if (!a.labels.some((label) => b.labels.includes(label) && !op.out.includes(label)))
    return outer(ctx, node, a, b);
  return product(ctx, node, ...leftAndRight(a, b, op.out));
}

function factorOf(ctx: EmitContext, node: NodeOf<"einsum">, operand: Operand, k: number): Factor {
  const labels = node.op.operands[k];
  const shape = operand.map?.out ?? ctx.node(operand.id).type.shape;
  return {
    operand,
    labels,
    extents: new Map(labels.map((label, axis) => [label, shape[axis]])),
    constant: ctx.isConstant(operand),
  };
}

function summedAlone(factor: Factor, other: Factor, out: readonly number[]): number[] {
  return factor.labels.filter((label) => !other.labels.includes(label) && !out.includes(label));
}

/** A constant stands on the right; of two computed factors the one whose own label is the result's last. */
function leftAndRight(a: Factor, b: Factor, out: readonly number[]): [Factor, Factor] {
  if (a.constant !== b.constant) return a.constant ? [b, a] : [a, b];
  const own = (f: Factor, other: Factor): boolean => {
    const last = out.at(-1);
    return last !== undefined && f.labels.includes(last) && !other.labels.includes(last);
  };
  return own(a, b) ? [b, a] : [a, b];
}

function product(ctx: EmitContext, node: NodeOf<"einsum">, left: Factor, right: Factor): Value {
  const { op, path } = node;
  const both = (label: number): boolean => left.labels.includes(label) && right.labels.includes(label);
  const leftOrder = storedLabels(ctx, left);
  const batch = leftOrder.filter((label) => both(label) && op.out.includes(label));
  const rows = leftOrder.filter((label) => !right.labels.includes(label));
  const summed = (right.constant ? leftOrder : storedLabels(ctx, right)).filter(
    (label) => both(label) && !op.out.includes(label),
  );
  const columns = op.out.filter((label) => right.labels.includes(label) && !left.labels.includes(label));
  const ordered = spreadOut(ctx, batch, rows, right)
    ? // [rows…, batch…, 1, summed] · [batch…, summed, columns]: one small product for each row.
      { lead: [...rows, ...batch], inner: [] as number[] }
    : { lead: batch, inner: rows };
  const x = operandIn(ctx, left, [...ordered.lead, ...ordered.inner, ...summed], path);
  const y = operandIn(ctx, right, [...batch, ...summed, ...columns], path);
  const size = (labels: readonly number[]): number => merged(labels, left, right);
  // A weight without batch axes meets rows as they lie; else they are one axis.
  const asTheyLie = batch.length === 0 && ordered.inner.length > 0 && summed.length === 1;
  const rowDims = asTheyLie ? ordered.inner.map((label) => size([label])) : [size(ordered.inner)];
  const leadDims = ordered.lead.map((label) => size([label]));
  const xDims = [...leadDims, ...rowDims, size(summed)];
  const yDims = [...batch.map((label) => size([label])), size(summed), size(columns)];
  const name = ctx.out.node("MatMul", [shaped(ctx, x, xDims, path), shaped(ctx, y, yDims, path)], path);
  const labels = [...ordered.lead, ...ordered.inner, ...columns];
  const result: Value = {
    name,
    dtype: "num",
    shape: node.type.shape,
    order: labels.map((label) => op.out.indexOf(label)),
    flat: node.type.shape.map(() => false),
  };
  const stored = storedDims(result);
  const made = [...leadDims, ...rowDims, size(columns)];
  const same = stored.length === made.length && stored.every((extent, p) => extent === made[p]);
  return same ? result : { ...result, name: ctx.out.node("Reshape", [name, ctx.out.ints(stored)], path) };
}

/** Whether the layout asks for products row by row: a weight for each token, and rows besides. */
function spreadOut(
  ctx: EmitContext,
  batch: readonly number[],
  rows: readonly number[],
  right: Factor,
): boolean {
  return ctx.layout === "samples" && right.constant && batch.length > 0 && rows.length > 0;
}

/** The labels in the order in which the operand is stored, where it is read as it is stored. */
function storedLabels(ctx: EmitContext, { operand, labels }: Factor): number[] {
  const value = operand.map === undefined ? ctx.stored(operand.id) : undefined;
  return value === undefined ? [...labels] : value.order.map((axis) => labels[axis]);
}

/** The operand with its labels stored in this order, in full. */
function operandIn(ctx: EmitContext, factor: Factor, labels: readonly number[], about: string): Value {
  const order = labels.map((label) => factor.labels.indexOf(label));
  return dense(ctx, factor.operand, order, about);
}

/** The product of the labels' extents; -1 where the batch is among them. */
function merged(labels: readonly number[], a: Factor, b: Factor): number {
  return labels.reduce((total, label) => {
    const extent = a.extents.get(label) ?? b.extents.get(label);
    return typeof extent !== "number" || total < 0 ? -1 : total * extent;
  }, 1);
}

function shaped(ctx: EmitContext, value: Value, dims: readonly number[], about: string): string {
  const stored = storedDims(value);
  if (stored.length === dims.length && stored.every((extent, p) => extent === dims[p])) return value.name;
  return ctx.out.once(`shape:${value.name}:${dims.join()}`, () =>
    ctx.out.node("Reshape", [value.name, ctx.out.ints(dims)], about),
  );
}

/** Nothing is summed: a product element by element, each operand with 1 where it lacks an axis. */
function outer(ctx: EmitContext, node: NodeOf<"einsum">, a: Factor, b: Factor): Value {
  const { out } = node.op;
  const dimsOf = (factor: Factor) => {
    const order = out
      .filter((label) => factor.labels.includes(label))
      .map((label) => factor.labels.indexOf(label));
    const value = ctx.read(factor.operand, order, node.path);
    const stored = storedDims(value);
    const dims = out.map((label) => {
      const axis = factor.labels.indexOf(label);
      return axis < 0 ? 1 : stored[order.indexOf(axis)];
    });
    const flat = out.map((label) => {
      const axis = factor.labels.indexOf(label);
      return axis < 0 || value.flat[axis];
    });
    return { name: shaped(ctx, value, dims, node.path), flat };
  };
  const [x, y] = [dimsOf(a), dimsOf(b)];
  const name = ctx.out.node("Mul", [x.name, y.name], node.path);
  const { shape } = node.type;
  const flat = shape.map((extent, axis) => x.flat[axis] && y.flat[axis] && extent !== 1);
  return { name, dtype: "num", shape, order: rowMajor(shape), flat };
}

/** `Einsum` with operands stored in full; a label is a letter. */
function general(ctx: EmitContext, node: NodeOf<"einsum">): Value {
  const { op, path } = node;
  const letter = (label: number): string => String.fromCharCode("a".charCodeAt(0) + letters.indexOf(label));
  const letters = [...new Set(op.operands.flat())];
  const equation = `${op.operands.map((labels) => labels.map(letter).join("")).join(",")}->${op.out.map(letter).join("")}`;
  const inputs = node.inputs.map((operand, k) => dense(ctx, operand, rowMajor(op.operands[k]), path).name);
  const name = ctx.out.node("Einsum", inputs, path, { equation });
  const { shape } = node.type;
  return { name, dtype: "num", shape, order: rowMajor(shape), flat: shape.map(() => false) };
}
