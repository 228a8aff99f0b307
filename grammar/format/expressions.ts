/** @file Prints expressions, shapes and bracketed lists in the canonical form, comments included. */
import type { IToken, TokenType } from "chevrotain";
import type { Arg, Binary, Call, Comment, Expr, IndexItem, Pipe, ShapeSpec } from "../ast.ts";
import type { Span } from "../diagnostics.ts";
import { levelOf } from "../parser/precedence.ts";
import * as t from "../tokens.ts";
import type { CommentCursor } from "./comments.ts";
import { type Doc, group, hardline, indent, line, softline, suffix } from "./doc.ts";

export interface Printed {
  readonly span: Span;
}

export class ExpressionPrinter {
  protected readonly text: string;
  protected readonly cursor: CommentCursor;
  private readonly tokens: readonly IToken[];

  constructor(text: string, tokens: readonly IToken[], cursor: CommentCursor) {
    this.text = text;
    this.tokens = tokens;
    this.cursor = cursor;
  }

  // ---------------------------------------------------------------------------------------------- places

  /** The offset of the first token of `type` at or after `offset`. */
  protected find(type: TokenType, offset: number): number {
    for (let index = this.indexAt(offset); index < this.tokens.length; index += 1) {
      const token = this.tokens[index];
      if (token?.tokenType === type) return token.startOffset;
    }
    throw new Error(`internal: no ${type.name} after ${offset}`);
  }

  /** The offset of the last token of `type` that begins before `offset`. */
  protected findBack(type: TokenType, offset: number): number {
    for (let index = this.indexAt(offset) - 1; index >= 0; index -= 1) {
      const token = this.tokens[index];
      if (token?.tokenType === type) return token.startOffset;
    }
    throw new Error(`internal: no ${type.name} before ${offset}`);
  }

  private indexAt(offset: number): number {
    let low = 0;
    let high = this.tokens.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.tokens[middle]?.startOffset ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  protected raw(node: Printed): string {
    return this.text.slice(node.span.start, node.span.end);
  }

  // -------------------------------------------------------------------------------------------- comments

  /** A comment's text as printed. */
  protected comment({ text, style }: Comment): string {
    return style === "block" ? text.replace(/\r\n?/g, "\n") : text.trimEnd();
  }

  /** Comments in the middle of a line: block comments stay, the others go to the line's end. */
  protected inline(offset: number): Doc {
    return this.cursor
      .before(offset)
      .map((comment) =>
        comment.style === "block" ? `${this.comment(comment)} ` : suffix(this.comment(comment)),
      );
  }

  /** A break before a part that begins at `offset`; comments that end a line end the one before the break. */
  protected breakBefore(offset: number): Doc {
    const comments = this.cursor.before(offset);
    const blocks = comments.filter((comment) => comment.style === "block");
    const others = comments.filter((comment) => comment.style !== "block");
    return [this.suffixes(others), line, blocks.map((comment) => `${this.comment(comment)} `)];
  }

  protected suffixes(comments: readonly Comment[]): Doc {
    return comments.map((comment) => suffix(this.comment(comment)));
  }

  // ----------------------------------------------------------------------------------------------- lists

  /**
   * `( a, b )` with brackets at the offsets `open` and `close`: on one line if that fits and no comment ends a
   * line inside, else one item a line.
   */
  protected list<T extends Printed>(
    open: number,
    close: number,
    items: readonly T[],
    item: (node: T) => Doc,
  ): Doc {
    const [left, right] = [this.text.charAt(open), this.text.charAt(close)];
    const first = items[0]?.span.start ?? close;
    const head = this.cursor.endingLine(open + 1, first);
    const parts: { doc: Doc; broken: boolean }[] = items.map((node, index) => {
      const next = items[index + 1]?.span.start ?? close;
      const lead = this.leading(node.span.start);
      const printed = item(node);
      const inside = this.suffixes(this.cursor.before(node.span.end));
      const touching = this.cursor.touching(node.span.end, next);
      const tail = this.cursor.endingLine(touching.at(-1)?.span.end ?? node.span.end, next);
      const comma = index < items.length - 1 ? "," : "";
      return {
        doc: [
          lead.doc,
          printed,
          touching.map((comment) => ` ${this.comment(comment)}`),
          comma,
          inside,
          this.suffixes(tail),
        ],
        broken: lead.broken || tail.length > 0,
      };
    });
    const rest = this.cursor.before(close);
    if (parts.length === 0 && head.length + rest.length === 0) return left + right;
    const broken = head.length + rest.length > 0 || parts.some((part) => part.broken);
    const separator = broken ? hardline : line;
    const lines: Doc[] = parts.flatMap((part, index) => (index === 0 ? [part.doc] : [separator, part.doc]));
    for (const comment of rest) {
      if (lines.length > 0) lines.push(hardline);
      lines.push(this.comment(comment));
    }
    const edge = broken ? hardline : softline;
    return group([left, this.suffixes(head), indent([lines.length > 0 ? edge : "", lines]), edge, right]);
  }

  /** Comments before an item of a list: each on a line of its own, but for block comments beside the item. */
  private leading(offset: number): { doc: Doc; broken: boolean } {
    const comments = this.cursor.before(offset);
    let broken = false;
    const doc = comments.map((comment, index): Doc => {
      const next = comments[index + 1]?.span.start ?? offset;
      const beside = comment.style === "block" && this.cursor.sameLine(comment.span.end, next);
      if (!beside) broken = true;
      return [this.comment(comment), beside ? " " : hardline];
    });
    return { doc, broken };
  }

  // ----------------------------------------------------------------------------------------- expressions

  protected expression(node: Expr): Doc {
    const lead = this.inline(node.span.start);
    return [lead, this.bare(node)];
  }

  private bare(node: Expr): Doc {
    switch (node.kind) {
      case "ident":
        return node.name;
      case "int":
      case "float":
        return node.raw;
      case "bool":
        return String(node.value);
      case "string":
        return this.raw(node);
      case "unary":
        return [node.op === "not" ? "not " : "-", this.expression(node.operand)];
      case "binary":
        return this.binary(node);
      case "pipe":
        return this.pipe(node);
      case "call":
        return this.call(node);
      case "member":
        return [this.expression(node.base), this.inline(node.name.span.start), ".", node.name.name];
      case "index": {
        const open = this.find(t.LSquare, node.base.span.end);
        const base = this.expression(node.base);
        return [
          base,
          this.inline(open),
          this.list(open, node.span.end - 1, node.items, (item) => this.indexItem(item)),
        ];
      }
      case "list":
        return this.list(node.span.start, node.span.end - 1, node.items, (item) => this.expression(item));
      case "group":
        return this.list(node.span.start, node.span.end - 1, [node.inner], (inner) => this.expression(inner));
      case "range":
        return this.range(node.from, node.to);
      default:
        return node satisfies never;
    }
  }

  /** Operators of one level in one group, broken after the operators; `//` is glued, which marks a division. */
  private binary(node: Binary): Doc {
    const level = levelOf(node.op);
    const spine: Binary[] = [];
    let first: Expr = node;
    for (; first.kind === "binary" && levelOf(first.op) === level; first = first.left) spine.push(first);
    const head = this.expression(first);
    const tail = spine.toReversed().map(({ op, right }): Doc => {
      if (op !== "//") return [` ${op}`, this.breakBefore(right.span.start), this.expression(right)];
      const comments = this.suffixes(this.cursor.before(right.span.start));
      return [op, comments, this.expression(right)];
    });
    return group([head, indent(tail)]);
  }

  private pipe(node: Pipe): Doc {
    const calls: Call[] = [];
    let first: Expr = node;
    for (; first.kind === "pipe"; first = first.value) calls.push(first.call);
    const head = this.expression(first);
    const tail = calls
      .toReversed()
      .map((call): Doc => [this.breakBefore(call.span.start), "|> ", this.expression(call)]);
    return group([head, indent(tail)]);
  }

  private call(node: Call): Doc {
    const open = this.find(t.LParen, node.callee.span.end);
    const close = this.findBack(t.RParen, node.label === undefined ? node.span.end : node.label.span.start);
    const comments = this.inline(open);
    const args = this.list(open, close, node.args, (arg) => this.argument(arg));
    if (node.label === undefined) return [node.callee.name, comments, args];
    return [node.callee.name, comments, args, " as ", this.inline(node.label.span.start), node.label.name];
  }

  protected argument(arg: Arg): Doc {
    return [arg.name === undefined ? "" : `${arg.name.name} = `, this.expression(arg.value)];
  }

  private indexItem(item: IndexItem): Doc {
    return item.kind === "at" ? this.expression(item.at) : this.range(item.from, item.to);
  }

  private range(from: Expr | undefined, to: Expr | undefined): Doc {
    return [
      from === undefined ? "" : this.expression(from),
      ":",
      to === undefined ? "" : this.expression(to),
    ];
  }

  protected shape(node: ShapeSpec): Doc {
    const { file, start } = node.span;
    const at = node.open ? this.find(t.Ellipsis, start) : start;
    const open = { kind: "open" as const, span: { file, start: at, end: at + 3 } };
    const dims = node.open ? [open, ...node.dims] : node.dims;
    return this.list(start, node.span.end - 1, dims, (dim) =>
      dim.kind === "open" ? "..." : this.expression(dim),
    );
  }
}
