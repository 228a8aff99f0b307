/** @file Stage rules: they cover what really changes, and for the patterns that reuse depends on they are exact. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Operand } from "../../src/ir/graph.ts";
import { broadcastMap, composeMaps, permuteMap, reshapeMap, sliceMap } from "../../src/ir/indexmap.ts";
import { elementsOf, printStage } from "../../src/ir/stage.ts";
import { drawer, Sketch } from "../reference/support.ts";
import { RandomGraph } from "./random.ts";

/** Every value of the graph, one request and one candidate. */
function snapshot(sketch: Sketch): number[][] {
  const all = sketch.graph().nodes.map(({ id }) => ({ id }));
  return sketch.run(all).map(({ data }) => Array.from(data));
}

/** 0 and −0 are one zero, and NaN is NaN. */
const same = (a: number, b: number): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));

function perturb(values: Map<string, ArrayLike<number>>, name: string, draw: () => number): void {
  values.set(
    name,
    Array.from(values.get(name) ?? [], () => draw() * 3),
  );
}

describe("coverage", () => {
  it("an element changes only with inputs of its own stage or an earlier one, and a zero is 0", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { sketch } = new RandomGraph(seed, 24);
        const draw = drawer(seed + 1);
        const stages = sketch.graph().nodes.map((node) => elementsOf(node.stage));
        const before = snapshot(sketch);
        for (const [id, stage] of stages.entries()) {
          for (const [i, level] of stage.entries())
            if (level === 0) expect(before[id][i]).toBeCloseTo(0, 300);
        }
        for (const [name, values, level] of [
          ["v", sketch.features, 3],
          ["u", sketch.features, 2],
          ["w", sketch.values, 1],
        ] as const) {
          perturb(values, name, draw);
          const after = snapshot(sketch);
          for (const [id, stage] of stages.entries()) {
            for (const [i, own] of stage.entries()) {
              if (own < level && !same(after[id][i], before[id][i])) {
                const { op, path } = sketch.graph().nodes[id];
                throw new Error(
                  `%${id} ${JSON.stringify(op)} ${path}: element ${i} of level ${own} changes with ${name}`,
                );
              }
            }
          }
          before.splice(0, before.length, ...after);
        }
      }),
      { numRuns: 80 },
    );
  });
});

describe("patterns", () => {
  const stageOf = (s: Sketch, x: Operand): string => printStage(s.builder.stageOf(x));
  const T = 4;
  const D = 8;

  /** [T, D] with 2 user rows above 2 item rows. */
  function tokens(s: Sketch): Operand {
    const u = s.feature("user", "u", [2, D], []);
    const v = s.feature("item", "v", [2, D], []);
    return s.op({ kind: "concat", axis: 0 }, u, v);
  }

  /** rearrange "t (h e) -> h (t e)" with h = T. */
  function mixing(s: Sketch, x: Operand): Operand {
    const split = reshapeMap([T, D], [T, T, D / T]);
    const swapped = composeMaps(permuteMap([T, T, D / T], [1, 0, 2]), split);
    const map = composeMaps(reshapeMap([T, T, D / T], [T, D]), swapped);
    return { id: s.builder.view(x, map, "mixed").id };
  }

  it("token mixing: the columns that came from user tokens stay user in every row", () => {
    const s = new Sketch();
    const mixed = mixing(s, tokens(s));
    // Token t lies in columns 2t, 2t + 1.
    expect(stageOf(s, mixed)).toBe("item except user [:, 0:4]");
    const back = mixing(s, mixed);
    expect(stageOf(s, back)).toBe("item except user [0:2, :]");
  });

  it("a ug mask keeps user rows user through residual, norm and per-token product", () => {
    const s = new Sketch();
    const x = tokens(s);
    const mixed = mixing(s, x);
    const keep = s.mask(
      Array.from({ length: T * D }, (_, i) => (i < 2 * D && i % D >= 4 ? 0 : 1)),
      [T, D],
    );
    const masked = s.pointwise("where", keep, mixed, s.data([0], []));
    expect(stageOf(s, masked)).toBe("user except item [2:4, 4:8], zero [0:2, 4:8]");
    const sum = s.pointwise("add", masked, x);
    expect(stageOf(s, sum)).toBe("item except user [0:2, :]");
    const norm = s.op({ kind: "normalize", norm: "layer", eps: 1e-5 }, sum);
    const w = s.param("w", [T, D, 3], []);
    const y = s.op(
      {
        kind: "einsum",
        operands: [
          [0, 1],
          [0, 1, 2],
        ],
        out: [0, 2],
      },
      norm,
      w,
    );
    expect(stageOf(s, y)).toBe("item except user [0:2, :]");
    const direct = s.op(
      {
        kind: "einsum",
        operands: [
          [0, 1],
          [0, 1, 2],
        ],
        out: [0, 2],
      },
      masked,
      w,
    );
    expect(stageOf(s, direct)).toBe("item except user [0:2, :]");
  });

  it("attention: keys of the user's sequence stay user; hidden scores are zero", () => {
    const s = new Sketch();
    const u = s.feature("user", "u", [3, 2], []);
    const v = s.feature("item", "v", [1, 2], []);
    const x = s.op({ kind: "concat", axis: 0 }, u, v);
    const scores = s.op(
      {
        kind: "einsum",
        operands: [
          [0, 2],
          [1, 2],
        ],
        out: [0, 1],
      },
      x,
      x,
    );
    expect(stageOf(s, scores)).toBe("user except item [:, 3:4], item [3:4, 0:3]");
    const causal = s.mask(
      Array.from({ length: 16 }, (_, i) => (i % 4 <= Math.floor(i / 4) ? 1 : 0)),
      [4, 4],
    );
    const hidden = s.pointwise("where", causal, scores, s.data([-Infinity], []));
    const weights = s.op({ kind: "softmax", axis: 1 }, hidden);
    expect(Array.from(elementsOf(s.builder.stageOf(weights)))).toEqual([
      2, 0, 0, 0, 2, 2, 0, 0, 2, 2, 2, 0, 3, 3, 3, 3,
    ]);
    const mixed = s.op(
      {
        kind: "einsum",
        operands: [
          [0, 1],
          [1, 2],
        ],
        out: [0, 2],
      },
      weights,
      x,
    );
    expect(stageOf(s, mixed)).toBe("user except item [3:4, :]");
    // Through a view, such as heads that are split off and put back.
    const turned = { id: s.builder.view(hidden, permuteMap([4, 4], [1, 0]), "turned").id };
    const turnedWeights = s.op({ kind: "softmax", axis: 0 }, turned);
    expect(
      Array.from(elementsOf(s.builder.stageOf(turnedWeights))).filter((level) => level === 0),
    ).toHaveLength(6);
  });

  it("a condition known at run time joins; two constant -inf arms are hidden all the same", () => {
    const s = new Sketch();
    const keep = s.pointwise("gt", s.feature("user", "u", [2], []), s.data([0], []));
    const v = s.feature("item", "v", [2], []);
    const zero = s.data([0, 0], [2]);
    expect(stageOf(s, s.pointwise("where", keep, zero, zero))).toBe("zero");
    expect(stageOf(s, s.pointwise("where", keep, v, zero))).toBe("item");
    const none = s.data([-Infinity], []);
    const low = s.pointwise("where", keep, s.builder.through(none, broadcastMap([], [2], [])), none);
    expect(stageOf(s, s.op({ kind: "softmax", axis: 0 }, low))).toBe("zero");
  });

  it("zeros: products, sums, functions, parameters", () => {
    const s = new Sketch();
    const u = s.feature("user", "u", [2], []);
    const half = s.data([0, 1], [2]);
    expect(stageOf(s, s.pointwise("mul", u, half))).toBe("user except zero [0:1]");
    expect(stageOf(s, s.pointwise("add", u, half))).toBe("user");
    expect(stageOf(s, s.pointwise("div", half, u))).toBe("user except zero [0:1]");
    expect(stageOf(s, s.pointwise("gelu", half))).toBe("load except zero [0:1]");
    expect(stageOf(s, s.pointwise("exp", half))).toBe("load");
    expect(stageOf(s, s.param("zeros", [2], []))).toBe("load");
    expect(stageOf(s, s.op({ kind: "pad", axis: 0, before: 1, after: 0, fill: 0 }, u))).toBe(
      "user except zero [0:1]",
    );
    expect(stageOf(s, s.op({ kind: "reduce", fn: "sum", axes: [0], keep: false }, half))).toBe("load");
    expect(stageOf(s, s.op({ kind: "einsum", operands: [[0], [1]], out: [0, 1] }, half, u))).toBe(
      "user except zero [0:1, :]",
    );
  });

  it("selection and gathers join along their axis", () => {
    const s = new Sketch();
    const u = s.feature("user", "u", [1, 2], []);
    const v = s.feature("item", "v", [1, 2], []);
    const x = s.op({ kind: "concat", axis: 0 }, u, v);
    expect(stageOf(s, s.op({ kind: "top_k_index", k: 1, axis: 1 }, x))).toBe("item except user [0:1, :]");
    expect(stageOf(s, s.op({ kind: "top_k_mask", k: 1, axis: 0 }, x))).toBe("item");
    const index = s.feature("user", "i", [3], [], { dtype: "i32" });
    expect(stageOf(s, s.op({ kind: "lookup" }, s.param("t", [5, 2], []), index))).toBe("user");
    expect(stageOf(s, s.op({ kind: "lookup" }, x, index))).toBe("item");
    const rows = s.op({ kind: "take", axis: 1 }, x, s.ints([0, 1], [2, 1]));
    expect(stageOf(s, rows)).toBe("item except user [0:1, :]");
  });

  it("a slice of user rows is user, though the rest is item", () => {
    const s = new Sketch();
    const head = s.builder.through(tokens(s), sliceMap([T, D], 0, 0, 2));
    expect(stageOf(s, head)).toBe("user");
  });

  it("with a batch axis a value has one stage", () => {
    const s = new Sketch();
    const u = s.feature("user", "u", [2], [], { batched: true });
    const zero = s.builder.through(s.data([0], []), broadcastMap([], ["R", 2], []));
    expect(stageOf(s, s.pointwise("mul", u, zero))).toBe("user");
    expect(stageOf(s, s.op({ kind: "by_request" }, u))).toBe("item");
  });
});
