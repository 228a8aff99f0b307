/**
 * @file `x[0]`, `x[0:8]`, `x[:, -1]`: slices of a tensor at compile-time places, as one view; and elements of a compile-time
 * list. Negative places count from the end.
 */
import type { Expr, Index, IndexItem } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import { composeMaps, type IndexMap, identityMap, selectMap, sliceMap } from "../ir/indexmap.ts";
import type { Env } from "./context.ts";
import { evaluate, evaluateInt } from "./evaluate.ts";
import { describe, type ListValue, shapeText, type TensorValue, type Value } from "./values.ts";

export function evaluateIndex(expr: Index, env: Env): Value {
  const base = evaluate(expr.base, env);
  if (base.kind === "list") return indexList(base, expr, env);
  if (base.kind === "tensor") return indexTensor(base, expr, env);
  return env.reporter.fail("RMX0107", expr.base.span, `${describe(base)} cannot be indexed`);
}

function indexList(list: ListValue, expr: Index, env: Env): Value {
  const [item, extra] = expr.items;
  if (!item || extra) return env.reporter.fail("RMX0202", expr.span, "a list has one axis");
  if (item.kind === "range") {
    const { from, to } = bounds(item, list.items.length, env, true);
    return { kind: "list", items: list.items.slice(from, to) };
  }
  const found = list.items[place(item.at, list.items.length, env)];
  if (!found) throw new Error("internal: a list index that was checked");
  return found;
}

function indexTensor(x: TensorValue, expr: Index, env: Env): Value {
  if (expr.items.length > x.shape.length) {
    return env.reporter.fail(
      "RMX0202",
      expr.span,
      `${expr.items.length} places given for a tensor of rank ${x.shape.length}`,
      {
        secondary: [{ span: expr.base.span, message: shapeText(x.shape) }],
      },
    );
  }
  let map: IndexMap = identityMap(x.shape);
  let axis = 0;
  for (const item of expr.items) {
    const shape = map.out.map(Number);
    const extent = shape[axis] ?? 0;
    if (item.kind === "at") {
      map = composeMaps(selectMap(shape, axis, place(item.at, extent, env)), map);
    } else {
      const { from, to } = bounds(item, extent, env, false);
      map = composeMaps(sliceMap(shape, axis, from, to - from), map);
      axis++;
    }
  }
  return env.emit(expr.span).view(x, map);
}

/** A single place along an axis of `extent` elements. */
function place(expr: Expr, extent: number, env: Env): number {
  const value = evaluate(expr, env);
  if (value.kind === "tensor") {
    return env.reporter.fail("RMX0113", expr.span, "an index in brackets is known at compile time", {
      help: "`take(x, index, axis)` reads at computed places",
    });
  }
  const at = evaluateInt(expr, env);
  const from = at < 0 ? at + extent : at;
  if (from >= 0 && from < extent) return from;
  return outside(expr.span, at, extent, env);
}

/** `from:to` as a half-open range within an axis; an empty one is an error unless `empty`. */
function bounds(
  item: Extract<IndexItem, { kind: "range" }>,
  extent: number,
  env: Env,
  empty: boolean,
): { from: number; to: number } {
  const from = item.from ? edge(item.from, extent, env) : 0;
  const to = item.to ? edge(item.to, extent, env) : extent;
  if (from > to || (from === to && !empty)) {
    env.reporter.fail("RMX0209", item.span, `the range ${from}:${to} is empty`);
  }
  return { from, to };
}

function edge(expr: Expr, extent: number, env: Env): number {
  const at = evaluateInt(expr, env);
  const from = at < 0 ? at + extent : at;
  return from >= 0 && from <= extent ? from : outside(expr.span, at, extent, env);
}

function outside(span: Span, at: number, extent: number, env: Env): never {
  return env.reporter.fail("RMX0209", span, `${at} is outside an axis of ${extent} elements`);
}
