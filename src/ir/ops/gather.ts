/**
 * @file Gathers: `take` along an axis with equal leading axes, `lookup` of whole rows (embeddings), and
 * `by_request`, which hands a candidate its request's value. An index outside is an error here; devices clamp it.
 */
import { axis, type Expr, type Extent, load } from "../expr.ts";
import type { TensorType } from "../graph.ts";
import { mulStages, reduceStage, type StageTable, uniform, viewStage } from "../stage.ts";
import {
  atLeastLoad,
  clampIndex,
  constantExtent,
  constantShape,
  expectAxis,
  expectInputs,
  expectType,
  IndexRangeError,
  ITEM,
  type OpDef,
  OpError,
  REQUEST,
  sameShape,
  showShape,
} from "./def.ts";
import { newData, numel, type Tensor } from "./tensor.ts";

/** Rows `index` of x along its axis `at`: shape [B…, I…, C…] from x [B…, A, C…] and index [B…, I…]. */
function gatherShape(what: string, at: number, inputs: readonly TensorType[]): TensorType {
  expectInputs(what, inputs, 2);
  const [x, index] = inputs;
  expectAxis(what, x.shape, at);
  constantExtent(what, x.shape, at);
  expectType(`the index of ${what}`, index, ["i32"]);
  if (!sameShape(x.shape.slice(0, at), index.shape.slice(0, at))) {
    throw new OpError(
      `${what} along axis ${at} takes an index with the leading axes of ${showShape(x.shape)}, not ${showShape(index.shape)}`,
    );
  }
  return { shape: [...index.shape, ...x.shape.slice(at + 1)], dtype: x.dtype };
}

function gatherStage(
  at: number,
  [x, index]: readonly StageTable[],
  shape: readonly Extent[],
  indexRank: number,
): StageTable {
  const axes = shape.map((extent, j) => axis(`i${j}`, extent));
  const rows = viewStage(reduceStage(x, [at], false), {
    out: shape,
    index: [...axes.slice(0, at), ...axes.slice(indexRank)],
  });
  const chosen = viewStage(index, { out: shape, index: axes.slice(0, indexRank) });
  return mulStages([rows, atLeastLoad(chosen, shape)]);
}

function gather(at: number, [x, index]: readonly Tensor[], type: TensorType): Tensor {
  const shape = constantShape(type.shape);
  const data = newData(type.dtype, numel(shape));
  const extent = x.shape[at];
  const outer = numel(x.shape.slice(0, at));
  const inner = numel(x.shape.slice(at + 1));
  const picks = numel(index.shape.slice(at));
  for (let row = 0, to = 0; row < outer; row++) {
    for (let i = 0; i < picks; i++) {
      const pick = index.data[row * picks + i];
      if (!(pick >= 0 && pick < extent)) throw new IndexRangeError(row * picks + i, pick, extent);
      const from = (row * extent + pick) * inner;
      for (let c = 0; c < inner; c++) data[to++] = x.data[from + c];
    }
  }
  return { shape, dtype: type.dtype, data };
}

function gatherElement(
  at: number,
  index: readonly Expr[],
  operand: (k: number, index: readonly Expr[]) => Expr,
  [x, by]: readonly TensorType[],
): Expr {
  const rank = by.shape.length;
  const row = clampIndex(operand(1, index.slice(0, rank)), constantExtent("a gather", x.shape, at));
  return operand(0, [...index.slice(0, at), row, ...index.slice(rank)]);
}

const GATHER_RULE =
  "the latest of the index and of everything along the gathered axis; zero where all of that axis is";

export const take: OpDef<"take"> = {
  kind: "take",
  stageRule: GATHER_RULE,
  transpose: "scatter_add",
  shape: (op, inputs) => gatherShape("take", op.axis, inputs),
  stage: (op, inputs, type, ctx) => gatherStage(op.axis, inputs, type.shape, ctx.inputs[1].shape.length),
  evaluate: (op, inputs, type) => gather(op.axis, inputs, type),
  flops: () => 0,
  element: (node, index, operand, inputs) => gatherElement(node.op.axis, index, operand, inputs),
};

export const lookup: OpDef<"lookup"> = {
  kind: "lookup",
  stageRule: GATHER_RULE,
  transpose: "scatter_add",
  shape: (_op, inputs) => gatherShape("lookup", 0, inputs),
  stage: (_op, inputs, type, ctx) => gatherStage(0, inputs, type.shape, ctx.inputs[1].shape.length),
  evaluate: (_op, inputs, type) => gather(0, inputs, type),
  flops: () => 0,
  element: (_node, index, operand, inputs) => gatherElement(0, index, operand, inputs),
};

export const byRequest: OpDef<"by_request"> = {
  kind: "by_request",
  stageRule: "item",
  transpose: "segment_sum",
  shape(_op, inputs) {
    expectInputs("by_request", inputs, 1);
    const [{ shape, dtype }] = inputs;
    if (shape[0] !== "R")
      throw new OpError(`by_request takes a value with one element a request, not ${showShape(shape)}`);
    return { shape: ["N", ...shape.slice(1)], dtype };
  },
  stage: (_op, _inputs, type) => uniform(type.shape, ITEM),
  evaluate(_op, [input], type, ctx): Tensor {
    const shape = constantShape(type.shape);
    const { request } = ctx;
    if (request === undefined) throw new Error("internal: by_request without a batch");
    return gather(0, [input, { shape: [shape[0]], dtype: "i32", data: request }], type);
  },
  flops: () => 0,
  element: (_node, index, operand) => operand(0, [load(REQUEST, [index[0]], "i32"), ...index.slice(1)]),
};
