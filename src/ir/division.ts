/**
 * @file Floor division and remainder of linear combinations by a positive constant, the arithmetic that reshapes
 * are made of. With 0 ≤ B < g wherever B is written:
 *
 *   (c·A + B) // c  = A                    (c·A + B) % c  = B
 *   (g·A + B) // gc = A // c               (g·A + B) % gc = g·(A % c) + B
 *   (x // b) // c   = x // bc              (x % bc) // b  = (x // b) % c
 *   (k·(x % m) + y) % c = (k·x + y) % c,   where c divides k·m
 *   c·(x // c) + x % c  = x                x − c·(x // c) = x % c
 */
import { sameBlock } from "./bounds.ts";
import { type Expr, sameExpr } from "./expr.ts";
import {
  constant,
  intervalOfLinear,
  type Linear,
  plus,
  quotient,
  quotientParts,
  type Term,
} from "./linear.ts";
import { scalarFns } from "./scalar.ts";

const remainder = scalarFns.mod.evaluate;

export function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}

/** x // c in normal form. */
export function divide(x: Linear, c: number): Linear {
  if (c === 1) return x;
  const inside = remainder(x.constant, c);
  const whole: Linear = {
    terms: x.terms.filter((t) => t.coef % c === 0).map((t) => ({ atom: t.atom, coef: t.coef / c })),
    constant: (x.constant - inside) / c,
  };
  const rest = { terms: x.terms.filter((t) => t.coef % c !== 0), constant: inside };
  return plus(whole, divideRest(rest, c));
}

/** Where no coefficient is a multiple of c and the constant lies in [0, c). */
function divideRest(x: Linear, c: number): Linear {
  if (x.terms.length === 0) return constant(0);
  const small = smallCoefficients(x, c);
  const block = sameBlock(intervalOfLinear(small), c);
  if (block !== undefined) {
    // x = small + c·y, so x // c = y + small // c.
    const { terms } = plus(x, small, -1);
    return { terms: terms.map((t) => ({ atom: t.atom, coef: t.coef / c })), constant: block };
  }
  for (const g of commonFactors(x.terms, c)) {
    const split = splitBy(x, g);
    if (split !== undefined) return divide(split.multiples, c / g);
  }
  const [first] = x.terms;
  if (x.terms.length === 1 && first.coef === 1) {
    const inner = quotientParts(first.atom, "floordiv");
    if (inner !== undefined) return divide(plus(inner.x, constant(x.constant * inner.c)), inner.c * c);
    const cyclic = quotientParts(first.atom, "mod");
    if (cyclic !== undefined && x.constant === 0 && cyclic.c % c === 0) {
      return modulo(divide(cyclic.x, c), cyclic.c / c);
    }
  }
  return quotient(x, "floordiv", c);
}

/** x % c in normal form. */
export function modulo(x: Linear, c: number): Linear {
  const early = inBlock(x, c);
  if (early !== undefined) return early;
  const reduced = reduce(x, c);
  const late = inBlock(smallCoefficients(reduced, c), c);
  if (late !== undefined) return late;
  for (const g of commonFactors(reduced.terms, c)) {
    const split = splitBy(reduced, g);
    if (split !== undefined) return plus(split.below, modulo(split.multiples, c / g), g);
  }
  return quotient(reduced, "mod", c);
}

/** x − m·c if x lies in [m·c, (m + 1)·c). */
function inBlock(x: Linear, c: number): Linear | undefined {
  const block = sameBlock(intervalOfLinear(x), c);
  return block === undefined ? undefined : { terms: x.terms, constant: x.constant - block * c };
}

/**
 * Something congruent to x modulo c: multiples of c dropped, inner remainders opened where that is sound. Other
 * coefficients stay as large as they are, so that `x % c` still looks like the partner of `x // c`.
 */
function reduce(x: Linear, c: number): Linear {
  const kept: Term[] = [];
  let opened = constant(0);
  for (const term of x.terms) {
    if (term.coef % c === 0) continue;
    const inner = quotientParts(term.atom, "mod");
    if (inner !== undefined && (term.coef * inner.c) % c === 0) opened = plus(opened, inner.x, term.coef);
    else kept.push(term);
  }
  const rest = { terms: kept, constant: remainder(x.constant + opened.constant, c) };
  return opened.terms.length === 0 ? rest : reduce(plus(rest, { terms: opened.terms, constant: 0 }), c);
}

/** Congruent to x modulo c, with all coefficients below c in size: what bounds can best decide on. */
function smallCoefficients(x: Linear, c: number): Linear {
  if (x.terms.every((t) => Math.abs(t.coef) < c)) return x;
  const terms = x.terms.map(({ atom, coef }) => ({ atom, coef: coef % c }));
  return { terms: terms.filter((t) => t.coef !== 0), constant: x.constant };
}

/** The factors > 1 that coefficients share with c, largest first. */
function commonFactors(terms: readonly Term[], c: number): number[] {
  const factors: number[] = [];
  for (const { coef } of terms) {
    const g = gcd(coef, c);
    if (g > 1 && !factors.includes(g)) factors.push(g);
  }
  return factors.sort((a, b) => b - a);
}

/** x = g·multiples + below with 0 ≤ below < g, if the terms that g does not divide stay inside one block of g. */
export function splitBy(x: Linear, g: number): { multiples: Linear; below: Linear } | undefined {
  const low: Linear = {
    terms: x.terms.filter((t) => t.coef % g !== 0),
    constant: remainder(x.constant, g),
  };
  const block = sameBlock(intervalOfLinear(low), g);
  if (block === undefined) return undefined;
  const multiples = {
    terms: x.terms.filter((t) => t.coef % g === 0).map((t) => ({ atom: t.atom, coef: t.coef / g })),
    constant: (x.constant - low.constant) / g + block,
  };
  return { multiples, below: { terms: low.terms, constant: low.constant - block * g } };
}

/** Puts quotients and remainders of one value back together (the last line of the table above). */
export function recombine(x: Linear): Linear {
  if (x.terms.length < 2) return x;
  for (const { atom, coef } of x.terms) {
    const cyclic = quotientParts(atom, "mod");
    if (cyclic !== undefined) {
      const partner = divide(cyclic.x, cyclic.c);
      if (contains(x, partner, coef * cyclic.c)) {
        return recombine(plus(plus(without(x, atom), partner, -coef * cyclic.c), cyclic.x, coef));
      }
    }
    const whole = quotientParts(atom, "floordiv");
    if (whole !== undefined && coef % whole.c === 0) {
      const factor = -coef / whole.c;
      if (contains(x, whole.x, factor)) {
        const rest = modulo(whole.x, whole.c);
        return recombine(plus(plus(without(x, atom), whole.x, -factor), rest, factor));
      }
    }
  }
  return x;
}

function without(x: Linear, atom: Expr): Linear {
  return { terms: x.terms.filter((t) => t.atom !== atom), constant: x.constant };
}

/** Whether x has every term of `part`, with exactly `factor` times its coefficient. */
function contains(x: Linear, part: Linear, factor: number): boolean {
  if (part.terms.length === 0) return false;
  return part.terms.every(({ atom, coef }) =>
    x.terms.some((t) => t.coef === coef * factor && sameExpr(t.atom, atom)),
  );
}
