import { describe, it } from "vitest";
import { gpu } from "../../src/ir/profiles.ts";
import { expectEquivalent } from "../support/equivalence.ts";
import { randomGraph } from "../support/randomgraph.ts";

const CANDIDATES = [3, 5, 1, 0];

describe("the pipeline on random graphs", () => {
  it.each(Array.from({ length: 120 }, (_, seed) => seed))(
    "keeps the meaning through every pass, seed %i",
    (seed) => {
      const sizes = { requests: 1 + (seed % 3), candidates: CANDIDATES[seed % 4] };
      expectEquivalent(randomGraph(seed, 15 + (seed % 30)), sizes, seed, { reuse: seed % 5 !== 4 });
    },
  );

  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    "keeps it however little is fused, seed %i",
    (seed) => {
      const sizes = { requests: 1 + (seed % 3), candidates: CANDIDATES[seed % 4] };
      const graph = randomGraph(seed, 15 + (seed % 30));
      for (const fusion of ["off", "vertical"] as const) expectEquivalent(graph, sizes, seed, { fusion });
      expectEquivalent(graph, sizes, seed, { profile: gpu });
    },
  );
});
