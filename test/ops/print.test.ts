/** @file A Graph as text, and back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/ir/graph.ts";
import { reshapeMap } from "../../src/ir/indexmap.ts";
import { parseGraph, printGraph } from "../../src/ir/print.ts";
import { verifyGraph } from "../../src/ir/verify.ts";
import { Sketch } from "../reference/support.ts";
import { RandomGraph } from "./random.ts";

/** A graph with one of everything that the header can say. */
function full(): Graph {
  const s = new Sketch();
  const origin = { file: 'a "b".rmx', start: 3, end: 17 };
  const u = s.feature("user", "watched", [2], [], { dtype: "i32" });
  const table = s.param("videos", [9, 4], []);
  const rows = s.builder.add({ kind: "lookup" }, [table, u], { path: "x.watched", origin });
  const flat = s.builder.through(rows, reshapeMap([2, 4], [8]));
  const mean = s.op({ kind: "reduce", fn: "mean", axes: [0], keep: false }, flat);
  const bias = s.builder.constant(-0, [], "num", "finish.b");
  const logit = s.pointwise("add", mean, bias);
  const score = s.pointwise("sigmoid", logit);
  const graph = s.graph([{ name: "finish", shape: [], value: score, logit }]);
  return {
    ...graph,
    params: [
      {
        path: "videos",
        shape: [9, 4],
        init: { kind: "normal", std: 1e-5 },
        table: true,
        training: false,
        storage: { element: "int8", scale: { shared: [1], symmetric: false } },
        origin,
      },
      {
        path: "w",
        shape: [],
        init: { kind: "xavier", scale: 0.01 },
        table: false,
        training: true,
        storage: { element: "int8", scale: { shared: [], group: 32, symmetric: true } },
        inputs: "fp8_e4m3",
      },
      {
        path: "b",
        shape: [3],
        init: { kind: "zeros" },
        table: false,
        training: false,
        storage: { element: "bf16" },
      },
    ],
    features: [
      {
        name: "watched",
        stage: "user",
        dtype: "i32",
        shape: [2],
        table: { path: "videos", rows: 9 },
        length: "watched.length",
        origin,
      },
      { name: "watched.length", stage: "user", dtype: "i32", shape: [], lengthOf: { max: 2 } },
    ],
    precision: {
      compute: "f16",
      parts: [{ pattern: "**.norm*", compute: "f32" }],
      derived: [
        {
          path: "a.w",
          storage: { element: "fp8_e5m2", scale: { shared: [0, 2], symmetric: true } },
          inputs: "int8",
        },
      ],
    },
  };
}

describe("text", () => {
  it("reads like this", () => {
    expect(printGraph(full())).toMatchInlineSnapshot(`
      "graph "sketch"
      serve requests <= 1, candidates <= 16
      compute f16
      compute "**.norm*" = f32
      derived "a.w" = fp8_e5m2 per channel over [0, 2], inputs int8
      param "videos": [9, 4] = normal(std = 0.00001), int8 per channel over [1] asymmetric, table
      param "w": [] = xavier(scale = 0.01), int8 per group(32) over [], inputs fp8_e4m3, training
      param "b": [3] = zeros, bf16
      feature "watched": i32[2] user, in "videos" of 9 rows, length "watched.length"
      feature "watched.length": i32[] user, at most 2

      %0: i32[2] user = feature "watched"  // watched
      %1: num[9, 4] load = param "videos"  // videos
      %2: num[2, 4] user = lookup (%1, %0)  // x.watched
      %3: num[] user = reduce mean axes [0] (%2{(i0: 8) -> [i0 // 4, i0 % 4]})  // reduce
      %4: num[] zero = const -0  // finish.b
      %5: num[] user = pointwise add (%3, %4)  // add
      %6: num[] user = pointwise sigmoid (%5)  // sigmoid

      output "finish": [] = %6, logit %5
      "
    `);
  });

  it("programs and layouts", () => {
    const graph: Graph = {
      ...full(),
      nodes: full().nodes.map((node) => ({
        ...node,
        program: "user",
        ...(node.id === 1 && { layout: { order: [1, 0] } }),
      })),
    };
    expect(printGraph(graph)).toContain('%0: i32[2] user (user program) = feature "watched"  // watched\n');
    expect(printGraph(graph)).toContain(
      '%1: num[9, 4] load (user program, layout 1 0) = param "videos"  // videos\n',
    );
    expect(parseGraph(printGraph(graph, { origins: true }))).toEqual(graph);
  });

  it("holds all of the header, and origins where asked for", () => {
    expect(parseGraph(printGraph(full(), { origins: true }))).toEqual(full());
    expect(printGraph(parseGraph(printGraph(full())))).toBe(printGraph(full()));
  });

  it("round-trips random graphs, which are sound", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { sketch } = new RandomGraph(seed, 24);
        const graph = sketch.graph([
          { name: "last", shape: sketch.builder.node(23).type.shape.map(Number), value: { id: 23 } },
        ]);
        expect(verifyGraph(graph)).toEqual([]);
        const text = printGraph(graph);
        expect(parseGraph(text)).toEqual(graph);
        expect(printGraph(parseGraph(text))).toBe(text);
      }),
      { numRuns: 80 },
    );
  });

  it("constants: runs, signs, infinities", () => {
    const s = new Sketch();
    s.data([0, 0, 0, -0, 1.5, Infinity, -Infinity, Number.NaN, 1e-300], [9]);
    s.mask([1, 1, 0], [3]);
    s.ints([-7, -7, 2147483647], [3]);
    const text = printGraph(s.graph());
    expect(text).toContain("data [0*3, -0, 1.5, inf, -inf, nan, 1e-300]");
    expect(text).toContain("data [1*2, 0]");
    expect(text).toContain("data [-7*2, 2147483647]");
    expect(parseGraph(text)).toEqual(s.graph());
  });

  it("says where a text is wrong", () => {
    expect(() => parseGraph('graph "g"\n%0: num[2] load = sideways\n')).toThrow(
      "internal: line 2 of a graph, column 27: no op is called 'sideways'",
    );
    expect(() => parseGraph("grape 1\n")).toThrow("no line begins with 'grape'");
  });
});

describe("verifier", () => {
  const broken = (change: (graph: Graph) => Graph): string[] => verifyGraph(change(product()));
  /** Sound: one parameter, one feature, their product, one output. */
  function product(): Graph {
    const s = new Sketch();
    const y = s.pointwise("mul", s.feature("item", "v", [3], []), s.param("w", [3], []));
    return s.graph([{ name: "score", shape: [3], value: y }]);
  }

  it("accepts a sound graph", () => expect(verifyGraph(product())).toEqual([]));

  it.each<[string, (graph: Graph) => Graph, string]>([
    [
      "order",
      (g) => ({ ...g, nodes: g.nodes.map((n) => (n.id === 2 ? { ...n, id: 7 } : n)) }),
      "%7 (pointwise, mul): stands at position 2",
    ],
    [
      "forward reads",
      (g) => ({ ...g, nodes: g.nodes.with(2, { ...g.nodes[2], inputs: [{ id: 2 }, { id: 1 }] }) }),
      "%2 (pointwise, mul): reads %2, which is not computed before it",
    ],
    [
      "types",
      (g) => ({ ...g, nodes: g.nodes.with(2, { ...g.nodes[2], type: { shape: [3], dtype: "i32" } }) }),
      "%2 (pointwise, mul): is i32, its rule says num",
    ],
    [
      "shapes",
      (g) => ({ ...g, nodes: g.nodes.with(2, { ...g.nodes[2], type: { shape: [4], dtype: "num" } }) }),
      "%2 (pointwise, mul): has shape [4], its rule says [3]",
    ],
    [
      "operands that do not fit",
      (g) => ({ ...g, nodes: g.nodes.with(2, { ...g.nodes[2], inputs: [{ id: 0 }] }) }),
      "%2 (pointwise, mul): mul takes 2 operands, not 1",
    ],
    [
      "maps that leave the value",
      (g) => ({
        ...g,
        nodes: g.nodes.with(2, { ...g.nodes[2], inputs: [{ id: 0, map: reshapeMap([4], [4]) }, { id: 1 }] }),
      }),
      "%2 (pointwise, mul): axis 0 of %0: an index of 0 to 3 leaves [0, 3)",
    ],
    [
      "maps of another rank",
      (g) => ({
        ...g,
        nodes: g.nodes.with(2, {
          ...g.nodes[2],
          inputs: [{ id: 0, map: { out: [3], index: [] } }, { id: 1 }],
        }),
      }),
      "%2 (pointwise, mul): indexes %0 of 1 axes with 0 expressions",
    ],
    ["sources", (g) => ({ ...g, params: [] }), "%1 (param, w): no parameter w is declared"],
    [
      "features",
      (g) => ({ ...g, features: g.features.map((f) => ({ ...f, shape: [4] })) }),
      "%0 (feature, v): feature v is num[4]",
    ],
    [
      "outputs",
      (g) => ({ ...g, outputs: [{ name: "score", shape: [3], value: { id: 9 } }] }),
      "output score reads %9, which is not computed before it",
    ],
    [
      "output shapes",
      (g) => ({ ...g, outputs: [{ name: "score", shape: [], value: { id: 2 } }] }),
      "output score of shape [] is [3]",
    ],
    ["names", (g) => ({ ...g, outputs: [...g.outputs, ...g.outputs] }), "two outputs are called score"],
    [
      "programs",
      (g) => ({ ...g, nodes: g.nodes.with(2, { ...g.nodes[2], program: "item" }) }),
      "%2 (pointwise, mul): one of it and %0 has a program",
    ],
  ])("%s", (_, change, problem) => expect(broken(change)).toContain(problem));

  it("a program reads only what an earlier one computes", () => {
    const programs = ["item", "load", "load"] as const;
    const problems = broken((g) => ({
      ...g,
      nodes: g.nodes.map((n) => ({ ...n, program: programs[n.id] })),
    }));
    expect(problems).toContain("%2 (pointwise, mul): the load program reads %0 of the item program");
  });
});
