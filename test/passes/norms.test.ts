/** A norm in front of a product over mixed channels: the user's share of the product is computed once a request. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseGraph } from "../../src/ir/parse.ts";
import { partsOf } from "../../src/ir/tile.ts";
import { expectEquivalent } from "../support/equivalence.ts";

const text = readFileSync(join(import.meta.dirname, "contract/norm-after-product.in.txt"), "utf8");

describe.each(["layer", "rms"])("a %s norm before a product", (norm) => {
  const graph = parseGraph(text.replace("normalize layer", `normalize ${norm}`));

  it("becomes row statistics after it, and the user's half of the sum is kept", () => {
    const { plan } = expectEquivalent(graph, { requests: 2, candidates: 5 });
    const dots = (stage: "user" | "item"): number[] =>
      plan.kernels[stage]
        .flatMap(partsOf)
        .flatMap((k) => (k.body.some((s) => s.kind === "dot") ? k.inner.map((a) => a.extent) : []));
    expect(dots("user")).toEqual([32]);
    expect(dots("item")).toEqual([32]);
  });

  it("stays as it is without reuse", () => {
    const { plan } = expectEquivalent(graph, { requests: 2, candidates: 5 }, 1, { reuse: false });
    expect(plan.kernels.user).toEqual([]);
  });
});
