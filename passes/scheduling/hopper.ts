/**
 * @file Schedules of products for Hopper's own instructions (sm_90a): both operands lie in memory as the tensor cores take them, in 16
 * bits and row by row, and there are rows enough for warpgroups to share.
 *
 * A stage is 64 of k of both operands; three to five of them hide a copy's latency behind the products of the others. A thread holds
 * 128 sums at most: 128 × 256 points of a workgroup for two warpgroups, which read every byte of workgroup memory often
 * enough that the tensor cores, not the copies, are what a tile waits for.
 */
import { bulkView, rowView } from "../../src/ir/bulkview.ts";
import { exprKey, walkExpr } from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import type { Schedule } from "../../src/ir/schedule.ts";
import type { Half } from "../../src/ir/thread.ts";
import type { TileKernel, TileStmt } from "../../src/ir/tile.ts";

import { pointsExpected } from "./form.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;

/**
 * Warpgroups of 64 rows each, columns, workgroups of a cluster: 256 × 256 (two workgroups'), 128 × 256, 256 × 128, … 64 × 64 points;
 * last, whether the warpgroups take tiles in turn.
 */
const SHAPES: readonly (readonly [groups: number, columns: number, cluster: 1 | 2, turns?: true])[] = [
  [2, 256, 2],
  [2, 256, 1],
  [2, 256, 2, true],
  [2, 128, 2],
  [2, 128, 1],
  [1, 256, 1],
  [1, 128, 1],
  [2, 64, 1],
  [1, 64, 1],
];
const WARPGROUP_ROWS = 64;
const STEP = 64;
/** Sums of a thread of 64 × 256 points: more leave no registers for what is done with them. */
const MOST_COLUMNS = 256;
const LEAST_COLUMNS = 64;
const MOST_STAGES = 5;
const LEAST_STAGES = 3;
/** What the barriers, the tiles' alignment and tiles of rows and columns take of workgroup memory. */
const RESERVED_BYTES = 8 * 1024;
/** Fewer rows leave most of a warpgroup's 64 empty. */
const LEAST_ROWS = 64;
/** Multiprocessors of an H100 or H200 with all of theirs; one workgroup runs on each. */
export const MULTIPROCESSORS = 132;

export function onHopper(
  kernel: TileKernel,
  values: readonly PlanValue[],
  dot: Dot,
  half: Half,
  { cuda, limits }: Profile,
  expected: number,
): Schedule[] {
  const dots = kernel.body.filter((s): s is Dot => s.kind === "dot");
  // Rows of a list come tile by tile, each tile's of one group.
  const listed = kernel.grid.some(({ rows }) => rows !== undefined);
  const byGroups = kernel.grid.every(
    ({ name, rows }) => rows === undefined || (name === dot.m && rows.group),
  );
  const copies = copiesOf(dots, half, values);
  if (cuda?.arch !== "sm_90a" || expected < LEAST_ROWS || !byGroups || kernel.slicing || copies === undefined)
    return [];
  const multiprocessors = cuda.multiprocessors ?? MULTIPROCESSORS;
  return SHAPES.flatMap(([groups, columns, cluster, turns]): Schedule[] => {
    const rows = WARPGROUP_ROWS * (turns ? 1 : groups);
    const m = rows * cluster;
    // The device counts a list's tiles, which may be odd; a thread's copies come to its own workgroup alone.
    if (cluster > 1 && (listed || copies === "rows")) return [];
    if (turns && !isPointwise(kernel)) return [];
    const stage = 2 * STEP * (distinct(dots, "a") * rows + distinct(dots, "b") * columns);
    const stages = Math.min(MOST_STAGES, Math.floor((limits.workgroupMemory - RESERVED_BYTES) / stage));
    const few = m > LEAST_ROWS && m >= 2 * expected;
    const narrow = columns > LEAST_COLUMNS && columns >= 2 * pointsExpected(kernel, dot.n, 1);
    if (few || narrow || stages < LEAST_STAGES || dots.length * columns > MOST_COLUMNS) return [];
    return [
      {
        lowering: {
          kind: "hopper",
          half,
          groups,
          columns,
          stages,
          cluster,
          ...(turns && { turns }),
          blocks: multiprocessors,
        },
        tiles: { [dot.m]: m, [dot.n]: columns },
        steps: { [dot.k]: STEP },
      },
    ];
  });
}

/** Whether all that follows the products is computed at each of their points: nothing belongs to a row or a column alone. */
function isPointwise({ body }: TileKernel): boolean {
  const points = new Set<string>();
  return body.every((s) => {
    if (s.kind === "store") return true;
    if (s.kind !== "dot" && s.kind !== "let") return false;
    let depends = s.kind === "dot";
    if (s.kind === "let") walkExpr(s.value, (e) => (depends ||= e.kind === "tile" && points.has(e.tile)));
    if (depends) points.add(s.out);
    return depends;
  });
}

/** Operands of one side; products that share one copy it once. */
function distinct(dots: readonly Dot[], side: "a" | "b"): number {
  return new Set(dots.map((dot) => exprKey(dot[side]))).size;
}

/**
 * Who copies the operands of products that follow each other over one k: the copy engine, or threads those whose rows lie anywhere;
 * undefined where something must be computed on the way.
 */
export function copiesOf(
  dots: readonly Dot[],
  half: Half,
  values: readonly PlanValue[],
): "tiles" | "rows" | undefined {
  const [first] = dots;
  const lookUp = (source: number): PlanValue => values[source];
  const each = dots.map((dot) => {
    const { m, n, k } = dot;
    const common = m === first?.m && n === first.n && k === first.k;
    if (!common || bulkView(dot.b, half, lookUp, { k, own: n }) === undefined) return undefined;
    if (bulkView(dot.a, half, lookUp, { k, own: m }) !== undefined) return "tiles";
    return rowView(dot.a, half, lookUp, k) && "rows";
  });
  return each.includes(undefined) ? undefined : each.includes("rows") ? "rows" : "tiles";
}
