/**
 * @file The text of `--precision`: lines of a `precision` block, `;` or line ends between them, checked like those of a spec and applied
 * after them. The grammar knows blocks in models only, so the text is read inside one; spans are moved back to the text.
 */
import type { Precision } from "../../grammar/ast.ts";
import type { Diagnostic, SourceFile, Span } from "../../grammar/diagnostics.ts";
import { parse } from "../../grammar/parser.ts";

/** The name under which diagnostics show the text. */
export const PRECISION_OPTION = "--precision";

const BEFORE = "model m() { precision { ";
const AFTER = "\n} }";

export interface PrecisionText {
  readonly source: SourceFile;
  readonly blocks: readonly Precision[];
  readonly diagnostics: readonly Diagnostic[];
}

export function parsePrecision(text: string): PrecisionText {
  const source: SourceFile = { name: PRECISION_OPTION, text };
  // No pattern holds a `;`, so none is lost; lengths stay, and so do places.
  const { file, diagnostics } = parse({ ...source, text: BEFORE + text.replaceAll(";", "\n") + AFTER });
  const statements = file.items.flatMap((item) => (item.kind === "model" ? item.body : []));
  const blocks = statements.filter((stmt) => stmt.kind === "precision");
  const left = diagnostics.length === 0 && (blocks.length !== 1 || statements.length !== 1);
  const moved = <T>(value: T): T => moveSpans(value, text.length);
  return {
    source,
    blocks: blocks.map(moved),
    diagnostics: left ? [leavesBlock(text)] : diagnostics.map(moved),
  };
}

function leavesBlock(text: string): Diagnostic {
  const start = text.indexOf("}");
  return {
    code: "RMX0011",
    severity: "error",
    message: "expected a line of a `precision` block, found `}`",
    span: { file: PRECISION_OPTION, start, end: start + 1 },
  };
}

/** A copy of a tree or a diagnostic whose spans count from the start of the text. */
function moveSpans<T>(value: T, length: number): T {
  if (Array.isArray(value)) return value.map((each) => moveSpans(each, length)) as T;
  if (typeof value !== "object" || value === null) return value;
  if (isSpan(value)) {
    const move = (at: number): number => Math.min(Math.max(at - BEFORE.length, 0), length);
    return { ...value, start: move(value.start), end: move(value.end) };
  }
  const entries = Object.entries(value).map(([key, each]) => [key, moveSpans<unknown>(each, length)]);
  return Object.fromEntries(entries) as T;
}

function isSpan(value: object): value is Span {
  return "file" in value && "start" in value && "end" in value;
}
