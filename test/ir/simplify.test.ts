import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type AxisExpr,
  add,
  apply,
  axis,
  type Expr,
  eq,
  floordiv,
  int,
  load,
  lt,
  mapExpr,
  max,
  mod,
  mul,
  neg,
  num,
  printExpr,
  sub,
  where,
} from "../../src/ir/expr.ts";
import { parseExpr } from "../../src/ir/exprparse.ts";
import { evaluateExpr } from "../../src/ir/scalar.ts";
import { affineIn, bounds, divisibleBy, simplify } from "../../src/ir/simplify.ts";
import { booleanOver, envAt, integerOver, points, randomAxes } from "./random.ts";

/** t < 16, d < 128, b < 8, n < N, and x, an integer read from memory. */
const axes = new Map<string, AxisExpr>(
  [axis("t", 16), axis("d", 128), axis("b", 8), axis("n", "N"), axis("one", 1)].map((a) => [a.name, a]),
);

function simplified(text: string): string {
  return printExpr(simplify(parseExpr(text, axes)));
}

test.each([
  // Sums collect like terms; larger coefficients first.
  ["d + t * 8 + d + 3 - 1", "t * 8 + d * 2 + 2"],
  ["(t + 2) * 3 - t * 3", "6"],
  ["t - t", "0"],
  ["-(-t)", "t"],
  ["-(t - b)", "b - t"],
  ["3 - t", "3 - t"],
  ["one * 5 + t", "t"],
  // Division and remainder with bounds.
  ["(t * 8 + b) // 8", "t"],
  ["(t * 8 + b) % 8", "b"],
  ["(t * 8 + b + 16) // 8", "t + 2"],
  ["(t * 128 + d) // 128", "t"],
  ["(t * 128 + d) // 8", "t * 16 + d // 8"],
  ["(t * 128 + d) // 8 % 16", "d // 8"],
  ["(t * 8 + b) // 16", "t // 2"],
  ["(t * 8 + b) % 16", "t % 2 * 8 + b"],
  ["(t * 6) // 4", "t * 3 // 2"],
  ["(t * 6) % 4", "t * 3 % 2 * 2"],
  ["(b // 4 * 9 + b % 4) // 8", "b // 4"],
  ["(b // 4 * 9 + b % 4) % 8", "b // 4 + b % 4"],
  ["d // 8 // 4", "d // 32"],
  ["(d // 8 + 3) // 4", "(d + 24) // 32"],
  ["d % 32 // 8", "d // 8 % 4"],
  ["d % 32 % 8", "d % 8"],
  ["(d % 32 + t * 8) % 8", "d % 8"],
  ["(n * 16 + t) // 16", "n"],
  ["(n * 16 + t) % 16", "t"],
  ["(t - 16) // 16", "-1"],
  ["(t - 16) % 16", "t"],
  // A whole from its parts, and a part from the whole.
  ["d // 8 * 8 + d % 8", "d"],
  ["d // 32 * 32 + d // 8 % 4 * 8 + d % 8", "d"],
  ["(d + 3) // 8 * 8 + (d + 3) % 8", "d + 3"],
  ["d - d // 8 * 8", "d % 8"],
  // Comparisons.
  ["b < 8", "true"],
  ["t < 8", "t < 8"],
  ["t >= 0", "true"],
  ["t + 3 < b + 3", "t < b"],
  ["t * 8 + b < 64", "t < 8"],
  ["t * 8 + b >= 64", "t >= 8"],
  ["t * 8 < 30", "t < 4"],
  ["3 < t", "t >= 4"],
  ["3 >= t", "t < 4"],
  ["b <= t", "b <= t"],
  ["not b <= t", "b > t"],
  ["t * 4 == 6", "false"],
  ["t * 4 == 8", "t == 2"],
  ["t == 16", "false"],
  ["t != t", "false"],
  ["n < 0", "false"],
  ["t < 16 and n < 3", "n < 3"],
  ["t < 16 or n < 3", "true"],
  // Decided choices.
  ["where(b < 8, t, d)", "t"],
  ["where(n < 5, t, t + 0)", "t"],
  ["where(not (n == t), t, d)", "where(n != t, t, d)"],
  ["min(b, 7)", "b"],
  ["max(b, d + 8)", "d + 8"],
  ["clamp(t, 0, 15)", "t"],
  ["abs(t - 15)", "15 - t"],
])("%s is %s", (text, expected) => {
  expect(simplified(text)).toBe(expected);
});

test("on floats only what is exact for every finite value happens", () => {
  const x = load(1, [axis("i0", 4)], "num");
  const y = load(2, [axis("i0", 4)], "num");
  const text = (e: Expr): string => printExpr(simplify(e));
  expect(text(add(x, num(0)))).toBe("%1[i0]");
  expect(text(mul(num(1), x))).toBe("%1[i0]");
  expect(text(neg(neg(x)))).toBe("%1[i0]");
  expect(text(where(lt(axis("i0", 4), int(4)), x, y))).toBe("%1[i0]");
  expect(text(mul(x, num(0)))).toBe("%1[i0] * 0.0");
  expect(text(sub(x, x))).toBe("%1[i0] - %1[i0]");
  expect(text(add(add(x, num(1)), num(2)))).toBe("%1[i0] + 1.0 + 2.0");
  expect(text(apply("not", lt(x, y)))).toBe("not %1[i0] < %2[i0]");
});

test("an integer among floats becomes a float when its partner goes", () => {
  const i = axis("i0", 4);
  expect(printExpr(simplify(add(i, num(0))))).toBe("float(i0)");
  expect(simplify(add(i, num(0))).type).toBe("num");
});

test("loads are simplified inside and are atoms outside", () => {
  const i = axis("i0", 4);
  const a = load(1, [sub(add(i, int(1)), int(1))], "i32");
  expect(printExpr(simplify(floordiv(add(mul(a, int(8)), int(3)), int(8))))).toBe("%1[i0]");
  expect(printExpr(simplify(mod(a, int(8))))).toBe("%1[i0] % 8");
});

const cases = randomAxes.chain((all) =>
  fc.tuple(fc.constant(all), fc.oneof(integerOver(all, 4), booleanOver(all, 2))),
);

function sizes(all: readonly AxisExpr[]): number[] {
  return all.map((a) => Number(a.extent));
}

test("simplifying keeps the value at every point", () => {
  fc.assert(
    fc.property(cases, ([all, e]) => {
      const s = simplify(e);
      for (const point of points(sizes(all))) {
        // `toBe` tells 0 from -0, which integers do not.
        expect(evaluateExpr(s, envAt(point)) + 0).toBe(evaluateExpr(e, envAt(point)) + 0);
      }
      expect(s.type).toBe(e.type);
    }),
    { numRuns: 1500 },
  );
});

/** The same expression as new objects, which no cache knows. */
function rebuilt(e: Expr): Expr {
  return mapExpr(e, (node) => ({ ...node }));
}

test("simplifying again changes nothing", () => {
  fc.assert(
    fc.property(cases, ([, e]) => {
      const once = printExpr(simplify(e));
      expect(printExpr(simplify(rebuilt(simplify(e))))).toBe(once);
    }),
    { numRuns: 1500 },
  );
});

test("bounds hold at every point, divisors divide, affine forms agree", () => {
  fc.assert(
    fc.property(cases, ([all, e]) => {
      const range = bounds(e);
      const affine = affineIn(e, "i0");
      const divisors = [2, 3, 8].filter((n) => e.type === "i32" && divisibleBy(e, n));
      for (const point of points(sizes(all))) {
        const value = evaluateExpr(e, envAt(point));
        if (range !== undefined) {
          expect(value).toBeGreaterThanOrEqual(range.lo);
          expect(value).toBeLessThanOrEqual(range.hi);
        }
        for (const n of divisors) expect(Math.abs(value % n)).toBe(0);
        if (affine !== undefined) {
          const rest = evaluateExpr(affine.rest, envAt([Number.NaN, ...point.slice(1)]));
          expect(affine.coef * point[0] + rest + 0).toBe(value + 0);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("bounds of the forms that index maps are made of", () => {
  const of = (text: string): unknown => bounds(parseExpr(text, axes));
  expect(of("t * 8 + d % 8")).toEqual({ lo: 0, hi: 127 });
  expect(of("3 - t")).toEqual({ lo: -12, hi: 3 });
  expect(of("n * 2 + 1")).toEqual({ lo: 1, hi: Number.POSITIVE_INFINITY });
  expect(of("n % 4")).toEqual({ lo: 0, hi: 3 });
  expect(bounds(load(1, [], "i32"))).toBeUndefined();
  expect(bounds(load(1, [], "num"))).toBeUndefined();
});

test("divisibleBy sees through sums, products and remainders", () => {
  const of = (text: string, n: number): boolean => divisibleBy(parseExpr(text, axes), n);
  expect(of("t * 8 + d * 4", 4)).toBe(true);
  expect(of("t * 8 + d * 4", 8)).toBe(false);
  expect(of("t * 8 % 24 + 16", 8)).toBe(true);
  expect(of("0", 5)).toBe(true);
});

test("affineIn separates an axis or says that it cannot", () => {
  const of = (text: string, name: string): string | undefined => {
    const found = affineIn(parseExpr(text, axes), name);
    return found && `${found.coef} ${printExpr(found.rest)}`;
  };
  expect(of("t * 8 + d % 8", "t")).toBe("8 d % 8");
  expect(of("t * 8 + d % 8", "d")).toBeUndefined();
  expect(of("t * 8 + d % 8", "b")).toBe("0 t * 8 + d % 8");
  expect(of("(d * 8 + b) // 8", "d")).toBe("1 0");
});

test("shared parts cost what distinct nodes cost", () => {
  const i = axis("i0", 1000);
  let e: Expr = max(load(1, [i], "i32"), i);
  for (let k = 0; k < 64; k++) e = add(floordiv(mul(e, e), int(7)), mod(e, int(5)));
  simplify(e);
  expect(bounds(eq(e, e))).toEqual({ lo: 0, hi: 1 });
});
