/**
 * @file One source line of a frame with everything marked on it: the line itself, a row of underlines, and rows
 * for the labels that do not fit beside them. A long line is cut to a window around what is marked.
 */
import { cellsOf } from "./textlines.ts";

/** Marked text on one line; `start` and `end` are UTF-16 units from the line's start. */
export interface Mark {
  readonly start: number;
  readonly end: number;
  readonly label: string;
  readonly primary: boolean;
}

export interface Row {
  readonly kind: "source" | "marks";
  readonly text: string;
  /** Whether the row is about the primary span; rows that hold both count as primary. */
  readonly primary: boolean;
}

/** The widest a source line is drawn, in cells. */
const maxWidth = 120;
/** What is kept before the first mark when a line is cut. */
const contextBefore = 30;
const ellipsis = "...";

interface Placed {
  readonly from: number;
  readonly to: number;
  readonly label: string;
  readonly primary: boolean;
}

export function drawLine(line: string, marks: readonly Mark[]): Row[] {
  const { cells, units, width } = cellsOf(line);
  const at = (unit: number): number => units[Math.min(unit, units.length - 1)] ?? width;
  const placed = marks.map((mark): Placed => {
    const from = at(mark.start);
    return { from, to: Math.max(from + 1, at(mark.end)), label: mark.label, primary: mark.primary };
  });
  placed.sort((a, b) => a.from - b.from || Number(b.primary) - Number(a.primary));
  if (width <= maxWidth)
    return [source(line === "" ? "" : cells.map((cell) => cell.text).join("")), ...markRows(placed)];

  // Marks that no one window shows get the line again, each with its own window.
  const first = placed[0]?.from ?? 0;
  const reach = Math.max(0, ...placed.map((mark) => mark.from)) - first;
  if (placed.length > 1 && reach > maxWidth - contextBefore) {
    return marks.flatMap((mark) => drawLine(line, [mark]));
  }
  const from = Math.max(0, Math.min(first - contextBefore, width - maxWidth));
  const to = from + maxWidth;
  const lead = from > 0 ? ellipsis : "";
  const shown = cells.filter((cell) => cell.at >= from && cell.at + cell.width <= to);
  const origin = shown[0]?.at ?? from;
  const shift = lead.length - origin;
  const text = lead + shown.map((cell) => cell.text).join("") + (to < width ? ellipsis : "");
  const clipped = placed.map((mark) => ({
    ...mark,
    from: mark.from + shift,
    to: Math.min(mark.to, to) + shift,
  }));
  return [source(text), ...markRows(clipped)];
}

function source(text: string): Row {
  return { kind: "source", text: text.trimEnd(), primary: false };
}

/**
 * The underlines in one row, with the label of the last mark beside them if nothing stands to its right; the
 * other labels follow from right to left, each hung on a bar under the beginning of its mark.
 */
function markRows(marks: readonly Placed[]): Row[] {
  if (marks.length === 0) return [];
  const underline = new Canvas();
  for (const mark of [...marks].sort((a, b) => Number(a.primary) - Number(b.primary))) {
    underline.put(mark.from, (mark.primary ? "^" : "-").repeat(mark.to - mark.from));
  }
  const last = marks.at(-1);
  const end = Math.max(...marks.map((mark) => mark.to));
  const beside = last !== undefined && last.to === end && last.label !== "" ? last : undefined;
  if (beside !== undefined) underline.put(end + 1, beside.label);

  const rows: Row[] = [
    { kind: "marks", text: underline.text(), primary: marks.some((mark) => mark.primary) },
  ];
  const hanging = marks.filter((mark) => mark !== beside && mark.label !== "");
  for (const [done, mark] of hanging.toReversed().entries()) {
    const left = hanging.slice(0, hanging.length - done);
    if (done === 0) rows.push(bars(left));
    const row = new Canvas();
    for (const other of left) row.put(other.from, "|");
    row.put(mark.from, mark.label);
    rows.push({ kind: "marks", text: row.text(), primary: mark.primary });
  }
  return rows;
}

function bars(marks: readonly Placed[]): Row {
  const row = new Canvas();
  for (const mark of marks) row.put(mark.from, "|");
  return { kind: "marks", text: row.text(), primary: marks.some((mark) => mark.primary) };
}

/** A row of characters that grows to the right; what is put later covers what was there. */
class Canvas {
  private readonly characters: string[] = [];

  put(at: number, text: string): void {
    while (this.characters.length < at) this.characters.push(" ");
    for (const [index, character] of [...text].entries()) this.characters[at + index] = character;
  }

  text(): string {
    return this.characters.join("").trimEnd();
  }
}
