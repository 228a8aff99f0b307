/**
 * @file `--explain stages` in words: a table of the parts of a model and where each runs, what is kept between the stages, and a
 * note for each value that ties parts to the candidate, with its place in the spec.
 */

import type { Diagnostic, Sources } from "../../grammar/diagnostics.ts";
import { explainStages, type StageReport, type Tie } from "../../passes/explain-stages.ts";
import type { Graph } from "../ir/graph.ts";
import type { Plan } from "../ir/plan.ts";
import type { Output } from "./output.ts";
import { jsonDiagnostics } from "./report.ts";
import { bytes, figure, plural, table } from "./text.ts";

/** Catches the Graph that `split-stages` is given, as the passes run. */
export class StageWatch {
  #before: Graph | undefined;
  #last: Graph | undefined;
  readonly #reuse: boolean;

  constructor({ reuse }: { readonly reuse: boolean }) {
    this.#reuse = reuse;
  }

  onPass(pass: string, result: Graph | Plan): void {
    if (!("nodes" in result)) return;
    if (pass === "split-stages") this.#before = this.#last;
    this.#last = result;
  }

  report(plan: Plan): Explained {
    if (this.#before === undefined) throw new Error("internal: no Graph came before split-stages");
    return new Explained(explainStages(this.#before, plan, { reuse: this.#reuse }), this.#reuse);
  }
}

export class Explained {
  readonly #report: StageReport;
  readonly #reuse: boolean;

  constructor(report: StageReport, reuse: boolean) {
    this.#report = report;
    this.#reuse = reuse;
  }

  async text(sources: Sources, out: Output): Promise<string> {
    const { renderAll } = await import("../../grammar/render.ts");
    const sections = [partTable(this.#report, this.#reuse), keptTable(this.#report, this.#reuse)];
    const notes = renderAll(this.#notes(), sources, { color: out.color });
    return [...sections, ...(notes === "" ? [] : [notes])].join("\n\n");
  }

  async json(sources: Sources): Promise<unknown> {
    const { parts, ties, kept } = this.#report;
    const bare = <T extends { readonly origin?: unknown }>({ origin: _, ...rest }: T) => rest;
    return {
      parts: parts.map(bare),
      ties: ties.map(bare),
      kept,
      notes: await jsonDiagnostics(this.#notes(), sources),
    };
  }

  #notes(): Diagnostic[] {
    const { parts, ties } = this.#report;
    const notes = ties.map((tie, i) => tieNote(tie, i, parts.filter((p) => p.tie === i).length));
    if (!this.#reuse) return notes;
    for (const part of parts.filter((p) => p.uncut)) {
      notes.push({
        code: "RMX0492",
        severity: "note",
        message: `\`${part.path}\` ${part.uncut} depends on the request alone and is computed for every candidate`,
        ...(part.origin ? { span: part.origin } : {}),
      });
    }
    return notes;
  }
}

/** Columns: where it runs, which value and part, what it is, its work, which note says why it is the candidate's. */
function partTable({ parts }: StageReport, reuse: boolean): string {
  const uncut = reuse ? "not cut" : "no reuse";
  const rows = parts.map((part) => [
    part.program,
    part.path,
    part.summed === undefined ? part.part : `${part.part} over ${part.summed}`,
    part.op.replaceAll("_", " "),
    figure(part.flops),
    [...(part.tie === undefined ? [] : [`(${part.tie + 1})`]), ...(part.uncut ? [uncut] : [])].join(" "),
  ]);
  return table(["stage", "value", "part", "op", "FLOPs a row", "why"], rows, [
    "left",
    "left",
    "left",
    "left",
    "right",
    "left",
  ]);
}

function keptTable({ kept }: StageReport, reuse: boolean): string {
  if (!reuse) return "nothing is kept: --no-reuse computes everything of the request for every candidate";
  if (kept.length === 0) return "nothing is kept between the stages";
  const total = kept.reduce((sum, value) => sum + value.bytes, 0);
  const rows = kept.map(({ name, shape, bytes: size }) => [name, `[${shape.join(", ")}]`, bytes(size)]);
  return [
    table(["kept for a request", "shape", "size"], rows, ["left", "left", "right"]),
    `${plural(kept.length, "value")}, ${bytes(total)} a request`,
  ].join("\n");
}

function tieNote(tie: Tie, index: number, count: number): Diagnostic {
  const { path, part, user, item, features, origin } = tie;
  const of = (read: Tie["user"]): string => `\`${read.path}\`${read.part === "all" ? "" : ` ${read.part}`}`;
  const from = features.length === 0 ? "" : `, which comes of ${features.map((f) => `\`${f}\``).join(", ")}`;
  return {
    code: "RMX0491",
    severity: "note",
    message: `(${index + 1}) \`${path}\`${part === "all" ? "" : ` ${part}`} is the first value that ties ${plural(count, "part")} to the candidate`,
    ...(origin ? { span: origin, label: "the request's meets the candidate's here" } : {}),
    notes: [`the request's: ${of(user)}`, `the candidate's: ${of(item)}${from}`],
  };
}
