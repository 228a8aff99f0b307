/**
 * @file Expressions as text: infix with the fewest parentheses that keep the tree (`%3[i0 // 8, i1 * 8]`). Python's operators and
 * precedence. An integer constant prints as `3`, a float as `3.0`, so that types survive; `exprparse.ts` reads it all back.
 */
import type { ConstExpr, Expr, ScalarFn } from "./expr.ts";

/** How tightly each infix operator binds; all group to the left, comparisons do not chain. */
export const infix: Partial<Record<ScalarFn, readonly [symbol: string, level: number]>> = {
  or: ["or", 1],
  and: ["and", 2],
  eq: ["==", 4],
  ne: ["!=", 4],
  lt: ["<", 4],
  le: ["<=", 4],
  gt: [">", 4],
  ge: [">=", 4],
  add: ["+", 5],
  sub: ["-", 5],
  mul: ["*", 6],
  div: ["/", 6],
  floordiv: ["//", 6],
  mod: ["%", 6],
};
export const COMPARISON = 4;
const NOT = 3;
const NEG = 7;
const ATOM = 8;

/** The functions whose printed name is not their own. */
export const printedNames: Partial<Record<ScalarFn, string>> = {
  to_num: "float",
  to_i32: "int",
  to_bool: "bool",
};

/** Trees of more nodes than this have their large shared parts named first. */
const LARGE_TREE = 4096;
const SMALL_PART = 16;

/**
 * `names` gives the name of a load's source; `%3` by default. An expression whose shared parts would make the text very long is
 * written as `s0 = …; s1 = …; result`.
 */
export function printExpr(e: Expr, names: (source: number) => string = (source) => `%${source}`): string {
  const { size, uses } = measure(e);
  const large = (size.get(e) ?? 0) > LARGE_TREE;
  const done = new Map<Expr, readonly [text: string, level: number]>();
  const bindings: string[] = [];
  const print = (node: Expr, atLeast: number): string => {
    let entry = done.get(node);
    if (entry === undefined) {
      entry = printNode(node, print, names);
      if (large && node !== e && (uses.get(node) ?? 0) > 1 && (size.get(node) ?? 0) > SMALL_PART) {
        bindings.push(`s${bindings.length} = ${entry[0]}; `);
        entry = [`s${bindings.length - 1}`, ATOM];
      }
      done.set(node, entry);
    }
    const [text, level] = entry;
    return level < atLeast ? `(${text})` : text;
  };
  const text = print(e, 0);
  return bindings.join("") + text;
}

/** Per distinct node the size of the tree below it, shared parts counted every time, and the number of its uses. */
function measure(e: Expr): { size: Map<Expr, number>; uses: Map<Expr, number> } {
  const size = new Map<Expr, number>();
  const uses = new Map<Expr, number>();
  const go = (node: Expr): number => {
    uses.set(node, (uses.get(node) ?? 0) + 1);
    const known = size.get(node);
    if (known !== undefined) return known;
    const parts = node.kind === "apply" ? node.args : node.kind === "load" ? node.index : [];
    const total = parts.reduce((sum, part) => sum + go(part), 1);
    size.set(node, total);
    return total;
  };
  go(e);
  return { size, uses };
}

function printNode(
  e: Expr,
  print: (node: Expr, atLeast: number) => string,
  names: (source: number) => string,
): readonly [text: string, level: number] {
  const list = (parts: readonly Expr[]): string => parts.map((part) => print(part, 0)).join(", ");
  switch (e.kind) {
    case "const":
      return [printConst(e), e.value < 0 || Object.is(e.value, -0) ? NEG : ATOM];
    case "axis":
      return [e.name, ATOM];
    case "tile":
      return [e.tile, ATOM];
    case "load":
      return [`${names(e.source)}[${list(e.index)}]`, ATOM];
    case "apply": {
      const operator = infix[e.fn];
      if (operator !== undefined) {
        const [symbol, level] = operator;
        const left = print(e.args[0], level === COMPARISON ? level + 1 : level);
        return [`${left} ${symbol} ${print(e.args[1], level + 1)}`, level];
      }
      if (e.fn === "neg") return [`-${print(e.args[0], ATOM)}`, NEG];
      if (e.fn === "not") return [`not ${print(e.args[0], NOT)}`, NOT];
      return [`${printedNames[e.fn] ?? e.fn}(${list(e.args)})`, ATOM];
    }
    default:
      return e satisfies never;
  }
}

function printConst({ type, value }: ConstExpr): string {
  if (type === "bool") return value !== 0 ? "true" : "false";
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  const text = Object.is(value, -0) ? "-0" : String(value);
  return type === "num" && /^-?\d+$/.test(text) ? `${text}.0` : text;
}
