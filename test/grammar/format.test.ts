import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { format } from "../../grammar/format.ts";
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

describe("format", () => {
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
      { numRuns: 150 },
    );
  });
});
