/** @file For verification: where each value of the plan lies on the device, and NaN in whatever the next run must write. */
import { type Plan, type PlanValue, wordsOf } from "../../ir/plan.ts";
import type { ComputeBuffer } from "./compute.ts";
import { isBatched, layoutOf } from "./layout.ts";
import type { Memory } from "./memory.ts";
import type { Part } from "./params.ts";
import type { Piece } from "./readback.ts";
import type { Slabs } from "./slabs.ts";
import type { StageProgram } from "./stage.ts";

/** Everything that holds values. */
export interface Places {
  readonly params: ReadonlyMap<number, readonly Part[]>;
  /** Constants and what the load stage computed. */
  readonly whole: ReadonlyMap<number, ComputeBuffer>;
  readonly slabs: Slabs;
  /** Of the requests to look at. */
  readonly slots: readonly number[];
  readonly programs: readonly StageProgram[];
}

export interface Place {
  readonly pieces: readonly Piece[];
  /** 1 where the value has no batch axis and is one piece. */
  readonly rows: number;
}

export function placeOf(value: PlanValue, { params, whole, slabs, slots, programs }: Places): Place {
  const { unit, rows = 1 } = layoutOf(value);
  const words = (count: number): number => wordsOf(value, count);
  const parts = params.get(value.id);
  if (parts !== undefined) {
    return {
      pieces: parts.map((part) => ({ buffer: part.buffer, at: 0, count: (part.to - part.from) * part.unit })),
      rows,
    };
  }
  if (value.home.kind === "kept") return { pieces: slabs.pieces(value, slots), rows: slots.length };
  const buffer = whole.get(value.id);
  if (buffer !== undefined) return { pieces: [{ buffer, at: 0, count: words(rows * unit) }], rows };
  for (const program of programs) {
    const own = program.buffer(value);
    if (own === undefined) continue;
    const count = isBatched(value) ? program.rows : rows;
    return { pieces: [{ buffer: own, at: 0, count: words(count * unit) }], rows: count };
  }
  // Its stage has had no rows yet.
  if (isBatched(value)) return { pieces: [], rows: 0 };
  throw new Error(`internal: ${value.name} is on no buffer`);
}

export function poisonLoad(
  plan: Plan,
  program: StageProgram,
  whole: ReadonlyMap<number, ComputeBuffer>,
  memory: Memory,
): void {
  program.poison();
  for (const value of plan.values) {
    const buffer = value.home.kind === "load" ? whole.get(value.id) : undefined;
    if (buffer !== undefined) memory.fillNaN(buffer, 0, value.unit);
  }
}

export function poisonUser(
  program: StageProgram,
  slabs: Slabs,
  slots: readonly number[],
  memory: Memory,
): void {
  program.poison();
  for (const value of slabs.values) {
    for (const { buffer, at, count } of slabs.pieces(value, slots)) memory.fillNaN(buffer, at, count);
  }
}
