/**
 * @file A small pretty printer after Wadler ("A prettier printer", 2003): a document is text with places where a
 * line may be broken, and a `group` is laid out flat if it fits in what is left of the line, else with each of
 * its own breaks taken. Comments that end a line are held back as suffixes until the line is ended.
 */

export type Doc =
  | string
  | readonly Doc[]
  | { readonly kind: "line"; readonly flat: string }
  | { readonly kind: "hardline" }
  | { readonly kind: "blankline" }
  | { readonly kind: "indent"; readonly content: Doc }
  | { readonly kind: "group"; readonly content: Doc; readonly broken: boolean }
  | { readonly kind: "suffix"; readonly text: string };

/** A break, or a space where its group is flat. */
export const line: Doc = { kind: "line", flat: " " };
/** A break, or nothing. */
export const softline: Doc = { kind: "line", flat: "" };
/** Always a break; the groups around it are never flat. */
export const hardline: Doc = { kind: "hardline" };
/** A hardline and an empty line. */
export const blankline: Doc = { kind: "blankline" };

export const indent = (content: Doc): Doc => ({ kind: "indent", content });

export function group(content: Doc): Doc {
  return { kind: "group", content, broken: breaks(content) };
}

/** Text (a comment) that goes to the end of the line on which it comes, two spaces after what is there. */
export const suffix = (text: string): Doc => ({ kind: "suffix", text });

export function join(separator: Doc, docs: readonly Doc[]): Doc {
  return docs.flatMap((doc, index) => (index === 0 ? [doc] : [separator, doc]));
}

function breaks(doc: Doc): boolean {
  if (typeof doc === "string") return false;
  if (isList(doc)) return doc.some(breaks);
  if (doc.kind === "indent") return breaks(doc.content);
  return doc.kind === "hardline" || doc.kind === "blankline" || (doc.kind === "group" && doc.broken);
}

function isList(doc: Doc): doc is readonly Doc[] {
  return Array.isArray(doc);
}

interface Piece {
  readonly doc: Doc;
  readonly depth: number;
  readonly flat: boolean;
}

const indentWidth = 2;

/** Lays a document out in `width` columns; the text ends without a line end. */
export function print(doc: Doc, width: number): string {
  const out: string[] = [];
  let column = 0;
  let suffixes: string[] = [];
  /** Whether the line begun has nothing on it yet; its indentation is written with its first text. */
  let pending: number | undefined = 0;
  let lineDepth = 0;

  const text = (value: string): void => {
    if (value === "") return;
    if (pending !== undefined) {
      out.push(" ".repeat(pending * indentWidth));
      column = pending * indentWidth;
      pending = undefined;
    }
    out.push(value);
    const lastBreak = value.lastIndexOf("\n");
    column = lastBreak < 0 ? column + value.length : value.length - lastBreak - 1;
  };
  const newline = (depth: number): void => {
    // What follows a `//` comment must go to a line of its own, indented like the deeper of its neighbours.
    let previous = "";
    for (const value of suffixes) {
      if (previous.startsWith("//")) {
        out.push("\n");
        pending = Math.max(lineDepth, depth);
      }
      text(pending === undefined ? `  ${value}` : value);
      previous = value;
    }
    suffixes = [];
    out.push("\n");
    pending = depth;
    lineDepth = depth;
    column = depth * indentWidth;
  };

  const stack: Piece[] = [{ doc, depth: 0, flat: false }];
  for (let piece = stack.pop(); piece !== undefined; piece = stack.pop()) {
    const { doc: next, depth, flat } = piece;
    if (typeof next === "string") {
      text(next);
    } else if (isList(next)) {
      for (let index = next.length - 1; index >= 0; index -= 1)
        stack.push({ doc: next[index] ?? "", depth, flat });
    } else if (next.kind === "indent") {
      stack.push({ doc: next.content, depth: depth + 1, flat });
    } else if (next.kind === "group") {
      const inner: Piece = { doc: next.content, depth, flat: flat || !next.broken };
      const fitsFlat = inner.flat && (flat || fits(inner, stack, width - column));
      stack.push({ ...inner, flat: fitsFlat });
    } else if (next.kind === "suffix") {
      suffixes.push(next.text);
    } else if (next.kind === "line" && flat) {
      text(next.flat);
    } else {
      newline(depth);
      if (next.kind === "blankline") newline(depth);
    }
  }
  newline(0);
  return out.join("").replace(/\n+$/, "");
}

/** Whether `first`, and what follows it up to the next possible break, fits in `room` columns. */
function fits(first: Piece, rest: readonly Piece[], room: number): boolean {
  let left = room;
  let below = rest.length;
  const stack: Piece[] = [first];
  while (left >= 0) {
    let piece = stack.pop();
    if (piece === undefined) {
      below -= 1;
      piece = rest[below];
    }
    if (piece === undefined) return true;
    const { doc, flat } = piece;
    if (typeof doc === "string") {
      left -= doc.length;
    } else if (isList(doc)) {
      for (let index = doc.length - 1; index >= 0; index -= 1)
        stack.push({ ...piece, doc: doc[index] ?? "" });
    } else if (doc.kind === "indent") {
      stack.push({ ...piece, doc: doc.content });
    } else if (doc.kind === "group") {
      stack.push({ ...piece, doc: doc.content, flat: flat && !doc.broken });
    } else if (doc.kind === "line") {
      if (!flat) return true;
      left -= doc.flat.length;
    } else if (doc.kind !== "suffix") {
      return true;
    }
  }
  return false;
}
