/**
 * @file The one scalar expression form. Index maps, operand prologues, product epilogues, tile programs and
 * the thread-level IR all speak it, so there is one simplifier, one printer and one meaning (`scalar.ts` holds
 * the f64 evaluation of every function, `simplify.ts` the algebra).
 *
 * An expression is the value of one element at one point. The point is given by named integer *axes*; a
 * `load` reads an element of another value; a `tile` leaf is an element of a tile that the same tile program
 * computed before.
 */

import { ApplyNode, factsOf } from "./facts.ts";
import { resultType, scalarFns } from "./scalar.ts";

export { printExpr } from "./exprprint.ts";

/** Element types: `num` is the compute type (f64 in the reference, f32/f16/bf16 on a device). */
export type DType = "num" | "i32" | "bool";

/** A size: a constant, the requests of a call (R) or its candidates (N). */
export type Extent = number | "R" | "N";

/** An axis of a kernel may be flattened with a batch axis: `times · of`. */
export type AxisExtent = number | { readonly of: "R" | "N"; readonly times: number };

export type ScalarFn =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "floordiv"
  | "mod"
  | "neg"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "and"
  | "or"
  | "not"
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
  | "sign"
  | "max"
  | "min"
  | "pow"
  | "clamp"
  | "where"
  | "round_f16"
  | "round_bf16"
  | "round_int8"
  | "round_e4m3"
  | "round_e5m2"
  | "to_num"
  | "to_i32"
  | "to_bool";

export interface ConstExpr {
  readonly kind: "const";
  /** Booleans are 0 and 1. May be ±Infinity where the type is `num`. */
  readonly value: number;
  readonly type: DType;
}

/** An integer axis; its value lies in [0, extent). */
export interface AxisExpr {
  readonly kind: "axis";
  readonly name: string;
  readonly extent: AxisExtent;
  readonly type: "i32";
}

export interface ApplyExpr {
  readonly kind: "apply";
  readonly fn: ScalarFn;
  readonly args: readonly Expr[];
  readonly type: DType;
}

/** Element `index` of the value `source` (a node's id in a Graph, a buffer's id in a Plan). */
export interface LoadExpr {
  readonly kind: "load";
  readonly source: number;
  readonly index: readonly Expr[];
  readonly type: DType;
}

/** The element of tile `tile` at the current point of the axes that the tile spans. */
export interface TileExpr {
  readonly kind: "tile";
  readonly tile: string;
  readonly type: DType;
}

export type Expr = ConstExpr | AxisExpr | ApplyExpr | LoadExpr | TileExpr;

const integers: readonly ConstExpr[] = Array.from({ length: 257 }, (_, value) => ({
  kind: "const",
  value,
  type: "i32",
}));
const FALSE: ConstExpr = { kind: "const", value: 0, type: "bool" };
const TRUE: ConstExpr = { kind: "const", value: 1, type: "bool" };

export function num(value: number): ConstExpr {
  return { kind: "const", value, type: "num" };
}

export function int(value: number): ConstExpr {
  if (!Number.isInteger(value)) throw new Error(`internal: ${value} is no integer`);
  // `+ 0` turns -0 into 0: an integer has one zero.
  return integers[value] ?? { kind: "const", value: value + 0, type: "i32" };
}

export function bool(value: boolean): ConstExpr {
  return value ? TRUE : FALSE;
}

/** An axis over [0, extent); `"N"` stands for `{ of: "N", times: 1 }`. */
export function axis(name: string, extent: Extent | AxisExtent): AxisExpr {
  const of = extent === "R" || extent === "N" ? { of: extent, times: 1 } : extent;
  return { kind: "axis", name, extent: of, type: "i32" };
}

export function load(source: number, index: readonly Expr[], type: DType): LoadExpr {
  return { kind: "load", source, index, type };
}

export function tile(name: string, type: DType): TileExpr {
  return { kind: "tile", tile: name, type };
}

/**
 * `fn` of `args`, with the result type of `scalar.ts`. An application to constants alone is computed here,
 * unless the result is NaN, or is an integer that is none (a division by zero) or leaves the 32-bit range.
 */
export function apply(fn: ScalarFn, ...args: readonly Expr[]): Expr {
  const type = resultType(
    fn,
    args.map((a) => a.type),
  );
  if (type === undefined) {
    throw new Error(`internal: ${fn}(${args.map((a) => a.type).join(", ")}) has no type`);
  }
  if (args.every((a) => a.kind === "const")) {
    const value = scalarFns[fn].evaluate(...args.map((a) => a.value));
    if (type === "num" ? !Number.isNaN(value) : type === "bool" || value === (value | 0)) {
      return type === "num" ? num(value) : type === "bool" ? bool(value !== 0) : int(value);
    }
  }
  return new ApplyNode(fn, args, type);
}

export const add = (a: Expr, b: Expr): Expr => apply("add", a, b);
export const sub = (a: Expr, b: Expr): Expr => apply("sub", a, b);
export const mul = (a: Expr, b: Expr): Expr => apply("mul", a, b);
export const div = (a: Expr, b: Expr): Expr => apply("div", a, b);
export const floordiv = (a: Expr, b: Expr): Expr => apply("floordiv", a, b);
export const mod = (a: Expr, b: Expr): Expr => apply("mod", a, b);
export const neg = (a: Expr): Expr => apply("neg", a);
export const min = (a: Expr, b: Expr): Expr => apply("min", a, b);
export const max = (a: Expr, b: Expr): Expr => apply("max", a, b);
export const eq = (a: Expr, b: Expr): Expr => apply("eq", a, b);
export const ne = (a: Expr, b: Expr): Expr => apply("ne", a, b);
export const lt = (a: Expr, b: Expr): Expr => apply("lt", a, b);
export const le = (a: Expr, b: Expr): Expr => apply("le", a, b);
export const gt = (a: Expr, b: Expr): Expr => apply("gt", a, b);
export const ge = (a: Expr, b: Expr): Expr => apply("ge", a, b);
export const and = (a: Expr, b: Expr): Expr => apply("and", a, b);
export const or = (a: Expr, b: Expr): Expr => apply("or", a, b);
export const not = (a: Expr): Expr => apply("not", a);
export const where = (cond: Expr, a: Expr, b: Expr): Expr => apply("where", cond, a, b);

/** The operands of a node in order: arguments, or the index of a load. */
export function children(e: Expr): readonly Expr[] {
  return e.kind === "apply" ? e.args : e.kind === "load" ? e.index : [];
}

/** Visits every distinct node once, operands before the nodes that use them. */
export function walkExpr(e: Expr, visit: (node: Expr) => void): void {
  const seen = new Set<Expr>();
  const go = (node: Expr): void => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const child of children(node)) go(child);
    visit(node);
  };
  go(e);
}

/**
 * Rebuilds bottom-up: `f` gets each distinct node once, its operands already mapped, and gives what stands in its place. A node whose
 * operands did not change is handed on as it is, so an identity `f` returns `e` itself.
 */
export function mapExpr(e: Expr, f: (node: Expr) => Expr): Expr {
  const done = new Map<Expr, Expr>();
  const go = (node: Expr): Expr => {
    const known = done.get(node);
    if (known !== undefined) return known;
    const result = f(withChildren(node, children(node).map(go)));
    done.set(node, result);
    return result;
  };
  return go(e);
}

/** The node over other operands (types are computed anew); itself if they are the same. */
export function withChildren(e: Expr, operands: readonly Expr[]): Expr {
  const old = children(e);
  if (operands.every((operand, i) => operand === old[i])) return e;
  if (e.kind === "apply") return apply(e.fn, ...operands);
  return e.kind === "load" ? load(e.source, operands, e.type) : e;
}

/** Replaces axes by name, all at once: what is put in is not searched again. */
export function substitute(e: Expr, axes: ReadonlyMap<string, Expr>): Expr {
  return mapExpr(e, (node) => (node.kind === "axis" ? (axes.get(node.name) ?? node) : node));
}

/** The axes that an expression depends on, in the order in which they first appear. */
export function axesOf(e: Expr): Map<string, AxisExpr> {
  const axes = new Map<string, AxisExpr>();
  walkExpr(e, (node) => {
    if (node.kind === "axis") axes.set(node.name, node);
  });
  return axes;
}

/** Every distinct load node, loads inside another load's index first. */
export function loadsOf(e: Expr): LoadExpr[] {
  const loads: LoadExpr[] = [];
  walkExpr(e, (node) => {
    if (node.kind === "load") loads.push(node);
  });
  return loads;
}

/**
 * A text that is equal for structurally equal expressions and stable from run to run. It spells small
 * expressions out; past 96 characters a 106-bit hash of the spelling stands for it, so that the key of an
 * expression with shared parts does not grow exponentially.
 */
export function exprKey(e: Expr): string {
  if (e.kind !== "apply" && e.kind !== "load") return spell(e);
  const facts = factsOf(e);
  if (facts.key === undefined) {
    const text = spell(e);
    facts.key = text.length <= 96 ? text : `#${hash53(text, 1)}${hash53(text, 2)}`;
  }
  return facts.key;
}

export function sameExpr(a: Expr, b: Expr): boolean {
  if (a === b) return true;
  // Most comparisons end here, without the cost of a key.
  if (a.kind === "axis") {
    if (b.kind !== "axis" || a.name !== b.name) return false;
    if (typeof a.extent === "number" || typeof b.extent === "number") return a.extent === b.extent;
  } else if (a.kind === "apply") {
    if (b.kind !== "apply" || a.fn !== b.fn) return false;
  } else if (a.kind !== b.kind) return false;
  return exprKey(a) === exprKey(b);
}

function spell(e: Expr): string {
  switch (e.kind) {
    case "const":
      return `${Object.is(e.value, -0) ? "-0" : e.value}${e.type[0]}`;
    case "axis":
      return `${e.name}:${typeof e.extent === "number" ? e.extent : `${e.extent.times}${e.extent.of}`}`;
    case "apply":
      return `${e.fn}(${e.args.map(exprKey).join()})`;
    case "load":
      return `%${e.source}${e.type[0]}[${e.index.map(exprKey).join()}]`;
    case "tile":
      return `$${e.tile}:${e.type[0]}`;
    default:
      return e satisfies never;
  }
}

/** cyrb53 (public domain, by bryc): 53 well-mixed bits, in base 36. */
function hash53(text: string, seed: number): string {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ seed;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 2654435761);
    b = Math.imul(b ^ c, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36).padStart(11, "0");
}
