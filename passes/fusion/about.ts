/** @file What a kernel's text says of it at its head: the ops that it computes, in the model's words, and what they cost. */
import type { Graph, Node } from "../../src/ir/graph.ts";
import { opDef } from "../../src/ir/ops/index.ts";
import type { KernelBuffer, TileKernel } from "../../src/ir/tile.ts";
import { isSource } from "../restrict.ts";
import { bytesOf } from "./buffers.ts";
import type { FusionContext, Reader } from "./reader.ts";

/** `members`: the nodes that the kernel is for; what it computes on the way to them is what `reader` has read through. */
export function aboutOf(
  root: Node,
  members: readonly number[],
  reader: Reader,
  buffers: readonly KernelBuffer[],
  { graph, stored, values }: FusionContext,
): TileKernel["about"] {
  const through = [...reader.inlined].filter((id) => !members.includes(id));
  const flops = [...members, ...through].reduce((sum, id) => {
    const node = graph.nodes[id];
    if (isSource(node.op) || (stored.has(id) && !members.includes(id))) return sum;
    const types = node.inputs.map((o) => ({ shape: reader.seen(o), dtype: graph.nodes[o.id].type.dtype }));
    return sum + opDef(node.op.kind).flops(node.op, types, node.type, { R: 1, N: 1 }) * share(graph, node);
  }, 0);
  return {
    fused: fusedLines(members, through, graph),
    flops,
    bytes: bytesOf(buffers, { values: values.values, params: graph.params }),
    ...(root.origin ? { origin: root.origin } : {}),
  };
}

/** What the kernel computes: the ops by the part of the model they come from. */
function fusedLines(members: readonly number[], through: readonly number[], { nodes }: Graph): string[] {
  const line = (id: number): string => {
    const { op, path } = nodes[id];
    const what = op.kind === "pointwise" ? op.fn : op.kind === "normalize" ? `${op.norm}_norm` : op.kind;
    return path ? `${path}: ${what}` : what;
  };
  const prologue = through
    .filter((id) => nodes[id].op.kind !== "const" && nodes[id].op.kind !== "iota")
    .sort((a, b) => a - b);
  return counted([...prologue.map((id) => `reads through ${line(id)}`), ...members.map(line)]);
}

/** Lines that are alike once, with how many there are. */
function counted(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].map(([line, count]) => (count === 1 ? line : `${line}, ${count} times`));
}

/** The share of a node's points that are computed, at most. */
function share(graph: Graph, { rows }: Node): number {
  if (!rows) return 1;
  const all = graph.nodes[rows.gate].type.shape.reduce<number>(
    (n, s) => (typeof s === "number" ? n * s : n),
    1,
  );
  return rows.most / all;
}
