/** Parameters in every storage type at awkward shapes: kernels decode what the reference is given. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { expectAgrees, F32, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** A table, products with one and with two summed axes, a bias, a gain, a mask: each read in its own way. */
const model = (precision: string): string => `
model m(T: int = 3, D: int = 6, K: int = 5, H: int = 2) {
  precision { ${precision} }
  table things(rows = 61, dim = 7)
  user { u: f32[T, D] }
  item { id: id in things, x: f32[T, D] }
  param w1: [T, D, K]
  param b1: [T, K]
  param w2: [H, T, K, D]
  param w3: [7, K]
  param gain: [D]
  y = gelu(einsum("t d, t d k -> t k", x + u, w1) + b1)
  z = einsum("t k, h t k d -> h d", y, w2) * gain
  e = einsum("c, c k -> k", id, w3)
  task score = concat(einsum("h d -> d", z), e)
}`;

const types = [
  "f16",
  "bf16",
  "int8 per channel",
  "int8 per channel asymmetric",
  "int8 per group(4)",
  "int8 per group(4) asymmetric",
  "int8 per group(3)",
  "fp8_e4m3",
  "fp8_e5m2",
];

/** Sizes that no block and no group divides, dealt among the types. */
const AWKWARD = [
  { T: 3, D: 6, K: 5, H: 2 },
  { T: 2, D: 13, K: 17, H: 3 },
];

describe.each(types)("everything stored as %s", (type) => {
  it.each([{ T: 1, D: 1, K: 1, H: 1 }, AWKWARD[types.indexOf(type) % 2], { T: 4, D: 16, K: 32, H: 2 }])(
    "agrees with the reference on the same values, %o",
    { timeout: 60_000 },
    async (set) => {
      await expectAgrees(device, model(`"**" = ${type}`), {
        set,
        sizes: [{ requests: 2, candidates: 5 }],
        tolerance: F32,
      });
    },
  );
});

/** 12 · 8 · 8 weights in a product that keeps their leading axis, and 61 rows of 7. */
const large = (precision: string): string => `
model m(T: int = 12, D: int = 8) {
  precision { ${precision} }
  table things(rows = 61, dim = 7)
  item { id: id in things, x: f32[T, D] }
  param w: [T, D, D]
  y = einsum("t d, t d k -> t k", x, w)
  task score = concat(rearrange(y, "t k -> (t k)"), id)
}`;

describe.each(["int8 per channel", "int8 per group(4)", "f16"])("%s above one binding", (type) => {
  it("is bound in slices, and rows of a table are gathered", { timeout: 60_000 }, async () => {
    const { plan } = await expectAgrees(device, large(`"**" = ${type}`), {
      sizes: [{ requests: 1, candidates: 1 }],
      limits: { storageBinding: 512, offsetAlignment: 16 },
    });
    const kernels = [...plan.kernels.user, ...plan.kernels.item];
    expect(kernels.some(({ slicing }) => slicing !== undefined)).toBe(true);
    const gathered = plan.values.some(({ home }) => home.kind === "rows");
    expect(gathered).toBe(type === "f16");
  });
});

it("reads four rows of four int8 weights in one load", { timeout: 60_000 }, async () => {
  const { plan, kernels } = await expectAgrees(device, model('"w1" = int8 per channel'), {
    set: { T: 2, D: 8, K: 32, H: 2 },
  });
  const w1 = plan.values.find(({ name }) => name === "w1");
  expect(w1?.packing).toMatchObject({ element: "int8", blocks: [1, 2] });
  const text = kernels.find(({ bindings }) => bindings.some(({ value }) => value === w1?.id))?.text ?? "";
  const loads = text.match(/= w1\[/g)?.length ?? 0;
  expect(loads).toBeGreaterThan(0);
  expect(text.match(/= unpack_int8_u32\(words\.[xyzw]\)/g)).toHaveLength(4 * loads);
});
