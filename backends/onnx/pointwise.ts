/** @file Element-wise functions, and the sources and casts that go with them. */
import type { DType, ScalarFn } from "../../src/ir/expr.ts";
import { cast, type EmitContext, type NodeOf, preferredOrder } from "./context.ts";
import type { Value } from "./value.ts";

/** Functions that are one operator of the same arguments. */
const OPERATORS: Partial<Readonly<Record<ScalarFn, string>>> = {
  add: "Add",
  sub: "Sub",
  mul: "Mul",
  div: "Div",
  neg: "Neg",
  eq: "Equal",
  lt: "Less",
  le: "LessOrEqual",
  gt: "Greater",
  ge: "GreaterOrEqual",
  and: "And",
  or: "Or",
  not: "Not",
  exp: "Exp",
  log: "Log",
  sqrt: "Sqrt",
  tanh: "Tanh",
  sigmoid: "Sigmoid",
  relu: "Relu",
  gelu: "Gelu",
  abs: "Abs",
  floor: "Floor",
  sign: "Sign",
  max: "Max",
  min: "Min",
  pow: "Pow",
  where: "Where",
};

/** Operators that ONNX Runtime has for floats alone, and that leave an integer as it is. */
const WHOLE_ALREADY: ReadonlySet<ScalarFn> = new Set<ScalarFn>(["floor"]);

export function pointwise(ctx: EmitContext, node: NodeOf<"pointwise">): Value {
  const { op, type, path } = node;
  const { fn } = op;
  const order = preferredOrder(ctx, node.inputs, type.shape.length);
  const constant = node.inputs.every((operand) => ctx.isConstant(operand));
  const args = node.inputs.map((operand) =>
    constant ? ctx.read(operand, order, path) : ctx.readToBroadcast(operand, order, path),
  );
  const flat = type.shape.map((_, axis) => args.every((arg) => arg.flat[axis]));
  const typed = promoted(ctx, fn, args, type.dtype, path);
  const name = emit(ctx, fn, typed, type.dtype, path);
  return { name, dtype: type.dtype, shape: type.shape, order, flat };
}

/** ONNX operators take operands of one type: an integer beside a number, or in a real function, becomes a number. */
function promoted(
  ctx: EmitContext,
  fn: ScalarFn,
  args: readonly Value[],
  result: DType,
  about: string,
): readonly Value[] {
  if (fn === "to_num" || fn === "to_i32" || fn === "to_bool") return args;
  const [first, ...rest] = args;
  const together = fn === "where" ? rest : args;
  const real = together.some((arg) => arg.dtype === "num") || result === "num";
  const logical = together.every((arg) => arg.dtype === "bool");
  const typed = real && !logical ? together.map((arg) => cast(ctx.out, arg, "num", about)) : together;
  return fn === "where" ? [first, ...typed] : typed;
}

function emit(ctx: EmitContext, fn: ScalarFn, args: readonly Value[], dtype: DType, about: string): string {
  const { out } = ctx;
  const names = args.map((arg) => arg.name);
  const [a, b, c] = names;
  const node = (op: string, inputs: readonly string[], attributes = {}): string =>
    out.node(op, inputs, about, attributes);
  const isInteger = args[0].dtype === "i32";
  if (WHOLE_ALREADY.has(fn) && isInteger) return a;
  switch (fn) {
    case "to_num":
    case "to_i32":
    case "to_bool":
      return cast(out, args[0], dtype, about).name;
    case "gelu_tanh":
      return node("Gelu", [a], { approximate: "tanh" });
    case "silu":
      return node("Mul", [a, node("Sigmoid", [a])]);
    case "rsqrt":
      return node("Reciprocal", [node("Sqrt", [a])]);
    case "ne":
      return node("Not", [node("Equal", [a, b])]);
    case "clamp":
      return node("Min", [node("Max", [a, b]), c]);
    // `Mod` of integers takes the sign of the divisor, as ours does; `Div` of integers rounds towards zero.
    case "mod":
      return isInteger ? node("Mod", [a, b]) : node("Sub", [a, node("Mul", [floored(), b])]);
    case "floordiv":
      return isInteger ? node("Div", [node("Sub", [a, node("Mod", [a, b])]), b]) : floored();
    default: {
      const operator = OPERATORS[fn];
      if (operator === undefined) throw new Error(`internal: ${fn} has no operator`);
      return node(operator, names);
    }
  }
  function floored(): string {
    return node("Floor", [node("Div", [a, b])]);
  }
}
