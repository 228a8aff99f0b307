/**
 * @file Which part of a row a mask lets through, as far as its expression proves it: causal and window masks, prefixes, lengths.
 *
 * A weight is cut into conditions that must all hold for it to be something (a `where` whose other branch is nothing, a
 * product with a mask, the sum of a score and −∞). Each that compares j with a value free of j bounds the row on one side:
 *
 *     where(j <= i, s, -inf)           [0, i + 1)
 *     where(j >= n - length[r], …)     [n - length[r], end)
 *
 * What lies outside is not computed, so a padded history costs what its length does.
 */
import { add, apply, axesOf, type Expr, int, max, min, neg, not } from "../../src/ir/expr.ts";
import { affineIn, bounds, simplify } from "../../src/ir/simplify.ts";

export interface Visible {
  readonly from?: Expr;
  readonly to?: Expr;
}

/**
 * The range of axis `j` (of `extent`) outside which `weight` is certainly `nothing`: −∞ before a softmax, else 0. Undefined
 * where that is the whole axis.
 */
export function visibleRange(weight: Expr, j: string, extent: number, nothing: number): Visible | undefined {
  const from: Expr[] = [];
  const to: Expr[] = [];
  for (const condition of conditions(weight, nothing)) {
    const side = boundOf(condition, j);
    if (side?.from) from.push(side.from);
    if (side?.to) to.push(side.to);
  }
  const first = from.length > 0 ? simplify(from.reduce(max)) : undefined;
  const end = to.length > 0 ? simplify(to.reduce(min)) : undefined;
  const result: Visible = {
    ...(first && (bounds(first)?.hi ?? 1) > 0 ? { from: first } : {}),
    ...(end && (bounds(end)?.lo ?? 0) < extent ? { to: end } : {}),
  };
  return result.from || result.to ? result : undefined;
}

/** Conditions without any of which a number is `nothing`. */
function conditions(e: Expr, nothing: number): Expr[] {
  if (e.kind !== "apply") return [];
  const [a, b, c] = e.args;
  const is = (x: Expr): boolean => x.kind === "const" && x.value === nothing;
  switch (e.fn) {
    case "where":
      if (is(c)) return [...conjuncts(a), ...conditions(b, nothing)];
      return is(b) ? [...conjuncts(not(a)), ...conditions(c, nothing)] : [];
    case "add":
      return nothing === 0 ? [] : [...conditions(a, nothing), ...conditions(b, nothing)];
    case "sub":
      return nothing === 0 ? [] : conditions(a, nothing);
    case "mul":
      if (nothing === 0) return [...conditions(a, nothing), ...conditions(b, nothing)];
      if (a.kind === "const" && a.value > 0) return conditions(b, nothing);
      return b.kind === "const" && b.value > 0 ? conditions(a, nothing) : [];
    case "div":
      return nothing === 0 || (b.kind === "const" && b.value > 0) ? conditions(a, nothing) : [];
    case "to_num":
      return nothing === 0 && a.type === "bool" ? conjuncts(a) : [];
    case "relu":
    case "silu":
    case "gelu":
    case "gelu_tanh":
    case "tanh":
    case "neg":
      return nothing === 0 ? conditions(a, nothing) : [];
    default:
      return [];
  }
}

/** Truths whose conjunction is `e`. */
function conjuncts(e: Expr): Expr[] {
  if (e.kind !== "apply") return [];
  const [a, b, c] = e.args;
  if (e.fn === "and") return [...conjuncts(a), ...conjuncts(b)];
  if (e.fn === "where" && c.kind === "const" && c.value === 0) return [...conjuncts(a), ...conjuncts(b)];
  if (e.fn === "not" && a.kind === "apply") {
    if (a.fn === "or") return a.args.flatMap((x) => conjuncts(not(x)));
    const turned = simplify(e);
    return turned.kind === "apply" && turned.fn === "not" ? [] : conjuncts(turned);
  }
  return [e];
}

/** The side of the row that a comparison of integers, linear in j, bounds. */
function boundOf(e: Expr, j: string): Visible | undefined {
  if (e.kind !== "apply") return undefined;
  const [a, b] = e.args;
  if (a?.type !== "i32" || b?.type !== "i32") return undefined;
  // a − b = coef · j + rest, compared with 0.
  const form = affineIn(apply("sub", a, b), j);
  if (form === undefined || Math.abs(form.coef) !== 1 || axesOf(form.rest).has(j)) return undefined;
  const rising = form.coef === 1;
  // j compared with `at`; a falling comparison is turned around.
  const at = rising ? neg(form.rest) : form.rest;
  const after = add(at, int(1));
  const below: Visible = { to: simplify(at) };
  const upTo: Visible = { to: simplify(after) };
  const above: Visible = { from: simplify(after) };
  const onward: Visible = { from: simplify(at) };
  switch (e.fn) {
    case "lt":
      return rising ? below : above;
    case "le":
      return rising ? upTo : onward;
    case "gt":
      return rising ? above : below;
    case "ge":
      return rising ? onward : upTo;
    case "eq":
      return { ...onward, ...upTo };
    default:
      return undefined;
  }
}
