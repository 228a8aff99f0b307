import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { relativeError } from "../../src/runtime/verify.ts";
import { meaningOf, paramsRead } from "../support/meaning.ts";
import { readVector } from "../support/vectors.ts";
import { expectAgrees, expectVector, F32_EXP, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** A user token and T - 1 of the candidate's, D wide, through `body`, which rebinds x. */
const model = (body: string): string => `
use std.tokenmixer
use std.unimixer
model m(T: int = 3, D: int = 4, size: int = 6) {
  user { u: f32[1, D] }
  item { g: f32[T - 1, D] }
  x = concat(u, g)
  ${body}
  task y = x
}`;

const weights = (n: number, options: string): string => `
use std.unimixer
model m {
  param w: [${n}, ${n}] = normal
  user { u: f32 }
  task y = mixing_weights(w, ${options})
}`;

describe("mixing weights", () => {
  const rows = (m: readonly number[], n: number): number[][] =>
    Array.from({ length: n }, (_, i) => m.slice(i * n, (i + 1) * n));
  const total = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0);

  it.each([
    [5, 1],
    [7, 0.2],
  ])("with %d rows and τ = %d are symmetric and doubly stochastic", (n, tau) => {
    const { y = [] } = meaningOf(weights(n, `tau = ${tau}, iterations = 400`));
    const m = rows(y, n);
    for (const [i, row] of m.entries()) {
      expect(total(row)).toBeCloseTo(1, 6);
      expect(total(m.map((other) => other[i] ?? 0))).toBeCloseTo(1, 6);
      for (const [j, v] of row.entries()) {
        expect(v).toBeGreaterThan(0);
        expect(v).toBeCloseTo(m[j]?.[i] ?? Number.NaN, 6);
      }
    }
  });

  it("after one iteration are a row softmax with its columns normalised", () => {
    const w = [0.3, -1, 0.5, 2, 0.1, 0.7, -0.4, 1.1, 0];
    const { y = [] } = meaningOf(weights(3, "tau = 0.5, iterations = 1"), { params: { w } });
    const hot = rows(w, 3).map((row, i) => row.map((v, j) => Math.exp(v + (w[j * 3 + i] ?? 0))));
    const soft = hot.map((row) => row.map((v) => v / total(row)));
    const wanted = soft.map((row) => row.map((v, j) => v / total(soft.map((r) => r[j] ?? 0))));
    expect(relativeError(y, wanted.flat())).toBeLessThan(1e-7);
  });

  it("stay finite where exp(w / τ) overflows", { timeout: 240_000 }, async () => {
    const w = [400, -300, -300, 350];
    const { y } = meaningOf(weights(2, "tau = 0.05, iterations = 2"), { params: { w } });
    expect(relativeError(y ?? [], [1, 0, 0, 1])).toBeLessThan(1e-7);
    await expectAgrees(device, weights(5, "tau = 0.005, iterations = 2"), { tolerance: F32_EXP });
  });
});

describe("mixing blocks", () => {
  it("is RankMixer's token mixing where the weights are its permutation", () => {
    const [T, D] = [3, 6];
    const text = `
use std.rankmixer
use std.unimixer
model m {
  item { x: f32[${T}, ${D}], g: f32[${T * T}, ${T * T}], b: f32[${T * T}, ${D / T}, ${D / T}] }
  task y = mix_blocks(x, g, b)
  task wanted = token_mixing(x)
}`;
    const n = T * T;
    const g = Array.from({ length: n * n }, (_, i) => {
      const [to, from] = [Math.floor(i / n), i % n];
      return Math.floor(to / T) === from % T && to % T === Math.floor(from / T) ? 1 : 0;
    });
    const b = Array.from({ length: n }, () => [1, 0, 0, 1]).flat();
    const { y, wanted } = meaningOf(text, { features: { g, b } });
    expect(y).toEqual(wanted);
  });
});

describe("blocks agree with the reference", () => {
  const full = "unimixing(size = size, iterations = 2, tau = 0.3)";
  const lite = "unimixing_lite(size = size, basis = 2, rank = 3, iterations = 2, tau = 0.3)";
  const ffn = "per_token_swiglu(hidden = 3, bias = true, down_scale = 1)";

  it.each([
    [{ T: 3, D: 4, size: 6 }, `x = unimixer_block(x, mix = ${full}, ffn = ${ffn}) as block`],
    [{ T: 2, D: 5, size: 2 }, `x = unimixer_block(x, mix = ${lite}, ffn = ${ffn}) as block`],
    [
      { T: 2, D: 7, size: 7 },
      `x = unimixer_block(x, mix = ${full}, ffn = sparse_swiglu(experts = 3, active = 2, hidden = 2)) as block`,
    ],
    [
      { T: 5, D: 3, size: 5 },
      `y = x
      repeat 2 as layers {
        x, y = siamese(x, y, unimixer_block(mix = ${lite}, ffn = ${ffn}, residual = false)) as block
      }
      x = siamese_merge(x, y)`,
    ],
  ])("%o %s", { timeout: 240_000 }, async (set, body) => {
    const { plan } = await expectAgrees(device, model(body), { set, tolerance: F32_EXP });
    const mixing = /across|inside|omega|\.(z|p|q)$/;
    expect(paramsRead(plan, "load").filter((path) => mixing.test(path)).length).toBeGreaterThan(1);
    for (const stage of ["user", "item"] as const) {
      expect(paramsRead(plan, stage).filter((path) => mixing.test(path))).toEqual([]);
      expect(plan.kernels[stage].filter(({ name }) => name.includes("sinkhorn"))).toEqual([]);
    }
  });
});

describe("SiameseNorm", () => {
  it("keeps two streams: O = F(X + N(Y)), N(X + O), Y + O, and X + N(Y) at the end", () => {
    const text = `
use std.prelude
use std.unimixer
model m {
  item { a: f32[1, 2], b: f32[1, 2] }
  x, y = siamese(a, b, relu, norm = l2_norm(eps = 0))
  task x = x
  task y = y
  task merged = siamese_merge(a, b, norm = l2_norm(eps = 0))
}`;
    const { x, y, merged } = meaningOf(text, { features: { a: [-0.6, 0.2], b: [3, 4] } });
    const wanted = { y: [3, 5], x: [-0.6, 1.2].map((v) => v / Math.hypot(0.6, 1.2)), merged: [0, 1] };
    expect(relativeError(y ?? [], wanted.y)).toBeLessThan(1e-12);
    expect(relativeError(x ?? [], wanted.x)).toBeLessThan(1e-12);
    expect(relativeError(merged ?? [], wanted.merged)).toBeLessThan(1e-12);
  });
});

describe("vectors computed elsewhere, six blocks of four", () => {
  const vector = (mix: string): string => `
use std.unimixer
model m {
  item { x: f32[24] }
  y = ${mix} as mix
  task y = rearrange(y, "t d -> (t d)")
}`;
  const tokens = 'rearrange(x, "(t d) -> t d", t = 3)';

  it("UniMixing, symmetrised after Sinkhorn", { timeout: 240_000 }, async () => {
    const { weights: given, inputs, outputs } = readVector("unimixing");
    const [g, b] = [given("global_weights_logits"), given("local_weights_logits")];
    const options = "tau = 0.3, iterations = 3, before = false, after = true";
    await expectVector(
      device,
      vector(`unimixing(${tokens}, size = 4, ${options})`),
      { weights: { "mix.across": g, "mix.inside": b }, inputs, outputs: { y: outputs.y ?? g } },
      F32_EXP,
    );
    const text = `
use std.unimixer
model m {
  param g: [6, 6]
  param b: [6, 4, 4]
  user { u: f32 }
  task g = mixing_weights(g, ${options})
  task b = mixing_weights(b, ${options})
}`;
    const made = meaningOf(text, { params: { g: g.values, b: b.values } });
    expect(relativeError(made.g ?? [], outputs.W_G?.values ?? [])).toBeLessThan(1e-7);
    expect(relativeError(made.b ?? [], outputs.W_B?.values ?? [])).toBeLessThan(1e-7);
  });

  it("UniMixing-Lite, symmetrised before Sinkhorn", { timeout: 240_000 }, async () => {
    const { weights: given, inputs, outputs } = readVector("unimixing_lite");
    const options = "size = 4, basis = 3, rank = 5, tau = 0.3, iterations = 3";
    await expectVector(
      device,
      vector(`unimixing_lite(${tokens}, ${options})`),
      {
        weights: {
          "mix.z": given("z"),
          "mix.omega": given("omega"),
          "mix.p": given("a_g"),
          "mix.q": given("b_g"),
        },
        inputs,
        outputs: { y: outputs.y ?? given("z") },
      },
      F32_EXP,
    );
  });
});
