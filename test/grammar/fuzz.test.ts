import fc from "fast-check";
import { expect, test } from "vitest";
import { renderAll } from "../../grammar/render.ts";
import { everyConstruct, library, wholeModel } from "./samples.ts";
import { parseText } from "./tree.ts";

/** Whatever the text: no throw, under a second, spans inside the text, and diagnostics that can be rendered. */
function expectSane(text: string): void {
  const start = performance.now();
  const { diagnostics } = parseText(text);
  expect(performance.now() - start).toBeLessThan(1000);
  for (const { span } of diagnostics) {
    if (span === undefined) throw new Error("a syntax error without a place");
    expect(span.start).toBeGreaterThanOrEqual(0);
    expect(span.end).toBeGreaterThanOrEqual(span.start);
    expect(span.end).toBeLessThanOrEqual(text.length);
  }
  renderAll(diagnostics.slice(0, 5), new Map([["test.rmx", { name: "test.rmx", text }]]), { color: false });
}

const pieces = [
  ..."( ) [ ] { } = == , : . ... -> |> + - * / // % < <= and or not as in of if else repeat let".split(" "),
  ..."block model use user item tokens table task loss label param precision serve return".split(" "),
  ..."f32 f64 id ids seq int8 per channel group inputs derived compute std x y T 0 1.5 inf true".split(" "),
  ...[
    '"t d -> d"',
    '"',
    "\n",
    "\n  ",
    "\n    ",
    "// c\n",
    "/// d\n",
    "/*",
    "*/",
    "1__0",
    "@",
    "\u0000",
    "é",
    "\t",
    "\r\n",
  ],
];

test("token soup", () => {
  const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 120 }).map((parts) => parts.join(" "));
  fc.assert(fc.property(soup, expectSane), { numRuns: 400 });
});

test("any string", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), expectSane), { numRuns: 200 });
});

test("mutations of the samples", () => {
  const edit = fc.record({
    at: fc.nat(5000),
    remove: fc.nat(12),
    insert: fc.constantFrom("", "", ...pieces),
  });
  const edits = fc.array(edit, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.constantFrom(wholeModel, library, everyConstruct), edits, (text, changes) => {
      let mutated = text;
      for (const { at, remove, insert } of changes) {
        const place = at % (mutated.length + 1);
        mutated = mutated.slice(0, place) + insert + mutated.slice(place + remove);
      }
      expectSane(mutated);
    }),
    { numRuns: 300 },
  );
});
