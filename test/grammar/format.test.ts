import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { format, formatWidth } from "../../grammar/format.ts";
import { everyConstruct, library, wholeModel } from "./samples.ts";
import { parseText, withoutSpans } from "./tree.ts";

function formatted(text: string): string {
  const result = format({ name: "test.rmx", text });
  if (result.text === undefined) throw new Error(JSON.stringify(result.diagnostics));
  return result.text;
}

function commentsOf(text: string): string[] {
  return parseText(text)
    .file.comments.map((comment) => comment.text.replace(/\r\n?/g, "\n").trimEnd())
    .sort();
}

/** Formatting keeps the tree and every comment, and formatting again changes nothing. */
function expectFaithful(text: string): void {
  const once = formatted(text);
  expect(withoutSpans(parseText(once).file)).toEqual(withoutSpans(parseText(text).file));
  expect(commentsOf(once)).toEqual(commentsOf(text));
  expect(formatted(once)).toBe(once);
}

/** Inserts texts at gaps between tokens; each gap is named by a number that is taken modulo their count. */
function insertAt(text: string, inserts: readonly { gap: number; text: string }[]): string {
  const gaps = [...text.matchAll(/(?<=\s)|(?<=[()[\],{}])|(?=[()[\],{}])/g)].map((match) => match.index);
  const places = inserts
    .map((insert) => ({ at: gaps[insert.gap % gaps.length] ?? 0, text: insert.text }))
    .sort((a, b) => b.at - a.at);
  let result = text;
  for (const { at, text: inserted } of places) result = result.slice(0, at) + inserted + result.slice(at);
  return result;
}

/** A model's body, formatted, without its indentation. */
function body(text: string): string {
  return formatted(`model m {\n${text}\n}\n`)
    .split("\n")
    .slice(1, -2)
    .map((line) => line.replace(/^ {2}/, ""))
    .join("\n");
}

describe("the canonical form", () => {
  test.each([
    ["spaces", "x=f( a,k=b )[ 0:8 ,: ]*-y", "x = f(a, k = b)[0:8, :] * -y"],
    [
      "no alignment",
      "user {\n  a   : f32\n  bcd : ids[ 5 ] in t\n}",
      "user {\n  a: f32\n  bcd: ids[5] in t\n}",
    ],
    ["no trailing commas", "x = f(\n  a,\n  b,\n)\nuser { a: f32, }", "x = f(a, b)\nuser {\n  a: f32\n}"],
    ["short bodies", "repeat 2 as l { x = f(x) }", "repeat 2 as l {\n  x = f(x)\n}"],
    [
      "sizes on one line",
      "serve {\n  requests<=8\n  candidates<=9\n}",
      "serve { requests <= 8, candidates <= 9 }",
    ],
    ["empty bodies", "user {\n\n}", "user {}"],
    ["parentheses as written", "x = ((a) + (b * c))", "x = ((a) + (b * c))"],
    ["glued divisions", "x = (a // b) // 2", "x = (a//b)//2"],
    ["one empty line at most, none at the ends", "\n\nx = 1\n\n\n\ny = 2\n\n", "x = 1\n\ny = 2"],
    [
      "else",
      "if a {\n}\nelse if b { x = 1 }\nelse { y = 1 }",
      "if a {} else if b {\n  x = 1\n} else {\n  y = 1\n}",
    ],
    [
      "comments",
      "// above\nx = 1// beside\n// below\n\n/* block */ y = 2 /* after */\nuser { // one row\n// own\n}",
      "// above\nx = 1  // beside\n// below\n\n/* block */ y = 2  /* after */\nuser {  // one row\n  // own\n}",
    ],
    [
      "comments in brackets",
      "x = f(a, // the first\n // the second\n b /* inside */, c)",
      "x = f(\n  a,  // the first\n  // the second\n  b /* inside */,\n  c\n)",
    ],
    ["comments within an expression go to the line's end", "x = a + // why\n  b", "x = a + b  // why"],
  ])("%s", (_, text, expected) => {
    expect(body(text)).toBe(expected);
    expect(body(expected)).toBe(expected);
  });

  test("long calls are broken one argument a line, from the outside in", () => {
    const [a, b] = ["a".repeat(40), "b".repeat(40)];
    expect(body(`x = outer(inner(${a}, k = 1), ${b}, c)`)).toBe(
      `x = outer(\n  inner(${a}, k = 1),\n  ${b},\n  c\n)`,
    );
    expect(body(`x = f(${a}, g(${a}, ${b}, ${b}))`)).toBe(
      `x = f(\n  ${a},\n  g(\n    ${a},\n    ${b},\n    ${b}\n  )\n)`,
    );
  });

  test("long sums break after their operators, pipes before theirs", () => {
    const name = "n".repeat(40);
    expect(body(`x = ${name} + ${name} * 2 - ${name}`)).toBe(`x = ${name} +\n  ${name} * 2 -\n  ${name}`);
    expect(body(`x = ${name} |> f(${name}) |> g(${name})`)).toBe(
      `x = ${name}\n  |> f(${name})\n  |> g(${name})`,
    );
  });

  test("a line of exactly the width stays", () => {
    const fits = `x = f(${"a".repeat(formatWidth - "  x = f()".length)})`;
    expect(body(fits)).toBe(fits);
    expect(body(fits.replace("f(", "ff("))).toContain("\n");
  });

  test("declarations have an empty line between them, uses need none", () => {
    expect(formatted('use std.a\nuse "./b.rmx"\nblock a() -> [] {}\nmodel m {}\n// c\nmodel n() {}')).toBe(
      'use std.a\nuse "./b.rmx"\n\nblock a() -> [] {}\n\nmodel m {}\n// c\nmodel n {}\n',
    );
  });

  test("windows line ends become plain ones; an empty file stays empty", () => {
    expect(formatted(wholeModel.replaceAll("\n", "\r\n"))).toBe(formatted(wholeModel));
    expect(formatted("\n\n")).toBe("");
  });

  test("a file with syntax errors gives them and no text", () => {
    const result = format({ name: "t", text: "model m { x = }" });
    expect(result.text).toBeUndefined();
    expect(result.diagnostics.map((d) => d.code)).toEqual(["RMX0012"]);
  });
});

describe("format keeps what is there", () => {
  test.each(Object.entries({ wholeModel, library, everyConstruct }))("%s is kept and stable", (_, text) => {
    expectFaithful(text);
  });

  test("comments anywhere are kept", () => {
    const comment = fc.constantFrom(
      "// one\n",
      " // two words\n",
      "/* block */",
      " /* two\n   lines */ ",
      "/// doc\n",
      "\n",
      "\n\n\n",
    );
    const inserts = fc.array(fc.record({ gap: fc.nat(10_000), text: comment }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(fc.constantFrom(wholeModel, library, everyConstruct), inserts, (text, where) => {
        const mutated = insertAt(text, where);
        fc.pre(parseText(mutated).diagnostics.length === 0);
        expectFaithful(mutated);
      }),
      { numRuns: 100 },
    );
  });
});
