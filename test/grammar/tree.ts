/** @file Syntax trees in a form that tests can read: expressions as s-expressions, trees without spans. */
import type { Arg, Expr, File, IndexItem, Stmt } from "../../grammar/ast.ts";
import { parse } from "../../grammar/parser.ts";

export function parseText(text: string): ReturnType<typeof parse> {
  return parse({ name: "test.rmx", text });
}

/** Parses a file that must be free of errors. */
export function parseClean(text: string): File {
  const { file, diagnostics } = parseText(text);
  if (diagnostics.length > 0) throw new Error(JSON.stringify(diagnostics, undefined, 2));
  return file;
}

/** The statements of a model with this body. */
export function statements(body: string): readonly Stmt[] {
  const [item] = parseClean(`model m {\n${body}\n}\n`).items;
  if (item?.kind !== "model") throw new Error("no model");
  return item.body;
}

/** The codes of all diagnostics for a model with this body, in order. */
export function codesOf(body: string): string[] {
  return parseText(`model m {\n${body}\n}\n`).diagnostics.map((d) => d.code);
}

/** An expression as an s-expression: `a + b * c` is `(+ a (* b c))`. */
export function expression(text: string): string {
  const [statement] = statements(`x = ${text}`);
  if (statement?.kind !== "assign") throw new Error("no assignment");
  return show(statement.value);
}

export function show(node: Expr): string {
  switch (node.kind) {
    case "ident":
      return node.name;
    case "int":
    case "float":
    case "bool":
      return String(node.value);
    case "string":
      return JSON.stringify(node.value);
    case "unary":
      return `(${node.op} ${show(node.operand)})`;
    case "binary":
      return `(${node.op} ${show(node.left)} ${show(node.right)})`;
    case "call":
      return `(${["call", node.callee.name, ...node.args.map(showArg)].join(" ")}${node.label ? ` as ${node.label.name}` : ""})`;
    case "pipe":
      return `(|> ${show(node.value)} ${show(node.call)})`;
    case "index":
      return `(${["index", show(node.base), ...node.items.map(showItem)].join(" ")})`;
    case "member":
      return `(. ${show(node.base)} ${node.name.name})`;
    case "list":
      return `[${node.items.map(show).join(" ")}]`;
    case "group":
      return `(group ${show(node.inner)})`;
    case "range":
      return `${node.from ? show(node.from) : ""}:${node.to ? show(node.to) : ""}`;
    default:
      return node satisfies never;
  }
}

function showArg(arg: Arg): string {
  return arg.name ? `${arg.name.name}=${show(arg.value)}` : show(arg.value);
}

function showItem(item: IndexItem): string {
  return item.kind === "at"
    ? show(item.at)
    : `${item.from ? show(item.from) : ""}:${item.to ? show(item.to) : ""}`;
}

/** A tree as plain data without its spans, for comparison. */
export function withoutSpans(file: File): unknown {
  return JSON.parse(
    JSON.stringify(file.items, (key, value: unknown) => (key === "span" ? undefined : value)),
  );
}
