/** Score products: what becomes one kernel, what it may skip, and that pairs are never stored. */
import { describe, expect, it } from "vitest";
import { runPipeline } from "../../passes/pipeline.ts";
import { GraphBuilder } from "../../src/ir/build.ts";
import { printExpr } from "../../src/ir/expr.ts";
import type { Graph, Operand } from "../../src/ir/graph.ts";
import type { Plan, PlanValue } from "../../src/ir/plan.ts";
import { gpu, software } from "../../src/ir/profiles.ts";
import { partsOf, type ScoreStmt } from "../../src/ir/tile.ts";
import { type AttentionForm, attention, MASKS } from "../support/attention.ts";
import { expectEquivalent } from "../support/equivalence.ts";
import { seeded } from "../support/random.ts";

const BASE: AttentionForm = { queries: "item", keys: "user", H: 2, I: 7, J: 11, K: 8, E: 6, fn: "softmax" };

const kernelsOf = (plan: Plan) => [...plan.kernels.load, ...plan.kernels.user, ...plan.kernels.item];

function scoresOf(plan: Plan): ScoreStmt[] {
  return kernelsOf(plan)
    .flatMap(partsOf)
    .flatMap((k) => k.body.filter((s) => s.kind === "score"));
}

/** Values in memory with both the queries' and the keys' axis; constants of the model itself are its own. */
function pairsOf(plan: Plan, { I, J }: { I: number; J: number }): PlanValue[] {
  const made = plan.values.filter((v) => v.home.kind !== "constant" && v.home.kind !== "param");
  return made.filter((v) => v.shape.includes(I) && v.shape.includes(J));
}

describe("a score product", () => {
  it.each<[string, Partial<AttentionForm>]>([
    ["of the user's keys and the item's queries", {}],
    ["of the item's keys", { keys: "item" }],
    ["of the user alone", { queries: "user" }],
    ["of keys of both", { keys: "both" }],
    ["of one head", { H: 0 }],
    ["of one query", { I: 1 }],
    ["of a query without an axis", { I: 0, H: 3 }],
    ["of three keys", { J: 3, keys: "item" }],
    ["of keys of five channels and values of one", { K: 5, E: 1 }],
    ["of one channel", { K: 1, E: 3 }],
    ["with an activation for a softmax", { fn: "silu" }],
    ["with a bias by distance", { bias: true }],
    ["with a factor after the softmax", { gain: true }],
    ["with a residual", { epilogue: true }],
    ...MASKS.map((mask): [string, Partial<AttentionForm>] => [`masked by ${mask}`, { masks: [mask] }]),
    ...MASKS.map((mask): [string, Partial<AttentionForm>] => [
      `masked by ${mask}, of silu`,
      { masks: [mask], fn: "silu" },
    ]),
  ])("%s", (_, parts) => {
    const form = { ...BASE, ...parts };
    const { plan } = expectEquivalent(attention(form), { requests: 3, candidates: 7 });
    // With a single term the first contraction is a product of elements, and there is nothing to fuse.
    if (form.K > 1) expect(scoresOf(plan)).toHaveLength(1);
    if (form.I > 1 && form.J > 1 && form.K > 1) expect(pairsOf(plan, form)).toEqual([]);
  });

  it.each(Array.from({ length: 60 }, (_, seed) => seed))("of a random form, seed %i", (seed) => {
    const random = seeded(seed);
    const below = (n: number): number => Math.floor(random() * n);
    const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
    const I = below(10);
    const form: AttentionForm = {
      queries: pick(["user", "item"]),
      keys: pick(["user", "item", "both"]),
      H: below(4),
      I,
      J: 2 + below(20),
      K: 2 + below(8),
      E: 1 + below(9),
      fn: pick(["softmax", "silu"]),
      masks: MASKS.filter(() => random() < 0.3 && I > 1),
      bias: random() < 0.4,
      gain: random() < 0.4,
      epilogue: random() < 0.4,
    };
    if (form.queries === "user" && form.keys !== "user") return;
    const { plan } = expectEquivalent(
      attention(form),
      { requests: 1 + below(3), candidates: below(6) },
      seed,
      { profile: random() < 0.5 ? software : gpu },
    );
    expect(scoresOf(plan).length).toBeGreaterThanOrEqual(1);
  });
});

describe("LONGER's attention: the user's events and a candidate, which the events do not see", () => {
  const [EVENTS, T, H, D] = [23, 24, 2, 5];
  const longer = (fn: "softmax" | "silu"): Graph => {
    const b = new GraphBuilder();
    const side = (name: string): Operand => {
      const rows = (stage: "user" | "item", n: number): Operand =>
        b.feature({ name: `${name}.${stage}`, stage, dtype: "f32", shape: [n, H, D] });
      return b.add({ kind: "concat", axis: 0 }, [rows("user", EVENTS), rows("item", 1)], { path: name });
    };
    const [q, k, v] = [side("q"), side("k"), side("v")];
    let s: Operand = b.einsum(
      [
        [q, [1, 0, 3]],
        [k, [2, 0, 3]],
      ],
      [0, 1, 2],
      "scores",
    );
    const keep = Uint8Array.from({ length: T * T }, (_, n) => {
      const [i, j] = [Math.floor(n / T), n % T];
      return i === T - 1 || (j < EVENTS && j <= i) ? 1 : 0;
    });
    const nothing = b.constant(fn === "softmax" ? Number.NEGATIVE_INFINITY : 0);
    if (fn === "silu") s = b.pointwise("silu", [s], "activated");
    s = b.pointwise("where", [b.data(keep, [T, T], "keep"), s, nothing], "masked");
    if (fn === "softmax") s = b.add({ kind: "softmax", axis: 2 }, [s], { path: "weights" });
    const o = b.einsum(
      [
        [s, [0, 1, 2]],
        [v, [2, 0, 3]],
      ],
      [1, 0, 3],
      "o",
    );
    return b.finish({
      name: "longer",
      outputs: [{ name: "o", value: { id: o.id }, shape: [T, H, D] }],
      precision: { compute: "f32", parts: [], derived: [] },
      serve: { requests: 4, candidates: 64 },
    });
  };

  it.each(["softmax", "silu"] as const)(
    "%s: events are attended once a request, no pairs are stored",
    (fn) => {
      const { plan } = expectEquivalent(longer(fn), { requests: 3, candidates: 5 });
      const scores = (kernels: Plan["kernels"]["user"]): number =>
        kernels.flatMap(partsOf).filter((k) => k.body.some((s) => s.kind === "score")).length;
      expect(scores(plan.kernels.user)).toBe(1);
      expect(scores(plan.kernels.item)).toBe(1);
      const made = plan.values.filter((v) => v.home.kind !== "constant");
      const lengths = new Set<unknown>([EVENTS, T]);
      expect(made.filter((v) => v.shape.filter((n) => lengths.has(n)).length > 1)).toEqual([]);
    },
  );
});

describe("what a mask hides", () => {
  const visible = (masks: AttentionForm["masks"], fn: AttentionForm["fn"] = "softmax"): string[] => {
    const { plan } = runPipeline(attention({ ...BASE, masks, fn, H: 0, I: 9 }), { profile: software });
    const [score] = scoresOf(plan);
    const name = (id: number): string => plan.values[id]?.name ?? "?";
    const side = (e: ScoreStmt["a"] | undefined): string => (e ? printExpr(e, name) : "-");
    return [side(score?.visible?.from), side(score?.visible?.to)];
  };

  it.each<[AttentionForm["masks"], string, string]>([
    [["causal"], "-", "t + 1"],
    [["window"], "t - 2", "-"],
    [["length"], "-", "hist_length[request[n]]"],
    [["causal", "window"], "t - 2", "t + 1"],
    [["causal", "length"], "-", "min(hist_length[request[n]], t + 1)"],
    // A class is not a range.
    [["class"], "-", "-"],
    [["nothing"], "-", "-"],
  ])("%o is skipped", (masks, from, to) => {
    expect(visible(masks)).toEqual([from, to]);
    expect(visible(masks, "silu")).toEqual([from, to]);
  });
});

describe("no score product", () => {
  const normal = (path: string, shape: number[]) => ({
    path,
    shape,
    init: { kind: "normal", std: 1 } as const,
    table: false,
    training: false,
    storage: { element: "f32" } as const,
  });
  const finish = (b: GraphBuilder, outputs: readonly (readonly [Operand, number[]])[]): Graph =>
    b.finish({
      name: "other",
      outputs: outputs.map(([value, shape], i) => ({ name: `o${i}`, value: { id: value.id }, shape })),
      precision: { compute: "f32", parts: [], derived: [] },
      serve: { requests: 4, candidates: 64 },
    });
  const features = (b: GraphBuilder): readonly [Operand, Operand, Operand] => {
    const item = (name: string, shape: number[]): Operand =>
      b.feature({ name, stage: "item", dtype: "f32", shape });
    return [item("q", [5, 8]), item("k", [7, 8]), item("v", [7, 6])];
  };
  const first = (b: GraphBuilder, q: Operand, k: Operand): Operand =>
    b.einsum(
      [
        [q, [0, 2]],
        [k, [1, 2]],
      ],
      [0, 1],
      "s",
    );
  const second = (b: GraphBuilder, p: Operand, v: Operand): Operand =>
    b.einsum(
      [
        [p, [0, 1]],
        [v, [1, 3]],
      ],
      [0, 3],
      "o",
    );

  it("is an FFN: its weights are parameters", () => {
    const b = new GraphBuilder();
    const [x] = features(b);
    const h = b.einsum(
      [
        [x, [0, 2]],
        [b.param(normal("w1", [7, 8])), [1, 2]],
      ],
      [0, 1],
      "h",
    );
    const y = second(b, b.pointwise("silu", [h], "act"), b.param(normal("w2", [7, 6])));
    const { plan } = expectEquivalent(finish(b, [[y, [5, 6]]]), { requests: 1, candidates: 3 });
    expect(scoresOf(plan)).toEqual([]);
  });

  it("is a product of three, which has nothing between", () => {
    const b = new GraphBuilder();
    const [q, k, v] = features(b);
    const scaled = b.pointwise("mul", [first(b, q, k), b.constant(0.5)], "scaled");
    const { plan } = expectEquivalent(finish(b, [[second(b, scaled, v), [5, 6]]]), {
      requests: 1,
      candidates: 3,
    });
    expect(scoresOf(plan)).toEqual([]);
  });

  it("is attention whose weights are a task as well", () => {
    const b = new GraphBuilder();
    const [q, k, v] = features(b);
    const p = b.add({ kind: "softmax", axis: 1 }, [first(b, q, k)], { path: "p" });
    const graph = finish(b, [
      [second(b, p, v), [5, 6]],
      [p, [5, 7]],
    ]);
    const { plan } = expectEquivalent(graph, { requests: 1, candidates: 3 });
    expect(scoresOf(plan)).toEqual([]);
  });

  it("is a softmax that is more than multiplied afterwards", () => {
    const b = new GraphBuilder();
    const [q, k, v] = features(b);
    const p = b.add({ kind: "softmax", axis: 1 }, [first(b, q, k)], { path: "p" });
    const squared = b.pointwise("mul", [p, p], "squared");
    const { plan } = expectEquivalent(finish(b, [[second(b, squared, v), [5, 6]]]), {
      requests: 1,
      candidates: 3,
    });
    expect(scoresOf(plan)).toEqual([]);
  });

  it("is a softmax over the queries", () => {
    const b = new GraphBuilder();
    const [q, k, v] = features(b);
    const p = b.add({ kind: "softmax", axis: 0 }, [first(b, q, k)], { path: "p" });
    const { plan } = expectEquivalent(finish(b, [[second(b, p, v), [5, 6]]]), { requests: 1, candidates: 3 });
    expect(scoresOf(plan)).toEqual([]);
  });
});
