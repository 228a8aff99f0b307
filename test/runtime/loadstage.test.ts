/**
 * What depends on parameters alone runs once, when a model is loaded: Sinkhorn's iterations, composing matrices from a basis,
 * multiplying low-rank factors. No request runs any of it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor, type Variant } from "../../src/compile.ts";
import type { Stage } from "../../src/ir/graph.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { stageValues } from "../../src/runtime/inputs.ts";
import { graphOf } from "../model/harness.ts";
import { openZoo } from "../support/zoo.ts";

/** Free weights of the mixing: of no use to a request before Sinkhorn has made them doubly stochastic. */
const MIXERS = [
  { name: "Sinkhorn", block: "unimixing(x, size = 8, iterations = 3)", free: ["mix.across", "mix.inside"] },
  {
    name: "a basis, low rank and Sinkhorn",
    block: "unimixing_lite(x, size = 8, basis = 3, rank = 2, iterations = 3)",
    free: ["mix.z", "mix.omega", "mix.p", "mix.q"],
  },
];

/** The first two of four tokens are the user's, so that all three stages have work. */
function spec(block: string): string {
  return `use std.unimixer
model m(T: int = 4, D: int = 12) {
  user { u: f32[2, D] }
  item { g: f32[2, D] }
  own = token_linear(u, D) as own
  x = concat(own, g)
  x = x + ${block} as mix
  task y = sum(x)
}
`;
}

/** The parameters that a stage's kernels read. */
function paramsRead({ plan }: Variant, stage: Stage): Set<string> {
  const homes = plan.kernels[stage].flatMap(({ buffers }) =>
    buffers.map(({ value }) => plan.values[value].home),
  );
  return new Set(homes.flatMap((home) => (home.kind === "param" ? [home.path] : [])));
}

describe.each(MIXERS)("$name", ({ block, free }) => {
  let device: WebGpuDevice;
  let variant: Variant;
  beforeAll(async () => {
    device = await openZoo();
    variant = compileFor(graphOf(spec(block)), device.profile);
  }, 60_000);
  afterAll(() => device?.destroy());

  it("is computed by load kernels alone, which no request's kernel repeats", () => {
    expect(variant.graph.params.map(({ path }) => path).filter((path) => path.startsWith("mix."))).toEqual(
      free,
    );
    const atLoad = paramsRead(variant, "load");
    for (const path of free) expect(atLoad).toContain(path);
    for (const stage of ["user", "item"] as const) {
      const inCalls = paramsRead(variant, stage);
      for (const path of free) expect(inCalls).not.toContain(path);
      // Sinkhorn is the only exponential of the model.
      const ofStage = variant.graph.nodes.filter(({ program }) => program === stage);
      expect(ofStage.some(({ op }) => op.kind === "pointwise" && op.fn === "exp")).toBe(false);
    }
    // The user's own layer is the request's, which shows that its kernels are looked at.
    expect(paramsRead(variant, "user")).toContain("own.w");
  });

  it("leaves nothing behind that it alone reads", { timeout: 120_000 }, async () => {
    const weights = drawnWeights(variant.graph.params, { seed: 1, perturb: true });
    const bytes = async (options: { readonly inspect?: true }): Promise<number> => {
      const engine = await loadKernelEngine(device, variant, weights, options);
      try {
        return engine.stats().bytes;
      } finally {
        engine.destroy();
      }
    };
    const later = new Set([...paramsRead(variant, "user"), ...paramsRead(variant, "item")]);
    const { values } = variant.plan;
    const freed = values.filter(({ home }) => home.kind === "param" && !later.has(home.path));
    expect(freed.length).toBeGreaterThanOrEqual(free.length);
    const least = freed.reduce((sum, value) => sum + 4 * value.unit, 0);
    expect((await bytes({ inspect: true })) - (await bytes({}))).toBeGreaterThanOrEqual(least);
  });

  it("runs once however many requests follow", { timeout: 120_000 }, async () => {
    const { params, features } = variant.graph;
    const engine = await loadKernelEngine(device, variant, drawnWeights(params, { seed: 1, perturb: true }), {
      profile: true,
    });
    const runs = () => [...engine.stats().kernels].map(([name, { stage, runs }]) => ({ name, stage, runs }));
    try {
      const loaded = runs();
      expect(loaded.map(({ name }) => name).sort()).toEqual(
        variant.plan.kernels.load.map(({ name }) => name).sort(),
      );
      for (const { name, runs } of loaded) expect(runs, name).toBe(1);
      for (let call = 0; call < 3; call++) {
        const inputs = drawnInputs(features, { requests: 2, candidates: 5, seed: call });
        const user = await engine.user(stageValues(features, inputs, "user"));
        await engine.score(user, stageValues(features, inputs, "item"), { request: inputs.request });
        user.free();
      }
      const after = runs();
      for (const { name, stage, runs } of after) expect(runs, name).toBe(stage === "load" ? 1 : 3);
      expect(after.length).toBeGreaterThan(loaded.length);
    } finally {
      engine.destroy();
    }
  });
});
