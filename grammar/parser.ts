/**
 * @file `parse`: from the text of an `.rmx` file to its syntax tree and every syntax error in it.
 *
 *     text ──lex──▶ tokens, comments ──arrange──▶ statements, balanced ──RmxParser──▶ tree ──checkDepth──▶ tree
 *
 * Parsing never throws on any input, and takes time linear in its length. The tree of a file with errors holds
 * what could be read; lines that could not are left out of it.
 */
import type { Comment, File } from "./ast.ts";
import { arrange } from "./brackets.ts";
import { checkDepth } from "./depth.ts";
import type { Diagnostic, SourceFile } from "./diagnostics.ts";
import { lex } from "./lexer.ts";
import { anyBetween } from "./offsets.ts";
import { RmxParser } from "./parser/declarations.ts";

let parser: RmxParser | undefined;

/** Parses one file; diagnostics are in the order of their places. */
export function parse(file: SourceFile): { file: File; diagnostics: Diagnostic[] } {
  const { tokens, comments, diagnostics: lexical } = lex(file);
  const { tokens: statements, diagnostics: brackets } = arrange(file, tokens);
  const diagnostics = [...lexical, ...withoutSwallowed(file, brackets, lexical)];
  parser ??= new RmxParser({ skipValidations: true });
  const result = parser.read({
    file,
    tokens: statements,
    reported: diagnostics.map((d) => d.span?.start ?? 0).sort((a, b) => a - b),
    docAbove: docComments(file.text, comments),
  });
  diagnostics.push(...result.diagnostics);
  const tooDeep = checkDepth(result.items);
  if (tooDeep !== undefined) diagnostics.push(tooDeep);
  return {
    file: {
      kind: "file",
      items: tooDeep === undefined ? result.items : [],
      comments,
      span: { file: file.name, start: 0, end: file.text.length },
    },
    diagnostics: inOrder(diagnostics),
  };
}

function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return diagnostics.toSorted((a, b) => (a.span?.start ?? 0) - (b.span?.start ?? 0));
}

/**
 * The reports of unclosed brackets, but for those whose closing bracket was lost in a string or a comment that is
 * itself not closed.
 */
function withoutSwallowed(
  file: SourceFile,
  brackets: readonly Diagnostic[],
  lexical: readonly Diagnostic[],
): Diagnostic[] {
  const startsOf = (code: string): number[] =>
    lexical.flatMap((d) => (d.code === code && d.span ? [d.span.start] : []));
  const strings = startsOf("RMX0002");
  const [comment] = startsOf("RMX0003");
  return brackets.filter(({ code, span, secondary }) => {
    const opened = secondary?.[0]?.span.start;
    if (code !== "RMX0007" || span === undefined || opened === undefined) return true;
    const atEnd = comment !== undefined && file.text.slice(span.start, comment).trim() === "";
    return !atEnd && !anyBetween(strings, opened, span.start);
  });
}

/** Finds the text of the `///` lines right above the line that begins with what stands at an offset. */
function docComments(text: string, comments: readonly Comment[]): (offset: number) => string {
  /** Each own-line doc comment, by the offset at which the line below it begins. */
  const above = new Map<number, { text: string; line: number }>();
  for (const { style, span, text: written } of comments) {
    const line = ownLineStart(text, span.start);
    if (style !== "doc" || line === undefined) continue;
    const below = span.end + (text.startsWith("\r\n", span.end) ? 2 : 1);
    above.set(below, { text: written.replace(/^\/\/\/ ?/, "").trimEnd(), line });
  }
  return (offset) => {
    const lines: string[] = [];
    const line = ownLineStart(text, offset);
    let doc = line === undefined ? undefined : above.get(line);
    while (doc !== undefined) {
      lines.push(doc.text);
      doc = above.get(doc.line);
    }
    return lines.reverse().join("\n");
  };
}

/** Where the line of `offset` begins, if nothing but blanks stands between. */
function ownLineStart(text: string, offset: number): number | undefined {
  let at = offset;
  while (at > 0 && (text[at - 1] === " " || text[at - 1] === "\t")) at -= 1;
  return at === 0 || text[at - 1] === "\n" || text[at - 1] === "\r" ? at : undefined;
}
