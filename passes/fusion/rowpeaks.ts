/**
 * @file Rounding the operands of products (`inputs TYPE`, see quantize.ts) takes no kernel. It is element-wise but for the row's largest
 * magnitude, of which the scale is made, and that one is found
 *
 * - where the row is made, if one kernel makes whole rows of it: a norm or a softmax goes through its row once more;
 * - otherwise by each product, in a sweep of its own before the sum:
 *
 *     %p = reduce max [2] %a       a = |y|               peak = max over j of |y[n, t, j]|
 *     %q = mul (round (y / s)) s   s is made of %p       acc  = Σ_k round(y[n, t, k] / s) · w[t, k, d],    s made of peak
 *     %z = einsum %q %w                                  z    = acc · s
 *
 * What lies between is computed where the product loads its operand.
 */
import type { Graph, Node } from "../../src/ir/graph.ts";
import type { readersOf } from "../rewrite.ts";

interface Context {
  readonly graph: Graph;
  readonly readers: ReturnType<typeof readersOf>;
  /** Values that lie in memory whatever reads them. */
  readonly external: ReadonlySet<number>;
  readonly isAnchor: (node: Node) => boolean;
}

export interface RowPeaks {
  /** Reductions that have no kernel, with the anchors in whose kernels they are read. */
  readonly readBy: ReadonlyMap<number, ReadonlySet<number>>;
  /** Those, and the element-wise values on the way to products and beside it: no memory holds them. */
  readonly inline: ReadonlySet<number>;
}

/** The maxima that rounding alone reads, and what stands between values and the products that take them rounded. */
export function rowPeaks(context: Context): RowPeaks {
  const readBy = new Map<number, ReadonlySet<number>>();
  const inline = new Set<number>();
  for (const node of context.graph.nodes) {
    const { op } = node;
    const isPeak = op.kind === "reduce" && op.fn === "max";
    if ((!isPeak && !rounds(node)) || context.external.has(node.id)) continue;
    const way = wayToProducts(node, context);
    if (way === undefined || way.products.size === 0) continue;
    const between = [...way.between].map((id) => context.graph.nodes[id]);
    if (isPeak && !between.some(rounds)) continue;
    if (isPeak) readBy.set(node.id, way.products);
    for (const { id } of [node, ...between]) inline.add(id);
    // Not the magnitudes would be stored, where anything must, but what they are of.
    if (isPeak) for (const id of magnitudes(node, context.graph.nodes)) inline.add(id);
  }
  return { readBy, inline };
}

function rounds({ op }: Node): boolean {
  return op.kind === "pointwise" && op.fn.startsWith("round_");
}

/** The values between a peak and that of which it is the largest magnitude: |x|, and 0 instead where a calibrated scale is given. */
function magnitudes({ inputs: [operand] }: Node, nodes: readonly Node[]): readonly number[] {
  const { id, op, inputs } = nodes[operand.id];
  if (op.kind !== "pointwise") return [];
  if (op.fn === "abs") return [id];
  return op.fn === "where" && isAbs(nodes[inputs[2].id]) ? [id, inputs[2].id] : [];
}

function isAbs({ op }: Node): boolean {
  return op.kind === "pointwise" && op.fn === "abs";
}

interface Way {
  readonly between: Set<number>;
  readonly products: Set<number>;
}

/** The anchors that read a value, through element-wise ops of the same program; undefined if anything else does. */
function wayToProducts(from: Node, context: Context): Way | undefined {
  const { readers, external, isAnchor } = context;
  const way: Way = { between: new Set(), products: new Set() };
  const pending = [from.id];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    for (const { node } of readers[id]) {
      if (node.program !== from.program) return undefined;
      if (isAnchor(node)) {
        way.products.add(node.id);
        continue;
      }
      // A product of factors that share no summed axis is element-wise as well.
      const passesOn = node.op.kind === "pointwise" || node.op.kind === "einsum";
      if (!passesOn || external.has(node.id) || node.rows?.gate !== from.rows?.gate) return undefined;
      if (way.between.has(node.id)) continue;
      way.between.add(node.id);
      pending.push(node.id);
    }
  }
  return way;
}

/** Whether the kernel of `anchor`, whose chain ends in `root`, makes whole rows of what `peak` is the largest magnitude of. */
export function makesRows(anchor: Node, root: Node, peak: Node, { nodes }: Graph): boolean {
  const { op } = peak;
  if (op.kind !== "reduce" || op.axes.length !== 1 || root.program !== peak.program) return false;
  if (root.rows?.gate !== peak.rows?.gate) return false;
  const along = anchor.op.kind === "softmax" ? anchor.op.axis : root.type.shape.length - 1;
  if (anchor.op.kind !== "normalize" && anchor.op.kind !== "softmax") return false;
  return op.axes[0] === along && ofWhat(peak, nodes) === root.id;
}

/** The value whose largest magnitude a peak is; undefined if it sees it through a view. */
function ofWhat(peak: Node, nodes: readonly Node[]): number | undefined {
  const way = magnitudes(peak, nodes);
  const last = way[way.length - 1];
  if (last === undefined) return undefined;
  const reads = [peak.inputs[0], ...(way.length > 1 ? [nodes[way[0]].inputs[2]] : []), nodes[last].inputs[0]];
  return reads.some(({ map }) => map) ? undefined : nodes[last].inputs[0].id;
}
