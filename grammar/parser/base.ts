/**
 * @file What every part of the parser shares: positions, expectations, lists, and recovery.
 *
 * The parser is a chevrotain parser with embedded actions and one token of lookahead. A file is made of lines
 * (declarations, statements, features, rows), and errors are recovered there: a line that fails is reported
 * once and skipped to its end, and the next one is read as if nothing had happened. Counting brackets is enough
 * to find that end, because the token stream always balances (`brackets.ts`).
 *
 * A list of lines is driven by a plain loop and not by chevrotain's MANY, which would end the list at the first
 * token that no line can begin with; MANY is there only while chevrotain records the grammar.
 */
import {
  EmbeddedActionsParser,
  EOF,
  type IParserConfig,
  type IToken,
  isRecognitionException,
  type ParserMethod,
  type TokenType,
} from "chevrotain";
import type { Ident } from "../ast.ts";
import type { Diagnostic, SourceFile, Span } from "../diagnostics.ts";
import { endOf, spanOf } from "../lexer.ts";
import { anyBetween } from "../offsets.ts";
import * as t from "../tokens.ts";

/** Thrown by a rule that knows better than chevrotain what is wrong; caught where lines are recovered. */
class SyntaxFailure extends Error {
  readonly diagnostic: Diagnostic;
  constructor(diagnostic: Diagnostic) {
    super(diagnostic.message);
    this.name = "SyntaxFailure";
    this.diagnostic = diagnostic;
  }
}

export interface ParserInput {
  readonly file: SourceFile;
  readonly tokens: IToken[];
  /** Offsets of lexical and bracket errors: a line that holds one is not reported a second time. */
  readonly reported: readonly number[];
  /** The text of the `///` lines right above the line that begins at or holds `offset`. */
  readonly docAbove: (offset: number) => string;
}

export interface LineOptions {
  /** A comma may end a line too. */
  readonly commas?: boolean;
  /** When the header of one of these failed, its `{ }` is read by `recoverBody` for the errors in it. */
  readonly headers?: readonly TokenType[];
  readonly recoverBody?: () => void;
}

const noInput: ParserInput = { file: { name: "", text: "" }, tokens: [], reported: [], docAbove: () => "" };

export abstract class BaseParser extends EmbeddedActionsParser {
  protected source: ParserInput = noInput;
  protected diagnostics: Diagnostic[] = [];

  constructor(config: IParserConfig) {
    super(t.allTokens, { ...config, maxLookahead: 1, recoveryEnabled: false });
  }

  /** chevrotain's RULE, typed so that the tree's literal types are not widened. */
  protected rule<A extends unknown[], R>(name: string, action: (...args: A) => R): ParserMethod<A, R> {
    return this.RULE(name, action);
  }

  // ------------------------------------------------------------------------------------------- positions

  /** From a node's first token (or a part's span) to the last token consumed. */
  protected spanFrom(start: IToken | Span): Span {
    const from = "start" in start ? start.start : start.startOffset;
    return { file: this.source.file.name, start: from, end: endOf(this.LA(0)) };
  }

  protected spanOf(token: IToken): Span {
    return spanOf(this.source.file.name, token);
  }

  /** What to point at when the next token is not the one expected; for a line end, the end of the line's text. */
  private blame(): Span {
    const next = this.LA(1);
    if (next.tokenType !== t.NewLine && next.tokenType !== EOF && next.isInsertedInRecovery !== true) {
      return this.spanOf(next);
    }
    const at = endOf(this.LA(0));
    return { file: this.source.file.name, start: at, end: at };
  }

  // ---------------------------------------------------------------------------------------- expectations

  protected isAt(type: TokenType): boolean {
    return this.LA(1).tokenType === type;
  }

  protected atLineEnd(): boolean {
    return this.isAt(t.NewLine) || this.isAt(t.RCurly) || this.isAt(EOF);
  }

  protected fail(code: string, message: string, more: Partial<Diagnostic> = {}): never {
    throw new SyntaxFailure({ code, severity: "error", message, span: this.blame(), ...more });
  }

  /** Fails with "expected …, found …". */
  protected expected(what: string, more: Partial<Diagnostic> = {}): never {
    if (this.isAt(t.As) && t.isName(this.LA(2).tokenType)) this.failAs();
    this.fail("RMX0011", `expected ${what}, ${this.found()}`, more);
  }

  protected found(): string {
    const { tokenType, image } = this.LA(1);
    if (tokenType === t.NewLine || tokenType === EOF) return "found the end of the line";
    return `found \`${image.length > 24 ? `${image.slice(0, 20)}...` : image}\``;
  }

  /** A token of `type`; `idx` is chevrotain's number of this CONSUME within its rule, `what` ends "expected …". */
  protected token(idx: number, type: TokenType, what: string): IToken {
    return this.consume(idx, type, { ERR_MSG: what });
  }

  /** A name, keyword or not; `what` says of what: "the name of the block". */
  protected name(idx: number, what: string): Ident {
    if (!this.RECORDING_PHASE && t.reservedWords.includes(this.LA(1).tokenType)) {
      this.fail("RMX0018", `\`${this.LA(1).image}\` cannot be a name`, { label: `expected ${what}` });
    }
    const token = this.token(idx, t.Name, what);
    return { kind: "ident", name: token.image, span: this.spanOf(token) };
  }

  // ------------------------------------------------------------------------------------------------ lists

  /**
   * `open item, item close`, with a comma after the last allowed. `item` holds the rule's only call of the
   * item's rule; `idx` numbers the CONSUME, MANY and OPTION used here within the rule.
   */
  protected bracketed<T>(idx: number, open: TokenType, close: TokenType, what: string, item: () => T): T[] {
    const items: T[] = [];
    const opener = this.token(idx, open, `\`${image(open)}\``);
    let due = true;
    this.many(idx, {
      GATE: () => due,
      DEF: () => {
        items.push(item());
        due = false;
        this.option(idx, () => {
          this.consume(idx, t.Comma);
          due = true;
        });
      },
    });
    if (!this.RECORDING_PHASE && !this.isAt(close)) {
      const wanted = due ? `${what} or \`${image(close)}\`` : `\`,\` or \`${image(close)}\``;
      this.expected(wanted, { secondary: [{ span: this.spanOf(opener), message: "opened here" }] });
    }
    this.consume(idx, close);
    return items;
  }

  /** The lines up to `}` or the end of the file; those that fail are reported and left out. */
  protected lines<T>(line: () => T, options: LineOptions = {}): T[] {
    const result: T[] = [];
    if (this.RECORDING_PHASE) {
      this.recordLines(line);
      return result;
    }
    for (;;) {
      while (this.isAt(t.NewLine)) this.SKIP_TOKEN();
      const first = this.LA(1);
      if (first.tokenType === t.RCurly || first.tokenType === EOF) return result;
      try {
        result.push(line());
        this.endLine(options.commas === true);
      } catch (error) {
        const diagnostic = this.diagnosticOf(error);
        this.skipLine(options.headers?.includes(first.tokenType) ? options.recoverBody : undefined);
        const end = endOf(this.LA(0));
        if (!anyBetween(this.source.reported, first.startOffset, end)) this.diagnostics.push(diagnostic);
      }
    }
  }

  private recordLines(line: () => unknown): void {
    this.many(9, () => {
      line();
      this.or(9, [{ ALT: () => this.consume(8, t.Comma) }, { ALT: () => this.consume(9, t.NewLine) }]);
    });
  }

  // --------------------------------------------------------------------------------------------- recovery

  private endLine(commas: boolean): void {
    if (this.atLineEnd()) return;
    if (commas && this.isAt(t.Comma)) {
      this.SKIP_TOKEN();
      return;
    }
    if (this.isAt(t.As)) this.failAs();
    this.fail("RMX0013", `expected ${commas ? "`,` or " : ""}the end of the line, ${this.found()}`);
  }

  private failAs(): never {
    this.fail("RMX0019", "only a call can be labelled", { help: "write `f(x) as label`" });
  }

  private diagnosticOf(error: unknown): Diagnostic {
    try {
      if (error instanceof SyntaxFailure) throw error;
      if (!(error instanceof Error) || !isRecognitionException(error)) throw error;
      this.expected(error.message);
    } catch (failure) {
      if (failure instanceof SyntaxFailure) return failure.diagnostic;
      throw failure;
    }
  }

  /** Skips to the end of the current line, over whole bodies; always makes progress unless a line ends here. */
  private skipLine(recoverBody: (() => void) | undefined): void {
    let depth = 0;
    while (!this.isAt(EOF) && (depth > 0 || !this.atLineEnd())) {
      if (this.isAt(t.LCurly) && depth === 0 && recoverBody !== undefined) {
        recoverBody();
        continue;
      }
      if (this.isAt(t.LCurly)) depth += 1;
      if (this.isAt(t.RCurly)) depth -= 1;
      this.SKIP_TOKEN();
    }
  }
}

/** How a bracket is written. */
function image(type: TokenType): string {
  return String(type.PATTERN);
}
