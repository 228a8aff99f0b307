/**
 * @file `format`: the one canonical form of a file. Two spaces of indentation, 100 columns, a statement a line,
 * bracketed lists broken one item a line where they do not fit, no alignment in columns, at most one empty line.
 * Every comment is kept: on lines of its own, two spaces after the code whose line it ends, or where it stood
 * inside a list. The form depends on the tree and the comments alone, so formatting twice changes nothing.
 */
import type { Diagnostic, SourceFile } from "./diagnostics.ts";
import { CommentCursor } from "./format/comments.ts";
import { print } from "./format/doc.ts";
import { FilePrinter } from "./format/statements.ts";
import { lex } from "./lexer.ts";
import { parse } from "./parser.ts";

export const formatWidth = 100;

/** The canonical text, line end included; a file with syntax errors gives its diagnostics and no text. */
export function format(file: SourceFile): { text?: string; diagnostics: Diagnostic[] } {
  const { file: tree, diagnostics } = parse(file);
  if (diagnostics.some((diagnostic) => diagnostic.severity === "error")) return { diagnostics };
  const printer = new FilePrinter(file.text, lex(file).tokens, new CommentCursor(file.text, tree.comments));
  const text = print(printer.file(tree), formatWidth);
  return { text: text === "" ? "" : `${text}\n`, diagnostics };
}
