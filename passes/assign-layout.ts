/**
 * @file assign-layout: the axis order of every stored parameter. Computed values stay row-major; their readers apply index
 * maps while loading.
 *
 * A parameter that only contractions read, each without an index map, is stored [shared axes, contracted axes, own axes]:
 * the own axis innermost, so that a lane that owns adjacent columns loads them in one piece. Readers that disagree, or
 * any other reader, leave it row-major. The packing follows from the uses of the parameter in the Graph and from
 * nothing that a schedule decides. Where a product is over active rows, the axes of its groups count as shared: an expert's weights
 * lie together.
 */
import type { Graph, Node } from "../src/ir/graph.ts";
import { definePass } from "./pass.ts";
import { readersOf } from "./rewrite.ts";

export const assignLayout = definePass<Graph, Graph>({
  name: "assign-layout",
  summary: "chooses the axis order in which each parameter is packed",
  run(graph) {
    const readers = readersOf(graph);
    const nodes = graph.nodes.map((node): Node => {
      if (node.op.kind !== "param") return node;
      const orders = readers[node.id].map((r) => contractionOrder(r.node, r.operand));
      const first = orders[0];
      if (!first || orders.some((o) => !o || o.join() !== first.join())) return node;
      return first.every((axis, i) => axis === i) ? node : { ...node, layout: { order: first } };
    });
    return { ...graph, nodes };
  },
});

/** [shared, contracted, own] axes of operand `k` of a two-operand einsum; undefined for any other reader. */
function contractionOrder(reader: Node, k: number): readonly number[] | undefined {
  const { op, inputs } = reader;
  if (op.kind !== "einsum" || inputs.length !== 2 || inputs[k].map) return undefined;
  const mine = op.operands[k];
  const other = op.operands[1 - k];
  const axes = mine.map((_, i) => i);
  const rows = (reader.rows?.axes ?? []).map((a) => op.out[a]);
  const isShared = (l: number): boolean => rows.includes(l) || (other.includes(l) && op.out.includes(l));
  const shared = axes.filter((i) => isShared(mine[i]));
  const contracted = axes.filter((i) => other.includes(mine[i]) && !op.out.includes(mine[i]));
  const own = axes.filter((i) => !other.includes(mine[i]) && !isShared(mine[i]));
  return [...shared, ...contracted, ...own];
}
