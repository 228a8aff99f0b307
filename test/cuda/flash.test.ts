/**
 * The `flash` lowering on the host: attention with its scores in registers, against the f64 reference. Errors are those of rounding q, k,
 * v and the weights to 16 bits; a fragment in the wrong place would be an error of its own size.
 */
import { describe, expect, it } from "vitest";
import { scheduleSpace } from "../../passes/scheduling/space.ts";
import { compileFor } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { sm_80 } from "../../src/ir/profiles.ts";
import type { Schedule } from "../../src/ir/schedule.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { verify } from "../../src/runtime/verify.ts";
import { type AttentionForm, attention } from "../support/attention.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { HostProgram } from "./host.ts";
import { rescheduled } from "./products.ts";
import { inspected } from "./zoo.ts";

const BASE: AttentionForm = {
  queries: "item",
  keys: "user",
  H: 2,
  I: 19,
  J: 19,
  K: 12,
  E: 12,
  fn: "softmax",
};

/** The rows that a workgroup has of 16 each, and the keys that it takes at a time. */
interface Shape {
  readonly warps: number;
  readonly keys: number;
}

const CASES: readonly [string, Partial<AttentionForm>, "f16" | "bf16", Shape][] = [
  ["prime lengths", { I: 13, J: 37, H: 3, K: 7, E: 11 }, "f16", { warps: 1, keys: 16 }],
  ["one key more than a block", { J: 33, I: 9 }, "bf16", { warps: 1, keys: 32 }],
  ["more rows than a tile", { I: 67, J: 64, K: 16, E: 32 }, "bf16", { warps: 4, keys: 64 }],
  ["wide", { I: 21, J: 40, H: 0, K: 72, E: 128 }, "f16", { warps: 2, keys: 16 }],
  ["candidates of several requests", { I: 1, masks: ["length"] }, "f16", { warps: 2, keys: 16 }],
  ["candidates, no heads, silu", { I: 0, H: 0, fn: "silu" }, "bf16", { warps: 1, keys: 16 }],
  ["keys of both", { keys: "both", masks: ["length"] }, "f16", { warps: 2, keys: 16 }],
  ["the user alone", { queries: "user", masks: ["causal", "length"] }, "f16", { warps: 1, keys: 16 }],
  ["a window", { masks: ["window", "causal"], I: 40, J: 40 }, "f16", { warps: 1, keys: 16 }],
  ["a row that sees nothing", { masks: ["nothing"] }, "bf16", { warps: 2, keys: 16 }],
  [
    "all of it",
    { masks: ["causal", "length", "class"], bias: true, gain: true, epilogue: true },
    "f16",
    { warps: 2, keys: 32 },
  ],
  [
    "silu, masked",
    { fn: "silu", masks: ["causal", "length"], bias: true, epilogue: true },
    "bf16",
    { warps: 1, keys: 32 },
  ],
];

/** Queries, keys and values that kernels have stored in 16 bits are copied to workgroup memory. */
const PROJECTED = `
model m(T: int, D: int, H: int) {
  item { x: f32[T, D] }
  param wq: [D, H, 16]
  param wk: [D, H, 16]
  param wv: [D, H, 24]
  q = einsum("t d, d h k -> t h k", x, wq)
  k = einsum("t d, d h k -> t h k", x, wk)
  v = einsum("t d, d h e -> t h e", x, wv)
  s = softmax(einsum("t h k, j h k -> h t j", q, k) * 0.25, axis = 2)
  task o = einsum("h t j, j h e -> t h e", s, v)
}`;

describe("attention on tensor cores", () => {
  it("copies what lies in memory as it is multiplied", { timeout: 120_000 }, async () => {
    const graph = graphOfSpec(PROJECTED, { T: 37, D: 20, H: 3 });
    const texts = await agrees(graph, "bf16", { warps: 2, keys: 16 }, 37);
    const flash = texts.filter((text) => text.includes("keys at a time"));
    expect(flash.length).toBe(1);
    // Rows of q, keys and values.
    for (const tile of ["a_tile", "b_tile", "v_tile"])
      expect(flash[0]).toMatch(new RegExp(`copy_async(_part)?\\(${tile}`));
  });

  it.each(CASES)("%s", { timeout: 120_000 }, async (_, parts, format, shape) => {
    const form = { ...BASE, ...parts };
    // One query a candidate: rows of a tile are candidates, of several requests.
    const texts = await agrees(attention(form), format, shape, form.J, form.I <= 1 ? 37 : 5);
    expect(texts.some((text) => text.includes("leader"))).toBe(form.I <= 1);
  });
});

/** Runs the graph with its score products in the given shape; the texts of the kernels. */
async function agrees(
  graph: Graph,
  format: "f16" | "bf16",
  { warps, keys }: Shape,
  most: number,
  several = 5,
): Promise<readonly string[]> {
  const serve = { requests: 3, candidates: several };
  const precision = { ...graph.precision, compute: format };
  const compiled = compileFor({ ...graph, serve, precision }, sm_80, { reuseArena: false });
  const { variant, names } = rescheduled(compiled, (kernel) => {
    if (!kernel.body.some((s) => s.kind === "score")) return undefined;
    const wanted = ({ lowering: l }: Schedule): boolean =>
      l.kind === "flash" && l.warps === warps && l.keys === keys;
    return scheduleSpace(kernel, compiled.plan, sm_80, undefined, format).find(wanted);
  });
  expect(names.length).toBeGreaterThan(0);
  const program = new HostProgram(variant);
  try {
    const weights = drawnWeights(graph.params, { seed: 1, perturb: true });
    for (const [candidates, requests] of [
      [several, 3],
      [0, 1],
    ] as const) {
      const drawn = drawnInputs(graph.features, { requests, candidates, seed: candidates });
      // The first request has no history at all, the last a full one.
      const lengths = Int32Array.from({ length: requests }, (_x, r) => [0, 3, most][r] ?? most);
      const inputs = drawn.features.has("hist.length")
        ? { ...drawn, features: new Map([...drawn.features, ["hist.length", lengths]]) }
        : drawn;
      const engine = inspected(program.run(inputs, weights), inputs);
      const { kernels: values, tasks } = await verify({ ...variant, engine, inputs, weights });
      const tolerance = format === "f16" ? 2e-3 : 1e-2;
      for (const { name, what, error } of [...values, ...tasks])
        expect(error, `${name}: ${what}, ${candidates} of ${requests}`).toBeLessThanOrEqual(tolerance);
    }
  } finally {
    program.close();
  }
  return variant.kernels.map(({ text }) => text);
}
