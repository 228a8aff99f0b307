import { describe, expect, test } from "vitest";
import { evaluate } from "../../backends/reference/evaluate.ts";
import { boxesOf, maxLevel } from "../../src/ir/stage.ts";
import { verifyGraph } from "../../src/ir/verify.ts";
import { codesOf, elaborateText, graphOf, outputNode } from "./harness.ts";

type Values = Record<string, readonly number[]>;

/** What `task out = expr` is worth for one request and one candidate. */
function worth(
  features: string,
  expr: string,
  values: Values,
  lines: readonly string[] = [],
  params: Values = {},
): number[] {
  const graph = graphOf(`model m() {\n${features}\n${lines.join("\n")}\ntask out = ${expr}\n}`);
  expect(verifyGraph(graph)).toEqual([]);
  const input = {
    requests: 1,
    candidates: 1,
    request: [0],
    features: new Map(Object.entries(values)),
    params: {
      read: (path: string, start: number, count: number) => (params[path] ?? []).slice(start, start + count),
    },
  };
  const [out] = evaluate(graph, input, [graph.outputs[0]?.value ?? { id: -1 }]);
  return Array.from(out?.data ?? []);
}

const X = "item { x: f32[2, 3] }";
const x = [1, 2, 3, 4, 5, 6];

describe("compile-time arithmetic", () => {
  test.each([
    ["7 // 2 + 0", 3],
    ["-7 // 2 + 0", -4],
    ["-7 % 4 + 0", 1],
    ["ceil_div(7, 2)", 4],
    ["2 + 3 * 4", 14],
    ["8 * 1.5", 12],
    ["max(2, 5, 3) - min(4, 1)", 4],
    ["pow(2, 10)", 1024],
    ["floor(2.9) + abs(-3)", 5],
    ["int(-2.7) + len([1, 2, 3])", 1],
    ['len(iota(7)) + len(broadcast(1.0 * iota(2), "n -> m n", m = 5))', 12],
    ["sqrt(16) + exp(0) + log(1.0)", 5],
    ["where(2 > 1 and not false, 4, 5)", 4],
  ])("%s = %s", (expr, value) => {
    expect(worth("item { z: f32 }", `z + ${expr}`, { z: [0] })).toEqual([value]);
  });

  test("a whole product of int and float is a size, another is not", () => {
    expect(codesOf("model m() {\n item { x: f32[8 * 1.5] }\n task t = sum(x)\n}")).toEqual([]);
    expect(codesOf("model m() {\n item { x: f32[8 * 1.3] }\n task t = sum(x)\n}")).toEqual(["RMX0107"]);
  });
});

describe("layout and contraction", () => {
  test("token mixing: row h is head h of every token", () => {
    // x[t] = (a0 a1 | b0 b1): heads of width 2 side by side.
    const values = { x: [1, 2, 3, 4, 5, 6, 7, 8] };
    expect(worth("item { x: f32[2, 4] }", 'rearrange(x, "t (h e) -> h (t e)", h = 2)', values)).toEqual([
      1, 2, 5, 6, 3, 4, 7, 8,
    ]);
  });

  test.each([
    ['rearrange(x, "a b -> b a")', [1, 4, 2, 5, 3, 6]],
    ['rearrange(x, "a b -> (b a) 1")', [1, 4, 2, 5, 3, 6]],
    ['rearrange(x, "... b -> b ...")', [1, 4, 2, 5, 3, 6]],
    ['broadcast(x[0], "d -> d n", n = 2)', [1, 1, 2, 2, 3, 3]],
    ["x[1]", [4, 5, 6]],
    ["x[-1, 0:2]", [4, 5]],
    ["x[:, 1:]", [2, 3, 5, 6]],
    ["concat(x[0], x[1, 0:1])", [1, 2, 3, 4]],
    ["concat(x, x[:, 0:1], axis = -1)", [1, 2, 3, 1, 4, 5, 6, 4]],
    ["pad(x[0], axis = 0, before = 1, after = 2, fill = 9)", [9, 1, 2, 3, 9, 9]],
    ["unfold(x, axis = 1, size = 2)", [1, 2, 2, 3, 4, 5, 5, 6]],
    ["unfold(x[0], 0, 2, 1) |> sum(axis = 0)", [3, 5]],
    ['einsum("a b, c b -> a c", x, x)', [14, 32, 32, 77]],
    ['einsum("a b, b ->", x, x[0])', [14 + 32]],
    ['einsum("... b, b -> ...", x, x[1])', [32, 77]],
    ['einsum("a (b c), a -> c b 1", x, x[:, 0], b = 3)', [1 + 16, 2 + 20, 3 + 24]],
    ['einsum("a b, c -> a (b c)", x[:, 0:1], x[0, 0:2])', [1, 2, 4, 8]],
  ])("%s", (expr, value) => {
    expect(worth(X, expr, { x })).toEqual(value);
  });
});

describe("reductions, norms, selection", () => {
  test.each([
    ['sum(x, "a b -> b")', [5, 7, 9]],
    ['mean(x, "a b -> a")', [2, 5]],
    ['max(x, "a b -> b")', [4, 5, 6]],
    ['sum(x, "a (b c) -> c a", b = 3)', [6, 15]],
    ["min(x, axis = -1)", [1, 4]],
    ["max(x)", [6]],
    ["max(x, 3)", [3, 3, 3, 4, 5, 6]],
    ["x - mean(x, axis = 1, keep = true)", [-1, 0, 1, -1, 0, 1]],
    ["clamp(x, 2, 5)", [2, 2, 3, 4, 5, 5]],
    ["x[0] |> pow(2)", [1, 4, 9]],
    ["top_k(x, 1)", [0, 0, 3, 0, 0, 6]],
    ["top_k(x * 0, 2)", [0, 0, 0, 0, 0, 0]],
    ["float(top_k_mask(x * 0, 2))", [1, 1, 0, 1, 1, 0]],
    ["float(top_k_index(x, 2))", [2, 1, 2, 1]],
    ["take(x, top_k_index(x, 1), axis = 1)", [3, 6]],
    ["one_hot(iota(2) + 1, 3)", [0, 1, 0, 0, 0, 1]],
    ["lookup(x, iota(1) + 1)", [4, 5, 6]],
    ["mask(x, x > 2, -1)", [-1, -1, 3, 4, 5, 6]],
    ["float(causal(iota(2), iota(3)))", [1, 0, 0, 1, 1, 0]],
    ["float(window(iota(4), iota(4), 2))", [1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1]],
    ["float(not (x > 2) or x == 6)", [1, 1, 0, 0, 0, 1]],
    ["float(int(x / 2) % 2)", [0, 1, 1, 0, 0, 1]],
  ])("%s", (expr, value) => {
    expect(worth(X, expr, { x })).toEqual(value);
  });

  test("layer_norm per token: normalised, times its own gain, plus its own bias", () => {
    const params = { "out.layer_norm.gain": [1, 1, 1, 2, 2, 2], "out.layer_norm.bias": [0, 0, 0, 5, 5, 5] };
    const unit = Math.sqrt(3 / 2); // (x - mean) / std of three equidistant numbers is -√1.5, 0, √1.5
    const out = worth(X, 'layer_norm(x, eps = 0, per = "t")', { x }, [], params);
    for (const [i, expected] of [-unit, 0, unit, 5 - 2 * unit, 5, 5 + 2 * unit].entries())
      expect(out[i]).toBeCloseTo(expected, 12);
  });
});

describe("features and sequences", () => {
  const lists =
    "table t(rows = 4, dim = 2)\nuser { w: ids[3] in t, h: seq[3] of { v: f32, e: id in t } }\nitem { i: id in t }";
  const params = { t: [1, 10, 2, 20, 3, 30, 4, 40] };
  const values = (length: number): Values => ({
    w: [3, 1, 2],
    "w.length": [length],
    "h.v": [5, 7, 6],
    "h.e": [0, 2, 1],
    "h.length": [length],
    i: [2],
  });

  test.each([
    ["i", 2, [3, 30]],
    ["float(index(i) + 1)", 2, [3]],
    ["w", 2, [4, 40, 2, 20, 0, 0]],
    ["sum_pool(w)", 2, [6, 60]],
    ["mean_pool(w)", 2, [3, 30]],
    ["max_pool(w)", 2, [4, 40]],
    ["mean_pool(w)", 0, [0, 0]],
    ["max_pool(w)", 0, [0, 0]],
    ["mean_pool(h.v)", 2, [6]],
    ["max_pool(h.v)", 3, [7]],
    ["float(length(h)) + 0.5", 3, [3.5]],
    ["float(valid(h))", 2, [1, 1, 0]],
    ["sum_pool(h.v, valid(h))", 2, [12]],
    ["sum_pool(w, h.v > 5.5)", 3, [2 + 3, 20 + 30]],
    ["last(h.v, 2) |> mean_pool()", 3, [6.5]],
    ["last(h.v, 2) |> mean_pool()", 1, [5]],
    ["h.e", 1, [1, 10, 0, 0, 0, 0]],
    ["lookup(t, index(w))", 1, [4, 40, 2, 20, 3, 30]],
  ])("%s of %s entries", (expr, length, expected) => {
    expect(worth(lists, expr, values(length), [], params)).toEqual(expected);
  });

  test("`last` aligns to the right", () => {
    expect(
      worth(lists, "values + 10 * float(keep)", values(2), ["values, keep = last(h.v, 3)"], params),
    ).toEqual([0, 15, 17]);
  });

  test("what a data file holds", () => {
    const graph = graphOf(`model m() {\n${lists}\ntask out = sum(mean_pool(w) + i) + sum(h.v)\n}`);
    expect(
      graph.features.map(({ name, stage, dtype, shape, table, length, lengthOf }) => [
        name,
        stage,
        dtype,
        shape,
        table?.rows,
        length ?? lengthOf?.max,
      ]),
    ).toEqual([
      ["w.length", "user", "i32", [], undefined, 3],
      ["w", "user", "i32", [3], 4, "w.length"],
      ["h.length", "user", "i32", [], undefined, 3],
      ["h.v", "user", "f32", [3], undefined, "h.length"],
      ["h.e", "user", "i32", [3], 4, "h.length"],
      ["i", "item", "i32", [], 4, undefined],
    ]);
  });
});

describe("tokens and stages", () => {
  const TOKENS = `user { p: f32[8, 4] }
item { q: f32[8, 4] }
tokens x: [16, 4] {
  user_tokens[8] = p
  item_tokens[8] = q
}`;

  test("rows keep their names through rebinding, and their stages", () => {
    const graph = graphOf(
      `model m() {\n${TOKENS}\nx = x * 2\ntask u = x.user_tokens\ntask i = x.item_tokens\n}`,
    );
    expect(maxLevel(outputNode(graph, "u").stage)).toBe(2);
    expect(maxLevel(outputNode(graph, "i").stage)).toBe(3);
    expect(outputNode(graph, "u").type.shape).toEqual([8, 4]);
  });

  test("ug_mask keeps the user's rows user: item slices of the mixed rows are replaced, nothing else", () => {
    const graph = graphOf(`use std.rankmixer
model m() {
  user { p: f32[2, 8] }
  item { q: f32[2, 8] }
  tokens x: [4, 8] {
    user_tokens[2] = p
    item_tokens[2] = q
  }
  y = ug_mask(token_mixing(x), rows = 0:2)
  task out = y
}`);
    const node = outputNode(graph, "out");
    expect(boxesOf(node.stage, 3).every((box) => (box.from[0] ?? 0) >= 2)).toBe(true);
    const mask = graph.nodes.find(({ op }) => op.kind === "data");
    // Mixed row h holds two elements of each token: tokens 0, 1 are the user's, columns 0 to 3.
    const keep = [1, 1, 1, 1, 0, 0, 0, 0];
    const all = [1, 1, 1, 1, 1, 1, 1, 1];
    expect(mask?.op.kind === "data" ? [...mask.op.values] : []).toEqual([...keep, ...keep, ...all, ...all]);
  });

  test("a user's scores with fill = -inf leave a softmax that is the user's", () => {
    const graph = graphOf(
      `model m() {\n${TOKENS}\ns = einsum("q d, k d -> q k", x, x)\na = softmax(ug_mask(s, rows = 0:8, fill = -inf))\ntask out = einsum("q k, k d -> q d", a, x)[0:8]\n}`,
    );
    expect(maxLevel(outputNode(graph, "out").stage)).toBe(2);
  });

  test("the logit is what a final sigmoid reads", () => {
    const graph = graphOf(
      "model m() {\n item { x: f32[4] }\n task a = sigmoid(sum(x))\n task b = 2 * sigmoid(sum(x))\n}",
    );
    const [a, b] = graph.outputs;
    expect(graph.nodes[a?.logit?.id ?? -1]?.op.kind).toBe("reduce");
    expect(b?.logit).toBeUndefined();
  });

  test("nodes carry their labels and the place in the user's own text", () => {
    const text =
      "use std.rankmixer\nmodel m() {\n item { x: f32[4, 8] }\n y = per_token_ffn(x, ratio = 2) as ffn\n task out = y\n}";
    const gelu = graphOf(text).nodes.find(({ op }) => op.kind === "pointwise" && op.fn === "gelu");
    expect(gelu?.path).toBe("ffn.h");
    expect(text.slice(gelu?.origin?.start, gelu?.origin?.end)).toBe("per_token_ffn(x, ratio = 2) as ffn");
    expect(elaborateText(text).diagnostics).toEqual([]);
  });
});
