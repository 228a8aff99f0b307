import { describe, expect, test } from "vitest";
import { codesOf, expression, statements } from "./tree.ts";

describe("precedence, loosest first", () => {
  test.each([
    ["a |> f() or b", "error"],
    ["a or b |> f()", "(|> (or a b) (call f))"],
    ["a or b and c", "(or a (and b c))"],
    ["a and not b == c", "(and a (not (== b c)))"],
    ["not a and b", "(and (not a) b)"],
    ["not not a", "(not (not a))"],
    ["a < b + c", "(< a (+ b c))"],
    ["a + b * c - d", "(- (+ a (* b c)) d)"],
    ["a / b * c % d", "(% (* (/ a b) c) d)"],
    ["-a * b", "(* (- a) b)"],
    ["- -a", "(- (- a))"],
    ["a - -b", "(- a (- b))"],
    ["-x[0].y", "(- (. (index x 0) y))"],
    ["-f(x) as l * y", "(* (- (call f x as l)) y)"],
    ["a + f(b) as l + c", "(+ (+ a (call f b as l)) c)"],
    ["(a + b) * c", "(* (group (+ a b)) c)"],
    ["a == b and c != d or e", "(or (and (== a b) (!= c d)) e)"],
  ])("%s", (text, tree) => {
    if (tree === "error") expect(codesOf(`x = ${text}`)).toEqual(["RMX0020"]);
    else expect(expression(text)).toBe(tree);
  });

  test("comparisons do not chain, groups of them compare", () => {
    expect(codesOf("x = a < b <= c")).toEqual(["RMX0016"]);
    expect(expression("(a < b) == (b < c)")).toBe("(== (group (< a b)) (group (< b c)))");
    expect(expression("a < b and b < c")).toBe("(and (< a b) (< b c))");
  });
});

describe("operands", () => {
  test.each([
    ["1_000", "1000"],
    ["1e-5", "0.00001"],
    ["2.5", "2.5"],
    ["-inf", "(- Infinity)"],
    ["true", "true"],
    ['"t (h e) -> h (t e)"', '"t (h e) -> h (t e)"'],
    ['"a\\"\\\\\\n\\t"', '"a\\"\\\\\\n\\t"'],
    ["[]", "[]"],
    ["[cross(rank = 8), linear]", "[(call cross rank=8) linear]"],
    ["x[:, 0:64]", "(index x : 0:64)"],
    ["x[8:]", "(index x 8:)"],
    ["x[:n - 1]", "(index x :(- n 1))"],
    ["x[0]", "(index x 0)"],
    ["x[-1]", "(index x (- 1))"],
    ["f(x)[0].a", "(. (index (call f x) 0) a)"],
    ["f(a, k = b, )", "(call f a k=b)"],
    ["ug_mask(y, rows = 0:8, fill = -inf)", "(call ug_mask y rows=0:8 fill=(- Infinity))"],
    ["x |> f(a) as l |> g()", "(|> (|> x (call f a as l)) (call g))"],
  ])("%s", (text, tree) => {
    expect(expression(text)).toBe(tree);
  });

  test("a number keeps how it was written", () => {
    expect(statements("x = 1_000\ny = inf")).toMatchObject([
      { value: { raw: "1_000" } },
      { value: { raw: "inf" } },
    ]);
  });
});

describe("`//` divides or begins a comment", () => {
  test.each([
    ["T//heads", "(// T heads)"],
    ["T//2//k", "(// (// T 2) k)"],
    ["T // 2", "(// T 2)"],
    ["T // 2 + 1 // half, and one", "(+ (// T 2) 1)"],
    ["(T // heads) * 2", "(* (group (// T heads)) 2)"],
    ["f(T // heads, D = 2) // rest", "(call f (// T heads) D=2)"],
    ["x[0:T // heads, :]", "(index x 0:(// T heads) :)"],
    ["f(T // 2,\n  // next\n  D)", "(call f (// T 2) D)"],
    ["T // tokens in all", "T"],
    ["T // [T, D]", "T"],
    ["T // (T, D)", "T"],
    ["T // residual", "T"],
    ["T // 2 tokens", "T"],
    ["f(a, // first (of two)\n b)", "(call f a b)"],
    ["f(a // the first,\n , b)", "(call f a b)"],
  ])("%s", (text, tree) => {
    expect(expression(text)).toBe(tree);
  });

  test("it is an error where every name of the comment is used in the file", () => {
    expect(codesOf("let T = 1\nlet heads = 2\nlet E = T // heads")).toEqual(["RMX0010"]);
    expect(codesOf("let T = 1\nlet heads = 2\nlet E = T // heads + other")).toEqual([]);
    expect(codesOf("let T = 1\nlet heads = 2\nlet E = T /* heads */")).toEqual([]);
  });
});
