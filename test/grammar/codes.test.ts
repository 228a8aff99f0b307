import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { codes } from "../../grammar/codes/codes.ts";
import { syntaxPages } from "../../grammar/codes/syntax.ts";
import { parseText } from "./tree.ts";

const root = join(import.meta.dirname, "../..");

/** The codes that the compiler's source names, the pages themselves aside. */
function codesInSource(): Set<string> {
  const found = new Set<string>();
  for (const folder of ["grammar", "src", "passes", "backends"]) {
    for (const path of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!path.endsWith(".ts") || (folder === "grammar" && path.startsWith("codes"))) continue;
      // A code is a string in quotes; comments may speak of codes that do not exist.
      for (const [code] of readFileSync(join(root, folder, path), "utf8").matchAll(
        /(?<=["'`])RMX\d{4}(?=["'`])/g,
      )) {
        found.add(code);
      }
    }
  }
  return found;
}

describe("the registry of codes", () => {
  const used = codesInSource();

  test("every code that is reported has a page", () => {
    expect([...used].filter((code) => !codes.has(code)).sort()).toEqual([]);
  });

  test("every page is of a code that is reported", () => {
    expect([...codes.keys()].filter((code) => !used.has(code))).toEqual([]);
  });

  test.each([...codes])("%s has a title, a meaning and both examples", (code, { title, page }) => {
    expect(code).toMatch(/^RMX\d{4}$/);
    expect(title).toMatch(/^[a-z0-9`].*[^.]$/);
    expect(page).toMatch(
      /^# RMX\d{4}: .+\n\n[\s\S]+\n\nThis fails:\n\n {4}[\s\S]+\n\nThis is right:\n\n {4}[\s\S]+$/,
    );
  });
});

describe("the examples of syntax pages", () => {
  test.each(Object.entries(syntaxPages))("%s", (code, page) => {
    expect(parseText(page.failing).diagnostics.map((d) => d.code)).toEqual([code]);
    expect(parseText(page.mended).diagnostics).toEqual([]);
  });
});
