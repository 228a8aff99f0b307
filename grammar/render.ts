/**
 * @file Diagnostics as text, in the manner of rustc: the message, the place, the author's own lines with the
 * blamed text underlined (`^` for the cause, `-` for what belongs to it), then notes and help.
 *
 *     error[RMX0107]: unknown name
 *      --> ranker.rmx:3:7
 *       |
 *     3 |   x = mena(y)
 *       |       ^^^^
 *       |
 *       = help: did you mean `mean`?
 */
import pc from "picocolors";
import type { Diagnostic, Sources, Span } from "./diagnostics.ts";
import { drawLine, type Mark } from "./frame.ts";
import { printable, TextLines } from "./textlines.ts";

export interface RenderOptions {
  readonly color: boolean;
}

type Colors = ReturnType<typeof pc.createColors>;

/** One diagnostic, without a line end after it. */
export function renderDiagnostic(diagnostic: Diagnostic, sources: Sources, options: RenderOptions): string {
  const colors = pc.createColors(options.color);
  const { severity, code, message, span, notes = [], help } = diagnostic;
  const tint = severityColor(severity, colors);
  const lines = [colors.bold(`${tint(`${severity}[${code}]`)}: ${printable(message)}`)];

  const frames = span === undefined ? [] : framesOf(diagnostic, span, sources);
  const lastLine = Math.max(0, ...frames.flatMap((frame) => frame.marks.map((mark) => mark.line)));
  const gutter = " ".repeat(String(lastLine).length);
  const bar = colors.blue(`${gutter} |`);
  for (const [index, frame] of frames.entries()) {
    lines.push(`${gutter}${colors.blue(index === 0 ? "-->" : ":::")} ${printable(frame.place)}`);
    if (frame.text === undefined) continue;
    lines.push(bar);
    let previous: number | undefined;
    for (const { line, marks } of byLine(frame.marks)) {
      if (previous !== undefined && line > previous + 2) lines.push(colors.blue(`${gutter}...`));
      if (previous !== undefined && line === previous + 2) {
        lines.push(
          ...drawLine(frame.text.line(previous + 1), []).map((row) => numbered(previous ?? 0, 1, row.text)),
        );
      }
      for (const row of drawLine(frame.text.line(line), marks)) {
        if (row.kind === "source") lines.push(numbered(line, 0, row.text));
        else lines.push(`${bar}${row.text === "" ? "" : " "}${paint(row.text, row.primary, tint, colors)}`);
      }
      previous = line;
    }
  }
  const details = [...notes.map((note) => ["note", note]), ...(help === undefined ? [] : [["help", help]])];
  if (details.length > 0 && frames.some((frame) => frame.text !== undefined)) lines.push(bar);
  for (const [kind = "", text = ""] of details) {
    const [first = "", ...rest] = printable(text).split("\n");
    const indent = " ".repeat(gutter.length + kind.length + 5);
    lines.push(
      `${gutter} ${colors.blue("=")} ${colors.bold(kind)}: ${first}`,
      ...rest.map((line) => indent + line),
    );
  }
  return lines.join("\n");

  function numbered(line: number, offset: number, text: string): string {
    const label = String(line + offset).padStart(gutter.length);
    return `${colors.blue(`${label} |`)}${text === "" ? "" : ` ${text}`}`;
  }
}

/** All of them, blank lines between, a line end at the end; the same diagnostic is not printed twice. */
export function renderAll(
  diagnostics: readonly Diagnostic[],
  sources: Sources,
  options: RenderOptions,
): string {
  const texts = new Set(diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, sources, options)));
  return texts.size === 0 ? "" : `${[...texts].join("\n\n")}\n`;
}

function severityColor(severity: Diagnostic["severity"], colors: Colors): (text: string) => string {
  if (severity === "error") return colors.red;
  return severity === "warning" ? colors.yellow : colors.cyan;
}

function paint(text: string, primary: boolean, tint: (text: string) => string, colors: Colors): string {
  return primary ? tint(text) : colors.blue(text);
}

interface FrameOfFile {
  /** `file:line:column`. */
  readonly place: string;
  readonly text: TextLines | undefined;
  readonly marks: readonly (Mark & { readonly line: number })[];
}

/** One frame a file, the primary span's first; its place is the primary span's, or the first label's. */
function framesOf(diagnostic: Diagnostic, primary: Span, sources: Sources): FrameOfFile[] {
  const labels = [
    { span: primary, message: diagnostic.label ?? "", primary: true },
    ...(diagnostic.secondary ?? []).map((label) => ({ ...label, primary: false })),
  ];
  const files = [...new Set(labels.map((label) => label.span.file))];
  return files.map((name) => {
    const own = labels.filter((label) => label.span.file === name);
    const source = sources.get(name);
    const text = source === undefined ? undefined : new TextLines(source.text);
    const first = text?.positionAt(own[0]?.span.start ?? 0);
    const place = first === undefined ? name : `${name}:${first.line}:${first.column}`;
    const marks = text === undefined ? [] : own.flatMap((label) => marksOf(label, text));
    return { place, text, marks };
  });
}

/** A span of several lines is marked on its first and its last; its label stands at the last. */
function marksOf(
  label: { span: Span; message: string; primary: boolean },
  text: TextLines,
): (Mark & { line: number })[] {
  const { primary } = label;
  const message = printable(label.message);
  const from = text.positionAt(label.span.start);
  const to = text.positionAt(Math.max(label.span.start, label.span.end));
  const end = to.column === 1 && to.line > from.line ? lineEnd(text, to.line - 1) : to;
  if (end.line === from.line) {
    return [{ line: from.line, start: from.column - 1, end: end.column - 1, label: message, primary }];
  }
  const first = {
    line: from.line,
    start: from.column - 1,
    end: text.line(from.line).length,
    label: "",
    primary,
  };
  const indent = text.line(end.line).search(/\S|$/);
  return [
    first,
    { line: end.line, start: Math.min(indent, end.column - 1), end: end.column - 1, label: message, primary },
  ];
}

function lineEnd(text: TextLines, line: number): { line: number; column: number } {
  return { line, column: text.line(line).length + 1 };
}

function byLine<M extends { line: number }>(marks: readonly M[]): { line: number; marks: M[] }[] {
  const lines = [...new Set(marks.map((mark) => mark.line))].sort((a, b) => a - b);
  return lines.map((line) => ({ line, marks: marks.filter((mark) => mark.line === line) }));
}

export interface JsonRange {
  readonly file: string;
  /** Lines and columns count from 1, columns in UTF-16 units; the end is exclusive. */
  readonly line?: number;
  readonly column?: number;
  readonly endLine?: number;
  readonly endColumn?: number;
}

export interface JsonDiagnostic extends Partial<JsonRange> {
  readonly code: string;
  readonly severity: Diagnostic["severity"];
  readonly message: string;
  readonly label?: string;
  readonly secondary: readonly (JsonRange & { readonly message: string })[];
  readonly notes: readonly string[];
  readonly help?: string;
}

/** A diagnostic for `--json`; positions are left out where the file's text is not in `sources`. */
export function diagnosticToJson(diagnostic: Diagnostic, sources: Sources): JsonDiagnostic {
  const { code, severity, message, span, label, secondary = [], notes = [], help } = diagnostic;
  return {
    code,
    severity,
    message,
    ...(span === undefined ? {} : rangeOf(span, sources)),
    ...(label === undefined ? {} : { label }),
    secondary: secondary.map((other) => ({ ...rangeOf(other.span, sources), message: other.message })),
    notes,
    ...(help === undefined ? {} : { help }),
  };
}

function rangeOf(span: Span, sources: Sources): JsonRange {
  const source = sources.get(span.file);
  if (source === undefined) return { file: span.file };
  const lines = new TextLines(source.text);
  const from = lines.positionAt(span.start);
  const to = lines.positionAt(span.end);
  return { file: span.file, line: from.line, column: from.column, endLine: to.line, endColumn: to.column };
}
