/**
 * @file schedule: how each tile kernel is spread over threads, from the profile's limits and features.
 *
 * Products go to subgroups that broadcast rows where the device is software (loads dominate, workgroup memory saves
 * nothing), to workgroup tiles elsewhere. A reduction along the innermost axis is shared by the lanes of a row; one
 * across rows, and everything element-wise, is a thread a point. A parameter above the binding limit is bound in slices
 * along a grid axis that leads its index.
 */

import { InputError } from "../src/ir/error.ts";
import type { Expr } from "../src/ir/expr.ts";
import type { Plan, PlanValue } from "../src/ir/plan.ts";
import type { Profile } from "../src/ir/profile.ts";
import {
  expressionsOf,
  GROUP,
  type GridAxis,
  type Lowering,
  type RowLaunch,
  type ScoreStmt,
  type Slicing,
  type TileKernel,
  type TileStmt,
} from "../src/ir/tile.ts";
import type { Fused } from "./fuse.ts";
import { flattenGrid } from "./fusion/flatten.ts";
import { definePass } from "./pass.ts";

export const schedule = definePass<Fused, Fused>({
  name: "schedule",
  summary: "chooses lowering, tile sizes and parameter slices for each kernel from the device profile",
  run({ graph, plan }, { profile }) {
    const one = (kernel: TileKernel): TileKernel => {
      const sliced = sliceParameters(scheduleKernel(kernel, plan, profile), plan.values, profile);
      return sliced;
    };
    const { load, user, item } = plan.kernels;
    const all = (kernels: readonly TileKernel[]): TileKernel[] => countLaunches(kernels.map(one));
    return { graph, plan: { ...plan, kernels: { load: all(load), user: all(user), item: all(item) } } };
  },
});

function scheduleKernel(kernel: TileKernel, plan: Plan, profile: Profile): TileKernel {
  if (kernel.lists) {
    const threads = Math.min(THREADS, profile.limits.workgroupSize);
    return { ...kernel, lowering: { kind: "list", threads } };
  }
  const score = kernel.body.find((s) => s.kind === "score");
  if (score?.kind === "score") return scheduleScore(kernel, score, plan, profile);
  const dot = kernel.body.find((s) => s.kind === "dot");
  if (dot?.kind === "dot") return scheduleDot(kernel, dot, plan, profile);
  const shared = kernel.body.some((s) => s.kind === "store" && s.over.length > 0);
  const along = kernel.body.filter((s) => s.kind === "reduce" || s.kind === "moments");
  // A sum over experts reads rows whose columns are the grid's last axis: they are what a workgroup shares.
  const combines =
    kernel.buffers.some(({ value }) => plan.values[value].home.kind === "list") && !kernel.indirect;
  const innermost = !combines && along.some((s) => sharesInnermost(s, kernel, plan.values));
  return shared || innermost ? scheduleRow(kernel, profile) : scheduleElement(kernel, profile);
}

/** Rows of a product per workgroup, at most: what fits the registers of a lane beside a vec4 of columns. */
const MOST_ROWS = 16;

function scheduleDot(
  kernel: TileKernel,
  dot: Extract<TileStmt, { kind: "dot" }>,
  plan: Plan,
  profile: Profile,
): TileKernel {
  const rows = rowsExpected(kernel, dot.m, plan);
  const lanes = profile.subgroup?.max ?? 0;
  const fixed = profile.subgroup !== undefined && profile.subgroup.min === profile.subgroup.max;
  if (profile.features.software && fixed) {
    const tileM = rows >= MOST_ROWS ? MOST_ROWS : rows > 4 ? 8 : rows > 2 ? 4 : rows > 1 ? 2 : 1;
    return tiled(
      kernel,
      { [dot.m]: tileM, [dot.n]: 4 * lanes },
      { kind: "subgroup", lanes, rows: tileM },
      { [dot.k]: 4 },
    );
  }
  const registersM = rows >= 32 ? 4 : rows >= 16 ? 2 : 1;
  const lowering: Lowering = { kind: "blocked", threadsM: 8, threadsN: 8, registersM, registersN: 4 };
  return tiled(kernel, { [dot.m]: 8 * registersM, [dot.n]: 32 }, lowering, { [dot.k]: 16 });
}

/** Accumulators (a vec4 each) that a lane of a score product keeps, and column groups that it owns, at most. */
const MOST_ACCUMULATORS = 16;
const MOST_GROUPS = 4;

/** Rows share the keys and values that a workgroup reads; wide values leave fewer of them. */
function scheduleScore(kernel: TileKernel, score: ScoreStmt, plan: Plan, profile: Profile): TileKernel {
  const fixed = profile.subgroup !== undefined && profile.subgroup.min === profile.subgroup.max;
  const bySubgroup = profile.features.software && fixed;
  const lanes = bySubgroup ? (profile.subgroup?.max ?? 0) : 32;
  const columns = rowsExpected(kernel, score.n, plan);
  const groups = Math.min(MOST_GROUPS, Math.ceil(columns / (4 * lanes)));
  const expected = rowsExpected(kernel, score.m, plan);
  // Rows of several requests are told apart at run time, which barriers do not allow.
  const most = score.segment !== undefined && !bySubgroup ? 1 : MOST_ACCUMULATORS / groups;
  let rows = 1;
  while (rows < 8 && rows < expected && rows < most) rows *= 2;
  return tiled(
    kernel,
    { [score.m]: rows, [score.n]: 4 * lanes * groups },
    { kind: "score", lanes, rows, groups, combine: bySubgroup ? "subgroup" : "shared" },
    { [score.j]: lanes, [score.k]: 4 },
  );
}

/**
 * Gives each list the tiles that the products over it run by, and what it takes to count the workgroups of every kernel that
 * runs over it.
 */
function countLaunches(kernels: readonly TileKernel[]): TileKernel[] {
  return kernels.map((kernel) => {
    if (!kernel.lists) return kernel;
    const { list } = kernel.lists;
    const users = kernels.filter((k) => k.indirect?.value === list.launches);
    const products = users.flatMap((k) => k.grid.filter((a) => a.rows?.group));
    const tile = products[0]?.tile ?? 1;
    if (products.some((a) => a.tile !== tile))
      throw new Error("internal: products over one list differ in their tiles");
    const launches: RowLaunch[] = [];
    for (const user of users) launches[user.indirect?.index ?? 0] = launchOf(user);
    return { ...kernel, lists: { ...kernel.lists, list: { ...list, tile }, launches } };
  });
}

function launchOf({ name, grid }: TileKernel): RowLaunch {
  const along = grid.find((a) => a.rows);
  if (along?.rows === undefined) throw new Error(`internal: ${name} runs over no list`);
  const others = grid.reduce((n, a) => {
    if (a === along) return n;
    if (typeof a.extent !== "number") throw new Error(`internal: ${name} runs over a list and a batch axis`);
    return n * Math.ceil(a.extent / a.tile);
  }, 1);
  const { group, times } = along.rows;
  return group ? { of: "tiles", times: 1, tile: 1, others } : { of: "rows", times, tile: along.tile, others };
}

/** Of rows that a gate may choose, the share to tune for. */
const CHOSEN = 0.5;

/** How many rows of the product a call of the size to tune for has; of a list, each group. */
function rowsExpected(kernel: TileKernel, name: string, plan: Plan): number {
  const along = kernel.grid.find((a) => a.name === name);
  const extent = along?.extent ?? 1;
  if (along?.rows?.group && typeof extent !== "number") {
    const points = extent.of === "N" ? plan.serve.candidates : plan.serve.requests;
    const groups = along.rows.group.reduce((n, g) => n * g.extent, 1);
    return (points * extent.times * CHOSEN) / groups;
  }
  if (typeof extent === "number") return extent;
  return extent.times * (extent.of === "N" ? plan.serve.candidates : plan.serve.requests);
}

function scheduleRow(kernel: TileKernel, profile: Profile): TileKernel {
  const fixed = profile.subgroup !== undefined && profile.subgroup.min === profile.subgroup.max;
  const lowering: Lowering =
    fixed && profile.subgroup
      ? { kind: "row", lanes: profile.subgroup.max, rows: 1, combine: "subgroup", vector: 4 }
      : { kind: "row", lanes: 32, rows: 1, combine: "shared", vector: 4 };
  return tiled(kernel, {}, lowering, {});
}

/** Threads of an element-wise workgroup, and points that each owns along the last axis. */
const THREADS = 64;
const VECTOR = 4;

function scheduleElement(kernel: TileKernel, profile: Profile): TileKernel {
  const last = kernel.grid[kernel.grid.length - 1];
  if (!last) return { ...kernel, lowering: { kind: "element", threads: 1, vector: 1 } };
  const threads = Math.min(THREADS, profile.limits.workgroupSize);
  const points = threads * VECTOR;
  const long = typeof last.extent === "number" && last.extent % VECTOR === 0;
  if (long && (last.extent as number) >= points / 2) {
    return tiled(kernel, { [last.name]: points }, { kind: "element", threads, vector: VECTOR }, {});
  }
  const flat = flattenGrid(kernel);
  const vector = long ? VECTOR : 1;
  return tiled(
    flat,
    { [flat.grid[flat.grid.length - 1].name]: threads * vector },
    { kind: "element", threads, vector },
    {},
  );
}

function tiled(
  kernel: TileKernel,
  tiles: Readonly<Record<string, number>>,
  lowering: Lowering,
  steps: Readonly<Record<string, number>>,
): TileKernel {
  return {
    ...kernel,
    lowering,
    grid: kernel.grid.map((a): GridAxis => ({ ...a, tile: tiles[a.name] ?? 1 })),
    inner: kernel.inner.map((a) => ({ ...a, step: steps[a.name] ?? 1 })),
  };
}

/** Whether neighbours along a reduced axis are neighbours in memory for some value that the statement sums. */
function sharesInnermost(s: TileStmt, kernel: TileKernel, values: readonly PlanValue[]): boolean {
  if (s.kind !== "reduce" && s.kind !== "moments") return false;
  const last = s.over[s.over.length - 1];
  const size = kernel.inner.find((a) => a.name === last)?.extent ?? 1;
  if (size < 8) return false;
  const isAdjacent = (e: Expr): boolean => {
    if (e.kind === "load")
      return e.index.some((i, axis) => values[e.source].strides[axis] === 1 && mentions(i, last));
    return e.kind === "apply" && e.args.some(isAdjacent);
  };
  return isAdjacent(s.value);
}

function mentions(e: Expr, name: string): boolean {
  if (e.kind === "axis") return e.name === name;
  if (e.kind === "apply") return e.args.some((a) => mentions(a, name));
  return false;
}

function sliceParameters(kernel: TileKernel, values: readonly PlanValue[], profile: Profile): TileKernel {
  const limit = profile.limits.storageBinding;
  const large = kernel.buffers
    .map((b) => values[b.value])
    .filter(
      (v) =>
        (v.home.kind === "param" || v.home.kind === "load" || v.home.kind === "constant") &&
        v.unit * 4 > limit,
    );
  if (large.length === 0) return kernel;
  const byGroup = sliceGroups(kernel, large, profile);
  if (byGroup) return { ...kernel, slicing: byGroup };
  const leading = large.map((v) => leadingAxes(kernel, v)[0]);
  const [first] = leading;
  const axis = kernel.grid.find((a) => a.name === first);
  if (!axis || typeof axis.extent !== "number" || axis.tile !== 1 || leading.some((n) => n !== first)) {
    throw new InputError(
      "RMX0810",
      `the parameter \`${large[0].name}\` is larger than one binding of the device and cannot be read in slices`,
      {
        notes: [`it takes ${large[0].unit * 4} bytes; a binding holds ${limit}`],
        help: "split it along a token axis, or compile for a device with larger bindings",
        exit: 1,
      },
    );
  }
  return { ...kernel, slicing: slicingOf(axis.name, 1, axis.extent, large, profile) };
}

/** A product over active rows is sliced along its groups, of which a launch takes some. */
function sliceGroups(kernel: TileKernel, large: readonly PlanValue[], profile: Profile): Slicing | undefined {
  const groups = kernel.grid.flatMap((a) => a.rows?.group ?? []);
  if (groups.length === 0) return undefined;
  const led = (v: PlanValue, depth: number): boolean => {
    const axes = leadingAxes(kernel, v);
    const inner = v.strides.slice(depth - 1);
    const dense = v.strides
      .slice(0, depth - 1)
      .every((s, a) => s === (v.shape[a + 1] as number) * v.strides[a + 1]);
    return (
      groups.slice(0, depth).every((g, a) => axes[a] === g.name) && dense && inner.every((s) => s <= inner[0])
    );
  };
  if (!large.every((v) => led(v, groups.length))) return undefined;
  const count = groups.reduce((n, g) => n * g.extent, 1);
  return slicingOf(GROUP, groups.length, count, large, profile);
}

function slicingOf(
  axis: string,
  depth: number,
  extent: number,
  large: readonly PlanValue[],
  profile: Profile,
): Slicing {
  const most = Math.min(...large.map((v) => sliceRows(v, v.strides[depth - 1], profile)));
  const ranges: { from: number; to: number }[] = [];
  for (let from = 0; from < extent; from += most) ranges.push({ from, to: Math.min(extent, from + most) });
  return { axis, depth, values: large.map((v) => v.id), ranges };
}

/** Rows of `stride` elements that one binding holds, such that every slice starts at an aligned offset. */
function sliceRows(value: PlanValue, stride: number, profile: Profile): number {
  const bytes = stride * 4;
  const most = Math.floor(profile.limits.storageBinding / bytes);
  const align = profile.limits.offsetAlignment;
  let multiple = 1;
  while ((multiple * bytes) % align !== 0) multiple *= 2;
  const rows = Math.floor(most / multiple) * multiple;
  if (rows < 1) {
    throw new InputError(
      "RMX0810",
      `one row of the parameter \`${value.name}\` is larger than one binding of the device`,
      {
        notes: [`a row takes ${bytes} bytes; a binding holds ${profile.limits.storageBinding}`],
        exit: 1,
      },
    );
  }
  return rows;
}

/** The axes that are the indices of every load of `value`, from the leading one as far as they are axes. */
function leadingAxes(kernel: TileKernel, value: PlanValue): readonly string[] {
  let names: readonly string[] | undefined;
  const visit = (e: Expr): void => {
    if (e.kind === "load") {
      if (e.source === value.id) {
        const own = e.index.map((i) => (i.kind === "axis" ? i.name : ""));
        names = own.slice(
          0,
          own.findIndex((n, a) => n === "" || (names !== undefined && n !== names[a])) >>> 0,
        );
      }
      for (const i of e.index) visit(i);
    } else if (e.kind === "apply") for (const a of e.args) visit(a);
  };
  for (const s of kernel.body) {
    for (const e of s.kind === "store" ? [s.value] : expressionsOf(s)) visit(e);
  }
  return value.strides.every((s) => s <= value.strides[0]) ? (names ?? []) : [];
}
