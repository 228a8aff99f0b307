/**
 * @file The cost model: predicted seconds of a kernel under a schedule, from a device's ceilings. It orders choices; a tuner measures
 * the best of them.
 *
 *     seconds = dispatch + rounds · one workgroup,    rounds = ⌈workgroups / workers⌉
 *
 * One workgroup of a product spends, a step along k, the loads of its operands and the multiply-adds of its whole tile, the padding
 * beyond the matrix included: that is what tiles of few rows save. Everything else is bound by memory. A software device deals workgroups
 * to its cores in equal shares before they start, so that a round is over when the last core is done: rounds are whole.
 */
import type { DeviceCeilings } from "../../src/ir/ceilings.ts";
import { loadsOf } from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import type { Schedule } from "../../src/ir/schedule.ts";
import { points } from "../../src/ir/schedule.ts";
import { elementBytes } from "../../src/ir/storage.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import { type Form, pointsExpected } from "./form.ts";
import { streamSeconds } from "./stream.ts";
import { flashSeconds, tensorCoreSeconds } from "./tensorcores.ts";

/** Rate of warpgroups on tensor cores beside that of f32, and the products that an element costs which the copy engine brings. */
const WARPGROUPS = 12;
const COPYING = 16;
/** What storing a point costs them, in FLOPs of an epilogue. */
const STORING = 4;

/** Of what a cost depends on beside the kernel and its schedule. */
export interface CostContext {
  readonly profile: Profile;
  readonly ceilings: DeviceCeilings;
  /** Rows of the batch axis in the call. */
  readonly rows: number;
  /** The plan's values. */
  readonly values: readonly PlanValue[];
}

/** Predicted seconds of one launch of `kernel`, in the form `form`, under `schedule`. */
export function predict(kernel: TileKernel, form: Form, schedule: Schedule, context: CostContext): number {
  const working = workingSeconds(kernel, form, schedule, context);
  return context.ceilings.dispatch + Math.max(working, memorySeconds(kernel, context));
}

/** Of that, for how long the device works, whatever memory does beside it. */
export function workingSeconds(
  kernel: TileKernel,
  form: Form,
  schedule: Schedule,
  context: CostContext,
): number {
  const workgroups = workgroupsExpected(kernel, schedule, context.rows);
  const { lowering } = schedule;
  const workers =
    lowering.kind === "hopper" ? Math.floor(lowering.blocks / lowering.cluster) : context.ceilings.workers;
  return Math.ceil(workgroups / workers) * tileSeconds(kernel, form, schedule, context);
}

/** Seconds of one workgroup, or of one tile of those that stay. */
export function tileSeconds(
  kernel: TileKernel,
  form: Form,
  schedule: Schedule,
  context: CostContext,
): number {
  return context.ceilings.workgroup + workgroupSeconds(kernel, form, schedule, context);
}

export function memorySeconds({ about }: Pick<TileKernel, "about">, { ceilings, rows }: CostContext): number {
  return (about.bytes.fixed + rows * about.bytes.perRow) / ceilings.bandwidth;
}

/** Workgroups of a launch; of a list of active rows, of the share that is expected to be active. */
function workgroupsExpected(kernel: TileKernel, { tiles }: Schedule, rows: number): number {
  let total = 1;
  for (const a of kernel.grid) {
    const groups = (a.rows?.group ?? []).reduce((n, g) => n * g.extent, 1);
    total *= groups * Math.ceil(pointsExpected(kernel, a.name, rows) / (tiles[a.name] ?? 1));
  }
  return total;
}

/** Of a product at its best on a software device, the share of the time that its loads leave to arithmetic. */
const ARITHMETIC = 0.55;
/** Sums (a vec4 of a lane each) of a software device that stay near its registers; more make a multiply-add dearer. */
const NEAR_SUMS = 16;
const FAR = 1.05;
/** Beyond so many they crowd each other out of the nearest cache (measured with two products of 32 rows in one kernel). */
const CROWDED_SUMS = 32;
const CROWDED = 1.6;
/** Vector instructions of one row's softmax over a block of keys, in multiply-adds of a subgroup. */
const SOFTMAX = 30;

function workgroupSeconds(
  kernel: TileKernel,
  form: Form,
  { lowering, tiles, steps: stepsOf }: Schedule,
  context: CostContext,
): number {
  const { ceilings } = context;
  const inner = (name: string): number => kernel.inner.find((a) => a.name === name)?.extent ?? 1;
  const perWorker = ceilings.flops / ceilings.workers;
  if (form.form === "dot" && lowering.kind === "subgroup") {
    const { lanes, rows } = lowering;
    // Two products that share a lane's columns have one sum.
    const shared = tiles[form.dot.n] === 2 * lanes;
    const dots = shared ? 1 : kernel.body.filter((s) => s.kind === "dot").length;
    const steps = inner(form.dot.k) / 4;
    // Products of one kernel share the rows that it loads.
    const loads = Math.ceil(rows / lanes) + dots * columnLoads(kernel, context.values);
    const sums = dots * rows;
    const flops = 2 * 4 * sums * 4 * lanes * (sums > CROWDED_SUMS ? CROWDED : sums > NEAR_SUMS ? FAR : 1);
    return steps * (loads * ceilings.load + (ARITHMETIC * flops) / perWorker);
  }
  if (form.form === "dot" && lowering.kind === "blocked") {
    const dots = kernel.body.filter((s) => s.kind === "dot").length;
    const { threadsM, threadsN, registersM, registersN } = lowering;
    const m = threadsM * registersM;
    const n = threadsN * registersN;
    // An element of workgroup memory feeds as many multiply-adds as the other side has registers.
    const reads = (registersM + registersN) / (registersM * registersN);
    return (dots * inner(form.dot.k) * 2 * m * n * (1 + 2 * reads)) / perWorker;
  }
  if (form.form === "dot" && lowering.kind === "matrix") {
    const dots = kernel.body.filter((s) => s.kind === "dot").length;
    const { subgroupsM, subgroupsN, tilesM, tilesN, shape } = lowering;
    const m = shape.m * subgroupsM * tilesM;
    const n = shape.n * subgroupsN * tilesN;
    // As for registers, a subgroup's tile being one block; nothing is known of how much faster a device multiplies matrices.
    const reads = 1 / (shape.m * tilesM) + 1 / (shape.n * tilesN);
    return (dots * (inner(form.dot.k) * 2 * m * n * (1 + 2 * reads) + 2 * m * n)) / perWorker;
  }
  if (form.form === "dot" && lowering.kind === "mma") {
    const { k } = form.dot;
    const { values, profile } = context;
    return tensorCoreSeconds(kernel, lowering, values, profile, stepsOf[k] ?? 1, inner(k), perWorker);
  }
  if (form.form === "dot" && lowering.kind === "stream")
    return streamSeconds(kernel, lowering, context.values, context.profile, inner(form.dot.k), perWorker);
  if (form.form === "dot" && lowering.kind === "hopper") {
    const dots = kernel.body.filter((s) => s.kind === "dot").length;
    const { groups, columns, cluster, turns, blocks } = lowering;
    const m = 64 * (turns ? 1 : groups);
    // What is copied feeds as many products as the tile, or the cluster's, is long on the other side.
    const copying = COPYING * (1 / (m * cluster) + 1 / columns);
    const products = dots * inner(form.dot.k) * 2;
    const main = (products * m * columns * (1 + copying)) / ((WARPGROUPS * ceilings.flops) / blocks);
    const points = Math.max(1, gridPoints(kernel));
    const epilogue =
      (m * columns * (kernel.about.flops / points - products + STORING)) / (ceilings.flops / blocks);
    return turns ? Math.max(main, epilogue / groups) : main + epilogue;
  }
  if (form.form === "score" && lowering.kind === "flash")
    return flashSeconds(kernel, form.score, lowering, perWorker);
  if (form.form === "score" && lowering.kind === "score") {
    const { lanes, rows, groups, combine } = lowering;
    const { score } = form;
    const blocks = Math.ceil(inner(score.j) / lanes);
    const flops = 2 * rows * lanes * (inner(score.k) + 4 * lanes * groups + SOFTMAX);
    const keys = (inner(score.k) / 4) * (1 + (combine === "subgroup" ? Math.ceil(rows / lanes) : rows));
    return blocks * ((keys + lanes * groups) * ceilings.load + (ARITHMETIC * flops) / perWorker);
  }
  const rows = Object.values(tiles).reduce((a, b) => a * b, 1);
  const perPoint = kernel.about.flops / Math.max(1, gridPoints(kernel));
  return (rows * perPoint) / perWorker;
}

/** Loads of a lane that fetch its four columns of the second operand for four steps of k: as many as its elements have bytes. */
function columnLoads({ body }: TileKernel, values: readonly PlanValue[]): number {
  const [most = 4] = body
    .flatMap((s) => (s.kind === "dot" ? loadsOf(s.b) : []))
    .map(({ source }) => {
      const { packing } = values[source];
      return packing?.blocks ? elementBytes[packing.element] : 4;
    });
  return most;
}

/** Points of the grid for one row of the batch axis. */
function gridPoints(kernel: TileKernel): number {
  return kernel.grid.reduce((n, a) => n * points(a.extent, 1), 1);
}
