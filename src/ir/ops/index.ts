/** @file The op table: one definition a kind, complete by its type. */
import type { OpKind } from "../graph.ts";
import type { OpDef } from "./def.ts";
import { einsum } from "./einsum.ts";
import { byRequest, lookup, take } from "./gather.ts";
import { concat, pad, view } from "./layout.ts";
import { normalize, rowStatistics, softmax } from "./normalize.ts";
import { pointwise } from "./pointwise.ts";
import { reduce } from "./reduce.ts";
import { topKIndex, topKMask } from "./selection.ts";
import { constant, data, feature, iota, param } from "./sources.ts";

export type { ElementOf, OpDef } from "./def.ts";

export const opDefs: { readonly [K in OpKind]: OpDef<K> } = {
  param,
  feature,
  const: constant,
  data,
  iota,
  pointwise,
  view,
  concat,
  pad,
  einsum,
  reduce,
  normalize,
  row_statistics: rowStatistics,
  softmax,
  top_k_mask: topKMask,
  top_k_index: topKIndex,
  take,
  lookup,
  by_request: byRequest,
};

export function opDef(kind: OpKind): OpDef {
  // A definition is only ever called with an op of its own kind, which the type of a table lookup cannot say.
  return opDefs[kind] as OpDef;
}
