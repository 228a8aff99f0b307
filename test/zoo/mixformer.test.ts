import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { expectAgrees, F32_EXP, openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => device?.destroy());

/** U heads of the user's and G of the candidate's over a sequence of L events. */
const model = (options: string): string => `
use std.mixformer
model m(U: int = 2, G: int = 1, D: int = 6, L: int = 5) {
  user {
    u: f32[U, D]
    hist: seq[L] of { item: f32[4] }
  }
  item { i: f32[G, D] }
  x = concat(u, i)
  repeat 2 as layers {
    x = mixformer_block(x, hist.item, valid(hist)${options}) as block
  }
  task y = x
}`;

describe.each([
  { U: 2, G: 1, D: 6, L: 5 },
  { U: 1, G: 4, D: 10, L: 1 },
  { U: 3, G: 4, D: 7, L: 13 },
])("MixFormer, %o", (set) => {
  it.each(["", ", users = U, ratio = 1.5", ", users = U, per_head = false, bias = true, norm = layer_norm"])(
    "agrees with the reference%s",
    { timeout: 60_000 },
    async (options) => {
      await expectAgrees(device, model(options), { set, tolerance: F32_EXP });
    },
  );
});

it("decoupled, the user's heads are computed once a request", { timeout: 60_000 }, async () => {
  const rows = async (options: string): Promise<Set<unknown>> => {
    const { plan } = await expectAgrees(device, model(options), { tolerance: F32_EXP });
    const item = plan.values.filter((value) => /query_[gu]/.test(value.name) && value.shape[0] === "N");
    return new Set(item.map((value) => value.shape[1]));
  };
  expect(await rows("")).toEqual(new Set([3]));
  expect(await rows(", users = U")).toEqual(new Set([1]));
});
