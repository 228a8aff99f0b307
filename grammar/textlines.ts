/**
 * @file Lines and columns of a source text, and how wide its characters are drawn. Offsets and columns count
 * UTF-16 units, as editors do; cells count the columns of a terminal.
 */

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
}

export class TextLines {
  private readonly text: string;
  /** The offset at which each line begins. */
  private readonly starts: readonly number[];

  constructor(text: string) {
    this.text = text;
    const starts = [0];
    for (const match of text.matchAll(/\r\n|\n|\r/g)) starts.push(match.index + match[0].length);
    this.starts = starts;
  }

  positionAt(offset: number): Position {
    const inside = Math.max(0, Math.min(offset, this.text.length));
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.starts[middle] ?? 0) <= inside) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: inside - (this.starts[low] ?? 0) + 1 };
  }

  /** The text of a line (from 1) without its line end. */
  line(number: number): string {
    return this.text
      .slice(this.starts[number - 1], this.starts[number] ?? this.text.length)
      .replace(/[\r\n]+$/, "");
  }
}

/** A character as it is drawn: what stands for it, at which cell, in how many cells. */
export interface Cell {
  readonly text: string;
  readonly at: number;
  readonly width: number;
}

const tabWidth = 4;

/** The cells of a line; `units[i]` is the cell at which UTF-16 unit `i` is drawn (one more for the line's end). */
export function cellsOf(line: string): { cells: Cell[]; units: number[]; width: number } {
  const cells: Cell[] = [];
  const units: number[] = [];
  let at = 0;
  for (const character of line) {
    const cell = drawn(character, at);
    for (let unit = 0; unit < character.length; unit += 1) units.push(at);
    cells.push(cell);
    at += cell.width;
  }
  units.push(at);
  return { cells, units, width: at };
}

/** Text that a terminal can be given: control characters, which could move its cursor, are replaced. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (c) => (c === "\n" ? c : "\ufffd"));
}

function drawn(character: string, at: number): Cell {
  if (character === "\t") {
    const width = tabWidth - (at % tabWidth);
    return { text: " ".repeat(width), at, width };
  }
  if (/[\p{Cc}\p{Bidi_Control}]/u.test(character)) return { text: "\ufffd", at, width: 1 };
  if (/[\p{Mn}\p{Me}\p{Cf}]/u.test(character)) return { text: character, at, width: 0 };
  return { text: character, at, width: isWide(character.codePointAt(0) ?? 0) ? 2 : 1 };
}

/** East Asian wide and full-width characters, and emoji (Unicode's EastAsianWidth W and F, by range). */
function isWide(code: number): boolean {
  return wideRanges.some(([first, last]) => code >= first && code <= last);
}

const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];
