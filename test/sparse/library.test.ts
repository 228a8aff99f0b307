/** The library's own mixtures of experts run sparsely: how they are written is enough for the gate to be known. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runPipeline } from "../../passes/pipeline.ts";
import type { Plan } from "../../src/ir/plan.ts";
import { gpu } from "../../src/ir/profiles.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { allKernels } from "../../src/variant.ts";
import { expectAgrees, graphOfSpec, openZoo } from "../support/zoo.ts";

const model = (use: string, body: string): string => `
use std.${use}
model m(U: int = 4, G: int = 4, D: int = 64) {
  user { u: f32[U, D] }
  item { i: f32[G, D] }
  tokens x: [U + G, D] {
    user_tokens[U] = u
    item_tokens[G] = i
  }
  ${body}
  task score = sum(y)
  serve { requests <= 8, candidates <= 65536 }
}
`;

/** All tokens belong to the candidate: few kernels, for devices that take long to compile one. */
const itemModel = (use: string, body: string): string => `
use std.${use}
model m() {
  item { x: f32[2, 12] }
  ${body}
  task score = sum(y)
  serve { requests <= 8, candidates <= 65536 }
}
`;

function compiled(spec: string): { readonly plan: Plan; readonly said: readonly string[] } {
  const said: string[] = [];
  const { plan } = runPipeline(graphOfSpec(spec), { profile: gpu, onExplain: (s) => said.push(s) });
  return { plan, said };
}

describe("the library's mixtures", () => {
  it("TokenMixer-Large: gate, up and down projections of the chosen experts of the candidate's tokens", () => {
    const { plan } = compiled(
      model("tokenmixer", "y = sparse_swiglu(x, experts = 8, active = 2, ratio = 2) as moe"),
    );
    // Tokens of the user stay in the user program, whose few rows keep them dense or not by themselves.
    const kernels = plan.kernels.item.filter((k) => k.indirect);
    expect(kernels.flatMap((k) => k.body.filter((s) => s.kind === "dot"))).toHaveLength(3);
  });

  it("RankMixer: experts whose gate is positive", () => {
    const { plan, said } = compiled(
      model("rankmixer", "y, gate = relu_moe(x, experts = 8, ratio = 2) as moe"),
    );
    expect(plan.kernels.item.filter((k) => k.indirect)).toHaveLength(2);
    expect(said.join("\n")).toContain("at most 32 of 32 for each candidate");
  });
});

describe("on the device", () => {
  let device: WebGpuDevice;
  beforeAll(async () => {
    device = await openZoo();
  });
  afterAll(() => device.destroy());

  it.each([
    [
      "TokenMixer-Large's mixture",
      "tokenmixer",
      "y = sparse_swiglu(x, experts = 4, active = 2, hidden = 8, down_scale = 1) as moe",
    ],
    ["RankMixer's mixture", "rankmixer", "y, gate = relu_moe(x, experts = 3, hidden = 12) as moe"],
  ])(
    "%s agrees with the reference",
    async (_, use, body) => {
      const sizes = [{ requests: 2, candidates: 21 }];
      const { plan } = await expectAgrees(device, itemModel(use, body), { sizes, asServed: true });
      expect(allKernels(plan).some((k) => k.indirect)).toBe(true);
    },
    120_000,
  );
});
