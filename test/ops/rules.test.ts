/** @file Shape and type rules: what each op gives, and the sentence for what it does not take. */
import { describe, expect, it } from "vitest";
import type { Extent } from "../../src/ir/expr.ts";
import type { Op, TensorType } from "../../src/ir/graph.ts";
import { OpError } from "../../src/ir/ops/def.ts";
import { opDef, opDefs } from "../../src/ir/ops/index.ts";

const num = (...shape: Extent[]): TensorType => ({ shape, dtype: "num" });
const i32 = (...shape: Extent[]): TensorType => ({ shape, dtype: "i32" });
const bool = (...shape: Extent[]): TensorType => ({ shape, dtype: "bool" });

const typeOf = (op: Op, ...inputs: TensorType[]): TensorType => opDef(op.kind).shape(op, inputs, undefined);

describe("results", () => {
  it.each<[string, Op, TensorType[], TensorType]>([
    ["add", { kind: "pointwise", fn: "add" }, [num("N", 3), num("N", 3)], num("N", 3)],
    ["i32 + i32", { kind: "pointwise", fn: "add" }, [i32(3), i32(3)], i32(3)],
    ["i32 / i32", { kind: "pointwise", fn: "div" }, [i32(3), i32(3)], num(3)],
    ["a comparison", { kind: "pointwise", fn: "lt" }, [num("R"), num("R")], bool("R")],
    ["concat", { kind: "concat", axis: 1 }, [num("N", 2, 5), num("N", 3, 5)], num("N", 5, 5)],
    ["pad", { kind: "pad", axis: 1, before: 2, after: 1, fill: 0 }, [num("R", 4)], num("R", 7)],
    [
      "einsum",
      {
        kind: "einsum",
        operands: [
          [0, 1, 2],
          [1, 2, 3],
        ],
        out: [0, 1, 3],
      },
      [num("N", 4, 5), num(4, 5, 6)],
      num("N", 4, 6),
    ],
    ["mean", { kind: "reduce", fn: "mean", axes: [1], keep: false }, [num("N", 4, 5)], num("N", 5)],
    ["keep", { kind: "reduce", fn: "sum", axes: [0, 1], keep: true }, [i32(4, 5)], i32(1, 1)],
    ["layer norm", { kind: "normalize", norm: "layer", eps: 1e-5 }, [num("R", 4, 8)], num("R", 4, 8)],
    ["softmax", { kind: "softmax", axis: 1 }, [num("N", 4, 8)], num("N", 4, 8)],
    ["top_k_mask", { kind: "top_k_mask", k: 2, axis: 1 }, [num("N", 4)], bool("N", 4)],
    ["top_k_index", { kind: "top_k_index", k: 2, axis: 1 }, [num("N", 4, 3)], i32("N", 2, 3)],
    ["take", { kind: "take", axis: 1 }, [num("N", 9, 4), i32("N", 2, 3)], num("N", 2, 3, 4)],
    ["lookup", { kind: "lookup" }, [num(100, 16), i32("N", 50)], num("N", 50, 16)],
    ["lookup of one", { kind: "lookup" }, [num(100, 16), i32()], num(16)],
    ["by_request", { kind: "by_request" }, [bool("R", 3)], bool("N", 3)],
  ])("%s", (_, op, inputs, expected) => expect(typeOf(op, ...inputs)).toEqual(expected));
});

describe("refusals", () => {
  it.each<[Op, TensorType[], string]>([
    [{ kind: "pointwise", fn: "add" }, [num(2), num(3)], "add takes operands of one shape, not [2] and [3]"],
    [{ kind: "pointwise", fn: "add" }, [num(2), bool(2)], "add does not take (num, bool)"],
    [{ kind: "pointwise", fn: "exp" }, [num(2), num(2)], "exp takes 1 operand, not 2"],
    [
      { kind: "concat", axis: 0 },
      [num(2, 3), num(2, 4)],
      "concat along axis 0 takes shapes that agree elsewhere, not [2, 3] and [2, 4]",
    ],
    [{ kind: "concat", axis: 0 }, [num("N"), num("N")], "concat cannot work along the batch axis N"],
    [{ kind: "concat", axis: 2 }, [num(2, 3)], "concat names axis 2 of a value of shape [2, 3]"],
    [
      { kind: "pad", axis: 0, before: -1, after: 0, fill: 0 },
      [num(2)],
      "pad adds whole elements, not -1 before and 0 after",
    ],
    [
      { kind: "einsum", operands: [[0], [0]], out: [] },
      [num(2), num(3)],
      "an axis of einsum is 2 long in one operand and 3 in another",
    ],
    [
      { kind: "einsum", operands: [[0, 1]], out: [1] },
      [num("N", 3)],
      "einsum cannot sum over the batch axis",
    ],
    [
      { kind: "einsum", operands: [[0]], out: [1] },
      [num(3)],
      "einsum's result names an axis that no operand has",
    ],
    [{ kind: "einsum", operands: [[0]], out: [] }, [bool(3)], "einsum takes num, not bool"],
    [{ kind: "reduce", fn: "sum", axes: [0], keep: false }, [bool(3)], "sum takes num or i32, not bool"],
    [
      { kind: "reduce", fn: "max", axes: [0], keep: false },
      [num("R")],
      "max cannot work along the batch axis R",
    ],
    [{ kind: "top_k_mask", k: 5, axis: 0 }, [num(4)], "top_k_mask chooses 1 to 4 of 4, not 5"],
    [
      { kind: "take", axis: 1 },
      [num(2, 9), i32(3, 1)],
      "take along axis 1 takes an index with the leading axes of [2, 9], not [3, 1]",
    ],
    [{ kind: "lookup" }, [num(9, 2), num(1)], "the index of lookup takes i32, not num"],
    [
      { kind: "by_request" },
      [num("N", 3)],
      "by_request takes a value with one element a request, not [N, 3]",
    ],
    [{ kind: "normalize", norm: "rms", eps: -1 }, [num(3)], "rms_norm needs eps of at least 0, not -1"],
  ])("%j of %j", (op, inputs, message) => {
    expect(() => typeOf(op, ...inputs)).toThrow(new OpError(message));
  });

  it("sources need a type that fits", () => {
    const declare = (op: Op, type?: TensorType): TensorType => opDef(op.kind).shape(op, [], type);
    expect(() => declare({ kind: "const", value: 0.5 }, i32())).toThrow(OpError);
    expect(() => declare({ kind: "data", values: Uint8Array.of(1) }, num(1))).toThrow(OpError);
    expect(() => declare({ kind: "data", values: Uint8Array.of(1) }, bool(2))).toThrow(
      "1 constants do not fill the shape [2]",
    );
    expect(() => declare({ kind: "iota" }, num(2))).toThrow(OpError);
    expect(() => declare({ kind: "param", path: "w" })).toThrow("a parameter needs a declared type");
  });
});

describe("costs", () => {
  const sizes = { R: 2, N: 5 };
  const flops = (op: Op, inputs: TensorType[]): number => {
    const def = opDef(op.kind);
    return def.flops(op, inputs, def.shape(op, inputs, undefined), sizes);
  };

  it("a product counts a multiply and an add for every term", () => {
    const op: Op = {
      kind: "einsum",
      operands: [
        [0, 1, 2],
        [1, 2, 3],
      ],
      out: [0, 1, 3],
    };
    expect(flops(op, [num("N", 4, 6), num(4, 6, 7)])).toBe(2 * 5 * 4 * 6 * 7);
    expect(flops({ kind: "einsum", operands: [[0], [1]], out: [0, 1] }, [num(3), num(4)])).toBe(12);
  });

  it("batches count", () => {
    expect(flops({ kind: "pointwise", fn: "add" }, [num("R", 3), num("R", 3)])).toBe(6);
    expect(flops({ kind: "reduce", fn: "sum", axes: [1], keep: false }, [num("N", 3)])).toBe(15);
  });
});

it("every op declares a stage rule and a transpose", () => {
  for (const [kind, def] of Object.entries(opDefs)) {
    expect(def.kind).toBe(kind);
    expect(def.stageRule).not.toBe("");
    expect(def.transpose).not.toBe("");
  }
});
