/**
 * @file Weights of two products that lie side by side (passes/interleave-weights.ts), recognised in the expressions that read them:
 * the same but for one index, 0 of the first product and 1 of the second.
 */
import { apply, type Expr, sameExpr } from "./expr.ts";
import type { TileKernel, TileStmt } from "./tile.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;

/** What both read, `which` being 0 in the first and 1 in the second; undefined where they differ in more. */
export function interleaved(first: Expr, second: Expr, which: Expr): Expr | undefined {
  if (sameExpr(first, second)) return first;
  if (first.kind === "load" && second.kind === "load" && first.source === second.source) {
    const index = first.index.map((e, j): Expr | undefined => {
      const other = second.index[j];
      if (other === undefined) return undefined;
      if (sameExpr(e, other)) return e;
      const sides = e.kind === "const" && other.kind === "const" && e.value === 0 && other.value === 1;
      return sides ? which : undefined;
    });
    return index.every((e) => e !== undefined) ? { ...first, index } : undefined;
  }
  if (first.kind !== "apply" || second.kind !== "apply" || first.fn !== second.fn) return undefined;
  const args = first.args.map((e, i) => {
    const other = second.args[i];
    return other && interleaved(e, other, which);
  });
  return args.every((e) => e !== undefined) ? apply(first.fn, ...args) : undefined;
}

/** The two products of a kernel whose weights lie side by side. */
export function interleavedProducts(
  { body }: TileKernel,
  which: Expr,
): readonly [Dot, Dot, Expr] | undefined {
  const [p, q, ...others] = body.filter((s): s is Dot => s.kind === "dot");
  if (p === undefined || q === undefined || others.length > 0) return undefined;
  if (p.m !== q.m || p.n !== q.n || p.k !== q.k || !sameExpr(p.a, q.a) || sameExpr(p.b, q.b))
    return undefined;
  const b = interleaved(p.b, q.b, which);
  return b && [p, q, b];
}
