import { describe, expect, test } from "vitest";
import type { Diagnostic, Sources } from "../../grammar/diagnostics.ts";
import { diagnosticToJson, renderAll, renderDiagnostic } from "../../grammar/render.ts";

const sourcesOf = (files: Record<string, string>): Sources =>
  new Map(Object.entries(files).map(([name, text]) => [name, { name, text }]));

/** The span of the `nth` occurrence of `part` in a file. */
function span(sources: Sources, file: string, part: string, nth = 0) {
  let start = -1;
  for (let count = 0; count <= nth; count += 1)
    start = sources.get(file)?.text.indexOf(part, start + 1) ?? -1;
  return { file, start, end: start + part.length };
}

const plain = { color: false };
const error = (rest: Partial<Diagnostic>): Diagnostic => ({
  code: "RMX0107",
  severity: "error",
  message: "unknown name",
  ...rest,
});

describe("frames", () => {
  const sources = sourcesOf({
    "a.rmx": "model m {\n  y = f(x)\n\n  z = mena(y)\n}\n",
    "b.rmx": "block f(x: [T]) -> [T] {\n",
  });

  test("a span, a label, secondary spans in this file and another, notes and help", () => {
    const diagnostic = error({
      span: span(sources, "a.rmx", "mena"),
      label: "not found",
      secondary: [
        { span: span(sources, "a.rmx", "y"), message: "bound here" },
        { span: span(sources, "b.rmx", "[T]"), message: "and here" },
      ],
      notes: ["first note", "second note\nof two lines"],
      help: "did you mean `mean`?",
    });
    expect(renderDiagnostic(diagnostic, sources, plain)).toMatchInlineSnapshot(`
      "error[RMX0107]: unknown name
       --> a.rmx:4:7
        |
      2 |   y = f(x)
        |   - bound here
      3 |
      4 |   z = mena(y)
        |       ^^^^ not found
       ::: b.rmx:1:12
        |
      1 | block f(x: [T]) -> [T] {
        |            --- and here
        |
        = note: first note
        = note: second note
                of two lines
        = help: did you mean \`mean\`?"
    `);
  });

  test("two marks on a line hang their labels", () => {
    const diagnostic = error({
      span: span(sources, "a.rmx", "y", 1),
      label: "here",
      secondary: [{ span: span(sources, "a.rmx", "z"), message: "assigned here" }],
    });
    expect(renderDiagnostic(diagnostic, sources, plain)).toMatchInlineSnapshot(`
      "error[RMX0107]: unknown name
       --> a.rmx:4:12
        |
      4 |   z = mena(y)
        |   -        ^ here
        |   |
        |   assigned here"
    `);
  });

  test("a span of several lines is marked on its first and last", () => {
    const text = sources.get("a.rmx")?.text ?? "";
    const diagnostic = error({
      span: { file: "a.rmx", start: text.indexOf("f(x)"), end: text.indexOf("}") + 1 },
      label: "all this",
    });
    expect(renderDiagnostic(diagnostic, sources, plain)).toMatchInlineSnapshot(`
      "error[RMX0107]: unknown name
       --> a.rmx:2:7
        |
      2 |   y = f(x)
        |       ^^^^
       ...
      5 | }
        | ^ all this"
    `);
  });

  test("the end of the file and no span at all", () => {
    const end = sources.get("a.rmx")?.text.length ?? 0;
    expect(
      renderDiagnostic(error({ span: { file: "a.rmx", start: end, end } }), sources, plain),
    ).toMatchInlineSnapshot(`
      "error[RMX0107]: unknown name
       --> a.rmx:6:1
        |
      6 |
        | ^"
    `);
    expect(renderDiagnostic(error({ severity: "warning", help: "write it" }), sources, plain)).toBe(
      "warning[RMX0107]: unknown name\n  = help: write it",
    );
    expect(renderDiagnostic(error({ span: { file: "gone", start: 1, end: 2 } }), sources, plain)).toBe(
      "error[RMX0107]: unknown name\n --> gone",
    );
  });

  test("tabs, wide and combining characters keep the carets below their text", () => {
    const text = "\t漢字e\u0301 bad";
    const special = sourcesOf({ a: text });
    const [, , , line = "", carets = ""] = renderDiagnostic(
      error({ span: span(special, "a", "bad") }),
      special,
      plain,
    ).split("\n");
    // A tab is four cells, a Han character two, an accent none: 4 + 2 * 2 + 1 + 1 space = 10.
    expect(carets).toBe(`  | ${" ".repeat(10)}^^^`);
    expect(line).toBe("1 |     漢字e\u0301 bad");
  });

  test("control characters do not reach the terminal", () => {
    const special = sourcesOf({ "a\u001b[2J": 'x = "\u001b[31m"' });
    const text = renderDiagnostic(
      error({ message: "found \u0007", span: { file: "a\u001b[2J", start: 4, end: 9 } }),
      special,
      plain,
    );
    expect(text).not.toContain("\u0007");
    expect(text).not.toContain("\u001b");
  });

  test("a long line is cut to a window around the mark", () => {
    const long = sourcesOf({ a: `${"x".repeat(500)} bad ${"y".repeat(100_000)}` });
    const lines = renderDiagnostic(error({ span: span(long, "a", "bad"), label: "here" }), long, plain).split(
      "\n",
    );
    const [, , , line = "", carets = ""] = lines;
    expect(line.length).toBeLessThan(140);
    expect(line.slice(carets.indexOf("^"), carets.lastIndexOf("^") + 1)).toBe("bad");
  });

  test("marks too far apart on a long line each get a window", () => {
    const long = sourcesOf({ a: `first ${"x".repeat(500)} bad` });
    const diagnostic = error({
      span: span(long, "a", "bad"),
      secondary: [{ span: span(long, "a", "first"), message: "cause" }],
    });
    const text = renderDiagnostic(diagnostic, long, plain);
    expect(text).toMatch(/----- cause/);
    expect(text.match(/^1 \|/gm)).toHaveLength(2);
  });

  test("color is only added", () => {
    const diagnostic = error({ span: span(sources, "a.rmx", "mena"), label: "l", help: "h" });
    const colored = renderDiagnostic(diagnostic, sources, { color: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for.
    const sequences = /\u001b\[\d+m/g;
    expect(colored).toMatch(sequences);
    expect(colored.replace(sequences, "")).toBe(renderDiagnostic(diagnostic, sources, plain));
  });

  test("renderAll separates by empty lines and prints the same thing once", () => {
    const [a, b] = [error({}), error({ code: "RMX0108" })];
    expect(renderAll([a, b, a], sources, plain)).toBe(
      "error[RMX0107]: unknown name\n\nerror[RMX0108]: unknown name\n",
    );
    expect(renderAll([], sources, plain)).toBe("");
  });
});

test("json has lines and columns from 1", () => {
  const sources = sourcesOf({ a: "x\r\n  bad\n" });
  const at = span(sources, "a", "bad");
  const diagnostic = error({
    span: at,
    label: "l",
    secondary: [{ span: { file: "b", start: 0, end: 1 }, message: "m" }],
    help: "h",
  });
  expect(diagnosticToJson(diagnostic, sources)).toEqual({
    code: "RMX0107",
    severity: "error",
    message: "unknown name",
    file: "a",
    line: 2,
    column: 3,
    endLine: 2,
    endColumn: 6,
    label: "l",
    secondary: [{ file: "b", message: "m" }],
    notes: [],
    help: "h",
  });
});
