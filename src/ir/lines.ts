/**
 * @file From a line of a kernel's text back to where it comes from: the statement of the tile program, the program's name, and
 * the place in the spec. A driver's compiler names lines of the text that it was given; a person knows the model.
 *
 *     layers_0_block_ffn.cu(97): error …   →   line 97: h = dot over d of (x[n, t, d]) · (w1[t, d, k]),  examples/rankmixer.rmx 812–860
 */
import type { Origin } from "./graph.ts";
import type { PlanValue } from "./plan.ts";
import { printStmt } from "./print-plan.ts";
import type { TileKernel, TileStmt } from "./tile.ts";
import { partsOf } from "./tile.ts";

/** Lines `first` to `last` of a text, counted from 1, were made for the statement `of`. */
export interface LineRun {
  readonly first: number;
  readonly last: number;
  readonly of: TileStmt;
}

/** Ascending, without overlaps. Lines that serve the whole kernel (its head, its grid) are in no run. */
export type LineTable = readonly LineRun[];

/** The table of a text whose line `before` + i + 1 was made for `statements[i]`. */
export function lineTable(statements: readonly (TileStmt | undefined)[], before: number): LineTable {
  const runs: LineRun[] = [];
  statements.forEach((of, i) => {
    if (of === undefined) return;
    const line = before + i + 1;
    const last = runs.at(-1);
    if (last !== undefined && last.of === of && last.last === line - 1)
      runs[runs.length - 1] = { ...last, last: line };
    else runs.push({ first: line, last: line, of });
  });
  return runs;
}

export interface LineSource {
  /** The kernel's name, or its phase's. */
  readonly program: string;
  /** The tile program's statement as the plan prints it; absent where the line serves the whole kernel. */
  readonly statement?: string;
  /** Where the spec says so. */
  readonly origin?: Origin;
}

/** What line `line` (from 1) of the kernel's text computes. */
export function sourceOfLine(
  kernel: TileKernel,
  values: readonly PlanValue[],
  table: LineTable,
  line: number,
): LineSource {
  const of = table.find(({ first, last }) => first <= line && line <= last)?.of;
  const part = partsOf(kernel).find(({ body }) => of !== undefined && body.includes(of)) ?? kernel;
  const origin = part.about.origin ?? kernel.about.origin;
  return {
    program: part.name,
    ...(of !== undefined && { statement: printStmt(of, (id) => values[id]?.name ?? `%${id}`) }),
    ...(origin !== undefined && { origin }),
  };
}
