/**
 * @file Storage of values that are no parameters, in the reference: activations that a product takes in a narrow format (`inputs
 * fp8_e4m3`) and load-stage values that are stored rounded (`derived(…)`).
 *
 * A product's activation is what it multiplies a parameter with whose line has `inputs`; a *row* of it is all that the product sums
 * over. Where two parameters are multiplied with each other there is no activation.
 */
import { rounded, roundedWith } from "../../src/ir/codecs/codec.ts";
import type { Graph, Node, Operand, StorageElement } from "../../src/ir/graph.ts";
import { densify, type Tensor } from "../../src/ir/ops/tensor.ts";
import { derivedNodes, needsScale } from "../../src/ir/storage.ts";

/** An activation that a product reads together with a parameter or a stored derived value. */
export interface ActivationRead {
  /** The parameter's path, under which its calibrated scale stands. */
  readonly path: string;
  readonly element: StorageElement;
  /** The axes that the product sums over. */
  readonly shared: readonly number[];
}

export interface Rounding {
  /** What the product reads in place of the activation `values` (row-major, in f32). */
  activation(read: ActivationRead, values: Float32Array, shape: readonly number[]): ArrayLike<number>;
}

/** Rounds each activation with its parameter's calibrated scale, or with a scale a row where there is none. */
export function storedActivations(inputScaleOf: (path: string) => number | undefined): Rounding {
  return {
    activation({ path, element, shared }, values, shape) {
      const scale = inputScaleOf(path);
      if (scale !== undefined) return roundedWith(values, element, scale);
      return rounded(values, shape, {
        element,
        ...(needsScale(element) && { scale: { shared, symmetric: true } }),
      });
    },
  };
}

/** The rounding of one evaluation, found once from the graph. */
export class NodeRounding {
  readonly #graph: Graph;
  readonly #rounding: Rounding;
  readonly #derived: ReturnType<typeof derivedNodes>;
  /** For einsum nodes, by operand; nodes without activations are absent. */
  readonly #reads = new Map<number, ReadonlyMap<number, ActivationRead>>();

  constructor(graph: Graph, rounding: Rounding) {
    this.#graph = graph;
    this.#rounding = rounding;
    this.#derived = derivedNodes(graph);
    for (const node of graph.nodes) {
      const reads = this.#readsOf(node);
      if (reads.size > 0) this.#reads.set(node.id, reads);
    }
  }

  /** What the node computes with. */
  operands(node: Node, inputs: readonly Tensor[]): readonly Tensor[] {
    const reads = this.#reads.get(node.id);
    if (reads === undefined) return inputs;
    return inputs.map((tensor, k) => {
      const read = reads.get(k);
      if (read === undefined) return tensor;
      const { shape, dtype, data } = densify(tensor);
      return { shape, dtype, data: this.#rounding.activation(read, Float32Array.from(data), shape) };
    });
  }

  /** What is stored of the node's value. */
  result({ id }: Node, value: Tensor): Tensor {
    const line = this.#derived.get(id);
    if (line === undefined) return value;
    const { shape, dtype, data } = value;
    return { shape, dtype, data: rounded(Float32Array.from(data), shape, line.storage) };
  }

  #readsOf({ op, inputs }: Node): Map<number, ActivationRead> {
    const reads = new Map<number, ActivationRead>();
    if (op.kind !== "einsum") return reads;
    const weights = inputs.map((operand) => this.#weightOf(operand));
    const weight = weights.find((each) => each?.inputs !== undefined);
    if (weight?.inputs === undefined) return reads;
    for (const [k, labels] of op.operands.entries()) {
      const shared = labels.flatMap((label, j) => (op.out.includes(label) ? [] : [j]));
      if (weights[k] !== undefined || shared.length === 0) continue;
      reads.set(k, { path: weight.path, element: weight.inputs, shared });
    }
    return reads;
  }

  /** The parameter or stored derived value that an operand is, through views. */
  #weightOf({ id }: Operand): { readonly path: string; readonly inputs?: StorageElement } | undefined {
    const node = this.#graph.nodes[id];
    const derived = this.#derived.get(id);
    if (derived !== undefined) return derived;
    const { op } = node;
    if (op.kind === "param") return this.#graph.params.find(({ path }) => path === op.path);
    return op.kind === "view" ? this.#weightOf(node.inputs[0]) : undefined;
  }
}
