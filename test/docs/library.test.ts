import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "../../grammar/parser.ts";
import {
  blocksOf,
  examplesOf,
  headOf,
  libraryFiles,
  libraryPage,
  pagePath,
  signatureOf,
} from "../../scripts/library.ts";

it("the page of the library is what the library says; `npm run docs` writes it anew", () => {
  expect(readFileSync(pagePath, "utf8")).toBe(libraryPage());
});

describe.each(libraryFiles())("std.$name", (file) => {
  const blocks = blocksOf(file);

  it("names its paper, in its head or at each block", () => {
    const cited = file.name === "prelude" ? /./ : /arXiv \d{4}\.\d{4,5}|[A-Z]{3,} \d{4}/;
    for (const block of blocks) expect(`${headOf(file)}\n${block.doc}`, block.name.name).toMatch(cited);
  });

  it("says of each block what it is, with an example of at most three lines that uses it", () => {
    for (const block of blocks) {
      const { name } = block.name;
      expect(block.doc.split("```")[0].trim(), name).not.toBe("");
      const [example = "", ...more] = examplesOf(block);
      expect(more, name).toEqual([]);
      expect(example).toMatch(new RegExp(`\\b${name}\\b`));
      expect(example.trim().split("\n").length, name).toBeLessThanOrEqual(3);
      const { diagnostics } = parse({ name: "example", text: `model m() {\n${example}}\n` });
      expect(diagnostics, name).toEqual([]);
    }
  });

  it("shows signatures that are declarations again", () => {
    for (const block of blocks) {
      const text = `block ${signatureOf(block, file)} {\n  return 0\n}\n`;
      const { file: tree, diagnostics } = parse({ name: "signature", text });
      expect(diagnostics).toEqual([]);
      expect(tree.items).toMatchObject([{ kind: "block", name: { name: block.name.name } }]);
    }
  });
});
