/** The reference on stored values: parameters, derived values and activations rounded where the spec says, and nowhere else. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../../backends/reference/evaluate.ts";
import { runPipeline } from "../../passes/pipeline.ts";
import { fromBf16Bits, fromF16Bits, toBf16Bits, toF16Bits } from "../../src/ir/codecs/half.ts";
import { gpu } from "../../src/ir/profiles.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { storedEvaluation, storedWeights } from "../../src/runtime/storedweights.ts";
import { relativeError } from "../../src/runtime/verify.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";
import { graphOf } from "../model/harness.ts";

function given(values: Readonly<Record<string, readonly number[]>>, inputScale?: number): WeightSource {
  return {
    read: (path, start, count) => Float32Array.from((values[path] ?? []).slice(start, start + count)),
    has: (path) => path in values,
    inputScaleOf: () => inputScale,
    release() {},
    close() {},
  };
}

/** The score of one candidate with features x. */
function scoreOf(text: string, weights: WeightSource, x: readonly number[], stored = true): number {
  const graph = graphOf(text);
  const { params, options } = stored ? storedEvaluation(graph, weights) : { params: weights, options: {} };
  const features = new Map([["x", Float32Array.from(x)]]);
  const call = { requests: 1, candidates: 1, request: [0], features, params };
  const [score] = evaluate(graph, call, [graph.outputs[0].value], options);
  return score.data[0];
}

const dot = (precision: string): string => `model m() {
  item { x: f32[3] }
  param w: [3]
  task score = einsum("d, d -> ", x, w)
  precision { ${precision} }
}`;

const f16 = (v: number): number => fromF16Bits(toF16Bits(Float32Array.of(v))[0]);
const x = [1, 0.3, -2];
const w = [0.1, 0.7, 1 / 3];

describe("parameters", () => {
  it("are what their type keeps of them", () => {
    const kept = (to: (v: number) => number): number =>
      x.reduce((sum, v, i) => sum + Math.fround(v) * to(w[i]), 0);
    expect(scoreOf(dot('"w" = f16'), given({ w }), x)).toBeCloseTo(
      kept((v) => f16(Math.fround(v))),
      12,
    );
    const bf16 = (v: number): number => fromBf16Bits(toBf16Bits(Math.fround(v)));
    expect(scoreOf(dot('"w" = bf16'), given({ w }), x)).toBeCloseTo(kept(bf16), 12);
    // amax = 0.7: codes round(127 · w / 0.7) = 18, 127, 60.
    const scale = Math.fround(Math.fround(0.7) / 127);
    const codes = [18, 127, 60];
    const int8 = codes.reduce((sum, q, i) => sum + Math.fround(x[i]) * Math.fround(q * scale), 0);
    expect(scoreOf(dot('"w" = int8 per channel'), given({ w }), x)).toBeCloseTo(int8, 12);
  });

  it("stay as they are without the option", () => {
    const exact = x.reduce((sum, v, i) => sum + Math.fround(v) * Math.fround(w[i]), 0);
    expect(
      scoreOf(dot('"w" = int8 per channel inputs int8 per channel'), given({ w }), x, false),
    ).toBeCloseTo(exact, 12);
  });
});

describe("activations", () => {
  const text = dot('"w" = f32 inputs int8 per channel');
  it("have a scale a row: codes 64, 19, −127 of amax 2", () => {
    // 1 · 63.5 is a tie and goes to 64; 0.3 · 63.5 = 19.05.
    const scale = 2 / 127;
    const [a, b] = [1, 0.3].map((v) => Math.round(Math.fround(v) / scale));
    const row = [a, b, -127].reduce((sum, q, i) => sum + q * scale * Math.fround(w[i]), 0);
    expect(scoreOf(text, given({ w }), x)).toBeCloseTo(row, 12);
  });

  it("or a calibrated one, beyond which they saturate", () => {
    const row = [1, 38 / 127, -1].reduce((sum, v, i) => sum + v * Math.fround(w[i]), 0);
    expect(scoreOf(text, given({ w }, 1 / 127), x)).toBeCloseTo(row, 12);
  });

  it("are rounded row by row, through views, and only where they meet the parameter", () => {
    const rows = `model m() {
  item { x: f32[2, 2] }
  param w: [2, 2]
  a = einsum("t d, e d -> t e", x, rearrange(w, "d e -> e d"))
  task score = sum(a * 1) + sum(x)
  precision { "w" = f32 inputs fp8_e4m3 }
}`;
    // Each row's largest value is exact, 448 · scale; 0.1 of 1 is between codes; the second row is a hundredth of the first.
    const at = scoreOf(rows, given({ w: [1, 0, 0, 1] }), [1, 0.1, 0.01, 0.001]);
    const scale = Math.fround(1 / 448);
    const small = Math.fround(44 * scale);
    expect(at).toBeCloseTo(1 + small + 0.01 + small / 100 + 1.111, 6);
  });
});

describe("after the passes", () => {
  it("batches and stages change nothing: a row is of one request or candidate", () => {
    const graph = graphOf(`model m() {
  user { u: f32[5] }
  item { x: f32[3, 4] }
  param w: [4, 6]
  param z: [5, 6]
  h = einsum("t d, d k -> t k", x, w) + einsum("d, d k -> k", u, z)
  v = exp(z)
  task score = relu(h[0])
  task other = einsum("d, d k -> k", u, v) * x[0, 0]
  precision {
    "**" = f16 inputs fp8_e4m3
    derived("v") = int8 per channel
  }
}`);
    const weights = drawnWeights(graph.params, { seed: 4 });
    const inputs = drawnInputs(graph.features, { requests: 2, candidates: 5, seed: 4, shuffled: true });
    const { params, options } = storedEvaluation(graph, weights);
    const call = { ...inputs, params };
    const meant = evaluate(
      graph,
      call,
      graph.outputs.map(({ value }) => value),
      options,
    );
    const { graph: split } = runPipeline(graph, { profile: gpu });
    const found = evaluate(
      split,
      call,
      split.outputs.map(({ value }) => value),
      options,
    );
    const plain = evaluate(
      graph,
      { ...inputs, params: weights },
      graph.outputs.map(({ value }) => value),
    );
    for (const [i, { name }] of graph.outputs.entries()) {
      expect(relativeError(found[i].data, meant[i].data), name).toBeLessThan(1e-6);
      expect(relativeError(plain[i].data, meant[i].data), name).toBeGreaterThan(1e-3);
    }
  });
});

describe("derived values", () => {
  it("are stored as their line says", () => {
    const text = `model m() {
  item { x: f32[3] }
  param w: [3]
  v = exp(w)
  task score = einsum("d, d -> ", x, v)
  precision { derived("v") = f16 }
}`;
    const kept = x.reduce(
      (sum, v, i) => sum + Math.fround(v) * f16(Math.fround(Math.exp(Math.fround(w[i])))),
      0,
    );
    expect(scoreOf(text, given({ w }), x)).toBeCloseTo(kept, 12);
  });
});

describe("storedWeights", () => {
  const graph = graphOf(`model m() {
  table t(rows = 7, dim = 5)
  item { i: id in t
    x: f32[6] }
  param w: [6, 3]
  task score = sum(i) + sum(einsum("d, d k -> k", x, w))
  precision {
    "t" = int8 per channel
    "w" = int8 per channel
  }
}`);

  it("reads pieces as it reads the whole", () => {
    const weights = storedWeights(drawnWeights(graph.params, { seed: 3 }), graph.params);
    for (const [path, size] of [
      ["t", 35],
      ["w", 18],
    ] as const) {
      const whole = weights.read(path, 0, size).slice();
      for (const [start, count] of [
        [0, 1],
        [4, 7],
        [size - 1, 1],
        [3, 0],
      ] as const)
        expect(weights.read(path, start, count)).toEqual(whole.subarray(start, start + count));
    }
  });

  it("passes on what is stored so already", () => {
    const param = graph.params.find(({ path }) => path === "w");
    const values = Float32Array.from({ length: 18 }, (_, i) => i / 7);
    const source: WeightSource = {
      read: (_, start, count) => values.subarray(start, start + count),
      has: () => true,
      storageOf: () => param?.storage,
      release() {},
      close() {},
    };
    expect(storedWeights(source, graph.params).read("w", 0, 18)).toEqual(values);
  });
});
