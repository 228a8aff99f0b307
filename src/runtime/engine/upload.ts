/** @file What a call brings with it, on its way to the stage's buffers: features, gathered table rows, slots. */
import type { Plan, PlanValue } from "../../ir/plan.ts";
import type { FeatureArray, StageInputs } from "../inputs.ts";
import type { WeightSource } from "../weights.ts";
import type { ComputeBuffer } from "./compute.ts";
import { layoutOf, packRows } from "./layout.ts";
import { eachSlotRun, type Slabs } from "./slabs.ts";
import type { StageProgram } from "./stage.ts";
import type { Staging } from "./staging.ts";

/**
 * Adds the features of `inputs`, whose rows the program was prepared for. The ids of tables above one binding become
 * numbers of the distinct rows that this call reads; those rows are read from `weights` and sent beside them.
 */
export function uploadInputs(
  plan: Plan,
  program: StageProgram,
  inputs: StageInputs,
  weights: WeightSource,
  staging: Staging,
): void {
  const rewritten = new Map<string, FeatureArray>();
  for (const value of plan.values) {
    const { home } = value;
    if (home.kind !== "rows" || home.stage !== program.stage) continue;
    const ids = gatherIds(home.features, inputs.features, rewritten);
    const buffer = program.prepareGathered(value, ids.length);
    const layout = layoutOf(value);
    const words = staging.place(buffer, 0, value.element, ids.length * layout.unit);
    ids.forEach((id, row) => {
      const from = weights.read(home.path, id * layout.compactUnit, layout.compactUnit);
      packRows(layout, from, 0, 1, words.subarray(row * layout.unit, (row + 1) * layout.unit));
    });
  }
  for (const value of plan.values) {
    const { home } = value;
    if (home.kind !== "input" || home.stage !== program.stage) continue;
    const array = rewritten.get(home.feature) ?? inputs.features.get(home.feature);
    const buffer = program.buffer(value);
    if (array === undefined || buffer === undefined)
      throw new Error(`internal: no values for ${home.feature}`);
    add(staging, value, buffer, array, inputs.rows);
  }
}

/** The distinct ids of the features, in order of appearance; `rewritten` gets each id's position in them. */
function gatherIds(
  features: readonly string[],
  given: ReadonlyMap<string, FeatureArray>,
  rewritten: Map<string, FeatureArray>,
): number[] {
  const rowOf = new Map<number, number>();
  for (const name of features) {
    const ids = given.get(name);
    if (ids === undefined) throw new Error(`internal: the ids of ${name} are not features of this stage`);
    const rows = new Int32Array(ids.length);
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? 0;
      let row = rowOf.get(id);
      if (row === undefined) {
        row = rowOf.size;
        rowOf.set(id, row);
      }
      rows[i] = row;
    }
    rewritten.set(name, rows);
  }
  return [...rowOf.keys()];
}

/** User features that item kernels read as they are go straight to their slots. */
export function uploadKept(
  plan: Plan,
  slabs: Slabs,
  slots: readonly number[],
  inputs: StageInputs,
  staging: Staging,
): void {
  for (const value of plan.values) {
    const { home } = value;
    if (home.kind !== "kept" || home.feature === undefined) continue;
    const array = inputs.features.get(home.feature);
    const buffer = slabs.buffer(value.id);
    if (array === undefined || buffer === undefined)
      throw new Error(`internal: no values for ${home.feature}`);
    const layout = layoutOf(value);
    eachSlotRun(slots, (at, slot, length) => {
      const words = staging.place(buffer, slot * value.unit, value.element, length * value.unit);
      packRows(layout, array, at, length, words);
    });
  }
}

/** The slots of requests (user stage) or of candidates' requests (item stage). */
export function uploadSlots(plan: Plan, program: StageProgram, slots: Int32Array, staging: Staging): void {
  const kind = program.stage === "user" ? "slots" : "request";
  for (const value of plan.values) {
    const buffer = value.home.kind === kind ? program.buffer(value) : undefined;
    if (buffer !== undefined) staging.add(buffer, 0, slots);
  }
}

/** As it is where it already lies as the buffer wants it, else packed. */
function add(
  staging: Staging,
  value: PlanValue,
  buffer: ComputeBuffer,
  array: FeatureArray,
  rows: number,
): void {
  const layout = layoutOf(value);
  if (layout.compact && array instanceof Float32Array === (value.element === "f32")) {
    staging.add(buffer, 0, array);
    return;
  }
  packRows(layout, array, 0, rows, staging.place(buffer, 0, value.element, rows * layout.unit));
}
