/**
 * @file Every schedule that a kernel can have on a device, the cost model's favourite first, the others in the order of their cost.
 * `schedule` takes the first; a tuner measures more of them; whatever else calls itself a schedule of the kernel is none.
 */
import type { DeviceCeilings } from "../../src/ir/ceilings.ts";
import { defaultCeilings } from "../../src/ir/ceilings.ts";
import { int } from "../../src/ir/expr.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { interleavedProducts } from "../../src/ir/interleaved.ts";
import type { Plan } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { points, type Schedule, scheduleOf, withSchedule } from "../../src/ir/schedule.ts";
import type { ScoreStmt, TileKernel, TileStmt } from "../../src/ir/tile.ts";
import { predict, workingSeconds } from "./costmodel.ts";
import { type Form, formOf, pointsExpected, prepared, servedRows } from "./form.ts";
import { onHopper } from "./hopper.ts";
import { byStreaming } from "./stream.ts";
import { onTensorCores, scoresOnTensorCores } from "./tensorcores.ts";
import { byBlocks, byMatrices } from "./workgroups.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;

/** What a space depends on: the values that the kernel reads and the size of call to tune for. */
export type SpacePlan = Pick<Plan, "values" | "serve">;

/** `kernel` as `fuse` made it or as it was scheduled before. */
export function scheduleSpace(
  kernel: TileKernel,
  plan: SpacePlan,
  profile: Profile,
  ceilings: DeviceCeilings = defaultCeilings(profile),
  compute: Graph["precision"]["compute"] = "f32",
): readonly Schedule[] {
  // A kernel of several phases is tuned before they are merged.
  if (kernel.lowering.kind === "phases") return [scheduleOf(kernel)];
  const base = prepared(kernel, plan.values);
  const form = formOf(base, plan.values);
  const rows = servedRows(base, plan);
  // As a kernel holds it: tiles and steps of 1 left out.
  const spelled = candidates(base, form, plan.values, profile, ceilings, rows, compute).map((s) =>
    scheduleOf(withSchedule(base, s)),
  );
  const context = { profile, ceilings, rows, values: plan.values };
  const costs = spelled.map((schedule) => ({
    schedule,
    seconds: predict(base, form, schedule, context),
    working: workingSeconds(base, form, schedule, context),
  }));
  // Equal costs keep the order of the list, which begins with what was found best; of warpgroups' tiles, those with less to do come first.
  const isHopper = ({ schedule }: Costed): boolean => schedule.lowering.kind === "hopper";
  const hopper = costs.filter(isHopper).sort((a, b) => a.working - b.working);
  if (hopper.length > 0) costs.splice(costs.findIndex(isHopper), hopper.length, ...hopper);
  const ordered = costs.sort((a, b) => a.seconds - b.seconds);
  const favourite = profile.features.software ? soonestCompiled(ordered, ceilings) : ordered[0];
  return [...ordered.filter((c) => c === favourite), ...ordered.filter((c) => c !== favourite)].map(
    ({ schedule }) => schedule,
  );
}

interface Costed {
  readonly schedule: Schedule;
  readonly seconds: number;
}

/** Of schedules within this of the fastest, the one that compiles fastest is taken: a driver takes twice as long over twice the rows. */
const NEAR = 1.04;

/** The first of those with the least text; every row of a tile is written out. */
function soonestCompiled(ordered: readonly Costed[], { dispatch }: DeviceCeilings): Costed | undefined {
  const least = (ordered[0]?.seconds ?? 0) - dispatch;
  const near = ordered.filter(({ seconds }) => seconds - dispatch <= NEAR * least);
  const rows = ({ schedule: { lowering } }: Costed): number => ("rows" in lowering ? lowering.rows : 0);
  const fewest = Math.min(...near.map(rows));
  return near.find((c) => rows(c) === fewest);
}

function candidates(
  kernel: TileKernel,
  form: Form,
  values: Plan["values"],
  profile: Profile,
  { workers }: DeviceCeilings,
  rows: number,
  compute: Graph["precision"]["compute"],
): Schedule[] {
  switch (form.form) {
    case "list":
      return [lists(profile)];
    case "score":
      return scores(kernel, form.score, values, profile, rows, compute);
    case "dot":
      return products(kernel, form.dot, values, profile, rows, compute);
    case "row":
      return rowSweeps(kernel, profile, workers, rows);
    case "element":
      return elements(kernel, form.vector, profile);
    default:
      return form satisfies never;
  }
}

/** Lanes of every subgroup, where that is known. */
function subgroupLanes({ subgroup }: Profile): number | undefined {
  return subgroup && subgroup.min === subgroup.max ? subgroup.max : undefined;
}

const THREADS = 64;

function lists({ limits }: Profile): Schedule {
  return {
    lowering: { kind: "list", threads: Math.min(THREADS, limits.workgroupSize) },
    tiles: {},
    steps: {},
  };
}

// ------------------------------------------------------------------------------------------------------- products

/** Rows of a product's tile; one that fits the rows exactly beats a larger one, whose padding costs as much as rows. */
const SUBGROUP_ROWS = [16, 32, 24, 20, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1];

function products(
  kernel: TileKernel,
  dot: Dot,
  values: Plan["values"],
  profile: Profile,
  rows: number,
  compute: Graph["precision"]["compute"],
): Schedule[] {
  const lanes = subgroupLanes(profile);
  const expected = pointsExpected(kernel, dot.m, rows);
  const all =
    profile.cuda !== undefined && compute !== "f32"
      ? [
          ...(compute === "tf32" ? [] : onHopper(kernel, values, dot, compute, profile, expected)),
          ...(compute === "tf32" ? [] : byStreaming(kernel, values, dot, compute, profile, expected)),
          ...onTensorCores(kernel, values, dot, compute, profile, expected),
        ]
      : profile.features.software && lanes !== undefined
        ? bySubgroup(kernel, dot, lanes, expected)
        : [
            ...(profile.cuda === undefined ? [] : byStreaming(kernel, values, dot, "f32", profile, expected)),
            ...(lanes === undefined ? [] : byMatrices(kernel, dot, profile, lanes, expected)),
            ...byBlocks(kernel, dot, profile, expected),
          ];
  if (!kernel.grid.some((a) => a.name === dot.m && a.rows?.group)) return all;
  // Products over one list share its tiles, so that their rows must agree: the expected number alone decides.
  const tile = (s: Schedule): number => s.tiles[dot.m] ?? 1;
  const most = profile.cuda?.arch === "sm_90a" && compute !== "f32" ? listRows(expected) : MOST_LIST_ROWS;
  const few = all.map(tile).filter((m) => m <= most);
  const enough = few.filter((m) => m >= expected);
  const shared = enough.length > 0 ? Math.min(...enough) : Math.max(...few);
  return all.filter((s) => tile(s) === shared);
}

/** Rows of a tile of a list, at most: each group ends in one that is partly filled. */
const MOST_LIST_ROWS = 16;
/** Tiles of whole warpgroups, and how many of a group's tiles should be full for them. */
const WARPGROUP_ROWS = [128, 64];
const FULL_TILES = 2;

function listRows(expected: number): number {
  return WARPGROUP_ROWS.find((rows) => expected >= FULL_TILES * rows) ?? MOST_LIST_ROWS;
}

/**
 * Two products whose weights lie side by side take one sum a lane, and half as many columns each, where the rows of a tile can be
 * shared out between neighbouring lanes afterwards.
 */
function bySubgroup(kernel: TileKernel, dot: Dot, lanes: number, expected: number): Schedule[] {
  const most = Math.max(1, Math.ceil(expected));
  const shared = interleavedProducts(kernel, int(0)) !== undefined;
  return SUBGROUP_ROWS.filter((rows) => rows <= most || rows === roundedUp(most)).map((rows) => ({
    lowering: { kind: "subgroup", lanes, rows },
    tiles: { [dot.m]: rows, [dot.n]: (shared && rows % 2 === 0 ? 2 : 4) * lanes },
    steps: { [dot.k]: 4 },
  }));
}

/** The least of the row counts that is not less than `most`. */
function roundedUp(most: number): number {
  return Math.min(...SUBGROUP_ROWS.filter((rows) => rows >= most), Math.max(...SUBGROUP_ROWS));
}

// -------------------------------------------------------------------------------------------------- score products

/** Accumulators (a vec4 each) that a lane of a score product keeps, and column groups that it owns, at most. */
const MOST_ACCUMULATORS = 16;
const MOST_GROUPS = 4;
/** More rows were slower on a software device, and took twice as long to compile. */
const SCORE_ROWS = [8, 7, 6, 5, 4, 3, 2, 1];
/** Each row that hands its weights round through workgroup memory has steps of its own between barriers; text grows with them. */
const MOST_SHARED_ROWS = 4;

/** Rows share the keys and values that a workgroup reads; wide values leave fewer of them. */
function scores(
  kernel: TileKernel,
  score: ScoreStmt,
  values: Plan["values"],
  profile: Profile,
  rows: number,
  compute: Graph["precision"]["compute"],
): Schedule[] {
  const known = subgroupLanes(profile);
  const bySubgroup = profile.features.software && known !== undefined;
  const lanes = bySubgroup ? known : 32;
  const combine = bySubgroup ? "subgroup" : "shared";
  const columns = pointsExpected(kernel, score.n, rows);
  const groups = Math.min(MOST_GROUPS, Math.ceil(columns / (4 * lanes)));
  const expected = Math.max(1, pointsExpected(kernel, score.m, rows));
  // Rows of several requests are told apart at run time, which barriers do not allow.
  const alone = score.segment !== undefined && !bySubgroup;
  const most = alone
    ? 1
    : Math.min(MOST_ACCUMULATORS / groups, bySubgroup ? SCORE_ROWS[0] : MOST_SHARED_ROWS);
  const onLanes = SCORE_ROWS.filter((r) => r <= most && r <= Math.ceil(expected)).map(
    (r): Schedule => ({
      lowering: { kind: "score", lanes, rows: r, groups, combine },
      tiles: { [score.m]: r, [score.n]: 4 * lanes * groups },
      steps: { [score.j]: lanes, [score.k]: 4 },
    }),
  );
  const halves = profile.cuda !== undefined && (compute === "f16" || compute === "bf16");
  return [
    ...(halves ? scoresOnTensorCores(kernel, values, score, compute, profile, expected) : []),
    ...onLanes,
  ];
}

// ----------------------------------------------------------------------------------------------- rows and elements

/** Points that the same lanes sweep one after another, on a software device: others have lanes enough for all at once. */
const TURNS = [8, 4, 2];
/** Workgroups that are left at least, for each worker. */
const LEAST_SWEEPS = 8;

function rowSweeps(kernel: TileKernel, profile: Profile, workers: number, rows: number): Schedule[] {
  const lanes = subgroupLanes(profile);
  const lowering = {
    kind: "row",
    lanes: lanes ?? 32,
    rows: 1,
    combine: lanes === undefined ? "shared" : "subgroup",
    vector: 4,
  } as const;
  const one: Schedule = { lowering, tiles: {}, steps: {} };
  const last = kernel.grid.at(-1);
  if (!profile.features.software || lanes === undefined || last === undefined || last.rows) return [one];
  const all = kernel.grid.reduce((n, a) => n * pointsExpected(kernel, a.name, rows), 1);
  const along = points(last.extent, rows);
  const several = TURNS.filter((turns) => along % turns === 0 && all / turns >= LEAST_SWEEPS * workers);
  return [
    ...several.map((turns) => ({
      lowering: { ...lowering, turns },
      tiles: { [last.name]: turns },
      steps: {},
    })),
    one,
  ];
}

function elements(kernel: TileKernel, vector: 1 | 4, { limits }: Profile): Schedule[] {
  const last = kernel.grid.at(-1);
  if (last === undefined)
    return [{ lowering: { kind: "element", threads: 1, vector: 1 }, tiles: {}, steps: {} }];
  const threads = Math.min(THREADS, limits.workgroupSize);
  return [
    { lowering: { kind: "element", threads, vector }, tiles: { [last.name]: threads * vector }, steps: {} },
  ];
}
