/** @file What the emitters of single ops share: reading operands, casts, and the sizes of the batch. */
import type { DType, Extent } from "../../src/ir/expr.ts";
import type { Node, Op, Operand, OpKind } from "../../src/ir/graph.ts";
import type { Builder } from "./builder.ts";
import type { OnnxLayout } from "./layouts.ts";
import { ELEMENTS } from "./model.ts";
import { ELEMENT_OF, type Value } from "./value.ts";
import { stretched } from "./views.ts";

/** A node of the Graph with an op of kind K. */
export type NodeOf<K extends OpKind> = Omit<Node, "op"> & {
  readonly op: Extract<Op, { readonly kind: K }>;
};

export interface EmitContext {
  readonly out: Builder;
  readonly layout: OnnxLayout;
  node(id: number): Node;
  isConstant(operand: Operand): boolean;
  /** The operand as an op sees it; `order` as in `Value`, by default the cheapest. */
  read(operand: Operand, order: readonly number[] | undefined, about: string): Value;
  /** A constant without leading axes of extent 1, for an operator that broadcasts; anything else as `read` gives it. */
  readToBroadcast(operand: Operand, order: readonly number[], about: string): Value;
  /** The value of a node that is computed, as it is stored. */
  stored(id: number): Value | undefined;
  /** How many R or N are, as [1] of int64. */
  batch(extent: Extent): string;
}

export function cast(out: Builder, value: Value, dtype: DType, about: string): Value {
  if (value.dtype === dtype) return value;
  const name = out.once(`cast:${value.name}:${dtype}`, () =>
    out.node("Cast", [value.name], about, { to: ELEMENTS[ELEMENT_OF[dtype]].code }),
  );
  return { ...value, name, dtype };
}

/** The value with every axis that `which` names (default: all) stored in full, in the order `order`. */
export function dense(
  ctx: EmitContext,
  operand: Operand,
  order: readonly number[],
  about: string,
  which: (axis: number) => boolean = () => true,
): Value {
  const value = ctx.read(operand, order, about);
  return stretched(ctx.out, value, which, (extent) => ctx.batch(extent), about);
}

/** The order in which an operand of a broadcasting op lies already, so that no axis has to move. */
export function preferredOrder(
  ctx: EmitContext,
  inputs: readonly Operand[],
  rank: number,
): readonly number[] {
  const computed = inputs.filter((operand) => !ctx.isConstant(operand) && operand.map === undefined);
  for (const operand of computed) {
    const value = ctx.stored(operand.id);
    if (value !== undefined && !value.flat.includes(true)) return value.order;
  }
  const first = computed.length > 0 ? ctx.stored(computed[0].id) : undefined;
  return first?.order ?? Array.from({ length: rank }, (_, axis) => axis);
}

export { stretched };
