import { describe, expect, it } from "vitest";
import type { Init, ParamInfo } from "../../src/ir/graph.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { bitsAt, mix32, normalQuantile, streamKey, uniformAt } from "../../src/runtime/random.ts";

const MASK = 2n ** 32n - 1n;

/** The same function on unbounded integers, straight from its definition. */
function mixBig(x: bigint): bigint {
  let h = x & MASK;
  h = ((h ^ (h >> 16n)) * 0x21f0aaadn) & MASK;
  h = ((h ^ (h >> 15n)) * 0xd35a2d97n) & MASK;
  return h ^ (h >> 15n);
}

function keyBig(seed: bigint, name: string): { a: bigint; b: bigint } {
  let a = mixBig(seed ^ 0x9e3779b9n);
  let b = mixBig((seed >> 32n) ^ a ^ 0x7f4a7c15n);
  for (const c of name) {
    a = mixBig(a ^ BigInt(c.charCodeAt(0)));
    b = mixBig(b + a);
  }
  return { a, b };
}

function bitsBig(key: { a: bigint; b: bigint }, index: bigint): bigint {
  const high = ((index >> 32n) * 0x85ebca6bn) & MASK;
  return mixBig(mixBig((index & MASK) ^ key.a) + (key.b ^ high));
}

describe("the generator", () => {
  it("agrees with its definition on unbounded integers", () => {
    for (const x of [0, 1, 2, 0x7fffffff, -1, -2147483648, 123456789]) {
      expect(mix32(x) >>> 0).toBe(Number(mixBig(BigInt(x >>> 0))));
    }
    for (const [seed, name] of [
      [0, "w"],
      [42, "layers.0.block.ffn.w1"],
      [2 ** 40 + 5, "x"],
    ] as const) {
      const key = streamKey(seed, name);
      for (const index of [0, 1, 7, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3]) {
        expect(bitsAt(key, index) >>> 0).toBe(Number(bitsBig(keyBig(BigInt(seed), name), BigInt(index))));
      }
    }
  });

  it("is uniform: χ² of 256 cells over 2²⁰ values", () => {
    const key = streamKey(1, "uniform");
    const cells = new Float64Array(256);
    const count = 2 ** 20;
    for (let i = 0; i < count; i++) cells[Math.floor(uniformAt(key, i) * 256)] += 1;
    const mean = count / 256;
    const chi = cells.reduce((sum, seen) => sum + (seen - mean) ** 2 / mean, 0);
    // 255 degrees of freedom: mean 255, standard deviation √510 ≈ 22.6; five of them either way.
    expect(Math.abs(chi - 255)).toBeLessThan(5 * Math.sqrt(510));
  });

  it("neighbouring elements, seeds and names are uncorrelated", () => {
    const count = 2 ** 16;
    const correlation = (f: (i: number) => number, g: (i: number) => number): number => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += (f(i) - 0.5) * (g(i) - 0.5);
      return (sum / count) * 12;
    };
    const key = streamKey(1, "w");
    const base = (i: number): number => uniformAt(key, i);
    for (const other of [streamKey(2, "w"), streamKey(1, "v"), streamKey(1, "ww")]) {
      expect(Math.abs(correlation(base, (i) => uniformAt(other, i)))).toBeLessThan(5 / Math.sqrt(count));
    }
    expect(Math.abs(correlation(base, (i) => base(i + 1)))).toBeLessThan(5 / Math.sqrt(count));
  });

  it("inverts the normal distribution: tabulated quantiles", () => {
    // Quantiles from the standard tables of the normal distribution.
    for (const [p, z] of [
      [0.5, 0],
      [0.8413447460685429, 1],
      [0.975, 1.959963984540054],
      [0.99, 2.3263478740408408],
      [0.9986501019683699, 3],
      [0.001, -3.090232306167813],
      [1e-9, -5.997807015008182],
    ] as const) {
      expect(normalQuantile(p)).toBeCloseTo(z, 7);
    }
  });
});

function param(path: string, shape: number[], init: Init, table = false): ParamInfo {
  return { path, shape, init, table, training: false, storage: { element: "f32" } };
}

describe("drawn weights", () => {
  const params = [
    param("w", [100, 50], { kind: "xavier", scale: 2 }),
    param("n", [10000], { kind: "normal", std: 0.5 }),
    param("gain", [64], { kind: "ones" }),
    param("bias", [64], { kind: "zeros" }),
    param("table", [1_000_000_000, 64], { kind: "normal", std: 1 }, true),
  ];

  it("do not depend on the order or the ranges in which they are read", () => {
    const whole = drawnWeights(params, { seed: 9 }).read("w", 0, 5000);
    const pieces = drawnWeights(params, { seed: 9 });
    pieces.read("n", 17, 3);
    expect(pieces.read("w", 4000, 1000)).toEqual(whole.subarray(4000));
    expect(pieces.read("w", 3, 4)).toEqual(whole.subarray(3, 7));
    expect(drawnWeights(params, { seed: 10 }).read("w", 0, 5000)).not.toEqual(whole);
  });

  it("follow their initialisers", () => {
    const weights = drawnWeights(params);
    const bound = 2 * Math.sqrt(6 / 150);
    const w = weights.read("w", 0, 5000);
    const largest = w.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largest).toBeLessThanOrEqual(Math.fround(bound));
    expect(largest).toBeGreaterThan(0.99 * bound);
    const n = weights.read("n", 0, 10000);
    const mean = n.reduce((a, b) => a + b, 0) / n.length;
    const variance = n.reduce((a, b) => a + (b - mean) ** 2, 0) / n.length;
    expect(Math.abs(mean)).toBeLessThan((5 * 0.5) / 100);
    expect(Math.abs(variance - 0.25)).toBeLessThan(5 * 0.25 * Math.sqrt(2 / 10000));
    expect(weights.read("gain", 0, 64)).toEqual(new Float32Array(64).fill(1));
    expect(weights.read("bias", 0, 64)).toEqual(new Float32Array(64));
  });

  it("perturbed: no gain is one, no bias zero, and they stay near", () => {
    const weights = drawnWeights(params, { perturb: true });
    for (const [path, centre] of [
      ["gain", 1],
      ["bias", 0],
    ] as const) {
      const values = weights.read(path, 0, 64);
      expect(values.every((value) => value !== centre && Math.abs(value - centre) < 0.7)).toBe(true);
      expect(new Set(values).size).toBe(64);
    }
  });

  it("draw rows of a table far larger than memory", () => {
    const weights = drawnWeights(params);
    const row = weights.read("table", 999_999_999 * 64, 64);
    expect(row).toHaveLength(64);
    expect(weights.read("table", 999_999_999 * 64 + 63, 1)[0]).toBe(row[63]);
    // Elements 2³² apart must not be the same.
    expect(weights.read("table", 999_999_999 * 64 - 2 ** 32, 64)).not.toEqual(row);
  });

  it("keep whole parameters and hand out views of them", () => {
    const weights = drawnWeights(params);
    const whole = weights.read("w", 0, 5000);
    expect(weights.read("w", 0, 5000)).toBe(whole);
    expect(weights.read("w", 10, 5).buffer).toBe(whole.buffer);
    weights.release();
    expect(weights.read("w", 0, 5000)).not.toBe(whole);
  });
});
