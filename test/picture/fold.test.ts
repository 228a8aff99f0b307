import { describe, expect, it } from "vitest";
import { foldRounds } from "../../src/cli/picture/fold.ts";
import type { Scene, SceneNode } from "../../src/cli/picture/scene.ts";

/** A kernel of the item stage; its name is its path. */
const kernel = (path: string, more: Partial<SceneNode> = {}): SceneNode => ({
  id: path,
  kind: "kernel",
  stage: "item",
  title: path,
  lines: [{ text: `${path}: einsum`, kind: "op" }],
  shape: "[4]",
  footer: "",
  tip: "",
  anchor: true,
  path,
  ...more,
});

const scene = (nodes: readonly SceneNode[], edges: readonly (readonly [string, string])[]): Scene => ({
  name: "m",
  nodes,
  edges: edges.map(([from, to]) => ({ from, to })),
});

const layers = (count: number): SceneNode[] =>
  Array.from({ length: count }, (_, k) => [kernel(`layers.${k}.up`), kernel(`layers.${k}.down`)]).flat();
const chain = (nodes: readonly SceneNode[]): (readonly [string, string])[] =>
  nodes.slice(1).map(({ id }, i) => [nodes[i]?.id ?? "", id]);

describe("folding rounds", () => {
  it("draws one of eight like rounds, with what leads in, out and on to the next", () => {
    const nodes = [kernel("tokens"), ...layers(8), kernel("head")];
    const folded = foldRounds(scene(nodes, chain(nodes)));
    expect(folded.nodes.map(({ id, title }) => [id, title])).toEqual([
      ["tokens", "tokens"],
      ["layers.0.up", "up"],
      ["layers.0.down", "down"],
      ["head", "head"],
    ]);
    expect(folded.folds).toEqual([
      { title: "layers 0 … 7", rounds: 8, members: new Set(["layers.0.up", "layers.0.down"]) },
    ]);
    expect(folded.edges).toEqual([
      { from: "tokens", to: "layers.0.up", next: false },
      { from: "layers.0.up", to: "layers.0.down", next: false },
      { from: "layers.0.down", to: "layers.0.up", next: true },
      { from: "layers.0.down", to: "head", next: false },
    ]);
  });

  it("leaves rounds of other sizes as they are, and folds those beside them", () => {
    const nodes = [kernel("layers.0.up", { shape: "[9]" }), kernel("layers.1.up"), kernel("layers.2.up")];
    const folded = foldRounds(scene(nodes, chain(nodes)));
    expect(folded.nodes.map(({ id }) => id)).toEqual(["layers.0.up", "layers.1.up"]);
    expect(folded.folds.map(({ title }) => title)).toEqual(["layers 1 … 2"]);
  });

  it("says in how many rounds something stored between lies, and how often a kept value", () => {
    const between = { anchor: false, lines: [] };
    const kept = { kind: "kept" as const, anchor: false, lines: [] };
    const nodes = [
      ...layers(3),
      kernel("layers.1.sum", between),
      ...[0, 1, 2].map((k) => kernel(`layers.${k}.keys`, kept)),
    ];
    const titles = foldRounds(scene(nodes, [])).nodes.map(({ title }) => title);
    expect(titles).toEqual(["up", "down", "sum  (1 of 3)", "layers.*.keys  × 3"]);
  });

  it("folds an inner repeat where the outer one has one round", () => {
    const nodes = [0, 1, 2].map((k) => kernel(`encoder.0.layers.${k}.up`));
    expect(foldRounds(scene(nodes, chain(nodes))).folds.map(({ title }) => title)).toEqual([
      "encoder.0.layers 0 … 2",
    ]);
  });
});
