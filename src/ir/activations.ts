/**
 * @file Activations: what a product multiplies a parameter, or a stored load-stage value, with, where that one's line says `inputs TYPE`.
 * They are rounded to the type. Where two parameters are multiplied with each other there is no activation.
 *
 * Products that take one value in one type, summed over the same axes of it, round it alike: gate and up of a SwiGLU; queries, keys and
 * values. They have one scale, so that one rounding serves them all: a row's own, or the largest of those that calibration set.
 */
import type { Graph, Operand, StorageElement } from "./graph.ts";
import { derivedNodes } from "./storage.ts";

/** How an operand of a product is rounded. */
export interface ActivationRead {
  /** Which operand of the product it is. */
  readonly operand: number;
  readonly element: Exclude<StorageElement, "f32">;
  /** The axes that the product sums over. */
  readonly shared: readonly number[];
  /** The parameter or stored value that this product multiplies it with. */
  readonly path: string;
  /** Those of all products that round it alike, each once: the scale is the largest of theirs. */
  readonly paths: readonly string[];
}

/** What each product rounds of its operands, by the product's node; products that round none are absent. */
export function activationReads(graph: Graph): ReadonlyMap<number, readonly ActivationRead[]> {
  const weightOf = weightsOf(graph);
  const alike = new Map<string, string[]>();
  const found = new Map<number, readonly ActivationRead[]>();
  for (const { id, op, inputs } of graph.nodes) {
    if (op.kind !== "einsum") continue;
    const weights = inputs.map(weightOf);
    const weight = weights.find((each) => each?.inputs !== undefined);
    if (weight?.inputs === undefined || weight.inputs === "f32") continue;
    const { path, inputs: element } = weight;
    const reads = op.operands.flatMap((labels, operand): ActivationRead[] => {
      const shared = labels.flatMap((label, j) => (op.out.includes(label) ? [] : [j]));
      if (weights[operand] !== undefined || shared.length === 0) return [];
      const key = JSON.stringify([inputs[operand], element, shared]);
      const paths = alike.get(key) ?? [];
      alike.set(key, paths);
      if (!paths.includes(path)) paths.push(path);
      return [{ operand, element, shared, path, paths }];
    });
    if (reads.length > 0) found.set(id, reads);
  }
  return found;
}

interface Weight {
  readonly path: string;
  readonly inputs?: StorageElement;
}

/** Finds the parameter or stored load-stage value that an operand is, through views. */
function weightsOf(graph: Graph): (operand: Operand) => Weight | undefined {
  const derived = derivedNodes(graph);
  const params = new Map(graph.params.map((param) => [param.path, param]));
  const weightOf = ({ id }: Operand): Weight | undefined => {
    const stored = derived.get(id);
    if (stored !== undefined) return stored;
    const { op, inputs } = graph.nodes[id];
    if (op.kind === "param") return params.get(op.path);
    return op.kind === "view" ? weightOf(inputs[0]) : undefined;
  };
  return weightOf;
}
