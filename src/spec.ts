/**
 * @file From a spec on disk to its Graph: the front half of the compiler, which `check` and `params` need alone. Whatever
 * is wrong with the spec is thrown as one DiagnosticError that holds every diagnostic.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type Diagnostic, DiagnosticError, type Sources } from "../grammar/diagnostics.ts";
import { parse } from "../grammar/parser.ts";
import { InputError } from "./ir/error.ts";
import type { Graph } from "./ir/graph.ts";
import type { Profile } from "./ir/profile.ts";
import { checkLibrary, elaborate } from "./model/elaborate.ts";
import { nodeHost } from "./model/host.ts";

/** A compile-time value of the model's parameters, as `--set` writes it. */
export type SetValue = string | number | boolean;

export interface SpecOptions {
  /** Values for the model's parameters: `{ T: 32, D: 1536 }`. */
  readonly set?: Readonly<Record<string, SetValue>>;
  /** Lines of a `precision` block, `;` or line ends between them, that come after the spec's own. */
  readonly precision?: string;
}

export interface ElaboratedSpec {
  readonly graph: Graph;
  /** Warnings and notes; an error would have been thrown. */
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: Sources;
}

/** Parses and elaborates `path`. Throws a DiagnosticError with every error of the spec; an InputError if it is no text file. */
export function elaborateSpec(path: string, options: SpecOptions = {}): ElaboratedSpec {
  refuseOddFiles(path);
  const sets = Object.fromEntries(
    Object.entries(options.set ?? {}).map(([name, value]) => [name, String(value)]),
  );
  const { precision } = options;
  const { graph, diagnostics, sources } = elaborate(path, { sets, precision, host: nodeHost(path) });
  if (graph === undefined || diagnostics.some((d) => d.severity === "error")) {
    throw new DiagnosticError(diagnostics, sources);
  }
  return { graph, diagnostics: [...diagnostics, ...precisionNote(graph)], sources };
}

export interface CheckedLibrary {
  /** The names of its blocks. */
  readonly blocks: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: Sources;
}

/**
 * Checks the syntax and the names of a file that declares blocks and no model; undefined if `path` is no such file. Throws a
 * DiagnosticError with every error.
 */
export function checkLibrarySpec(path: string): CheckedLibrary | undefined {
  refuseOddFiles(path);
  const { diagnostics, sources, models } = checkLibrary(path);
  const entry = [...sources.values()][0];
  if (entry === undefined || models.length > 0) return undefined;
  const blocks = parse(entry).file.items.flatMap((item) => (item.kind === "block" ? [item.name.name] : []));
  if (blocks.length === 0) return undefined;
  if (diagnostics.some((d) => d.severity === "error")) throw new DiagnosticError(diagnostics, sources);
  return { blocks, diagnostics, sources };
}

/** No spec comes near; a file that does is not one. */
const MAX_SPEC_BYTES = 16 * 1024 * 1024;

/**
 * A folder, a pipe that never ends or a binary would else show as a strange syntax error, or not end. A file that is not
 * there is left to elaboration, whose message is the same for a `use`.
 */
function refuseOddFiles(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return;
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) {
      throw new InputError("RMX0511", `${path} is a folder, not a spec`, {
        help: "name the .rmx file inside it",
      });
    }
    if (!stat.isFile()) throw new InputError("RMX0511", `${path} is not a regular file`);
    if (stat.size > MAX_SPEC_BYTES)
      throw new InputError("RMX0511", `${path} is larger than 16 MiB, the limit of a spec`);
    const head = Buffer.alloc(Math.min(stat.size, 4096));
    readSync(fd, head, 0, head.length, 0);
    if (head.includes(0)) throw new InputError("RMX0511", `${path} is a binary file, not a spec`);
  } finally {
    closeSync(fd);
  }
}

const IN_F32 = "RMX0490";

/** Without the note about WebGPU, where the model is compiled for other devices alone. */
export function notesFor(
  diagnostics: readonly Diagnostic[],
  profiles: readonly Profile[],
): readonly Diagnostic[] {
  return profiles.some(({ cuda }) => cuda === undefined)
    ? diagnostics
    : diagnostics.filter(({ code }) => code !== IN_F32);
}

/** Said once, and here alone: storage types have their meaning on every device, the compute type not on all of them. */
function precisionNote({ precision: { compute, parts } }: Graph): Diagnostic[] {
  const narrow = [compute, ...parts.map((part) => part.compute)].find((type) => type !== "f32");
  if (narrow === undefined) return [];
  return [
    {
      code: IN_F32,
      severity: "note",
      message: `\`compute = ${narrow}\`: WebGPU kernels add and multiply in f32${narrow === "f16" ? "; what they hand to one another is f16 on a GPU with shader-f16" : ""}`,
    },
  ];
}
