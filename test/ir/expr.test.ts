import fc from "fast-check";
import { expect, test } from "vitest";
import {
  add,
  and,
  apply,
  axesOf,
  axis,
  bool,
  div,
  type Expr,
  exprKey,
  floordiv,
  int,
  load,
  loadsOf,
  lt,
  mapExpr,
  mod,
  mul,
  neg,
  not,
  num,
  or,
  printExpr,
  sameExpr,
  sub,
  substitute,
  tile,
  walkExpr,
  where,
} from "../../src/ir/expr.ts";
import { parseExpr } from "../../src/ir/exprparse.ts";
import { booleanOver, integerOver, randomAxes } from "./random.ts";

const t = axis("t", 16);
const d = axis("d", 128);
const n = axis("n", "N");

test("the published form of token mixing prints as it is written", () => {
  const e = load(3, [n, floordiv(d, int(8)), add(mul(t, int(8)), mod(d, int(8)))], "num");
  expect(printExpr(e)).toBe("%3[n, d // 8, t * 8 + d % 8]");
  expect(printExpr(e, () => "x")).toBe("x[n, d // 8, t * 8 + d % 8]");
});

const x = load(1, [t], "num");

test.each<[Expr, string]>([
  [sub(t, add(d, int(1))), "t - (d + 1)"],
  [add(add(t, d), int(1)), "t + d + 1"],
  [add(t, add(d, int(1))), "t + (d + 1)"],
  [mul(add(t, d), int(2)), "(t + d) * 2"],
  [mul(t, floordiv(d, int(2))), "t * (d // 2)"],
  [floordiv(mul(t, d), int(2)), "t * d // 2"],
  [neg(add(t, d)), "-(t + d)"],
  [neg(neg(t)), "-(-t)"],
  [add(t, int(-3)), "t + -3"],
  [and(lt(t, d), or(lt(d, t), not(lt(t, int(3))))), "t < d and (d < t or not t < 3)"],
  [not(and(lt(t, d), bool(true))), "not (t < d and true)"],
  [apply("eq", lt(t, d), bool(false)), "(t < d) == false"],
  [where(lt(t, int(4)), x, num(Number.NEGATIVE_INFINITY)), "where(t < 4, %1[t], -inf)"],
  [mul(x, num(3)), "%1[t] * 3.0"],
  [mul(x, num(1e-5)), "%1[t] * 0.00001"],
  [mul(x, num(1e21)), "%1[t] * 1e+21"],
  [apply("to_num", t), "float(t)"],
  [add(tile("acc", "num"), num(-0.5)), "acc + -0.5"],
])("%# prints with the fewest parentheses", (e, text) => {
  expect(printExpr(e)).toBe(text);
});

test("printing and parsing are inverse", () => {
  const cases = randomAxes.chain((all) =>
    fc.tuple(fc.constant(all), fc.oneof(integerOver(all, 4), booleanOver(all, 2))),
  );
  fc.assert(
    fc.property(cases, ([all, e]) => {
      const parsed = parseExpr(printExpr(e), new Map(all.map((a) => [a.name, a])));
      expect(printExpr(parsed)).toBe(printExpr(e));
      expect(exprKey(parsed)).toBe(exprKey(e));
    }),
    { numRuns: 500 },
  );
});

test.each(["1 +", "(t", "t ? d", "t < d < t", "unknown", "min(t, d", "t d"])("%s does not parse", (text) => {
  expect(() =>
    parseExpr(
      text,
      new Map([
        ["t", t],
        ["d", d],
      ]),
    ),
  ).toThrow(/^internal:/);
});

test("constants alone are computed, unless that loses something", () => {
  expect(add(int(2), int(3))).toBe(int(5));
  expect(printExpr(div(int(1), int(4)))).toBe("0.25");
  expect(printExpr(floordiv(int(-1), int(8)))).toBe("-1");
  expect(printExpr(mod(int(-1), int(8)))).toBe("7");
  // No integer, not in 32 bits, not a number.
  expect(printExpr(floordiv(int(1), int(0)))).toBe("1 // 0");
  expect(printExpr(mul(int(65536), int(65536)))).toBe("65536 * 65536");
  expect(printExpr(apply("log", num(-1)))).toBe("log(-1.0)");
});

test("what has no type cannot be applied", () => {
  expect(() => add(bool(true), t)).toThrow("internal: add(bool, i32) has no type");
  expect(() => apply("exp", t, d)).toThrow(/internal/);
  expect(() => int(0.5)).toThrow(/internal/);
});

test("substitution is simultaneous and keeps what it does not touch", () => {
  const e = add(mul(t, int(128)), d);
  expect(
    printExpr(
      substitute(
        e,
        new Map<string, Expr>([
          ["t", d],
          ["d", t],
        ]),
      ),
    ),
  ).toBe("d * 128 + t");
  expect(substitute(e, new Map([["other", int(0)]]))).toBe(e);
  expect(mapExpr(e, (node) => node)).toBe(e);
});

test("axes, loads and walks see every distinct node once, operands first", () => {
  const inner = load(7, [t], "i32");
  const e = add(load(8, [inner, d], "num"), apply("to_num", inner));
  expect([...axesOf(e).keys()]).toEqual(["t", "d"]);
  expect(loadsOf(e).map((l) => l.source)).toEqual([7, 8]);
  const seen: string[] = [];
  walkExpr(e, (node) => seen.push(printExpr(node)));
  expect(seen).toEqual(["t", "%7[t]", "d", "%8[%7[t], d]", "float(%7[t])", "%8[%7[t], d] + float(%7[t])"]);
});

test("keys are structural", () => {
  expect(sameExpr(add(t, d), add(axis("t", 16), axis("d", 128)))).toBe(true);
  expect(sameExpr(add(t, d), add(d, t))).toBe(false);
  expect(sameExpr(t, axis("t", 17))).toBe(false);
  expect(sameExpr(n, axis("n", "R"))).toBe(false);
  expect(sameExpr(int(1), num(1))).toBe(false);
  expect(sameExpr(num(0), num(-0))).toBe(false);
  expect(sameExpr(load(1, [t], "num"), load(1, [t], "i32"))).toBe(false);
});

/** 2^80 nodes as a tree, 80 as a graph; `leaf` makes two of them differ. */
function doubled(leaf: Expr): Expr {
  let e = leaf;
  for (let k = 0; k < 80; k++) e = add(e, e);
  return e;
}

test("shared parts are worked on once", () => {
  const e = doubled(x);
  expect(sameExpr(e, doubled(load(1, [t], "num")))).toBe(true);
  expect(sameExpr(e, doubled(load(2, [t], "num")))).toBe(false);
  expect(loadsOf(e)).toHaveLength(1);
  expect(exprKey(e).length).toBeLessThan(100);
  expect(sameExpr(substitute(e, new Map([["t", d]])), doubled(load(1, [d], "num")))).toBe(true);
  expect(printExpr(e).length).toBeLessThan(10_000);
});

test("a large text names its shared parts", () => {
  let e: Expr = x;
  for (let k = 0; k < 12; k++) e = add(e, e);
  expect(printExpr(e)).toMatch(/^s0 = %1\[t\] \+ .*; s1 = s0 \+ s0; .*; s\d+ \+ s\d+$/);
});
