import { describe, expect, it } from "vitest";
import { partsOf } from "../../src/ir/tile.ts";
import { expectEquivalent } from "../support/equivalence.ts";
import { rankMixer } from "../support/rankmixer.ts";

describe("the pipeline on RankMixer", () => {
  it.each([
    { T: 2, U: 1, D: 24, L: 1, requests: 1, candidates: 1 },
    { T: 3, U: 2, D: 24, L: 2, requests: 3, candidates: 7 },
    { T: 6, U: 3, D: 30, L: 2, requests: 2, candidates: 5 },
  ])("keeps the meaning through every pass: %o", ({ requests, candidates, ...sizes }) => {
    expectEquivalent(rankMixer(sizes), { requests, candidates });
  });

  it("leaves no kernel that only moves data", () => {
    const { plan } = expectEquivalent(rankMixer({ T: 4, U: 2, D: 16, L: 2 }), { requests: 2, candidates: 3 });
    const kernels = [...plan.kernels.load, ...plan.kernels.user, ...plan.kernels.item].flatMap(partsOf);
    for (const kernel of kernels) {
      const works = kernel.body.some((s) => s.kind === "dot" || s.kind === "reduce" || s.kind === "moments");
      expect(works, kernel.name).toBe(true);
    }
  });
});
