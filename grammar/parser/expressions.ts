/** @file The grammar of expressions, calls, lists and shapes. */
import type { IToken, ParserMethod, TokenType } from "chevrotain";
import type { Arg, Call, Expr, Ident, IndexItem, ShapeSpec } from "../ast.ts";
import { numberValue, stringValue } from "../lexer.ts";
import * as t from "../tokens.ts";
import { BaseParser } from "./base.ts";
import { fold, type Operand, type OperatorToken } from "./precedence.ts";

/** Prefix operators in a row; more are refused, since each is a level of the tree. */
const maxPrefixes = 64;

const operandStarts: ReadonlySet<TokenType> = new Set([
  ...[t.IntLiteral, t.FloatLiteral, t.Inf, t.StringLiteral, t.True, t.False, t.LParen, t.LSquare],
  ...[t.Minus, t.Not],
]);

export abstract class ExpressionParser extends BaseParser {
  readonly expression: ParserMethod<[], Expr> = this.rule("expression", () => {
    const run: Operand[] = [this.SUBRULE(this.operand, { ARGS: [undefined] })];
    this.MANY(() => {
      const operator = this.operator(this.CONSUME(t.BinaryOperator));
      run.push(this.SUBRULE2(this.operand, { ARGS: [operator] }));
    });
    return this.ACTION(() => fold(run, (diagnostic) => this.diagnostics.push(diagnostic)));
  });

  /** Prefix operators, a primary, and what follows it: `.name` and `[items]`. */
  private readonly operand: ParserMethod<[OperatorToken | undefined], Operand> = this.rule(
    "operand",
    (operator: OperatorToken | undefined) => {
      const prefixes: OperatorToken[] = [];
      this.requireOperand();
      this.MANY(() => {
        prefixes.push(this.operator(this.CONSUME(t.PrefixOperator)));
        this.requireOperand();
        if (prefixes.length > maxPrefixes)
          this.fail("RMX0009", `more than ${maxPrefixes} prefix operators in a row`);
      });
      const start = this.LA(1);
      let operand = this.OR<Expr>([
        { ALT: () => this.SUBRULE(this.literal) },
        { ALT: () => this.group() },
        {
          ALT: () => {
            const items = this.bracketed(2, t.LSquare, t.RSquare, "an expression", () =>
              this.SUBRULE1(this.expression),
            );
            return { kind: "list", items, span: this.spanFrom(start) };
          },
        },
        { ALT: () => this.nameOrCall() },
      ]);
      this.MANY1(() => {
        const base = operand;
        operand = this.OR1<Expr>([
          {
            ALT: () => {
              this.CONSUME1(t.Dot);
              const name = this.name(4, "a name after `.`");
              return { kind: "member", base, name, span: this.spanFrom(start) };
            },
          },
          {
            ALT: () => {
              const items = this.bracketed(3, t.LSquare, t.RSquare, "an index", () =>
                this.SUBRULE(this.indexItem),
              );
              if (!this.RECORDING_PHASE && items.length === 0)
                this.fail("RMX0012", "expected an index inside `[ ]`");
              return { kind: "index", base, items, span: this.spanFrom(start) };
            },
          },
        ]);
      });
      return { operator, prefixes, operand };
    },
  );

  private readonly literal: ParserMethod<[], Expr> = this.rule("literal", () =>
    this.OR<Expr>([
      { ALT: () => this.number("int", this.CONSUME(t.IntLiteral)) },
      { ALT: () => this.number("float", this.CONSUME(t.FloatLiteral)) },
      {
        ALT: () => {
          const token = this.CONSUME(t.Inf);
          return {
            kind: "float",
            value: Number.POSITIVE_INFINITY,
            raw: token.image,
            span: this.spanOf(token),
          };
        },
      },
      {
        ALT: () => {
          const token = this.CONSUME(t.StringLiteral);
          return { kind: "string", value: stringValue(token.image), span: this.spanOf(token) };
        },
      },
      { ALT: () => ({ kind: "bool", value: true, span: this.spanOf(this.CONSUME(t.True)) }) },
      { ALT: () => ({ kind: "bool", value: false, span: this.spanOf(this.CONSUME(t.False)) }) },
    ]),
  );

  /** Part of `operand`: `( expression )`. */
  private group(): Expr {
    const start = this.CONSUME(t.LParen);
    const inner = this.SUBRULE(this.expression);
    if (!this.RECORDING_PHASE && !this.isAt(t.RParen)) {
      this.expected("`)`", { secondary: [{ span: this.spanOf(start), message: "opened here" }] });
    }
    this.CONSUME(t.RParen);
    return { kind: "group", inner, span: this.spanFrom(start) };
  }

  /** Part of `operand`: a name, or `f(args)`, or `f(args) as label`. */
  private nameOrCall(): Expr {
    const callee = this.name(5, "a name");
    return (
      this.OPTION5((): Call => {
        const args = this.bracketed(4, t.LParen, t.RParen, "an argument", () => this.SUBRULE(this.argument));
        const label = this.OPTION6({
          // In `repeat f(x) as layers {` the label is the loop's.
          GATE: () => this.LA(3).tokenType !== t.LCurly,
          DEF: (): Ident => {
            this.CONSUME6(t.As);
            return this.name(6, "a label after `as`");
          },
        });
        return { kind: "call", callee, args, label, span: this.spanFrom(callee.span) };
      }) ?? callee
    );
  }

  /** `value`, `name = value`, or a range for either: `rows = 0:8`. */
  protected readonly argument: ParserMethod<[], Arg> = this.rule("argument", () => {
    const start = this.LA(1);
    const name = this.OPTION({
      GATE: () => this.LA(2).tokenType === t.Equals,
      DEF: () => {
        const ident = this.name(1, "a name");
        this.CONSUME(t.Equals);
        return ident;
      },
    });
    const item = this.SUBRULE(this.indexItem);
    return this.ACTION(() => ({
      kind: "arg",
      name,
      value: item.kind === "at" ? item.at : { kind: "range", from: item.from, to: item.to, span: item.span },
      span: this.spanFrom(start),
    }));
  });

  /** `i`, `a:b`, `a:`, `:b` or `:`. */
  private readonly indexItem: ParserMethod<[], IndexItem> = this.rule("indexItem", () => {
    const start = this.LA(1);
    return this.OR<IndexItem>([
      { ALT: () => ({ kind: "range", to: this.rangeEnd(1), span: this.spanFrom(start) }) },
      {
        ALT: () => {
          const from = this.SUBRULE(this.expression);
          if (!this.RECORDING_PHASE && !this.isAt(t.Colon))
            return { kind: "at", at: from, span: this.spanFrom(start) };
          const to = this.OPTION3(() => ({ end: this.rangeEnd(2) }));
          return { kind: "range", from, to: to?.end, span: this.spanFrom(start) };
        },
      },
    ]);
  });

  /** Part of `indexItem`: `:` or `:b`; `idx` numbers its CONSUME, OPTION and SUBRULE. */
  private rangeEnd(idx: number): Expr | undefined {
    this.consume(idx, t.Colon);
    return this.option(idx, () => this.subrule(idx, this.expression));
  }

  /** `[T, D]`, `[]` or `[..., T, D]`. */
  protected readonly shape: ParserMethod<[], ShapeSpec> = this.rule("shape", () => {
    const start = this.LA(1);
    let open = false;
    const entries = this.bracketed(1, t.LSquare, t.RSquare, "a dimension", () =>
      this.SUBRULE(this.dimension),
    );
    const dims: Expr[] = [];
    this.ACTION(() => {
      for (const [position, entry] of entries.entries()) {
        if (entry.kind !== "open") {
          dims.push(entry);
        } else if (position === 0) {
          open = true;
        } else {
          this.diagnostics.push({
            code: "RMX0011",
            severity: "error",
            message: "`...` can only stand first in a shape",
            span: entry.span,
            help: "it leaves the leading dimensions open: `[..., T, D]`",
          });
        }
      }
    });
    return { kind: "shape", open, dims, span: this.spanFrom(start) };
  });

  private readonly dimension: ParserMethod<[], Expr | { kind: "open"; span: Ident["span"] }> = this.rule(
    "dimension",
    () =>
      this.OR([
        { ALT: () => ({ kind: "open" as const, span: this.spanOf(this.CONSUME(t.Ellipsis)) }) },
        { ALT: () => this.SUBRULE(this.expression) },
      ]),
  );

  private requireOperand(): void {
    const { tokenType } = this.LA(1);
    if (this.RECORDING_PHASE || operandStarts.has(tokenType) || t.isName(tokenType)) return;
    const before = this.LA(0);
    const after =
      before.tokenType === t.NewLine || before.tokenType === t.LCurly ? "" : ` after \`${before.image}\``;
    this.fail("RMX0012", `expected an expression${after}, ${this.found()}`);
  }

  private operator(token: IToken): OperatorToken {
    return { image: token.image, span: this.spanOf(token) };
  }

  private number(kind: "int" | "float", token: IToken): Expr {
    return { kind, value: numberValue(token.image), raw: token.image, span: this.spanOf(token) };
  }
}
