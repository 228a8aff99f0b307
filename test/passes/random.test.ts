import { describe, it } from "vitest";
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
});
