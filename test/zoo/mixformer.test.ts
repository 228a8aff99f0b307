import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { expectAgrees, F32_EXP, graphOfSpec, openZoo } from "../support/zoo.ts";

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

describe("MixFormer", () => {
  it.each([
    [{ U: 2, G: 1, D: 6, L: 5 }, ""],
    [{ U: 1, G: 4, D: 10, L: 1 }, ", users = U, ratio = 1.5"],
    [{ U: 3, G: 4, D: 7, L: 13 }, ", users = U, per_head = false, bias = true, norm = layer_norm"],
  ])("agrees with the reference, %o%s", { timeout: 60_000 }, async (set, options) => {
    await expectAgrees(device, model(options), { set, tolerance: F32_EXP });
  });
});

it("decoupled, the user's heads are computed once a request", () => {
  const rows = (options: string): Set<unknown> => {
    const { plan } = compileFor(graphOfSpec(model(options)), device.profile);
    const queries = plan.values.filter(({ name, shape }) => /query_y/.test(name) && shape[0] === "N");
    return new Set(queries.map(({ shape }) => shape[1]));
  };
  expect(rows("")).toEqual(new Set([3]));
  expect(rows(", users = U")).toEqual(new Set([1]));
});
