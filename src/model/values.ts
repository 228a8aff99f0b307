/**
 * @file What an expression of the language is worth while a model is elaborated: a compile-time value (int, float, bool,
 * string, function, list) or a handle on a value of the Graph. Tensors have no batch axis.
 */
import type { BlockDecl } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/diagnostics.ts";
import type { DType } from "../ir/expr.ts";
import type { Builtin } from "./builtins/builtin.ts";

export interface IntValue {
  readonly kind: "int";
  readonly value: number;
}

export interface FloatValue {
  readonly kind: "float";
  readonly value: number;
}

export interface BoolValue {
  readonly kind: "bool";
  readonly value: boolean;
}

/** `span` is the literal's, quotes included, so that a pattern's diagnostics point into it. */
export interface StringValue {
  readonly kind: "string";
  readonly value: string;
  readonly span: Span;
}

export interface ListValue {
  readonly kind: "list";
  readonly items: readonly Value[];
}

/** An argument with the place where it was written. */
export interface Bound {
  readonly value: Value;
  readonly span: Span;
}

/** A block or a primitive, with the named arguments that a partial application has given already. */
export interface FnValue {
  readonly kind: "fn";
  readonly target:
    | { readonly kind: "block"; readonly block: Block }
    | { readonly kind: "builtin"; readonly builtin: Builtin };
  readonly bound: ReadonlyMap<string, Bound>;
}

/** A block with the file that declares it: its body sees the names of that file. */
export interface Block {
  readonly decl: BlockDecl;
  readonly file: string;
}

/** Slices that a `tokens` statement named: rows `start … start + count − 1` of axis 0. */
export type RowNames = ReadonlyMap<string, { readonly start: number; readonly count: number }>;

/** What the sequence primitives (`length`, `valid`, pools, `index`) know of a value that is a feature. */
export interface FeatureTag {
  readonly name: string;
  /** The i32 ids of an `id`/`ids` feature. */
  readonly index?: TensorValue;
  /** How many leading entries are real, i32 []; absent for features that are no lists. */
  readonly length?: TensorValue;
}

export interface TensorValue {
  readonly kind: "tensor";
  /** The node of the Graph. */
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly rows?: RowNames;
  readonly feature?: FeatureTag;
}

/** An embedding table: the parameter's value and its path. */
export interface TableValue {
  readonly kind: "table";
  readonly path: string;
  readonly rows: number;
  readonly dim: number;
  readonly tensor: TensorValue;
}

/** A `seq` feature: its fields share one length. */
export interface SeqValue {
  readonly kind: "seq";
  readonly name: string;
  readonly max: number;
  readonly length: TensorValue;
  readonly fields: ReadonlyMap<string, TensorValue>;
}

/** What a block of several results returns. */
export interface ResultsValue {
  readonly kind: "results";
  readonly values: readonly Value[];
}

/** `0:8` as an argument. */
export interface RangeValue {
  readonly kind: "range";
  readonly from?: number;
  readonly to?: number;
}

export type Value =
  | IntValue
  | FloatValue
  | BoolValue
  | StringValue
  | ListValue
  | FnValue
  | TensorValue
  | TableValue
  | SeqValue
  | ResultsValue
  | RangeValue;

export const intValue = (value: number): IntValue => ({ kind: "int", value });
export const floatValue = (value: number): FloatValue => ({ kind: "float", value });
export const boolValue = (value: boolean): BoolValue => ({ kind: "bool", value });

/** `[16, 128]`. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** "a tensor [16, 128]", "the int 8": how messages speak of a value. */
export function describe(value: Value): string {
  switch (value.kind) {
    case "int":
    case "float":
    case "bool":
      return `the ${value.kind} ${value.value}`;
    case "string":
      return "a string";
    case "list":
      return "a list";
    case "fn":
      return `the function \`${fnName(value)}\``;
    case "tensor":
      return `${value.dtype === "num" ? "a tensor" : `a tensor of ${value.dtype}`} ${shapeText(value.shape)}`;
    case "table":
      return `the table \`${value.path}\``;
    case "seq":
      return `the sequence \`${value.name}\``;
    case "results":
      return `${value.values.length} results`;
    case "range":
      return "a range";
    default:
      return value satisfies never;
  }
}

export function fnName(fn: FnValue): string {
  return fn.target.kind === "block" ? fn.target.block.decl.name.name : fn.target.builtin.name;
}

export function numel(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
