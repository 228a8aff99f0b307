import { afterAll, beforeAll, describe, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { readVector } from "../support/vectors.ts";
import { expectAgrees, expectVector, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

describe("pairwise dots", () => {
  it.each([
    { T: 2, D: 3, self: false, upper: false },
    { T: 1, D: 5, self: true, upper: false },
    { T: 5, D: 7, self: false, upper: true },
    { T: 7, D: 4, self: true, upper: true },
    { T: 27, D: 5, self: false, upper: false },
  ])("agree with the reference, %o", { timeout: 60_000 }, async (set) => {
    const text = `
use std.dlrm
model m(T: int = 2, D: int = 3, self: bool = false, upper: bool = false) {
  item { x: f32[T, D] }
  task y = pairwise_dots(x, self, upper)
}`;
    await expectAgrees(device, text, { set });
  });

  // Tokens 1, 10, 100, 1000 of one channel: the product of two names the pair.
  const powers = (flags: string): string => `
use std.dlrm
model m {
  item { x: f32[4, 1] }
  task y = pairwise_dots(x, ${flags})
}`;
  it.each([
    ["self = false, upper = false", [10, 100, 1e3, 1e3, 1e4, 1e5]],
    ["self = true, upper = false", [1, 10, 100, 100, 1e3, 1e4, 1e3, 1e4, 1e5, 1e6]],
    ["self = false, upper = true", [10, 100, 1e3, 1e3, 1e4, 1e5]],
    ["self = true, upper = true", [1, 10, 100, 1e3, 100, 1e3, 1e4, 1e4, 1e5, 1e6]],
  ])("stand in the stated order, %s", { timeout: 60_000 }, async (flags, values) => {
    await expectVector(device, powers(flags), {
      weights: {},
      inputs: { x: { shape: [1, 4, 1], values: [1, 10, 100, 1000] } },
      outputs: { y: { shape: [1, values.length], values } },
    });
  });
});

it("the whole model agrees with the reference", { timeout: 60_000 }, async () => {
  const text = `
use std.dlrm
model m(F: int = 5, D: int = 6) {
  user { a: f32[2, D] }
  item {
    dense: f32[7]
    b: f32[F - 2, D]
  }
  task y = sigmoid(dlrm(dense, concat(a, b), bottom = [9], top = [11, 5]))
}`;
  await expectAgrees(device, text);
  await expectAgrees(device, text, { set: { F: 3, D: 13 } });
});

it("gives a vector computed elsewhere", { timeout: 60_000 }, async () => {
  const { inputs, outputs } = readVector("dlrm_interaction");
  const text = `
use std.dlrm
model m {
  item {
    dense: f32[5]
    sparse: f32[4, 5]
  }
  task y = dlrm_interaction(dense, sparse)
}`;
  await expectVector(device, text, { weights: {}, inputs, outputs });
});
