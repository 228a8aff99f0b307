/**
 * @file Statements and brackets, settled in the token stream before the parser runs.
 *
 * Two jobs. First, line ends: only those that end a statement stay. One inside `( )` or `[ ]`, after a trailing
 * operator, `=` or comma, or before a line that begins with `|>` goes, as do repeated ones. Second, balance: the
 * parser is given balanced brackets always, so that it can skip a faulty statement by counting. What the author
 * left unclosed is closed here (and reported), at the place that indentation suggests: the first line that is
 * indented no deeper than the line that opened it. What closes nothing is reported and dropped.
 */
import { createTokenInstance, type IToken, type TokenType } from "chevrotain";
import type { Diagnostic, SourceFile, Span } from "./diagnostics.ts";
import { endOf, spanOf } from "./lexer.ts";
import * as t from "./tokens.ts";

/** Brackets may nest this deep; a file that goes deeper is refused before anything recurses over it. */
export const maxNesting = 64;

export interface Statements {
  /** Balanced, and ending with a line end if there is any token at all. Empty where nesting is too deep. */
  readonly tokens: IToken[];
  readonly diagnostics: readonly Diagnostic[];
}

export function arrange(file: SourceFile, tokens: readonly IToken[]): Statements {
  const plain = new Arranger(file, tokens, false).run();
  if (plain.diagnostics.length === 0) return plain;
  const byIndent = new Arranger(file, tokens, true).run();
  return byIndent.diagnostics.length <= plain.diagnostics.length ? byIndent : plain;
}

const closerOf: ReadonlyMap<TokenType, TokenType> = new Map([
  [t.LParen, t.RParen],
  [t.LSquare, t.RSquare],
  [t.LCurly, t.RCurly],
]);
const closers = new Set<TokenType>(closerOf.values());
const closingImage: ReadonlyMap<TokenType, string> = new Map([
  [t.LParen, ")"],
  [t.LSquare, "]"],
  [t.LCurly, "}"],
]);

interface Open {
  readonly token: IToken;
  /** Index of the token that closes it; -1 where none does. */
  readonly closer: number;
  /** The indentation of its line. */
  readonly indent: number;
  /** A `{` that ends its line. */
  readonly endsLine: boolean;
}

class Arranger {
  private readonly file: SourceFile;
  private readonly input: readonly IToken[];
  /** Trust indentation to say where an unclosed `{ }` ends. */
  private readonly byIndent: boolean;
  private readonly partners: Int32Array;
  private readonly output: IToken[] = [];
  private readonly diagnostics: Diagnostic[] = [];
  private readonly stack: Open[] = [];

  constructor(file: SourceFile, input: readonly IToken[], byIndent: boolean) {
    this.file = file;
    this.input = input;
    this.byIndent = byIndent;
    this.partners = matchBrackets(input);
  }

  run(): Statements {
    let lineEnd: IToken | undefined;
    let indent = 0;
    let lineStart = 0;
    for (const [index, token] of this.input.entries()) {
      if (token.tokenType === t.NewLine) {
        lineEnd ??= token;
        lineStart = endOf(token);
        continue;
      }
      const firstOnLine = lineEnd !== undefined || index === 0;
      if (firstOnLine) indent = token.startOffset - lineStart;
      if (lineEnd !== undefined) {
        this.closeByIndent(token, indent);
        this.endLine(lineEnd, index);
        lineEnd = undefined;
      }
      if (closerOf.has(token.tokenType)) {
        if (token.tokenType === t.LCurly) this.closeWhile((open) => open.token.tokenType !== t.LCurly);
        if (this.stack.length === maxNesting) return this.tooDeep(token);
        const next = this.input[index + 1];
        const endsLine = token.tokenType === t.LCurly && (next === undefined || next.tokenType === t.NewLine);
        this.stack.push({ token, closer: this.partners[index] ?? -1, indent, endsLine });
        this.output.push(token);
      } else if (closers.has(token.tokenType)) {
        this.close(token, index);
      } else {
        this.output.push(token);
      }
    }
    this.closeWhile(() => true);
    const last = this.output.at(-1);
    if (last !== undefined && last.tokenType !== t.NewLine)
      this.output.push(inserted(t.NewLine, "\n", endOf(last)));
    return { tokens: this.output, diagnostics: this.diagnostics };
  }

  /** Keeps the line end before token `index` if it ends a statement. */
  private endLine(lineEnd: IToken, index: number): void {
    const open = this.stack.at(-1);
    const last = this.output.at(-1);
    const next = this.input[index];
    if (last === undefined || next === undefined || last.tokenType === t.NewLine) return;
    if (open !== undefined && open.token.tokenType !== t.LCurly) return;
    if (next.tokenType === t.PipeOperator) return;
    const afterNext = this.input[index + 1]?.tokenType;
    const elseGoesOn = next.tokenType === t.Else && (afterNext === t.LCurly || afterNext === t.If);
    if (elseGoesOn && last.tokenType === t.RCurly) return;
    if (last.tokenType === t.Comma && next.tokenType !== t.RCurly) return;
    const { tokenType } = last;
    const goesOn = t.isBinaryOperator(tokenType) || tokenType === t.Not || tokenType === t.Equals;
    if (goesOn && !this.beginsStatement(index)) return;
    this.output.push(lineEnd);
  }

  /**
   * No expression goes on with `NAME =`, `NAME NAME` or `NAME {` outside brackets, nor with `}`: what stands
   * before is unfinished, and the error belongs there.
   */
  private beginsStatement(index: number): boolean {
    const first = this.input[index]?.tokenType;
    const second = this.input[index + 1]?.tokenType;
    if (first === t.RCurly) return true;
    if (first === undefined || second === undefined || !t.isName(first)) return false;
    return second === t.Equals || second === t.LCurly || t.isName(second);
  }

  /** Before the first token of a line: ends what indentation says was left unclosed. */
  private closeByIndent(token: IToken, indent: number): void {
    this.closeWhile((open) => {
      if (open.token.tokenType !== t.LCurly) return open.closer < 0 && indent <= open.indent;
      if (!this.byIndent || !open.endsLine) return false;
      return token.tokenType === t.RCurly ? indent < open.indent : indent <= open.indent;
    });
  }

  private close(token: IToken, index: number): void {
    const partner = this.partners[index] ?? -1;
    const opener = this.input[partner];
    if (this.byIndent && token.tokenType === t.RCurly) {
      this.closeWhile((open) => open.token.tokenType !== t.LCurly);
      if (this.stack.pop() === undefined) this.closesNothing(token);
      else this.output.push(token);
      return;
    }
    if (opener === undefined || !this.stack.some((open) => open.token === opener)) {
      this.closesNothing(token);
      return;
    }
    this.closeWhile((open) => open.token !== opener);
    this.stack.pop();
    const right = closerOf.get(opener.tokenType);
    if (right === undefined) throw new Error(`internal: ${opener.image} opens nothing`);
    if (right === token.tokenType) {
      this.output.push(token);
      return;
    }
    this.diagnostics.push({
      code: "RMX0008",
      severity: "error",
      message: `\`${token.image}\` does not close \`${opener.image}\``,
      span: this.span(token),
      label: `expected \`${closingImage.get(opener.tokenType)}\``,
      secondary: [{ span: this.span(opener), message: "opened here" }],
    });
    this.output.push(inserted(right, closingImage.get(opener.tokenType) ?? "", token.startOffset));
  }

  private closesNothing(token: IToken): void {
    this.diagnostics.push({
      code: "RMX0008",
      severity: "error",
      message: `this \`${token.image}\` closes nothing`,
      span: this.span(token),
    });
  }

  /** Closes, in the author's stead, the innermost brackets for which `unclosed` holds; reports them as one. */
  private closeWhile(unclosed: (open: Open) => boolean): void {
    const opened: IToken[] = [];
    const at = endOf(this.output.at(-1) ?? inserted(t.NewLine, "", 0));
    let images = "";
    for (let open = this.stack.at(-1); open !== undefined && unclosed(open); open = this.stack.at(-1)) {
      const image = closingImage.get(open.token.tokenType) ?? "";
      const right = closerOf.get(open.token.tokenType);
      if (right === undefined) throw new Error(`internal: ${open.token.image} opens nothing`);
      this.stack.pop();
      this.output.push(inserted(right, image, at));
      opened.push(open.token);
      images += image;
    }
    if (opened.length === 0) return;
    this.diagnostics.push({
      code: "RMX0007",
      severity: "error",
      message: `expected a closing \`${images}\``,
      span: { file: this.file.name, start: at, end: at },
      label: `\`${images}\` is missing`,
      secondary: opened.slice(0, 3).map((token) => ({ span: this.span(token), message: "opened here" })),
    });
  }

  private tooDeep(token: IToken): Statements {
    return {
      tokens: [],
      diagnostics: [
        {
          code: "RMX0009",
          severity: "error",
          message: `brackets nest more than ${maxNesting} deep`,
          span: this.span(token),
          help: "give parts of the expression names, or move them to blocks of their own",
        },
      ],
    };
  }

  private span(token: IToken): Span {
    return spanOf(this.file.name, token);
  }
}

/**
 * Which bracket closes which, by index, -1 where none does. A closer takes the nearest opener of its kind within
 * its `{ }`; where there is none it takes the innermost opener of the wrong kind, if that is not a `{`. No `{`
 * ever stands inside `( )` or `[ ]`, so a brace ends whatever of those is open.
 */
function matchBrackets(tokens: readonly IToken[]): Int32Array {
  const partners = new Int32Array(tokens.length).fill(-1);
  const braces: number[] = [];
  let round: { index: number; type: TokenType }[] = [];
  const pair = (opener: number, closer: number): void => {
    partners[opener] = closer;
    partners[closer] = opener;
  };
  let parens = 0;
  for (const [index, { tokenType: type }] of tokens.entries()) {
    if (type === t.LCurly || type === t.RCurly) {
      round = [];
      parens = 0;
      if (type === t.LCurly) {
        braces.push(index);
      } else {
        const opener = braces.pop();
        if (opener !== undefined) pair(opener, index);
      }
    } else if (type === t.LParen || type === t.LSquare) {
      round.push({ index, type });
      if (type === t.LParen) parens += 1;
    } else if (type === t.RParen || type === t.RSquare) {
      const wanted = type === t.RParen ? t.LParen : t.LSquare;
      const present = wanted === t.LParen ? parens : round.length - parens;
      while (present > 0 && round.length > 0 && round.at(-1)?.type !== wanted) {
        if (round.pop()?.type === t.LParen) parens -= 1;
      }
      const opener = round.pop();
      if (opener === undefined) continue;
      if (opener.type === t.LParen) parens -= 1;
      pair(opener.index, index);
    }
  }
  return partners;
}

/** A token that the author did not write: it has a place and no width. */
function inserted(type: TokenType, image: string, at: number): IToken {
  const token = createTokenInstance(type, image, at, at - 1, Number.NaN, Number.NaN, Number.NaN, Number.NaN);
  return { ...token, isInsertedInRecovery: true };
}
