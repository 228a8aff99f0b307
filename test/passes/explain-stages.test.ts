/** Which program each part runs in, what is kept, and which value ties the rest to the candidate. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { explainStages, type StageReport } from "../../passes/explain-stages.ts";
import { runPipeline } from "../../passes/pipeline.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { parseGraph } from "../../src/ir/parse.ts";
import { software } from "../../src/ir/profiles.ts";
import { graphOf } from "../model/harness.ts";

function explained(graph: Graph, { reuse = true } = {}): StageReport {
  let before = graph;
  let last = graph;
  const { plan } = runPipeline(graph, {
    profile: software,
    reuse,
    onPass(pass, result) {
      if (!("nodes" in result)) return;
      if (pass === "split-stages") before = last;
      last = result;
    },
  });
  return explainStages(before, plan, { reuse });
}

const read = (name: string): Graph =>
  parseGraph(readFileSync(join(import.meta.dirname, `split-stages/${name}.in.txt`), "utf8"));

/** `path part: program`, with the number of the tie. */
const placed = ({ parts }: StageReport): string[] =>
  parts.map(({ path, part, summed, program, tie }) => {
    const run = summed === undefined ? "" : ` over ${summed}`;
    return `${path} ${part}${run}: ${program}${tie === undefined ? "" : ` (${tie})`}`;
  });

describe("rows of the user beside rows of the candidate", () => {
  const report = explained(read("user-rows"));

  it("are placed apart; the sum over all rows is what ties them", () => {
    expect(placed(report)).toEqual([
      "norm [0:2, :]: user",
      "norm [2:3, :]: item",
      "ffn [0:2, :]: user",
      "ffn [2:3, :]: item",
      "pooled all: item (0)",
    ]);
    expect(report.ties).toEqual([
      {
        path: "pooled",
        op: "reduce",
        part: "all",
        user: { path: "residual", part: "[0:2, :]" },
        item: { path: "residual", part: "[2:3, :]" },
        features: ["v"],
      },
    ]);
  });

  it("count the FLOPs of each part: 2 · rows · 8 · 8 of the product", () => {
    const flops = report.parts.filter((p) => p.path === "ffn").map((p) => p.flops);
    expect(flops).toEqual([256, 128]);
  });

  it("keep what the item program reads of the request: its rows of the residual or of what makes it", () => {
    const total = report.kept.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(report.kept.every(({ shape }) => shape.join() === "2,8")).toBe(true);
    expect(total).toBe(report.kept.length * 2 * 8 * 4);
  });

  it("without reuse all run for every candidate, and what is the request's alone says so", () => {
    const without = explained(read("user-rows"), { reuse: false });
    expect(without.parts.map((p) => p.program)).toEqual(["item", "item", "item"]);
    expect(without.parts.map((p) => p.uncut)).toEqual(["[0:2, :]", "[0:2, :]", undefined]);
    expect(without.kept.every(({ name }) => name === "u")).toBe(true);
  });
});

describe("masked rows", () => {
  it("stay the user's, though the value before the mask is mixed", () => {
    expect(placed(explained(read("masked-rows")))).toEqual([
      "norm [0:2, :]: user",
      "norm [2:3, :]: item (0)",
      "pooled all: item (0)",
    ]);
  });

  it("of scores are cut out as a corner; the weights of what is masked are not summed", () => {
    expect(placed(explained(read("masked-scores")))).toEqual([
      "scores [0:2, 0:2]: user",
      "scores [2:3, :]: item (0)",
      "weights [0:2, 0:2]: user",
      "weights [2:3, :]: item (0)",
      "seen [0:2, :] over 0:2: user",
      "seen [2:3, :]: item (0)",
      "pooled all: item (0)",
    ]);
  });
});

describe("the first value that ties a model to the candidate", () => {
  const rankmixer = `
use std.rankmixer
model m() {
  user { u: f32[2, 8] }
  item { g: f32[2, 8], h: f32[3] }
  x = concat(u, g)
  repeat 3 as layers {
    x = rankmixer_block(x, ratio = 1) as block
  }
  task y = sum(x) + sum(h)
}`;

  it("is RankMixer's first mixing with its residual, for all layers, at its call in the spec", () => {
    const graph = graphOf(rankmixer);
    const report = explained(graph);
    const [tie, ...others] = report.ties;
    expect(others).toEqual([]);
    expect(tie).toMatchObject({ path: "layers.0.block.s", features: ["g"] });
    const { start = 0, end = 0 } = tie?.origin ?? {};
    expect(rankmixer.slice(start, end)).toBe("rankmixer_block(x, ratio = 1) as block");
    const late = report.parts.filter((p) => p.path.startsWith("layers."));
    expect(late.length).toBeGreaterThan(9);
    expect(late.every((p) => p.program === "item" && p.tie === 0)).toBe(true);
  });

  it("is none for what comes of the candidate alone", () => {
    const { parts } = explained(graphOf(rankmixer));
    expect(parts.find((p) => p.path === "y" && p.flops <= 3)).toMatchObject({ program: "item" });
    expect(parts.filter((p) => p.program === "item" && p.tie === undefined)).toHaveLength(1);
  });

  it("names user rows that lie among the candidate's as not cut", () => {
    const graph = graphOf(`
model m() {
  user { u: f32[10, 4] }
  item { g: f32[10, 4] }
  x = rearrange(concat(u, g), "(s t) d -> (t s) d", s = 2)
  task y = sum(rms_norm(x))
}`);
    const norm = explained(graph).parts.find((p) => p.op === "normalize");
    expect(norm).toMatchObject({ program: "item", part: "all", uncut: "[0:19, :]" });
  });
});
