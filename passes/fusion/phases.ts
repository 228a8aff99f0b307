/**
 * @file Kernels that become phases of one: which can, along which axes, and what speaks against it.
 *
 * A `Bundle` is kernels in the order in which one workgroup would run them. It starts as a single kernel that shares all its axes with
 * itself; each kernel that joins leaves those along which it reads nothing but its own workgroup's part of what the others store.
 * The axes that are left cut the work into workgroups, all others are gone through inside.
 */
import type { DeviceCeilings } from "../../src/ir/ceilings.ts";
import type { Plan } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { batchRows, points } from "../../src/ir/schedule.ts";
import type { GridAxis, TileKernel, TilePhase } from "../../src/ir/tile.ts";
import { bytesOf, unite } from "./buffers.ts";
import { linkOf } from "./links.ts";
import { renameAxes } from "./renameaxes.ts";
import { parameterBytes } from "./reuse.ts";
import { commonThreads, withThreads, workgroupBytes } from "./threads.ts";

export interface BundleContext {
  readonly plan: Plan;
  readonly profile: Profile;
  readonly ceilings: DeviceCeilings;
}

/** An axis that all members share: rows of the batch, or an axis of known extent by its name in each member. */
type Shared =
  | { readonly kind: "batch"; readonly of: "R" | "N" }
  | { readonly kind: "axis"; readonly names: readonly string[]; readonly extent: number };

export interface Bundle {
  readonly members: readonly TileKernel[];
  readonly shared: readonly Shared[];
}

/** Products of one kernel. On lavapipe an FFN's two in one took 14 % longer than apart: what crosses a barrier lives in memory. */
const MOST_PRODUCTS = 1;
/** Phases of one kernel, and statements of all of them: text and compile time stay bounded. */
const MOST_PHASES = 8;
const MOST_STATEMENTS = 48;
/** Workgroups for each core of a CPU: the last to finish is alone for at most a quarter of the time. A GPU hides that among many. */
const PER_CORE = 4;
/** A small call of the item stage has this share of the candidates that the model serves; one of the user stage has one request. */
const SMALL_CALL = 1 / 8;
/**
 * Bytes of parameters that a workgroup may go through. The next one, at other rows, goes through the same again, while a product that
 * shares its columns keeps to a panel of them. On lavapipe 256 KiB (a RankMixer FFN of width 128) took 8 % longer so than apart.
 */
const CACHED = 1 << 17;

/** A bundle of one kernel. */
export function bundleOf(kernel: TileKernel): Bundle {
  const shared = kernel.grid.map((a): Shared => {
    if (typeof a.extent === "number") return { kind: "axis", names: [a.name], extent: a.extent };
    return { kind: "batch", of: a.extent.of };
  });
  // Neighbours in time share the outer axes, and with them parameters: rows of the batch go innermost.
  const inOrder = [...shared.filter((s) => s.kind === "axis"), ...shared.filter((s) => s.kind === "batch")];
  return { members: [kernel], shared: inOrder };
}

/** Why a kernel runs alone whatever it reads; undefined if it need not. */
export function alone(kernel: TileKernel): string | undefined {
  if (kernel.lists) return "lists active rows, which takes all of the gate";
  if (kernel.indirect) return "runs over a list of active rows, whose workgroups the device counts";
  if (kernel.slicing) return "is launched once a slice of a parameter above the binding limit";
  if (kernel.lowering.kind === "score" && kernel.lowering.combine === "shared")
    return "hands its weights round through workgroup memory";
  if (kernel.lowering.kind === "flash") return "goes through its keys with all of a block's warps";
  if (kernel.lowering.kind === "stream") return "reads its weights at memory speed by itself";
  if (kernel.lowering.kind === "hopper")
    return "goes through its tiles by itself, its warps at different places";
  return undefined;
}

/** The bundle with one kernel more, or why not. */
export function joined(bundle: Bundle, kernel: TileKernel, context: BundleContext): Bundle | string {
  const apart = alone(kernel) ?? bundle.members.map(alone).find((reason) => reason !== undefined);
  if (apart !== undefined) return `one of them ${apart}`;
  const next = extended(bundle, kernel);
  if (next.shared.length === 0) return "it reads rows that other workgroups compute";
  return objection(bundle, next, context) ?? next;
}

/** The bundle with one kernel more, which shares the axes along which it reads nothing but its own part of what the others store. */
export function extended(bundle: Bundle, kernel: TileKernel): Bundle {
  const links = bundle.members.map((member) => linkOf(member, kernel));
  const shared = bundle.shared.flatMap((axis): Shared[] => {
    if (axis.kind === "batch") {
      const follows = links.every((l) => l === undefined || l.batch) && hasBatch(kernel, axis.of);
      return follows ? [axis] : [];
    }
    const own = ownAxis(axis, links, kernel);
    return own === undefined ? [] : [{ ...axis, names: [...axis.names, own] }];
  });
  return { members: [...bundle.members, kernel], shared };
}

function hasBatch({ grid }: TileKernel, of: "R" | "N"): boolean {
  return grid.some((a) => typeof a.extent !== "number" && a.extent.of === of && !a.rows);
}

/** The name of the axis in a kernel that joins: the same one for everything that it reads of the members. */
function ownAxis(
  { names, extent }: Extract<Shared, { kind: "axis" }>,
  links: readonly ReturnType<typeof linkOf>[],
  kernel: TileKernel,
): string | undefined {
  const own = kernel.grid.filter((a) => a.extent === extent).map((a) => a.name);
  return own.find((to) =>
    links.every((link, i) => link === undefined || link.axes.some((a) => a.from === names[i] && a.to === to)),
  );
}

function objection(before: Bundle, next: Bundle, context: BundleContext): string | undefined {
  const { plan, profile, ceilings } = context;
  const { members } = next;
  const kernel = members[members.length - 1];
  if (members.length > MOST_PHASES) return `a kernel has ${MOST_PHASES} phases at most`;
  const products = members.filter((m) => m.body.some((s) => s.kind === "dot" || s.kind === "score")).length;
  if (products > MOST_PRODUCTS) return "a kernel has one product, whose accumulators take the registers";
  const statements = members.reduce((sum, m) => sum + m.body.length, 0);
  if (statements > MOST_STATEMENTS) return `together they have ${statements} statements`;
  const bindings = unite(members.map((m) => m.buffers)).length;
  const most = profile.limits.storageBuffers;
  if (bindings > most) return `together they bind ${bindings} values, the device allows ${most}`;
  const threads = commonThreads(members);
  if (threads === undefined) return "their workgroups differ in threads";
  const memory = members.reduce((sum, m) => sum + workgroupBytes(m, threads), 0);
  if (memory > profile.limits.workgroupMemory)
    return `together they take ${memory} bytes of workgroup memory, the device has ${profile.limits.workgroupMemory}`;

  const rows = kernel.stage === "item" ? Math.max(1, batchRows(kernel, plan.serve) * SMALL_CALL) : 1;
  const workgroups = (grid: readonly GridAxis[]): number =>
    grid.reduce((n, a) => n * Math.ceil(points(a.extent, rows) / a.tile), 1);
  const parts = partsIn(next, threads);
  const grid = sharedGrid(next, parts);
  if (!divides(next, parts, grid)) return "their tiles do not divide each other";
  const busy = ceilings.workers * (profile.features.software ? PER_CORE : 1);
  const apart = Math.max(workgroups(sharedGrid(before, before.members)), workgroups(kernel.grid));
  const enough = Math.min(busy, apart);
  const left = workgroups(grid);
  if (left < enough)
    return `a small call would be ${left} ${left === 1 ? "workgroup" : "workgroups"}, too few to keep the device busy`;
  const bytes = parts.reduce((sum, m, i) => sum + parameterBytes(m, gridIn(next, grid, m, i), context), 0);
  const alreadyRead = Math.max(...members.map((m) => parameterBytes(m, m.grid, context)));
  if (bytes > Math.max(CACHED, alreadyRead))
    return `a workgroup would go through ${Math.ceil(bytes / 1024)} KiB of parameters, more than a core keeps close`;
  return undefined;
}

/** The members as they run in workgroups of `threads`: along a shared axis each workgroup has one point, so that many are left. */
function partsIn({ members, shared }: Bundle, threads: number): readonly TileKernel[] {
  return members.map((member, i) => {
    const part = withThreads(member, threads);
    const last = part.grid.at(-1);
    const along = shared.some((s) =>
      s.kind === "batch" ? typeof last?.extent !== "number" : s.names[i] === last?.name,
    );
    if (part.lowering.kind !== "row" || part.lowering.turns === undefined || !along) return part;
    const { turns: _, ...lowering } = part.lowering;
    return { ...part, lowering, grid: part.grid.map((a) => (a === last ? { ...a, tile: 1 } : a)) };
  });
}

/** The axes of the kernel that a bundle becomes; its tiles are the members' largest. */
function sharedGrid({ shared }: Bundle, parts: readonly TileKernel[]): readonly GridAxis[] {
  return shared.map((axis): GridAxis => {
    if (axis.kind === "batch") {
      const tile = parts.reduce((most, part) => {
        const own = part.grid.find((a) => typeof a.extent !== "number" && a.extent.of === axis.of);
        const times = own === undefined || typeof own.extent === "number" ? 1 : own.extent.times;
        return Math.max(most, Math.ceil((own?.tile ?? 1) / times));
      }, 1);
      return { name: axis.of === "N" ? "n" : "r", extent: { of: axis.of, times: 1 }, tile };
    }
    const tile = parts.reduce((most, part, i) => {
      const own = part.grid.find((a) => a.name === axis.names[i]);
      return Math.max(most, own?.tile ?? 1);
    }, 1);
    return { name: axis.names[0] ?? "", extent: axis.extent, tile };
  });
}

/** Whether every member's tiles start where a workgroup's part of a shared axis starts. */
function divides({ shared }: Bundle, parts: readonly TileKernel[], grid: readonly GridAxis[]): boolean {
  return shared.every((axis, s) =>
    parts.every((part, i) => {
      if (axis.kind === "batch") return true;
      const own = part.grid.find((a) => a.name === axis.names[i]);
      return (grid[s]?.tile ?? 1) % (own?.tile ?? 1) === 0;
    }),
  );
}

/** The kernel's grid as the bundle's workgroups see it: shared axes by their tiles, all others whole. */
function gridIn(
  { shared }: Bundle,
  grid: readonly GridAxis[],
  part: TileKernel,
  index: number,
): readonly GridAxis[] {
  return part.grid.map((a): GridAxis => {
    const at = shared.findIndex((s) =>
      s.kind === "batch" ? typeof a.extent !== "number" && a.extent.of === s.of : s.names[index] === a.name,
    );
    if (at >= 0) return { ...a, tile: grid[at]?.tile ?? 1 };
    return { ...a, tile: typeof a.extent === "number" ? a.extent : a.tile };
  });
}

/** The kernel that runs a bundle's members in turn; a single one is itself. */
export function kernelOf(bundle: Bundle, plan: Pick<Plan, "values" | "params">): TileKernel {
  const { members, shared } = bundle;
  const [first] = members;
  if (first === undefined) throw new Error("internal: a bundle of no kernels");
  if (members.length === 1) return first;
  const threads = commonThreads(members);
  if (threads === undefined) throw new Error("internal: a bundle whose members differ in threads");
  const parts = partsIn(bundle, threads);
  const grid = sharedGrid(bundle, parts);
  const phases = parts.map((part, i): TilePhase => {
    const { name, grid, inner, body, lowering, about, roots } = renameAxes(part, namesIn(shared, part, i));
    return { name, grid, inner, body, lowering, about, roots };
  });
  const flops = members.map((m) => m.about.flops);
  const main = members[flops.lastIndexOf(Math.max(...flops))] ?? first;
  const buffers = unite(members.map((m) => m.buffers));
  return {
    name: main.name,
    stage: first.stage,
    grid,
    inner: [],
    body: [],
    buffers,
    phases,
    lowering: { kind: "phases", threads },
    about: {
      fused: members.flatMap((m) => m.about.fused),
      flops: flops.reduce((a, b) => a + b, 0),
      bytes: bytesOf(buffers, plan),
      ...(main.about.origin ? { origin: main.about.origin } : {}),
    },
    roots: members.flatMap((m) => m.roots),
  };
}

/** New names for a member's axes: shared ones as in the first member, and no other axis by such a name. */
function namesIn(shared: readonly Shared[], part: TileKernel, index: number): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const s of shared) {
    if (s.kind !== "axis") continue;
    const own = s.names[index];
    if (own !== undefined && own !== s.names[0]) names.set(own, s.names[0] ?? own);
  }
  const wanted = new Set(shared.flatMap((s) => (s.kind === "axis" ? [s.names[0]] : [])));
  const own = new Set(shared.flatMap((s) => (s.kind === "axis" ? [s.names[index]] : [])));
  const axes = [...part.grid, ...part.inner];
  const taken = new Set([...axes.map((a) => a.name), ...wanted]);
  for (const { name } of axes) {
    if (!wanted.has(name) || own.has(name)) continue;
    let fresh = 2;
    while (taken.has(`${name}${fresh}`)) fresh++;
    taken.add(`${name}${fresh}`);
    names.set(name, `${name}${fresh}`);
  }
  return names;
}
