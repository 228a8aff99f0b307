/**
 * @file The token types of the language.
 *
 * Keywords are contextual: every keyword's type also belongs to the category `Name`, so wherever the grammar
 * asks for a name, `user`, `table` or `loss` will do. Only the words that stand inside expressions (`and or not
 * true false inf`) are reserved. The operators belong to categories too; the parser reads an expression as a flat
 * run of operands and `BinaryOperator`s and folds it by precedence afterwards.
 *
 * Three types (`BadString`, `BadComment`, `BadNumber`) catch malformed text, so that one precise diagnostic
 * replaces a trail of unexpected characters.
 */
import { createToken, Lexer, type TokenType } from "chevrotain";
import { isDivision } from "./slashes.ts";

/** Any name: an identifier or a keyword. */
export const Name = createToken({ name: "Name", pattern: Lexer.NA });
export const BinaryOperator = createToken({ name: "BinaryOperator", pattern: Lexer.NA });
export const PrefixOperator = createToken({ name: "PrefixOperator", pattern: Lexer.NA });

export const Identifier = createToken({ name: "Identifier", pattern: /[A-Za-z_]\w*/, categories: [Name] });

const word = (image: string, categories: TokenType[]): TokenType =>
  createToken({
    name: image[0]?.toUpperCase() + image.slice(1),
    pattern: image,
    longer_alt: Identifier,
    categories,
  });
const keyword = (image: string): TokenType => word(image, [Name]);

// Declarations and statements.
export const Use = keyword("use");
export const Block = keyword("block");
export const Model = keyword("model");
export const Let = keyword("let");
export const Table = keyword("table");
export const User = keyword("user");
export const Item = keyword("item");
export const Tokens = keyword("tokens");
export const Return = keyword("return");
export const Repeat = keyword("repeat");
export const If = keyword("if");
export const Else = keyword("else");
export const Param = keyword("param");
export const Task = keyword("task");
export const Loss = keyword("loss");
export const LabelWord = keyword("label");
export const Precision = keyword("precision");
export const Serve = keyword("serve");

// Connectives.
export const As = keyword("as");
export const In = keyword("in");
export const Of = keyword("of");

// Types: features, parameters, storage.
export const Id = keyword("id");
export const Ids = keyword("ids");
export const Seq = keyword("seq");
export const F32 = keyword("f32");
export const F16 = keyword("f16");
export const Bf16 = keyword("bf16");
export const Tf32 = keyword("tf32");
export const I32 = keyword("i32");
export const Int8 = keyword("int8");
export const Fp8E4m3 = keyword("fp8_e4m3");
export const Fp8E5m2 = keyword("fp8_e5m2");
export const Num = keyword("num");
export const BoolType = keyword("bool");
export const IntType = keyword("int");
export const FloatType = keyword("float");
export const FnType = keyword("fn");
export const StringType = keyword("string");

// Inside `precision { }`.
export const Compute = keyword("compute");
export const Derived = keyword("derived");
export const Per = keyword("per");
export const Channel = keyword("channel");
export const GroupWord = keyword("group");
export const Asymmetric = keyword("asymmetric");
export const Inputs = keyword("inputs");

// Reserved: these are never names.
export const True = word("true", []);
export const False = word("false", []);
export const Inf = word("inf", []);
export const And = word("and", [BinaryOperator]);
export const Or = word("or", [BinaryOperator]);
export const Not = word("not", [PrefixOperator]);

export const FloatLiteral = createToken({
  name: "FloatLiteral",
  pattern: /\d+(?:_\d+)*(?:\.\d+(?:_\d+)*(?:[eE][+-]?\d+)?|[eE][+-]?\d+)(?!\w)/,
});
export const IntLiteral = createToken({ name: "IntLiteral", pattern: /\d+(?:_\d+)*(?!\w)/ });
/** `1__0`, `0x1f`, `12ab`, `1.5e`: whatever begins with a digit and is no number. */
export const BadNumber = createToken({ name: "BadNumber", pattern: /\d\w*(?:\.\d\w*)?/ });
export const StringLiteral = createToken({
  name: "StringLiteral",
  pattern: /"(?:[^"\\\n\r]|\\[^\n\r])*"/,
});
/** A string that its line ends. */
export const BadString = createToken({ name: "BadString", pattern: /"(?:[^"\\\n\r]|\\[^\n\r])*\\?/ });

const operator = (name: string, image: string, ...categories: TokenType[]): TokenType =>
  createToken({ name, pattern: image, categories });

export const PipeOperator = operator("PipeOperator", "|>", BinaryOperator);
export const Arrow = operator("Arrow", "->");
export const LessEqual = operator("LessEqual", "<=", BinaryOperator);
export const GreaterEqual = operator("GreaterEqual", ">=", BinaryOperator);
export const EqualEqual = operator("EqualEqual", "==", BinaryOperator);
export const NotEqual = operator("NotEqual", "!=", BinaryOperator);
export const Less = operator("Less", "<", BinaryOperator);
export const Greater = operator("Greater", ">", BinaryOperator);
export const Plus = operator("Plus", "+", BinaryOperator);
export const Minus = operator("Minus", "-", BinaryOperator, PrefixOperator);
export const Star = operator("Star", "*", BinaryOperator);
export const Percent = operator("Percent", "%", BinaryOperator);
export const Slash = operator("Slash", "/", BinaryOperator);
export const Equals = operator("Equals", "=");
export const Comma = operator("Comma", ",");
export const Colon = operator("Colon", ":");
export const Ellipsis = operator("Ellipsis", "...");
export const Dot = operator("Dot", ".");
export const LParen = operator("LParen", "(");
export const RParen = operator("RParen", ")");
export const LSquare = operator("LSquare", "[");
export const RSquare = operator("RSquare", "]");
export const LCurly = operator("LCurly", "{");
export const RCurly = operator("RCurly", "}");

/** `//` where it divides; `slashes.ts` tells it from a comment. */
export const SlashSlash = createToken({
  name: "SlashSlash",
  pattern: (text, offset, previous) => {
    if (!text.startsWith("//", offset)) return null;
    const before = previous.at(-1);
    return before !== undefined && endsOperand(before.tokenType) && isDivision(text, offset) ? ["//"] : null;
  },
  start_chars_hint: ["/"],
  line_breaks: false,
  categories: [BinaryOperator],
});
export const LineComment = createToken({ name: "LineComment", pattern: /\/\/[^\n\r]*/ });
export const BlockComment = createToken({
  name: "BlockComment",
  pattern: /\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\//,
  line_breaks: true,
});
export const BadComment = createToken({ name: "BadComment", pattern: /\/\*[\s\S]*/, line_breaks: true });

export const NewLine = createToken({ name: "NewLine", pattern: /\r?\n|\r/, line_breaks: true });
export const Blank = createToken({ name: "Blank", pattern: /[ \t\f\v\u00a0\ufeff]+/, group: Lexer.SKIPPED });

/** Whether an expression may end with a token of this type. */
export function endsOperand(type: TokenType): boolean {
  return (
    type === IntLiteral ||
    type === FloatLiteral ||
    type === RParen ||
    type === RSquare ||
    type === Inf ||
    isName(type)
  );
}

export function isName(type: TokenType): boolean {
  return type === Identifier || type.CATEGORIES?.includes(Name) === true;
}

export function isBinaryOperator(type: TokenType): boolean {
  return type.CATEGORIES?.includes(BinaryOperator) === true;
}

export const reservedWords: readonly TokenType[] = [True, False, Inf, And, Or, Not];

const keywords: TokenType[] = [
  ...[
    Use,
    Block,
    Model,
    Let,
    Table,
    User,
    Item,
    Tokens,
    Return,
    Repeat,
    If,
    Else,
    Param,
    Task,
    Loss,
    LabelWord,
  ],
  ...[
    Precision,
    Serve,
    As,
    In,
    Of,
    Id,
    Ids,
    Seq,
    F32,
    F16,
    Bf16,
    Tf32,
    I32,
    Int8,
    Fp8E4m3,
    Fp8E5m2,
    Num,
    BoolType,
  ],
  ...[IntType, FloatType, FnType, StringType, Compute, Derived, Per, Channel, GroupWord, Asymmetric, Inputs],
  ...reservedWords,
];

const length = (type: TokenType): number => String(type.PATTERN).length;

/** In the order in which the lexer tries them: the longer of two words or operators first, names after keywords. */
export const allTokens: TokenType[] = [
  ...[Blank, NewLine, SlashSlash, LineComment, BlockComment, BadComment],
  ...keywords.toSorted((a, b) => length(b) - length(a)),
  ...[Identifier, FloatLiteral, IntLiteral, BadNumber, StringLiteral, BadString],
  ...[PipeOperator, Arrow, LessEqual, GreaterEqual, EqualEqual, NotEqual, Less, Greater, Plus, Minus, Star],
  ...[Percent, Slash, Equals, Comma, Colon, Ellipsis, Dot, LParen, RParen, LSquare, RSquare, LCurly, RCurly],
  ...[Name, BinaryOperator, PrefixOperator],
];
