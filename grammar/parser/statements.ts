/** @file The grammar of statements, and of the bodies that hold them. */
import type { IToken, ParserMethod, TokenType } from "chevrotain";
import type * as ast from "../ast.ts";
import { closest } from "../suggest.ts";
import * as t from "../tokens.ts";
import { ClauseParser } from "./clauses.ts";

const statementWords: readonly string[] = [
  ...["let", "table", "user", "item", "tokens", "return", "repeat", "if", "param", "task", "loss", "label"],
  ...["precision", "serve"],
];

const statementKeywords: ReadonlySet<TokenType> = new Set([
  ...[
    t.Let,
    t.Table,
    t.User,
    t.Item,
    t.Tokens,
    t.Return,
    t.Repeat,
    t.If,
    t.Param,
    t.Task,
    t.Loss,
    t.LabelWord,
  ],
  ...[t.Precision, t.Serve],
]);

export abstract class StatementParser extends ClauseParser {
  /** `{ statements }`. */
  protected readonly body: ParserMethod<[], ast.Stmt[]> = this.rule("body", () => {
    this.token(1, t.LCurly, "`{`");
    const statements = this.lines(() => this.SUBRULE(this.statement), {
      headers: [t.Repeat, t.If],
      recoverBody: () => this.SUBRULE1(this.body),
    });
    this.CONSUME(t.RCurly);
    return statements;
  });

  private readonly statement: ParserMethod<[], ast.Stmt> = this.rule("statement", () => {
    const isAssignment = this.atAssignment();
    if (!this.RECORDING_PHASE && !isAssignment && !statementKeywords.has(this.LA(1).tokenType))
      this.notAStatement();
    return this.OR<ast.Stmt>({
      IGNORE_AMBIGUITIES: true,
      DEF: [
        { GATE: () => isAssignment, ALT: () => this.SUBRULE(this.assign) },
        { ALT: () => this.SUBRULE(this.let) },
        { ALT: () => this.SUBRULE(this.table) },
        { ALT: () => this.SUBRULE(this.features) },
        { ALT: () => this.SUBRULE(this.tokensBlock) },
        { ALT: () => this.SUBRULE(this.return) },
        { ALT: () => this.SUBRULE(this.repeat) },
        { ALT: () => this.SUBRULE(this.if) },
        { ALT: () => this.SUBRULE(this.param) },
        { ALT: () => this.SUBRULE(this.task) },
        { ALT: () => this.SUBRULE(this.loss) },
        { ALT: () => this.SUBRULE(this.label) },
        { ALT: () => this.SUBRULE(this.precision) },
        { ALT: () => this.SUBRULE(this.serve) },
      ],
    });
  });

  /** A name before `=` or `,` is assigned, whatever it would mean as a keyword. */
  private atAssignment(): boolean {
    const second = this.LA(2).tokenType;
    return t.isName(this.LA(1).tokenType) && (second === t.Equals || second === t.Comma);
  }

  private notAStatement(): never {
    const { tokenType, image } = this.LA(1);
    const second = this.LA(2);
    if (t.reservedWords.includes(tokenType) && second.tokenType === t.Equals)
      this.name(9, "a name to assign to");
    if (t.isName(tokenType) && (t.isName(second.tokenType) || second.tokenType === t.LCurly)) {
      const meant = closest(image, statementWords);
      const help = meant === undefined ? undefined : `did you mean \`${meant}\`?`;
      this.fail("RMX0015", `no statement begins with \`${image}\``, { help });
    }
    const help = t.isName(tokenType)
      ? "a value must be named or returned: `y = f(x)`, `return f(x)`"
      : undefined;
    this.fail("RMX0015", `expected a statement, ${this.found()}`, { help });
  }

  private readonly assign: ParserMethod<[], ast.Assign> = this.rule("assign", () => {
    const start = this.LA(1);
    const targets = [this.name(1, "a name")];
    this.MANY(() => {
      this.CONSUME(t.Comma);
      targets.push(this.name(2, "a name"));
    });
    this.token(3, t.Equals, "`=`");
    const value = this.SUBRULE(this.expression);
    return { kind: "assign", targets, value, span: this.spanFrom(start) };
  });

  private readonly let: ParserMethod<[], ast.Let> = this.rule("let", () => {
    const start = this.CONSUME(t.Let);
    const { name, value } = this.binding("the name of the value");
    return { kind: "let", name, value, span: this.spanFrom(start) };
  });

  private readonly task: ParserMethod<[], ast.Task> = this.rule("task", () => {
    const start = this.CONSUME(t.Task);
    const { name, value } = this.binding("the name of the task");
    return { kind: "task", name, value, span: this.spanFrom(start) };
  });

  /** Part of `let` and `task`: `NAME = expression`. */
  private binding(what: string): { name: ast.Ident; value: ast.Expr } {
    const name = this.name(1, what);
    this.token(2, t.Equals, "`=`");
    return { name, value: this.SUBRULE(this.expression) };
  }

  private readonly loss: ParserMethod<[], ast.Loss> = this.rule("loss", () => {
    const start = this.CONSUME(t.Loss);
    const value = this.SUBRULE(this.expression);
    return { kind: "loss", value, span: this.spanFrom(start) };
  });

  private readonly label: ParserMethod<[], ast.LabelDecl> = this.rule("label", () => {
    const start = this.CONSUME(t.LabelWord);
    const name = this.name(1, "the name of the label");
    this.token(2, t.Colon, "`:`");
    const type = this.SUBRULE(this.featureType);
    return { kind: "label", name, type, span: this.spanFrom(start) };
  });

  private readonly param: ParserMethod<[], ast.ParamDecl> = this.rule("param", () => {
    const start = this.CONSUME(t.Param);
    const name = this.name(1, "the name of the parameter");
    this.token(2, t.Colon, "`:`");
    if (!this.RECORDING_PHASE && !this.isAt(t.LSquare))
      this.expected("a shape", { help: "`param w: [T, D]`" });
    const shape = this.SUBRULE(this.shape);
    const init = this.OPTION(() => {
      this.CONSUME(t.Equals);
      return this.SUBRULE(this.expression);
    });
    return { kind: "param", name, shape, init, span: this.spanFrom(start) };
  });

  private readonly table: ParserMethod<[], ast.Table> = this.rule("table", () => {
    const start = this.CONSUME(t.Table);
    const name = this.name(1, "the name of the table");
    if (!this.RECORDING_PHASE && !this.isAt(t.LParen)) this.expected("`(rows = ..., dim = ...)`");
    const args = this.bracketed(2, t.LParen, t.RParen, "an argument", () => this.SUBRULE(this.argument));
    const init = this.OPTION(() => {
      this.CONSUME(t.Equals);
      return this.SUBRULE(this.expression);
    });
    return { kind: "table", name, args, init, span: this.spanFrom(start) };
  });

  private readonly return: ParserMethod<[], ast.Return> = this.rule("return", () => {
    const start = this.CONSUME(t.Return);
    const values = [this.SUBRULE(this.expression)];
    this.MANY(() => {
      this.CONSUME(t.Comma);
      values.push(this.SUBRULE2(this.expression));
    });
    return { kind: "return", values, span: this.spanFrom(start) };
  });

  /** `repeat n as LABEL { }` or `repeat m in modules as LABEL { }`. */
  private readonly repeat: ParserMethod<[], ast.Repeat> = this.rule("repeat", () => {
    const start = this.CONSUME(t.Repeat);
    const binding = this.OPTION({
      GATE: () => this.LA(2).tokenType === t.In,
      DEF: () => {
        const name = this.name(1, "a name");
        this.CONSUME(t.In);
        return name;
      },
    });
    const over = this.SUBRULE(this.expression);
    const label = this.OPTION1(() => {
      this.CONSUME(t.As);
      return this.name(2, "a label after `as`");
    });
    const body = this.SUBRULE(this.body);
    return { kind: "repeat", binding, over, label, body, span: this.spanFrom(start) };
  });

  /** A chain of `else if` is read in a loop and nested from its end. */
  private readonly if: ParserMethod<[], ast.If> = this.rule("if", () => {
    const branches: { start: IToken; condition: ast.Expr; body: ast.Stmt[] }[] = [];
    let otherwise: ast.Stmt[] | undefined;
    let due = true;
    this.AT_LEAST_ONE({
      GATE: () => due,
      DEF: () => {
        const start = this.CONSUME(t.If);
        branches.push({ start, condition: this.SUBRULE(this.expression), body: this.SUBRULE(this.body) });
        due = false;
        this.OPTION(() => {
          this.CONSUME(t.Else);
          if (!this.RECORDING_PHASE && !this.isAt(t.If) && !this.isAt(t.LCurly)) this.expected("`{` or `if`");
          due = this.isAt(t.If);
          otherwise = this.OPTION1(() => this.SUBRULE1(this.body));
        });
      },
    });
    return this.ACTION(() => {
      let result: ast.If | undefined;
      for (const { start, condition, body } of branches.reverse()) {
        const rest = result === undefined ? otherwise : [result];
        const span = this.spanFrom(start);
        // biome-ignore lint/suspicious/noThenProperty: the tree's name for the branch; nobody awaits a statement.
        result = { kind: "if", condition, then: body, otherwise: rest, elseIf: result !== undefined, span };
      }
      if (result === undefined) throw new Error("internal: an `if` without a branch");
      return result;
    });
  });
}
