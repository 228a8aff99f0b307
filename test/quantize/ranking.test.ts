import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agreement } from "../../src/quantize/ranking.ts";

describe("agreement of two scorings", () => {
  it("is total with itself and with any rising function of it", () => {
    const scores = [0.3, 0.1, 0.9, 0.5];
    expect(agreement(scores, scores.map(Math.exp))).toEqual({ tau: 1, swapped: 0, top10: NaN });
    expect(
      agreement(
        scores,
        scores.map((v) => -v),
      ).tau,
    ).toBe(-1);
  });

  it("counts pairs: one neighbour swapped among four is 5 against 1", () => {
    const { tau, swapped } = agreement([1, 2, 3, 4], [1, 3, 2, 4]);
    expect(tau).toBeCloseTo(4 / 6, 12);
    expect(swapped).toBeCloseTo(1 / 6, 12);
  });

  it("τ-b by hand with ties: C = 4, D = 1, one tie on one side", () => {
    // Pairs of (1,2,3,4) against (1,1,3,2): tie, +, +, +, +, −.
    expect(agreement([1, 2, 3, 4], [1, 1, 3, 2]).tau).toBeCloseTo(3 / Math.sqrt(6 * 5), 12);
  });

  it("has no τ where one side has no order", () => {
    expect(agreement([1, 2], [3, 3]).tau).toBeNaN();
    expect(agreement([1], [1]).tau).toBeNaN();
    expect(agreement([], [])).toMatchObject({ swapped: 0, top10: NaN });
  });

  it("top 10 says nothing of ten or fewer", () => {
    const scores = Array.from({ length: 20 }, (_, i) => i);
    const other = scores.map((v) => (v === 19 ? -1 : v));
    expect(agreement(scores, other).top10).toBeCloseTo(0.9, 12);
    expect(agreement(scores.slice(0, 11), scores.slice(0, 11)).top10).toBe(1);
    expect(agreement(scores.slice(0, 10), scores.slice(0, 10)).top10).toBeNaN();
  });

  it("is symmetric, and swaps are (1 − τ)/2 where nothing is tied", () => {
    const distinct = fc.uniqueArray(fc.integer(), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(distinct, fc.infiniteStream(fc.integer()), (a, stream) => {
        const order = new Map(a.map((v, i) => [v, [...stream.take(1)][0] * a.length + i]));
        const b = a.map((v) => order.get(v) ?? 0);
        const [there, back] = [agreement(a, b), agreement(b, a)];
        expect(there.tau).toBeCloseTo(back.tau, 12);
        if (new Set(b).size === b.length) expect(there.swapped).toBeCloseTo((1 - there.tau) / 2, 12);
      }),
    );
  });
});
