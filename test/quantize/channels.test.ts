/** Which axes share a scale, by how the parameter is used; and what `precision` makes of it. */
import { describe, expect, it } from "vitest";
import type { Graph, ParamInfo } from "../../src/ir/graph.ts";
import { codesOf, elaborateText, graphOf, pointed } from "../model/harness.ts";

function paramOf(graph: Graph, path: string): ParamInfo {
  const found = graph.params.find((param) => param.path === path);
  if (found === undefined) throw new Error(`no parameter ${path}`);
  return found;
}

function model(body: string, precision: string): string {
  return `use std.rankmixer\nmodel m() {\n  item { x: f32[4, 8] }\n${body}\n  task score = sum(y)\n  precision {\n    ${precision}\n  }\n}\n`;
}

function sharedOf(body: string, path = "w"): readonly number[] | undefined {
  return paramOf(graphOf(model(body, `"${path}" = int8 per channel`)), path).storage.scale?.shared;
}

describe("a channel is all that one output of the product sums over", () => {
  it.each([
    ["the input axis of a weight", "param w: [8, 5]\n  y = x |> linearly(w)", [0]],
    ["of one weight a token", 'param w: [4, 8, 5]\n  y = einsum("t d, t d k -> t k", x, w)', [1]],
    ["of a transposed one", 'param w: [5, 8]\n  y = einsum("t d, k d -> t k", x, w)', [1]],
    ["two axes summed at once", 'param w: [4, 8, 5]\n  y = einsum("t d, t d k -> k", x, w)', [0, 1]],
    [
      "through a view",
      'param w: [8, 5]\n  y = einsum("t d, k d -> t k", x, rearrange(w, "d k -> k d"))',
      [0],
    ],
    [
      "through a head split of what is kept",
      'param w: [8, 6]\n  y = einsum("t d, d h e -> t h e", x, rearrange(w, "d (h e) -> d h e", h = 2))',
      [0],
    ],
    ["the columns of a row that is looked up", "param w: [9, 8]\n  y = lookup(w, iota(4)) + x", [1]],
    ["the row where nothing sums over it", "param w: [4, 8]\n  y = x + w", [1]],
    ["all of a vector", "param w: [8]\n  y = x + w", [0]],
    ["a vector in a product", 'param w: [8]\n  y = einsum("t d, d -> t", x, w)', [0]],
  ])("%s", (_, body, shared) => {
    expect(sharedOf(body.replace("x |> linearly(w)", 'einsum("t d, d k -> t k", x, w)'))).toEqual(shared);
  });

  it("a table's rows have scales of their own", () => {
    const graph = graphOf(`model m() {
  table users(rows = 10, dim = 4)
  user { uid: id in users }
  task score = sum(uid)
  precision { "users" = int8 per group(3) asymmetric }
}`);
    expect(paramOf(graph, "users").storage).toEqual({
      element: "int8",
      scale: { shared: [1], group: 3, symmetric: false },
    });
  });

  it("uses that disagree are an error where a scale is needed, and none where it is not", () => {
    const body =
      'param w: [8, 8]\n  h = einsum("t d, d e -> t e", x, w)\n  y = einsum("t d, e d -> t e", h, w)';
    for (const type of ["int8 per channel", "int8 per group(4)", "fp8_e4m3"]) {
      const result = elaborateText(model(body, `"w" = ${type}`));
      expect(result.diagnostics.map((d) => d.code)).toEqual(["RMX0408"]);
      expect(pointed(result, result.diagnostics[0])).toBe(`"w" = ${type}`);
    }
    expect(codesOf(model(body, '"w" = bf16'))).toEqual([]);
    // The later line wins, so the earlier one asks for nothing.
    expect(codesOf(model(body, '"w" = fp8_e4m3\n    "w" = f16'))).toEqual([]);
  });
});

describe("what lines say", () => {
  const body = 'param w: [8, 5]\n  param b: [5]\n  y = einsum("t d, d k -> t k", x, w) + b';

  it("inputs are an element type", () => {
    const graph = graphOf(model(body, '"w" = fp8_e5m2 inputs int8 per channel'));
    expect(paramOf(graph, "w")).toMatchObject({
      storage: { element: "fp8_e5m2", scale: { shared: [0], symmetric: true } },
      inputs: "int8",
    });
    expect(paramOf(graph, "b").inputs).toBeUndefined();
  });

  it("derived values are found by the path of what a statement binds", () => {
    const derived = 'param w: [8, 5]\n  v = softmax(w, axis = 0)\n  y = einsum("t d, d k -> t k", x, v)';
    const graph = graphOf(model(derived, 'derived("v") = int8 per channel'));
    expect(graph.precision.derived).toEqual([
      { path: "v", storage: { element: "int8", scale: { shared: [0], symmetric: true } } },
    ]);
  });

  it("--precision comes after the spec's lines, with places in its own text", () => {
    const text = model(body, '"w" = f16');
    const graph = graphOf(text, { precision: 'compute = bf16; "w" = int8 per group(2 * 2)' });
    expect(graph.precision.compute).toBe("bf16");
    expect(paramOf(graph, "w").storage).toEqual({
      element: "int8",
      scale: { shared: [0], group: 4, symmetric: true },
    });
    const wrong = elaborateText(text, { precision: '"w" = f16; "nobody" = f16' });
    expect(wrong.diagnostics.map((d) => [d.code, d.span?.file])).toEqual([["RMX0404", "--precision"]]);
    expect(pointed(wrong, wrong.diagnostics[0])).toBe('"nobody"');
    for (const bad of [
      "compute f16",
      '"w" = int7',
      "}",
      '"w" = f16 }; task z = 1; precision {',
      '"w" = f16 } task z = 1 precision {',
      "(",
    ]) {
      const { diagnostics, graph: none } = elaborateText(text, { precision: bad });
      expect([none, diagnostics[0]?.severity, diagnostics[0]?.span?.file]).toEqual([
        undefined,
        "error",
        "--precision",
      ]);
    }
  });
});
