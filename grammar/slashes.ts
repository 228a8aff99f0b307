/**
 * @file What `//` means. It begins a comment and it is integer division, as in `T // 2`. It divides where it
 * follows an operand on its line and
 *
 *   1. is glued on both sides (`T//heads`, the form that `rmxc fmt` prints), or
 *   2. the rest of the line reads as an expression that begins with a number (`T // 2`), or
 *   3. the rest of the line reads as an expression that goes on to close an open bracket (`f(T // heads)`,
 *      `(T // heads)`).
 *
 * Everywhere else it begins a comment. What is left is text such as `let E = T // heads`, which a reader may take
 * either way: when every name in it is used elsewhere in the file it is an error, so no reading is ever silent.
 */

/** How the text after a `//` would read as a divisor. */
export interface Divisor {
  readonly names: readonly string[];
  readonly beginsWithNumber: boolean;
  /** It closes a bracket that was open before the `//`. */
  readonly closes: boolean;
}

/** Whether the `//` at `offset`, which follows an operand on its line, divides. */
export function isDivision(text: string, offset: number): boolean {
  if (/\S/.test(text[offset - 1] ?? " ") && /[\w(]/.test(text[offset + 2] ?? " ")) return true;
  const divisor = divisorAt(text, offset + 2);
  return divisor !== undefined && (divisor.beginsWithNumber || divisor.closes);
}

const piece =
  /[ \t]*(?:(?<number>\d[\w.]*)|(?<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?<comment>\/\/|\/\*)|(?<operator>\|>|[<>=!]=|[-+*/%<>])|(?<open>[([])|(?<close>[)\]])|(?<separator>[,:=])|(?<end>[\r\n]|$))/y;

/**
 * Reads the line from `start` as the rest of an expression; undefined where it cannot be one, which is so for
 * prose (two words side by side) and for shapes (`// [T, D]`).
 */
export function divisorAt(text: string, start: number): Divisor | undefined {
  const names: string[] = [];
  let beginsWithNumber = false;
  let depth = 0;
  let expectOperand = true;
  /** Separators outside the brackets opened here: they belong to a list or call that was open before. */
  let separators = 0;
  let last = "";
  piece.lastIndex = start;
  for (let first = true; ; first = false) {
    const at = piece.lastIndex;
    const groups = piece.exec(text)?.groups;
    if (groups === undefined) return undefined;
    const { number, name, open, close, operator, separator } = groups;
    if (number !== undefined || name !== undefined) {
      if (!expectOperand) return undefined;
      if (first) beginsWithNumber = number !== undefined;
      if (name !== undefined) names.push(name.split(".")[0] ?? name);
      expectOperand = false;
      last = name === undefined ? "number" : "name";
    } else if (open !== undefined) {
      // `(` groups where an operand is due and calls where it touches a name; `[` only indexes.
      const touchesName = last === "name" && piece.lastIndex === at + 1;
      if (expectOperand ? open !== "(" : !touchesName) return undefined;
      depth += 1;
      expectOperand = true;
      last = open;
    } else if (operator !== undefined) {
      if (expectOperand) return undefined;
      expectOperand = true;
      last = operator;
    } else if (separator !== undefined) {
      const beginsSlice = separator === ":" && last === ",";
      if (expectOperand && !beginsSlice) return undefined;
      if (depth === 0) separators += 1;
      expectOperand = true;
      last = separator;
    } else if (close !== undefined) {
      if (expectOperand && last !== ":") return undefined;
      if (depth === 0) return { names, beginsWithNumber, closes: true };
      depth -= 1;
      expectOperand = false;
      last = close;
    } else {
      // The line ends, or another comment begins: after an operand, or after the comma of a list that goes on.
      const complete = expectOperand ? last === "," && separators === 1 : separators === 0;
      return depth === 0 && complete ? { names, beginsWithNumber, closes: false } : undefined;
    }
  }
}
