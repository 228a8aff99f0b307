/** @file Batch axes: what an op, a map and an extent become when a leading axis of requests or candidates is written out. */
import { axis, type Extent, substitute } from "../../src/ir/expr.ts";
import type { Op, Stage } from "../../src/ir/graph.ts";
import type { IndexMap } from "../../src/ir/indexmap.ts";

/** The leading extent of the values of a program that has one. */
export function batch(program: Stage): Extent {
  return program === "item" ? "N" : "R";
}

/** The index of a map, its axes renumbered after a new leading axis. */
export function shifted(map: IndexMap): IndexMap["index"] {
  const at = new Map(map.out.map((extent, i) => [`i${i}`, axis(`i${i + 1}`, extent)]));
  return map.index.map((e) => substitute(e, at));
}

/** The op with its axis attributes moved behind a new leading axis. */
export function withBatch(op: Op): Op {
  switch (op.kind) {
    case "concat":
    case "pad":
    case "softmax":
    case "top_k_mask":
    case "top_k_index":
    case "take":
      return { ...op, axis: op.axis + 1 };
    case "reduce":
      return { ...op, axes: op.axes.map((a) => a + 1) };
    case "lookup":
      return { kind: "take", axis: 1 };
    default:
      return op;
  }
}
