/**
 * @file Diagnostics are data: a code, one sentence, the primary span, labelled secondary spans, notes and a
 * hint. Nothing here formats for a terminal; `render.ts` does, late and in one place.
 */

/** A half-open range of UTF-16 offsets in one source file. */
export interface Span {
  /** The file's display name: a path as the user typed it, or `std/NAME.rmx`. Key into `Sources`. */
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** Every file that a compilation read, by display name. */
export type Sources = ReadonlyMap<string, SourceFile>;

export interface Label {
  readonly span: Span;
  /** Lower-case, no full stop: "bound to 16 here". */
  readonly message: string;
}

export interface Diagnostic {
  /** `RMX` and four digits; each has a page in `grammar/codes/`. */
  readonly code: string;
  readonly severity: "error" | "warning" | "note";
  /** One sentence, lower-case start, no full stop; does not repeat the source that the frame shows. */
  readonly message: string;
  /** Absent only where no source text is to blame (a weights file, a device). */
  readonly span?: Span;
  /** Text beside the primary span's carets. */
  readonly label?: string;
  readonly secondary?: readonly Label[];
  readonly notes?: readonly string[];
  readonly help?: string;
}

/** Thrown across layers that cannot go on; carries every diagnostic gathered so far (at least one error). */
export class DiagnosticError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: Sources;
  constructor(diagnostics: readonly Diagnostic[], sources: Sources) {
    super(diagnostics.map((d) => `${d.code}: ${d.message}`).join("\n"));
    this.name = "DiagnosticError";
    this.diagnostics = diagnostics;
    this.sources = sources;
  }
}
