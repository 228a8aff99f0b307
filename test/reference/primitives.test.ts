/** @file Every primitive against values worked out by hand or by algebra. */
import { describe, expect, it } from "vitest";
import { EvaluationError } from "../../backends/reference/evaluate.ts";
import { add, axis, floordiv, int, mod, mul } from "../../src/ir/expr.ts";
import { reshapeMap, sliceMap, unfoldMap } from "../../src/ir/indexmap.ts";
import { drawer, Sketch } from "./support.ts";

const near = (actual: readonly number[], expected: readonly number[]): void => {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 13);
};

describe("pointwise", () => {
  it("broadcasts from the right", () => {
    const s = new Sketch();
    const sum = s.pointwise("add", s.data([1, 2, 3, 4, 5, 6], [2, 3]), s.data([10, 20, 30], [3]));
    expect(s.value(sum)).toEqual([11, 22, 33, 14, 25, 36]);
    const outer = s.pointwise("mul", s.data([1, 2], [2, 1]), s.data([3, 5, 7], [1, 3]));
    expect(s.value(outer)).toEqual([3, 5, 7, 6, 10, 14]);
  });

  it("gelu is x·Φ(x), with Φ from tables", () => {
    const s = new Sketch();
    // Φ(1) and Φ(2) to 15 digits (Abramowitz and Stegun, table 26.1).
    near(s.value(s.pointwise("gelu", s.data([0, 1, -1, 2, -2], [5]))), [
      0,
      0.841344746068543,
      -(1 - 0.841344746068543),
      2 * 0.977249868051821,
      -2 * (1 - 0.977249868051821),
    ]);
  });

  it("compares, chooses and casts", () => {
    const s = new Sketch();
    const x = s.data([-1.5, 0, 2.5], [3]);
    const positive = s.pointwise("gt", x, s.data([0], [1]));
    expect(s.node(positive).type.dtype).toBe("bool");
    expect(s.value(positive)).toEqual([0, 0, 1]);
    expect(s.value(s.pointwise("where", positive, x, s.data([9], [1])))).toEqual([9, 9, 2.5]);
    expect(s.value(s.pointwise("to_i32", x))).toEqual([-1, 0, 2]);
    expect(s.value(s.pointwise("floor", x))).toEqual([-2, 0, 2]);
  });
});

describe("layout", () => {
  it("token mixing is a view: head h of every token, side by side", () => {
    const s = new Sketch();
    // Two tokens of four: t0 = [0 1 | 2 3], t1 = [10 11 | 12 13] with two heads of two.
    const x = s.data([0, 1, 2, 3, 10, 11, 12, 13], [2, 4]);
    const [h, p] = [axis("i0", 2), axis("i1", 4)];
    const map = { out: [2, 4], index: [floordiv(p, int(2)), add(mul(h, int(2)), mod(p, int(2)))] };
    expect(s.value({ id: s.builder.view(x, map, "mixed").id })).toEqual([0, 1, 10, 11, 2, 3, 12, 13]);
  });

  it("unfold shows windows", () => {
    const s = new Sketch();
    const windows = s.builder.view(s.data([1, 2, 3, 4, 5], [5]), unfoldMap([5], 0, 3, 2), "windows");
    expect(windows.type.shape).toEqual([2, 3]);
    expect(s.value(windows)).toEqual([1, 2, 3, 3, 4, 5]);
  });

  it("concat and pad along an inner axis", () => {
    const s = new Sketch();
    const joined = s.op({ kind: "concat", axis: 1 }, s.data([1, 2, 3, 4], [2, 2]), s.data([5, 6], [2, 1]));
    expect(s.value(joined)).toEqual([1, 2, 5, 3, 4, 6]);
    const padded = s.op(
      { kind: "pad", axis: 1, before: 1, after: 2, fill: -1 },
      s.data([1, 2, 3, 4], [2, 2]),
    );
    expect(s.value(padded)).toEqual([-1, 1, 2, -1, -1, -1, 3, 4, -1, -1]);
  });

  it("operands of any op may be views", () => {
    const s = new Sketch();
    const x = s.data([1, 2, 3, 4, 5, 6], [6]);
    const odd = s.builder.through(x, sliceMap([6], 0, 1, 3, 2));
    expect(s.value(s.op({ kind: "reduce", fn: "sum", axes: [0], keep: false }, odd))).toEqual([12]);
    const rows = s.builder.through(x, reshapeMap([6], [3, 2]));
    expect(s.value(s.op({ kind: "reduce", fn: "max", axes: [1], keep: true }, rows))).toEqual([2, 4, 6]);
  });
});

describe("reductions", () => {
  const rows = [1, -2, 4, 3, 5, 1];
  it.each([
    ["sum", [3, 9]],
    ["mean", [1, 3]],
    ["max", [4, 5]],
    ["min", [-2, 1]],
  ] as const)("%s over the last axis", (fn, expected) => {
    const s = new Sketch();
    expect(s.value(s.op({ kind: "reduce", fn, axes: [1], keep: false }, s.data(rows, [2, 3])))).toEqual(
      expected,
    );
  });

  it("over the first axis, over both, and keeping integers", () => {
    const s = new Sketch();
    const x = s.data(rows, [2, 3]);
    expect(s.value(s.op({ kind: "reduce", fn: "sum", axes: [0], keep: false }, x))).toEqual([4, 3, 5]);
    const all = s.op({ kind: "reduce", fn: "min", axes: [0, 1], keep: true }, x);
    expect(s.node(all).type.shape).toEqual([1, 1]);
    expect(s.value(all)).toEqual([-2]);
    const count = s.op({ kind: "reduce", fn: "sum", axes: [0], keep: false }, s.ints([3, 4], [2]));
    expect(s.node(count).type.dtype).toBe("i32");
    expect(s.value(count)).toEqual([7]);
  });
});

describe("normalisation", () => {
  it("layer: mean 0, variance 1 before eps", () => {
    const s = new Sketch();
    // Mean 3, variance 2: (x − 3)/√(2 + 2).
    near(
      s.value(s.op({ kind: "normalize", norm: "layer", eps: 2 }, s.data([1, 2, 3, 4, 5], [5]))),
      [-1, -0.5, 0, 0.5, 1],
    );
  });

  it("layer keeps its digits far from zero", () => {
    const s = new Sketch();
    const x = s.data([1e8, 1e8 + 1, 1e8 + 2], [3]);
    const unit = Math.sqrt(3 / 2);
    near(s.value(s.op({ kind: "normalize", norm: "layer", eps: 0 }, x)), [-unit, 0, unit]);
  });

  it("rms and l2", () => {
    const s = new Sketch();
    near(s.value(s.op({ kind: "normalize", norm: "rms", eps: 0.5 }, s.data([3, 4], [2]))), [
      3 / Math.sqrt(13),
      4 / Math.sqrt(13),
    ]);
    near(s.value(s.op({ kind: "normalize", norm: "l2", eps: 0 }, s.data([3, 4], [2]))), [0.6, 0.8]);
  });

  it("softmax: hand values, sums, shifts, and rows without anything visible", () => {
    const s = new Sketch();
    const draw = drawer(1);
    near(s.value(s.op({ kind: "softmax", axis: 0 }, s.data([0, Math.log(3)], [2]))), [0.25, 0.75]);
    const raw = Array.from({ length: 12 }, draw);
    const [x, shifted] = [
      s.data(raw, [3, 4]),
      s.data(
        raw.map((v) => v + 700),
        [3, 4],
      ),
    ];
    const y = s.value(s.op({ kind: "softmax", axis: 0 }, x));
    for (let c = 0; c < 4; c++) expect(y[c] + y[c + 4] + y[c + 8]).toBeCloseTo(1, 14);
    const z = s.value(s.op({ kind: "softmax", axis: 0 }, shifted));
    for (const [i, value] of y.entries()) expect(z[i]).toBeCloseTo(value, 12);
    const hidden = s.data([-Infinity, -Infinity, 2, -Infinity], [2, 2]);
    expect(s.value(s.op({ kind: "softmax", axis: 1 }, hidden))).toEqual([0, 0, 1, 0]);
  });
});

describe("selection", () => {
  it("top k, ties to the lower index", () => {
    const s = new Sketch();
    const x = s.data([2, 5, 5, 1, 5, 7], [6]);
    expect(s.value(s.op({ kind: "top_k_index", k: 3, axis: 0 }, x))).toEqual([5, 1, 2]);
    expect(s.value(s.op({ kind: "top_k_mask", k: 3, axis: 0 }, x))).toEqual([0, 1, 1, 0, 0, 1]);
  });

  it("along an outer axis, with -inf, NaN and −0", () => {
    const s = new Sketch();
    const x = s.data([-Infinity, Number.NaN, 1, -0, -Infinity, 0], [3, 2]);
    // Columns: (−inf, 1, −inf) and (NaN, −0, 0); −0 equals 0, and a NaN comes last.
    const index = s.op({ kind: "top_k_index", k: 3, axis: 0 }, x);
    expect(s.value(index)).toEqual([1, 1, 0, 2, 2, 0]);
    expect(s.value(s.op({ kind: "top_k_mask", k: 1, axis: 0 }, x))).toEqual([0, 0, 1, 1, 0, 0]);
  });
});

describe("gathers", () => {
  it("take along an axis, with equal leading axes", () => {
    const s = new Sketch();
    const x = s.data([0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15], [2, 3, 2]);
    const y = s.op({ kind: "take", axis: 1 }, x, s.ints([2, 0, 1, 1], [2, 2]));
    expect(s.node(y).type.shape).toEqual([2, 2, 2]);
    expect(s.value(y)).toEqual([4, 5, 0, 1, 12, 13, 12, 13]);
  });

  it("lookup reads the rows it names and no others", () => {
    const s = new Sketch();
    const table = s.param("items", [4, 2], [0, 1, 10, 11, 20, 21, 30, 31]);
    const rows = s.op({ kind: "lookup" }, table, s.ints([3, 1, 3], [3]));
    expect(s.value(rows)).toEqual([30, 31, 10, 11, 30, 31]);
    expect(s.reads.map(({ start, count }) => [start, count])).toEqual([
      [6, 2],
      [2, 2],
      [6, 2],
    ]);
  });

  it("lookup through views of a table still reads single rows", () => {
    const s = new Sketch();
    const table = s.param(
      "items",
      [4, 3],
      Array.from({ length: 12 }, (_, i) => i),
    );
    const narrow = s.builder.view(table, sliceMap([4, 3], 1, 1, 2), "narrow");
    const late = s.builder.through(narrow, sliceMap([4, 2], 0, 1, 3));
    expect(s.value(s.op({ kind: "lookup" }, late, s.ints([2, 0], [2])))).toEqual([10, 11, 4, 5]);
    expect(s.reads.every(({ count }) => count === 1)).toBe(true);
  });

  it("an index outside is an error that names the value", () => {
    const s = new Sketch();
    const ids = s.feature("item", "vid", [], [0, 2, 3], { dtype: "i32" });
    const rows = s.op({ kind: "lookup" }, s.param("items", [3, 1], [1, 2, 3]), ids);
    let caught: unknown;
    try {
      s.run([rows], { request: [0, 0, 0] });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(EvaluationError);
    expect(caught).toMatchObject({ path: "lookup", stage: "item", row: 2, value: 3 });
    const negative = s.op({ kind: "take", axis: 0 }, s.data([1, 2], [2]), s.ints([-1], [1]));
    expect(() => s.value(negative)).toThrow("take reads index -1, which is outside [0, 2)");
  });

  it("iota", () => {
    const s = new Sketch();
    const node = s.builder.add({ kind: "iota" }, [], { path: "iota", type: { shape: [4], dtype: "i32" } });
    expect(s.value(node)).toEqual([0, 1, 2, 3]);
  });
});
