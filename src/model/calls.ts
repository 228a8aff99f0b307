/**
 * @file Calls: finding what a name calls, partial application, binding a block's parameters, running its body and checking what
 * it returns.
 */
import type { BlockDecl, Call, Parameter } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import { evaluateArguments, type Formal, type Given, type Matched, matchArguments } from "./arguments.ts";
import { builtins } from "./builtins/index.ts";
import { runBuiltin } from "./builtins/run.ts";
import { Env } from "./context.ts";
import { bindShape, evaluateShape } from "./dimensions.ts";
import { evaluate, functionNamed, unknownName } from "./evaluate.ts";
import { Failure } from "./report.ts";
import { Scope } from "./scope.ts";
import { runBody } from "./statements.ts";
import {
  type Block,
  type Bound,
  describe,
  type FnValue,
  fnName,
  shapeText,
  type TensorValue,
  type Value,
} from "./values.ts";

/** Where a call stands and what its parameters are labelled. */
export interface Site {
  readonly span: Span;
  readonly label?: { readonly name: string; readonly span: Span };
}

/** `callee(args)`; `first` comes before the written arguments (the left side of a pipe). */
export function call(expr: Call, first: readonly Bound[], env: Env, span: Span = expr.span): Value {
  const fn = callee(expr, env);
  const given = evaluateArguments(expr, first, env);
  return applyFunction(fn, given, { span, ...(expr.label && { label: expr.label }) }, env);
}

function callee(expr: Call, env: Env): FnValue {
  const { name, span } = expr.callee;
  const binding = env.scope.get(name, env.training);
  if (binding && !binding.value) throw new Failure();
  if (binding?.value?.kind === "fn") return binding.value;
  const fn = functionNamed(name, env);
  if (fn) return fn;
  if (binding?.value) {
    return env.reporter.fail(
      "RMX0119",
      span,
      `\`${name}\` is ${describe(binding.value)} and cannot be called`,
    );
  }
  return unknownName(expr.callee, env, [...env.file.visible.keys(), ...builtins.keys()]);
}

export function applyFunction(fn: FnValue, given: Given, site: Site, env: Env): Value {
  const formals = formalsOf(fn);
  const name = fnName(fn);
  const builtin = fn.target.kind === "builtin" ? fn.target.builtin : undefined;
  if (isPartial(fn, given)) {
    const options = { extra: builtin?.sizes === true, bound: fn.bound };
    const relaxed = formals.map((formal) => ({ ...formal, optional: true }));
    const { byName } = matchArguments(name, relaxed, given, options, site.span, env);
    return { ...fn, bound: byName };
  }
  const options = { extra: builtin?.sizes === true, bound: fn.bound };
  const matched = matchArguments(name, formals, given, options, site.span, env);
  return fn.target.kind === "builtin"
    ? runBuiltin(fn.target.builtin, matched, site, env)
    : runBlock(fn.target.block, matched, site, env);
}

function formalsOf(fn: FnValue): readonly Formal[] {
  if (fn.target.kind === "builtin") return fn.target.builtin.params;
  return fn.target.block.decl.params.map((param) => ({
    name: param.name.name,
    optional: param.default !== undefined,
  }));
}

/** `cross(rank = 8)`: every argument is named and the one tensor of the function is not among them. */
function isPartial(fn: FnValue, given: Given): boolean {
  if (given.positional.length > 0 || given.named.size === 0) return false;
  const tensors =
    fn.target.kind === "builtin"
      ? fn.target.builtin.params.filter((param) => param.type === "tensor" && !param.optional)
      : fn.target.block.decl.params.filter((param) => param.type.kind === "tensor" && !param.default);
  const open = tensors
    .map((param) => (typeof param.name === "string" ? param.name : param.name.name))
    .filter((name) => !given.named.has(name) && !fn.bound.has(name));
  return open.length === 1 && tensors.length === 1;
}

function runBlock(block: Block, matched: Matched, site: Site, env: Env): Value {
  const { ctx, reporter } = env;
  const { decl } = block;
  const name = decl.name.name;
  if (reporter.frames.length >= ctx.limits.depth) {
    reporter.fail("RMX0302", site.span, `calls are nested more than ${ctx.limits.depth} deep`, {
      notes: [
        `limit \`depth\` = ${ctx.limits.depth}; a block that calls itself needs an \`if\` that ends it`,
      ],
    });
  }
  const file = ctx.program.files.get(block.file);
  if (!file) throw new Error(`internal: no file ${block.file}`);
  const label = site.label ?? { name, span: site.span };
  const inner = new Env({
    ctx,
    scope: new Scope(),
    labels: env.labels.child(label.name, label.span),
    file,
    body: "block",
  });
  const late = bindParameters(decl, matched, inner, env);
  reporter.frames.push({ callee: name, span: site.span });
  try {
    bindDefaults(decl, matched, inner, site);
  } finally {
    reporter.frames.pop();
  }
  for (const check of late) check();
  reporter.frames.push({ callee: name, span: site.span });
  try {
    return runBlockBody(decl, inner);
  } finally {
    reporter.frames.pop();
  }
}

/** Compile-time arguments first, so that a dimension of the same name is checked against them; then tensors in order. */
function bindParameters(decl: BlockDecl, matched: Matched, inner: Env, outer: Env): (() => void)[] {
  const late: (() => void)[] = [];
  const given = decl.params.flatMap((param) => {
    const bound = matched.byName.get(param.name.name);
    return bound ? [{ param, bound }] : [];
  });
  for (const { param, bound } of given) {
    if (param.type.kind === "value") bindParameter(param, bound, inner, outer, decl);
  }
  for (const { param, bound } of given) {
    if (param.type.kind === "tensor") late.push(bindParameter(param, bound, inner, outer, decl));
  }
  return late;
}

function bindDefaults(decl: BlockDecl, matched: Matched, inner: Env, site: Site): void {
  for (const param of decl.params) {
    if (matched.byName.has(param.name.name) || !param.default) continue;
    const bound = { value: evaluate(param.default, inner), span: param.default.span };
    bindParameter(param, bound, inner, inner, decl, site.span)();
  }
}

function bindParameter(
  param: Parameter,
  bound: Bound,
  inner: Env,
  outer: Env,
  decl: BlockDecl,
  at?: Span,
): () => void {
  const what = `\`${param.name.name}\` of \`${decl.name.name}\``;
  const value = convertArgument(param, bound, what, outer);
  const { scope, training } = inner;
  scope.set(param.name.name, { value, span: at ?? bound.span }, training);
  if (param.type.kind !== "tensor" || value.kind !== "tensor") return () => {};
  return bindShape(param.type.shape, value, { what, span: bound.span }, inner, outer);
}

/** The argument as the parameter's type wants it, or a diagnostic. */
export function convertArgument(param: Parameter, bound: Bound, what: string, env: Env): Value {
  const { type } = param;
  const { value, span } = bound;
  const secondary = [{ span: param.span, message: "declared here" }];
  if (type.kind === "tensor") {
    if (value.kind === "int" && type.element === "num") return env.emit(span).constant(value.value, "num");
    const tensor: TensorValue = env.emit(span).tensor(value, span);
    if (tensor.dtype !== type.element) {
      env.reporter.fail("RMX0117", span, `${what} is a tensor of ${type.element}, found ${tensor.dtype}`, {
        secondary,
        help:
          type.element === "num"
            ? "convert it with `float(…)`"
            : type.element === "i32"
              ? "convert it with `int(…)`"
              : "compare it, as in `x > 0`",
      });
    }
    return tensor;
  }
  const items = type.list ? (value.kind === "list" ? value.items : undefined) : [value];
  const fits = (v: Value): boolean => v.kind === type.base || (type.base === "float" && v.kind === "int");
  if (items?.every(fits)) return value;
  const wrong = items?.find((item) => !fits(item)) ?? value;
  return env.reporter.fail(
    "RMX0107",
    span,
    `${what} is ${typeName(type.base, type.list)}, found ${describe(wrong)}`,
    { secondary },
  );
}

function typeName(base: string, list: boolean): string {
  if (list) return `a list of ${base}`;
  return base === "int" ? "an int" : base === "fn" ? "a function" : `a ${base}`;
}

function runBlockBody(decl: BlockDecl, inner: Env): Value {
  const returned = runBody(decl.body, inner);
  if (!returned) {
    return inner.reporter.fail("RMX0111", decl.name.span, `\`${decl.name.name}\` returns nothing`, {
      help: "end the block with `return …`",
    });
  }
  if (returned.values.length !== decl.results.length) {
    inner.reporter.fail(
      "RMX0111",
      returned.span,
      `${returned.values.length} values returned, ${decl.results.length} declared`,
      {
        ...(decl.results[0] && { secondary: [{ span: decl.results[0].span, message: "declared here" }] }),
      },
    );
  }
  const values = returned.values.map((bound, i): Value => {
    const result = decl.results[i];
    if (!result) throw new Error("internal: results were counted");
    const tensor =
      result.element === "num"
        ? inner.emit(bound.span).num(bound.value, bound.span)
        : inner.emit(bound.span).tensor(bound.value, bound.span);
    const expected = evaluateShape(result.shape, inner);
    if (tensor.dtype !== result.element) {
      inner.reporter.fail(
        "RMX0117",
        bound.span,
        `the result is ${tensor.dtype}, declared as ${result.element}`,
        {
          secondary: [{ span: result.span, message: "declared here" }],
        },
      );
    }
    if (shapeText(expected) !== shapeText(tensor.shape)) {
      inner.reporter.fail(
        "RMX0208",
        bound.span,
        `the result has shape ${shapeText(tensor.shape)}, declared as ${shapeText(expected)}`,
        {
          secondary: [{ span: result.shape.span, message: `${shapeText(expected)} here` }],
        },
      );
    }
    return tensor;
  });
  const [only] = values;
  return values.length === 1 && only ? only : { kind: "results", values };
}
