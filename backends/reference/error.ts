/** @file What can go wrong in an evaluation through no fault of the compiler. */
import type { Stage } from "../../src/ir/graph.ts";

const ROWS: Readonly<Record<Stage, string>> = { load: "", user: "request ", item: "candidate " };

/** An index lies outside what it indexes. Devices clamp computed indices; the reference does not. */
export class EvaluationError extends Error {
  override readonly name = "EvaluationError";
  /** The path of the value that was being computed. */
  readonly path: string;
  /** Which request or candidate, by `stage`. */
  readonly row: number;
  readonly stage: Stage;
  readonly value: number;

  constructor(path: string, stage: Stage, row: number, value: number, extent: number) {
    const where = stage === "load" ? "" : ` for ${ROWS[stage]}${row}`;
    super(`${path} reads index ${value}, which is outside [0, ${extent})${where}`);
    this.path = path;
    this.stage = stage;
    this.row = row;
    this.value = value;
  }
}
