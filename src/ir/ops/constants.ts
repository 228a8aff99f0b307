/**
 * @file What the compiler knows of a value before any parameter is loaded: constants, and pointwise ops, views and
 * concatenations of them, up to 2^20 elements. Masks of `where` and of softmax are looked up here.
 */
import type { Node, Operand } from "../graph.ts";
import { opDef } from "./index.ts";
import { numel, type Tensor, viewTensor } from "./tensor.ts";

const LARGEST = 2 ** 20;
const KNOWN = new Set(["const", "data", "iota", "pointwise", "view", "concat"]);

export class ConstantTable {
  readonly #nodeOf: (id: number) => Node;
  readonly #values = new Map<number, Tensor | undefined>();

  constructor(nodeOf: (id: number) => Node) {
    this.#nodeOf = nodeOf;
  }

  /** The operand's elements as an op sees them; undefined if they depend on a parameter or feature, or are too many. */
  of(operand: Operand): Tensor | undefined {
    const value = this.#value(operand.id);
    if (value === undefined || operand.map === undefined) return value;
    return isSmall(operand.map.out) ? viewTensor(value, operand.map) : undefined;
  }

  #value(id: number): Tensor | undefined {
    if (this.#values.has(id)) return this.#values.get(id);
    const value = this.#compute(this.#nodeOf(id));
    this.#values.set(id, value);
    return value;
  }

  #compute(node: Node): Tensor | undefined {
    if (!KNOWN.has(node.op.kind) || !isSmall(node.type.shape)) return undefined;
    const inputs: Tensor[] = [];
    for (const operand of node.inputs) {
      const input = this.of(operand);
      if (input === undefined) return undefined;
      inputs.push(input);
    }
    return opDef(node.op.kind).evaluate(node.op, inputs, node.type, {});
  }
}

function isSmall(shape: Node["type"]["shape"]): boolean {
  const extents = shape.filter((extent) => typeof extent === "number");
  return extents.length === shape.length && numel(extents) <= LARGEST;
}
