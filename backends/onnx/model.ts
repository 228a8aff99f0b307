/**
 * @file An ONNX model as data: the part of the format that an exported Graph needs. Names are those of `onnx.proto3`
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3); `schema.ts` turns it into bytes and back.
 */

/**
 * Opset 21 (ONNX 1.16) is the newest that the providers of ONNX Runtime implement throughout; it has Gelu (20), LayerNormalization
 * (17) and reductions whose axes are an input (18). IR version 10 belongs to it.
 */
export const OPSET = 21;
export const IR_VERSION = 10;

/** Element types, with their number in `TensorProto.DataType` and bytes an element. */
export const ELEMENTS = {
  float: { code: 1, bytes: 4 },
  int32: { code: 6, bytes: 4 },
  int64: { code: 7, bytes: 8 },
  bool: { code: 9, bytes: 1 },
} as const;
export type ElementType = keyof typeof ELEMENTS;

export type Attribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] };

export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A constant of the model. Its bytes (row-major, little-endian) are made when they are written, and not kept. */
export interface Initializer {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  chunks(): Iterable<Uint8Array>;
}

/** An input or output; a dimension is a size or the name of one that each call chooses. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly (number | string)[];
}

export interface OnnxModel {
  readonly name: string;
  readonly irVersion: number;
  readonly opset: number;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

export function byteSize({ type, dims }: Pick<Initializer, "type" | "dims">): number {
  return dims.reduce((product, extent) => product * extent, ELEMENTS[type].bytes);
}

/** How often the model uses each operator, most used first. */
export function opsUsed(model: Pick<OnnxModel, "nodes">): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { op } of model.nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
  return new Map([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)));
}
