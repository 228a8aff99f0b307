/** @file Several labels of a contraction along one axis of a kernel. */
import { type Expr, type Extent, floordiv, int, mod } from "../../src/ir/expr.ts";
import { simplify } from "../../src/ir/simplify.ts";

/** Writes `flat` as row-major digits, one a label. */
export function split(
  flat: Expr,
  labels: readonly number[],
  sizes: ReadonlyMap<number, Extent>,
  at: Map<number, Expr>,
): void {
  let inner = 1;
  for (let i = labels.length - 1; i >= 0; i--) {
    const size = sizes.get(labels[i]);
    const rest = inner === 1 ? flat : floordiv(flat, int(inner));
    at.set(labels[i], simplify(i === 0 || typeof size !== "number" ? rest : mod(rest, int(size))));
    if (typeof size === "number") inner *= size;
  }
}
