/**
 * @file Integer expressions as linear combinations Σ coef·atom + constant. An atom is what is not itself a sum or a constant multiple:
 * an axis, a quotient, a remainder, a load. It is the normal form of `simplify.ts`.
 */
import { type Interval, interval } from "./bounds.ts";
import { add, apply, type Expr, exprKey, int, mul, neg, sameExpr, sub } from "./expr.ts";
import { factsOf } from "./facts.ts";

export interface Term {
  readonly atom: Expr;
  /** Never 0. */
  readonly coef: number;
}

export interface Linear {
  /** No two have equal atoms. */
  readonly terms: readonly Term[];
  readonly constant: number;
}

/** Takes sums, differences, negations and constant multiples apart; everything else is an atom. */
export function linearOf(e: Expr): Linear {
  if (e.kind !== "apply") return decompose(e);
  const facts = factsOf(e);
  facts.linear ??= decompose(e);
  return facts.linear;
}

function decompose(e: Expr): Linear {
  if (e.kind === "const") return constant(e.value);
  if (e.kind === "apply" && e.type === "i32") {
    const [a, b] = e.args;
    if (e.fn === "add") return plus(linearOf(a), linearOf(b));
    if (e.fn === "sub") return plus(linearOf(a), linearOf(b), -1);
    if (e.fn === "neg") return times(linearOf(a), -1);
    if (e.fn === "mul" && b.kind === "const") return times(linearOf(a), b.value);
    if (e.fn === "mul" && a.kind === "const") return times(linearOf(b), a.value);
  }
  return { terms: [{ atom: e, coef: 1 }], constant: 0 };
}

export function constant(value: number): Linear {
  return { terms: [], constant: value };
}

export function times(x: Linear, factor: number): Linear {
  if (factor === 1) return x;
  if (factor === 0) return constant(0);
  return {
    terms: x.terms.map(({ atom, coef }) => ({ atom, coef: coef * factor })),
    // `+ 0` keeps -0 out, which would cost integers their fast form.
    constant: x.constant * factor + 0,
  };
}

/** x + factor · y, like terms collected. */
export function plus(x: Linear, y: Linear, factor = 1): Linear {
  const total = x.constant + y.constant * factor;
  if (y.terms.length === 0 || factor === 0) return { terms: x.terms, constant: total };
  if (x.terms.length === 0) return { terms: times(y, factor).terms, constant: total };
  const terms = [...x.terms];
  for (const { atom, coef } of y.terms) collect(terms, atom, coef * factor);
  return { terms, constant: total };
}

/** Adds to the term with this atom. Sums have few terms, so looking through them beats hashing their keys. */
function collect(terms: Term[], atom: Expr, coef: number): void {
  for (let k = 0; k < terms.length; k++) {
    if (!sameExpr(terms[k].atom, atom)) continue;
    const together = terms[k].coef + coef;
    if (together === 0) terms.splice(k, 1);
    else terms[k] = { atom, coef: together };
    return;
  }
  terms.push({ atom, coef });
}

export function intervalOfLinear({ terms, constant }: Linear): Interval {
  let lo = constant;
  let hi = constant;
  for (const { atom, coef } of terms) {
    const range = interval(atom);
    lo += coef * (coef > 0 ? range.lo : range.hi);
    hi += coef * (coef > 0 ? range.hi : range.lo);
  }
  return { lo, hi };
}

/** The one order of terms: larger coefficients first, then by key. */
export function sorted(terms: readonly Term[]): Term[] {
  if (terms.length < 2) return [...terms];
  return [...terms].sort(
    (a, b) => Math.abs(b.coef) - Math.abs(a.coef) || (exprKey(a.atom) < exprKey(b.atom) ? -1 : 1),
  );
}

/** The canonical expression: positive terms, then what is subtracted, the constant last (`i0 * 8 + i1 - i2 + 3`). */
export function toExpr({ terms, constant }: Linear): Expr {
  const ordered = sorted(terms);
  const positive = ordered.filter((t) => t.coef > 0);
  const negative = ordered.filter((t) => t.coef < 0);
  let result: Expr | undefined;
  for (const t of positive) result = result === undefined ? multiple(t) : add(result, multiple(t));
  let rest = constant;
  if (result === undefined) {
    const first = negative[0];
    if (first === undefined) return int(constant);
    if (constant > 0) {
      result = int(constant);
      rest = 0;
    } else {
      result = first.coef === -1 ? neg(first.atom) : mul(first.atom, int(first.coef));
      negative.shift();
    }
  }
  for (const { atom, coef } of negative) result = sub(result, multiple({ atom, coef: -coef }));
  if (rest > 0) return add(result, int(rest));
  return rest < 0 ? sub(result, int(-rest)) : result;
}

function multiple({ atom, coef }: Term): Expr {
  return coef === 1 ? atom : mul(atom, int(coef));
}

/** An atom `fn(x, c)` with a positive constant c, as floordiv and mod have in normal form. */
export function quotientParts(atom: Expr, fn: "floordiv" | "mod"): { x: Linear; c: number } | undefined {
  if (atom.kind !== "apply" || atom.fn !== fn || atom.type !== "i32") return undefined;
  const [x, c] = atom.args;
  return c.kind === "const" && c.value > 0 ? { x: linearOf(x), c: c.value } : undefined;
}

export function quotient(x: Linear, fn: "floordiv" | "mod", c: number): Linear {
  return linearOf(apply(fn, toExpr(x), int(c)));
}
