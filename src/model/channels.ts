/**
 * @file The channels of a stored value: along which of its axes elements share a scale. The products that read the value decide:
 * what one of them sums over belongs together, since the scale can then leave the sum.
 *
 * A value is followed to its readers through views. A lookup reads rows, so all axes but the first share. Where no product
 * sums over the value and nothing looks rows up (gains, biases, masks), the last axis shares: a scale a row, one for a vector.
 */
import { axesOf } from "../ir/expr.ts";
import type { Node, Operand } from "../ir/graph.ts";
import { composeMaps, type IndexMap, identityMap } from "../ir/indexmap.ts";

export type Channels =
  | { readonly kind: "shared"; readonly axes: readonly number[] }
  /** Two readers that sum over different axes: there is no scale for both. */
  | { readonly kind: "disagree"; readonly axes: readonly (readonly number[])[] };

/** Operand `k` of `node` is the value, or a view of it. */
interface Read {
  readonly node: Node;
  readonly k: number;
}

export class ChannelFinder {
  readonly #nodes: readonly Node[];
  /** The products and lookups that read each value, directly or through views. */
  readonly #reads = new Map<number, Read[]>();

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes;
    for (const node of nodes) {
      const operands =
        node.op.kind === "einsum" ? node.inputs : node.op.kind === "lookup" ? [node.inputs[0]] : [];
      for (const [k, operand] of operands.entries()) {
        for (let id: number | undefined = operand.id; id !== undefined; id = this.#viewed(id)) {
          const known = this.#reads.get(id);
          if (known === undefined) this.#reads.set(id, [{ node, k }]);
          else known.push({ node, k });
        }
      }
    }
  }

  /** The channels of the value that all of `ids` are (a parameter has a node for each place that names it), of `rank` axes. */
  channelsOf(ids: readonly number[], rank: number): Channels {
    const found = new Map<string, readonly number[]>();
    for (const id of ids) {
      for (const read of this.#reads.get(id) ?? []) {
        const axes = this.#sharedBy(read, id);
        if (axes.length > 0) found.set(axes.join(), axes);
      }
    }
    const [first, ...others] = found.values();
    if (first === undefined) return { kind: "shared", axes: rank === 0 ? [] : [rank - 1] };
    return others.length === 0
      ? { kind: "shared", axes: first }
      : { kind: "disagree", axes: [first, ...others] };
  }

  #viewed(id: number): number | undefined {
    const node = this.#nodes[id];
    return node.op.kind === "view" ? node.inputs[0].id : undefined;
  }

  /** The axes of value `id` that the reader sums over, or reads together as a row. */
  #sharedBy({ node, k }: Read, id: number): readonly number[] {
    const { op } = node;
    const view = this.#viewOf(node.inputs[k], id);
    const labels = op.kind === "einsum" ? op.operands[k] : view.out.map((_, j) => j);
    const isSummed = (label: number): boolean => (op.kind === "einsum" ? !op.out.includes(label) : label > 0);
    return view.index.flatMap((index, axis) => {
      const along = [...axesOf(index).keys()].map((name) => labels[Number(name.slice(1))]);
      return along.length > 0 && along.every(isSummed) ? [axis] : [];
    });
  }

  /** How an operand sees value `id`, which it is or views. */
  #viewOf(operand: Operand, id: number): IndexMap {
    const node = this.#nodes[operand.id];
    const own = operand.map ?? identityMap(node.type.shape);
    return operand.id === id ? own : composeMaps(own, this.#viewOf(node.inputs[0], id));
  }
}
