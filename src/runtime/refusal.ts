/**
 * @file A device's compiler does not take a kernel. It speaks of lines of a text that nobody wrote; the line tables that the printers
 * leave lead from there to the statement of the tile program and to the place in the spec.
 */
import { InputError, type InputErrorDetail } from "../ir/error.ts";
import { sourceOfLine } from "../ir/lines.ts";
import type { KernelText, Plan } from "../ir/plan.ts";

/** Lines of the text that an error traces back. */
const TRACED_LINES = 3;

/** RMX0803, as whoever compiles a text throws it. */
export class KernelRefused extends InputError {
  /** The kernel's name. */
  readonly kernel: string;
  /** The lines of its text, from 1, that the compiler complains of, in its order. */
  readonly lines: readonly number[];

  constructor(kernel: string, lines: readonly number[], message: string, detail: InputErrorDetail) {
    super("RMX0803", message, detail);
    this.kernel = kernel;
    this.lines = lines;
  }
}

/** The same with what the lines are for, and the spec's place; any other error as it is. */
export function traced(
  error: unknown,
  program: { readonly plan: Plan; readonly kernels: readonly KernelText[] },
): unknown {
  if (!(error instanceof KernelRefused)) return error;
  const { plan, kernels } = program;
  const { load, user, item } = plan.kernels;
  const kernel = [...load, ...user, ...item].find(({ name }) => name === error.kernel);
  const text = kernels.find(({ name }) => name === error.kernel);
  if (kernel === undefined || text === undefined) return error;
  const emitted = text.text.split("\n");
  const lines = [...new Set(error.lines)].slice(0, TRACED_LINES);
  const sources = lines.map((line) => ({
    line,
    ...sourceOfLine(kernel, plan.values, text.lines ?? [], line),
  }));
  const notes = sources.flatMap(({ line, program, statement }) => [
    `line ${line}: ${emitted[line - 1]?.trim() ?? ""}`,
    ...(statement === undefined ? [] : [`it is part of ${program}: ${statement}`]),
  ]);
  const origin = sources.find((source) => source.origin !== undefined)?.origin ?? kernel.about.origin;
  const { message, help } = error;
  return new KernelRefused(error.kernel, error.lines, message, {
    notes: [...error.notes, ...notes],
    ...(help !== undefined && { help }),
    ...(origin !== undefined && { origin }),
  });
}
