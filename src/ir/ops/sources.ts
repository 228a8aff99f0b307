/**
 * @file Ops without operands: parameters, features, constants and iota. Their type is declared, not inferred.
 * `param` and `feature` have no evaluation of their own; the evaluator supplies their values.
 */
import type { DType } from "../expr.ts";
import { load } from "../expr.ts";
import type { OpKind, TensorType } from "../graph.ts";
import { type StageLevel, tableOf, uniform } from "../stage.ts";
import {
  constantShape,
  expectInputs,
  ITEM,
  LOAD,
  type OpDef,
  OpError,
  sameShape,
  showShape,
  USER,
  ZERO,
} from "./def.ts";
import { newData, numel, type Tensor } from "./tensor.ts";

/** The largest constant whose zeros are tracked element by element. */
const TRACKED_ELEMENTS = 2 ** 20;

function declaredType(
  what: string,
  inputs: readonly TensorType[],
  declared: TensorType | undefined,
): TensorType {
  expectInputs(what, inputs, 0);
  if (declared === undefined) throw new OpError(`${what} needs a declared type`);
  return declared;
}

function supplied(kind: OpKind): never {
  throw new Error(`internal: the value of a ${kind} comes from the evaluator`);
}

function fits(value: number, dtype: DType): boolean {
  if (dtype === "num") return true;
  return dtype === "bool" ? value === 0 || value === 1 : value === (value | 0);
}

export const param: OpDef<"param"> = {
  kind: "param",
  stageRule: "load, whatever its initialiser",
  transpose: "accumulate",
  shape: (_op, inputs, declared) => declaredType("a parameter", inputs, declared),
  stage: (_op, _inputs, type) => uniform(type.shape, LOAD),
  evaluate: () => supplied("param"),
  flops: () => 0,
  element: (node, index) => load(node.id, index, node.type.dtype),
};

export const feature: OpDef<"feature"> = {
  kind: "feature",
  stageRule: "user or item, as declared",
  transpose: "none",
  shape: (_op, inputs, declared) => declaredType("a feature", inputs, declared),
  stage(op, _inputs, type, ctx) {
    const info = ctx.feature(op.name);
    if (info === undefined) throw new Error(`internal: no feature is called ${op.name}`);
    return uniform(type.shape, info.stage === "user" ? USER : ITEM);
  },
  evaluate: () => supplied("feature"),
  flops: () => 0,
  element: (node, index) => load(node.id, index, node.type.dtype),
};

export const constant: OpDef<"const"> = {
  kind: "const",
  stageRule: "zero if the constant is 0, else load",
  transpose: "none",
  shape(op, inputs, declared) {
    const type = declaredType("a constant", inputs, declared);
    if (!fits(op.value, type.dtype)) throw new OpError(`the constant ${op.value} is no ${type.dtype}`);
    return type;
  },
  stage: (op, _inputs, type) => uniform(type.shape, op.value === 0 ? ZERO : LOAD),
  evaluate(op, _inputs, type): Tensor {
    const shape = constantShape(type.shape);
    return { shape, dtype: type.dtype, data: newData(type.dtype, numel(shape)).fill(op.value) };
  },
  flops: () => 0,
  element: (node) => ({ kind: "const", value: node.op.value, type: node.type.dtype }),
};

const DATA_TYPES = { num: Float64Array, i32: Int32Array, bool: Uint8Array };

export const data: OpDef<"data"> = {
  kind: "data",
  stageRule: "per element: zero if it is 0, else load",
  transpose: "none",
  shape(op, inputs, declared) {
    const type = declaredType("a table of constants", inputs, declared);
    if (!(op.values instanceof DATA_TYPES[type.dtype]))
      throw new OpError(`constants of type ${type.dtype} come in another array kind`);
    const shape = type.shape.filter((extent) => typeof extent === "number");
    if (shape.length !== type.shape.length || numel(shape) !== op.values.length) {
      throw new OpError(`${op.values.length} constants do not fill the shape ${showShape(type.shape)}`);
    }
    return type;
  },
  stage(op, _inputs, type) {
    if (op.values.length > TRACKED_ELEMENTS || !op.values.includes(0)) return uniform(type.shape, LOAD);
    const level = (value: number): StageLevel => (value === 0 ? ZERO : LOAD);
    return tableOf(Uint8Array.from(op.values, level), constantShape(type.shape));
  },
  evaluate: (op, _inputs, type) => ({ shape: constantShape(type.shape), dtype: type.dtype, data: op.values }),
  flops: () => 0,
  element: (node, index) => load(node.id, index, node.type.dtype),
};

export const iota: OpDef<"iota"> = {
  kind: "iota",
  stageRule: "load",
  transpose: "none",
  shape(_op, inputs, declared) {
    const type = declaredType("iota", inputs, declared);
    if (
      type.dtype !== "i32" ||
      type.shape.length !== 1 ||
      !sameShape(
        type.shape,
        type.shape.filter((n) => typeof n === "number"),
      )
    ) {
      throw new OpError(`iota is a list of i32, not ${type.dtype}${showShape(type.shape)}`);
    }
    return type;
  },
  stage: (_op, _inputs, type) => uniform(type.shape, LOAD),
  evaluate(_op, _inputs, type): Tensor {
    const shape = constantShape(type.shape);
    return { shape, dtype: "i32", data: newData("i32", numel(shape)).map((_, i) => i) };
  },
  flops: () => 0,
  element: (_node, index) => index[0],
};
