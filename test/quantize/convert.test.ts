/** Converting a model's weights, the file that comes of it, and what is said about it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { InputError } from "../../src/ir/error.ts";
import { advise } from "../../src/quantize/advice.ts";
import { calibrate } from "../../src/quantize/calibrate.ts";
import { convert } from "../../src/quantize/convert.ts";
import { compareScores, referenceFlops } from "../../src/quantize/scores.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { fileWeights } from "../../src/runtime/fileweights.ts";
import { SafetensorsFile, type TensorData, writeSafetensors } from "../../src/runtime/safetensors.ts";
import { storedWeights } from "../../src/runtime/storedweights.ts";
import { countOf, type WeightSource } from "../../src/runtime/weights.ts";
import { graphOf } from "../model/harness.ts";

const folder = mkdtempSync(join(tmpdir(), "rmxc-quantize-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "q.safetensors");

const spec = (precision: string): string => `model m() {
  table users(rows = 13, dim = 5)
  user { uid: id in users }
  item { x: f32[3, 8] }
  param w: [3, 8, 7]
  h = relu(einsum("t d, t d k -> t k", x, w) + 0.1)
  param v: [21, 6]
  y = einsum("d, d k -> k", rearrange(h, "t k -> (t k)"), v) as out
  task score = sigmoid(sum(y) + sum(uid))
  task both = y[0:2]
  precision { ${precision} }
}`;

const NO_SCALES = new Map<string, number>();

describe("a converted file", () => {
  it.each([
    '"**" = f16',
    '"**" = bf16',
    '"**" = int8 per channel',
    '"**" = int8 per group(3) asymmetric',
    '"**" = int8 per group(2)',
    '"**" = fp8_e4m3\n "v" = f32',
    '"**" = fp8_e5m2\n "users" = int8 per channel asymmetric',
  ])("%s: holds what the reference computes with", (precision) => {
    const graph = graphOf(spec(precision));
    const drawn = drawnWeights(graph.params, { seed: 5 });
    const meant = storedWeights(drawn, graph.params);
    const reports = convert(graph, drawn, { inputScales: NO_SCALES, output: path });
    const file = fileWeights(path, graph.params);
    for (const param of graph.params) {
      const size = countOf(param.shape);
      expect(file.read(param.path, 0, size)).toEqual(meant.read(param.path, 0, size));
      expect(file.read(param.path, size - 9, 5)).toEqual(meant.read(param.path, size - 9, 5));
      if (param.storage.element !== "f32") expect(file.storageOf?.(param.path)).toEqual(param.storage);
    }
    const bytes = reports.reduce((sum, report) => sum + report.bytes.after, 0);
    const raw = readFileSync(path);
    expect(raw.length - 8 - Number(raw.readBigUInt64LE(0))).toBe(bytes);
    file.close();
    expect(readdirSync(folder)).toEqual(["q.safetensors"]);
  });

  it("converts to itself again but for a rounding of the scales", () => {
    const graph = graphOf(spec('"**" = int8 per channel'));
    convert(graph, drawnWeights(graph.params), { inputScales: NO_SCALES, output: path });
    const again = convert(graph, fileWeights(path, graph.params), { inputScales: NO_SCALES });
    for (const { error, bytes } of again) {
      expect(error?.relativeError).toBeLessThan(1e-6);
      expect(bytes.before).toBe(bytes.after);
    }
  });

  it("is read by a spec that stores otherwise, groups by their metadata", () => {
    // Nine in groups of four and nine in groups of three both make three scales.
    const text = (type: string): string => `model m() {
  item { x: f32[9] }
  param w: [9, 2]
  task score = sum(einsum("d, d k -> k", x, w))
  precision { "w" = ${type} }
}`;
    const graph = graphOf(text("int8 per group(4)"));
    const drawn = drawnWeights(graph.params);
    convert(graph, drawn, { inputScales: NO_SCALES, output: path });
    const plain = fileWeights(path, graphOf(text("f32")).params);
    expect(plain.read("w", 0, 18)).toEqual(storedWeights(drawn, graph.params).read("w", 0, 18));
    expect(plain.storageOf?.("w")?.scale).toEqual({ shared: [0], group: 4, symmetric: true });
    plain.close();
  });

  it("leaves nothing behind when reading fails", () => {
    const graph = graphOf(spec('"**" = f16'));
    const failing: WeightSource = {
      ...drawnWeights(graph.params),
      read: () => {
        throw new Error("gone");
      },
    };
    const output = join(folder, "none.safetensors");
    expect(() => convert(graph, failing, { inputScales: NO_SCALES, output })).toThrow("gone");
    expect(readdirSync(folder)).toEqual(["q.safetensors"]);
    const nowhere = join(folder, "no/such.safetensors");
    const drawn = drawnWeights(graph.params);
    expect(() => convert(graph, drawn, { inputScales: NO_SCALES, output: nowhere })).toThrow(
      "cannot be written",
    );
  });
});

describe("files of others", () => {
  const graph = graphOf(`model m() {
  item { x: f32[4] }
  param w: [4, 2]
  task score = sum(einsum("d, d k -> k", x, w))
}`);
  const codes = Int8Array.of(1, -2, 3, -4, 5, -6, 127, -128);
  const scale = (shape: number[], ...values: number[]): TensorData => ({
    shape,
    data: Float32Array.from(values),
  });
  const read = (tensors: Record<string, TensorData>): Float32Array => {
    writeSafetensors(path, new Map(Object.entries(tensors)));
    const file = fileWeights(path, graph.params);
    const values = file.read("w", 0, 8);
    file.close();
    return values;
  };
  const w: TensorData = { shape: [4, 2], data: codes };

  it("have a scale a column, a row, a group or one for all", () => {
    expect(read({ w, "w.scale": scale([1, 2], 1, 10) })).toEqual(
      Float32Array.of(1, -20, 3, -40, 5, -60, 127, -1280),
    );
    expect(read({ w, "w.scale": scale([4, 1], 1, 2, 3, 4) })).toEqual(
      Float32Array.of(1, -2, 6, -8, 15, -18, 508, -512),
    );
    expect(read({ w, "w.scale": scale([2, 2], 1, 2, 3, 4) })).toEqual(
      Float32Array.of(1, -4, 3, -8, 15, -24, 381, -512),
    );
    expect(read({ w, "w.scale": scale([], 2) })).toEqual(codesTimes(2));
  });

  it("have zero points", () => {
    const zero: TensorData = { shape: [1, 2], data: Int8Array.of(-1, 2) };
    expect(read({ w, "w.scale": scale([1, 2], 1, 10), "w.zero": zero })).toEqual(
      Float32Array.of(2, -40, 4, -60, 6, -80, 128, -1300),
    );
  });

  it.each([
    ["int8 without scales", { w }, /missing: `w.scale`/],
    ["scales of another shape", { w, "w.scale": scale([3, 2], 1, 1, 1, 1, 1, 1) }, /wrong shape: `w.scale`/],
    [
      "integer scales",
      { w, "w.scale": { shape: [1, 2], data: Int32Array.of(1, 1) } },
      /wrong type: `w.scale` is I32/,
    ],
    [
      "zero points of another shape",
      { w, "w.scale": scale([1, 2], 1, 1), "w.zero": { shape: [2], data: Int8Array.of(1, 1) } },
      /wrong: `w.zero` must be I8 \[1, 2\]/,
    ],
    [
      "scales beside f32",
      { w: scale([4, 2], 1, 2, 3, 4, 5, 6, 7, 8), "w.scale": scale([1, 2], 1, 1) },
      /`w.scale` scales `w`, which is F32/,
    ],
    [
      "two scales for activations",
      { w, "w.scale": scale([1, 2], 1, 1), "w.input_scale": scale([2], 1, 1) },
      /`w.input_scale` is one number/,
    ],
  ])("%s are refused", (_, tensors, said) => {
    expect(() => read(tensors)).toThrow(expect.objectContaining({ code: "RMX0602" }));
    try {
      read(tensors);
    } catch (error) {
      expect((error as InputError).notes?.join("\n")).toMatch(said);
    }
  });

  it("a scale that is not finite shows as values that are not", () => {
    expect(() => read({ w, "w.scale": scale([1, 2], NaN, 1) })).toThrow(
      expect.objectContaining({ code: "RMX0603" }),
    );
  });

  function codesTimes(factor: number): Float32Array {
    return Float32Array.from(codes, (code) => code * factor);
  }
});

describe("the report", () => {
  it("measures the error that there is", () => {
    const graph = graphOf(`model m() {
  item { x: f32[2] }
  param w: [2]
  task score = einsum("d, d -> ", x, w)
  precision { "w" = int8 per channel }
}`);
    const weights: WeightSource = {
      read: () => Float32Array.of(127, 0.5),
      has: () => true,
      release() {},
      close() {},
    };
    const [{ error, bytes }] = convert(graph, weights, { inputScales: NO_SCALES });
    // 0.5 is half way between the codes 0 and 1 and becomes 0.
    expect(error).toMatchObject({ values: 2, maxError: 0.5, outliers: 0, clipped: 0 });
    expect(error?.relativeError).toBeCloseTo(0.5 / Math.hypot(127, 0.5), 12);
    expect(error?.sqnr).toBeCloseTo(20 * Math.log10(Math.hypot(127, 0.5) / 0.5), 9);
    expect(bytes).toEqual({ before: 8, after: 6 });
  });

  /** Three layers, the second with the given weights, others N(0, 1). */
  function advised(type: string, odd: (i: number) => number) {
    const graph = graphOf(`model m() {
  item { x: f32[100] }
  param a: [100, 4] = normal(std = 1)
  param b: [100, 4] = normal(std = 1)
  param c: [100, 4] = normal(std = 1)
  task score = sum(einsum("d, d k -> k", x, a)) + sum(einsum("d, d k -> k", x, b)) + sum(einsum("d, d k -> k", x, c))
  precision { "**" = ${type} }
}`);
    const drawn = drawnWeights(graph.params, { seed: 1 });
    const weights: WeightSource = {
      ...drawn,
      read: (name, start, count) => {
        const values = drawn.read(name, start, count);
        return name === "b" ? values.map((_, i) => odd(start + i)) : values;
      },
    };
    return advise(convert(graph, weights, { inputScales: NO_SCALES }));
  }

  it("names the layer that stands out, and why", () => {
    const outlier = advised("int8 per channel", (i) => (i === 41 ? 500 : Math.sin(i)));
    expect(outlier).toMatchObject([{ path: "b", instead: ['"b" = int8 per group(32)', '"b" = f16'] }]);
    expect(outlier[0].problem).toMatch(/its value at \[10, 1\] is 10 times the rms/);
    expect(advised("f16", (i) => (i === 0 ? 1e6 : 1))).toMatchObject([
      { path: "b", problem: "1 of its values are beyond the largest of f16", instead: ['"b" = bf16'] },
    ]);
    expect(advised("int8 per channel", (i) => Math.sin(i))).toEqual([]);
    expect(advised("int8 per channel", () => 0)).toEqual([]);
  });
});

describe("scores", () => {
  const graph = graphOf(spec('"**" = fp8_e4m3 inputs fp8_e4m3'));
  const weights = drawnWeights(graph.params, { seed: 2 });
  const inputs = drawnInputs(graph.features, { requests: 2, candidates: 31, seed: 1, shuffled: true });

  it("are compared a task, and equal where nothing is rounded", () => {
    const exact = compareScores(graphOf(spec('"**" = f32')), weights, inputs, NO_SCALES);
    expect(
      exact.map((each) => [each.task, each.maxError, each.relativeError, each.swapped, each.top10]),
    ).toEqual([
      ["score", 0, 0, 0, 1],
      ["both", 0, 0, 0, 1],
    ]);
    const [score, both] = compareScores(graph, weights, inputs, NO_SCALES);
    expect(score.relativeError).toBeGreaterThan(1e-4);
    expect(score.relativeError).toBeLessThan(0.1);
    expect([score.given.length, both.given.length]).toEqual([31, 62]);
    expect(score.tau).toBeGreaterThan(0.8);
  });

  it("calibration maps the largest activation to the largest code", () => {
    const scales = calibrate(graph, weights, inputs);
    expect([...scales.keys()]).toEqual(["w", "v"]);
    const x = inputs.features.get("x") ?? [];
    const largest = Math.max(...Array.from(x, Math.abs));
    expect(scales.get("w")).toBe(Math.fround(largest / 448));
    const [score] = compareScores(graph, weights, inputs, scales);
    expect(score.relativeError).toBeLessThan(0.1);
    convert(graph, weights, { inputScales: scales, output: path });
    const file = fileWeights(path, graph.params);
    expect(file.inputScaleOf?.("w")).toBe(scales.get("w"));
    expect(file.inputScaleOf?.("users")).toBeUndefined();
    file.close();
    const opened = SafetensorsFile.open(path, { code: "RMX0601", noun: "weights file" });
    expect([...opened.tensors.keys()].filter((name) => name.startsWith("w"))).toEqual([
      "w",
      "w.scale",
      "w.input_scale",
    ]);
    opened.close();
  });

  it("the reference's work is counted: products of 2 · 3 · 8 · 7 and 2 · 21 · 6 at least", () => {
    expect(referenceFlops(graph)).toBeGreaterThan(2 * 168 + 2 * 126);
    expect(referenceFlops(graph)).toBeLessThan(2 * (2 * 168 + 2 * 126));
  });
});
