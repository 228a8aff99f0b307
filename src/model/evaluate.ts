/**
 * @file The value of an expression. What both sides know at compile time stays a number; as soon as a tensor takes part, nodes
 * are built.
 */
import type { Binary, BinaryOp, Expr, Ident, List, Member, Unary } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import { closest } from "../../grammar/suggest.ts";
import type { ScalarFn } from "../ir/expr.ts";
import { sliceMap } from "../ir/indexmap.ts";
import { builtins } from "./builtins/index.ts";
import { call } from "./calls.ts";
import { binaryCompileTime, exactInt, isCompileTime, listOf } from "./compiletime.ts";
import type { Env } from "./context.ts";
import { evaluateIndex } from "./indexing.ts";
import { Failure } from "./report.ts";
import {
  boolValue,
  describe,
  type FnValue,
  floatValue,
  intValue,
  type TensorValue,
  type Value,
} from "./values.ts";

export function evaluate(expr: Expr, env: Env): Value {
  try {
    env.ctx.enter(expr.span);
    return dispatch(expr, env);
  } finally {
    env.ctx.leave();
  }
}

function dispatch(expr: Expr, env: Env): Value {
  switch (expr.kind) {
    case "int":
      return exactInt(expr.value, env.ctx, expr.span);
    case "float":
      return floatValue(expr.value);
    case "bool":
      return boolValue(expr.value);
    case "string":
      return { kind: "string", value: expr.value, span: expr.span };
    case "ident":
      return nameValue(expr, env);
    case "unary":
      return unary(expr, env);
    case "binary":
      return binary(expr, env);
    case "call":
      return call(expr, [], env);
    case "pipe":
      return call(expr.call, [{ value: evaluate(expr.value, env), span: expr.value.span }], env, expr.span);
    case "index":
      return evaluateIndex(expr, env);
    case "member":
      return member(expr, env);
    case "list":
      return list(expr, env);
    case "group":
      return evaluate(expr.inner, env);
    case "range":
      return {
        kind: "range",
        ...(expr.from && { from: evaluateInt(expr.from, env) }),
        ...(expr.to && { to: evaluateInt(expr.to, env) }),
      };
    default:
      return expr satisfies never;
  }
}

/** What a name means: a value in scope, `training`, a block, a primitive. */
function nameValue(ident: Ident, env: Env): Value {
  const { name, span } = ident;
  const binding = env.scope.get(name, env.training);
  if (binding) {
    if (!binding.value) throw new Failure();
    if (binding.value.kind === "tensor" && binding.rows) return { ...binding.value, rows: binding.rows };
    return binding.value;
  }
  if (name === "training") return boolValue(env.training);
  const fn = functionNamed(name, env);
  if (fn) return fn;
  const trained = env.scope.trainingOnly(name);
  if (trained) {
    return env.reporter.fail("RMX0116", span, `\`${name}\` exists only where \`training\` is true`, {
      secondary: [{ span: trained.span, message: "bound here, in a branch that serving does not take" }],
    });
  }
  return unknownName(ident, env, [
    ...env.scope.names(),
    ...env.file.visible.keys(),
    ...builtins.keys(),
    "training",
    "inf",
  ]);
}

export function functionNamed(name: string, env: Env): FnValue | undefined {
  const block = env.file.visible.get(name);
  if (block) return { kind: "fn", target: { kind: "block", block }, bound: new Map() };
  const builtin = builtins.get(name);
  return builtin && { kind: "fn", target: { kind: "builtin", builtin }, bound: new Map() };
}

export function unknownName(ident: Ident, env: Env, candidates: readonly string[]): never {
  const near = closest(ident.name, candidates);
  return env.reporter.fail("RMX0101", ident.span, `unknown name \`${ident.name}\``, {
    label: "not in scope here",
    ...(near !== undefined && { help: `did you mean \`${near}\`?` }),
    ...(near === undefined &&
      env.body === "block" && { help: "a block sees only its parameters and what it binds itself" }),
  });
}

/** An int known at compile time. */
export function evaluateInt(expr: Expr, env: Env): number {
  const value = evaluate(expr, env);
  if (value.kind === "int") return value.value;
  return env.reporter.fail(
    "RMX0107",
    expr.span,
    `expected an int known at compile time, found ${describe(value)}`,
    {
      ...(value.kind === "float" && {
        help: "`int(…)` cuts a float off; `//` and `ceil_div` round a quotient",
      }),
    },
  );
}

/** An extent: an int of at least 1. */
export function evaluateExtent(expr: Expr, env: Env): number {
  const value = evaluateInt(expr, env);
  if (value >= 1) return value;
  return env.reporter.fail("RMX0212", expr.span, `an axis cannot have ${value} elements`);
}

function unary(expr: Unary, env: Env): Value {
  const value = evaluate(expr.operand, env);
  if (expr.op === "-") {
    if (value.kind === "int") return intValue(value.value === 0 ? 0 : -value.value);
    if (value.kind === "float") return floatValue(-value.value);
    return env.emit(expr.span).pointwise("neg", [value], [expr.operand.span]);
  }
  if (value.kind === "bool") return boolValue(!value.value);
  return env.emit(expr.span).pointwise("not", [value], [expr.operand.span]);
}

const TENSOR_FUNCTIONS: Readonly<Record<BinaryOp, ScalarFn>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  "//": "floordiv",
  "%": "mod",
  "==": "eq",
  "!=": "ne",
  "<": "lt",
  "<=": "le",
  ">": "gt",
  ">=": "ge",
  and: "and",
  or: "or",
};

function binary(expr: Binary, env: Env): Value {
  const left = evaluate(expr.left, env);
  if (left.kind === "bool" && ((expr.op === "and" && !left.value) || (expr.op === "or" && left.value)))
    return left;
  const right = evaluate(expr.right, env);
  if (isCompileTime(left) && isCompileTime(right))
    return binaryCompileTime(expr.op, left, right, env.ctx, expr.span);
  return env
    .emit(expr.span)
    .pointwise(TENSOR_FUNCTIONS[expr.op], [left, right], [expr.left.span, expr.right.span]);
}

function member(expr: Member, env: Env): Value {
  const base = evaluate(expr.base, env);
  const { name, span } = expr.name;
  if (base.kind === "seq") {
    const field = base.fields.get(name);
    return field ?? unknownMember(expr, [...base.fields.keys()], env);
  }
  if (base.kind === "tensor") {
    const rows = base.rows?.get(name);
    if (!rows) return unknownMember(expr, [...(base.rows?.keys() ?? [])], env);
    return sliceRows(base, rows.start, rows.count, env, span);
  }
  return unknownMember(expr, [], env);
}

function unknownMember(expr: Member, known: readonly string[], env: Env): never {
  const near = closest(expr.name.name, known);
  const listed = known.map((name) => `\`${name}\``).join(", ");
  return env.reporter.fail("RMX0112", expr.name.span, `there is no part called \`${expr.name.name}\` here`, {
    help: near
      ? `did you mean \`${near}\`?`
      : listed
        ? `it has ${listed}`
        : "only the rows of a `tokens` statement and the fields of a `seq` feature have names",
  });
}

export function sliceRows(x: TensorValue, start: number, count: number, env: Env, span: Span): TensorValue {
  return env.emit(span).view(x, sliceMap(x.shape, 0, start, count));
}

function list(expr: List, env: Env): Value {
  return listOf(
    expr.items.map((item) => evaluateListItem(item, env)),
    env.ctx,
    expr.span,
  );
}

function evaluateListItem(item: Expr, env: Env): Value {
  const value = evaluate(item, env);
  if (isCompileTime(value)) return value;
  return env.reporter.fail(
    "RMX0113",
    item.span,
    `a list holds compile-time values, found ${describe(value)}`,
    {
      help: "`concat(a, b, axis = 0)` joins tensors",
    },
  );
}
