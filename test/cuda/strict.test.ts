/** What the host run is worth: a text that is wrong by a little fails, and so does one that a device might run by luck. */
import { describe, expect, it } from "vitest";
import { compileFor, type Variant } from "../../src/compile.ts";
import { sm_80 } from "../../src/ir/profiles.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { HostProgram } from "./host.ts";

const SPEC = `
model m {
  item { x: f32[3, 21] }
  param w: [3, 21, 10]
  task y = gelu(einsum("t d, t d k -> t k", x, w))
}`;

/** The same with both operands of 16 bits: they are copied while others are multiplied. */
const COPIED = `
model m {
  item { x: f32[3, 21] }
  param w: [3, 21, 130]
  param v: [3, 130, 10]
  h = gelu(einsum("t d, t d k -> t k", x, w))
  task y = einsum("t k, t k d -> t d", h, v)
  precision { compute = bf16, "**" = bf16 }
}`;

/** The task's values with every kernel's text changed. */
function scores(change: (text: string) => string, spec = SPEC): ArrayLike<number> {
  const graph = graphOfSpec(spec);
  const variant: Variant = compileFor({ ...graph, serve: { requests: 1, candidates: 9 } }, sm_80, {
    reuseArena: false,
  });
  const kernels = variant.kernels.map((kernel) => ({ ...kernel, text: change(kernel.text) }));
  expect(kernels.some(({ text }, i) => text !== variant.kernels[i]?.text)).toBe(true);
  const program = new HostProgram({ ...variant, kernels });
  try {
    const inputs = drawnInputs(graph.features, { requests: 1, candidates: 9, seed: 4 });
    const run = program.run(inputs, drawnWeights(graph.params, { seed: 4 }));
    const output = variant.plan.outputs.find(({ task }) => task === "y");
    return run.read(output?.value ?? -1).data;
  } finally {
    program.close();
  }
}

describe("the host run", { timeout: 60_000 }, () => {
  it("shows a wrong constant, a missing barrier and an index that is off by one", () => {
    const right = Array.from(scores((text) => `${text}\n`));
    expect(right.every(Number.isFinite)).toBe(true);
    for (const change of [
      (text: string) => text.replace("0.70710678f", "0.7f"),
      (text: string) => text.replace("__syncthreads();", ""),
      (text: string) => text.replace(/(\ba_tile\[)([^\]]+\] = )/, "$11 + $2"),
    ]) {
      expect(Array.from(scores(change))).not.toEqual(right);
    }
  });

  it("shows what was not waited for, or not long enough, or by one thread alone", () => {
    const right = Array.from(scores((text) => `${text}\n`, COPIED));
    expect(right.every(Number.isFinite)).toBe(true);
    for (const change of [
      (text: string) => text.replace(/^ +wait_async_\d\(\);$/m, ""),
      (text: string) => text.replace(/wait_group (\d)/, (_, n: string) => `wait_group ${Number(n) + 1}`),
      (text: string) => text.replace(/(wait_async_\d\(\);\n +)__syncthreads\(\);/, "$1"),
      (text: string) => text.replace("[%1], 16, %2", "[%1], 16"),
    ]) {
      expect(Array.from(scores(change, COPIED))).not.toEqual(right);
    }
  });

  it("ends where threads part ways", () => {
    const some = (text: string) => text.replace("__syncthreads();", "if (threadIdx.x > 5) __syncthreads();");
    expect(() => scores(some)).toThrow(/threads|barrier/);
    const lane = (text: string) =>
      text.replace(
        "__syncthreads();",
        "if (threadIdx.x != 3) __shfl_sync(0xffffffffu, 1, 0); __syncthreads();",
      );
    expect(() => scores(lane)).toThrow(/collective|threads/);
  });

  it("ends where a kernel writes beyond a buffer", () => {
    expect(() => scores((text) => text.replaceAll(/\by\[/g, "y[4 + "))).toThrow(/beyond the end/);
  });
});
