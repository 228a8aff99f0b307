/**
 * @file Storage of values that are no parameters, in the reference: activations that a product takes in a narrow format (`inputs
 * fp8_e4m3`) and load-stage values that are stored rounded (`derived(…)`). A *row* of an activation is all that the product sums over.
 */
import { type ActivationRead, activationReads } from "../../src/ir/activations.ts";
import { rounded, roundedActivation } from "../../src/ir/codecs/codec.ts";
import type { Graph, Node } from "../../src/ir/graph.ts";
import { densify, type Tensor } from "../../src/ir/ops/tensor.ts";
import { derivedNodes, largestScale } from "../../src/ir/storage.ts";

export interface Rounding {
  /** What the product reads in place of the activation `values` (row-major). Absent: the values. */
  activation?(read: ActivationRead, values: ArrayLike<number>, shape: readonly number[]): ArrayLike<number>;
}

/** Rounds each activation with the largest calibrated scale of those that take it, or with a scale a row where there is none. */
export function storedActivations(inputScaleOf: (path: string) => number | undefined): Rounding {
  return {
    activation({ paths, element, shared }, values, shape) {
      return roundedActivation(values, shape, element, shared, largestScale(paths, inputScaleOf));
    },
  };
}

/** The rounding of one evaluation, found once from the graph. */
export class NodeRounding {
  readonly #rounding: Rounding;
  readonly #derived: ReturnType<typeof derivedNodes>;
  readonly #reads: ReturnType<typeof activationReads>;

  constructor(graph: Graph, rounding: Rounding) {
    this.#rounding = rounding;
    this.#derived = derivedNodes(graph);
    this.#reads = activationReads(graph);
  }

  /** What the node computes with. */
  operands(node: Node, inputs: readonly Tensor[]): readonly Tensor[] {
    const reads = this.#reads.get(node.id);
    const { activation } = this.#rounding;
    if (reads === undefined || activation === undefined) return inputs;
    return inputs.map((tensor, k) => {
      const read = reads.find(({ operand }) => operand === k);
      if (read === undefined) return tensor;
      const { shape, dtype, data } = densify(tensor);
      return { shape, dtype, data: activation(read, data, shape) };
    });
  }

  /** What is stored of the node's value. */
  result({ id }: Node, value: Tensor): Tensor {
    const line = this.#derived.get(id);
    if (line === undefined) return value;
    const { shape, dtype, data } = value;
    return { shape, dtype, data: rounded(Float32Array.from(data), shape, line.storage) };
  }
}
