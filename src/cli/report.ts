/**
 * @file How failures leave the process: every diagnostic as a frame on stderr (or as JSON on stdout), every wrong usage
 * as a line with a hint, and an exit code. A stack trace never shows; an error that is nobody's input is our bug and says so.
 */
import { type Diagnostic, DiagnosticError, type Sources } from "../../grammar/diagnostics.ts";
import { InputError } from "../ir/error.ts";
import { UsageError } from "./command.ts";
import type { ExitCode, Output } from "./output.ts";

const noSources: Sources = new Map();

/** Warnings and notes of work that succeeded, on stderr. */
export async function sayDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: Sources,
  out: Output,
): Promise<void> {
  if (diagnostics.length === 0) return;
  const { renderAll } = await import("../../grammar/render.ts");
  out.say(renderAll(diagnostics, sources, { color: out.color }));
}

/** As `--json` prints them. */
export async function jsonDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: Sources,
): Promise<unknown[]> {
  const { diagnosticToJson } = await import("../../grammar/render.ts");
  return diagnostics.map((d) => diagnosticToJson(d, sources));
}

/** Reports what a command threw; returns how the process ends. */
export async function reportFailure(error: unknown, out: Output, json: boolean): Promise<ExitCode> {
  if (error instanceof UsageError) {
    out.say(`rmxc: ${error.message}`);
    if (error.hint !== undefined) out.say(`  ${error.hint}`);
    return 2;
  }
  const known = await asDiagnostics(error);
  if (known !== undefined) {
    if (json) out.json({ ok: false, diagnostics: await jsonDiagnostics(known.diagnostics, known.sources) });
    else await sayDiagnostics(known.diagnostics, known.sources, out);
    return known.exit;
  }
  const message = error instanceof Error ? error.message : String(error);
  out.say(`rmxc: internal error: ${message.replace(/^internal: /, "")}`);
  out.say("  this is a bug in rmxc; please report it with the command and the spec that led to it");
  return 70;
}

interface Known {
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: Sources;
  readonly exit: ExitCode;
}

async function asDiagnostics(error: unknown): Promise<Known | undefined> {
  if (error instanceof DiagnosticError) return { ...error, exit: 1 };
  if (error instanceof InputError) {
    const sources = error.origin === undefined ? noSources : await sourceOf(error.origin.file);
    return { diagnostics: [fromInputError(error)], sources, exit: error.exit };
  }
  return undefined;
}

/** The frame is left out where the file cannot be read any more. */
async function sourceOf(name: string): Promise<Sources> {
  const { readSource } = await import("../model/host.ts");
  const text = readSource(name);
  return text === undefined ? noSources : new Map([[name, { name, text }]]);
}

export function fromInputError(error: InputError): Diagnostic {
  return {
    code: error.code,
    severity: "error",
    message: error.message,
    ...(error.origin !== undefined && { span: error.origin }),
    notes: error.notes,
    ...(error.help === undefined ? {} : { help: error.help }),
  };
}
