/**
 * @file A limit on the depth of the syntax tree. Brackets are limited while they are matched, but a sum of many
 * terms, a chain of `.name` or of `else if` is deep without a bracket. Everything after the parser walks the
 * tree recursively, so what no stack could bear is refused here, by a walk that keeps a stack of its own.
 */
import type { Item } from "./ast.ts";
import type { Diagnostic, Span } from "./diagnostics.ts";

export const maxDepth = 1000;

interface Node {
  readonly kind: string;
  readonly span: Span;
}

/** A diagnostic at the first node that lies too deep, if there is one. */
export function checkDepth(items: readonly Item[]): Diagnostic | undefined {
  const pending: { value: unknown; depth: number }[] = items.map((value) => ({ value, depth: 1 }));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    if (Array.isArray(value)) {
      for (const element of value) pending.push({ value: element, depth });
    } else if (typeof value === "object" && value !== null) {
      if (depth > maxDepth && isNode(value)) return tooDeep(value.span);
      for (const [key, child] of Object.entries(value)) {
        if (typeof child === "object" && key !== "span") pending.push({ value: child, depth: depth + 1 });
      }
    }
  }
  return undefined;
}

function isNode(value: object): value is Node {
  return "span" in value && "kind" in value;
}

function tooDeep(span: Span): Diagnostic {
  return {
    code: "RMX0009",
    severity: "error",
    message: `the syntax tree is more than ${maxDepth} levels deep`,
    span: { ...span, end: Math.min(span.end, span.start + 1) },
    help: "give parts of the expression names, or move them to blocks of their own",
  };
}
