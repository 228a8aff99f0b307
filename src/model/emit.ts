/**
 * @file Building nodes of the Graph for one expression: conversion of compile-time values, broadcasting from the right, element
 * types. Every node gets the expression's path and the innermost place in the user's files.
 */
import type { Span } from "../../grammar/diagnostics.ts";
import type { DType, ScalarFn } from "../ir/expr.ts";
import type { Op, Operand, TensorType } from "../ir/graph.ts";
import { broadcastMap, type IndexMap } from "../ir/indexmap.ts";
import { OpError } from "../ir/ops/def.ts";
import { resultType } from "../ir/scalar.ts";
import type { Context } from "./context.ts";
import { describe, numel, shapeText, type TensorValue, type Value } from "./values.ts";

/** Functions of numbers that an i32 operand is converted for. */
const REAL_FUNCTIONS: ReadonlySet<ScalarFn> = new Set<ScalarFn>([
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "tanh",
  "sigmoid",
  "gelu",
  "gelu_tanh",
  "silu",
]);

export class Emit {
  readonly span: Span;
  private readonly ctx: Context;
  private readonly path: string;

  constructor(ctx: Context, path: string, span: Span) {
    this.ctx = ctx;
    this.path = path;
    this.span = span;
  }

  /** Adds a node; its shape follows from the op and its operands, or is `leaf` for an op without operands. */
  op(op: Op, inputs: readonly Operand[], leaf?: TensorType): TensorValue {
    const { builder, limits, reporter } = this.ctx;
    if (builder.size >= limits.nodes) {
      reporter.fail("RMX0301", this.span, `the model unrolls to more than ${limits.nodes} values`, {
        notes: [`limit \`nodes\` = ${limits.nodes}`],
      });
    }
    if (leaf && op.kind !== "param") this.checkSize(leaf.shape.map(extentNumber));
    const site = { path: this.path, origin: reporter.origin(this.span) };
    try {
      const node = builder.add(op, inputs, leaf ? { ...site, type: leaf } : site);
      const shape = node.type.shape.map(extentNumber);
      if (op.kind !== "param") this.checkSize(shape);
      return { kind: "tensor", id: node.id, shape, dtype: node.type.dtype };
    } catch (error) {
      if (error instanceof OpError) return reporter.fail("RMX0213", this.span, error.message);
      throw error;
    }
  }

  checkSize(shape: readonly number[]): void {
    const { limits, reporter } = this.ctx;
    if (numel(shape) <= limits.valueElements) return;
    reporter.fail("RMX0303", this.span, `a value of shape ${shapeText(shape)} is too large`, {
      notes: [`limit \`valueElements\` = ${limits.valueElements} elements of one computed value`],
    });
  }

  /** A node that stores nothing: the value seen through `map`. */
  view(x: TensorValue, map: IndexMap): TensorValue {
    this.checkSize(map.out.map(extentNumber));
    return this.op({ kind: "view" }, [{ id: x.id, map }]);
  }

  constant(value: number, dtype: DType): TensorValue {
    return this.op({ kind: "const", value }, [], { shape: [], dtype });
  }

  /** A value where a tensor is needed; numbers become constants of shape []. */
  tensor(value: Value, span: Span = this.span): TensorValue {
    switch (value.kind) {
      case "tensor":
        return value;
      case "table":
        return value.tensor;
      case "int":
        return this.constant(value.value, "i32");
      case "float":
        return this.constant(value.value, "num");
      case "bool":
        return this.constant(value.value ? 1 : 0, "bool");
      default:
        return this.ctx.reporter.fail("RMX0107", span, `expected a tensor, found ${describe(value)}`, {
          ...(value.kind === "fn" && {
            help: "a function that still lacks its tensor argument is not applied yet",
          }),
          ...(value.kind === "seq" && {
            help: `name a field: \`${value.name}.${[...value.fields.keys()][0] ?? "field"}\``,
          }),
        });
    }
  }

  /** A tensor of `num`: i32 is converted, bool is an error. */
  num(value: Value, span: Span = this.span): TensorValue {
    if (value.kind === "int") return this.constant(value.value, "num");
    const x = this.tensor(value, span);
    if (x.dtype === "i32") return this.op({ kind: "pointwise", fn: "to_num" }, [{ id: x.id }]);
    if (x.dtype === "bool") {
      return this.ctx.reporter.fail("RMX0117", span, "expected numbers, found a tensor of bool", {
        help: "convert it with `float(…)`, or choose between two values with `where(…, a, b)`",
      });
    }
    return x;
  }

  /** `fn` of every element, operands broadcast from the right. `parts` names the operands in messages. */
  pointwise(fn: ScalarFn, values: readonly Value[], spans: readonly Span[] = []): TensorValue {
    const spanAt = (i: number): Span => spans[i] ?? this.span;
    const wantsNum = REAL_FUNCTIONS.has(fn);
    const typed = values.map((value, i) =>
      wantsNum ? this.num(value, spanAt(i)) : this.operandOf(values, value, spanAt(i)),
    );
    const dtypes = typed.map((x) => x.dtype);
    if (resultType(fn, dtypes) === undefined) {
      const wrong = dtypes.indexOf("bool");
      this.ctx.reporter.fail("RMX0117", this.span, `\`${fn}\` does not take ${dtypes.join(" and ")}`, {
        ...(wrong >= 0 && fn !== "where" && { help: "convert a bool with `float(…)` or `int(…)`" }),
        ...(fn === "where" && { help: "the first argument is a mask of bool, and the others agree" }),
        secondary: typed.flatMap((x, i) => (spans[i] ? [{ span: spans[i], message: describe(x) }] : [])),
      });
    }
    const shape = this.broadcastShape(typed, spans);
    return this.op(
      { kind: "pointwise", fn },
      typed.map((x) => broadcastOperand(x, shape)),
    );
  }

  /** An int beside a tensor takes its element type, so that `ids + 1` stays i32 and `x * 2` stays num. */
  private operandOf(all: readonly Value[], value: Value, span: Span): TensorValue {
    const others = all.some(
      (v) => v.kind === "float" || ((v.kind === "tensor" || v.kind === "table") && dtypeOf(v) === "num"),
    );
    return value.kind === "int" && others ? this.constant(value.value, "num") : this.tensor(value, span);
  }

  private broadcastShape(xs: readonly TensorValue[], spans: readonly Span[]): number[] {
    const rank = Math.max(0, ...xs.map((x) => x.shape.length));
    const shape = new Array<number>(rank).fill(1);
    for (const x of xs) {
      for (const [i, extent] of x.shape.entries()) {
        const axis = rank - x.shape.length + i;
        if (extent === 1 || extent === shape[axis]) continue;
        if (shape[axis] === 1) shape[axis] = extent;
        else this.failBroadcast(xs, spans, shape[axis] ?? 1, extent);
      }
    }
    return shape;
  }

  private failBroadcast(xs: readonly TensorValue[], spans: readonly Span[], a: number, b: number): never {
    return this.ctx.reporter.fail(
      "RMX0205",
      this.span,
      `the shapes ${xs.map((x) => shapeText(x.shape)).join(" and ")} do not broadcast: ${a} meets ${b}`,
      {
        secondary: xs.flatMap((x, i) => (spans[i] ? [{ span: spans[i], message: shapeText(x.shape) }] : [])),
        notes: ["axes are aligned from the right; two extents must be equal or one of them 1"],
      },
    );
  }
}

function dtypeOf(value: Value): DType | undefined {
  return value.kind === "tensor" ? value.dtype : value.kind === "table" ? value.tensor.dtype : undefined;
}

/** Operand `x` as an op of shape `shape` sees it. */
export function broadcastOperand(x: TensorValue, shape: readonly number[]): Operand {
  if (x.shape.length === shape.length && x.shape.every((extent, i) => extent === shape[i]))
    return { id: x.id };
  const skip = shape.length - x.shape.length;
  return {
    id: x.id,
    map: broadcastMap(
      x.shape,
      shape,
      x.shape.map((_, i) => skip + i),
    ),
  };
}

export function extentNumber(extent: number | "R" | "N"): number {
  if (typeof extent !== "number") throw new Error("internal: a batch axis during elaboration");
  return extent;
}
