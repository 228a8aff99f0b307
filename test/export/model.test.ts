import { describe, expect, it } from "vitest";
import { type OnnxModel, OPSET, opsUsed } from "../../backends/onnx/model.ts";
import { decodeModel, encodeModel } from "../../backends/onnx/schema.ts";
import { onnxModel } from "../../src/export.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { graphOfSpec } from "../support/zoo.ts";

const tokens = `
model m() {
  user { profile: f32[6] }
  item { stats: f32[10] }
  param w: [5, 2, 3]
  param v: [6, 3]
  x = rearrange(stats, "(t d) -> t d", t = 5)
  y = layer_norm(einsum("t d, t d e -> t e", x, w) + einsum("d, d e -> e", profile, v))
  task score = sigmoid(sum(y))
}`;

function modelOf(text: string, options = {}): OnnxModel {
  const graph = graphOfSpec(text);
  return onnxModel(graph, drawnWeights(graph.params, { seed: 1 }), options);
}

describe("the file", () => {
  it("decodes to the model that was encoded", () => {
    const model = modelOf(tokens, { logits: true });
    const { initializers, ...read } = decodeModel(encodeModel(model));
    const { initializers: written, ...meant } = model;
    expect(read).toEqual(meant);
    expect(initializers.map(({ name, type, dims }) => ({ name, type, dims }))).toEqual(
      written.map(({ name, type, dims }) => ({ name, type, dims })),
    );
    for (const [k, { raw }] of initializers.entries()) {
      expect(Buffer.from(raw ?? [])).toEqual(Buffer.concat([...written[k].chunks()]));
    }
  });

  it("names the place of what lies outside", () => {
    const model = modelOf(tokens);
    const outside = model.initializers[0];
    const read = decodeModel(
      encodeModel(model, (tensor) =>
        tensor === outside ? { location: "m.onnx.data", offset: 4096 } : undefined,
      ),
    );
    const length = String([...outside.chunks()].reduce((sum, chunk) => sum + chunk.length, 0));
    expect(read.initializers[0]).toMatchObject({
      name: outside.name,
      raw: undefined,
      external: { location: "m.onnx.data", offset: "4096", length },
    });
  });

  it("keeps attributes of every kind, negative ones too", () => {
    const attributes = {
      axis: { kind: "int", value: -1 },
      epsilon: { kind: "float", value: 0.5 },
      equation: { kind: "string", value: "ab->b" },
      perm: { kind: "ints", value: [2, 0, 1] },
    } as const;
    const node = { name: "n", op: "X", inputs: ["a", ""], outputs: ["b"], attributes };
    const model = {
      name: "m",
      irVersion: 10,
      opset: OPSET,
      nodes: [node],
      initializers: [],
      inputs: [],
      outputs: [],
    };
    expect(decodeModel(encodeModel(model)).nodes).toEqual([node]);
  });
});

describe("the form of the graph", () => {
  it("computes the user's share for R requests and gathers it by request", () => {
    const model = modelOf(tokens);
    expect(model.inputs).toEqual([
      { name: "profile", type: "float", dims: ["R", 6] },
      { name: "stats", type: "float", dims: ["N", 10] },
      { name: "request", type: "int32", dims: ["N"] },
    ]);
    expect(model.outputs).toEqual([{ name: "score", type: "float", dims: ["N"] }]);
    const gathers = model.nodes.filter(({ op }) => op === "Gather");
    expect(gathers.map(({ inputs }) => inputs[1])).toEqual(["request"]);
  });

  it("has N rows throughout and no gather without reuse", () => {
    const model = modelOf(tokens, { reuse: false });
    expect(model.inputs.map(({ name, dims }) => [name, dims[0]])).toEqual([
      ["profile", "N"],
      ["stats", "N"],
    ]);
    expect(opsUsed(model).has("Gather")).toBe(false);
  });

  it("multiplies tokens by weights of their own as one batched product, token axis outermost", () => {
    const model = modelOf(tokens, { reuse: false });
    const products = model.nodes.filter(({ op }) => op === "MatMul");
    const dims = new Map(model.initializers.map(({ name, dims }) => [name, dims]));
    expect(products.map(({ inputs }) => dims.get(inputs[1]))).toEqual([
      [5, 2, 3],
      [6, 3],
    ]);
    expect(opsUsed(model).has("Einsum")).toBe(false);
  });

  it("hands a layer norm its gain and offset", () => {
    const [norm] = modelOf(tokens).nodes.filter(({ op }) => op === "LayerNormalization");
    expect(norm?.inputs.slice(1)).toEqual(["layer_norm.gain", "layer_norm.bias"]);
  });

  it("evaluates what depends on parameters alone", () => {
    const model = modelOf(`
model m() {
  item { x: f32[3] }
  param a: [3, 4]
  param b: [4, 2]
  task y = einsum("i, i o -> o", x, exp(einsum("i h, h o -> i o", a, b)))
}`);
    expect(opsUsed(model)).toEqual(
      new Map([
        ["Identity", 1],
        ["MatMul", 1],
      ]),
    );
  });

  it("refuses a name that would be an input and an output", () => {
    expect(() => modelOf("model m() {\n  item { request: f32[3] }\n  task y = sum(request)\n}")).toThrow(
      expect.objectContaining({ code: "RMX0530" }),
    );
  });
});
