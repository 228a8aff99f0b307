/** Every code of every storage type, decoded by a kernel: bit for bit what the codec says. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { e4m3, e5m2 } from "../../src/ir/codecs/float8.ts";
import { fromBf16Bits, fromF16Bits } from "../../src/ir/codecs/half.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";
import { graphOfSpec, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** Rows of a table, read whole. */
const model = (type: string, rows: number, dim: number): string => `
model m() {
  precision { "codes" = ${type} }
  table codes(rows = ${rows}, dim = ${dim})
  item { row: id in codes }
  task score = row
}`;

async function decoded(type: string, values: Float32Array, dim: number): Promise<Float32Array> {
  const rows = values.length / dim;
  const graph = graphOfSpec(model(type, rows, dim));
  const weights: WeightSource = {
    has: () => true,
    read: (_, start, count) => values.slice(start, start + count),
    release() {},
    close() {},
  };
  const engine = await loadKernelEngine(device, compileFor(graph, device.profile), weights, { poison: true });
  try {
    const user = await engine.user({}, { requests: 1 });
    const row = Int32Array.from({ length: rows }, (_, i) => i);
    const scores = await engine.score(user, { row }, { candidates: rows });
    return scores.get("score") ?? new Float32Array();
  } finally {
    engine.destroy();
  }
}

/** Every finite value of a format; a row's largest makes its scale 1. */
function finite(count: number, decodeOne: (code: number) => number): Float32Array {
  return Float32Array.from({ length: count }, (_, code) => {
    const value = decodeOne(code);
    return Number.isFinite(value) ? value : 0;
  });
}

/** The values in rows of `dim` whose last element is the format's largest, so that scales are 1. */
function rowsOf(values: Float32Array, dim: number, largest: number): Float32Array {
  const rows = Math.ceil(values.length / (dim - 1));
  return Float32Array.from({ length: rows * dim }, (_, i) => {
    const [row, column] = [Math.floor(i / dim), i % dim];
    return column === dim - 1 ? largest : (values[row * (dim - 1) + column] ?? 0);
  });
}

const integers = Float32Array.from({ length: 255 }, (_, i) => i - 127);

describe.each([
  ["f16", finite(2 ** 16, fromF16Bits), 256],
  ["f16", finite(2 ** 16, fromF16Bits), 512],
  // The smallest normal f32 is what a device may flush to zero.
  ["bf16", finite(2 ** 16, fromBf16Bits).map((v) => (Math.abs(v) < 2 ** -125 ? 0 : v)), 256],
  [
    "fp8_e4m3",
    rowsOf(
      finite(256, (code) => e4m3.values[code]),
      17,
      448,
    ),
    17,
  ],
  [
    "fp8_e5m2",
    rowsOf(
      finite(256, (code) => e5m2.values[code]),
      13,
      57344,
    ),
    13,
  ],
  ["int8 per channel", rowsOf(integers, 18, 127), 18],
] as const)("%s", (type, values, dim) => {
  it(`is decoded exactly, in rows of ${dim}`, { timeout: 60_000 }, async () => {
    const got = await decoded(type, values, dim);
    expect(got.length).toBe(values.length);
    const wrong = [...values.keys()].filter((i) => got[i] !== values[i]);
    expect(wrong.map((i) => [values[i], got[i]])).toEqual([]);
  });
});

it("int8 with zero points keeps zero exact", { timeout: 60_000 }, async () => {
  // [−1, 2]: a scale of 3/255 and a zero point of −43.
  const values = Float32Array.of(-1, 0, 2, 0.5, 1.25, 0, 0.1);
  const got = await decoded("int8 per channel asymmetric", values, 7);
  expect(got[1]).toBe(0);
  expect(got[5]).toBe(0);
  for (const [i, v] of values.entries()) expect(Math.abs(got[i] - v)).toBeLessThanOrEqual(3 / 255 / 2 + 1e-6);
});
