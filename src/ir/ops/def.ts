/**
 * @file What an op family declares about itself, side by side: its shape rule, its stage rule, its meaning in f64,
 * its cost, its scalar form for fusion, and the name of its transpose for training.
 *
 * Rules see operands *as the op sees them*: the operand's index map is already applied. Before `split-stages`
 * shapes are constants and a stage table follows every element; after it a leading extent may be "R" or "N" and
 * tables are uniform (see `GraphBuilder`), so stage rules never meet a symbolic extent.
 */
import type { DType, Expr, Extent } from "../expr.ts";
import { axis, int, max, min } from "../expr.ts";
import type { FeatureInfo, Node, Op, Operand, OpKind, TensorType } from "../graph.ts";
import type { StageLevel, StageTable } from "../stage.ts";
import { joinStages, reduceStage, uniform, viewStage } from "../stage.ts";
import type { BatchSizes, Tensor } from "./tensor.ts";
import { bindShape, numel } from "./tensor.ts";

export type OpOf<K extends OpKind> = Extract<Op, { readonly kind: K }>;

/** The levels of a stage table by name. */
export const ZERO: StageLevel = 0;
export const LOAD: StageLevel = 1;
export const USER: StageLevel = 2;
export const ITEM: StageLevel = 3;

/** The source of `load` expressions that stands for `request[n]`, the request of candidate n; no node has this id. */
export const REQUEST = -1;

/** The operands do not fit the op. The message is a plain sentence for whoever turns it into a diagnostic. */
export class OpError extends Error {
  override readonly name = "OpError";
}

/** An index outside the axis it indexes, met while evaluating. */
export class IndexRangeError extends Error {
  override readonly name = "IndexRangeError";
  /** Which entry of the index tensor, row-major. */
  readonly position: number;
  readonly value: number;
  readonly extent: number;

  constructor(position: number, value: number, extent: number) {
    super(`index ${value} is outside [0, ${extent})`);
    this.position = position;
    this.value = value;
    this.extent = extent;
  }
}

/** What a stage rule may ask about the graph so far. */
export interface StageContext {
  /** The operands and their types as the op sees them. */
  readonly operands: readonly Operand[];
  readonly inputs: readonly TensorType[];
  node(id: number): Node;
  feature(name: string): FeatureInfo | undefined;
  /** The operand's elements where the compiler knows them (const, data, iota and pointwise, view, concat of those; at most 2^20). */
  constant(operand: Operand): Tensor | undefined;
}

export interface EvaluateContext {
  /** The request of each candidate; present after `split-stages`. */
  readonly request?: ArrayLike<number>;
}

export interface OpDef<K extends OpKind = OpKind> {
  readonly kind: K;
  /** The stage rule as `docs/language.md` prints it. `ug_mask` is resolved by these rules, so they are part of the language. */
  readonly stageRule: string;
  /** The op that carries a gradient back to the operands: its transpose where it is linear, `none` where nothing flows. */
  readonly transpose: string;
  /** `evaluate` takes strided operands. */
  readonly strided?: true;
  /** The result's type; `declared` is the type that sources are given. Throws OpError. */
  shape(op: OpOf<K>, inputs: readonly TensorType[], declared: TensorType | undefined): TensorType;
  stage(op: OpOf<K>, inputs: readonly StageTable[], type: TensorType, ctx: StageContext): StageTable;
  /** In f64; `type` and the tensors have constant extents. */
  evaluate(op: OpOf<K>, inputs: readonly Tensor[], type: TensorType, ctx: EvaluateContext): Tensor;
  /** Floating-point operations of one evaluation; a multiply and an add count one each. */
  flops(op: OpOf<K>, inputs: readonly TensorType[], type: TensorType, sizes: BatchSizes): number;
  /** The element at `index` as a scalar expression, for ops that a kernel can compute where it reads; `inputs` as in `shape`. */
  element?(
    node: { readonly id: number; readonly op: OpOf<K>; readonly type: TensorType },
    index: readonly Expr[],
    operand: ElementOf,
    inputs: readonly TensorType[],
  ): Expr;
}

/** Element `index` of operand k as the op sees it. */
export type ElementOf = (k: number, index: readonly Expr[]) => Expr;

export function sameShape(a: readonly Extent[], b: readonly Extent[]): boolean {
  return a.length === b.length && a.every((extent, j) => extent === b[j]);
}

export function showShape(shape: readonly Extent[]): string {
  return `[${shape.join(", ")}]`;
}

export function expectInputs(what: string, inputs: readonly TensorType[], count: number): void {
  if (inputs.length !== count)
    throw new OpError(`${what} takes ${count} operand${count === 1 ? "" : "s"}, not ${inputs.length}`);
}

export function expectType(what: string, type: TensorType, allowed: readonly DType[]): void {
  if (!allowed.includes(type.dtype))
    throw new OpError(`${what} takes ${allowed.join(" or ")}, not ${type.dtype}`);
}

/** An axis number of a shape, counted from 0. */
export function expectAxis(what: string, shape: readonly Extent[], at: number): void {
  if (!Number.isInteger(at) || at < 0 || at >= shape.length) {
    throw new OpError(`${what} names axis ${at} of a value of shape ${showShape(shape)}`);
  }
}

/** The axis's extent; the batch axis is none that an op may cut or sum. */
export function constantExtent(what: string, shape: readonly Extent[], at: number): number {
  expectAxis(what, shape, at);
  const extent = shape[at];
  if (typeof extent !== "number") throw new OpError(`${what} cannot work along the batch axis ${extent}`);
  return extent;
}

/** Shapes of stage rules and of evaluation have no symbolic extents. */
export function constantShape(shape: readonly Extent[]): number[] {
  return shape.map((extent) => {
    if (typeof extent !== "number") throw new Error(`internal: the extent ${extent} has no size here`);
    return extent;
  });
}

export function elements(type: TensorType, sizes: BatchSizes): number {
  return numel(bindShape(type.shape, sizes));
}

/** The table with zeros made load: the result of a function that does not keep zeros. */
export function atLeastLoad(table: StageTable, shape: readonly Extent[]): StageTable {
  return joinStages([table, uniform(shape, LOAD)]);
}

/** Every element gets the latest stage of the operand's row along `along`; `shape` is the result's. */
export function joinAlong(table: StageTable, shape: readonly Extent[], along: number): StageTable {
  const joined = reduceStage(table, [along], true);
  return viewStage(joined, {
    out: shape,
    index: shape.map((extent, j) => (j === along ? int(0) : axis(`i${j}`, extent))),
  });
}

/** `index` held within [0, extent): what devices do with a computed index. */
export function clampIndex(index: Expr, extent: number): Expr {
  return min(max(index, int(0)), int(extent - 1));
}
