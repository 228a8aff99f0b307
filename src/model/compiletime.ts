/**
 * @file Arithmetic of compile-time values. Ints are exact: `/` of ints divides or is an error, `//` and `%` are floored, int ×
 * float (and int / float) is an int where the result is a whole number.
 */
import type { BinaryOp } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import type { Context } from "./context.ts";
import { boolValue, describe, floatValue, intValue, type Value } from "./values.ts";

export type Scalar = Extract<Value, { kind: "int" | "float" }>;

export function isNumber(value: Value): value is Scalar {
  return value.kind === "int" || value.kind === "float";
}

export function isCompileTime(value: Value): boolean {
  return (
    isNumber(value) ||
    value.kind === "bool" ||
    value.kind === "string" ||
    value.kind === "list" ||
    value.kind === "fn"
  );
}

/** `left op right` of two compile-time values. */
export function binaryCompileTime(op: BinaryOp, left: Value, right: Value, ctx: Context, span: Span): Value {
  if (isNumber(left) && isNumber(right)) {
    const compared = compareNumbers(op, left.value, right.value);
    if (compared !== undefined) return boolValue(compared);
    if (op !== "and" && op !== "or") return arithmetic(op, left, right, ctx, span);
  }
  if (left.kind === "bool" && right.kind === "bool") {
    if (op === "and") return boolValue(left.value && right.value);
    if (op === "or") return boolValue(left.value || right.value);
  }
  if (
    (left.kind === "bool" && right.kind === "bool") ||
    (left.kind === "string" && right.kind === "string")
  ) {
    if (op === "==") return boolValue(left.value === right.value);
    if (op === "!=") return boolValue(left.value !== right.value);
  }
  if (op === "+" && left.kind === "list" && right.kind === "list") {
    return listOf([...left.items, ...right.items], ctx, span);
  }
  if (op === "*" && left.kind === "list" && right.kind === "int") {
    checkLength(left.items.length * right.value, ctx, span);
    return { kind: "list", items: Array.from({ length: Math.max(0, right.value) }, () => left.items).flat() };
  }
  return ctx.reporter.fail(
    "RMX0107",
    span,
    `\`${op}\` does not take ${describe(left)} and ${describe(right)}`,
  );
}

export function listOf(items: readonly Value[], ctx: Context, span: Span): Value {
  checkLength(items.length, ctx, span);
  return { kind: "list", items };
}

function checkLength(length: number, ctx: Context, span: Span): void {
  if (length <= ctx.limits.listLength) return;
  ctx.reporter.fail("RMX0305", span, `a list of ${length} entries is too long`, {
    notes: [`limit \`listLength\` = ${ctx.limits.listLength}`],
  });
}

function compareNumbers(op: BinaryOp, a: number, b: number): boolean | undefined {
  switch (op) {
    case "==":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
    default:
      return undefined;
  }
}

type Arithmetic = "+" | "-" | "*" | "/" | "//" | "%";

function arithmetic(op: BinaryOp, left: Scalar, right: Scalar, ctx: Context, span: Span): Value {
  const ints = left.kind === "int" && right.kind === "int";
  const a = left.value;
  const b = right.value;
  if (b === 0 && (op === "//" || op === "%" || (op === "/" && ints))) {
    return ctx.reporter.fail("RMX0120", span, `${a} ${op} 0 has no value`);
  }
  if (op === "/" && ints && a % b !== 0) {
    return ctx.reporter.fail("RMX0203", span, `${b} does not divide ${a}`, {
      label: `${a} / ${b} is not a whole number`,
      help: "`//` rounds down, `ceil_div(a, b)` rounds up, `float(a) / b` is a float",
    });
  }
  const value = apply(op as Arithmetic, a, b);
  if (ints) return exactInt(value, ctx, span);
  const scaled = left.kind !== right.kind && (op === "*" || op === "/");
  return scaled && Number.isSafeInteger(value) ? intValue(value) : floatValue(value);
}

function apply(op: Arithmetic, a: number, b: number): number {
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "//":
      return Math.floor(a / b);
    case "%":
      return a - b * Math.floor(a / b);
  }
}

export function exactInt(value: number, ctx: Context, span: Span): Value {
  if (Number.isSafeInteger(value)) return intValue(value);
  return ctx.reporter.fail("RMX0120", span, "this whole number is too large to be exact", {
    notes: ["compile-time ints lie between -2^53 and 2^53"],
  });
}
