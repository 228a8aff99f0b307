import { describe, expect, test } from "vitest";
import { elaborate } from "../../src/model/elaborate.ts";
import { codesOf, elaborateText, graphOf, pointed } from "./harness.ts";

const paths = (text: string): string[] =>
  graphOf(text).params.map((p) => `${p.path} [${p.shape.join(", ")}]`);

describe("parameter paths", () => {
  test("RankMixer-100M as the language page prints it", () => {
    const { graph, diagnostics } = elaborate("examples/rankmixer.rmx");
    expect(diagnostics).toEqual([]);
    const layer = (i: number): string[] => [
      `layers.${i}.block.norm1.gain 768`,
      `layers.${i}.block.norm1.bias 768`,
      `layers.${i}.block.ffn.w1 16,768,3072`,
      `layers.${i}.block.ffn.b1 16,3072`,
      `layers.${i}.block.ffn.w2 16,3072,768`,
      `layers.${i}.block.ffn.b2 16,768`,
      `layers.${i}.block.norm2.gain 768`,
      `layers.${i}.block.norm2.bias 768`,
    ];
    // User slices: 64 + 64 + 48 = 176 = 8 · 22; item slices: 64 + 32 = 96 = 8 · 12.
    expect(graph?.params.map((p) => `${p.path} ${p.shape}`)).toEqual([
      "users 1000000,64",
      "videos 5000000,64",
      "x.user_tokens.split_linear.w 8,22,768",
      "x.user_tokens.split_linear.b 8,768",
      "x.item_tokens.split_linear.w 8,12,768",
      "x.item_tokens.split_linear.b 8,768",
      ...layer(0),
      ...layer(1),
      "finish.linear.w 768,1",
      "finish.linear.b 1",
      "like.linear.w 768,1",
      "like.linear.b 1",
    ]);
    expect(graph?.serve).toEqual({ requests: 8, candidates: 2048 });
    expect(graph?.precision.compute).toBe("f16");
    const stored = graph?.params.filter((p) => p.storage.element === "int8").map((p) => p.path);
    expect(stored).toEqual([0, 1].flatMap((i) => [`layers.${i}.block.ffn.w1`, `layers.${i}.block.ffn.w2`]));
  });

  test("a block over a feature of tokens, with a task of the value's own name", () => {
    const graph = graphOf(`use std.rankmixer
model vectors() {
  item { x: f32[4, 16] }
  y = rankmixer_block(x, ratio = 2) as block
  task y = y
}`);
    expect(graph.params.map((p) => p.path)).toEqual([
      "block.norm1.gain",
      "block.norm1.bias",
      "block.ffn.w1",
      "block.ffn.b1",
      "block.ffn.w2",
      "block.ffn.b2",
      "block.norm2.gain",
      "block.norm2.bias",
    ]);
    expect(graph.outputs[0]).toMatchObject({ name: "y", shape: [4, 16] });
    expect(graph.outputs[0]?.logit).toBeUndefined();
    expect(graph.params.find((p) => p.path === "block.ffn.w1")?.shape).toEqual([4, 16, 32]);
  });

  test("calls without parameters share a label freely", () => {
    expect(
      codesOf(`block half(x: [D]) -> [D] { return x * 0.5 }
model m() {
  item { x: f32[4] }
  task score = sum(half(half(x)))
}`),
    ).toEqual([]);
  });

  test("a second use of a label names the first", () => {
    const result = elaborateText(`model m() {
  item { x: f32[4] }
  h = linear(x, 4)
  task score = sum(linear(h, 4)) + 0
  g = linear(h, 4)
}`);
    expect(result.diagnostics.map((d) => d.code)).toEqual(["RMX0401"]);
    const [found] = result.diagnostics;
    expect(pointed(result, found)).toBe("linear(h, 4)");
    const first = found?.secondary?.[0]?.span;
    expect(result.sources.get(first?.file ?? "")?.text.slice(first?.start, first?.end)).toBe("linear(x, 4)");
  });

  test("modules in a list are labelled by their block under the round", () => {
    expect(
      paths(`block cross(x: [D], rank: int) -> [D] {
  param u: [D, rank]
  param v: [rank, D]
  return x * einsum("d, d r, r e -> e", x, u, v)
}
model m() {
  item { x: f32[6] }
  repeat f in [cross(rank = 2), linear(out = 6, bias = false)] as stack {
    x = f(x)
  }
  task score = sum(x)
}`),
    ).toEqual(["stack.0.cross.u [6, 2]", "stack.0.cross.v [2, 6]", "stack.1.linear.w [6, 6]"]);
  });

  test("norms: gains for all rows, per token, none", () => {
    expect(
      paths(`model m() {
  item { x: f32[3, 5] }
  a = layer_norm(x) as one
  b = rms_norm(a, per = "t") as two
  task score = sum(layer_norm(b, affine = false))
}`),
    ).toEqual(["one.gain [5]", "one.bias [5]", "two.gain [3, 5]"]);
  });

  test("parameters under `if training` are listed, whichever branch holds them", () => {
    const graph = graphOf(`block router(x: [D]) -> [D] {
  gate = linear(x, D) as infer
  if training {
    gate = linear(x, D) as train
  }
  return gate
}
model m() {
  item { x: f32[4] }
  label click: f32
  y = router(x)
  if not training {
    y = y + 1
  } else {
    aux = linear(y, 1) as aux
  }
  task score = sum(y)
  loss (score - click) * (score - click) + sum(aux)
}`);
    expect(graph.params.map((p) => `${p.path} ${p.training}`)).toEqual([
      "router.infer.w false",
      "router.infer.b false",
      "router.train.w true",
      "router.train.b true",
      "aux.w true",
      "aux.b true",
    ]);
    expect(graph.features.map((f) => f.name)).toEqual(["x"]);
    expect(graph.nodes.some((node) => node.path.includes("train"))).toBe(false);
  });

  test("later lines of `precision` win", () => {
    const graph = graphOf(`model m() {
  item { x: f32[4] }
  task score = linear(x, 1)
  precision {
    "**" = f16
    "**.w" = int8 per group(4) inputs fp8_e4m3
    "score.**" = bf16
  }
}`);
    expect(graph.params.map((p) => p.storage)).toEqual([{ element: "bf16" }, { element: "bf16" }]);
  });
});
