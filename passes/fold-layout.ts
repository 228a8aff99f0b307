/**
 * @file fold-layout: rearranges, slices and broadcasts stop being ops.
 *
 * Every `view` is composed into the operands that read it, so token mixing, reverting, head splits and merges are index
 * maps on the reading side; a read that lies within one piece of a concat goes straight to that piece.
 *
 *     %2 = view(%1{(i0, i1) -> [i1 // 8, i0 * 8 + i1 % 8]})        %3 = add(%1{(i0, i1) -> [i1 // 8, …]}, %1)
 *     %3 = add(%2, %1)                                        =>
 */
import { type Expr, int, sub } from "../src/ir/expr.ts";
import type { Graph, Operand } from "../src/ir/graph.ts";
import { identityMap } from "../src/ir/indexmap.ts";
import { bounds, simplify } from "../src/ir/simplify.ts";
import { definePass } from "./pass.ts";
import { Rewriter, through } from "./rewrite.ts";

export const foldLayout = definePass<Graph, Graph>({
  name: "fold-layout",
  summary: "composes rearranges, slices and broadcasts into the index maps of the ops that read them",
  run(graph) {
    const out = new Rewriter(graph);
    for (const node of graph.nodes) {
      const inputs = node.inputs.map((o) => pieceOf(out.operand(o), out));
      if (node.op.kind === "view") out.replace(node.id, inputs[0]);
      else out.replace(node.id, out.add(node.op, inputs, node, node.type));
    }
    return out.finish();
  },
});

/** Looks through a concat where the read touches one of its pieces only. */
export function pieceOf(operand: Operand, out: Pick<Rewriter, "nodes">): Operand {
  const node = out.nodes[operand.id];
  if (node.op.kind !== "concat") return operand;
  const map = operand.map ?? identityMap(node.type.shape);
  const axis = node.op.axis;
  const range = bounds(map.index[axis]);
  if (!range) return operand;
  let from = 0;
  for (const input of node.inputs) {
    const shape = input.map?.out ?? out.nodes[input.id].type.shape;
    const size = shape[axis] as number;
    if (range.lo >= from && range.hi < from + size) {
      const index: Expr[] = map.index.map((e, i) => (i === axis ? simplify(sub(e, int(from))) : e));
      const inner = through(input, { out: map.out, index }, (id) => out.nodes[id].type);
      return pieceOf(inner, out);
    }
    from += size;
  }
  return operand;
}
