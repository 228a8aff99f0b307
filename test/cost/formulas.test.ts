/** What models cost against the papers' closed formulas and sums by hand. */
import { describe, expect, it } from "vitest";
import { callOf, costOf, type ModelCost, type Part, rooflineTime, stageCall } from "../../src/cost/cost.ts";
import type { Stage } from "../../src/ir/graph.ts";
import { gpu } from "../../src/ir/profiles.ts";
import { graphOf } from "../model/harness.ts";

const profile = { ...gpu, limits: { ...gpu.limits, storageBinding: 2 ** 50, bufferSize: 2 ** 50 } };

/** A model whose tokens x: [T, D] are a candidate's feature. */
function costOfBody(T: number, D: number, body: string, uses: readonly string[] = []): ModelCost {
  const use = uses.map((name) => `use std.${name}\n`).join("");
  const text = `${use}model m() {\n  item { x: f32[${T}, ${D}] }\n${body}\n  task y = sum(x)\n}\n`;
  return costOf(graphOf(text), profile);
}

function partOf(cost: ModelCost, path: string): Part {
  return path.split(".").reduce((part, label) => {
    const found = part.parts.find((each) => each.label === label);
    if (found === undefined) throw new Error(`no part ${path}`);
    return found;
  }, cost.root);
}

const products = (part: Part, stage: Stage = "item"): number => part.work[stage].products;

describe("RankMixer: 2kLTD² parameters and 4kLTD² FLOPs", () => {
  it.each([
    { T: 4, D: 16, L: 2, k: 4 },
    { T: 6, D: 30, L: 3, k: 2 },
    // As published, RankMixer-100M and RankMixer-1B.
    { T: 16, D: 768, L: 2, k: 4 },
    { T: 32, D: 1536, L: 2, k: 4 },
  ])("$T tokens of $D, $L blocks, k = $k", ({ T, D, L, k }) => {
    const body = `  repeat ${L} as layers {\n    x = rankmixer_block(x, ratio = ${k}) as block\n  }`;
    const layers = partOf(costOfBody(T, D, body, ["rankmixer"]), "layers");
    // Beside the matrices: biases of k·T·D and T·D and two norms of 2·D a block.
    expect(layers.parameters).toBe(2 * k * L * T * D * D + L * (k * T * D + T * D + 4 * D));
    expect(products(layers)).toBe(4 * k * L * T * D * D);
  });
});

describe("TokenMixer-Large: 3nT²D²/H + 3nTD² parameters a block, two FLOPs each", () => {
  it.each([
    { T: 6, D: 12, H: 3, n: 2 },
    { T: 4, D: 24, H: 8, n: 4 },
    { T: 8, D: 3072, H: 8, n: 4 },
  ])("$T tokens of $D, $H heads, n = $n", ({ T, D, H, n }) => {
    const body = `  x = tokenmixer_block(x, heads = ${H}, ratio = ${n}) as block`;
    const block = partOf(costOfBody(T, D, body, ["tokenmixer"]), "block");
    const weights = (3 * n * T * T * D * D) / H + 3 * n * T * D * D;
    // The norms' gains are of the widths T·D/H and D.
    expect(block.parameters).toBe(weights + (T * D) / H + D);
    expect(products(block)).toBe(2 * weights);
  });
});

describe("UniMixing", () => {
  const [T, D, size] = [6, 20, 12];
  const N = T * D;
  const n = N / size;

  it("has n² + nB² parameters, 2(NB + N²/B) FLOPs a candidate, and Sinkhorn at load", () => {
    const cost = costOfBody(T, D, `  x = unimixing(x, size = ${size}) as mix`, ["unimixer"]);
    const mix = partOf(cost, "mix");
    expect(mix.parameters).toBe(n * n + n * size * size);
    expect(products(mix)).toBe(2 * (N * size + (N * N) / size));
    expect(mix.work.load.other).toBeGreaterThan(0);
    // Adding up the result is all that is left for a candidate.
    expect(cost.root.work.item.other).toBe(N);
  });

  it("in its Lite form has bB² + nb + 2nr parameters, and composes them at load", () => {
    const [basis, rank] = [3, 2];
    const body = `  x = unimixing_lite(x, size = ${size}, basis = ${basis}, rank = ${rank}) as mix`;
    const mix = partOf(costOfBody(T, D, body, ["unimixer"]), "mix");
    expect(mix.parameters).toBe(basis * size * size + n * basis + 2 * n * rank);
    // P·Q is n × rank × n; every block is a combination of the basis.
    expect(products(mix, "load")).toBe(2 * n * n * rank + 2 * n * basis * size * size);
    expect(products(mix)).toBe(2 * (N * size + (N * N) / size));
  });
});

describe("LONGER: 24Ld² + 4L²d FLOPs a layer, (6dK + L/K) / (6d + L) of that with K tokens merged", () => {
  const layerOf = (L: number, d: number): Part => {
    const body = "  x = transformer_layer(x, heads = 1) as layer";
    return partOf(costOfBody(L, d, body, ["attention"]), "layer");
  };
  const layer = (L: number, d: number): number => products(layerOf(L, d));

  it("12K²d² + 13Kd parameters, as InnerTrans has", () => {
    expect(layerOf(6, 4 * 8).parameters).toBe(12 * 16 * 64 + 13 * 4 * 8);
  });

  it.each([
    { L: 24, d: 8, K: 4 },
    { L: 2048, d: 32, K: 4 },
  ])("L = $L, d = $d, K = $K", ({ L, d, K }) => {
    expect(layer(L, d)).toBe(24 * L * d * d + 4 * L * L * d);
    expect(layer(L / K, K * d) / layer(L, d)).toBeCloseTo((6 * d * K + L / K) / (6 * d + L), 12);
  });

  it("587 M and 336 M as printed", () => {
    expect(Math.round(layer(2048, 32) / 1e6)).toBe(587);
    expect(Math.round(layer(512, 128) / 1e6)).toBe(336);
  });
});

describe("a layer of weights, by hand", () => {
  // 12 inputs to 8 outputs with a bias.
  const text = "model m() {\n  item { x: f32[12] }\n  task y = linear(x, 8)\n}\n";
  const cost = costOf(graphOf(text), profile);

  it("costs two FLOPs a weight and one a bias, reads weights once a call and rows once a candidate", () => {
    expect(cost.root.parameters).toBe(12 * 8 + 8);
    expect(cost.root.work.item).toEqual({
      products: 2 * 12 * 8,
      other: 8,
      fixedBytes: 4 * (12 * 8 + 8),
      rowBytes: 4 * (12 + 8),
    });
    expect(callOf(cost.root.work, { requests: 3, candidates: 10 })).toEqual({
      flops: 10 * 200,
      bytes: 4 * 104 + 10 * 80,
    });
  });

  it("takes as long as the slower of arithmetic and memory", () => {
    const size = { requests: 1, candidates: 10 };
    const [flops, bytes] = [2000, 4 * 104 + 800];
    const slowMemory = { name: "m", flops: 1e12, bandwidth: 1e3 };
    expect(rooflineTime(cost, "item", size, slowMemory)).toEqual({ seconds: bytes / 1e3, boundBy: "memory" });
    const slowArithmetic = { name: "a", flops: 1e3, bandwidth: 1e12 };
    expect(rooflineTime(cost, "item", size, slowArithmetic)).toEqual({
      seconds: flops / 1e3,
      boundBy: "arithmetic",
    });
  });

  it("costs nothing without candidates", () => {
    const none = { requests: 1, candidates: 0 };
    expect(stageCall(cost.root.work, "item", none)).toEqual({ flops: 0, bytes: 0 });
    expect(rooflineTime(cost, "item", none, { name: "d", flops: 1, bandwidth: 1 }).seconds).toBe(0);
  });
});

it("an embedding moves the rows that it looks up, and none of its table's others", () => {
  const text =
    "model m() {\n  table t(rows = 1000, dim = 4)\n  item { a: ids[5] in t }\n  task y = sum(sum_pool(a))\n}\n";
  const { root } = costOf(graphOf(text), profile);
  expect(root).toMatchObject({ parameters: 0, tables: 4000 });
  // Five rows of four; five ids, their list padded to eight, and its length; the pooled four out and in again; the score.
  expect(root.work.item.rowBytes).toBe(4 * (20 + 8 + 1 + 4 + 4 + 1));
  expect(root.work.item.fixedBytes).toBe(0);
});

it("of sparse experts only those count that a gate can choose", () => {
  // Large enough that listing the rows pays. Two of eight experts of an eighth of the width are chosen, beside a shared one.
  const [T, D, E, k, n] = [2, 64, 8, 2, 4];
  const body = `  x = sparse_swiglu(x, experts = ${E}, active = ${k}, ratio = ${n}) as moe`;
  const moe = partOf(costOfBody(T, D, body, ["tokenmixer"]), "moe");
  const expert = 3 * D * ((n * D) / E);
  expect(moe.parameters).toBe(T * ((E + 1) * expert + D * E));
  // The router's product, the shared expert's and the chosen ones'; the gate-weighted sum of all eight is written out, element by element.
  expect(products(moe)).toBe(2 * T * (D * E + (k + 1) * expert));
});

describe("reuse", () => {
  const text = `use std.ugsep
model m(T: int = 4, U: int = 2, D: int = 16) {
  user { u: f32[U, D] }
  item { g: f32[T - U, D] }
  x = concat(u, g)
  repeat 2 as layers {
    x = ug_rankmixer_block(x, U) as block
  }
  task y = sum(x)
}
`;
  it("moves the user's products from each candidate to its request", () => {
    const graph = graphOf(text);
    const kept = costOf(graph, profile).root;
    const repeated = costOf(graph, profile, { reuse: false }).root;
    // Two of four tokens are the user's: of 4kTD² a block half.
    expect(products(kept, "user")).toBe(2 * 4 * 4 * 2 * 16 * 16);
    expect(products(kept, "item")).toBe(2 * 4 * 4 * 2 * 16 * 16);
    expect(products(repeated, "user")).toBe(0);
    expect(products(repeated, "item")).toBe(2 * 4 * 4 * 4 * 16 * 16);
  });

  it("keeps what candidates read of the user", () => {
    // The block's input rows of the user, and those after its last block, summed by the task: at least U · D values.
    expect(costOf(graphOf(text), profile).keptBytes).toBeGreaterThanOrEqual(4 * 2 * 16);
  });
});

it("parts add up to the whole, and what only training uses is apart", () => {
  const text = `use std.rankmixer
model m() {
  item { x: f32[4, 8] }
  if training {
    loss sum(linear(mean(x, "t d -> d"), 3) as extra)
  }
  x = rankmixer_block(x) as block
  task y = linear(mean(x, "t d -> d"), 1)
}
`;
  const { root, training } = costOf(graphOf(text), profile);
  expect(training).toBe(8 * 3 + 3);
  const sum = (of: (part: Part) => number): number => root.parts.reduce((total, part) => total + of(part), 0);
  expect(sum((part) => part.parameters)).toBe(root.parameters);
  expect(sum((part) => products(part))).toBe(products(root));
});
