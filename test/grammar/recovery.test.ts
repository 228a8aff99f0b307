import { describe, expect, test } from "vitest";
import { parse } from "../../grammar/parser.ts";
import { wholeModel } from "./samples.ts";
import { codesOf, parseText } from "./tree.ts";

/** Code and blamed text of every diagnostic. */
function errors(text: string): string[] {
  return parse({ name: "t", text }).diagnostics.map(
    (d) => `${d.code} ${JSON.stringify(text.slice(d.span?.start, d.span?.end))}`,
  );
}

describe("recovery", () => {
  test("an error in the middle of a file and one later are both reported, and nothing else", () => {
    const text = wholeModel
      .replace("profile : f32[48]", "profile : f64[48]")
      .replace('pooled = mean(x, "t d -> d")', "pooled = mean(x, +)");
    expect(errors(text)).toEqual(['RMX0017 "f64"', 'RMX0011 "+"']);
  });

  test("what could be read stays in the tree", () => {
    const { file } = parseText("model m {\n a = 1\n b = = 2\n c = 3\n}\nblck x\nmodel n {}\n");
    expect(file.items).toMatchObject([
      { kind: "model", body: [{ targets: [{ name: "a" }] }, { targets: [{ name: "c" }] }] },
      { kind: "model", name: { name: "n" } },
    ]);
  });

  test.each([
    ["a missing closing parenthesis", "x = f(a, b\ny = = 1", ["RMX0007", "RMX0012"]],
    ["one that is closed a line later by chance", "x = f(a, b\ny = g(c))", ["RMX0011"]],
    ["a missing operand before another statement", "x = a +\ny = 1\nz = *", ["RMX0012", "RMX0012"]],
    ["a list over several lines", "x = f(\n  a b,\n  c = 1\n)\ny = 2", ["RMX0011"]],
    ["a misspelled block keyword", "usr {\n  a: f32\n}\ny = 2", ["RMX0015"]],
    [
      "a broken header, whose body is read",
      "repeat 2 x as l {\n  x = +\n}\nif + {\n  y = +\n}",
      ["RMX0011", "RMX0012", "RMX0012", "RMX0012"],
    ],
    [
      "features",
      "user {\n  a f32\n  b: id at t\n  c: f32, 3: f32\n  d: i32\n}",
      ["RMX0011", "RMX0011", "RMX0011"],
    ],
    [
      "precision",
      'precision {\n  compute = f64\n  "a" = int8 per row\n  "b" f32\n}',
      ["RMX0017", "RMX0011", "RMX0011"],
    ],
    ["rows", "tokens x: [T, D] {\n  a[2 = f(x)\n  b = \n}", ["RMX0007", "RMX0012"]],
    ["two statements on a line", "x = f(a) y = 2", ["RMX0013"]],
    ["a label on a name", "x = y as z\nx = f(y as z)", ["RMX0019", "RMX0019"]],
    ["a reserved name", "not = 1\nlet and = 2", ["RMX0018", "RMX0018"]],
    ["`...` that is not first", "param w: [T, ..., D]", ["RMX0011"]],
    ["an empty index", "x = y[]", ["RMX0012"]],
    ["repeated commas", "x = f(a,,b)\ny = [,]", ["RMX0011", "RMX0011"]],
  ])("%s", (_, body, codes) => {
    expect(codesOf(body)).toEqual(codes);
  });

  test("an unclosed brace ends where indentation says", () => {
    const text =
      "model m {\n  user {\n    a: f32\n  item {\n    b: f32\n  }\n  x = +\n}\nmodel n {\n  y = *\n}\n";
    expect(errors(text)).toEqual(['RMX0007 ""', 'RMX0012 "+"', 'RMX0012 "*"']);
    expect(parseText(text).file.items).toHaveLength(2);
  });

  test("an unclosed brace at the end of the file points at its opener", () => {
    const [diagnostic, ...rest] = parseText("model m {\n  x = 1\n").diagnostics;
    expect(rest).toEqual([]);
    expect(diagnostic).toMatchObject({ code: "RMX0007", secondary: [{ span: { start: 8, end: 9 } }] });
  });

  test("a stray and a mismatched bracket", () => {
    expect(errors("model m {\n  x = f(a])\n  y = [1)\n  z = 1\n}\n}\n")).toEqual([
      'RMX0008 "]"',
      'RMX0008 ")"',
      'RMX0008 ")"',
      'RMX0008 "}"',
    ]);
  });

  test("lexical errors do not cause parse errors on their line", () => {
    const text =
      'model m {\n  a = "abc\n  b = 1__0\n  c = x @ y\n  d = 0x1f\n  e = 1e999\n  f = 9007199254740993\n  g = "\\q"\n  h = +\n} /* end';
    expect(errors(text)).toEqual([
      'RMX0002 "\\"abc"',
      'RMX0004 "1__0"',
      'RMX0001 "@"',
      'RMX0004 "0x1f"',
      'RMX0005 "1e999"',
      'RMX0005 "9007199254740993"',
      'RMX0006 "\\\\q"',
      'RMX0012 "+"',
      'RMX0003 "/*"',
    ]);
  });

  test("at the end of the input positions are those of the text", () => {
    for (const text of ["model", "model m", "block f(", "use", "model m { x =", "model m { x = a |>"]) {
      const [first] = parseText(text).diagnostics;
      expect(first?.span?.end, text).toBe(text.length);
    }
  });
});

describe("limits", () => {
  test.each([
    ["brackets", `x = ${"(".repeat(100_000)}`],
    ["braces", "if a {".repeat(1000)],
    ["prefix operators", `x = ${"-".repeat(100_000)}a`],
    ["terms", `x = a${" + a".repeat(10_000)}`],
    ["members", `x = a${".b".repeat(10_000)}`],
    ["pipes", `x = a${" |> f()".repeat(10_000)}`],
    ["branches", `if a {}${" else if b {}".repeat(5000)}`],
  ])("%s nested too deep are one diagnostic", (_, body) => {
    expect(codesOf(body)).toEqual(["RMX0009"]);
  });

  test("what generated text may need is within them", () => {
    expect(codesOf(`x = ${"(".repeat(63)}a${")".repeat(63)}\ny = a${" + a".repeat(900)}`)).toEqual([]);
  });
});
