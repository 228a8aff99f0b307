/**
 * @file Scales that are the same along the summed axes leave a sum: Σ x·q·s = s · Σ x·q. Those of packed parameters, and those of rows that
 * are rounded as they are loaded (quantize.ts). What is left are codes, which tensor cores take exactly in 16 bits. Of two rounded
 * factors one keeps its scale: the product of two codes, up to 448², would be no number of f16.
 */
import { axesOf, type Expr, mul, num } from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";

/** A summand without its scales, and they. */
export interface ScaledSum {
  readonly rest: Expr;
  readonly scales: readonly Expr[];
}

/** Takes the scales out of the summand `e` of a sum over `summed`. */
export function withoutScales(e: Expr, summed: readonly string[], values: readonly PlanValue[]): ScaledSum {
  const scales: Expr[] = [];
  let hasCode = false;
  const isFree = (f: Expr): boolean => summed.every((name) => !axesOf(f).has(name));
  const isScale = (f: Expr): boolean => {
    if (f.kind !== "load") return false;
    const { home } = values[f.source];
    const part = home.kind === "param" || home.kind === "derived" ? home.part : undefined;
    return part === "scale" && isFree(f);
  };
  const without = (f: Expr): Expr | undefined => {
    if (isScale(f)) {
      scales.push(f);
      return undefined;
    }
    if (f.kind !== "apply" || f.fn !== "mul") return f;
    const code = f.args.findIndex((each, i) => isCode(each) && isFree(f.args[1 - i]));
    if (code >= 0 && !hasCode) {
      hasCode = true;
      scales.push(f.args[1 - code]);
      return f.args[code];
    }
    const [p, q] = f.args.map(without);
    return p === undefined || q === undefined ? (p ?? q) : mul(p, q);
  };
  return { rest: without(e) ?? num(1), scales };
}

/** Whether a factor is a rounded quotient, which its neighbour scales. */
function isCode(e: Expr): boolean {
  return e.kind === "apply" && e.fn.startsWith("round_");
}
