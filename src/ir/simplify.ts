/**
 * @file The simplifier. Integers are brought to a normal form: a linear combination (`linear.ts`) of axes, loads, quotients and
 * remainders, with the division rules of `division.ts`; comparisons, `min` and `max` are decided by bounds where these suffice. On
 * floats only what is exact for every finite value is done (x + 0, x · 1, −(−x), a `where` that is decided): nothing is
 * reassociated, and x · 0 stays, for x may be infinite.
 *
 * The result is deterministic and simplifying it again changes nothing.
 */
import { bounds, interval } from "./bounds.ts";
import { decideComparison } from "./comparison.ts";
import { divide, gcd, modulo, recombine } from "./division.ts";
import {
  type ApplyExpr,
  apply,
  axesOf,
  bool,
  children,
  type Expr,
  exprKey,
  int,
  neg,
  type ScalarFn,
  sameExpr,
  withChildren,
} from "./expr.ts";
import { factsOf } from "./facts.ts";
import { intervalOfLinear, type Linear, linearOf, plus, toExpr } from "./linear.ts";

export { bounds };

/** An equal expression in normal form. */
export function simplify(e: Expr): Expr {
  if (e.kind === "axis") return simplifyAxis(e);
  if (e.kind !== "apply" && e.kind !== "load") return e;
  const facts = factsOf(e);
  if (facts.simplified === undefined) {
    const node = withChildren(e, children(e).map(simplify));
    facts.simplified = node.kind === "apply" ? simplifyApply(node) : node;
    if (facts.simplified.kind === "apply") factsOf(facts.simplified).simplified = facts.simplified;
  }
  return facts.simplified;
}

/** Whether `n` divides every value that `e` can have. */
export function divisibleBy(e: Expr, n: number): boolean {
  return factorOf(simplify(e)) % n === 0;
}

/** `e` = coef · axis + rest, where rest is free of the axis; undefined if `e` depends on the axis in another way. */
export function affineIn(e: Expr, axisName: string): { coef: number; rest: Expr } | undefined {
  if (e.type !== "i32") return undefined;
  const { terms, constant } = linearOf(simplify(e));
  const own = terms.find((t) => t.atom.kind === "axis" && t.atom.name === axisName);
  const others = terms.filter((t) => t !== own);
  if (others.some((t) => axesOf(t.atom).has(axisName))) return undefined;
  return { coef: own?.coef ?? 0, rest: toExpr({ terms: others, constant }) };
}

/** A number that divides every value of `e`, as large as is easily known; 0 if `e` is 0. */
function factorOf(e: Expr): number {
  const { terms, constant } = linearOf(e);
  return terms.reduce((g, { atom, coef }) => gcd(g, coef * factorOfAtom(atom)), Math.abs(constant));
}

function factorOfAtom(e: Expr): number {
  if (e.kind !== "apply" || e.type !== "i32") return 1;
  const [a, b, c] = e.args;
  if (e.fn === "mul") return factorOf(a) * factorOf(b);
  if (e.fn === "mod" || e.fn === "max" || e.fn === "min") return gcd(factorOf(a), factorOf(b));
  return e.fn === "where" ? gcd(factorOf(b), factorOf(c)) : 1;
}

function simplifyAxis(e: Expr): Expr {
  const { lo, hi } = interval(e);
  return lo === hi ? int(lo) : e;
}

function simplifyApply(e: ApplyExpr): Expr {
  const special = simplifyAnyType(e);
  if (special !== undefined) return special;
  switch (e.type) {
    case "i32":
      return e.args.every((a) => a.type !== "num") ? simplifyInteger(e) : e;
    case "bool":
      return simplifyTruth(e);
    case "num":
      return simplifyFloat(e);
    default:
      return e.type satisfies never;
  }
}

/** The rules that hold whatever the types are. */
function simplifyAnyType(e: ApplyExpr): Expr | undefined {
  const [a, b, c] = e.args;
  switch (e.fn) {
    case "where":
      if (a.kind === "const") return as(e, a.value !== 0 ? b : c);
      if (sameExpr(b, c)) return as(e, b);
      return isApply(a, "not") ? simplify(apply("where", a.args[0], c, b)) : undefined;
    case "max":
    case "min":
      return sameExpr(a, b) ? as(e, a) : undefined;
    case "to_num":
    case "to_i32":
    case "to_bool":
      return a.type === e.type ? a : undefined;
    default:
      return undefined;
  }
}

/** `x` with the type of `e`: an integer where floats and integers meet becomes a float. */
function as(e: Expr, x: Expr): Expr {
  return e.type === "num" && x.type === "i32" ? apply("to_num", x) : x;
}

function isApply<F extends ScalarFn>(e: Expr, fn: F): e is ApplyExpr & { readonly fn: F } {
  return e.kind === "apply" && e.fn === fn;
}

function isConst(e: Expr, value: number): boolean {
  return e.kind === "const" && e.value === value;
}

function canonical(x: Linear): Expr {
  return toExpr(recombine(x));
}

function simplifyInteger(e: ApplyExpr): Expr {
  const [a, b, c] = e.args;
  switch (e.fn) {
    case "add":
    case "sub":
    case "neg":
      return canonical(linearOf(e));
    case "mul":
      if (a.kind === "const" || b.kind === "const") return canonical(linearOf(e));
      return exprKey(a) <= exprKey(b) ? e : apply("mul", b, a);
    case "floordiv":
      return b.kind === "const" && b.value > 0 ? canonical(divide(linearOf(a), b.value)) : e;
    case "mod":
      return b.kind === "const" && b.value > 0 ? canonical(modulo(linearOf(a), b.value)) : e;
    case "max":
    case "min": {
      const difference = intervalOfLinear(plus(linearOf(a), linearOf(b), -1));
      if (difference.lo >= 0) return e.fn === "max" ? a : b;
      if (difference.hi <= 0) return e.fn === "max" ? b : a;
      return e;
    }
    case "clamp": {
      const inner = simplify(apply("max", a, b));
      const outer = simplify(apply("min", inner, c));
      return sameExpr(outer, inner) || sameExpr(inner, a) ? outer : e;
    }
    case "abs": {
      const { lo, hi } = interval(a);
      return lo >= 0 ? a : hi <= 0 ? simplify(neg(a)) : e;
    }
    case "sign": {
      const { lo, hi } = interval(a);
      return lo > 0 ? int(1) : hi < 0 ? int(-1) : e;
    }
    case "floor":
      return a;
    default:
      return e;
  }
}

function simplifyTruth(e: ApplyExpr): Expr {
  const [a, b, c] = e.args;
  switch (e.fn) {
    case "not":
      if (isApply(a, "not")) return a.args[0];
      return a.kind === "apply" ? (negated(a) ?? e) : e;
    case "and":
      if (a.kind === "const") return a.value !== 0 ? b : a;
      if (b.kind === "const") return b.value !== 0 ? a : b;
      return sameExpr(a, b) ? a : e;
    case "or":
      if (a.kind === "const") return a.value !== 0 ? a : b;
      if (b.kind === "const") return b.value !== 0 ? b : a;
      return sameExpr(a, b) ? a : e;
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge":
      if (a.type === "i32" && b.type === "i32") return decideComparison(e.fn, linearOf(a), linearOf(b));
      if (a.type === "bool" && sameExpr(a, b)) return bool(e.fn === "eq");
      return e;
    case "where":
      if (isConst(b, 1) && isConst(c, 0)) return a;
      return isConst(b, 0) && isConst(c, 1) ? simplify(apply("not", a)) : e;
    default:
      return e;
  }
}

const opposite = { eq: "ne", ne: "eq", lt: "ge", ge: "lt", le: "gt", gt: "le" } as const;

/** The opposite comparison; not for floats, where both may be false. */
function negated(e: ApplyExpr): Expr | undefined {
  if (!(e.fn in opposite) || e.args.some((a) => a.type === "num")) return undefined;
  return simplify(apply(opposite[e.fn as keyof typeof opposite], ...e.args));
}

function simplifyFloat(e: ApplyExpr): Expr {
  const [a, b] = e.args;
  switch (e.fn) {
    case "add":
      if (isConst(b, 0)) return as(e, a);
      return isConst(a, 0) ? as(e, b) : e;
    case "sub":
      return isConst(b, 0) ? as(e, a) : e;
    case "mul":
      if (isConst(b, 1)) return as(e, a);
      return isConst(a, 1) ? as(e, b) : e;
    case "div":
    case "pow":
      return isConst(b, 1) ? as(e, a) : e;
    case "neg":
      return isApply(a, "neg") ? a.args[0] : e;
    case "abs":
    case "relu":
    case "floor":
    case "sign":
      // Doing it twice changes nothing.
      return isApply(a, e.fn) ? a : e;
    default:
      return e;
  }
}
