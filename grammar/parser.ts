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
import { RmxParser } from "./parser/declarations.ts";

let parser: RmxParser | undefined;

/** Parses one file; diagnostics are in the order of their places. */
export function parse(file: SourceFile): { file: File; diagnostics: Diagnostic[] } {
  const { tokens, comments, diagnostics: lexical } = lex(file);
  const { tokens: statements, diagnostics: brackets } = arrange(file, tokens);
  const diagnostics = [...lexical, ...brackets.filter((bracket) => !isSwallowed(file, bracket, lexical))];
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

/** Whether what would have closed a bracket was lost in a string or a comment that is itself not closed. */
function isSwallowed(file: SourceFile, bracket: Diagnostic, lexical: readonly Diagnostic[]): boolean {
  const opened = bracket.secondary?.[0]?.span.start;
  const missing = bracket.span?.start;
  if (bracket.code !== "RMX0007" || opened === undefined || missing === undefined) return false;
  return lexical.some(({ code, span }) => {
    if (span === undefined) return false;
    if (code === "RMX0002") return opened <= span.start && span.start <= missing;
    return code === "RMX0003" && file.text.slice(missing, span.start).trim() === "";
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
