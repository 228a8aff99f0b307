/** The edges of a graph of launches. */
import { describe, expect, it } from "vitest";
import { dependencies } from "../../src/runtime/cuda/graph.ts";

const [a, b, c, d] = [{}, {}, {}, {}];

describe("dependencies", () => {
  it("has a reader follow the last writer", () => {
    const edges = dependencies([
      { reads: [], writes: [a] },
      { reads: [], writes: [a] },
      { reads: [a], writes: [b] },
    ]);
    expect(edges).toEqual([[], [0], [1]]);
  });

  it("has a writer follow the readers of what was there", () => {
    const edges = dependencies([
      { reads: [], writes: [a] },
      { reads: [a], writes: [b] },
      { reads: [a], writes: [c] },
      { reads: [], writes: [a] },
    ]);
    expect(edges).toEqual([[], [0], [0], [1, 2]]);
  });

  it("leaves kernels that share nothing apart, and readers of one value", () => {
    const edges = dependencies([
      { reads: [a], writes: [b] },
      { reads: [a], writes: [c] },
      { reads: [b, c], writes: [d] },
    ]);
    expect(edges).toEqual([[], [], [0, 1]]);
  });

  it("leaves out what another edge implies", () => {
    const edges = dependencies([
      { reads: [], writes: [a] },
      { reads: [a], writes: [b] },
      { reads: [a, b], writes: [c] },
    ]);
    expect(edges).toEqual([[], [0], [1]]);
  });

  it("takes a kernel that reads what it writes for both", () => {
    const edges = dependencies([
      { reads: [a], writes: [a] },
      { reads: [a], writes: [] },
      { reads: [a], writes: [a] },
    ]);
    expect(edges).toEqual([[], [0], [1]]);
  });
});
