/**
 * @file Gathering diagnostics. `fail` reports and throws `Failure`, which the nearest statement catches: its targets are bound
 * to nothing, reading them later fails silently, and elaboration goes on, so that one run shows every independent error and
 * none of its consequences.
 */
import type { Diagnostic, Label, Span } from "../../grammar/diagnostics.ts";
import { isStandard } from "./files.ts";

/** Thrown after its diagnostic was recorded, or because an earlier one left a value unknown. */
export class Failure extends Error {
  constructor() {
    super("internal: a failure left elaboration");
    this.name = "Failure";
  }
}

/** An open call: what is called, where. */
export interface Frame {
  readonly callee: string;
  readonly span: Span;
}

export interface Details {
  readonly label?: string;
  readonly secondary?: readonly Label[];
  readonly notes?: readonly string[];
  readonly help?: string;
}

/** More errors than this say nothing new. */
const MAX_ERRORS = 50;
/** How many of the open calls a diagnostic shows, innermost first. */
const MAX_FRAMES = 6;

export class Reporter {
  readonly diagnostics: Diagnostic[] = [];
  readonly frames: Frame[] = [];
  private readonly seen = new Set<string>();
  private errors = 0;

  get failed(): boolean {
    return this.errors > 0;
  }

  get full(): boolean {
    return this.errors >= MAX_ERRORS;
  }

  fail(code: string, span: Span, message: string, details: Details = {}): never {
    this.report("error", code, span, message, details);
    throw new Failure();
  }

  error(code: string, span: Span, message: string, details: Details = {}): void {
    this.report("error", code, span, message, details);
  }

  warning(code: string, span: Span, message: string, details: Details = {}): void {
    this.report("warning", code, span, message, details);
  }

  /** Takes over what the parser or the loader found. */
  add(diagnostic: Diagnostic): void {
    const { span, code, severity } = diagnostic;
    const key = span ? `${code} ${span.file} ${span.start} ${span.end}` : `${code} ${diagnostic.message}`;
    if (this.seen.has(key) || this.full) return;
    this.seen.add(key);
    if (severity === "error") this.errors++;
    this.diagnostics.push(diagnostic);
  }

  /**
   * Where a message belongs in the user's text: an error inside the standard library is shown at the innermost call in the
   * user's own files, and the calls around it follow as secondary spans.
   */
  private report(
    severity: Diagnostic["severity"],
    code: string,
    span: Span,
    message: string,
    details: Details,
  ): void {
    let { label } = details;
    let primary = span;
    const secondary: Label[] = [];
    let outer = this.frames.length - 1;
    if (isStandard(span.file)) {
      const at = this.frames.findLastIndex((frame) => !isStandard(frame.span.file));
      const frame = this.frames[at];
      if (frame) {
        primary = frame.span;
        secondary.push({
          span,
          message: label ?? `inside \`${this.frames.at(-1)?.callee ?? frame.callee}\``,
        });
        label = `in this call of \`${frame.callee}\``;
        outer = at - 1;
      }
    }
    secondary.push(...(details.secondary ?? []));
    for (let i = outer, shown = 0; i >= 0 && shown < MAX_FRAMES; i--, shown++) {
      const frame = this.frames[i];
      if (frame) secondary.push({ span: frame.span, message: `in this call of \`${frame.callee}\`` });
    }
    const { notes, help } = details;
    this.add({
      code,
      severity,
      message,
      span: primary,
      ...(label !== undefined && { label }),
      ...(secondary.length > 0 && { secondary }),
      ...(notes && { notes }),
      ...(help !== undefined && { help }),
    });
  }

  /** The innermost place in the user's files: what a value of the Graph names as its origin. */
  origin(span: Span): Span {
    if (!isStandard(span.file)) return span;
    return this.frames.findLast((frame) => !isStandard(frame.span.file))?.span ?? span;
  }
}
