import { describe, expect, it } from "vitest";
import type { PlanValue } from "../../src/ir/plan.ts";
import { layoutOf, packRows, unpackRows } from "../../src/runtime/engine/layout.ts";
import { capacityFor } from "../../src/runtime/engine/memory.ts";
import { eachSlotRun } from "../../src/runtime/engine/slabs.ts";

function value(shape: PlanValue["shape"], strides: number[], unit: number): PlanValue {
  return { id: 0, name: "v", element: "f32", shape, strides, unit, home: { kind: "load" } };
}

const count = (extents: readonly number[]): number => extents.reduce((a, b) => a * b, 1);

describe("packing", () => {
  it.each<[string, PlanValue, number]>([
    ["compact rows", value(["N", 2, 4], [8, 4, 1], 8), 3],
    ["padded rows", value(["N", 5], [8, 1], 8), 3],
    ["padding in the middle", value(["N", 3, 2], [12, 4, 1], 12), 2],
    ["axes in another order", value(["R", 3, 5], [20, 1, 4], 20), 2],
    ["no axis below the batch", value(["N"], [1], 1), 4],
    ["a parameter by rows", value([3, 5], [8, 1], 24), 3],
    ["a parameter with its first axis innermost", value([3, 5], [1, 4], 20), 1],
    ["a scalar", value([], [], 1), 1],
    ["an axis of one", value([1, 7], [8, 1], 8), 1],
  ])("%s", (_, of, rows) => {
    const layout = layoutOf(of);
    if (typeof of.shape[0] === "number" || of.shape.length === 0) expect(layout.rows).toBe(rows);
    // Element (i, j, …) must lie at Σ index · stride: the definition, written out for every element.
    const extents = of.shape.map((extent, axis) =>
      axis === 0 && typeof extent === "string" ? rows : Number(extent),
    );
    const total = count(extents);
    const compact = Float32Array.from({ length: total }, (_, i) => i + 1);
    const words = new Float32Array(rows * layout.unit);
    packRows(layout, compact, 0, rows, words);
    const wanted = new Float32Array(rows * layout.unit);
    for (let i = 0; i < total; i++) {
      let rest = i;
      let offset = 0;
      for (let axis = extents.length - 1; axis >= 0; axis--) {
        offset += (rest % Number(extents[axis])) * Number(of.strides[axis]);
        rest = Math.floor(rest / Number(extents[axis]));
      }
      wanted[offset] = i + 1;
    }
    expect(words).toEqual(wanted);
    const back = new Float32Array(total);
    unpackRows(layout, words, rows, back);
    expect(back).toEqual(compact);
  });

  it("takes rows from the middle and puts rows into the middle", () => {
    const layout = layoutOf(value(["N", 3], [4, 1], 4));
    const words = new Float32Array(8);
    packRows(layout, [1, 2, 3, 4, 5, 6, 7, 8, 9], 1, 2, words);
    expect(words).toEqual(Float32Array.of(4, 5, 6, 0, 7, 8, 9, 0));
    const back = new Float32Array(9);
    unpackRows(layout, words, 2, back, 1);
    expect(back).toEqual(Float32Array.of(0, 0, 0, 4, 5, 6, 7, 8, 9));
  });
});

it("capacities are 2^k or 1.5 · 2^k, the smallest that suffices", () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 25, 1000].map(capacityFor)).toEqual([
    1, 1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 16, 32, 1024,
  ]);
  for (let n = 1; n < 3000; n++) {
    const capacity = capacityFor(n);
    expect(capacity >= n && capacity < n * 1.5 + 1).toBe(true);
  }
});

it("slots are visited in runs", () => {
  const runs: number[][] = [];
  eachSlotRun([3, 4, 5, 1, 9, 8], (...run) => runs.push(run));
  expect(runs).toEqual([
    [0, 3, 3],
    [3, 1, 1],
    [4, 9, 1],
    [5, 8, 1],
  ]);
});
