import { describe, expect, test } from "vitest";
import { erf, erfc } from "../../src/ir/erf.ts";
import {
  add,
  and,
  apply,
  axis,
  type DType,
  div,
  type Expr,
  int,
  load,
  lt,
  mul,
  num,
  type ScalarFn,
  tile,
  where,
} from "../../src/ir/expr.ts";
import { compileExpr, evaluateExpr, resultType, scalarFns } from "../../src/ir/scalar.ts";
import { envAt } from "./random.ts";

/** 90 digits after the point, in integers. */
const ONE = 10n ** 90n;

/** x as an exact fixed-point number; every f64 of the tests has few enough bits below the point. */
function exact(x: number): bigint {
  const scaled = x * 2 ** 40;
  if (!Number.isInteger(scaled)) throw new Error("too fine for this test");
  return (BigInt(scaled) * ONE) / 2n ** 40n;
}

function product(a: bigint, b: bigint): bigint {
  return (a * b) / ONE;
}

/** e^x by its series. */
function bigExp(x: bigint): bigint {
  let term = ONE;
  let total = ONE;
  for (let k = 1n; term !== 0n; k++) {
    term = product(term, x) / k;
    total += term;
  }
  return total;
}

/** √(a) of a fixed-point number by Newton's method. */
function bigSqrt(a: bigint): bigint {
  const target = a * ONE;
  let r = target;
  for (;;) {
    const next = (r + target / r) / 2n;
    if (next >= r) return r;
    r = next;
  }
}

/** π by Machin: 16 atan(1/5) − 4 atan(1/239). */
function bigPi(): bigint {
  const atanInverse = (q: bigint): bigint => {
    let power = ONE / q;
    let total = 0n;
    for (let k = 1n; power !== 0n; k += 2n) {
      total += k % 4n === 1n ? power / k : -power / k;
      power /= q * q;
    }
    return total;
  };
  return 16n * atanInverse(5n) - 4n * atanInverse(239n);
}

const TWO_OVER_ROOT_PI = (2n * ONE * ONE) / bigSqrt(bigPi());

/** erf x = 2/√π · Σ (−1)^k x^(2k+1) / (k! (2k+1)). */
function bigErf(x: bigint): bigint {
  const square = product(x, x);
  let power = x;
  let total = 0n;
  for (let k = 0n; power !== 0n; k++) {
    total += power / (2n * k + 1n);
    power = -product(power, square) / (k + 1n);
  }
  return product(TWO_OVER_ROOT_PI, total);
}

function toNumber(a: bigint): number {
  return Number(`${a}e-90`);
}

// All four intervals of the approximation, their ends, and both signs.
const samples = [0.0009765625, 0.25, 0.5, 0.84375, 0.875, 1, 1.25, 1.5, 2, 2.5, 2.875, 3, 4, 5, 5.75, 6.5];

describe("erf and erfc", () => {
  test.each(samples.flatMap((x) => [x, -x]))("at %f agree with the series to 1e-15", (x) => {
    const reference = bigErf(exact(x));
    expect(Math.abs(erf(x) / toNumber(reference) - 1)).toBeLessThan(1e-15);
    const complement = toNumber(ONE - reference);
    expect(Math.abs(erfc(x) / complement - 1)).toBeLessThan(1e-15);
  });

  test("reach their limits", () => {
    expect(erf(0)).toBe(0);
    expect(erfc(0)).toBe(1);
    expect(erf(Number.POSITIVE_INFINITY)).toBe(1);
    expect(erf(Number.NEGATIVE_INFINITY)).toBe(-1);
    expect(erfc(Number.POSITIVE_INFINITY)).toBe(0);
    expect(erfc(Number.NEGATIVE_INFINITY)).toBe(2);
    expect(erf(Number.NaN)).toBeNaN();
    expect(erfc(Number.NaN)).toBeNaN();
  });
});

function value(fn: ScalarFn, ...args: number[]): number {
  return scalarFns[fn].evaluate(...args);
}

function nearly(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(2e-15 * Math.abs(expected));
}

test("gelu is x·Φ(x), to the last digits in the negative tail", () => {
  const root2 = bigSqrt(2n * ONE);
  for (const x of samples.flatMap((s) => [s, -s])) {
    const phi = ONE + bigErf((exact(x) * ONE) / root2);
    // The argument x/√2 is rounded before erfc, which magnifies half an ulp by x².
    const tolerance = 1e-15 * (1 + x * x);
    expect(Math.abs(value("gelu", x) / toNumber(product(exact(x), phi) / 2n) - 1)).toBeLessThan(tolerance);
  }
  expect(value("gelu", 40)).toBe(40);
  expect(value("gelu", -40) + 0).toBe(0);
});

test("sigmoid, silu and gelu_tanh agree with the exponential series and do not overflow", () => {
  for (const x of samples.flatMap((s) => [s, -s])) {
    const s = (ONE * ONE) / (ONE + bigExp(-exact(x)));
    nearly(value("sigmoid", x), toNumber(s));
    nearly(value("silu", x), toNumber(product(exact(x), s)));
    const u = product(
      bigSqrt((2n * ONE * ONE) / bigPi()),
      exact(x) + (44715n * exact(x) ** 3n) / (1_000_000n * ONE ** 2n),
    );
    const e = bigExp(2n * u);
    const tanh = ((e - ONE) * ONE) / (e + ONE);
    const gelu = toNumber(product(exact(x), ONE + tanh) / 2n);
    expect(Math.abs(value("gelu_tanh", x) / gelu - 1)).toBeLessThan(1e-15 * (2 + Math.abs(toNumber(u))));
  }
  expect(value("sigmoid", 1000)).toBe(1);
  expect(value("sigmoid", -1000)).toBe(0);
  expect(value("silu", 1000)).toBe(1000);
  expect(value("silu", -1000) + 0).toBe(0);
  expect(value("gelu_tanh", -1000) + 0).toBe(0);
});

test.each<[ScalarFn, number[], number]>([
  ["floordiv", [7, 2], 3],
  ["floordiv", [-7, 2], -4],
  ["floordiv", [7, -2], -4],
  ["floordiv", [7.5, 2], 3],
  ["mod", [7, 3], 1],
  ["mod", [-7, 3], 2],
  ["mod", [7, -3], -2],
  ["mod", [-8, 8], 0],
  ["mod", [-0.5, 2], 1.5],
  ["div", [1, 0], Number.POSITIVE_INFINITY],
  ["div", [0, 0], Number.NaN],
  ["neg", [0], -0],
  ["sign", [0], 0],
  ["sign", [-3], -1],
  ["rsqrt", [4], 0.5],
  ["sqrt", [-1], Number.NaN],
  ["relu", [-2], 0],
  ["relu", [3], 3],
  ["relu", [Number.NaN], Number.NaN],
  ["max", [Number.NaN, 1], Number.NaN],
  ["min", [1, Number.NaN], Number.NaN],
  ["clamp", [5, 0, 3], 3],
  ["clamp", [-5, 0, 3], 0],
  ["pow", [2, 10], 1024],
  ["pow", [0, 0], 1],
  ["where", [1, 5, 6], 5],
  ["where", [0, 5, 6], 6],
  ["eq", [Number.NaN, Number.NaN], 0],
  ["ne", [Number.NaN, Number.NaN], 1],
  ["and", [1, 0], 0],
  ["or", [1, 0], 1],
  ["not", [0], 1],
  ["to_i32", [-2.7], -2],
  ["to_i32", [1e10], 2147483647],
  ["to_i32", [Number.NaN], 0],
  ["to_bool", [-0.5], 1],
])("%s of %j is %d", (fn, args, expected) => {
  expect(value(fn, ...args)).toBe(expected);
});

test.each<[ScalarFn, DType[], DType | undefined]>([
  ["add", ["i32", "i32"], "i32"],
  ["add", ["i32", "num"], "num"],
  ["add", ["bool", "num"], undefined],
  ["div", ["i32", "i32"], "num"],
  ["floordiv", ["i32", "i32"], "i32"],
  ["exp", ["i32"], "num"],
  ["exp", ["bool"], undefined],
  ["exp", ["num", "num"], undefined],
  ["lt", ["i32", "num"], "bool"],
  ["lt", ["bool", "bool"], undefined],
  ["eq", ["bool", "bool"], "bool"],
  ["eq", ["bool", "i32"], undefined],
  ["and", ["bool", "i32"], undefined],
  ["where", ["bool", "i32", "num"], "num"],
  ["where", ["bool", "bool", "bool"], "bool"],
  ["where", ["bool", "bool", "num"], undefined],
  ["where", ["num", "num", "num"], undefined],
  ["to_num", ["bool"], "num"],
  ["neg", ["i32"], "i32"],
])("%s of %j has type %s", (fn, args, type) => {
  expect(resultType(fn, args)).toBe(type);
});

test("every zero rule is true at zero, and is claimed wherever it holds for all partners", () => {
  const partners = [-2.5, -1, 0, 0.5, 1, 3];
  for (const [name, { arity, zero, evaluate }] of Object.entries(scalarFns)) {
    for (let known = 0; known < 2 ** arity; known++) {
      const zeros = Array.from({ length: arity }, (_, k) => ((known >> k) & 1) === 1);
      const results: number[] = [];
      for (let choice = 0; choice < partners.length ** arity; choice++) {
        const args = zeros.map((z, k) =>
          z ? 0 : partners[Math.floor(choice / partners.length ** k) % partners.length],
        );
        // Zeros may be claimed where IEEE has no number (0/0): the language takes 0 · v for zero whatever v is.
        const result = evaluate(...args);
        if (!Number.isNaN(result)) results.push(result);
      }
      if (results.length === 0) continue;
      expect([name, zeros, zero(zeros)]).toEqual([name, zeros, results.every((r) => r + 0 === 0)]);
    }
  }
});

const i = axis("i0", 8);

test("compiled expressions read axes, loads and tiles", () => {
  const e = add(mul(load(3, [add(i, int(1)), int(2)], "num"), tile("acc", "num")), div(i, int(4)));
  const env = {
    axis: () => 6,
    load: (source: number, index: number[]) => source * 100 + index[0] * 10 + index[1],
    tile: () => 0.5,
  };
  // (300 + 70 + 2) / 2 + 6 / 4
  expect(evaluateExpr(e, env)).toBe(187.5);
});

test("a guard keeps what it guards from being read", () => {
  const outside = (): never => {
    throw new Error("read outside");
  };
  const guarded = where(lt(i, int(3)), load(1, [i], "num"), num(0));
  const both = and(lt(i, int(3)), lt(load(1, [i], "num"), num(1)));
  const env = { axis: () => 5, load: outside, tile: outside };
  expect(evaluateExpr(guarded, env)).toBe(0);
  expect(evaluateExpr(both, env)).toBe(0);
  expect(evaluateExpr(apply("or", lt(int(3), i), both), env)).toBe(1);
});

test("a shared part is evaluated once a point, and anew at the next", () => {
  let reads = 0;
  let e: Expr = load(1, [i], "num");
  for (let k = 0; k < 60; k++) e = add(e, e);
  const run = compileExpr(e);
  const env = (at: number) => ({
    ...envAt([at]),
    load: (_: number, index: number[]) => {
      reads++;
      return index[0];
    },
  });
  expect(run(env(1))).toBe(2 ** 60);
  expect(run(env(3))).toBe(3 * 2 ** 60);
  expect(reads).toBe(2);
});

test("an expression may be evaluated inside its own load", () => {
  // f(i) = s + s with s = f(i − 1), f(0) = 1 + 1.
  const s = load(1, [i], "num");
  const run = compileExpr(add(s, s));
  const f = (at: number): number =>
    run({ axis: () => at, load: () => (at === 0 ? 1 : f(at - 1)), tile: () => 0 });
  expect(f(5)).toBe(64);
});
