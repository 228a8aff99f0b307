/**
 * Norms whose statistics products gather on the way, on the WebGPU device against the f64 reference: rows that are no multiple of
 * four, rows whose mean is a hundred times their deviation, tiles that are not full.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFor } from "../../src/compile.ts";
import { software } from "../../src/ir/profiles.ts";
import { partsOf } from "../../src/ir/tile.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { verify } from "../../src/runtime/verify.ts";
import { elaborateText } from "../model/harness.ts";
import { openZoo } from "../support/zoo.ts";

let device: WebGpuDevice;

beforeAll(async () => {
  device = await openZoo();
}, 60_000);

afterAll(() => device?.destroy());

/** Where a dispatch costs a second, no norm is worth a kernel of its own. */
const ceilings = { flops: 1e10, bandwidth: 1e10, load: 4e-9, dispatch: 1, workgroup: 3e-7, workers: 2 };

const model = (norm: string, width: number, shift: number): string => `
model m() {
  item { x: f32[3, 6] }
  y = linear(x, ${width}) + ${shift}
  s = ${norm}
  a = ${norm.includes("per") ? "token_linear(s, 7)" : "linear(s, 7, bias = false)"} as a
  b = token_linear(s, 9) as b
  task z = linear(gelu(a), 5) as last
  task w = linear(gelu(b), 5) as least
  serve { requests <= 1, candidates <= 64 }
}
use std.rankmixer
`;

const gathers = (profile: typeof software, norm: string, width: number, shift = 0, costs = ceilings) => {
  const { graph, diagnostics } = elaborateText(model(norm, width, shift));
  if (graph === undefined) throw new Error(JSON.stringify(diagnostics));
  const variant = compileFor(graph, profile, { ceilings: costs, reuseArena: false });
  const parts = variant.plan.kernels.item.flatMap(partsOf);
  const sums = (kind: string) => parts.filter((k) => k.body.some((s) => s.kind === kind));
  return { variant, within: sums("dot").filter((k) => k.body[0]?.kind !== "dot").length, parts };
};

describe("a norm that products alone read", () => {
  it.each(["layer_norm(y)", "rms_norm(y)", "l2_norm(y)", "layer_norm(y, affine = false)"])("%s", (norm) => {
    const { within, parts } = gathers(software, norm, 12);
    expect(within).toBe(2);
    expect(parts.every((k) => k.body.some((s) => s.kind === "dot"))).toBe(true);
  });

  it("keeps its kernel where it is read through a view that scatters it, or by something else", () => {
    expect(gathers(software, "layer_norm(y)", 10).within).toBe(2);
    expect(gathers(software, 'layer_norm(rearrange(y, "t (a b) -> t (b a)", b = 4))', 12).within).toBe(0);
    expect(gathers(software, "layer_norm(y) as norm\n  s = s + y", 12).within).toBe(0);
  });

  it("keeps its kernel where the model keeps the norm", () => {
    expect(gathers(software, "layer_norm(y) as norm\n  s = keep(s)", 12).within).toBe(0);
  });

  it("keeps its kernel where the products take longer over it", () => {
    expect(
      gathers(software, "layer_norm(y)", 12, 0, { ...ceilings, dispatch: 0, bandwidth: 1e12 }).within,
    ).toBe(0);
  });
});

describe.each(["layer_norm(y)", "rms_norm(y)", 'layer_norm(y, per = "t")'])("%s", (norm) => {
  it.each([
    [12, 0, 1e-5],
    [21, 0, 1e-5],
    [3, 0, 1e-5],
    [64, 100, 2e-5],
  ])("of %i elements about %f", { timeout: 300_000 }, async (width, shift, most) => {
    const { variant, within } = gathers(device.profile, norm, width, shift);
    expect(within).toBe(2);
    const weights = drawnWeights(variant.graph.params, { seed: 1, perturb: true });
    const engine = await loadKernelEngine(device, variant, weights, { inspect: true, poison: true });
    try {
      for (const candidates of [37, 1]) {
        const inputs = drawnInputs(variant.graph.features, { requests: 1, candidates, seed: candidates });
        const result = await verify({ ...variant, engine, inputs, weights });
        for (const { name, what, error } of [...result.kernels, ...result.tasks])
          expect(error, `${name}: ${what}, ${candidates} candidates`).toBeLessThanOrEqual(most);
      }
    } finally {
      engine.destroy();
    }
  });
});
