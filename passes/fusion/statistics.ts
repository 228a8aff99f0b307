/**
 * @file Which row statistics need no kernel: those that products alone read, of the rows that they sum over.
 *
 *     %s = row_statistics rms %y
 *     %a = einsum "n t k, t k d -> n t d" %y %w
 *     %b = mul %a %s[n, t, 1]                        one kernel: squares and sum over k in one sweep
 */
import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import { sameOperand } from "../contraction/meeting.ts";
import type { readersOf } from "../rewrite.ts";
import { isAnchor } from "./groups.ts";
import { dotRoles } from "./roles.ts";

interface Context {
  readonly graph: Graph;
  readonly readers: ReturnType<typeof readersOf>;
  /** Values that lie in memory whatever reads them. */
  readonly external: ReadonlySet<number>;
  /** Anchors with what follows them. */
  readonly chains: ReadonlyMap<number, readonly number[]>;
}

/** Products with the statistics that they gather. */
export function gatheredStatistics(context: Context): ReadonlyMap<number, readonly number[]> {
  const { graph, external, chains } = context;
  const homes = new Map([...chains].flatMap(([anchor, chain]) => chain.map((id) => [id, anchor] as const)));
  const gathered = new Map<number, number[]>();
  for (const node of graph.nodes) {
    if (node.op.kind !== "row_statistics" || external.has(node.id) || !chains.has(node.id)) continue;
    const products = productsThatRead(node, homes, context);
    if (products === undefined || products.size === 0) continue;
    if (![...products].every((id) => sumsRows(graph.nodes[id], node, graph))) continue;
    for (const id of products) gathered.set(id, [...(gathered.get(id) ?? []), node.id]);
  }
  return gathered;
}

/** The anchors of the kernels in which `node` is read, through element-wise ops; undefined if it must be stored. */
function productsThatRead(
  node: Node,
  homes: ReadonlyMap<number, number>,
  context: Context,
): ReadonlySet<number> | undefined {
  const found = new Set<number>();
  for (const { node: reader } of context.readers[node.id]) {
    const home = homes.get(reader.id);
    if (home !== undefined && home !== reader.id) {
      found.add(home);
      continue;
    }
    const passesOn = reader.op.kind === "pointwise" && !isAnchor(reader) && !context.external.has(reader.id);
    const beyond = passesOn ? productsThatRead(reader, homes, context) : undefined;
    if (beyond === undefined) return undefined;
    for (const id of beyond) found.add(id);
  }
  return found;
}

/** Whether a product sums over whole rows of what the statistics are of. */
function sumsRows(product: Node, statistics: Node, graph: Graph): boolean {
  const { op } = product;
  if (op.kind !== "einsum" || product.rows || product.program !== statistics.program) return false;
  const shapes = product.inputs.map((o) => o.map?.out ?? graph.nodes[o.id].type.shape);
  const sizes = new Map(op.operands.flatMap((labels, k) => labels.map((l, j) => [l, shapes[k][j]] as const)));
  const roles = dotRoles(product, op, sizes, graph);
  if (roles?.k.length !== 1) return false;
  const [of] = statistics.inputs;
  const row = of.map?.out ?? graph.nodes[of.id].type.shape;
  return sizes.get(roles.k[0]) === row[row.length - 1] && isRow(product.inputs[roles.a], of, graph);
}

/** Whether a product's rows are those, or those times parameters: the norm's gain. */
function isRow(rows: Operand, of: Operand, graph: Graph): boolean {
  if (rows.id === of.id) return true;
  const { op, inputs } = graph.nodes[rows.id];
  if (rows.map !== undefined || op.kind !== "pointwise" || op.fn !== "mul") return false;
  return [0, 1].some((k) => sameOperand(inputs[k], of) && graph.nodes[inputs[1 - k].id].program === "load");
}
