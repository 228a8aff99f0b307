/**
 * @file The einops grammar of axis patterns, `"t (h e) -> h (t e)"`: axes by name, `1`, groups in brackets, `...` for any
 * leading or inner axes. Names are local to one pattern. Diagnostics point into the string literal.
 *
 *   pattern = side { "," side } "->" side        side = { item }        item = NAME | "1" | "..." | "(" { item } ")"
 */
import type { Span } from "../../grammar/diagnostics.ts";
import type { Reporter } from "./report.ts";
import type { StringValue } from "./values.ts";

export interface AxisItem {
  readonly kind: "axis";
  readonly name: string;
  readonly span: Span;
}

export interface GroupItem {
  readonly kind: "group";
  readonly items: readonly (AxisItem | { readonly kind: "one"; readonly span: Span })[];
  readonly span: Span;
}

export type PatternItem =
  | AxisItem
  | GroupItem
  | { readonly kind: "one"; readonly span: Span }
  | { readonly kind: "ellipsis"; readonly span: Span };

export interface Side {
  readonly items: readonly PatternItem[];
  readonly span: Span;
}

export interface Pattern {
  readonly inputs: readonly Side[];
  readonly output: Side;
  readonly span: Span;
}

interface Token {
  readonly text: string;
  readonly span: Span;
}

export function parsePattern(literal: StringValue, reporter: Reporter): Pattern {
  const tokens = tokenize(literal, reporter);
  const arrow = tokens.findIndex((token) => token.text === "->");
  if (arrow < 0) {
    reporter.fail("RMX0206", literal.span, "a pattern has an arrow between what goes in and what comes out", {
      help: 'as in "t d -> d"',
    });
  }
  const second = tokens.slice(arrow + 1).find((token) => token.text === "->" || token.text === ",");
  if (second) reporter.fail("RMX0206", second.span, `\`${second.text}\` has no place after the arrow`);
  const inputs: Side[] = [];
  let part: Token[] = [];
  for (const token of tokens.slice(0, arrow)) {
    if (token.text !== ",") {
      part.push(token);
      continue;
    }
    inputs.push(parseSide(part, literal.span, reporter));
    part = [];
  }
  inputs.push(parseSide(part, literal.span, reporter));
  return { inputs, output: parseSide(tokens.slice(arrow + 1), literal.span, reporter), span: literal.span };
}

function tokenize(literal: StringValue, reporter: Reporter): Token[] {
  const text = literal.value;
  const raw = literal.span.end - literal.span.start === text.length + 2;
  const span = (from: number, to: number): Span =>
    raw
      ? { file: literal.span.file, start: literal.span.start + 1 + from, end: literal.span.start + 1 + to }
      : literal.span;
  const tokens: Token[] = [];
  const lexer = /\s+|[A-Za-z_]\w*|->|\.\.\.|[(),]|\d+|./guy;
  for (const match of text.matchAll(lexer)) {
    const [token] = match;
    if (/^\s/.test(token)) continue;
    const at = span(match.index, match.index + token.length);
    if (!/^([A-Za-z_]\w*|->|\.\.\.|[(),]|1)$/.test(token)) {
      reporter.fail("RMX0206", at, `\`${token}\` means nothing in a pattern`, {
        ...(/^\d+$/.test(token) && { help: "name the axis and give its size as an argument: `h = 8`" }),
      });
    }
    tokens.push({ text: token, span: at });
  }
  return tokens;
}

function parseSide(tokens: readonly Token[], whole: Span, reporter: Reporter): Side {
  const items: PatternItem[] = [];
  const seen = new Map<string, Span>();
  let open: { items: GroupItem["items"][number][]; span: Span } | undefined;
  for (const { text, span } of tokens) {
    if (text === "(") {
      if (open) reporter.fail("RMX0206", span, "a group inside a group means nothing more than one group");
      open = { items: [], span };
    } else if (text === ")") {
      if (!open) reporter.fail("RMX0206", span, "a `)` without its `(`");
      else items.push({ kind: "group", items: open.items, span: { ...span, start: open.span.start } });
      open = undefined;
    } else if (text === "1") {
      (open?.items ?? items).push({ kind: "one", span });
    } else {
      const first = seen.get(text);
      if (first) {
        reporter.fail("RMX0206", span, `\`${text}\` stands twice on one side`, {
          secondary: [{ span: first, message: "first here" }],
        });
      }
      seen.set(text, span);
      if (text !== "...") (open?.items ?? items).push({ kind: "axis", name: text, span });
      else if (open) reporter.fail("RMX0206", span, "`...` stands outside groups");
      else items.push({ kind: "ellipsis", span });
    }
  }
  if (open) reporter.fail("RMX0206", open.span, "this group is not closed");
  const first = tokens[0];
  const last = tokens.at(-1);
  return { items, span: first && last ? { ...first.span, end: last.span.end } : whole };
}
