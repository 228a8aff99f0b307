/**
 * @file The sum over a few experts is written out, so that it is no anchor with a kernel of its own but part of the kernel that reads
 * it: what the shared expert's product, or a residual, is added to.
 *
 *     o[n, t, d] = Σ_e g[n, t, e] · y[n, t, e, d]      =      g[…, 0] · y[…, 0, d] + g[…, 1] · y[…, 1, d] + …
 *
 * A term whose row is not active is not read (see `RowLists.read`): of four experts, one of which is chosen, one row is. Terms are added
 * in the order of the experts, as the sum's kernel does.
 */

import { int } from "../../src/ir/expr.ts";
import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import { composeMaps, type IndexMap, mapAxes } from "../../src/ir/indexmap.ts";
import { Rewriter, readersOf } from "../rewrite.ts";

/** Experts of a sum that is written out: each is a test and a load at every element of the kernel that reads it. */
const MOST_TERMS = 8;

export function writeOutCombines(graph: Graph): Graph {
  const readers = readersOf(graph);
  const sums = new Map(
    graph.nodes.flatMap((node) => {
      const terms = termsOf(node, graph);
      return terms === undefined || !joinsAnother(node, readers) ? [] : [[node.id, terms] as const];
    }),
  );
  if (sums.size === 0) return graph;
  const out = new Rewriter(graph);
  for (const node of graph.nodes) {
    const terms = sums.get(node.id);
    if (terms === undefined) {
      out.copy(node);
      continue;
    }
    const { path, origin, program, stage, type } = node;
    const about = { path, stage, ...(origin && { origin }), ...(program && { program }) };
    const pointwise = (fn: "mul" | "add", a: Operand, b: Operand): Operand =>
      out.add({ kind: "pointwise", fn }, [a, b], about, type);
    const written = terms.map((factors) =>
      factors.map((o) => out.operand(o)).reduce((a, b) => pointwise("mul", a, b)),
    );
    out.replace(
      node.id,
      written.reduce((a, b) => pointwise("add", a, b)),
    );
  }
  return out.finish();
}

/**
 * Whether a kernel that goes over the sum's own points takes it in: what reads it, alone and element by element, is read by no product,
 * which would compute it once for every tile of its columns and could not copy its operand as it lies.
 */
function joinsAnother(node: Node, readers: ReturnType<typeof readersOf>): boolean {
  for (let at = node; ; ) {
    const [next, ...others] = readers[at.id].map((r) => r.node);
    if (next === undefined || others.length > 0) return at !== node && !others.some(isProduct);
    if (next.op.kind !== "pointwise" || next.keep) return !isProduct(next);
    at = next;
  }
}

function isProduct({ op }: Node): boolean {
  return op.kind === "einsum";
}

/** The factors of each term of a sum over experts, as views of the result's shape; undefined for any other node. */
function termsOf({ op, inputs, type, keep }: Node, { nodes }: Graph): (readonly Operand[])[] | undefined {
  if (op.kind !== "einsum" || keep || op.operands.length !== 2) return undefined;
  const shapes = inputs.map((o) => o.map?.out ?? nodes[o.id].type.shape);
  const summed = [...new Set(op.operands.flat())].filter((l) => !op.out.includes(l));
  const [label] = summed;
  const rows = inputs.findIndex((o) => nodes[o.id].rows !== undefined);
  const both = op.operands.every((labels) => labels.includes(label));
  if (rows < 0 || summed.length !== 1 || !both) return undefined;
  const count = shapes[rows][op.operands[rows].indexOf(label)];
  if (typeof count !== "number" || count > MOST_TERMS) return undefined;
  const axes = mapAxes(type.shape);
  return Array.from({ length: count }, (_, e) =>
    inputs.map((input, k): Operand => {
      const view: IndexMap = {
        out: type.shape,
        index: op.operands[k].map((l) => (l === label ? int(e) : axes[op.out.indexOf(l)])),
      };
      return { id: input.id, map: input.map ? composeMaps(view, input.map) : view };
    }),
  );
}
