/**
 * @file The typed syntax tree of an `.rmx` file. Every node has the span of its text; comments are kept beside
 * the tree (`File.comments`) for the formatter. Names that the language reads as keywords are contextual, so
 * every name is an `Ident`.
 */
import type { Span } from "./diagnostics.ts";

export interface Ident {
  readonly kind: "ident";
  readonly name: string;
  readonly span: Span;
}

export interface Comment {
  readonly text: string;
  readonly span: Span;
  readonly style: "line" | "block" | "doc";
}

export interface File {
  readonly kind: "file";
  readonly items: readonly Item[];
  readonly comments: readonly Comment[];
  readonly span: Span;
}

export type Item = Use | BlockDecl | ModelDecl;

/** `use std.rankmixer` (`std: true`, path "rankmixer") or `use "./blocks.rmx"` (path as written). */
export interface Use {
  readonly kind: "use";
  readonly std: boolean;
  readonly path: string;
  readonly span: Span;
}

export interface BlockDecl {
  readonly kind: "block";
  /** The `///` lines above, joined by newlines, without the slashes. */
  readonly doc: string;
  readonly name: Ident;
  readonly params: readonly Parameter[];
  /** One shape a result. */
  readonly results: readonly ResultType[];
  readonly body: readonly Stmt[];
  readonly span: Span;
}

export interface ModelDecl {
  readonly kind: "model";
  readonly doc: string;
  readonly name: Ident;
  readonly params: readonly Parameter[];
  readonly body: readonly Stmt[];
  readonly span: Span;
}

export type ElementName = "num" | "i32" | "bool";

/** `[T, D]`, `[..., T, D]`. In a block's tensor parameter a bare name binds (or checks) a dimension. */
export interface ShapeSpec {
  readonly kind: "shape";
  readonly open: boolean;
  readonly dims: readonly Expr[];
  readonly span: Span;
}

export interface ResultType {
  readonly kind: "result";
  readonly element: ElementName;
  readonly shape: ShapeSpec;
  readonly span: Span;
}

export type ParameterType =
  | { readonly kind: "tensor"; readonly element: ElementName; readonly shape: ShapeSpec; readonly span: Span }
  | {
      readonly kind: "value";
      readonly base: "int" | "float" | "bool" | "fn" | "string";
      readonly list: boolean;
      readonly span: Span;
    };

export interface Parameter {
  readonly kind: "parameter";
  readonly name: Ident;
  readonly type: ParameterType;
  readonly default?: Expr;
  readonly span: Span;
}

// ---------------------------------------------------------------------------------------------- statements

export type Stmt =
  | Let
  | Table
  | Features
  | Tokens
  | Assign
  | Return
  | Repeat
  | If
  | ParamDecl
  | Task
  | Loss
  | LabelDecl
  | Precision
  | Serve;

export interface Let {
  readonly kind: "let";
  readonly name: Ident;
  readonly value: Expr;
  readonly span: Span;
}

/** `table users(rows = 1_000_000, dim = 64)`, with an optional `= init`. */
export interface Table {
  readonly kind: "table";
  readonly name: Ident;
  readonly args: readonly Arg[];
  readonly init?: Expr;
  readonly span: Span;
}

export interface Features {
  readonly kind: "features";
  readonly stage: "user" | "item";
  readonly features: readonly Feature[];
  readonly span: Span;
}

export interface Feature {
  readonly kind: "feature";
  readonly doc: string;
  readonly name: Ident;
  readonly type: FeatureType;
  readonly span: Span;
}

export type FeatureType =
  | {
      readonly kind: "dense";
      readonly element: "f32" | "i32";
      readonly dims: readonly Expr[];
      readonly span: Span;
    }
  | { readonly kind: "id"; readonly table: Ident; readonly span: Span }
  | { readonly kind: "ids"; readonly max: Expr; readonly table: Ident; readonly span: Span }
  | { readonly kind: "seq"; readonly max: Expr; readonly fields: readonly Feature[]; readonly span: Span };

export interface Tokens {
  readonly kind: "tokens";
  readonly name: Ident;
  readonly shape: ShapeSpec;
  readonly rows: readonly TokenRow[];
  readonly span: Span;
}

/** `name[count] = value`; without `count` the row is one token. */
export interface TokenRow {
  readonly kind: "row";
  readonly name: Ident;
  readonly count?: Expr;
  readonly value: Expr;
  readonly span: Span;
}

export interface Assign {
  readonly kind: "assign";
  readonly targets: readonly Ident[];
  readonly value: Expr;
  readonly span: Span;
}

export interface Return {
  readonly kind: "return";
  readonly values: readonly Expr[];
  readonly span: Span;
}

/** `repeat n as LABEL { }` (no `binding`) or `repeat m in modules as LABEL { }`. */
export interface Repeat {
  readonly kind: "repeat";
  readonly binding?: Ident;
  /** A count, or the list when `binding` is there. */
  readonly over: Expr;
  readonly label?: Ident;
  readonly body: readonly Stmt[];
  readonly span: Span;
}

/** `else if` is an `else` whose only statement is an `If` (`elseIf: true` so that the formatter keeps it). */
export interface If {
  readonly kind: "if";
  readonly condition: Expr;
  readonly then: readonly Stmt[];
  readonly otherwise?: readonly Stmt[];
  readonly elseIf?: boolean;
  readonly span: Span;
}

export interface ParamDecl {
  readonly kind: "param";
  readonly name: Ident;
  readonly shape: ShapeSpec;
  /** `zeros`, `ones` (names), `normal(std = 0.02)`, `xavier(scale = 1)` (calls); default `xavier`. */
  readonly init?: Expr;
  readonly span: Span;
}

export interface Task {
  readonly kind: "task";
  readonly name: Ident;
  readonly value: Expr;
  readonly span: Span;
}

export interface Loss {
  readonly kind: "loss";
  readonly value: Expr;
  readonly span: Span;
}

export interface LabelDecl {
  readonly kind: "label";
  readonly name: Ident;
  readonly type: FeatureType;
  readonly span: Span;
}

export type ComputeName = "f32" | "f16" | "bf16" | "tf32";
export type StorageName =
  | { readonly kind: "plain"; readonly type: "f32" | "f16" | "bf16" | "fp8_e4m3" | "fp8_e5m2" }
  | Int8Name;
export type Int8Name =
  | { readonly kind: "int8"; readonly per: "channel"; readonly asymmetric?: boolean }
  | { readonly kind: "int8"; readonly per: "group"; readonly size: Expr; readonly asymmetric?: boolean };

export interface Precision {
  readonly kind: "precision";
  readonly lines: readonly PrecisionLine[];
  readonly span: Span;
}

export type PrecisionLine =
  /** `compute = f16` or `compute "head.**" = f32`. */
  | { readonly kind: "compute"; readonly pattern?: Str; readonly type: ComputeName; readonly span: Span }
  /** `"**.ffn.w*" = int8 per channel inputs fp8_e4m3`; `derived("p")` names load-stage values. */
  | {
      readonly kind: "store";
      readonly pattern: Str;
      readonly derived: boolean;
      readonly type: StorageName;
      readonly inputs?: StorageName;
      readonly span: Span;
    };

/** `serve { requests <= 8, candidates <= 2048 }`: entries separated by commas or line ends. */
export interface Serve {
  readonly kind: "serve";
  readonly entries: readonly { readonly name: Ident; readonly value: Expr; readonly span: Span }[];
  readonly span: Span;
}

// --------------------------------------------------------------------------------------------- expressions

export type Expr =
  | Int
  | Float
  | Str
  | Bool
  | Ident
  | Unary
  | Binary
  | Call
  | Pipe
  | Index
  | Member
  | List
  | Range
  | Group;

export interface Int {
  readonly kind: "int";
  readonly value: number;
  /** As written, `_` and all. */
  readonly raw: string;
  readonly span: Span;
}

/** Also `inf` (raw "inf"). */
export interface Float {
  readonly kind: "float";
  readonly value: number;
  readonly raw: string;
  readonly span: Span;
}

export interface Str {
  readonly kind: "string";
  readonly value: string;
  readonly span: Span;
}

export interface Bool {
  readonly kind: "bool";
  readonly value: boolean;
  readonly span: Span;
}

export interface Unary {
  readonly kind: "unary";
  readonly op: "-" | "not";
  readonly operand: Expr;
  readonly span: Span;
}

export type BinaryOp =
  | "+"
  | "-"
  | "*"
  | "/"
  | "//"
  | "%"
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "and"
  | "or";

export interface Binary {
  readonly kind: "binary";
  readonly op: BinaryOp;
  readonly left: Expr;
  readonly right: Expr;
  readonly span: Span;
}

export interface Arg {
  readonly kind: "arg";
  readonly name?: Ident;
  readonly value: Expr;
  readonly span: Span;
}

/** `f(a, k = b) as label`; `as` binds tighter than any operator. */
export interface Call {
  readonly kind: "call";
  readonly callee: Ident;
  readonly args: readonly Arg[];
  readonly label?: Ident;
  readonly span: Span;
}

/** `value |> f(args) as label`: `f(value, args)`. */
export interface Pipe {
  readonly kind: "pipe";
  readonly value: Expr;
  readonly call: Call;
  readonly span: Span;
}

export interface Index {
  readonly kind: "index";
  readonly base: Expr;
  readonly items: readonly IndexItem[];
  readonly span: Span;
}

/** `at` drops the axis; a range keeps it, either end open. */
export type IndexItem =
  | { readonly kind: "at"; readonly at: Expr; readonly span: Span }
  | { readonly kind: "range"; readonly from?: Expr; readonly to?: Expr; readonly span: Span };

/** `x.user_tokens`, `hist.field`. */
export interface Member {
  readonly kind: "member";
  readonly base: Expr;
  readonly name: Ident;
  readonly span: Span;
}

/** `[256, 128]`, `[cross(rank = 8), linear_module]`: compile-time lists. */
export interface List {
  readonly kind: "list";
  readonly items: readonly Expr[];
  readonly span: Span;
}

/** A parenthesised expression, kept so that the formatter prints what the author grouped. */
export interface Group {
  readonly kind: "group";
  readonly inner: Expr;
  readonly span: Span;
}

/** `0:8` as an argument (`ug_mask(y, rows = 0:8)`), either end open. */
export interface Range {
  readonly kind: "range";
  readonly from?: Expr;
  readonly to?: Expr;
  readonly span: Span;
}

/** `rows = 0:8` in `ug_mask(y, rows = 0:8)`: the parser makes one only as an argument's whole value. */
export interface Range {
  readonly kind: "range";
  readonly from?: Expr;
  readonly to?: Expr;
  readonly span: Span;
}
