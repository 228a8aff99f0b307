import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Extent } from "../../src/ir/expr.ts";
import {
  affineLayout,
  broadcastMap,
  compileMap,
  composeMaps,
  type IndexMap,
  identityMap,
  indexAt,
  isIdentity,
  mapsEqual,
  numel,
  parseMap,
  permuteMap,
  printMap,
  reshapeMap,
  selectMap,
  sliceMap,
  stridesOf,
  unfoldMap,
} from "../../src/ir/indexmap.ts";
import { points, randomViews } from "./random.ts";

/** `t (h e) -> h (t e)` of a [T, T·e] value: split, swap, merge. */
function tokenMixing(tokens: number, dim: number): IndexMap {
  const e = dim / tokens;
  const split = reshapeMap([tokens, dim], [tokens, tokens, e]);
  const swap = permuteMap([tokens, tokens, e], [1, 0, 2]);
  const merge = reshapeMap([tokens, tokens, e], [tokens, dim]);
  return composeMaps(merge, composeMaps(swap, split));
}

describe("each map, as text", () => {
  test.each<[string, IndexMap, string]>([
    ["identity", identityMap([3, "N"]), "(i0, i1: 3, N) -> [i0, i1]"],
    ["an axis of extent 1", identityMap([3, 1]), "(i0, i1: 3, 1) -> [i0, 0]"],
    ["a scalar", identityMap([]), "() -> []"],
    ["token mixing", tokenMixing(16, 128), "(i0, i1: 16, 128) -> [i1 // 8, i0 * 8 + i1 % 8]"],
    ["permutation", permuteMap([2, 3, 5], [2, 0, 1]), "(i0, i1, i2: 5, 2, 3) -> [i1, i2, i0]"],
    ["split", reshapeMap([24], [4, 6]), "(i0, i1: 4, 6) -> [i0 * 6 + i1]"],
    ["merge", reshapeMap([4, 6], [24]), "(i0: 24) -> [i0 // 6, i0 % 6]"],
    ["regroup", reshapeMap([4, 6], [3, 8]), "(i0, i1: 3, 8) -> [(i0 * 8 + i1) // 6, (i0 * 8 + i1) % 6]"],
    [
      "reshape around a symbolic axis",
      reshapeMap(["N", 4, 6], ["N", 24]),
      "(i0, i1: N, 24) -> [i0, i1 // 6, i1 % 6]",
    ],
    ["axes of extent 1 come and go", reshapeMap([1, 5], [5, 1, 1]), "(i0, i1, i2: 5, 1, 1) -> [0, i0]"],
    ["an empty value", reshapeMap([0, 4], [2, 0]), "(i0, i1: 2, 0) -> [0, 0]"],
    ["slice", sliceMap([10, 7], 0, 2, 3), "(i0, i1: 3, 7) -> [i0 + 2, i1]"],
    ["slice with a step", sliceMap([10], 0, 1, 4, 2), "(i0: 4) -> [i0 * 2 + 1]"],
    ["slice backwards", sliceMap([10], 0, 9, 10, -1), "(i0: 10) -> [9 - i0]"],
    ["select", selectMap([10, 7], 0, 4), "(i0: 7) -> [4, i0]"],
    ["broadcast", broadcastMap([1, 7], [3, 5, 7], [1, 2]), "(i0, i1, i2: 3, 5, 7) -> [0, i2]"],
    ["windows", unfoldMap([10, 3], 0, 4, 2), "(i0, i1, i2: 4, 4, 3) -> [i0 * 2 + i1, i2]"],
    ["no window fits", unfoldMap([3], 0, 4, 1), "(i0, i1: 0, 4) -> [i1]"],
  ])("%s", (_, map, text) => {
    expect(printMap(map)).toBe(text);
    expect(mapsEqual(parseMap(text), map)).toBe(true);
    expect(printMap(parseMap(text))).toBe(text);
  });

  test("what cannot be is internal", () => {
    expect(() => reshapeMap([4], [5])).toThrow("internal: cannot reshape [4] to [5]");
    expect(() => reshapeMap(["N", 2], [2, "N"])).toThrow(/internal/);
    expect(() => reshapeMap(["N", 2], ["R", 2])).toThrow(/internal/);
    expect(() => broadcastMap([3], [4], [0])).toThrow(/internal/);
    expect(() => unfoldMap(["N"], 0, 1, 1)).toThrow(/internal/);
    expect(() => composeMaps(identityMap([2]), identityMap([2, 2]))).toThrow(/internal/);
    expect(() => parseMap("(i0, i1: 3) -> [i0]")).toThrow(/internal/);
    expect(() => parseMap("(i0: 3) -> [i1]")).toThrow(/internal/);
    expect(() => parseMap("(i0: x) -> [i0]")).toThrow(/internal/);
    expect(() => parseMap("(i0: 3) -> [i0] more")).toThrow(/internal/);
  });
});

test("token mixing twice is the identity", () => {
  for (const [tokens, dim] of [
    [2, 24],
    [3, 24],
    [6, 30],
    [16, 64],
    [1, 7],
  ]) {
    const mix = tokenMixing(tokens, dim);
    expect(isIdentity(composeMaps(mix, mix), [tokens, dim])).toBe(true);
  }
  expect(isIdentity(tokenMixing(3, 24), [3, 24])).toBe(false);
  expect(isIdentity(sliceMap([4], 0, 0, 3), [4])).toBe(false);
});

test("every reshape and back is the identity", () => {
  const shapes: Extent[][] = [[24], [4, 6], [2, 2, 6], [2, 12], [24, 1], [1, 3, 8], [8, 3]];
  for (const from of shapes) {
    for (const to of shapes) {
      const there = reshapeMap(from, to);
      expect(isIdentity(composeMaps(reshapeMap(to, from), there), from)).toBe(true);
    }
  }
});

test("a reshape keeps row-major order", () => {
  const map = reshapeMap([4, 6], [3, 8]);
  const order = [...points([3, 8])].map((p) => {
    const [a, b] = indexAt(map, p);
    return a * 6 + b;
  });
  expect(order).toEqual(Array.from({ length: 24 }, (_, k) => k));
});

test("compositions agree with following the maps one by one", () => {
  fc.assert(
    fc.property(randomViews, ({ shape, maps }) => {
      const whole = maps.reduce((inner, outer) => composeMaps(outer, inner), identityMap(shape));
      const out = whole.out.map(Number);
      const strides = stridesOf(shape);
      const flatOf = compileMap(whole, strides);
      const layout = affineLayout(whole, shape);
      expect(printMap(parseMap(printMap(whole)))).toBe(printMap(whole));
      for (const point of points(out)) {
        const expected = maps.reduceRight((at, map) => indexAt(map, at), point);
        const flat = expected.reduce((sum, i, a) => sum + i * strides[a], 0);
        expect(indexAt(whole, point).map((i) => i + 0)).toEqual(expected.map((i) => i + 0));
        expect(flatOf(point)).toBe(flat);
        if (layout !== undefined) {
          expect(layout.offset + layout.strides.reduce((sum, s, a) => sum + s * point[a], 0)).toBe(flat);
        }
      }
    }),
    { numRuns: 400 },
  );
});

describe("affine layouts", () => {
  const layout = (map: IndexMap, shape: readonly Extent[]): string => {
    const found = affineLayout(map, shape);
    return found === undefined ? "none" : `${found.offset} + [${found.strides.join(", ")}]`;
  };

  test.each<[string, IndexMap, Extent[], string]>([
    ["identity", identityMap([3, 5]), [3, 5], "0 + [5, 1]"],
    ["transpose", permuteMap([3, 5], [1, 0]), [3, 5], "0 + [1, 5]"],
    ["slice", sliceMap([3, 5], 1, 2, 3), [3, 5], "2 + [5, 1]"],
    ["broadcast", broadcastMap([5], [3, 5], [1]), [5], "0 + [0, 1]"],
    ["split", reshapeMap([24], [4, 6]), [24], "0 + [6, 1]"],
    // The quotient and the remainder meet again in the flat index.
    ["merge of neighbours", reshapeMap([4, 6], [24]), [4, 6], "0 + [1]"],
    ["windows", unfoldMap([10, 3], 0, 4, 2), [10, 3], "0 + [6, 3, 1]"],
    ["batched", identityMap(["N", 3, 5]), ["N", 3, 5], "0 + [15, 5, 1]"],
    ["a scalar", identityMap([]), [], "0 + []"],
    ["token mixing", tokenMixing(4, 8), [4, 8], "none"],
    ["a symbolic stride", identityMap([3, "N"]), [3, "N"], "none"],
  ])("%s", (_, map, shape, text) => {
    expect(layout(map, shape)).toBe(text);
  });
});

test("strides and sizes", () => {
  expect(stridesOf([2, 3, 5])).toEqual([15, 5, 1]);
  expect(stridesOf([])).toEqual([]);
  expect(numel([2, 3, 5])).toBe(30);
  expect(numel([])).toBe(1);
});
