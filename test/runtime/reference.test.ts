import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/ir/build.ts";
import type { FeatureInfo, Graph, ParamInfo } from "../../src/ir/graph.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { ReferenceEngine } from "../../src/runtime/engine/reference.ts";
import { stageValues } from "../../src/runtime/inputs.ts";
import { relativeError } from "../../src/runtime/verify.ts";

const features: FeatureInfo[] = [
  { name: "u", stage: "user", dtype: "f32", shape: [3] },
  { name: "x", stage: "item", dtype: "f32", shape: [3] },
];
const w: ParamInfo = {
  path: "w",
  shape: [3],
  init: { kind: "normal", std: 1 },
  table: false,
  training: false,
  storage: { element: "f32" },
};

/** both[n] = x[n] + u[r] · w, [3]; alone = w[d] · w[d], which depends on no candidate. */
function model(): Graph {
  const builder = new GraphBuilder();
  const [user, item] = features.map((feature) => builder.feature(feature));
  if (user === undefined || item === undefined) throw new Error("no features");
  const weight = builder.param(w);
  const scaled = builder.pointwise("mul", [{ id: user.id }, { id: weight.id }], "scaled");
  const both = builder.pointwise("add", [{ id: item.id }, { id: scaled.id }], "both");
  const alone = builder.pointwise("mul", [{ id: weight.id }, { id: weight.id }], "alone");
  return {
    ...builder.finish({
      name: "m",
      outputs: [
        { name: "both", value: { id: both.id }, shape: [3] },
        { name: "alone", value: { id: alone.id }, shape: [3] },
      ],
      precision: { compute: "f32", parts: [], derived: [] },
      serve: { requests: 1, candidates: 1 },
    }),
  };
}

describe("the reference engine", () => {
  const weights = drawnWeights([w], { seed: 4 });
  const engine = new ReferenceEngine(model(), weights);
  const [w0 = 0, w1 = 0, w2 = 0] = weights.read("w", 0, 3);

  it("scores as the formula says, for candidates of several handles", async () => {
    const call = drawnInputs(features, { requests: 3, candidates: 8, seed: 6, shuffled: true });
    const u = call.features.get("u") ?? new Float32Array();
    const x = call.features.get("x") ?? new Float32Array();
    const one = await engine.user({ u: u.subarray(0, 6) });
    const two = await engine.user({ u: u.subarray(6) });
    const scores = await engine.score([one, two], stageValues(features, call, "item"), {
      request: call.request,
    });
    const wanted = Float32Array.from(x, (value, i) => {
      const request = call.request[Math.floor(i / 3)] ?? 0;
      return value + (u[request * 3 + (i % 3)] ?? 0) * ([w0, w1, w2][i % 3] ?? 0);
    });
    expect(relativeError(scores.get("both") ?? [], wanted)).toBeLessThan(1e-7);
    const squares = Float32Array.from({ length: 24 }, (_, i) => [w0, w1, w2][i % 3] ?? 0).map(
      (value) => value * value,
    );
    expect(relativeError(scores.get("alone") ?? [], squares)).toBeLessThan(1e-7);
    expect(engine.stats().stageMs.item).toBeGreaterThan(0);
  });

  it("keeps a request's features even if the caller's array changes", async () => {
    const u = Float32Array.of(1, 0, 0);
    const user = await engine.user({ u });
    u.fill(9);
    const scores = await engine.score(user, { x: [0, 0, 0] });
    expect(scores.get("both")).toEqual(Float32Array.of(w0, 0, 0));
  });

  it("gives empty scores for no candidates, and refuses what is not its own", async () => {
    const user = await engine.user({ u: [1, 2, 3] });
    expect(await engine.score(user, { x: [] })).toEqual(
      new Map([
        ["both", new Float32Array()],
        ["alone", new Float32Array()],
      ]),
    );
    user.free();
    await expect(engine.score(user, { x: [1, 2, 3] })).rejects.toMatchObject({ code: "RMX0709" });
    await expect(engine.user({ u: [1, NaN, 3] })).rejects.toMatchObject({ code: "RMX0708" });
  });
});

describe("relative error", () => {
  it("is ‖a − e‖ / ‖e‖", () => {
    expect(relativeError([3, 4], [3, 4])).toBe(0);
    expect(relativeError([3, 5], [3, 4])).toBeCloseTo(1 / 5, 12);
    expect(relativeError([0, 0], [3, 4])).toBe(1);
    expect(relativeError([], [])).toBe(0);
  });

  it("is the root mean square where everything expected is 0", () => {
    expect(relativeError([0, 0], [0, 0])).toBe(0);
    expect(relativeError([3, 4], [0, 0])).toBeCloseTo(Math.sqrt(12.5), 12);
  });

  it("is infinite where one side is not finite, or both are NaN, or sizes differ", () => {
    expect(relativeError([NaN, 1], [1, 1])).toBe(Infinity);
    expect(relativeError([NaN, 1], [NaN, 1])).toBe(Infinity);
    expect(relativeError([Infinity, 1], [1, 1])).toBe(Infinity);
    expect(relativeError([Infinity, 1], [Infinity, 1])).toBe(0);
    expect(relativeError([Infinity], [-Infinity])).toBe(Infinity);
    expect(relativeError([1], [1, 1])).toBe(Infinity);
  });
});
