/** @file Functions of each element, conversions and compile-time arithmetic by name. */
import type { ScalarFn } from "../../ir/expr.ts";
import { scalarFns } from "../../ir/scalar.ts";
import { exactInt, isNumber } from "../compiletime.ts";
import { floatValue, intValue, type Value } from "../values.ts";
import { type Builtin, type BuiltinCall, int, rest, tensor, value } from "./builtin.ts";
import { reduceOrChoose } from "./reduction.ts";

type UnaryFn =
  | "exp"
  | "log"
  | "sqrt"
  | "rsqrt"
  | "tanh"
  | "sigmoid"
  | "relu"
  | "gelu"
  | "gelu_tanh"
  | "silu"
  | "abs"
  | "floor"
  | "sign";

const UNARY: Readonly<Record<UnaryFn, string>> = {
  exp: "e to the power of x",
  log: "the natural logarithm",
  sqrt: "the square root",
  rsqrt: "1 / sqrt(x)",
  tanh: "the hyperbolic tangent",
  sigmoid: "1 / (1 + exp(-x))",
  relu: "max(x, 0)",
  gelu: "x · Φ(x), with the error function",
  gelu_tanh: "the tanh form of gelu: x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))",
  silu: "x · sigmoid(x)",
  abs: "the absolute value",
  floor: "the largest whole number that is not above x",
  sign: "-1, 0 or 1",
};

/** These map whole numbers to whole numbers. */
const KEEPS_INT: ReadonlySet<ScalarFn> = new Set<ScalarFn>(["relu", "abs", "sign", "floor"]);

const unary: Builtin[] = (Object.keys(UNARY) as UnaryFn[]).map((fn) => ({
  name: fn,
  signature: `${fn}(x)`,
  doc: UNARY[fn],
  params: [tensor("x")],
  run(call) {
    const x = call.bound("x");
    if (!isNumber(x.value)) return call.emit.pointwise(fn, [x.value], [x.span]);
    const result = scalarFns[fn].evaluate(x.value.value);
    const whole = KEEPS_INT.has(fn) && (x.value.kind === "int" || fn === "floor");
    return whole ? exactInt(result, call.env.ctx, call.site.span) : floatValue(result);
  },
}));

/** A function of several values: of numbers at compile time, else of every element. */
function several(fn: ScalarFn, call: BuiltinCall, names: readonly string[]): Value {
  const args = names.map((name) => call.bound(name));
  const numbers = args.map(({ value: v }) => v).filter(isNumber);
  if (numbers.length < args.length) {
    return call.emit.pointwise(
      fn,
      args.map((arg) => arg.value),
      args.map((arg) => arg.span),
    );
  }
  const result = scalarFns[fn].evaluate(...numbers.map((n) => n.value));
  const whole = numbers.every((n) => n.kind === "int") && Number.isInteger(result);
  return whole ? exactInt(result, call.env.ctx, call.site.span) : floatValue(result);
}

const extremes: Builtin[] = (["max", "min"] as const).map((fn) => ({
  name: fn,
  signature: `${fn}(a, b, …) · ${fn}(x, "t d -> d") · ${fn}(x, axis = -1, keep = false)`,
  doc: `the ${fn === "max" ? "larger" : "smaller"} of two or more values, or a reduction when a pattern or an axis is given`,
  params: [
    value("x"),
    rest("others"),
    { name: "axis", type: "int", optional: true },
    { name: "keep", type: "bool", optional: true },
  ],
  sizes: true,
  run: (call) => reduceOrChoose(fn, call),
}));

export const pointwise: readonly Builtin[] = [
  ...unary,
  ...extremes,
  {
    name: "pow",
    signature: "pow(x, y)",
    doc: "x to the power of y",
    params: [tensor("x"), value("y")],
    run: (call) => several("pow", call, ["x", "y"]),
  },
  {
    name: "clamp",
    signature: "clamp(x, low, high)",
    doc: "x held between low and high",
    params: [tensor("x"), value("low"), value("high")],
    run: (call) => several("clamp", call, ["x", "low", "high"]),
  },
  {
    name: "where",
    signature: "where(mask, a, b)",
    doc: "a where the mask holds, else b; a mask known at compile time chooses then",
    params: [value("mask"), value("a"), value("b")],
    run(call) {
      const mask = call.bound("mask");
      if (mask.value.kind === "bool") return call.bound(mask.value.value ? "a" : "b").value;
      const args = [mask, call.bound("a"), call.bound("b")];
      return call.emit.pointwise(
        "where",
        args.map((arg) => arg.value),
        args.map((arg) => arg.span),
      );
    },
  },
  {
    name: "float",
    signature: "float(x)",
    doc: "as `num`; true is 1",
    params: [tensor("x")],
    run(call) {
      const { value: v, span } = call.bound("x");
      if (isNumber(v)) return floatValue(v.value);
      if (v.kind === "bool") return floatValue(v.value ? 1 : 0);
      const x = call.emit.tensor(v, span);
      return x.dtype === "num" ? x : call.emit.pointwise("to_num", [x], [span]);
    },
  },
  {
    name: "int",
    signature: "int(x)",
    doc: "as `i32`, cut off towards zero; true is 1",
    params: [tensor("x")],
    run(call) {
      const { value: v, span } = call.bound("x");
      if (isNumber(v)) return exactInt(Math.trunc(v.value), call.env.ctx, call.site.span);
      if (v.kind === "bool") return intValue(v.value ? 1 : 0);
      const x = call.emit.tensor(v, span);
      return x.dtype === "i32" ? x : call.emit.pointwise("to_i32", [x], [span]);
    },
  },
  {
    name: "ceil_div",
    signature: "ceil_div(a, b)",
    doc: "a / b rounded up, at compile time",
    params: [int("a"), int("b")],
    run(call) {
      const b = call.int("b");
      if (b === 0) call.fail("RMX0120", "b", "a quotient by 0 has no value");
      return exactInt(Math.ceil(call.int("a") / b), call.env.ctx, call.site.span);
    },
  },
  {
    name: "len",
    signature: "len(list)",
    doc: "how many entries a compile-time list has; of a tensor the extent of its first axis",
    params: [value("list")],
    run(call) {
      const { value: v } = call.bound("list");
      if (v.kind === "list") return intValue(v.items.length);
      const rows = v.kind === "tensor" ? v.shape[0] : undefined;
      return rows === undefined ? call.wrong("list", "a list or a tensor with axes") : intValue(rows);
    },
  },
];
