import { describe, it } from "vitest";
import { expectEquivalent } from "../support/equivalence.ts";
import { randomGraph } from "../support/randomgraph.ts";

describe("the pipeline on random graphs", () => {
  it.each(Array.from({ length: 100 }, (_, seed) => seed))(
    "keeps the meaning through every pass, seed %i",
    (seed) => {
      expectEquivalent(
        randomGraph(seed, 15 + (seed % 30)),
        { requests: 1 + (seed % 3), candidates: [3, 5, 1, 0][seed % 4] },
        seed,
      );
    },
  );
});
