/**
 * @file `docs/library.md` as the standard library gives it: each block with its signature and with its equations, its source and
 * an example, which stand in its doc comment.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { BlockDecl, File } from "../grammar/ast.ts";
import { parse } from "../grammar/parser.ts";

const root = resolve(import.meta.dirname, "..");
export const pagePath = join(root, "docs/library.md");
const folder = join(root, "src/std");

export interface LibraryFile {
  /** `rankmixer` */
  readonly name: string;
  readonly text: string;
  readonly file: File;
}

/** The files of the library: the prelude, which is always in scope, then by name. */
export function libraryFiles(): LibraryFile[] {
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(".rmx"))
    .map((file) => basename(file, ".rmx"))
    .sort((a, b) => Number(b === "prelude") - Number(a === "prelude") || (a < b ? -1 : 1));
  return names.map((name) => {
    const text = readFileSync(join(folder, `${name}.rmx`), "utf8");
    return { name, text, file: parse({ name: `std/${name}.rmx`, text }).file };
  });
}

export function blocksOf({ file }: LibraryFile): BlockDecl[] {
  return file.items.filter((item) => item.kind === "block");
}

/** The examples in a block's doc comment: what stands in its `rmx` fences. */
export function examplesOf(block: BlockDecl): string[] {
  return [...block.doc.matchAll(/^```rmx\n([\s\S]*?)^```/gm)].map(([, example]) => example);
}

/** The comment at a file's head, which names the system and its paper. */
export function headOf({ file, text }: LibraryFile): string {
  const [first] = file.items;
  const lines: string[] = [];
  let end: number | undefined;
  for (const { style, span, text: comment } of file.comments) {
    const follows = end === undefined || /^\r?\n$/.test(text.slice(end, span.start));
    if (style !== "line" || !follows || (first !== undefined && span.start > first.span.start)) break;
    lines.push(comment.replace(/^\/\/ ?/, ""));
    end = span.end;
  }
  return lines.join("\n");
}

/** `name(x: [T, D], …) -> [T, D]`, broken as the file breaks it. */
export function signatureOf(block: BlockDecl, { text }: LibraryFile): string {
  const body = text.indexOf("{", (block.results.at(-1) ?? block.name).span.end);
  return text.slice(block.name.span.start, body).trim();
}

export function libraryPage(): string {
  const files = libraryFiles();
  const head = [
    "# The standard library",
    "",
    "Every block of `src/std/`, written in the language itself. `npm run docs` assembles this page from the files' doc comments; a test",
    "fails where it is not up to date. A block sees only its parameters; what a paper leaves open is one of them.",
    "",
    ...files.map(
      (file) => `- [\`std.${file.name}\`](#std${file.name}): ${blocksOf(file).map(linkTo).join(", ")}`,
    ),
  ];
  return `${[head.join("\n"), ...files.flatMap(section)].join("\n\n")}\n`;
}

function linkTo({ name }: BlockDecl): string {
  return `[\`${name.name}\`](#${name.name})`;
}

function section(file: LibraryFile): string[] {
  const scope = file.name === "prelude" ? "Always in scope." : `\`use std.${file.name}\``;
  const head = [`## std.${file.name}`, scope, headOf(file)].filter((part) => part !== "");
  return [...head, ...blocksOf(file).flatMap((block) => entry(block, file))];
}

function entry(block: BlockDecl, file: LibraryFile): string[] {
  return [`### ${block.name.name}`, `\`\`\`rmx\n${signatureOf(block, file)}\n\`\`\``, block.doc.trim()];
}
