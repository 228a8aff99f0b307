/** Discontinuous choices: which nodes make them, when a device's choice is right, and that the reference goes on from it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { choiceOf, withChoices } from "../../src/ir/choices.ts";
import type { Node } from "../../src/ir/graph.ts";
import { uniform } from "../../src/ir/stage.ts";
import { checkChoice, checkRounding } from "../../src/runtime/choices.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { type InspectedEngine, type Verification, verify } from "../../src/runtime/verify.ts";
import { graphOf } from "../model/harness.ts";
import { openZoo } from "../support/zoo.ts";

/** A model of one item feature `x: f32[6]`, one user feature `u: f32[6]` and the body's task `y`. */
function spec(body: string): string {
  return `model m() {\n  user { u: f32[6] }\n  item {\n    x: f32[6]\n    n: i32\n  }\n${body}\n}\n`;
}

function choicesIn(body: string): string[] {
  const graph = graphOf(spec(body));
  return withChoices(graph).outputs.flatMap((output) => {
    const id = choiceOf(output);
    if (id === undefined) return [];
    const { op } = graph.nodes[id];
    return [op.kind === "pointwise" ? op.fn : op.kind];
  });
}

describe("a choice is", () => {
  it.each([
    ["task y = sum(top_k(x * 2, 2))", ["top_k_mask"]],
    ["task y = sum(take(x, top_k_index(x * 2, 2), 0))", ["top_k_index"]],
    ["task y = sum(where(x * 2 > 1, x, 0))", ["gt"]],
    ["task y = sum(floor(x * 2) + sign(x * 2))", ["floor", "sign"]],
    ["task y = sum(float(int(x * 2)))", ["to_i32"]],
    ["task y = sum((x * 2) // 0.5 + (x * 2) % 0.5)", ["floordiv", "mod"]],
  ])("%s", (body, expected) => {
    expect(choicesIn(body)).toEqual(expected);
  });

  it.each([
    ["features are the same numbers everywhere", "task y = sum(top_k(x, 2)) + sum(where(-x < 0.5, x, 0))"],
    ["so are integers", "task y = where(n + 2 > 3, x[0], x[1]) + float(n // 2)"],
    ["relu, max and abs do not jump", "task y = sum(relu(x * 2) + max(x * 2, 0) + abs(x * 2))"],
    ["nobody reads it", "dead = floor(x * 2)\n  task y = x[0]"],
  ])("none where %s", (_, body) => {
    expect(choicesIn(body)).toEqual([]);
  });

  it("one against a constant that f32 does not hold", () => {
    expect(choicesIn("task y = sum(where(x > 0.1, x, 0))")).toEqual(["gt"]);
    expect(choicesIn("task y = sum(where(x > 0.5, x, 0))")).toEqual([]);
  });
});

function nodeOf(op: Node["op"], shape: readonly number[]): Node {
  return {
    id: 0,
    op,
    inputs: [],
    type: { shape, dtype: "num" },
    stage: uniform(shape, 3),
    path: "p",
  };
}

/** Row-major values of one row a sample. */
function judge(op: Node["op"], chosen: number[], operands: number[][], length = chosen.length) {
  const shape = [op.kind === "top_k_index" ? op.k : length];
  const tensors = operands.map((data) => ({ shape: [1, data.length], dtype: "num" as const, data }));
  return checkChoice(nodeOf(op, shape), chosen, tensors, 1);
}

describe("a selection differs rightly", () => {
  const mask = { kind: "top_k_mask", k: 2, axis: 0 } as const;
  const index = { kind: "top_k_index", k: 2, axis: 0 } as const;
  const scores = [4, 1, 3, 3 - 2e-6];

  it("not at all where it is the reference's", () => {
    expect(judge(mask, [1, 0, 1, 0], [scores])).toMatchObject({ choices: 1, differing: 0, gap: 0 });
    expect(judge(index, [0, 2], [scores])).toMatchObject({ choices: 1, differing: 0, gap: 0 });
  });

  it("by how far the chosen are from the best, relative to the row's largest score", () => {
    // 3 against 3 − 2e-6 on the scale of 4.
    for (const checked of [judge(mask, [1, 0, 0, 1], [scores]), judge(index, [0, 3], [scores])]) {
      expect(checked).toMatchObject({ choices: 1, differing: 1 });
      expect(checked.gap).toBeCloseTo(5e-7, 12);
    }
  });

  it("by a whole score where the second and third are chosen for the first and second", () => {
    expect(judge(mask, [0, 0, 1, 1], [scores]).gap).toBeCloseTo(1 / 4, 12);
    expect(judge(index, [2, 0], [scores]).gap).toBeCloseTo(1 / 4, 12);
  });

  it.each([
    ["too many are chosen", mask, [1, 0, 1, 1]],
    ["too few are chosen", mask, [1, 0, 0, 0]],
    ["one is chosen twice", index, [0, 0]],
    ["one is outside", index, [0, 4]],
  ])("never where %s", (_, op, chosen) => {
    expect(judge(op, chosen, [scores], 4).gap).toBe(Infinity);
  });

  it("never where a masked score is chosen, but freely among masked ones", () => {
    expect(judge(mask, [1, 1, 0, 0], [[4, -Infinity, 3, -Infinity]]).gap).toBe(Infinity);
    expect(judge(mask, [1, 0, 0, 1], [[4, -Infinity, -Infinity, -Infinity]])).toMatchObject({
      differing: 1,
      gap: 0,
    });
  });

  it("along an axis that is not the last, row by row", () => {
    // [3, 2]: columns (1, 2, 3) and (6, 5, 4); the second column's choice is the worst.
    const op = { kind: "top_k_mask", k: 1, axis: 0 } as const;
    const data = [1, 6, 2, 5, 3, 4];
    const node = nodeOf(op, [3, 2]);
    const checked = checkChoice(node, [0, 0, 0, 0, 1, 1], [{ shape: [1, 3, 2], dtype: "num", data }], 1);
    expect(checked).toMatchObject({ choices: 2, differing: 1 });
    expect(checked.gap).toBeCloseTo(2 / 6, 12);
  });
});

describe("an element's choice differs rightly", () => {
  const pointwise = (fn: "lt" | "eq" | "floor" | "sign" | "to_i32" | "to_bool" | "floordiv" | "mod") =>
    ({ kind: "pointwise", fn }) as const;

  it.each([
    // The scale of each row is the 2 in its first place.
    [
      "lt",
      [1, 1],
      [
        [1, 0.5],
        [2, 0.5 - 2e-6],
      ],
      1e-6,
    ],
    [
      "lt",
      [0, 1],
      [
        [1, 0.5],
        [2, 0.5 + 2e-6],
      ],
      0.5,
    ],
    [
      "eq",
      [0, 1],
      [
        [2, 0.5],
        [1, 0.5 + 2e-6],
      ],
      1e-6,
    ],
    ["floor", [2, 1], [[2, 1 - 4e-6]], 2e-6],
    ["floor", [2, 0], [[2, 1 + 4e-6]], 2e-6],
    ["floor", [2, 3], [[2, 1]], 1],
    ["sign", [1, -1], [[2, 4e-6]], 2e-6],
    ["sign", [1, 0], [[2, 4e-6]], 2e-6],
    ["to_i32", [2, -1], [[2, -1 + 4e-6]], 2e-6],
    ["to_i32", [2, 0], [[2, -1 - 4e-6]], 2e-6],
    ["to_bool", [1, 0], [[2, 4e-6]], 2e-6],
    [
      "floordiv",
      [2, 1],
      [
        [1, 0.5 - 2e-6],
        [0.5, 0.5],
      ],
      2e-6,
    ],
  ] as const)("%s %j of %j is %d from a tie", (fn, chosen, operands, gap) => {
    const checked = judge(
      pointwise(fn),
      [...chosen],
      operands.map((row) => [...row]),
    );
    expect(checked).toMatchObject({ choices: 2, differing: 1 });
    expect(checked.gap).toBeCloseTo(gap, 11);
  });

  it("never where the step function has no such value", () => {
    expect(judge(pointwise("floor"), [0.5], [[0.5]]).gap).toBe(Infinity);
    expect(judge(pointwise("floor"), [Number.NaN], [[0.5]]).gap).toBe(Infinity);
  });

  it("in a remainder by the quotient alone: the reference goes on from its own remainder of the device's quotient", () => {
    // 1 − 1e-7 mod 0.5 is nearly 0.5; a device that takes 2 for the quotient gets nearly 0 from below.
    const checked = judge(pointwise("mod"), [-1.5e-7], [[1 - 1e-7], [0.5]]);
    expect(checked.differing).toBe(1);
    expect(checked.values[0]).toBeCloseTo(-1e-7, 15);
    // The quotient, 2 − 2e-7, is 1e-7 of itself from 2, and the remainder is 5e-8 off, 1e-7 of 0.5.
    expect(checked.gap).toBeCloseTo(1e-7, 12);
    expect(judge(pointwise("mod"), [0.3], [[1.25], [0.5]])).toMatchObject({ differing: 0 });
    expect(judge(pointwise("mod"), [0.3], [[1.25], [0.5]]).gap).toBeCloseTo(0.1 / 2.5, 12);
  });
});

describe("a number is rounded rightly", () => {
  const judged = (fn: "round_int8" | "round_e4m3", chosen: number[], x: number[], units?: number[]) =>
    checkRounding(fn, chosen, { shape: [x.length], dtype: "num", data: x }, units);

  it("to the code next to it, from a tie by how far that is, relative to all that is rounded", () => {
    expect(judged("round_int8", [4, 0], [4, 0.3])).toMatchObject({ choices: 2, differing: 0, gap: 0 });
    const other = judged("round_int8", [4, 1], [4, 0.5 - 2e-6]);
    expect(other).toMatchObject({ choices: 2, differing: 1 });
    expect([...other.values]).toEqual([4, 1]);
    expect(other.gap).toBeCloseTo(2e-6 / Math.hypot(4, 0.5), 12);
    // Between 1 and 1.125, where codes of three bits are 0.125 apart.
    expect(judged("round_e4m3", [4, 1.125], [4, 1.0625 - 4e-6]).gap).toBeCloseTo(
      4e-6 / Math.hypot(4, 1.0625),
      12,
    );
    expect(judged("round_e4m3", [4, 1], [4, 1.125]).gap).toBeCloseTo(0.0625 / Math.hypot(4, 1.125), 12);
  });

  it("in the units of before its scale: rows of small numbers count for less", () => {
    const [x, chosen] = [
      [4, 0.5 - 2e-6],
      [4, 1],
    ];
    expect(judged("round_int8", chosen, x, [10, 10]).gap).toBeCloseTo(2e-6 / Math.hypot(4, 0.5), 12);
    expect(judged("round_int8", chosen, x, [10, 1]).gap).toBeCloseTo(2e-6 / Math.hypot(40, 0.5), 13);
  });

  it("never to what is no code, and not to NaN", () => {
    expect(judged("round_int8", [0.5], [0.5]).gap).toBe(Infinity);
    expect(judged("round_e4m3", [Number.NaN], [1]).gap).toBe(Infinity);
    expect(judged("round_e4m3", [448], [1e9])).toMatchObject({ differing: 0, gap: 0 });
  });
});

describe("on the device", () => {
  let device: WebGpuDevice;
  beforeAll(async () => {
    device = await openZoo();
  }, 60_000);
  afterAll(() => device?.destroy());

  /** All of x · 1e-9 + 1 are the same number in f32: every order of them is the device's, the true one is the reference's. */
  const tied = "x * 0.000000001 + 1";

  async function verified(
    body: string,
    options: { wrap?: (engine: InspectedEngine) => InspectedEngine } = {},
  ): Promise<Verification> {
    const graph = graphOf(spec(body));
    const variant = compileFor(graph, device.profile, { reuseArena: false, choices: true });
    // One scale of activations, where the model rounds any: codes are the numbers themselves.
    const weights = { ...drawnWeights(graph.params, { seed: 1, perturb: true }), inputScaleOf: () => 1 };
    const engine = await loadKernelEngine(device, variant, weights, { inspect: true, poison: true });
    try {
      // Three requests, of which one has no candidate.
      const drawn = drawnInputs(graph.features, { requests: 3, candidates: 7, seed: 2 });
      const inputs = { ...drawn, request: Int32Array.from([0, 2, 2, 0, 0, 2, 0]) };
      const read = {
        user: engine.user.bind(engine),
        score: engine.score.bind(engine),
        read: engine.read.bind(engine),
      };
      return await verify({ ...variant, engine: options.wrap?.(read) ?? read, inputs, weights });
    } finally {
      engine.destroy();
    }
  }

  it.each([
    ["top_k_mask", `task y = sum(where(top_k_mask(${tied}, 2), x, 0))`, "item"],
    ["top_k_index", `task y = sum(take(x, top_k_index(${tied}, 3), 0) * float(iota(3)))`, "item"],
    ["gt", `task y = sum(where(${tied} > 1, x, -x))`, "item"],
    ["floor", `task y = sum(floor(${tied}) * x)`, "item"],
    [
      "top_k_mask",
      `g = top_k_mask(${tied.replace("x", "u")}, 2)\n task y = sum(where(g, x, 0)) + sum(where(g, u, 0))`,
      "user",
    ],
  ])("%s follows the device through near ties", async (what, body, stage) => {
    const said = await verified(body);
    expect(said.choices).toHaveLength(1);
    expect(said.choices[0]).toMatchObject({ what, stage });
    expect(said.choices[0].differing).toBeGreaterThan(0);
    expect(said.choices[0].gap).toBeLessThan(1e-8);
    expect(said.worst).toBeLessThanOrEqual(1e-5);
    expect(said.ok).toBe(true);
  });

  it("judges a choice of parameters, once", async () => {
    const said = await verified("param p: [6]\n  task y = sum(where(p * 2 > 0.5, x, -x))");
    expect(said.choices).toMatchObject([{ what: "gt", stage: "load", choices: 6 }]);
    expect(said.ok).toBe(true);
  });

  it("judges a choice by scores that follow from the choices before it", async () => {
    const body = `first = top_k(${tied}, 2) * x\n  task y = sum(where(top_k_mask(first * 3, 1), x, 0))`;
    const said = await verified(body);
    expect(said.choices.map(({ what }) => what)).toEqual(["top_k_mask", "top_k_mask"]);
    expect(said.choices[0].differing).toBeGreaterThan(0);
    expect(said.choices[1].differing).toBe(0);
    expect(said.ok).toBe(true);
  });

  /** Half a code and a billionth of x: in f32 a tie, in f64 the one side or the other. */
  const rounded = `
  precision { "w" = f32 inputs int8 per channel }
  param w: [6, 5]
  task y = einsum("d, d k -> k", keep(x * 0.000000001 + 2.5), w)`;

  it("goes on from roundings of what the device has stored", async () => {
    const said = await verified(rounded);
    expect(said.choices).toMatchObject([{ what: "round_int8", stage: "item", choices: 42 }]);
    expect(said.choices[0].differing).toBeGreaterThan(0);
    expect(said.choices[0].gap).toBeLessThan(1e-8);
    expect(said.worst).toBeLessThanOrEqual(1e-5);
    expect(said.kernels.length).toBeGreaterThan(0);
  });

  it("does not accept a rounding to a code that is not nearly the next", async () => {
    const said = await verified(rounded, {
      wrap: (engine) => ({
        ...engine,
        read: async (value) => {
          const { shape, data } = await engine.read(value);
          return { shape, data: shape[1] === 6 ? data.map((x) => x + 1) : data };
        },
      }),
    });
    expect(said.choices[0].differing).toBe(42);
    expect(said.choices[0].gap).toBeGreaterThan(0.3);
    expect(said.ok).toBe(false);
  });

  it("does not accept a choice that is not nearly the best", async () => {
    const said = await verified("task y = sum(where(top_k_mask(x * 2, 1), x, 0))", {
      wrap: (engine) => ({
        ...engine,
        read: async (value) => {
          const { shape, data } = await engine.read(value);
          // A choice is stored as integers: turned round, the one that was chosen is not, and the others are.
          return { shape, data: data instanceof Int32Array ? data.map((bit) => 1 - bit) : data };
        },
      }),
    });
    expect(said.choices[0].differing).toBe(7);
    expect(said.choices[0].gap).toBe(Infinity);
    expect(said.ok).toBe(false);
  });
});
