/**
 * @file Operator precedence. The grammar reads an expression as a flat run of operands and operators; this folds
 * the run into a tree. From loose to tight: `|>`, `or`, `and`, `not`, comparisons, `+ -`, `* / // %`, unary `-`.
 * All binary operators associate to the left; comparisons do not chain.
 */
import type { BinaryOp, Expr } from "../ast.ts";
import type { Diagnostic, Span } from "../diagnostics.ts";

export interface OperatorToken {
  readonly image: string;
  readonly span: Span;
}

/** `prefixes operand`, and the binary operator that stands before them, but for the first. */
export interface Operand {
  readonly operator?: OperatorToken;
  readonly prefixes: readonly OperatorToken[];
  readonly operand: Expr;
}

const pipe = 0;
const comparison = 4;
const levels: ReadonlyMap<string, number> = new Map([
  ["|>", pipe],
  ["or", 1],
  ["and", 2],
  ...["==", "!=", "<", "<=", ">", ">="].map((op): [string, number] => [op, comparison]),
  ["+", 5],
  ["-", 5],
  ["*", 6],
  ["/", 6],
  ["//", 6],
  ["%", 6],
]);
const prefixLevels: ReadonlyMap<string, number> = new Map([
  ["not", 3],
  ["-", 7],
]);

/** How tightly a binary operator binds; `|>` is 0. */
export function levelOf(operator: string): number {
  return levels.get(operator) ?? -1;
}

/** Folds a run of at least one operand; errors go to `report`, and the tree is usable all the same. */
export function fold(run: readonly Operand[], report: (diagnostic: Diagnostic) => void): Expr {
  let position = 0;

  const level = (): number => levelOf(run[position]?.operator?.image ?? "");

  const operand = (minimum: number): Expr => {
    const first = run[position];
    if (first === undefined) throw new Error("internal: an operator without an operand");
    return prefixed(first, 0, minimum);
  };

  /** The operand at `position` from its prefix number `from` on. */
  const prefixed = (item: Operand, from: number, minimum: number): Expr => {
    const prefix = item.prefixes[from];
    if (prefix === undefined) {
      position += 1;
      return binary(item.operand, minimum);
    }
    const op = prefix.image === "not" ? "not" : "-";
    const inner = prefixed(item, from + 1, prefixLevels.get(op) ?? 0);
    const span = { ...prefix.span, end: inner.span.end };
    return binary({ kind: "unary", op, operand: inner, span }, minimum);
  };

  /** Extends `left` by all operators that bind at least as tightly as `minimum`. */
  const binary = (start: Expr, minimum: number): Expr => {
    let left = start;
    let chained: Span | undefined;
    for (let own = level(); own >= minimum && own >= 0; own = level()) {
      const operator = run[position]?.operator;
      if (operator === undefined) throw new Error("internal: an operand without an operator");
      const right = operand(own + 1);
      const span = { ...left.span, end: right.span.end };
      if (own === comparison && chained !== undefined) report(chainedComparison(operator.span, chained));
      chained = own === comparison ? operator.span : undefined;
      if (own === pipe) {
        if (right.kind === "call") left = { kind: "pipe", value: left, call: right, span };
        else report(pipeIntoNothing(right.span));
      } else {
        left = { kind: "binary", op: binaryOp(operator.image), left, right, span };
      }
    }
    return left;
  };

  return operand(pipe);
}

function binaryOp(image: string): BinaryOp {
  switch (image) {
    case "+":
    case "-":
    case "*":
    case "/":
    case "//":
    case "%":
    case "==":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "and":
    case "or":
      return image;
    default:
      throw new Error(`internal: ${image} is no binary operator`);
  }
}

function chainedComparison(span: Span, first: Span): Diagnostic {
  return {
    code: "RMX0016",
    severity: "error",
    message: "comparisons do not chain",
    span,
    secondary: [{ span: first, message: "the first comparison" }],
    help: "write `a < b and b < c`",
  };
}

function pipeIntoNothing(span: Span): Diagnostic {
  return {
    code: "RMX0020",
    severity: "error",
    message: "what follows `|>` must be a call",
    span,
    help: "`x |> f(a)` is `f(x, a)`; `|>` binds more loosely than every operator",
  };
}
