/** @file Collects the nodes and constants of an ONNX model: names, attributes, and constants that are shared by content. */
import type { DType } from "../../src/ir/expr.ts";
import { type Attribute, ELEMENTS, type ElementType, type Initializer, type OnnxNode } from "./model.ts";
import { ELEMENT_OF } from "./value.ts";

/** An attribute's value: whole numbers are ints, `{ float }` says otherwise. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };

export class Builder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: Initializer[] = [];
  readonly #taken = new Set<string>();
  readonly #shared = new Map<string, string>();

  /** Keeps `name` for an input or output of the model. */
  reserve(name: string): void {
    this.#taken.add(name);
  }

  /** A name that nothing else has, as near to `wanted` as can be. */
  unique(wanted: string): string {
    let name = wanted;
    for (let k = 2; this.#taken.has(name); k++) name = `${wanted}_${k}`;
    this.#taken.add(name);
    return name;
  }

  /** Adds a node with one output and returns the output's name, made of `about`, the path of the value it helps to compute. */
  node(
    op: string,
    inputs: readonly string[],
    about: string,
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string {
    return this.nodeOf(op, inputs, 1, about, attributes)[0];
  }

  /** The same with `outputs` outputs. */
  nodeOf(
    op: string,
    inputs: readonly string[],
    outputs: number,
    about: string,
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string[] {
    const name = this.unique(`${about}/${op}`);
    const results = Array.from({ length: outputs }, (_, k) => (outputs === 1 ? name : `${name}:${k}`));
    this.nodes.push({
      name,
      op,
      inputs: [...inputs],
      outputs: results,
      attributes: Object.fromEntries(Object.entries(attributes).map(([key, v]) => [key, attributeOf(v)])),
    });
    return results;
  }

  /** `value` under a name of the model's outputs. */
  output(value: string, name: string): void {
    this.nodes.push({
      name: `output/${name}`,
      op: "Identity",
      inputs: [value],
      outputs: [name],
      attributes: {},
    });
  }

  /** What `make` makes the first time, by `key`: the same transpose of the same value is made once. */
  once(key: string, make: () => string): string {
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#shared.set(key, made);
    return made;
  }

  /** A list of int64: shapes, axes, starts. */
  ints(values: readonly number[]): string {
    return this.once(`ints:${values.join()}`, () => this.data("int64", [values.length], values, "ints"));
  }

  scalar(value: number, dtype: DType): string {
    const key = Object.is(value, -0) ? "-0" : String(value);
    return this.once(`scalar:${dtype}:${key}`, () => this.data(ELEMENT_OF[dtype], [], [value], "scalar"));
  }

  /** A small constant whose values are at hand. */
  data(type: ElementType, dims: readonly number[], values: ArrayLike<number>, about: string): string {
    return this.initializer(type, dims, about, function* () {
      yield bytesOf(type, values);
    });
  }

  /** A constant whose bytes `chunks` makes when they are written. */
  initializer(
    type: ElementType,
    dims: readonly number[],
    about: string,
    chunks: () => Iterable<Uint8Array>,
  ): string {
    const name = this.unique(about);
    this.initializers.push({ name, type, dims: [...dims], chunks });
    return name;
  }
}

function attributeOf(value: AttributeValue): Attribute {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value };
  if ("float" in value) return { kind: "float", value: Math.fround(value.float) };
  return { kind: "ints", value };
}

/** Elements as ONNX stores them: little-endian, a byte for a boolean. */
export function bytesOf(element: ElementType, values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(values.length * ELEMENTS[element].bytes);
  const { buffer } = bytes;
  switch (element) {
    case "float":
      new Float32Array(buffer).set(values);
      break;
    case "int32":
      new Int32Array(buffer).set(values);
      break;
    case "int64":
      BigInt64Array.from(Array.from(values, BigInt)).forEach((v, i) => {
        new DataView(buffer).setBigInt64(i * 8, v, true);
      });
      break;
    case "bool":
      bytes.set(values);
      break;
    default:
      element satisfies never;
  }
  return bytes;
}
