/**
 * @file Which labels of a two-operand contraction become rows, columns, the summed axis and the batch of a matrix product, and
 * whether a matrix product pays at all.
 */
import type { Extent } from "../../src/ir/expr.ts";
import type { Graph, Node, Op } from "../../src/ir/graph.ts";

export interface DotRoles {
  /** The operand whose rows are `m`. */
  readonly a: number;
  readonly batch: readonly number[];
  readonly m: readonly number[];
  readonly n: readonly number[];
  readonly k: readonly number[];
}

/** Thinner products are sums per element: a matrix product would leave most of its tile idle. */
const THIN = 4;

/** Which labels are rows, columns, summed and shared; undefined where a matrix product does not pay. */
export function dotRoles(
  node: Node,
  op: Extract<Op, { kind: "einsum" }>,
  sizes: ReadonlyMap<number, Extent>,
  graph: Graph,
): DotRoles | undefined {
  if (op.operands.length !== 2) return undefined;
  const [p, q] = op.operands;
  const shared = op.out.filter((l) => p.includes(l) && q.includes(l));
  const k = p.filter((l) => q.includes(l) && !op.out.includes(l));
  const own = (labels: readonly number[]): number[] =>
    op.out.filter((l) => labels.includes(l) && !shared.includes(l));
  const size = (labels: readonly number[]): number =>
    labels.reduce((product, l) => {
      const s = sizes.get(l);
      return product * (typeof s === "number" ? s : 1e6);
    }, 1);
  if (
    k.length === 0 ||
    op.operands.some((labels) => labels.some((l) => !op.out.includes(l) && !k.includes(l)))
  )
    return undefined;
  const suits = (a: number): number => {
    const labels = op.operands[1 - a];
    const operand = node.inputs[1 - a];
    const isParam = graph.nodes[operand.id].op.kind === "param" && !operand.map;
    const adjacent = own(labels).includes(labels[labels.length - 1]);
    const batchInRows = own(op.operands[a]).some((l) => typeof sizes.get(l) !== "number");
    return (isParam ? 4 : 0) + (batchInRows ? 2 : 0) + (adjacent ? 1 : 0);
  };
  const a = suits(0) >= suits(1) ? 0 : 1;
  const m = own(op.operands[a]);
  const n = own(op.operands[1 - a]);
  if (n.some((l) => typeof sizes.get(l) !== "number")) return undefined;
  if (size(m) < 2 || size(n) < THIN || size(k) < 2) return undefined;
  return { a, batch: shared, m, n, k };
}

/**
 * The roles in a product over active rows: weights of the row's group (`b`: no other axis of the gate) times what belongs to the
 * row. Axes that both have, or the row's operand alone, are points of the grid.
 */
export function rowRoles(
  node: Node,
  op: Extract<Op, { kind: "einsum" }>,
  sizes: ReadonlyMap<number, Extent>,
  graph: Graph,
): DotRoles | undefined {
  const { rows } = node;
  if (rows === undefined || op.operands.length !== 2) return undefined;
  const gate = rows.axes.map((a) => op.out[a]);
  const group = rows.groups.map((g) => gate[g]);
  const size = (labels: readonly number[]): number =>
    labels.reduce((product, l) => product * (sizes.get(l) as number), 1);
  for (const a of [0, 1]) {
    const [x, w] = [op.operands[a], op.operands[1 - a]];
    if (graph.nodes[node.inputs[1 - a].id].program !== "load") continue;
    const k = x.filter((l) => w.includes(l) && !op.out.includes(l));
    const n = op.out.filter((l) => w.includes(l) && !x.includes(l) && !gate.includes(l));
    const batch = op.out.filter((l) => x.includes(l) && !gate.includes(l));
    const summed = [...x, ...w].filter((l) => !op.out.includes(l) && !k.includes(l));
    const foreign = w.some((l) => gate.includes(l) && !group.includes(l));
    if (foreign || summed.length > 0 || k.length === 0 || size(k) < 2 || size(n) < THIN) continue;
    return { a, batch, m: [], n, k };
  }
  return undefined;
}
