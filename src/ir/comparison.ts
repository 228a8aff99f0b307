/**
 * @file Comparisons of integers: decided by bounds where that is possible, else in one normal form, so that guards
 * (`i0 * 8 + i1 < 64`, with i1 < 8) come out as simple as they are (`i0 < 8`).
 */
import { gcd, recombine, splitBy } from "./division.ts";
import { apply, bool, type Expr } from "./expr.ts";
import { intervalOfLinear, type Linear, plus, sorted, toExpr } from "./linear.ts";

/** a ⋚ b as a simplified boolean. */
export function decideComparison(fn: "eq" | "ne" | "lt" | "le" | "gt" | "ge", a: Linear, b: Linear): Expr {
  const difference = recombine(plus(a, b, -1));
  switch (fn) {
    case "eq":
    case "ne":
      return isZero(difference, fn);
    case "lt":
    case "ge":
      return below(difference.terms, 0 - difference.constant, fn === "ge");
    case "le":
    case "gt":
      return below(difference.terms, 1 - difference.constant, fn === "gt");
    default:
      return fn satisfies never;
  }
}

/** Σ terms < limit, or its negation Σ terms ≥ limit. */
function below(terms: Linear["terms"], limit: number, negate: boolean): Expr {
  const { lo, hi } = intervalOfLinear({ terms, constant: 0 });
  if (hi < limit) return bool(!negate);
  if (lo >= limit) return bool(negate);
  const g = terms.reduce((all, t) => gcd(all, t.coef), 0);
  if (g > 1) return below(divided(terms, g), Math.ceil(limit / g), negate);
  for (const factor of [...new Set(terms.map((t) => Math.abs(t.coef)))].sort((x, y) => y - x)) {
    if (factor === 1 || limit % factor !== 0) continue;
    // g·A + B < g·K with 0 ≤ B < g is A < K.
    const split = splitBy({ terms, constant: 0 }, factor);
    if (split === undefined) continue;
    return below(split.multiples.terms, limit / factor - split.multiples.constant, negate);
  }
  if (terms.every((t) => t.coef < 0)) return below(divided(terms, -1), 1 - limit, !negate);
  const { positive, negative } = sides(terms);
  if (limit === 1 && negative.length > 0) {
    return apply(negate ? "gt" : "le", side(positive, 0), side(negative, 0));
  }
  return apply(negate ? "ge" : "lt", side(positive, 0), side(negative, limit));
}

function isZero(x: Linear, fn: "eq" | "ne"): Expr {
  const { lo, hi } = intervalOfLinear(x);
  const g = x.terms.reduce((all, t) => gcd(all, t.coef), 0);
  if (lo > 0 || hi < 0 || (g > 0 && x.constant % g !== 0)) return bool(fn === "ne");
  if (x.terms.length === 0) return bool(fn === "eq");
  // The sign is free: the first term in the canonical order gets a positive coefficient.
  const sign = sorted(x.terms)[0].coef > 0 ? g : -g;
  const { positive, negative } = sides(divided(x.terms, sign));
  return apply(fn, side(positive, 0), side(negative, (0 - x.constant) / sign));
}

function divided(terms: Linear["terms"], by: number): Linear["terms"] {
  return terms.map(({ atom, coef }) => ({ atom, coef: coef / by }));
}

function sides(terms: Linear["terms"]): { positive: Linear["terms"]; negative: Linear["terms"] } {
  return {
    positive: terms.filter((t) => t.coef > 0),
    negative: divided(
      terms.filter((t) => t.coef < 0),
      -1,
    ),
  };
}

function side(terms: Linear["terms"], constant: number): Expr {
  return toExpr({ terms, constant });
}
