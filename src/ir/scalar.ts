/**
 * @file What every scalar function means: its arguments and result type, its value in f64, its cost, and
 * whether zeros give a zero. The reference evaluator, the interpreters, the simplifier and the stage analysis
 * all read this one table.
 *
 * Numbers follow IEEE 754: x/0 is ±∞, `max` and `min` are NaN if either argument is, relu(NaN) is NaN. `floordiv`
 * and `mod` round towards −∞ for integers and floats alike (−1 // 8 = −1, −1 % 8 = 7); an integer division by
 * zero is undefined and yields a value that is no integer. Where mathematically equal forms differ in f64, the one
 * that keeps its digits in the tails is taken (`sigmoid`, `gelu`).
 */
import { e4m3, e5m2, fromFloat8Bits, toFloat8Bits } from "./codecs/float8.ts";
import { BF16_MAX, F16_MAX, fromBf16Bits, fromF16Bits, toBf16Bits, toF16Bits } from "./codecs/half.ts";
import { roundHalfEven } from "./codecs/rounding.ts";
import { erfc } from "./erf.ts";
import type { ApplyExpr, DType, Expr, ScalarFn } from "./expr.ts";

export interface ScalarInfo {
  readonly arity: number;
  /** The type of the result; undefined if these types do not go together. Called with `arity` types. */
  readonly type: (args: readonly DType[]) => DType | undefined;
  /** Booleans are 0 and 1. */
  readonly evaluate: (...args: number[]) => number;
  /**
   * For cost models: 1 for what one instruction does on a GPU, 4 for division and roots (a hardware seed and a
   * Newton step), 8 for exp and log, and for the rest the sum over the usual formula. Casts and selections are free.
   */
  readonly flops: number;
  /** Whether the result is certainly 0, given which arguments are: 0·x is 0 for every x, as the language says. */
  readonly zero: (args: readonly boolean[]) => boolean;
}

type Typing = ScalarInfo["type"];
type Zero = ScalarInfo["zero"];

const isNumber = (t: DType): boolean => t !== "bool";

/** i32 if all are, num if mixed. */
const arithmetic: Typing = (args) =>
  args.every(isNumber) ? (args.every((t) => t === "i32") ? "i32" : "num") : undefined;
const real: Typing = (args) => (args.every(isNumber) ? "num" : undefined);
const comparison: Typing = (args) => (args.every(isNumber) ? "bool" : undefined);
const equality: Typing = ([a, b]) => ((a === "bool") === (b === "bool") ? "bool" : undefined);
const logic: Typing = (args) => (args.every((t) => t === "bool") ? "bool" : undefined);
const selection: Typing = ([cond, a, b]) => {
  if (cond !== "bool") return undefined;
  return a === b ? a : arithmetic([a, b]);
};
const cast =
  (to: DType): Typing =>
  () =>
    to;

const never: Zero = () => false;
const first: Zero = (args) => args[0];
const every: Zero = (args) => args.every((z) => z);
const some: Zero = (args) => args.some((z) => z);

const sigmoid = (x: number): number => {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
};

const modulo = (x: number, y: number): number => {
  const r = x % y;
  // `+ 0`: JavaScript's −8 % 8 is −0.
  return r !== 0 && r < 0 !== y < 0 ? r + y : r + 0;
};

const toI32 = (x: number): number =>
  Number.isNaN(x) ? 0 : Math.max(-2147483648, Math.min(2147483647, Math.trunc(x))) + 0;

const within = (x: number, most: number): number => Math.min(Math.max(x, -most), most);

const truth = (b: boolean): number => (b ? 1 : 0);

function entry(
  arity: number,
  type: Typing,
  flops: number,
  zero: Zero,
  evaluate: ScalarInfo["evaluate"],
): ScalarInfo {
  return { arity, type, flops, zero, evaluate };
}

export const scalarFns: Readonly<Record<ScalarFn, ScalarInfo>> = {
  add: entry(2, arithmetic, 1, every, (a, b) => a + b),
  sub: entry(2, arithmetic, 1, every, (a, b) => a - b),
  mul: entry(2, arithmetic, 1, some, (a, b) => a * b),
  div: entry(2, real, 4, first, (a, b) => a / b),
  floordiv: entry(2, arithmetic, 4, first, (a, b) => Math.floor(a / b)),
  mod: entry(2, arithmetic, 4, first, modulo),
  neg: entry(1, arithmetic, 1, first, (a) => -a),
  eq: entry(2, equality, 1, never, (a, b) => truth(a === b)),
  ne: entry(2, equality, 1, every, (a, b) => truth(a !== b)),
  lt: entry(2, comparison, 1, every, (a, b) => truth(a < b)),
  le: entry(2, comparison, 1, never, (a, b) => truth(a <= b)),
  gt: entry(2, comparison, 1, every, (a, b) => truth(a > b)),
  ge: entry(2, comparison, 1, never, (a, b) => truth(a >= b)),
  and: entry(2, logic, 1, some, (a, b) => truth(a !== 0 && b !== 0)),
  or: entry(2, logic, 1, every, (a, b) => truth(a !== 0 || b !== 0)),
  not: entry(1, logic, 1, never, (a) => truth(a === 0)),
  exp: entry(1, real, 8, never, Math.exp),
  log: entry(1, real, 8, never, Math.log),
  sqrt: entry(1, real, 4, first, Math.sqrt),
  rsqrt: entry(1, real, 4, never, (a) => 1 / Math.sqrt(a)),
  tanh: entry(1, real, 14, first, Math.tanh),
  sigmoid: entry(1, real, 13, never, sigmoid),
  relu: entry(1, real, 1, first, (a) => Math.max(a, 0)),
  // erfc by a polynomial of degree five, an exp and a division.
  gelu: entry(1, real, 22, first, (a) => 0.5 * a * erfc(-a * Math.SQRT1_2)),
  // ½(1 + tanh u) is sigmoid(2u).
  gelu_tanh: entry(
    1,
    real,
    19,
    first,
    (a) => a * sigmoid(2 * Math.sqrt(2 / Math.PI) * (a + 0.044715 * a * a * a)),
  ),
  silu: entry(1, real, 14, first, (a) => a * sigmoid(a)),
  abs: entry(1, arithmetic, 1, first, Math.abs),
  floor: entry(1, arithmetic, 1, first, Math.floor),
  sign: entry(1, arithmetic, 2, first, Math.sign),
  max: entry(2, arithmetic, 1, every, Math.max),
  min: entry(2, arithmetic, 1, every, Math.min),
  pow: entry(2, real, 17, never, (a, b) => a ** b),
  clamp: entry(
    3,
    arithmetic,
    2,
    ([x, lo, hi]) => hi && (x || lo),
    (x, lo, hi) => Math.min(Math.max(x, lo), hi),
  ),
  where: entry(
    3,
    selection,
    0,
    ([cond, a, b]) => b && (cond || a),
    (cond, a, b) => (cond !== 0 ? a : b),
  ),
  // To the nearest number of a storage type, ties to even; what is beyond the largest becomes the largest.
  round_f16: entry(1, real, 10, first, (a) => fromF16Bits(toF16Bits(Float32Array.of(within(a, F16_MAX)))[0])),
  round_bf16: entry(1, real, 4, first, (a) => fromBf16Bits(toBf16Bits(within(a, BF16_MAX)))),
  round_int8: entry(1, real, 3, first, (a) => within(roundHalfEven(a), 127)),
  round_e4m3: entry(1, real, 10, first, (a) => fromFloat8Bits(e4m3, toFloat8Bits(e4m3, a))),
  round_e5m2: entry(1, real, 10, first, (a) => fromFloat8Bits(e5m2, toFloat8Bits(e5m2, a))),
  to_num: entry(1, cast("num"), 0, first, (a) => a),
  // Towards zero and saturating, NaN to 0, as on devices.
  to_i32: entry(1, cast("i32"), 0, first, toI32),
  to_bool: entry(1, cast("bool"), 0, first, (a) => truth(a !== 0)),
};

/** The type of `fn` of such arguments; undefined if there are too few, too many, or they do not go together. */
export function resultType(fn: ScalarFn, args: readonly DType[]): DType | undefined {
  const info = scalarFns[fn];
  return args.length === info.arity ? info.type(args) : undefined;
}

/** What an expression's leaves are worth at one point. */
export interface ExprEnv {
  readonly axis: (name: string) => number;
  readonly load: (source: number, index: number[]) => number;
  readonly tile: (name: string) => number;
}

/** The value of `e` at the point `env`, in f64. To evaluate at many points, compile once. */
export function evaluateExpr(e: Expr, env: ExprEnv): number {
  return compileExpr(e)(env);
}

type Compiled = (env: ExprEnv) => number;

/**
 * Turns `e` into nested closures. `where`, `and` and `or` evaluate no more than they need, so that a guarded load is not
 * performed where its guard is false. A node with several uses is evaluated at most once a point.
 */
export function compileExpr(e: Expr): Compiled {
  const uses = countUses(e);
  // A shared node's value belongs to one evaluation; `turn` names it. It is restored on the way out, so that
  // a `load` may evaluate the same expression at another point.
  let turn = 0;
  let turns = 0;
  const done = new Map<Expr, Compiled>();
  const compile = (node: Expr): Compiled => {
    const known = done.get(node);
    if (known !== undefined) return known;
    const plain = compileNode(node, compile);
    const compound = node.kind === "apply" || node.kind === "load";
    const result = compound && (uses.get(node) ?? 0) > 1 ? remember(plain, () => turn) : plain;
    done.set(node, result);
    return result;
  };
  const root = compile(e);
  return (env) => {
    const outer = turn;
    turn = ++turns;
    try {
      return root(env);
    } finally {
      turn = outer;
    }
  };
}

function countUses(e: Expr): Map<Expr, number> {
  const uses = new Map<Expr, number>();
  const visit = (node: Expr): void => {
    const known = uses.get(node) ?? 0;
    uses.set(node, known + 1);
    if (known > 0) return;
    if (node.kind === "apply") for (const arg of node.args) visit(arg);
    if (node.kind === "load") for (const index of node.index) visit(index);
  };
  visit(e);
  return uses;
}

function remember(plain: Compiled, turn: () => number): Compiled {
  let at = -1;
  let value = 0;
  return (env) => {
    const now = turn();
    if (at !== now) {
      value = plain(env);
      at = now;
    }
    return value;
  };
}

function compileNode(e: Expr, compile: (e: Expr) => Compiled): Compiled {
  switch (e.kind) {
    case "const":
      return () => e.value;
    case "axis":
      return (env) => env.axis(e.name);
    case "tile":
      return (env) => env.tile(e.tile);
    case "load": {
      const index = e.index.map(compile);
      return (env) =>
        env.load(
          e.source,
          index.map((i) => i(env)),
        );
    }
    case "apply":
      return compileApply(e, e.args.map(compile));
    default:
      return e satisfies never;
  }
}

function compileApply(e: ApplyExpr, [a, b, c]: readonly Compiled[]): Compiled {
  switch (e.fn) {
    case "add":
      return (env) => a(env) + b(env);
    case "sub":
      return (env) => a(env) - b(env);
    case "mul":
      return (env) => a(env) * b(env);
    case "where":
      return (env) => (a(env) !== 0 ? b(env) : c(env));
    case "and":
      return (env) => (a(env) !== 0 ? b(env) : 0);
    case "or":
      return (env) => (a(env) !== 0 ? 1 : b(env));
  }
  const { arity, evaluate } = scalarFns[e.fn];
  if (arity === 1) return (env) => evaluate(a(env));
  if (arity === 2) return (env) => evaluate(a(env), b(env));
  return (env) => evaluate(a(env), b(env), c(env));
}
