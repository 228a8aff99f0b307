/** @file Prints statements, declarations and whole files in the canonical form. */
import type * as ast from "../ast.ts";
import * as t from "../tokens.ts";
import { blankline, type Doc, group, hardline, indent, line } from "./doc.ts";
import { ExpressionPrinter, type Printed } from "./expressions.ts";

export class FilePrinter extends ExpressionPrinter {
  file(file: ast.File): Doc {
    return this.lines(file.items, 0, this.text.length, (item) => this.item(item));
  }

  // ----------------------------------------------------------------------------------------------- lines

  /**
   * Nodes one a line between two offsets, with the comments around them: own-line comments before, comments that
   * end the line after. Empty lines are kept, at most one at a time, but not at either end; declarations always
   * have one between them.
   */
  private lines<T extends Printed & { kind?: string }>(
    nodes: readonly T[],
    start: number,
    end: number,
    print: (node: T) => Doc,
  ): Doc {
    const out: Doc[] = [];
    let previous = start;
    const separate = (from: number, force: boolean): void => {
      if (out.length > 0) out.push(force || this.cursor.blankBetween(previous, from) ? blankline : hardline);
    };
    const ownLines = (comments: readonly ast.Comment[], next: number | undefined): boolean => {
      let beside = false;
      for (const [index, comment] of comments.entries()) {
        if (!beside) separate(comment.span.start, false);
        out.push(this.comment(comment));
        previous = comment.span.end;
        const follower = comments[index + 1]?.span.start ?? next;
        beside =
          comment.style === "block" && follower !== undefined && this.cursor.sameLine(previous, follower);
        if (beside) out.push(" ");
      }
      return beside;
    };
    for (const [index, node] of nodes.entries()) {
      const comments = this.cursor.before(node.span.start);
      const beside = ownLines(comments, node.span.start);
      const declares = isDeclaration(node.kind) || isDeclaration(nodes[index - 1]?.kind);
      if (!beside) separate(node.span.start, declares && index > 0 && comments.length === 0);
      out.push(print(node), this.suffixes(this.cursor.before(node.span.end)));
      previous = node.span.end;
      const tail = this.cursor.endingLine(previous, nodes[index + 1]?.span.start ?? end);
      out.push(this.suffixes(tail));
      previous = tail.at(-1)?.span.end ?? previous;
    }
    ownLines(this.cursor.before(end), undefined);
    return out;
  }

  /** `{`, lines, `}`; `from` is anywhere after the last token before the `{`, `end` is the end of the `}`. */
  private braces<T extends Printed>(
    nodes: readonly T[],
    from: number,
    end: number,
    print: (node: T) => Doc,
  ): Doc {
    const open = this.find(t.LCurly, from);
    const close = end - 1;
    const header = this.cursor.before(open);
    const head = this.cursor.endingLine(open + 1, nodes[0]?.span.start ?? close);
    const isEmpty = nodes.length === 0 && !this.cursor.anyBefore(close);
    if (isEmpty && header.length + head.length === 0) return "{}";
    const comments = this.suffixes([...header, ...head]);
    const start = head.at(-1)?.span.end ?? open + 1;
    const lines = isEmpty ? "" : [hardline, this.lines(nodes, start, close, print)];
    return ["{", comments, indent(lines), hardline, "}"];
  }

  /** `{ a, b }` on one line if that fits and holds no comment, else one entry a line. */
  private entries<T extends Printed>(
    nodes: readonly T[],
    from: number,
    end: number,
    print: (node: T) => Doc,
  ): Doc {
    const open = this.find(t.LCurly, from);
    const hasComments = this.cursor.anyBefore(end);
    if (hasComments || nodes.length === 0) return this.braces(nodes, open, end, print);
    const separated = nodes.flatMap((node, index): Doc[] =>
      index === 0 ? [print(node)] : [comma, print(node)],
    );
    return group(["{", indent([line, separated]), line, "}"]);
  }

  // ---------------------------------------------------------------------------------------- declarations

  private item(item: ast.Item): Doc {
    switch (item.kind) {
      case "use":
        return ["use ", item.std ? `std.${item.path}` : this.usePath(item)];
      case "block": {
        const params = this.parameters(item.params, item.name.span.end);
        const arrow = this.inline(this.find(t.Arrow, this.endOfLast(item.params, item.name.span.end)));
        const header: Doc = ["block ", item.name.name, params, arrow, " -> ", this.results(item.results)];
        return [
          header,
          " ",
          this.body(item.body, this.endOfLast(item.results, item.span.start), item.span.end),
        ];
      }
      case "model": {
        const params = item.params.length > 0 ? this.parameters(item.params, item.name.span.end) : "";
        const from = this.endOfLast(item.params, item.name.span.end);
        return ["model ", item.name.name, params, " ", this.body(item.body, from, item.span.end)];
      }
      default:
        return item satisfies never;
    }
  }

  private usePath(use: ast.Use): string {
    const start = this.find(t.StringLiteral, use.span.start);
    return this.text.slice(start, use.span.end);
  }

  private endOfLast(nodes: readonly Printed[], otherwise: number): number {
    return nodes.at(-1)?.span.end ?? otherwise;
  }

  private parameters(params: readonly ast.Parameter[], from: number): Doc {
    const open = this.find(t.LParen, from);
    const close = this.find(t.RParen, this.endOfLast(params, open));
    return [this.inline(open), this.list(open, close, params, (param) => this.parameter(param))];
  }

  private parameter(node: ast.Parameter): Doc {
    const value: Doc = node.default === undefined ? "" : [" = ", this.expression(node.default)];
    return [node.name.name, ": ", this.parameterType(node.type), value];
  }

  private parameterType(type: ast.ParameterType): Doc {
    if (type.kind === "tensor") return this.tensor(type);
    return `${type.base}${type.list ? "[]" : ""}`;
  }

  private tensor(type: { readonly element: ast.ElementName; readonly shape: ast.ShapeSpec }): Doc {
    const shape: Doc = [this.inline(type.shape.span.start), this.shape(type.shape)];
    return type.element === "num" ? shape : [`${type.element} `, shape];
  }

  private results(results: readonly ast.ResultType[]): Doc {
    const first = results[0];
    if (first === undefined) return "()";
    if (results.length === 1) return this.tensor(first);
    const open = this.findBack(t.LParen, first.span.start);
    const close = this.find(t.RParen, this.endOfLast(results, open));
    return [this.inline(open), this.list(open, close, results, (result) => this.tensor(result))];
  }

  // ------------------------------------------------------------------------------------------ statements

  private body(statements: readonly ast.Stmt[], from: number, end: number): Doc {
    return this.braces(statements, from, end, (statement) => this.statement(statement));
  }

  private statement(node: ast.Stmt): Doc {
    switch (node.kind) {
      case "let":
        return ["let ", this.binding(node)];
      case "task":
        return ["task ", this.binding(node)];
      case "assign":
        return [node.targets.map((target) => target.name).join(", "), " = ", this.expression(node.value)];
      case "loss":
        return ["loss ", this.expression(node.value)];
      case "return":
        return ["return ", this.returned(node.values)];
      case "param":
        return [
          "param ",
          node.name.name,
          ": ",
          this.inline(node.shape.span.start),
          this.shape(node.shape),
          this.init(node),
        ];
      case "table": {
        const open = this.find(t.LParen, node.name.span.end);
        const close = this.findBack(
          t.RParen,
          node.init === undefined ? node.span.end : this.findBack(t.Equals, node.init.span.start),
        );
        const args = this.list(open, close, node.args, (arg) => this.argument(arg));
        return ["table ", node.name.name, args, this.init(node)];
      }
      case "label":
        return ["label ", node.name.name, ": ", this.featureType(node.type)];
      case "features":
        return [
          node.stage,
          " ",
          this.braces(node.features, node.span.start, node.span.end, (f) => this.feature(f)),
        ];
      case "tokens": {
        const { end } = node.shape.span;
        const shape = [this.inline(node.shape.span.start), this.shape(node.shape)];
        return [
          "tokens ",
          node.name.name,
          ": ",
          shape,
          " ",
          this.braces(node.rows, end, node.span.end, (row) => this.row(row)),
        ];
      }
      case "repeat": {
        const over: Doc = [
          node.binding === undefined ? "" : `${node.binding.name} in `,
          this.expression(node.over),
        ];
        const label = node.label === undefined ? "" : ` as ${node.label.name}`;
        const from = node.label?.span.end ?? node.over.span.end;
        return ["repeat ", over, label, " ", this.body(node.body, from, node.span.end)];
      }
      case "if":
        return this.if(node);
      case "precision":
        return [
          "precision ",
          this.braces(node.lines, node.span.start, node.span.end, (l) => this.precisionLine(l)),
        ];
      case "serve":
        return [
          "serve ",
          this.entries(node.entries, node.span.start, node.span.end, (entry) => [
            entry.name.name,
            " <= ",
            this.expression(entry.value),
          ]),
        ];
      default:
        return node satisfies never;
    }
  }

  private binding(node: { readonly name: ast.Ident; readonly value: ast.Expr }): Doc {
    return [node.name.name, " = ", this.expression(node.value)];
  }

  private init(node: { readonly init?: ast.Expr }): Doc {
    return node.init === undefined ? "" : [" = ", this.expression(node.init)];
  }

  /** A trailing comma continues the line, so long results may go on below. */
  private returned(values: readonly ast.Expr[]): Doc {
    const [first, ...rest] = values;
    if (first === undefined) throw new Error("internal: a return without a value");
    const head = this.expression(first);
    return group([
      head,
      indent(rest.map((value) => [",", this.breakBefore(value.span.start), this.expression(value)])),
    ]);
  }

  private if(node: ast.If): Doc {
    const condition = this.expression(node.condition);
    const [nested] = node.otherwise ?? [];
    const otherwise = node.otherwise;
    if (otherwise === undefined)
      return ["if ", condition, " ", this.body(node.then, node.condition.span.end, node.span.end)];
    const isElseIf = node.elseIf === true && nested?.kind === "if";
    const elseStart = isElseIf ? this.findBack(t.Else, nested.span.start) : this.elseBefore(node, otherwise);
    const thenEnd = this.findBack(t.RCurly, elseStart) + 1;
    const then = this.body(node.then, node.condition.span.end, thenEnd);
    const comments = this.suffixes(this.cursor.before(elseStart));
    const rest = isElseIf
      ? [this.inline(nested.span.start), this.if(nested)]
      : this.body(otherwise, elseStart, node.span.end);
    return ["if ", condition, " ", then, comments, " else ", rest];
  }

  /** Where the `else` of an `if` with a plain `else { }` stands: before the `{` that its `}` matches. */
  private elseBefore(node: ast.If, otherwise: readonly ast.Stmt[]): number {
    const inside = otherwise[0]?.span.start ?? node.span.end - 1;
    return this.findBack(t.Else, this.findBack(t.LCurly, inside));
  }

  // --------------------------------------------------------------------------------------------- clauses

  private feature(node: ast.Feature): Doc {
    return [node.name.name, ": ", this.featureType(node.type)];
  }

  private featureType(type: ast.FeatureType): Doc {
    const { start, end } = type.span;
    switch (type.kind) {
      case "dense": {
        if (type.dims.length === 0) return type.element;
        const open = this.find(t.LSquare, start);
        return [
          type.element,
          this.inline(open),
          this.list(open, end - 1, type.dims, (dim) => this.expression(dim)),
        ];
      }
      case "id":
        return `id in ${type.table.name}`;
      case "ids":
        return ["ids", this.maximum(type), " in ", type.table.name];
      case "seq":
        return [
          "seq",
          this.maximum(type),
          " of ",
          this.entries(type.fields, type.max.span.end, end, (f) => this.feature(f)),
        ];
      default:
        return type satisfies never;
    }
  }

  private maximum({ span, max }: { readonly span: ast.Expr["span"]; readonly max: ast.Expr }): Doc {
    const open = this.find(t.LSquare, span.start);
    const close = this.find(t.RSquare, max.span.end);
    return [this.inline(open), this.list(open, close, [max], (value) => this.expression(value))];
  }

  private row(node: ast.TokenRow): Doc {
    const count = node.count === undefined ? "" : this.maximum({ span: node.name.span, max: node.count });
    return [node.name.name, count, " = ", this.expression(node.value)];
  }

  private precisionLine(node: ast.PrecisionLine): Doc {
    if (node.kind === "compute") {
      const pattern = node.pattern === undefined ? "" : `${this.raw(node.pattern)} `;
      return ["compute ", pattern, "= ", node.type];
    }
    const pattern = node.derived ? `derived(${this.raw(node.pattern)})` : this.raw(node.pattern);
    const inputs: Doc = node.inputs === undefined ? "" : [" inputs ", this.storage(node.inputs)];
    return [pattern, " = ", this.storage(node.type), inputs];
  }

  private storage(type: ast.StorageName): Doc {
    if (type.kind === "plain") return type.type;
    const asymmetric = type.asymmetric === true ? " asymmetric" : "";
    if (type.per === "channel") return `int8 per channel${asymmetric}`;
    const open = this.findBack(t.LParen, type.size.span.start);
    const close = this.find(t.RParen, type.size.span.end);
    return [
      "int8 per group",
      this.list(open, close, [type.size], (size) => this.expression(size)),
      asymmetric,
    ];
  }
}

const comma: Doc = [",", line];

function isDeclaration(kind: string | undefined): boolean {
  return kind === "block" || kind === "model";
}
