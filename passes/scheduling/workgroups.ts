/**
 * @file Schedules of products whose workgroups share operands through workgroup memory: register blocks of every size, and subgroup
 * matrices where the device multiplies those. Sizes are bounded by its threads and by its memory; few rows get tiles of few.
 */
import type { Profile } from "../../src/ir/profile.ts";
import { type Schedule, withSchedule } from "../../src/ir/schedule.ts";
import type { MatrixShape, TileKernel, TileStmt } from "../../src/ir/tile.ts";
import { threadsNeeded, workgroupBytes } from "../fusion/threads.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;

/** Shapes of a workgroup's threads and of a thread's block: 128 × 64, 64 × 64, … 8 × 32 points. */
const BLOCKS: readonly (readonly [
  threadsM: number,
  threadsN: number,
  registersM: number,
  registersN: number,
])[] = [
  [16, 16, 4, 4],
  [16, 16, 8, 4],
  [8, 16, 8, 4],
  [8, 16, 4, 4],
  [8, 8, 4, 4],
  [8, 8, 2, 4],
  [8, 8, 1, 4],
];
const STEP = 16;
/** Blocks of k from which on a product may have two buffers: the first one nobody waits for is the second. */
const LEAST_BLOCKS = 4;
/** Shares of a block, at most, that a thread keeps in registers while it multiplies another; as many are written out by `staging`. */
const MOST_SHARES = 4;

/** Rows of tiles that all threads have in common, each with columns of its own: for products of few rows. */
const THIN_ROWS = [1, 2, 4, 8];
const THIN_THREADS = 64;
const THIN_STEP = 64;

export function byBlocks(kernel: TileKernel, dot: Dot, profile: Profile, expected: number): Schedule[] {
  const thin = THIN_ROWS.filter((rows) => rows < 2 * expected && expected <= MOST_THIN).map((rows) =>
    blocks(dot, [1, THIN_THREADS, rows, 4], THIN_STEP),
  );
  const few = (registersM: number, m: number): boolean => registersM > 1 && m >= 2 * expected;
  const wide = BLOCKS.filter(([threadsM, , registersM]) => !few(registersM, threadsM * registersM)).flatMap(
    (shape) => {
      const one = blocks(dot, shape, STEP);
      return hasTwo(kernel, dot, shape) ? [one, twice(one)] : [one];
    },
  );
  return [...thin, ...wide].filter((s) => fits(kernel, s, profile));
}

/** More rows than this are not few. */
const MOST_THIN = 8;

function blocks(
  dot: Dot,
  [threadsM, threadsN, registersM, registersN]: (typeof BLOCKS)[number],
  step: number,
): Schedule {
  return {
    lowering: { kind: "blocked", threadsM, threadsN, registersM, registersN },
    tiles: { [dot.m]: threadsM * registersM, [dot.n]: threadsN * registersN },
    steps: { [dot.k]: step },
  };
}

function twice(schedule: Schedule): Schedule {
  const { lowering } = schedule;
  if (lowering.kind !== "blocked") throw new Error("internal: two buffers are of register blocks");
  return { ...schedule, lowering: { ...lowering, buffers: 2 } };
}

/** Whether k is long enough, and every thread has the same few shares to hold. */
function hasTwo(
  kernel: TileKernel,
  dot: Dot,
  [threadsM, threadsN, registersM, registersN]: (typeof BLOCKS)[number],
) {
  const k = kernel.inner.find((a) => a.name === dot.k)?.extent ?? 1;
  const threads = threadsM * threadsN;
  const shares = [threadsM * registersM, threadsN * registersN].map(
    (points) => (points * STEP) / 4 / threads,
  );
  return k >= LEAST_BLOCKS * STEP && shares.every((n) => Number.isInteger(n) && n <= MOST_SHARES);
}

function fits(kernel: TileKernel, schedule: Schedule, { limits }: Profile): boolean {
  const made = withSchedule(kernel, schedule);
  const threads = threadsNeeded(made) ?? 1;
  return threads <= limits.workgroupSize && workgroupBytes(made, threads) <= limits.workgroupMemory;
}

/** Subgroups of a workgroup, and matrices of sums that each has: for matrices of 8 × 8 tiles of 64 × 64, 64 × 32, … 8 × 32 points. */
const SUBGROUPS: readonly (readonly [
  subgroupsM: number,
  subgroupsN: number,
  tilesM: number,
  tilesN: number,
])[] = [
  [2, 2, 4, 4],
  [2, 2, 4, 2],
  [2, 2, 2, 4],
  [2, 2, 2, 2],
  [1, 4, 2, 2],
  [1, 2, 1, 2],
];

/** For devices whose subgroups are of one size; none where a parameter's slices cut the columns, or the epilogue does not come out even. */
export function byMatrices(
  kernel: TileKernel,
  dot: Dot,
  profile: Profile,
  lanes: number,
  expected: number,
): Schedule[] {
  return (profile.matrices ?? []).flatMap((shape) =>
    SUBGROUPS.flatMap(([subgroupsM, subgroupsN, tilesM, tilesN]): Schedule[] => {
      const m = shape.m * subgroupsM * tilesM;
      const n = shape.n * subgroupsN * tilesN;
      const threads = lanes * subgroupsM * subgroupsN;
      const even = n % 4 === 0 && threads % (n / 4) === 0 && m % (threads / (n / 4)) === 0;
      const few = m > shape.m && m >= 2 * expected;
      const schedule: Schedule = {
        lowering: { kind: "matrix", lanes, subgroupsM, subgroupsN, tilesM, tilesN, shape },
        tiles: { [dot.m]: m, [dot.n]: n },
        steps: { [dot.k]: stepOf(shape) },
      };
      return even && !few && fits(kernel, schedule, profile) ? [schedule] : [];
    }),
  );
}

/** Elements of k that are staged at once: whole matrices, sixteen elements where they are smaller. */
function stepOf({ k }: MatrixShape): number {
  return k * Math.ceil(STEP / k);
}
