/** @file The grammar of a file: `use`, `block` and `model`, and their parameters. */
import type { ParserMethod } from "chevrotain";
import type * as ast from "../ast.ts";
import type { Diagnostic } from "../diagnostics.ts";
import { stringValue } from "../lexer.ts";
import { closest } from "../suggest.ts";
import * as t from "../tokens.ts";
import type { ParserInput } from "./base.ts";
import { StatementParser } from "./statements.ts";

const elementTypes = [t.Num, t.BoolType, t.I32];
const valueTypes = [t.IntType, t.FloatType, t.BoolType, t.FnType, t.StringType];

export class RmxParser extends StatementParser {
  /** `skipValidations` leaves out chevrotain's checks of the grammar itself, which a test runs. */
  constructor(options: { skipValidations: boolean }) {
    super(options);
    this.performSelfAnalysis();
  }

  /** Parses a balanced token stream. The parser is reused: nothing of an earlier file stays. */
  read(source: ParserInput): { items: ast.Item[]; diagnostics: Diagnostic[] } {
    this.input = source.tokens;
    this.source = source;
    this.diagnostics = [];
    const items = this.fileItems();
    return { items, diagnostics: this.diagnostics };
  }

  private readonly fileItems: ParserMethod<[], ast.Item[]> = this.rule("fileItems", () =>
    this.lines(() => this.SUBRULE(this.item), {
      headers: [t.Block, t.Model],
      recoverBody: () => this.SUBRULE(this.body),
    }),
  );

  private readonly item: ParserMethod<[], ast.Item> = this.rule("item", () => {
    this.requireDeclaration();
    return this.OR<ast.Item>([
      { ALT: () => this.SUBRULE(this.use) },
      { ALT: () => this.SUBRULE(this.block) },
      { ALT: () => this.SUBRULE(this.model) },
    ]);
  });

  private requireDeclaration(): void {
    const { tokenType, image } = this.LA(1);
    if (this.RECORDING_PHASE || tokenType === t.Use || tokenType === t.Block || tokenType === t.Model) return;
    const meant = t.isName(tokenType) ? closest(image, ["use", "block", "model"]) : undefined;
    this.fail("RMX0014", `expected \`use\`, \`block\` or \`model\`, ${this.found()}`, {
      help: meant === undefined ? "statements stand inside a block or a model" : `did you mean \`${meant}\`?`,
    });
  }

  /** `use std.NAME`, `use "./file.rmx"`. */
  private readonly use: ParserMethod<[], ast.Use> = this.rule("use", () => {
    const start = this.CONSUME(t.Use);
    const isPath = this.isAt(t.StringLiteral);
    const next = this.LA(1);
    if (!this.RECORDING_PHASE && !isPath && next.image !== "std") {
      this.expected('`std.NAME` or a path in quotes, as in `use "./file.rmx"`');
    }
    const path = this.OR([
      { ALT: () => stringValue(this.CONSUME(t.StringLiteral).image) },
      {
        ALT: () => {
          this.name(1, "`std`");
          this.token(2, t.Dot, "`.` and the name of a part of the standard library");
          return this.name(3, "the name of a part of the standard library").name;
        },
      },
    ]);
    return { kind: "use", std: !isPath, path, span: this.spanFrom(start) };
  });

  private readonly block: ParserMethod<[], ast.BlockDecl> = this.rule("block", () => {
    const start = this.CONSUME(t.Block);
    const doc = this.ACTION(() => this.source.docAbove(start.startOffset));
    const name = this.name(1, "the name of the block");
    const params = this.SUBRULE(this.parameters);
    this.token(2, t.Arrow, "`->` and the shape of the result");
    const results = this.SUBRULE(this.results);
    const body = this.SUBRULE(this.body);
    return { kind: "block", doc, name, params, results, body, span: this.spanFrom(start) };
  });

  private readonly model: ParserMethod<[], ast.ModelDecl> = this.rule("model", () => {
    const start = this.CONSUME(t.Model);
    const doc = this.ACTION(() => this.source.docAbove(start.startOffset));
    const name = this.name(1, "the name of the model");
    const params = this.OPTION(() => this.SUBRULE(this.parameters)) ?? [];
    const body = this.SUBRULE(this.body);
    return { kind: "model", doc, name, params, body, span: this.spanFrom(start) };
  });

  private readonly parameters: ParserMethod<[], ast.Parameter[]> = this.rule("parameters", () =>
    this.bracketed(1, t.LParen, t.RParen, "a parameter", () => this.SUBRULE(this.parameter)),
  );

  private readonly parameter: ParserMethod<[], ast.Parameter> = this.rule("parameter", () => {
    const name = this.name(1, "the name of a parameter");
    this.token(2, t.Colon, "`:` and a type");
    const type = this.SUBRULE(this.parameterType);
    const value = this.OPTION(() => {
      this.CONSUME(t.Equals);
      return this.SUBRULE(this.expression);
    });
    return { kind: "parameter", name, type, default: value, span: this.spanFrom(name.span) };
  });

  /** `[T, D]`, `bool [Q, S]`, `int`, `fn[]`: `bool` before `[` and more is a tensor's, before `[]` a list's. */
  private readonly parameterType: ParserMethod<[], ast.ParameterType> = this.rule("parameterType", () => {
    const start = this.LA(1);
    const isTensor = start.tokenType === t.LSquare || this.elementAhead();
    if (!isTensor && !this.RECORDING_PHASE && !valueTypes.includes(start.tokenType)) this.notAType();
    return this.OR<ast.ParameterType>({
      IGNORE_AMBIGUITIES: true,
      DEF: [
        {
          GATE: () => isTensor,
          ALT: () => {
            const { element, shape } = this.SUBRULE(this.tensorType);
            return { kind: "tensor", element, shape, span: this.spanFrom(start) };
          },
        },
        { ALT: () => this.SUBRULE(this.valueType) },
      ],
    });
  });

  private elementAhead(): boolean {
    if (!elementTypes.includes(this.LA(1).tokenType)) return false;
    const isList = this.LA(2).tokenType === t.LSquare && this.LA(3).tokenType === t.RSquare;
    return !this.isAt(t.BoolType) || (this.LA(2).tokenType === t.LSquare && !isList);
  }

  private notAType(): never {
    const names = valueTypes.map((type) => String(type.PATTERN));
    const { tokenType, image } = this.LA(1);
    const meant = t.isName(tokenType) ? closest(image, [...names, "num", "i32"]) : undefined;
    const known = `a tensor is written by its shape, \`x: [T, D]\`; other types are ${names.join(", ")}`;
    this.fail("RMX0017", `expected the type of a parameter, ${this.found()}`, {
      help: meant === undefined ? known : `did you mean \`${meant}\`?`,
    });
  }

  private readonly valueType: ParserMethod<[], ast.ParameterType> = this.rule("valueType", () => {
    const start = this.LA(1);
    const base = this.OR<"int" | "float" | "bool" | "fn" | "string">([
      { ALT: () => this.typeName(t.IntType, "int") },
      { ALT: () => this.typeName(t.FloatType, "float") },
      { ALT: () => this.typeName(t.BoolType, "bool") },
      { ALT: () => this.typeName(t.FnType, "fn") },
      { ALT: () => this.typeName(t.StringType, "string") },
    ]);
    const list = this.OPTION(() => {
      this.CONSUME(t.LSquare);
      this.token(1, t.RSquare, "`]`");
      return true;
    });
    return { kind: "value", base, list: list === true, span: this.spanFrom(start) };
  });

  /** An element type, `num` where none is written, and a shape. */
  private readonly tensorType: ParserMethod<[], ast.ResultType> = this.rule("tensorType", () => {
    const start = this.LA(1);
    const element =
      this.OPTION(() =>
        this.OR<ast.ElementName>([
          { ALT: () => this.typeName(t.Num, "num") },
          { ALT: () => this.typeName(t.BoolType, "bool") },
          { ALT: () => this.typeName(t.I32, "i32") },
        ]),
      ) ?? "num";
    if (!this.RECORDING_PHASE && !this.isAt(t.LSquare)) this.expected("a shape, as in `[T, D]`");
    const shape = this.SUBRULE(this.shape);
    return { kind: "result", element, shape, span: this.spanFrom(start) };
  });

  /** `[T, D]` or `([T, D], [T, D])`. */
  private readonly results: ParserMethod<[], ast.ResultType[]> = this.rule("results", () => {
    const next = this.LA(1).tokenType;
    if (!this.RECORDING_PHASE && next !== t.LParen && next !== t.LSquare && !elementTypes.includes(next)) {
      this.expected("the shape of the result, as in `[T, D]`");
    }
    return this.OR<ast.ResultType[]>([
      { ALT: () => [this.SUBRULE(this.tensorType)] },
      {
        ALT: () => this.bracketed(1, t.LParen, t.RParen, "a shape", () => this.SUBRULE1(this.tensorType)),
      },
    ]);
  });
}
