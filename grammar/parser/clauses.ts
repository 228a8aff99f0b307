/** @file The grammar of what a model declares in `{ }`: features, tokens, precision and sizes; and of types. */
import type { ParserMethod, TokenType } from "chevrotain";
import type * as ast from "../ast.ts";
import { stringValue } from "../lexer.ts";
import { closest } from "../suggest.ts";
import * as t from "../tokens.ts";
import { ExpressionParser } from "./expressions.ts";

const featureTypes = [t.F32, t.I32, t.Id, t.Ids, t.Seq];
const floatTypes = [t.F32, t.F16, t.Bf16];
const computeTypes = [...floatTypes, t.Tf32];
const storageTypes = [...floatTypes, t.Int8, t.Fp8E4m3, t.Fp8E5m2];

export abstract class ClauseParser extends ExpressionParser {
  // -------------------------------------------------------------------------------------------- features

  /** `user { }` or `item { }`. */
  protected readonly features: ParserMethod<[], ast.Features> = this.rule("features", () => {
    const start = this.OR([{ ALT: () => this.CONSUME(t.User) }, { ALT: () => this.CONSUME(t.Item) }]);
    const stage = start.tokenType === t.User ? "user" : "item";
    const features = this.SUBRULE(this.featureList);
    return { kind: "features", stage, features, span: this.spanFrom(start) };
  });

  private readonly featureList: ParserMethod<[], ast.Feature[]> = this.rule("featureList", () => {
    this.token(1, t.LCurly, "`{`");
    const features = this.lines(() => this.SUBRULE(this.feature), { commas: true });
    this.CONSUME(t.RCurly);
    return features;
  });

  private readonly feature: ParserMethod<[], ast.Feature> = this.rule("feature", () => {
    const start = this.LA(1);
    const name = this.name(1, "the name of a feature");
    this.token(2, t.Colon, "`:`");
    const type = this.SUBRULE(this.featureType);
    const doc = this.ACTION(() => this.source.docAbove(start.startOffset));
    return { kind: "feature", doc, name, type, span: this.spanFrom(start) };
  });

  protected readonly featureType: ParserMethod<[], ast.FeatureType> = this.rule("featureType", () => {
    const start = this.LA(1);
    this.requireType("the type of a feature", featureTypes);
    return this.OR<ast.FeatureType>([
      { ALT: () => this.dense() },
      {
        ALT: () => {
          this.CONSUME(t.Id);
          const table = this.tableName(2);
          return { kind: "id", table, span: this.spanFrom(start) };
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Ids);
          const max = this.SUBRULE(this.maximum);
          const table = this.tableName(3);
          return { kind: "ids", max, table, span: this.spanFrom(start) };
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Seq);
          const max = this.SUBRULE1(this.maximum);
          this.token(4, t.Of, "`of`");
          const fields = this.SUBRULE(this.featureList);
          return { kind: "seq", max, fields, span: this.spanFrom(start) };
        },
      },
    ]);
  });

  /** Part of `featureType`: `f32`, `f32[n]`, `i32[a, b]`. */
  private dense(): ast.FeatureType {
    const start = this.OR1([{ ALT: () => this.CONSUME(t.F32) }, { ALT: () => this.CONSUME(t.I32) }]);
    const element = start.tokenType === t.F32 ? "f32" : "i32";
    const dims =
      this.OPTION5(() =>
        this.bracketed(6, t.LSquare, t.RSquare, "a dimension", () => this.SUBRULE6(this.expression)),
      ) ?? [];
    return { kind: "dense", element, dims, span: this.spanFrom(start) };
  }

  /** Part of `featureType`: `in TABLE`; `idx` numbers its CONSUMEs. */
  private tableName(idx: number): ast.Ident {
    this.token(idx, t.In, "`in` and the name of a table");
    return this.name(idx, "the name of a table");
  }

  /** `[50]`. */
  private readonly maximum: ParserMethod<[], ast.Expr> = this.rule("maximum", () => {
    this.token(1, t.LSquare, "`[` and the largest length");
    const max = this.SUBRULE(this.expression);
    this.token(2, t.RSquare, "`]`");
    return max;
  });

  private requireType(what: string, types: readonly TokenType[]): void {
    const next = this.LA(1);
    if (this.RECORDING_PHASE || types.includes(next.tokenType)) return;
    const names = types.map((type) => String(type.PATTERN));
    const meant = t.isName(next.tokenType) ? closest(next.image, names) : undefined;
    this.fail("RMX0017", `expected ${what}, ${this.found()}`, {
      help:
        meant === undefined
          ? `known are ${names.map((n) => `\`${n}\``).join(", ")}`
          : `did you mean \`${meant}\`?`,
    });
  }

  // ---------------------------------------------------------------------------------------------- tokens

  protected readonly tokensBlock: ParserMethod<[], ast.Tokens> = this.rule("tokensBlock", () => {
    const start = this.CONSUME(t.Tokens);
    const name = this.name(1, "the name of the tokens");
    this.token(2, t.Colon, "`:`");
    const shape = this.SUBRULE(this.shape);
    this.token(3, t.LCurly, "`{`");
    const rows = this.lines(() => this.SUBRULE(this.tokenRow));
    this.CONSUME(t.RCurly);
    return { kind: "tokens", name, shape, rows, span: this.spanFrom(start) };
  });

  private readonly tokenRow: ParserMethod<[], ast.TokenRow> = this.rule("tokenRow", () => {
    const start = this.LA(1);
    const name = this.name(1, "the name of a row");
    const count = this.OPTION(() => {
      this.CONSUME(t.LSquare);
      const rows = this.SUBRULE(this.expression);
      this.token(2, t.RSquare, "`]`");
      return rows;
    });
    this.token(3, t.Equals, count === undefined ? "`=` or the number of rows in `[ ]`" : "`=`");
    const value = this.SUBRULE1(this.expression);
    return { kind: "row", name, count, value, span: this.spanFrom(start) };
  });

  // ------------------------------------------------------------------------------------------- precision

  protected readonly precision: ParserMethod<[], ast.Precision> = this.rule("precision", () => {
    const start = this.CONSUME(t.Precision);
    this.token(1, t.LCurly, "`{`");
    const lines = this.lines(() => this.SUBRULE(this.precisionLine), { commas: true });
    this.CONSUME(t.RCurly);
    return { kind: "precision", lines, span: this.spanFrom(start) };
  });

  private readonly precisionLine: ParserMethod<[], ast.PrecisionLine> = this.rule("precisionLine", () => {
    const { tokenType } = this.LA(1);
    if (!this.RECORDING_PHASE && ![t.Compute, t.Derived, t.StringLiteral].includes(tokenType)) {
      this.expected("`compute`, `derived` or a pattern in quotes");
    }
    return this.OR<ast.PrecisionLine>([
      { ALT: () => this.SUBRULE(this.computeLine) },
      { ALT: () => this.SUBRULE(this.storeLine) },
    ]);
  });

  /** `compute = f16`, `compute "head.**" = f32`. */
  private readonly computeLine: ParserMethod<[], ast.PrecisionLine> = this.rule("computeLine", () => {
    const start = this.CONSUME(t.Compute);
    const pattern = this.OPTION(() => this.pattern(1));
    this.token(1, t.Equals, "`=`");
    this.requireType("a type to compute in", computeTypes);
    const type = this.OR<ast.ComputeName>([
      { ALT: () => this.typeName(t.F32, "f32") },
      { ALT: () => this.typeName(t.F16, "f16") },
      { ALT: () => this.typeName(t.Bf16, "bf16") },
      { ALT: () => this.typeName(t.Tf32, "tf32") },
    ]);
    return { kind: "compute", pattern, type, span: this.spanFrom(start) };
  });

  /** `"pattern" = TYPE`, `derived("pattern") = TYPE`, either with `inputs TYPE`. */
  private readonly storeLine: ParserMethod<[], ast.PrecisionLine> = this.rule("storeLine", () => {
    const start = this.LA(1);
    let derived = false;
    const pattern = this.OR([
      { ALT: () => this.pattern(1) },
      {
        ALT: () => {
          this.CONSUME(t.Derived);
          derived = true;
          this.token(1, t.LParen, "`(`");
          const inner = this.pattern(2);
          this.token(1, t.RParen, "`)`");
          return inner;
        },
      },
    ]);
    this.token(1, t.Equals, "`=`");
    const type = this.SUBRULE(this.storage);
    const inputs = this.OPTION(() => {
      this.CONSUME(t.Inputs);
      return this.SUBRULE1(this.storage);
    });
    return { kind: "store", pattern, derived, type, inputs, span: this.spanFrom(start) };
  });

  private readonly storage: ParserMethod<[], ast.StorageName> = this.rule("storage", () => {
    this.requireType("a type to store in", storageTypes);
    return this.OR<ast.StorageName>([
      { ALT: () => ({ kind: "plain", type: this.typeName(t.F32, "f32") }) },
      { ALT: () => ({ kind: "plain", type: this.typeName(t.F16, "f16") }) },
      { ALT: () => ({ kind: "plain", type: this.typeName(t.Bf16, "bf16") }) },
      { ALT: () => ({ kind: "plain", type: this.typeName(t.Fp8E4m3, "fp8_e4m3") }) },
      { ALT: () => ({ kind: "plain", type: this.typeName(t.Fp8E5m2, "fp8_e5m2") }) },
      { ALT: () => this.int8() },
    ]);
  });

  /** Part of `storage`: `int8 per channel`, `int8 per group(64)`, either with `asymmetric`. */
  private int8(): ast.StorageName {
    const name = this.int8Per();
    const asymmetric = this.OPTION1(() => this.CONSUME(t.Asymmetric)) !== undefined;
    return asymmetric ? { ...name, asymmetric } : name;
  }

  private int8Per(): ast.Int8Name {
    this.CONSUME(t.Int8);
    this.token(1, t.Per, "`per channel` or `per group(n)`");
    const isGroup = this.isAt(t.GroupWord);
    if (!this.RECORDING_PHASE && !isGroup && !this.isAt(t.Channel)) this.expected("`channel` or `group(n)`");
    return this.OR1<ast.Int8Name>([
      {
        ALT: () => {
          this.CONSUME(t.Channel);
          return { kind: "int8", per: "channel" };
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.GroupWord);
          this.token(1, t.LParen, "`(` and the size of a group");
          const size = this.SUBRULE(this.expression);
          this.token(1, t.RParen, "`)`");
          return { kind: "int8", per: "group", size };
        },
      },
    ]);
  }

  protected typeName<T extends string>(type: TokenType, name: T): T {
    this.CONSUME(type);
    return name;
  }

  private pattern(idx: number): ast.Str {
    const token = this.token(idx, t.StringLiteral, "a pattern in quotes");
    return { kind: "string", value: stringValue(token.image), span: this.spanOf(token) };
  }

  // ----------------------------------------------------------------------------------------------- serve

  protected readonly serve: ParserMethod<[], ast.Serve> = this.rule("serve", () => {
    const start = this.CONSUME(t.Serve);
    this.token(1, t.LCurly, "`{`");
    const entries = this.lines(() => this.SUBRULE(this.serveEntry), { commas: true });
    this.CONSUME(t.RCurly);
    return { kind: "serve", entries, span: this.spanFrom(start) };
  });

  /** `candidates <= 2048`. */
  private readonly serveEntry: ParserMethod<[], ast.Serve["entries"][number]> = this.rule(
    "serveEntry",
    () => {
      const name = this.name(1, "`requests` or `candidates`");
      this.token(2, t.LessEqual, "`<=`");
      const value = this.SUBRULE(this.expression);
      return { name, value, span: this.spanFrom(name.span) };
    },
  );
}
