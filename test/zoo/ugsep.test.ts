import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { meaningOf, paramsRead } from "../support/meaning.ts";
import { expectAgrees, F32_EXP, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** U tokens of the user's and T - U of the candidate's, D wide, through `body`, which rebinds x. */
const model = (body: string, outputs = "task y = x"): string => `
use std.rankmixer
use std.tokenmixer
use std.ugsep
model m(T: int = 3, U: int = 1, D: int = 6) {
  user { u: f32[U, D] }
  item { g: f32[T - U, D] }
  x = concat(u, g)
  ${body}
  ${outputs}
}`;

const rankmixer = (options = ""): string => `repeat 2 as layers {
    x = ug_rankmixer_block(x, U, ratio = 1.5${options}) as block
  }`;
const swiglu = "per_token_swiglu(hidden = 3, down_scale = 1)";
const tokenmixer = (heads: number, options = ""): string => `repeat 2 as layers {
    x = ug_tokenmixer_block(x, U, heads = ${heads}, mix_reusable = ${swiglu}, mix_nonreusable = ${swiglu}, token_reusable = ${swiglu}, token_nonreusable = ${swiglu}${options}) as block
  }`;
const pyramid = "x = ug_pyramid_block(x, tokens = 3, reusable = 2, ratio = 1, heads = 2) as top";

describe("the separated mixing", () => {
  it("zeroes the group's slices in the user's rows and nothing else", () => {
    const [T, U, D] = [4, 2, 8];
    const text = model("x = ug_token_mixing(x, U)");
    const u = Array.from({ length: U * D }, (_, i) => i + 1);
    const g = Array.from({ length: (T - U) * D }, (_, i) => i + 101);
    const { y = [] } = meaningOf(text, { set: { T, U, D }, features: { u, g } });
    const x = [...u, ...g];
    const e = D / T;
    const expected = Array.from({ length: T * D }, (_, i) => {
      const [h, p] = [Math.floor(i / D), i % D];
      const t = Math.floor(p / e);
      return h < U && t >= U ? 0 : x[t * D + h * e + (p % e)];
    });
    expect(y).toEqual(expected);
  });

  it("projects the user's rows onto the group's: S_g + Σ_u P[g, u] S_u W", () => {
    const text = model("x = information_compensation(x, U) as c");
    const features = { u: [1, 2, 3, 5], g: [10, 20] };
    const params = { "c.p": [2, 7], "c.width.w": [1, 10, 100, 1000] };
    const { y } = meaningOf(text, { set: { T: 3, U: 2, D: 2 }, features, params });
    const [a, b] = [2 * 1 + 7 * 3, 2 * 2 + 7 * 5];
    expect(y).toEqual([1, 2, 3, 5, 10 + a + 100 * b, 20 + 10 * a + 1000 * b]);
    const plain = model("x = information_compensation(x, U, across = false, width = false) as c");
    expect(meaningOf(plain, { set: { T: 3, U: 2, D: 2 }, features }).y).toEqual([1, 2, 3, 5, 12, 23.5]);
  });
});

describe.each([
  ["RankMixer", { T: 3, U: 2, D: 6 }, rankmixer(", compensate = true"), 2],
  ["TokenMixer-Large, two heads of four tokens", { T: 4, U: 2, D: 6 }, tokenmixer(2), 2],
  ["a pyramid", { T: 6, U: 4, D: 6 }, pyramid, 2],
] as const)("%s", (_, set, body, users) => {
  const { T, U, D } = set;

  it("gives all candidates of a request the same user rows, and different group rows", () => {
    const given = { set, requests: 2, candidates: 4, request: [0, 1, 0, 1] };
    const { y = [] } = meaningOf(model(body), given);
    const unit = y.length / 4;
    const user = (n: number): readonly number[] => y.slice(n * unit, n * unit + users * D);
    const group = (n: number): readonly number[] => y.slice(n * unit + users * D, (n + 1) * unit);
    expect(user(2)).toEqual(user(0));
    expect(user(3)).toEqual(user(1));
    expect(user(1)).not.toEqual(user(0));
    expect(group(2)).not.toEqual(group(0));
    expect(U).toBeLessThan(T);
  });

  it("agrees with the reference on the device", { timeout: 240_000 }, async () => {
    await expectAgrees(device, model(body), { set, tolerance: F32_EXP });
  });
});

describe("other ratios of user to group tokens", () => {
  it.each([
    [{ T: 3, U: 1, D: 6 }, rankmixer()],
    [{ T: 5, U: 4, D: 5 }, tokenmixer(5, ", compensate = true, reusable = 3")],
  ] as const)("%o", { timeout: 240_000 }, async (set, body) => {
    await expectAgrees(device, model(body), { set });
  });
});

describe("reuse", () => {
  it("runs the reusable bank once a request and the other once a candidate", {
    timeout: 240_000,
  }, async () => {
    const { plan } = await expectAgrees(device, model(rankmixer()), { set: { T: 3, U: 2, D: 6 } });
    const banks = (stage: "user" | "item"): string[] =>
      paramsRead(plan, stage).filter((path) => path.includes("ffn"));
    const of = (bank: string): string[] =>
      [0, 1].flatMap((l) => ["b1", "b2", "w1", "w2"].map((p) => `layers.${l}.block.ffn.${bank}.${p}`));
    expect(banks("user")).toEqual(of("reusable"));
    expect(banks("item")).toEqual(of("nonreusable"));
  });

  it("leaves nothing for a candidate where the user's rows alone are read", {
    timeout: 240_000,
  }, async () => {
    const { plan } = await expectAgrees(device, model(rankmixer(), "task y = x[0:U]"), {
      set: { T: 3, U: 2, D: 6 },
    });
    expect(paramsRead(plan, "item")).toEqual([]);
    expect(plan.kernels.item.reduce((sum, { about }) => sum + about.flops, 0)).toBe(0);
  });
});
