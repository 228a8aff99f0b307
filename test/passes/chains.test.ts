/** Which products become one launch, and why others do not. */
import { expect, it } from "vitest";
import { interpret } from "../../backends/interpret/interpret.ts";
import { compileFor } from "../../src/compile.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { sm_90, sm_90a } from "../../src/ir/profiles.ts";
import { graphOf } from "../model/harness.ts";

const ffn = (second: string, more = ""): string => `
model m {
  item { x: f32[6, 96] }
  param w: [6, 96, 96]
  param v: [6, 96, 96]
  y = keep(max(x, -9.0))
  h = relu(einsum("t d, t d k -> t k", y, w))
  ${more}
  task out = ${second}
  serve { candidates <= 200 }
}`;

const HALF = 'compute = bf16; "**" = bf16';
const PLAIN = ffn('einsum("t k, t k d -> t d", h, v)');

function outcome(spec: string, profile: Profile, fuse: "all" | "phases" = "all") {
  const graph = graphOf(spec, { precision: HALF });
  const { plan, apart } = compileFor(graph, profile, { fuse });
  const chains = plan.kernels.item.filter(({ lowering }) => lowering.kind === "chain");
  return { chains, reasons: apart.filter(({ to }) => to === "out").map(({ reason }) => reason) };
}

it("chains the products of an FFN, whose kernel says what that is for", () => {
  const { chains, reasons } = outcome(PLAIN, sm_90a);
  expect(chains.map(({ name, phases }) => [name, phases?.map((phase) => phase.name)])).toEqual([
    ["out", ["h", "out"]],
  ]);
  // h is 200 × 6 × 96 numbers of 16 bits.
  expect(chains[0]?.about.gain).toMatch(/^0\.23 MB of rows less to read, /);
  expect(reasons.join()).not.toMatch(/launch|cache/);
});

it("computes what it computed apart", () => {
  const graph = graphOf(PLAIN, { precision: HALF });
  const drawn = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i));
  const input = {
    requests: 1,
    candidates: 3,
    request: [0, 0, 0],
    feature: () => drawn(3 * 6 * 96),
    param: () => drawn(6 * 96 * 96),
  };
  const scores = (fuse: "all" | "phases") => {
    const { plan } = compileFor(graph, sm_90a, { fuse });
    const result = interpret(plan, input).get(plan.outputs[0]?.value ?? -1);
    expect(result?.every(Number.isFinite)).toBe(true);
    return result;
  };
  expect(scores("all")).toEqual(scores("phases"));
});

it("leaves products apart on other devices, below that level, and where a cache or the rows forbid it", () => {
  expect(outcome(PLAIN, sm_90).chains).toEqual([]);
  expect(outcome(PLAIN, sm_90a, "phases").chains).toEqual([]);
  const small = { ...sm_90a, cuda: { arch: "sm_90a", l2Bytes: 100_000 } };
  const residual = ffn('einsum("t k, t k d -> t d", h, v) + h');
  const joined = ffn('einsum("j, j d -> d", rearrange(h, "t k -> (t k)"), rearrange(v, "t k d -> (t k) d"))');
  const turned = ffn('einsum("t k, t k d -> t d", rearrange(h, "(a t) d -> (t a) d", a = 2), v)');
  for (const [spec, profile, reason] of [
    [PLAIN, small, /the L2 cache has 0.1 MB/],
    [residual, sm_90a, /more than the second's products reads/],
    [joined, sm_90a, /other rows/],
    [turned, sm_90a, /rows that threads gather/],
  ] as const) {
    const { chains, reasons } = outcome(spec, profile);
    expect(chains).toEqual([]);
    expect(reasons.join()).toMatch(reason);
  }
});
