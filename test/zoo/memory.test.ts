import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { readVector, transpose } from "../support/vectors.ts";
import { expectAgrees, expectVector, F32_EXP, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

const memory = (options: string): string => `
use std.memory
model m(U: int = 3, I: int = 4, side: int = 7, k: int = 3) {
  user { u: f32[U] }
  item { i: f32[I] }
  y = large_memory(u, i, side = side, k = k, dim = 5, hidden = [9], ${options}) as memory
  task y = y
}`;

describe.each([
  { U: 3, I: 4, side: 7, k: 3 },
  { U: 1, I: 1, side: 2, k: 1 },
  { U: 5, I: 2, side: 13, k: 13 },
])("the Large Memory Network, %o", (set) => {
  it.each([
    "heads = 1, key_dim = 6",
    'heads = 3, key_dim = 8, norm = "batch"',
    'heads = 2, key_dim = 4, norm = "layer"',
  ])("agrees with the reference, %s", { timeout: 60_000 }, async (options) => {
    await expectAgrees(device, memory(options), { set, tolerance: F32_EXP });
  });
});

it("reads a value table above one binding in slices", { timeout: 60_000 }, async () => {
  const { plan } = await expectAgrees(device, memory("heads = 2, key_dim = 6"), {
    set: { side: 29, k: 4 },
    limits: { storageBinding: 8192 },
    tolerance: F32_EXP,
  });
  // 29 · 29 rows of 5 numbers, padded to 8, take 26,912 bytes.
  const runs = plan.values.flatMap(({ home }) =>
    home.kind === "param" && home.path === "memory.memory.values" ? [home.rows] : [],
  );
  expect(runs).toEqual([
    { from: 0, to: 212 },
    { from: 212, to: 424 },
    { from: 424, to: 636 },
    { from: 636, to: 841 },
  ]);
});

it("finds the best slots of the whole grid", { timeout: 60_000 }, async () => {
  const { weights, inputs, outputs } = readVector("product_key_memory");
  const text = `
use std.memory
model m {
  item { x: f32[7] }
  q = memory_query(x, heads = 2, key_dim = 6, norm = "batch") as query
  slots, scores = product_key_search(q, side = 8, k = 3) as search
  task slots = float(slots)
  y = product_key_memory(x, side = 8, dim = 5, heads = 2, k = 3, key_dim = 6, norm = "batch") as memory
  task y = y
}`;
  const query = (path: string): (readonly [string, ReturnType<typeof weights>])[] => [
    [`${path}.linear.w`, transpose(weights("query.weight"))],
    [`${path}.linear.b`, weights("query.bias")],
    [`${path}.mean`, weights("norm.mean")],
    [`${path}.variance`, weights("norm.variance")],
    [`${path}.gain`, weights("norm.weight")],
    [`${path}.bias`, weights("norm.bias")],
  ];
  await expectVector(device, text, {
    weights: Object.fromEntries([
      ...query("query"),
      ["search.keys", weights("keys")],
      ...query("memory.query"),
      ["memory.search.keys", weights("keys")],
      ["memory.values", weights("values")],
    ]),
    inputs,
    outputs,
  });
});
