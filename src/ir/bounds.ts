/**
 * @file Interval arithmetic on integer expressions: the least and the greatest value that an expression can have
 * while its axes run over their extents. Index arithmetic is assumed to fit 32 bits. An axis of a symbolic extent
 * (R, N) has no upper end; a value that is read from memory has none on either side.
 */
import type { ApplyExpr, Expr } from "./expr.ts";
import { factsOf } from "./facts.ts";

/** Inclusive; ±Infinity where nothing is known. */
export interface Interval {
  readonly lo: number;
  readonly hi: number;
}

export const UNBOUNDED: Interval = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
const TRUTH: Interval = { lo: 0, hi: 1 };

/** The interval of an `i32` or `bool` expression over the whole of its axes. */
export function interval(e: Expr): Interval {
  if (e.kind !== "apply") return intervalOf(e, interval);
  const facts = factsOf(e);
  facts.interval ??= intervalOf(e, interval);
  return facts.interval;
}

/** The same with some axes confined: what an expression can be inside a box. */
export function intervalWithin(e: Expr, axes: ReadonlyMap<string, Interval>): Interval {
  const done = new Map<Expr, Interval>();
  const go = (node: Expr): Interval => {
    const known = done.get(node);
    if (known !== undefined) return known;
    const confined = node.kind === "axis" ? axes.get(node.name) : undefined;
    const result = confined ?? intervalOf(node, go);
    done.set(node, result);
    return result;
  };
  return go(e);
}

/** `undefined` if nothing is known, and for expressions of type `num`. */
export function bounds(e: Expr): Interval | undefined {
  if (e.type === "num") return undefined;
  const { lo, hi } = interval(e);
  return lo === Number.NEGATIVE_INFINITY && hi === Number.POSITIVE_INFINITY ? undefined : { lo, hi };
}

function intervalOf(e: Expr, of: (e: Expr) => Interval): Interval {
  if (e.type === "num") return UNBOUNDED;
  switch (e.kind) {
    case "const":
      return { lo: e.value, hi: e.value };
    case "axis":
      // An axis of extent 0 has no value at all; [0, 0] is then as true as any interval.
      return {
        lo: 0,
        hi: typeof e.extent === "number" ? Math.max(0, e.extent - 1) : Number.POSITIVE_INFINITY,
      };
    case "load":
    case "tile":
      return e.type === "bool" ? TRUTH : UNBOUNDED;
    case "apply":
      return e.type === "bool" && e.fn !== "where" ? TRUTH : ofApply(e, e.args.map(of));
    default:
      return e satisfies never;
  }
}

function ofApply(e: ApplyExpr, args: readonly Interval[]): Interval {
  const [a, b, c] = args;
  switch (e.fn) {
    case "add":
      return { lo: a.lo + b.lo, hi: a.hi + b.hi };
    case "sub":
      return { lo: a.lo - b.hi, hi: a.hi - b.lo };
    case "neg":
      return { lo: -a.hi, hi: -a.lo };
    case "mul": {
      const corners = [times(a.lo, b.lo), times(a.lo, b.hi), times(a.hi, b.lo), times(a.hi, b.hi)];
      return { lo: Math.min(...corners), hi: Math.max(...corners) };
    }
    case "floordiv":
      if (b.lo === b.hi && b.lo > 0) return { lo: Math.floor(a.lo / b.lo), hi: Math.floor(a.hi / b.lo) };
      return a.lo >= 0 && b.lo > 0 ? { lo: 0, hi: a.hi } : UNBOUNDED;
    case "mod": {
      if (b.lo <= 0) return UNBOUNDED;
      const block = b.lo === b.hi ? sameBlock(a, b.lo) : undefined;
      if (block !== undefined) return { lo: a.lo - block * b.lo, hi: a.hi - block * b.lo };
      return { lo: 0, hi: b.hi - 1 };
    }
    case "abs":
      if (a.lo >= 0) return a;
      return { lo: a.hi < 0 ? -a.hi : 0, hi: Math.max(-a.lo, a.hi) };
    case "floor":
      return a;
    case "sign":
      return { lo: Math.sign(a.lo), hi: Math.sign(a.hi) };
    case "max":
      return { lo: Math.max(a.lo, b.lo), hi: Math.max(a.hi, b.hi) };
    case "min":
      return { lo: Math.min(a.lo, b.lo), hi: Math.min(a.hi, b.hi) };
    case "clamp":
      return { lo: Math.min(Math.max(a.lo, b.lo), c.lo), hi: Math.min(Math.max(a.hi, b.hi), c.hi) };
    case "where":
      return { lo: Math.min(b.lo, c.lo), hi: Math.max(b.hi, c.hi) };
    default:
      return UNBOUNDED;
  }
}

/** m if all of the interval lies in [m·c, (m + 1)·c). */
export function sameBlock({ lo, hi }: Interval, c: number): number | undefined {
  const block = Math.floor(lo / c);
  return Number.isFinite(block) && block === Math.floor(hi / c) ? block : undefined;
}

/** 0 · ∞ is 0 here: the factor is exactly 0. */
function times(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
}
