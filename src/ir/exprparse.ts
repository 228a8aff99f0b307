/**
 * @file Reads the text of an expression over axes (what `printExpr` writes for index maps and guards). It is for the compiler's own
 * text forms, so a mistake in the text is an internal error and not a diagnostic.
 */
import type { AxisExpr, Expr, ScalarFn } from "./expr.ts";
import { apply, bool, int, num } from "./expr.ts";
import { COMPARISON, infix, printedNames } from "./exprprint.ts";
import { scalarFns } from "./scalar.ts";

const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|([A-Za-z_]\w*)|(->|\/\/|[<>=!]=|[-+*/%<>()[\],:]))/y;

/** A position in a text that is cut into tokens on demand; parsers of larger text forms share it. */
export class TokenReader {
  readonly #text: string;
  #at = 0;
  #next: string | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#advance();
  }

  /** The next token, "" at the end. */
  peek(): string {
    return this.#next ?? "";
  }

  take(): string {
    const token = this.peek();
    this.#advance();
    return token;
  }

  /** Takes the next token if it is this one. */
  accept(token: string): boolean {
    if (this.peek() !== token) return false;
    this.#advance();
    return true;
  }

  expect(token: string): void {
    if (!this.accept(token)) this.fail(`expected '${token}'`);
  }

  fail(why: string): never {
    throw new Error(`internal: ${why} at offset ${this.#at} of ${JSON.stringify(this.#text)}`);
  }

  #advance(): void {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.#text);
    if (match === null) {
      if (this.#text.slice(this.#at).trim() !== "") this.fail("unknown character");
      this.#next = undefined;
      return;
    }
    this.#at = TOKEN.lastIndex;
    this.#next = match[1] ?? match[2] ?? match[3];
  }
}

const functions = new Map<string, ScalarFn>();
const operators = new Map<string, readonly [fn: ScalarFn, level: number]>();
for (const fn of Object.keys(scalarFns) as ScalarFn[]) {
  const operator = infix[fn];
  if (operator !== undefined) operators.set(operator[0], [fn, operator[1]]);
  else functions.set(printedNames[fn] ?? fn, fn);
}

/** Parses a whole text; `axes` by name. */
export function parseExpr(text: string, axes: ReadonlyMap<string, AxisExpr>): Expr {
  const reader = new TokenReader(text);
  const e = readExpr(reader, axes);
  if (reader.peek() !== "") reader.fail("expected the end");
  return e;
}

/** Parses as much as is an expression and leaves the reader after it. */
export function readExpr(reader: TokenReader, axes: ReadonlyMap<string, AxisExpr>): Expr {
  /** Everything that binds at least as tightly as `level`. */
  const binary = (level: number): Expr => {
    let left = unary(level);
    for (;;) {
      const operator = operators.get(reader.peek());
      if (operator === undefined || operator[1] < level) return left;
      reader.take();
      left = apply(operator[0], left, binary(operator[1] + 1));
      if (operator[1] === COMPARISON && operators.get(reader.peek())?.[1] === COMPARISON) {
        reader.fail("comparisons do not chain");
      }
    }
  };
  const unary = (level: number): Expr => {
    if (level <= COMPARISON && reader.accept("not")) return apply("not", binary(COMPARISON));
    if (reader.accept("-")) return apply("neg", unary(Number.POSITIVE_INFINITY));
    return primary();
  };
  const primary = (): Expr => {
    const token = reader.take();
    if (/^\d+$/.test(token)) return int(Number(token));
    if (/^\d/.test(token)) return num(Number(token));
    if (token === "(") {
      const inner = binary(0);
      reader.expect(")");
      return inner;
    }
    if (token === "true" || token === "false") return bool(token === "true");
    if (token === "inf") return num(Number.POSITIVE_INFINITY);
    if (token === "nan") return num(Number.NaN);
    const fn = functions.get(token);
    if (fn !== undefined && reader.accept("(")) {
      const args = [binary(0)];
      while (reader.accept(",")) args.push(binary(0));
      reader.expect(")");
      return apply(fn, ...args);
    }
    return axes.get(token) ?? reader.fail(`no axis '${token}'`);
  };
  return binary(0);
}
