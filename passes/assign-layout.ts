/**
 * @file assign-layout: the axis order of every stored parameter, and of what is packed of load-stage values. Other computed values stay
 * row-major; their readers apply index maps while loading.
 *
 * A parameter that only contractions read, each without an index map, is stored [shared axes, contracted axes, own axes]:
 * the own axis innermost, so that a lane that owns adjacent columns loads them in one piece. Readers that disagree, or
 * any other reader, leave it row-major. The packing follows from the uses of the parameter in the Graph and from
 * nothing that a schedule decides. Of a parameter in a packed storage type, blocks of 4 × 4 elements of the innermost contracted and the
 * innermost own axis lie together: 16 bytes of int8, which one load fetches where four rows of 4 bytes would take four; but on CUDA
 * devices parameters of 16 bits keep rows, which are copied for tensor cores as they lie. Where a product is over active rows, the
 * axes of its groups count as shared: an expert's weights lie together.
 */
import type { Graph, Node } from "../src/ir/graph.ts";
import { elementBytes, storageOf } from "../src/ir/storage.ts";
import { definePass } from "./pass.ts";
import { readersOf } from "./rewrite.ts";

export const assignLayout = definePass<Graph, Graph>({
  name: "assign-layout",
  summary: "chooses the axis order in which each parameter is packed",
  run(graph, { profile }) {
    const readers = readersOf(graph);
    const nodes = graph.nodes.map((node): Node => {
      const { element } = storageOf(graph, node);
      const packed = element !== "f32";
      // What tensor cores multiply as it lies is copied to them row by row.
      const rows = profile.cuda !== undefined && elementBytes[element] === 2;
      if (node.op.kind !== "param" && !packed) return node;
      const orders = readers[node.id].map((r) => contractionOrder(r.node, r.operand));
      const first = orders[0];
      if (!first || orders.some((o) => !o || o.join() !== first.join())) return node;
      const blocks = packed && !rows ? blocksOf(first, readers[node.id][0], node) : undefined;
      if (blocks) return { ...node, layout: { order: first, blocks } };
      return first.every((axis, i) => axis === i) ? node : { ...node, layout: { order: first } };
    });
    return { ...graph, nodes };
  },
});

/** Elements along each side of a block. */
const BLOCK = 4;

/** The axes of which 4 × 4 blocks lie together; undefined where the value is thinner than a block. */
function blocksOf(
  order: readonly number[],
  { node, operand }: { readonly node: Node; readonly operand: number },
  stored: Node,
): readonly [k: number, n: number] | undefined {
  const { op } = node;
  if (op.kind !== "einsum") return undefined;
  const mine = op.operands[operand];
  const other = op.operands[1 - operand];
  const k = order.findLast((axis) => other.includes(mine[axis]) && !op.out.includes(mine[axis]));
  const n = order.at(-1);
  if (k === undefined || n === undefined || k === n || other.includes(mine[n])) return undefined;
  const extents = [k, n].map((axis) => Number(stored.type.shape[axis]));
  return extents.every((extent) => extent >= BLOCK) ? [k, n] : undefined;
}

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
