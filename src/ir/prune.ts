/**
 * @file Drops the nodes that no task needs and numbers the rest from 0: embeddings of features that are not read, values of
 * branches that only training takes, what a pass has replaced. Parameters and features stay listed.
 */
import type { Graph, Node, Operand } from "./graph.ts";

export function pruneGraph(graph: Graph): Graph {
  const live = new Uint8Array(graph.nodes.length);
  for (const { value, logit } of graph.outputs) {
    live[value.id] = 1;
    if (logit) live[logit.id] = 1;
  }
  for (const node of graph.nodes.toReversed()) {
    if (live[node.id] !== 1) continue;
    for (const input of node.inputs) live[input.id] = 1;
    if (node.rows) live[node.rows.gate] = 1;
  }
  const renamed = new Map<number, number>();
  const rename = (operand: Operand): Operand => {
    const id = renamed.get(operand.id);
    if (id === undefined) throw new Error(`internal: %${operand.id} is read and dead`);
    return { ...operand, id };
  };
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    if (live[node.id] !== 1) continue;
    renamed.set(node.id, nodes.length);
    const rows = node.rows && { ...node.rows, gate: rename({ id: node.rows.gate }).id };
    nodes.push({ ...node, id: nodes.length, inputs: node.inputs.map(rename), ...(rows && { rows }) });
  }
  const outputs = graph.outputs.map(({ logit, ...output }) => ({
    ...output,
    value: rename(output.value),
    ...(logit && { logit: rename(logit) }),
  }));
  return { ...graph, nodes, outputs };
}
