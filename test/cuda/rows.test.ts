/** Row kernels of 16-bit values: 16 bytes an access where rows are long enough, and the same values whichever way they are read. */
import { describe, expect, it } from "vitest";
import { sm_80 } from "../../src/ir/profiles.ts";
import { graphOfSpec } from "../support/zoo.ts";
import { expectHostAgrees } from "./zoo.ts";

/** Rows that are read mixed and as they lie, folded, scaled and stored; `D` elements of `T` tokens. */
const spec = (T: number, D: number, compute: string): string => `
model m {
  item { x: f32[${T}, ${D}] }
  param p: [${D}]
  param w: [${D}, 5]
  y = keep(x * p) as y
  s = layer_norm(rearrange(y, "t (h e) -> h (t e)", h = ${T}) + y) as norm
  z = rms_norm(s) as z
  task a = sum(z * s, "t d -> t")
  task b = einsum("t d, d k -> t k", s, w)
  precision { compute = ${compute}, "**" = ${compute} }
}`;

/** Accesses of 16 bytes: loads and stores. */
const WIDE = /reinterpret_cast<(?:const )?uint4\*>\(\w+\)\[/;

describe("row kernels of 16-bit values", { timeout: 60_000 }, () => {
  // A whole sweep; a ragged one; tokens mixed in fours; too short for every lane; no multiple of eight; a loop.
  it.each([
    { T: 2, D: 256, compute: "bf16", wide: true },
    { T: 3, D: 264, compute: "f16", wide: true },
    { T: 3, D: 300, compute: "bf16", wide: false },
    { T: 2, D: 248, compute: "f16", wide: false },
    { T: 1, D: 2312, compute: "bf16", wide: true },
  ])("agree with the reference: $T tokens of $D in $compute", async ({ T, D, compute, wide }) => {
    const graph = graphOfSpec(spec(T, D, compute));
    const sizes = [{ requests: 1, candidates: 5 }];
    const tolerance = compute === "f16" ? 3e-3 : 2e-2;
    const { kernels } = await expectHostAgrees(graph, { profile: sm_80, tolerance, sizes });
    const norm = kernels.find(({ name }) => name.startsWith("norm"));
    expect(norm).toBeDefined();
    expect(WIDE.test(norm?.text ?? "")).toBe(wide);
  });
});
