/** @file Sequences and padded lists: events oldest first, padding at the end. */
import type { Operand } from "../../ir/graph.ts";
import { broadcastOperand } from "../emit.ts";
import { alongFirstAxis, validMask } from "../padding.ts";
import { describe, shapeText, type TensorValue, type Value } from "../values.ts";
import { type Builtin, type BuiltinCall, int, optional, tensor, value } from "./builtin.ts";

const POOL = [tensor("x"), optional(tensor("valid"))];

export const sequences: readonly Builtin[] = [
  {
    name: "index",
    signature: "index(uid)",
    doc: "the i32 ids of an `id` or `ids` feature",
    params: [value("feature")],
    run(call) {
      const { value: v } = call.bound("feature");
      const index = v.kind === "tensor" ? v.feature?.index : undefined;
      return index ?? call.wrong("feature", "a feature of ids");
    },
  },
  {
    name: "length",
    signature: "length(hist)",
    doc: "i32 []: how many entries of a list or sequence are real",
    params: [value("list")],
    run: (call) => padded(call, "list").length,
  },
  {
    name: "valid",
    signature: "valid(hist)",
    doc: "bool [max]: which entries of a list or sequence are real",
    params: [value("list")],
    run(call) {
      const { length, max } = padded(call, "list");
      return validMask(length, max, call.env, call.site.span);
    },
  },
  {
    name: "last",
    signature: "last(x, n, length)",
    doc: "the last n real entries, aligned to the right → (values [n, …], valid [n]); entries before the first are 0 and not valid",
    params: [tensor("x"), int("n"), optional(tensor("length"))],
    run: last,
  },
  {
    name: "sum_pool",
    signature: "sum_pool(watched) · sum_pool(x, valid)",
    doc: "the sum over the real entries; of nothing 0",
    params: POOL,
    run: (call) => pool(call, "sum"),
  },
  {
    name: "mean_pool",
    signature: "mean_pool(watched) · mean_pool(x, valid)",
    doc: "the mean over the real entries; of nothing 0",
    params: POOL,
    run: (call) => pool(call, "mean"),
  },
  {
    name: "max_pool",
    signature: "max_pool(watched) · max_pool(x, valid)",
    doc: "the largest of the real entries, each channel by itself; of nothing 0",
    params: POOL,
    run: (call) => pool(call, "max"),
  },
];

interface Padded {
  readonly length: TensorValue;
  readonly max: number;
}

/** The length of a list feature, of a field of a sequence or of the sequence itself. */
function paddedOf(v: Value): Padded | undefined {
  if (v.kind === "seq") return { length: v.length, max: v.max };
  if (v.kind === "tensor" && v.feature?.length) return { length: v.feature.length, max: v.shape[0] ?? 0 };
  return undefined;
}

function padded(call: BuiltinCall, name: string): Padded {
  const found = paddedOf(call.bound(name).value);
  if (found) return found;
  return call.fail(
    "RMX0107",
    name,
    `\`${call.name}\` takes a list or a sequence, found ${describe(call.bound(name).value)}`,
    {
      help: "only `ids` and `seq` features have lengths; what is computed from them carries its mask as a value of its own",
    },
  );
}

function last(call: BuiltinCall): Value {
  const x = call.tensor("x");
  const n = call.extent("n");
  const [max] = x.shape;
  if (max === undefined) return call.fail("RMX0202", "x", "a tensor [] has no entries");
  const length = call.has("length") ? call.rank("length", call.i32("length"), 0) : padded(call, "x").length;
  const places = call.emit.op({ kind: "iota" }, [], { shape: [n], dtype: "i32" });
  const start = call.emit.pointwise("sub", [length, { kind: "int", value: n }]);
  const at = call.emit.pointwise("add", [places, start]);
  const valid = call.emit.pointwise("ge", [at, { kind: "int", value: 0 }]);
  const clamped = call.emit.pointwise("max", [at, { kind: "int", value: 0 }]);
  const taken = call.emit.op({ kind: "take", axis: 0 }, [{ id: x.id }, { id: clamped.id }]);
  return { kind: "results", values: [keep(call, taken, valid, 0), valid] };
}

/** x [n, …] where valid [n] holds, else `fill`. */
function keep(call: BuiltinCall, x: TensorValue, valid: TensorValue, fill: number): TensorValue {
  const other: Operand = broadcastOperand(call.emit.constant(fill, x.dtype), x.shape);
  return call.emit.op({ kind: "pointwise", fn: "where" }, [
    alongFirstAxis(valid, x.shape),
    { id: x.id },
    other,
  ]);
}

function pool(call: BuiltinCall, fn: "sum" | "mean" | "max"): TensorValue {
  const x = call.num("x");
  if (x.shape.length === 0) call.fail("RMX0202", "x", "a tensor [] has no entries to pool");
  const { valid, count, zeroed } = entries(call, x);
  const rest = x.shape.slice(1);
  const reduce = (y: TensorValue, by: "sum" | "max"): TensorValue =>
    call.emit.op({ kind: "reduce", fn: by, axes: [0], keep: false }, [{ id: y.id }]);
  if (fn === "max") {
    const largest = reduce(keep(call, x, valid(), Number.NEGATIVE_INFINITY), "max");
    const some = call.emit.pointwise("gt", [count(), { kind: "int", value: 0 }]);
    return call.emit.op({ kind: "pointwise", fn: "where" }, [
      broadcastOperand(some, rest),
      { id: largest.id },
      broadcastOperand(call.emit.constant(0, "num"), rest),
    ]);
  }
  const total = reduce(zeroed ? x : keep(call, x, valid(), 0), "sum");
  if (fn === "sum") return total;
  const many = call.emit.pointwise("max", [call.emit.num(count()), { kind: "int", value: 1 }]);
  return call.emit.pointwise("div", [total, many]);
}

interface Entries {
  valid(): TensorValue;
  /** i32 []. */
  count(): TensorValue;
  /** Padding is 0 already. */
  readonly zeroed: boolean;
}

function entries(call: BuiltinCall, x: TensorValue): Entries {
  if (!call.has("valid")) {
    const { length, max } = padded(call, "x");
    const source = call.bound("x").value;
    const zeroed = source.kind === "tensor" && source.feature?.index !== undefined;
    return { valid: () => validMask(length, max, call.env, call.site.span), count: () => length, zeroed };
  }
  const valid = call.rank("valid", call.mask("valid"), 1);
  if (valid.shape[0] !== x.shape[0]) {
    call.fail("RMX0213", "valid", `a mask ${shapeText(valid.shape)} beside entries ${shapeText(x.shape)}`, {
      secondary: [{ span: call.spanOf("x"), message: shapeText(x.shape) }],
    });
  }
  const count = (): TensorValue => {
    const ones = call.emit.pointwise("to_i32", [valid]);
    return call.emit.op({ kind: "reduce", fn: "sum", axes: [0], keep: false }, [{ id: ones.id }]);
  };
  return { valid: () => valid, count, zeroed: false };
}
