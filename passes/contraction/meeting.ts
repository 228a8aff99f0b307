/** @file Two products of the same rows whose results meet point by point: gate and up of a SwiGLU. They can be one kernel. */
import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import { mapsEqual } from "../../src/ir/indexmap.ts";
import type { readersOf } from "../rewrite.ts";

type Readers = ReturnType<typeof readersOf>;

/** Whether both read the same elements. */
export function sameOperand(a: Operand, b: Operand): boolean {
  if (a.id !== b.id || (a.map === undefined) !== (b.map === undefined)) return false;
  return a.map === undefined || b.map === undefined || mapsEqual(a.map, b.map);
}

/** Whether element-wise functions of both, each of which nothing else reads, come to one value. */
export function meet(p: Node, q: Node, graph: Graph, readers: Readers): boolean {
  const after = (node: Node): ReadonlySet<number> => {
    const ids = new Set<number>();
    for (let at = node; ; ) {
      const [only, ...others] = readers[at.id];
      if (only === undefined || others.length > 0 || at.keep) return ids;
      if (only.node.op.kind !== "pointwise" || only.node.inputs[only.operand].map !== undefined) return ids;
      at = only.node;
      ids.add(at.id);
    }
  };
  if (graph.outputs.some((o) => [p.id, q.id].includes(o.value.id))) return false;
  const own = after(p);
  return [...after(q)].some((id) => own.has(id));
}
