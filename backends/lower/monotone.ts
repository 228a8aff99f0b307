/** @file Whether an index grows with an axis, as far as its form shows: what bounds a tile of rows is then at its first or last row. */
import { axesOf, type Expr } from "../../src/ir/expr.ts";
import { affineIn, bounds } from "../../src/ir/simplify.ts";

/** Whether `e` never falls as the axis `name` grows. */
export function increasesIn(e: Expr, name: string): boolean {
  if (!axesOf(e).has(name)) return true;
  if (e.kind === "axis") return true;
  const form = affineIn(e, name);
  if (form !== undefined) return form.coef >= 0;
  if (e.kind !== "apply") return false;
  const [a, b] = e.args as readonly [Expr, Expr];
  switch (e.fn) {
    case "min":
    case "max":
    case "add":
      return increasesIn(a, name) && increasesIn(b, name);
    case "sub":
      return increasesIn(a, name) && !axesOf(b).has(name);
    case "mul":
      return increasesIn(a, name) && b.kind === "const" && b.value >= 0;
    case "floordiv":
      return increasesIn(a, name) && !axesOf(b).has(name) && (bounds(b)?.lo ?? 0) > 0;
    default:
      return false;
  }
}
