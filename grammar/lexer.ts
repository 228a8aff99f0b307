/**
 * @file From text to tokens: chevrotain's lexer, the comments taken out of the stream and kept beside it, and
 * the lexical diagnostics. Malformed tokens are reported here and go on as what they were meant to be, so the
 * parser does not stumble over them again.
 */
import { type IToken, Lexer, type TokenType } from "chevrotain";
import type { Comment } from "./ast.ts";
import type { Diagnostic, SourceFile, Span } from "./diagnostics.ts";
import { divisorAt } from "./slashes.ts";
import * as t from "./tokens.ts";

export interface LexedFile {
  /** Line ends are tokens too; comments and blanks are not here. */
  readonly tokens: readonly IToken[];
  readonly comments: readonly Comment[];
  readonly diagnostics: readonly Diagnostic[];
}

let lexer: Lexer | undefined;

export function lex(file: SourceFile): LexedFile {
  lexer ??= new Lexer(t.allTokens, {
    positionTracking: "onlyOffset",
    skipValidations: true,
    ensureOptimizations: true,
  });
  const result = lexer.tokenize(file.text);
  const diagnostics: Diagnostic[] = result.errors.map(({ offset, length }) =>
    unexpectedCharacter(file, offset, length),
  );
  const tokens: IToken[] = [];
  const comments: Comment[] = [];
  const names = new Set<string>();
  const doubtful: { comment: Comment; names: readonly string[] }[] = [];

  for (const token of result.tokens) {
    const span = spanOf(file.name, token);
    const { tokenType: type, image } = token;
    if (type === t.LineComment || type === t.BlockComment || type === t.BadComment) {
      if (type === t.BadComment) diagnostics.push(unterminatedComment(span));
      const comment: Comment = { text: image, span, style: commentStyle(image) };
      comments.push(comment);
      const before = tokens.at(-1);
      if (type === t.LineComment && before !== undefined && t.endsOperand(before.tokenType)) {
        const divisor = divisorAt(file.text, span.start + 2);
        if (divisor !== undefined) doubtful.push({ comment, names: divisor.names });
      }
      continue;
    }
    if (t.isName(type)) names.add(image);
    if (type === t.BadNumber) {
      diagnostics.push(malformedNumber(span));
      tokens.push(retyped(token, t.IntLiteral));
    } else if (type === t.BadString) {
      diagnostics.push(unterminatedString(span));
      tokens.push(retyped(token, t.StringLiteral));
    } else {
      if (type === t.StringLiteral) diagnostics.push(...badEscapes(span, image));
      if (type === t.IntLiteral || type === t.FloatLiteral) diagnostics.push(...numberTooLarge(span, image));
      tokens.push(token);
    }
  }
  for (const { comment, names: used } of doubtful) {
    if (used.every((name) => names.has(name))) diagnostics.push(doubtfulSlashes(comment.span));
  }
  return { tokens, comments, diagnostics };
}

/** The half-open span of a token that has a position. */
export function spanOf(file: string, token: IToken): Span {
  return { file, start: token.startOffset, end: endOf(token) };
}

export function endOf(token: IToken): number {
  return token.startOffset + (token.isInsertedInRecovery === true ? 0 : token.image.length);
}

/** The value of a string literal as written, quotes and all; a malformed one gives its best reading. */
export function stringValue(image: string): string {
  const inner = image.length > 1 && image.endsWith('"') ? image.slice(1, -1) : image.slice(1);
  return inner.replace(/\\(.)/gu, (_, escaped: string) => escapes.get(escaped) ?? escaped);
}

export function numberValue(image: string): number {
  const value = Number(image.replaceAll("_", ""));
  return Number.isNaN(value) ? 0 : value;
}

const escapes: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["t", "\t"],
  ["\\", "\\"],
  ['"', '"'],
]);

function commentStyle(image: string): Comment["style"] {
  if (image.startsWith("/*")) return "block";
  return /^\/\/\/(?!\/)/.test(image) ? "doc" : "line";
}

function retyped(token: IToken, type: TokenType): IToken {
  return { ...token, tokenType: type, tokenTypeIdx: type.tokenTypeIdx ?? 0 };
}

function unexpectedCharacter(file: SourceFile, offset: number, length: number): Diagnostic {
  const text = file.text.slice(offset, offset + length);
  const known = characterHints.get(text[0] ?? "");
  return {
    code: "RMX0001",
    severity: "error",
    message: length === 1 || [...text].length === 1 ? "unexpected character" : "unexpected characters",
    span: { file: file.name, start: offset, end: offset + length },
    label: "not part of the language",
    ...(known === undefined ? {} : { help: known }),
  };
}

const characterHints: ReadonlyMap<string, string> = new Map([
  ["'", 'strings are written in double quotes: `"t d -> d"`'],
  ["#", "comments begin with `//`"],
  [";", "a statement ends at the end of its line"],
  ["&", "write `and`"],
  ["|", "write `or`"],
  ["!", "write `not`"],
  ["^", "write `pow(x, n)`"],
  ["\u201c", 'write a straight quote `"`'],
  ["\u201d", 'write a straight quote `"`'],
]);

function unterminatedString(span: Span): Diagnostic {
  return {
    code: "RMX0002",
    severity: "error",
    message: "the string is not closed",
    span,
    label: "begins here",
    help: 'close it with `"` on the same line',
  };
}

function unterminatedComment({ file, start }: Span): Diagnostic {
  return {
    code: "RMX0003",
    severity: "error",
    message: "the comment is not closed",
    span: { file, start, end: start + 2 },
    label: "begins here",
    help: "close it with `*/`",
  };
}

function malformedNumber(span: Span): Diagnostic {
  return {
    code: "RMX0004",
    severity: "error",
    message: "this is not a number",
    span,
    help: "numbers are written like `12`, `1_000_000`, `0.5` or `1e-5`",
  };
}

function numberTooLarge(span: Span, image: string): Diagnostic[] {
  const value = numberValue(image);
  const isInt = /^[\d_]*$/.test(image);
  if (isInt ? Number.isSafeInteger(value) : Number.isFinite(value)) return [];
  return [
    {
      code: "RMX0005",
      severity: "error",
      message: isInt ? "the integer is larger than 2^53 - 1" : "the number is larger than any float",
      span,
      ...(isInt ? {} : { help: "infinity is written `inf`" }),
    },
  ];
}

function badEscapes(span: Span, image: string): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const match of image.matchAll(/\\(.)/gu)) {
    if (escapes.has(match[1] ?? "")) continue;
    const start = span.start + match.index;
    found.push({
      code: "RMX0006",
      severity: "error",
      message: "unknown escape in a string",
      span: { file: span.file, start, end: start + match[0].length },
      help: 'known are `\\"`, `\\\\`, `\\n` and `\\t`',
    });
  }
  return found;
}

function doubtfulSlashes(span: Span): Diagnostic {
  return {
    code: "RMX0010",
    severity: "error",
    message: "`//` may be read as a comment or as an integer division here",
    span,
    help: "for a division write `(a // b)` or `a//b`; for a comment use more words or `/* */`",
  };
}
