/**
 * @file What has been found out about an expression, kept with it: expressions are immutable, so a fact holds for
 * good. Applications made by `apply` carry their facts in a private field, which costs the garbage collector far less than a
 * weak map; the few other nodes use the map.
 */
import type { Interval } from "./bounds.ts";
import type { ApplyExpr, DType, Expr, ScalarFn } from "./expr.ts";
import type { Linear } from "./linear.ts";

export interface Facts {
  key?: string;
  interval?: Interval;
  linear?: Linear;
  simplified?: Expr;
}

const elsewhere = new WeakMap<Expr, Facts>();

/** An application as `apply` makes it: the plain data of `ApplyExpr`, and its facts out of sight. */
export class ApplyNode implements ApplyExpr {
  readonly kind = "apply";
  readonly fn: ScalarFn;
  readonly args: readonly Expr[];
  readonly type: DType;
  readonly #facts: Facts = { key: undefined, interval: undefined, linear: undefined, simplified: undefined };

  constructor(fn: ScalarFn, args: readonly Expr[], type: DType) {
    this.fn = fn;
    this.args = args;
    this.type = type;
  }

  static factsOf(e: Expr): Facts | undefined {
    return #facts in e ? e.#facts : undefined;
  }
}

/** The record of a node; worth it for applications and loads, whose facts take work. */
export function factsOf(e: Expr): Facts {
  const own = ApplyNode.factsOf(e) ?? elsewhere.get(e);
  if (own !== undefined) return own;
  const facts: Facts = {};
  elsewhere.set(e, facts);
  return facts;
}
