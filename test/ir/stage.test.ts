import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  composeMaps,
  identityMap,
  indexAt,
  numel,
  permuteMap,
  reshapeMap,
  sliceMap,
  stridesOf,
} from "../../src/ir/indexmap.ts";
import {
  at,
  boxesOf,
  concatStages,
  elementsOf,
  joinElements,
  joinStages,
  MAX_PIECES,
  maxLevel,
  minLevel,
  mulElements,
  mulStages,
  padStage,
  parseStage,
  pieces,
  printStage,
  reduceStage,
  replaceWhere,
  type StageLevel,
  type StageTable,
  selectStages,
  stageMask,
  tableOf,
  uniform,
  viewElements,
  viewStage,
} from "../../src/ir/stage.ts";
import { points, randomShape, randomViews } from "./random.ts";

const ZERO = 0;
const LOAD = 1;
const USER = 2;
const ITEM = 3;

/** A [T, D] value whose first `users` rows are user rows. */
function rows(tokens: number, dim: number, users: number): StageTable {
  return parseStage(`item except user [0:${users}, :]`, [tokens, dim]);
}

const level = fc.constantFrom<StageLevel>(ZERO, LOAD, USER, ITEM);

/** Random levels on a random grid, as elements. */
function elementsIn(shape: readonly number[]): fc.Arbitrary<Uint8Array> {
  return fc
    .array(level, { minLength: numel(shape), maxLength: numel(shape) })
    .map((all) => Uint8Array.from(all));
}

/** A few boxes over a background: what real tables look like. */
function tableIn(shape: readonly number[]): fc.Arbitrary<StageTable> {
  const box = fc.tuple(level, ...shape.map((extent) => fc.tuple(fc.nat(extent), fc.nat(extent))));
  return fc.tuple(level, fc.array(box, { maxLength: 3 })).map(([base, boxes]) => {
    const elements = Uint8Array.from([...points(shape)], (point) => {
      const inside = boxes.find(([, ...ranges]) =>
        point.every((i, a) => Math.min(...ranges[a]) <= i && i < Math.max(...ranges[a])),
      );
      return inside === undefined ? base : inside[0];
    });
    return tableOf(elements, shape);
  });
}

function shapeAndTables(count: number): fc.Arbitrary<{ shape: number[]; tables: StageTable[] }> {
  return randomShape.chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      tables: fc.array(tableIn(shape), { minLength: count, maxLength: count }),
    }),
  );
}

/** No boundary lies between two equal slices. */
function isCanonical(table: StageTable): boolean {
  const again = tableOf(
    elementsOf(table),
    table.cuts.map((c) => c[c.length - 1]),
  );
  return JSON.stringify(again.cuts) === JSON.stringify(table.cuts);
}

describe("the example of the design", () => {
  // Sixteen tokens of 128, eight of them the user's, mixed over sixteen heads of eight channels.
  const split = reshapeMap([16, 128], [16, 16, 8]);
  const swap = permuteMap([16, 16, 8], [1, 0, 2]);
  const mixing = composeMaps(reshapeMap([16, 16, 8], [16, 128]), composeMaps(swap, split));
  const x = rows(16, 128, 8);

  test("after token mixing the channels carry what the rows did", () => {
    expect(printStage(viewStage(x, mixing))).toBe("item except user [:, 0:64]");
    expect(printStage(viewStage(viewStage(x, mixing), mixing))).toBe("item except user [0:8, :]");
  });

  test("the residual stream after mixing is user where both are", () => {
    expect(printStage(joinStages([viewStage(x, mixing), x]))).toBe("item except user [0:8, 0:64]");
  });
});

test("tables as text", () => {
  expect(printStage(uniform([3, 5], USER))).toBe("user");
  expect(printStage(uniform([], LOAD))).toBe("load");
  expect(printStage(uniform(["N", 5], ITEM))).toBe("item");
  const table = parseStage("item except user [0:8, :], zero [8:12, 0:4]", [24, 10]);
  expect(at(table, [7, 9])).toBe(USER);
  expect(at(table, [8, 3])).toBe(ZERO);
  expect(at(table, [8, 4])).toBe(ITEM);
  expect(at(table, [12, 0])).toBe(ITEM);
  expect(printStage(table)).toBe("item except user [0:8, :], zero [8:12, 0:4]");
  expect(parseStage("user joined", [4]).exact).toBe(false);
  for (const bad of ["users", "item except user [0:8]", "item except [0:8, :] user", "user user"]) {
    expect(() => parseStage(bad, [16, 10])).toThrow(/^internal:/);
  }
});

test("printing and parsing are inverse", () => {
  fc.assert(
    fc.property(shapeAndTables(1), ({ shape, tables: [table] }) => {
      expect(parseStage(printStage(table), shape)).toEqual(table);
    }),
  );
});

test("a table and its elements say the same", () => {
  const cases = randomShape.chain((shape) => fc.tuple(fc.constant(shape), elementsIn(shape)));
  fc.assert(
    fc.property(cases, ([shape, elements]) => {
      const table = tableOf(elements, shape);
      if (!table.exact) return;
      expect([...elementsOf(table)]).toEqual([...elements]);
      expect([...points(shape)].map((p) => at(table, p))).toEqual([...elements]);
      expect(maxLevel(table)).toBe(Math.max(...elements));
      expect(minLevel(table)).toBe(Math.min(...elements));
      for (const l of [ZERO, LOAD, USER, ITEM] as const) {
        expect([...stageMask(table, l)]).toEqual([...elements].map((e) => (e === l ? 1 : 0)));
        const covered = new Uint8Array(elements.length);
        for (const { from, to } of boxesOf(table, l)) {
          for (const p of points(to.map((t, a) => t - from[a]))) {
            covered[p.reduce((flat, i, a) => flat + (from[a] + i) * stridesOf(shape)[a], 0)]++;
          }
        }
        expect([...covered]).toEqual([...elements].map((e) => (e === l ? 1 : 0)));
      }
      const volume = [...pieces(table)].reduce(
        (sum, { from, to }) => sum + from.reduce((v, f, a) => v * (to[a] - f), 1),
        0,
      );
      expect(volume).toBe(elements.length);
    }),
  );
});

test("views are exact, element by element, and canonical", () => {
  const cases = randomViews.chain((views) =>
    fc.record({ views: fc.constant(views), table: tableIn(views.shape) }),
  );
  fc.assert(
    fc.property(cases, ({ views: { shape, maps }, table }) => {
      const map = maps.reduce((inner, outer) => composeMaps(outer, inner), identityMap(shape));
      const view = viewStage(table, map);
      const expected = [...points(map.out.map(Number))].map((p) => at(table, indexAt(map, p)));
      expect([...viewElements(elementsOf(table), shape, map)]).toEqual(expected);
      expect([...elementsOf(view)].every((l, i) => l >= expected[i])).toBe(true);
      if (view.exact) {
        expect([...elementsOf(view)]).toEqual(expected);
        expect(isCanonical(view)).toBe(true);
      } else {
        // Only a grid that does not fit may be joined.
        expect(new Set(expected).size).toBeGreaterThan(1);
        expect(numel(map.out.map(Number))).toBeGreaterThan(MAX_PIECES);
      }
    }),
    { numRuns: 500 },
  );
});

test("joins and products combine element by element", () => {
  fc.assert(
    fc.property(shapeAndTables(3), ({ tables }) => {
      const elements = tables.map(elementsOf);
      const joined = [...elements[0]].map((_, i) => Math.max(...elements.map((e) => e[i])));
      const multiplied = joined.map((l, i) => (elements.some((e) => e[i] === ZERO) ? ZERO : l));
      expect([...elementsOf(joinStages(tables))]).toEqual(joined);
      expect([...joinElements(elements)]).toEqual(joined);
      expect([...elementsOf(mulStages(tables))]).toEqual(multiplied);
      expect([...mulElements(elements)]).toEqual(multiplied);
      expect(isCanonical(mulStages(tables))).toBe(true);
    }),
  );
});

test("a selection follows its condition", () => {
  const user = uniform([2], USER);
  const zero = uniform([2], ZERO);
  // where(item condition, user, 0) is known per item; with both arms 0 the condition does not matter.
  expect(printStage(selectStages(uniform([2], ITEM), user, zero))).toBe("item");
  expect(printStage(selectStages(uniform([2], ITEM), zero, zero))).toBe("zero");
  // A condition that is exactly 0 is false.
  expect(printStage(selectStages(zero, uniform([2], ITEM), user))).toBe("user");
  expect(printStage(selectStages(Uint8Array.of(1, 0), uniform([2], ITEM), user))).toBe(
    "item except user [1:2]",
  );
});

test("reductions take the latest of what they reduce", () => {
  const cases = shapeAndTables(1).chain((c) =>
    fc.record({
      shape: fc.constant(c.shape),
      table: fc.constant(c.tables[0]),
      axes: fc.subarray(c.shape.map((_, a) => a)),
    }),
  );
  fc.assert(
    fc.property(cases, ({ shape, table, axes }) => {
      const kept = shape.map((extent, a) => (axes.includes(a) ? 1 : extent));
      const expected = new Map<string, number>();
      for (const p of points(shape)) {
        const key = p.map((i, a) => (axes.includes(a) ? 0 : i)).join();
        expected.set(key, Math.max(expected.get(key) ?? 0, at(table, p)));
      }
      const reduced = reduceStage(table, axes, true);
      expect([...points(kept)].map((p) => at(reduced, p))).toEqual(
        [...points(kept)].map((p) => expected.get(p.join())),
      );
      const dropped = reduceStage(table, axes, false);
      expect(dropped.cuts).toHaveLength(shape.length - axes.length);
      expect([...elementsOf(dropped)]).toEqual([...elementsOf(reduced)]);
    }),
  );
});

test("concatenation and padding place tables side by side", () => {
  const x = rows(4, 6, 2);
  expect(printStage(concatStages(0, [uniform([3, 6], USER), x]))).toBe("user except item [5:7, :]");
  expect(printStage(concatStages(1, [x, uniform([4, 2], LOAD)]))).toBe(
    "item except user [0:2, 0:6], load [:, 6:8]",
  );
  expect(
    printStage(concatStages(0, [uniform([0, 6], ITEM), uniform([2, 6], USER), uniform([0, 6], ITEM)])),
  ).toBe("user");
  expect(printStage(padStage(x, 1, 1, 2, ZERO))).toBe(
    "item except user [0:2, 1:7], zero [:, 0:1], zero [:, 7:9]",
  );
  expect(printStage(padStage(x, 0, 0, 0, ZERO))).toBe(printStage(x));
});

test("concatenation agrees with slices", () => {
  fc.assert(
    fc.property(shapeAndTables(3), fc.nat(2), ({ shape, tables }, choice) => {
      const axis = choice % shape.length;
      const all = concatStages(axis, tables);
      const long = shape.with(axis, shape[axis] * 3);
      for (const [k, table] of tables.entries()) {
        expect(viewStage(all, sliceMap(long, axis, k * shape[axis], shape[axis]))).toEqual(table);
      }
    }),
  );
});

test("replacing what a mask names makes rows user again", () => {
  const x = parseStage("user except item [0:4, 3:6]", [8, 6]);
  const inRows = Uint8Array.from([...points([8, 6])], ([row]) => (row < 4 ? 1 : 0));
  const derived = stageMask(x, ITEM).map((m, i) => m & inRows[i]);
  expect(printStage(replaceWhere(x, derived, ZERO))).toBe("user except zero [0:4, 3:6]");
});

describe("more boxes than fit", () => {
  /** user and item alternate, `count` times. */
  const stripes = (count: number): StageTable =>
    tableOf(
      Uint8Array.from({ length: count }, (_, i) => (i % 2 === 0 ? USER : ITEM)),
      [count],
    );

  test("256 stay exact, one more is joined to an upper bound that says so", () => {
    expect(stripes(MAX_PIECES).exact).toBe(true);
    const joined = stripes(MAX_PIECES + 1);
    expect(joined.exact).toBe(false);
    expect(joined.table.length).toBeLessThanOrEqual(MAX_PIECES);
    expect(joinStages([joined, uniform([MAX_PIECES + 1], LOAD)]).exact).toBe(false);
    expect(printStage(joined)).toMatch(/ joined$/);
    for (let i = 0; i <= MAX_PIECES; i++)
      expect(at(joined, [i])).toBeGreaterThanOrEqual(i % 2 === 0 ? USER : ITEM);
  });

  test("what is joined is the cheapest", () => {
    // 255 stripes of ten and, at the end, three of one: these go.
    const widths = [...Array.from({ length: 255 }, () => 10), 1, 1, 1];
    const elements = Uint8Array.from(
      widths.flatMap((w, k) => Array.from({ length: w }, () => (k % 2 === 0 ? USER : ITEM))),
    );
    const table = tableOf(elements, [elements.length]);
    // Stripe 255 is ITEM, so 255 to 257 join to one ITEM stripe and only the USER element between them is raised.
    expect([...elementsOf(table)].filter((l, i) => l !== elements[i])).toHaveLength(1);
    expect(at(table, [2551])).toBe(ITEM);
  });

  test("zero joined with load is load, and a checkerboard of thousands stays an upper bound", () => {
    const board = Uint8Array.from([...points([90, 70])], ([a, b]) => ((a + b) % 2 === 0 ? ZERO : LOAD));
    const table = tableOf(board, [90, 70]);
    expect(table.table.length).toBeLessThanOrEqual(MAX_PIECES);
    expect(elementsOf(table).every((l, i) => l >= board[i] && l <= LOAD)).toBe(true);
  });

  test("a view that would need too many cuts is an upper bound", () => {
    const x = tableOf(Uint8Array.of(USER, ITEM), [2]);
    const n = 10_000_000;
    const alternating = { out: [n], index: reshapeMap([n / 2, 2], [n]).index.slice(1) };
    const view = viewStage(x, alternating);
    expect(view.exact).toBe(false);
    expect(printStage(view)).toBe("item joined");
  });
});

describe("the cost goes with the cuts", () => {
  const within = (milliseconds: number, f: () => void): void => {
    const start = performance.now();
    f();
    expect(performance.now() - start).toBeLessThan(milliseconds);
  };

  test("a large reshape with one cut", () => {
    const x = rows(2000, 2000, 700);
    within(500, () => {
      const flat = viewStage(x, reshapeMap([2000, 2000], [4_000_000]));
      expect(printStage(flat)).toBe("item except user [0:1400000]");
      expect(printStage(viewStage(flat, reshapeMap([4_000_000], [2000, 2000])))).toBe(
        "item except user [0:700, :]",
      );
    });
  });

  test("a billion elements of one level", () => {
    within(500, () => {
      const table = uniform([1_000_000, 1024], LOAD);
      expect(printStage(viewStage(table, permuteMap([1_000_000, 1024], [1, 0])))).toBe("load");
      expect(printStage(mulStages([table, table]))).toBe("load");
    });
  });
});
