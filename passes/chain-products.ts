/**
 * @file chain-products: two products that follow each other, the second of which multiplies the rows that the first has stored at the same
 * points of its outer axes (up and down of a per-token FFN), become one launch on Hopper. Its workgroups go through the tiles of both,
 * token by token, and a token's intermediate is read while it is still in the L2 cache (`backends/lower/hopper/chain.ts`).
 *
 *     h[n, t, k] = act(Σ_d x[n, t, d] · w1[t, d, k])        phase 1, some tokens ahead
 *     y[n, t, d] = Σ_k h[n, t, k] · w2[t, k, d] + …         phase 2
 *
 * It comes after `schedule` and `merge-phases`, which leave such products apart. The intermediate is stored as before, for whoever else
 * reads it; what is saved is its way back from memory, a launch, and the time for which multiprocessors wait at the end of the first
 * product. Products stay apart where the rows of the tokens between them do not fit the cache, and where the cost model says so.
 */
import { type DeviceCeilings, defaultCeilings } from "../src/ir/ceilings.ts";
import { sameExpr, walkExpr } from "../src/ir/expr.ts";
import type { ComputeType, Stage } from "../src/ir/graph.ts";
import { type Plan, type PlanValue, bytesOf as valueBytes } from "../src/ir/plan.ts";
import type { Profile } from "../src/ir/profile.ts";
import { points } from "../src/ir/schedule.ts";
import { expressionsOf, type GridAxis, type TileKernel, type TileStmt } from "../src/ir/tile.ts";
import type { Apart, Fused } from "./fuse.ts";
import { bytesOf, unite } from "./fusion/buffers.ts";
import { bundleOf, extended, kernelOf } from "./fusion/phases.ts";
import { definePass } from "./pass.ts";
import { type ChainSchedule, chainSchedule } from "./scheduling/chain.ts";
import { computeTypes } from "./scheduling/computetype.ts";
import { servedRows } from "./scheduling/form.ts";
import { copiesOf } from "./scheduling/hopper.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;

/** The L2 cache of an H100 or H200. */
const L2_BYTES = 50 * 1024 * 1024;

interface Context {
  readonly plan: Plan;
  readonly profile: Profile;
  readonly ceilings: DeviceCeilings;
  readonly computeOf: (kernel: TileKernel) => ComputeType;
}

export const chainProducts = definePass<Fused, Fused>({
  name: "chain-products",
  summary:
    "runs both products of an FFN in one launch, so that the second reads what the first left in the cache",
  run({ graph, plan, apart = [] }, { profile, fusion = "all", ceilings = defaultCeilings(profile) }) {
    if (fusion !== "all" || profile.cuda?.arch !== "sm_90a") return { graph, plan, apart };
    const context = { plan, profile, ceilings, computeOf: computeTypes(graph, plan) };
    const user = chainAll(plan, "user", apart, context);
    const item = chainAll(user.plan, "item", user.apart, context);
    return { graph, ...item };
  },
});

interface Chained {
  readonly plan: Plan;
  readonly apart: readonly Apart[];
}

/** A stage's kernels with every pair that gains from it in one. */
function chainAll(before: Plan, stage: Stage, given: readonly Apart[], context: Context): Chained {
  const values = [...before.values];
  const units = [...(before.arenas.find((arena) => arena.stage === stage)?.units ?? [])];
  const done: TileKernel[] = [];
  let apart = given;
  for (const kernel of before.kernels[stage]) {
    const last = done.at(-1);
    const made = last === undefined ? undefined : chainOf(last, kernel, context);
    if (last === undefined || made === undefined) {
      done.push(kernel);
      continue;
    }
    const isPair = (pair: Apart): boolean =>
      pair.stage === stage && pair.from === last.name && pair.to === kernel.name;
    if (typeof made === "string") {
      apart = apart.map((pair) => (isPair(pair) ? { ...pair, reason: made } : pair));
      done.push(kernel);
      continue;
    }
    const counters = counterValue(made, values.length, units.length);
    values.push(counters);
    units.push(counters.unit);
    done[done.length - 1] = withCounters(made, counters);
    const renamed = (name: string): string => (name === last.name ? kernel.name : name);
    apart = apart.flatMap((pair) =>
      isPair(pair) ? [] : [{ ...pair, from: renamed(pair.from), to: renamed(pair.to) }],
    );
  }
  const arenas = before.arenas.map((arena) => (arena.stage === stage ? { stage, units } : arena));
  return { plan: { ...before, values, arenas, kernels: { ...before.kernels, [stage]: done } }, apart };
}

/** A kernel of two phases that lacks its counters. */
interface Pair {
  readonly kernel: TileKernel;
  readonly schedule: ChainSchedule;
  /** Points of the outer axes. */
  readonly groups: number;
}

/** Both products in one kernel; why not, where both are Hopper's; undefined where they are no such products. */
function chainOf(first: TileKernel, second: TileKernel, context: Context): Pair | string | undefined {
  const { plan, profile } = context;
  const [p, q] = [productOf(first), productOf(second)];
  if (p === undefined || q === undefined) return undefined;
  const stored = first.body.flatMap((s) => (s.kind === "store" ? [s.target] : []));
  if (!second.buffers.some(({ value }) => stored.includes(value))) return undefined;
  if ([first, second].some((kernel) => kernel.slicing || kernel.grid.some(({ rows }) => rows)))
    return "one of them has rows of a list, or a parameter above the binding limit";
  if ([p, q].some(({ dots }) => copiesOf(dots, p.half, plan.values) !== "tiles"))
    return "one of them has rows that threads gather";
  if (readsBeside(second, q.dots, stored))
    return "more than the second's products reads what the first stores";
  const outer = outerAxes(first, p.dots);
  const bundle = extended(bundleOf(first), second);
  const shared = bundle.shared.filter((axis) => axis.kind === "batch" || axis.extent !== 1);
  const known = outer !== undefined && outerAxes(second, q.dots)?.length === outer.length;
  if (!known || shared.length !== outer.length + 1 || !sameRows(first, second))
    return "the second multiplies other rows than those at which the first stores";
  const groups = outer.reduce((all, { extent }) => all * points(extent, 1), 1);
  const buffers = unite([first.buffers, second.buffers]);
  const bytes = bytesOf(buffers, plan);
  const schedule = chainSchedule(first, second, groups, { ...context, bytes });
  if (schedule === undefined) return "no schedule of one cuts rows as one of the other does";
  const between = Math.min(groups, schedule.lag + 1);
  const held = (between * bytes.perRow * servedRows(first, plan)) / groups;
  const most = profile.cuda?.l2Bytes ?? L2_BYTES;
  if (held > most)
    return `the rows of ${between} of ${groups} groups are ${megabytes(held)}, the L2 cache has ${megabytes(most)}`;
  if (schedule.seconds >= schedule.apart)
    return `one launch is expected to take ${microseconds(schedule.seconds)}, two ${microseconds(schedule.apart)}`;
  const [a, b] = schedule.kernels;
  const whole = kernelOf(extended(bundleOf(a), b), plan);
  const read = servedRows(first, plan) * readAgain(second, stored, plan.values);
  const gain =
    `${megabytes(read)} of rows less to read, of ${megabytes(held)} in a cache of ${megabytes(most)}; ` +
    `${microseconds(schedule.seconds)} expected for ${microseconds(schedule.apart)} apart`;
  const kernel: TileKernel = {
    ...whole,
    name: second.name,
    about: { ...whole.about, gain, ...(second.about.origin && { origin: second.about.origin }) },
  };
  return { kernel, schedule, groups };
}

/** The products of a kernel of warpgroups. */
function productOf({ body, lowering }: TileKernel) {
  if (lowering.kind !== "hopper") return undefined;
  return { half: lowering.half, dots: body.filter((s): s is Dot => s.kind === "dot") };
}

/**
 * The axes before a product's columns and rows, whose points have nothing in common; undefined if they are in another order. One of a single
 * point is none: no index names it.
 */
function outerAxes({ grid }: TileKernel, [dot]: readonly Dot[]): readonly GridAxis[] | undefined {
  const outer = grid.slice(0, -2);
  const [columns, rows] = grid.slice(-2);
  const plain = outer.every(({ extent }) => typeof extent === "number");
  const inOrder = columns?.name === dot?.n && rows?.name === dot?.m && plain;
  return inOrder ? outer.filter(({ extent }) => extent !== 1) : undefined;
}

function sameRows(first: TileKernel, second: TileKernel): boolean {
  const [a, b] = [first.grid.at(-1)?.extent, second.grid.at(-1)?.extent];
  if (typeof a !== "object" || typeof b !== "object") return false;
  return a.of === b.of && a.times === b.times;
}

/** Whether anything of a kernel but its products' rows reads one of `values`. */
function readsBeside({ body }: TileKernel, dots: readonly Dot[], values: readonly number[]): boolean {
  let found = false;
  for (const e of body.flatMap(expressionsOf)) {
    if (dots.some(({ a }) => sameExpr(a, e))) continue;
    walkExpr(e, (node) => {
      found ||= node.kind === "load" && values.includes(node.source);
    });
  }
  return found;
}

/** Bytes of a row that the second product reads of what the first stores. */
function readAgain({ buffers }: TileKernel, stored: readonly number[], values: Plan["values"]): number {
  return buffers.reduce((sum, { value }) => {
    const of = values[value];
    return stored.includes(value) ? sum + valueBytes(of, of.unit) : sum;
  }, 0);
}

/** A word for each point of the outer axes and tile of rows, of which a row of the batch has as many as it begins, at most. */
function counterValue({ kernel, schedule, groups }: Pair, id: number, slot: number): PlanValue {
  const rows = schedule.kernels[0].grid.at(-1);
  if (rows === undefined || typeof rows.extent === "number")
    throw new Error(`internal: ${kernel.name} has no rows of a batch`);
  const unit = groups * Math.ceil(rows.extent.times / rows.tile);
  return {
    id,
    name: `${kernel.name}_done`,
    element: "u32",
    shape: [rows.extent.of, unit],
    strides: [unit, 1],
    unit,
    home: { kind: "temp", stage: kernel.stage, slot },
  };
}

function withCounters({ kernel, schedule }: Pair, { id }: PlanValue): TileKernel {
  const [a, b] = schedule.kernels;
  const { lowering } = a;
  if (lowering.kind !== "hopper") throw new Error(`internal: ${a.name} is no product of warpgroups`);
  const { half, cluster, blocks, groups } = lowering;
  const columns = ({ grid }: TileKernel): number => {
    const axis = grid.at(-2);
    return Math.ceil(points(axis?.extent ?? 1, 1) / (axis?.tile ?? 1));
  };
  return {
    ...kernel,
    buffers: [...kernel.buffers, { value: id, access: "write" }],
    lowering: {
      kind: "chain",
      half,
      threads: 128 * (groups + 1),
      cluster,
      blocks,
      tiles: [columns(a), columns(b)],
      counters: id,
    },
  };
}

function megabytes(bytes: number): string {
  return `${Number((bytes / 1e6).toPrecision(3))} MB`;
}

function microseconds(seconds: number): string {
  return `${Number((seconds * 1e6).toPrecision(4))} µs`;
}
