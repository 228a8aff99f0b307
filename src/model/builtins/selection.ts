/** @file Selection: top-k, gathers, one-hot rows. */

import { broadcastMap } from "../../ir/indexmap.ts";
import { broadcastOperand } from "../emit.ts";
import { shapeText, type TensorValue } from "../values.ts";
import { type Builtin, type BuiltinCall, int, option, tensor, value } from "./builtin.ts";

const TOP_K = [tensor("x"), int("k"), option("axis", "int")];

export const selection: readonly Builtin[] = [
  {
    name: "top_k_mask",
    signature: "top_k_mask(x, k, axis = -1)",
    doc: "bool, true at the k largest along an axis; of equal values the lower index",
    params: TOP_K,
    run: (call) => topKMask(call).mask,
  },
  {
    name: "top_k",
    signature: "top_k(x, k, axis = -1)",
    doc: "`where(top_k_mask(x, k), x, 0)`: the other entries are exactly zero, so experts behind them need not run",
    params: TOP_K,
    run(call) {
      const { x, mask } = topKMask(call);
      return call.emit.pointwise("where", [mask, x, { kind: "float", value: 0 }]);
    },
  },
  {
    name: "top_k_index",
    signature: "top_k_index(x, k, axis = -1)",
    doc: "i32, the places of the k largest along an axis, descending; of equal values the lower index first",
    params: TOP_K,
    run(call) {
      const x = call.num("x");
      const { k, axis } = topKSettings(call, x);
      return call.emit.op({ kind: "top_k_index", k, axis }, [{ id: x.id }]);
    },
  },
  {
    name: "take",
    signature: "take(x, index, axis)",
    doc: "x [B…, A, C…] read along `axis` at index [B…, I…], leading axes equal → [B…, I…, C…]",
    params: [tensor("x"), tensor("index"), option("axis", "int")],
    run: take,
  },
  {
    name: "lookup",
    signature: "lookup(table, index)",
    doc: "rows of a table or of a tensor's first axis: [rows, C…] at index [I…] → [I…, C…]",
    params: [value("table"), tensor("index")],
    run(call) {
      const rows = call.tensor("table");
      if (rows.shape.length === 0) call.fail("RMX0202", "table", "a tensor [] has no rows");
      const index = call.i32("index");
      return call.emit.op({ kind: "lookup" }, [{ id: rows.id }, { id: index.id }]);
    },
  },
  {
    name: "one_hot",
    signature: "one_hot(index, n)",
    doc: "1 at the index and 0 elsewhere along a new last axis of n",
    params: [tensor("index"), int("n")],
    run(call) {
      const index = call.i32("index");
      const n = call.extent("n");
      const shape = [...index.shape, n];
      call.emit.checkSize(shape);
      const spread = {
        id: index.id,
        map: broadcastMap(
          index.shape,
          shape,
          index.shape.map((_, i) => i),
        ),
      };
      const places = call.emit.op({ kind: "iota" }, [], { shape: [n], dtype: "i32" });
      const hit = call.emit.op({ kind: "pointwise", fn: "eq" }, [spread, broadcastOperand(places, shape)]);
      return call.emit.pointwise("to_num", [hit]);
    },
  },
  {
    name: "iota",
    signature: "iota(n)",
    doc: "i32 [n]: 0, 1, …, n - 1",
    params: [int("n")],
    run: (call) => call.emit.op({ kind: "iota" }, [], { shape: [call.extent("n")], dtype: "i32" }),
  },
];

function topKSettings(call: BuiltinCall, x: TensorValue): { k: number; axis: number } {
  const axis = call.axis("axis", x.shape.length, -1);
  const k = call.extent("k");
  const extent = x.shape[axis] ?? 0;
  if (k > extent) call.fail("RMX0209", "k", `the ${k} largest of ${extent} elements`);
  return { k, axis };
}

function topKMask(call: BuiltinCall): { x: TensorValue; mask: TensorValue } {
  const x = call.num("x");
  return { x, mask: call.emit.op({ kind: "top_k_mask", ...topKSettings(call, x) }, [{ id: x.id }]) };
}

function take(call: BuiltinCall): TensorValue {
  const x = call.tensor("x");
  const index = call.i32("index");
  const axis = call.axis("axis", x.shape.length, 0);
  const leads =
    index.shape.length >= axis && x.shape.slice(0, axis).every((extent, i) => extent === index.shape[i]);
  if (!leads) {
    call.fail(
      "RMX0213",
      "index",
      `an index ${shapeText(index.shape)} does not begin with the ${axis} leading axes of ${shapeText(x.shape)}`,
      {
        secondary: [{ span: call.spanOf("x"), message: shapeText(x.shape) }],
      },
    );
  }
  return call.emit.op({ kind: "take", axis }, [{ id: x.id }, { id: index.id }]);
}
