/** @file Contraction against an independent loop over all labels, and its rule for zeros. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { permuteMap, sliceMap } from "../../src/ir/indexmap.ts";
import { drawer, Sketch } from "./support.ts";

interface Case {
  readonly extents: readonly number[];
  readonly operands: readonly (readonly number[])[];
  readonly out: readonly number[];
}

/** The definition: a sum over every assignment of the labels. */
function naive({ extents, operands, out }: Case, values: readonly ArrayLike<number>[]): number[] {
  const flat = (labels: readonly number[], at: readonly number[]): number =>
    labels.reduce((position, label) => position * extents[label] + at[label], 0);
  const result = new Array<number>(out.reduce((n, label) => n * extents[label], 1)).fill(0);
  const visit = (at: number[]): void => {
    if (at.length < extents.length) {
      for (let i = 0; i < extents[at.length]; i++) visit([...at, i]);
      return;
    }
    result[flat(out, at)] += operands.reduce(
      (product, labels, k) => product * values[k][flat(labels, at)],
      1,
    );
  };
  visit([]);
  return result;
}

const cases = fc
  .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
  .chain((extents) => {
    const labels = extents.map((_, label) => label);
    return fc.record({
      extents: fc.constant(extents),
      operands: fc.array(fc.shuffledSubarray(labels), { minLength: 1, maxLength: 3 }),
      out: fc.shuffledSubarray(labels),
    });
  })
  // Every label belongs to an operand.
  .map((c): Case => ({ ...c, operands: [...c.operands, c.extents.map((_, label) => label)] }));

function check(c: Case, seed: number): void {
  const draw = drawer(seed);
  const s = new Sketch();
  const values = c.operands.map((labels) =>
    Float64Array.from({ length: labels.reduce((n, label) => n * c.extents[label], 1) }, draw),
  );
  const operands = c.operands.map((labels, k) =>
    s.param(
      `p${k}`,
      labels.map((label) => c.extents[label]),
      values[k],
    ),
  );
  const result = s.value(s.op({ kind: "einsum", operands: c.operands, out: c.out }, ...operands));
  for (const [i, expected] of naive(c, values).entries()) expect(result[i]).toBeCloseTo(expected, 11);
}

describe("einsum", () => {
  it("agrees with the definition", () => {
    fc.assert(fc.property(cases, fc.integer(), check), { numRuns: 300 });
  });

  it.each([
    [
      "per-token product",
      {
        extents: [3, 5, 7],
        operands: [
          [0, 1],
          [0, 1, 2],
        ],
        out: [0, 2],
      },
    ],
    [
      "transposed weights",
      {
        extents: [3, 5, 7],
        operands: [
          [0, 1],
          [0, 2, 1],
        ],
        out: [0, 2],
      },
    ],
    ["diagonal", { extents: [4], operands: [[0, 0]], out: [0] }],
    [
      "trace of a product",
      {
        extents: [4, 3],
        operands: [
          [0, 1],
          [1, 0],
        ],
        out: [],
      },
    ],
    ["outer product", { extents: [2, 3], operands: [[1], [0]], out: [0, 1] }],
    ["scalars", { extents: [], operands: [[], []], out: [] }],
  ] satisfies [string, Case][])("%s", (_, c) => check(c, 7));

  it("reads strided views in place", () => {
    const s = new Sketch();
    const draw = drawer(3);
    const [x, w] = [Array.from({ length: 6 }, draw), Array.from({ length: 20 }, draw)];
    const wt = s.builder.through(s.param("w", [4, 5], w), permuteMap([4, 5], [1, 0]));
    const middle = s.builder.through(wt, sliceMap([5, 4], 0, 1, 3));
    const y = s.value(
      s.op(
        {
          kind: "einsum",
          operands: [
            [0, 1],
            [1, 2],
          ],
          out: [0, 2],
        },
        s.param("x", [2, 3], x),
        middle,
      ),
    );
    for (let i = 0; i < 2; i++) {
      for (let j = 0; j < 4; j++) {
        const expected = [0, 1, 2].reduce((sum, k) => sum + x[i * 3 + k] * w[j * 5 + k + 1], 0);
        expect(y[i * 4 + j]).toBeCloseTo(expected, 14);
      }
    }
  });

  it("a factor of exactly 0 contributes 0, whatever it meets", () => {
    const s = new Sketch();
    const gate = s.data([0, 2, 0], [3]);
    const experts = s.data([Infinity, Number.NaN, 1, 3, -Infinity, 5], [3, 2]);
    expect(s.value(s.op({ kind: "einsum", operands: [[0], [0, 1]], out: [1] }, gate, experts))).toEqual([
      2, 6,
    ]);
    const across = s.data([Infinity, 1, 0, 4, Number.NaN, 5], [2, 3]);
    expect(s.value(s.op({ kind: "einsum", operands: [[1], [0, 1]], out: [0] }, gate, across))).toEqual([
      2,
      Number.NaN,
    ]);
    const scaled = s.op(
      { kind: "einsum", operands: [[0], [1]], out: [0, 1] },
      s.data([Infinity, 0], [2]),
      s.data([0, Infinity], [2]),
    );
    expect(s.value(scaled)).toEqual([0, Infinity, 0, 0]);
    const together = s.op(
      { kind: "einsum", operands: [[0], [0]], out: [0] },
      s.data([0, Infinity], [2]),
      s.data([Infinity, 3], [2]),
    );
    expect(s.value(together)).toEqual([0, Infinity]);
  });
});
