/** The examples of the token mixers at their published sizes: parameters against the papers' closed formulas. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { graphOfSpec, type ZooOptions } from "../support/zoo.ts";

/** Values in the parameters under `layers`, norms and biases (O(T·D·k)) included. */
function inLayers(example: string, set: ZooOptions["set"] = {}): number {
  const text = readFileSync(`examples/${example}.rmx`, "utf8");
  return graphOfSpec(text, set)
    .params.filter(({ path, training }) => path.startsWith("layers.") && !training)
    .reduce((sum, { shape }) => sum + shape.reduce((product, extent) => product * extent, 1), 0);
}

/** Not fewer than the formula, which leaves out norms and biases, and at most a few in a thousand more. */
function expectAbout(count: number, formula: number): void {
  expect(count).toBeGreaterThanOrEqual(formula);
  expect(count).toBeLessThan(1.004 * formula);
}

describe("parameters", () => {
  it("RankMixer: 2 k L T D²", () => {
    expectAbout(inLayers("rankmixer_1b"), 2 * 4 * 2 * 32 * 1536 ** 2);
    expectAbout(inLayers("ug_rankmixer"), 2 * 4 * 2 * 32 * 1536 ** 2);
  });

  it("RankMixer's experts: E times as many", () => {
    expectAbout(inLayers("rankmixer_moe"), 8 * 2 * 1 * 2 * 32 * 1536 ** 2);
  });

  it("TokenMixer-Large: 3 n T² D² / H + 3 n T D² a block", () => {
    const block = (T: number, D: number, H: number, n: number): number =>
      (3 * n * T ** 2 * D ** 2) / H + 3 * n * T * D ** 2;
    expectAbout(inLayers("tokenmixer_large"), 4 * block(16, 2176, 16, 4));
    expectAbout(inLayers("tokenmixer_large", { L: 8 }), 8 * block(16, 2176, 16, 4));
    expectAbout(inLayers("tokenmixer_large", { heads: 4 }), 4 * block(16, 2176, 4, 4));
  });

  it("its sparse form: the same width cut into experts, and a shared one", () => {
    expectAbout(inLayers("tokenmixer_large", { experts: 4 }), 4 * (1 + 1 / 4) * 2 * (3 * 4 * 16 * 2176 ** 2));
  });

  it("UniMixing: n² + n B² a block and the SwiGLU's 3 k T D²", () => {
    const n = (16 * 512) / 64;
    expectAbout(inLayers("unimixer"), 2 * (n ** 2 + n * 64 ** 2 + 3 * 4 * 16 * 512 ** 2));
  });

  it("UniMixing-Lite: b B² + n b + 2 n r", () => {
    const n = (16 * 384) / 64;
    expectAbout(inLayers("unimixing_lite"), 4 * (8 * 64 ** 2 + n * 8 + 2 * n * 128 + 3 * 3 * 16 * 384 ** 2));
  });
});

describe("options", () => {
  it.each([
    ["ug_rankmixer", { U: 24, compensate: true }],
    ["ug_tokenmixer", { U: 24, compensate: true }],
    ["unimixing_lite", { halves: true, iterations: 20 }],
    ["tokenmixer_large", { experts: 4, active: 2, every: 3, L: 8 }],
  ] as const)("%s with %o is fine", (example, set) => {
    const graph = graphOfSpec(readFileSync(`examples/${example}.rmx`, "utf8"), set);
    expect(graph.outputs).toHaveLength(1);
  });
});
