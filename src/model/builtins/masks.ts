/** @file Masks. A mask is always the set that is kept. */

import type { Operand } from "../../ir/graph.ts";
import { reshapeMap, sliceMap } from "../../ir/indexmap.ts";
import { maxLevel, stageMask, viewStage } from "../../ir/stage.ts";
import { broadcastOperand } from "../emit.ts";
import { numel, type TensorValue } from "../values.ts";
import { type Builtin, type BuiltinCall, int, option, tensor, value } from "./builtin.ts";

export const masks: readonly Builtin[] = [
  {
    name: "mask",
    signature: "mask(x, keep, fill)",
    doc: "x where the mask holds, else `fill`",
    params: [tensor("x"), tensor("keep"), value("fill")],
    run(call) {
      const [x, keep, fill] = [call.bound("x"), call.bound("keep"), call.bound("fill")];
      return call.emit.pointwise("where", [keep.value, x.value, fill.value], [keep.span, x.span, fill.span]);
    },
  },
  {
    name: "causal",
    signature: "causal(qpos, kpos)",
    doc: "bool [Q, S]: the key stands no later than the query, kpos ≤ qpos",
    params: [tensor("qpos"), tensor("kpos")],
    run: (call) => notLater(call),
  },
  {
    name: "window",
    signature: "window(qpos, kpos, size)",
    doc: "bool [Q, S]: the key is one of the `size` last ones at the query, qpos - size < kpos ≤ qpos",
    params: [tensor("qpos"), tensor("kpos"), int("size")],
    run(call) {
      const size = call.extent("size");
      const { q, k } = positions(call);
      const oldest = call.emit.pointwise("sub", [q, { kind: "int", value: size }]);
      return call.emit.pointwise("and", [call.emit.pointwise("lt", [oldest, k]), notLater(call)]);
    },
  },
  {
    name: "ug_mask",
    signature: "ug_mask(y, rows = 0:8, fill = 0)",
    doc: "in those rows of the first axis, `fill` instead of every element that derives from an item feature, so that the rows stay `user`",
    params: [tensor("y"), option("rows", "range"), option("fill", "float")],
    run: ugMask,
  },
];

/** Queries as a column, keys as a row. */
function positions(call: BuiltinCall): { q: TensorValue; k: TensorValue } {
  const q = call.rank("qpos", call.num("qpos"), 1);
  const k = call.rank("kpos", call.num("kpos"), 1);
  return { q: call.emit.view(q, reshapeMap(q.shape, [q.shape[0] ?? 1, 1])), k };
}

function notLater(call: BuiltinCall): TensorValue {
  const { q, k } = positions(call);
  return call.emit.pointwise("le", [k, q]);
}

/** One byte an element of the mask is kept in the Graph. */
const MAX_MASK_ELEMENTS = 2 ** 24;

/**
 * Resolved here and now, by the stage rules of `docs/language.md`, into a constant mask: what it keeps is part of the model, not
 * of what a later analysis may find out.
 */
function ugMask(call: BuiltinCall): TensorValue {
  const y = call.num("y");
  const [extent] = y.shape;
  if (extent === undefined)
    return call.fail("RMX0202", "y", "`ug_mask` works on the rows of the first axis, a tensor [] has none");
  const { from, to } = rowRange(call, extent);
  const { builder } = call.env.ctx;
  const stage = builder.stageOf({ id: y.id });
  if (!stage.exact || numel(y.shape) > MAX_MASK_ELEMENTS) {
    call.fail(
      "RMX0121",
      "y",
      `which elements of this value derive from an item is ${stage.exact ? "too large a table" : "not known exactly"}`,
      {
        notes: stage.exact
          ? [`limit: ${MAX_MASK_ELEMENTS} elements of a masked value`]
          : ["the stages of a value are followed in at most 256 pieces"],
        help: "mask before the values are mixed further, or mask fewer rows",
      },
    );
  }
  const item = stageMask(stage, 3);
  const row = numel(y.shape) / extent;
  const keep = new Uint8Array(item.length).fill(1);
  let masked = false;
  for (let i = from * row; i < to * row; i++) {
    if (item[i] !== 1) continue;
    keep[i] = 0;
    masked = true;
  }
  const result = masked ? filled(call, y, keep) : y;
  const rows = viewStage(builder.stageOf({ id: result.id }), sliceMap(y.shape, 0, from, to - from));
  if (maxLevel(rows) === 3) {
    call.env.reporter.warning("RMX0118", call.site.span, "the masked rows still derive from an item", {
      notes: ["by the stage rules, a `fill` that depends on an item makes the rows depend on it too"],
    });
  }
  return result;
}

function filled(call: BuiltinCall, y: TensorValue, keep: Uint8Array): TensorValue {
  const bound = call.has("fill") ? call.bound("fill") : undefined;
  const fill = bound ? call.emit.num(bound.value, bound.span) : call.emit.constant(0, "num");
  const set = call.emit.op({ kind: "data", values: keep }, [], { shape: y.shape, dtype: "bool" });
  const operand: Operand = broadcastOperand(fill, y.shape);
  return call.emit.op({ kind: "pointwise", fn: "where" }, [{ id: set.id }, { id: y.id }, operand]);
}

function rowRange(call: BuiltinCall, extent: number): { from: number; to: number } {
  if (!call.has("rows")) return { from: 0, to: extent };
  const { value: rows } = call.bound("rows");
  if (rows.kind !== "range") return call.wrong("rows", "a range as `0:8`");
  const place = (at: number): number => (at < 0 ? at + extent : at);
  const from = place(rows.from ?? 0);
  const to = place(rows.to ?? extent);
  if (from < 0 || to > extent || from >= to) {
    call.fail("RMX0209", "rows", `the rows ${from}:${to} are not within ${extent} rows`);
  }
  return { from, to };
}
