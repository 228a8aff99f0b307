/**
 * @file A schedule as data: how one tile kernel is spread over threads. `passes/scheduling` lists the valid ones and chooses
 * by a cost model; a tuner measures some of them and stores the fastest under the kernel's key, the shape bucket and the device.
 *
 * Two kernels have one key where a schedule of one serves the other equally well: the same mathematics over the same shapes
 * and strides, whatever their values are called and wherever they stand in the model.
 */
import type { AxisExtent, Expr } from "./expr.ts";
import { printExpr } from "./expr.ts";
import type { Plan, PlanValue } from "./plan.ts";
import type { Lowering, TileKernel, TileStmt } from "./tile.ts";
import { expressionsOf } from "./tile.ts";

/** Plain JSON. `tiles`: points of a workgroup along grid axes; `steps`: elements a lowering streams along inner axes; absent: 1. */
export interface Schedule {
  readonly lowering: Lowering;
  readonly tiles: Readonly<Record<string, number>>;
  readonly steps: Readonly<Record<string, number>>;
}

/** Where measured schedules come from: the tuner's cache, or a file beside an artifact. */
export interface ScheduleSource {
  find(key: string, bucket: number): Schedule | undefined;
}

/** The schedule that a kernel has. */
export function scheduleOf(kernel: TileKernel): Schedule {
  const tiles = kernel.grid.filter((a) => a.tile !== 1).map((a) => [a.name, a.tile] as const);
  const steps = kernel.inner.filter((a) => a.step !== 1).map((a) => [a.name, a.step] as const);
  return {
    lowering: kernel.lowering,
    tiles: Object.fromEntries(tiles),
    steps: Object.fromEntries(steps),
  };
}

/** The kernel with another schedule; whether it is one of the kernel's is for `scheduleSpace` to say. */
export function withSchedule(kernel: TileKernel, { lowering, tiles, steps }: Schedule): TileKernel {
  return {
    ...kernel,
    lowering,
    grid: kernel.grid.map((a) => ({ ...a, tile: tiles[a.name] ?? 1 })),
    inner: kernel.inner.map((a) => ({ ...a, step: steps[a.name] ?? 1 })),
  };
}

/** Whether two schedules are the same, whatever order their fields stand in. */
export function sameSchedule(a: Schedule, b: Schedule): boolean {
  return canonical(a) === canonical(b);
}

/**
 * A short hash of the kernel's tile program, free of names, lowering and tiles; values count by element type, shape and strides.
 * The same for a kernel before and after it is scheduled.
 */
export function kernelKey(kernel: TileKernel, values: readonly PlanValue[]): string {
  const order = new Map<number, number>();
  const name = (source: number): string => {
    if (!order.has(source)) order.set(source, order.size);
    return `%${order.get(source)}`;
  };
  const text = [
    ...kernel.grid.map(
      (a) => `${a.name} ${extentText(a.extent)}${a.rows ? ` ${JSON.stringify(listShape(a.rows))}` : ""}`,
    ),
    ...kernel.inner.map((a) => `${a.name} ${a.extent}`),
    ...kernel.body.map((s) => statementText(s, name)),
    ...(kernel.lists ? [canonical({ step: kernel.lists.step, groups: kernel.lists.list.groups })] : []),
    ...[...order].map(([source, i]) => {
      const { element, shape, strides, packing } = values[source];
      const packed = packing ? ` ${packing.element} ${packing.blocks?.join() ?? ""}` : "";
      return `%${i} ${element} ${shape.join()} ${strides.join()}${packed}`;
    }),
  ].join("\n");
  return hash(text);
}

/**
 * Rows of the batch axis that a schedule is tuned for: those of a call of the size in `serve`, rounded up to a power of two; 1
 * where the kernel runs over none (the load stage).
 */
export function shapeBucket(kernel: TileKernel, serve: Plan["serve"]): number {
  const rows = batchRows(kernel, serve);
  return 2 ** Math.ceil(Math.log2(Math.max(1, rows)));
}

/** Rows of the batch axis that the kernel runs over in a call of the size in `serve`. */
export function batchRows({ stage }: TileKernel, serve: Plan["serve"]): number {
  return stage === "item" ? serve.candidates : stage === "user" ? serve.requests : 1;
}

/** An extent's points in a call with `rows` rows of the batch axis. */
export function points(extent: AxisExtent, rows: number): number {
  return typeof extent === "number" ? extent : extent.times * rows;
}

function extentText(extent: AxisExtent): string {
  return typeof extent === "number" ? String(extent) : `${extent.times}${extent.of}`;
}

function listShape({
  times,
  group,
}: {
  readonly times: number;
  readonly group?: readonly unknown[];
}): unknown {
  return { times, group: group ?? null };
}

function statementText(s: TileStmt, name: (source: number) => string): string {
  const expressions = expressionsOf(s).map((e: Expr) => printExpr(e, name));
  // What the statement is, without its expressions, which name values by their place in the plan.
  const rest = Object.entries(s).filter(
    ([, v]) => typeof v === "string" || (Array.isArray(v) && v.every((x) => typeof x === "string")),
  );
  const target = s.kind === "store" ? name(s.target) : "";
  return [canonical(Object.fromEntries(rest)), target, ...expressions].join(" ");
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) =>
    typeof v === "object" && v !== null && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );
}

/** FNV-1a over UTF-16 units, 64 bits, as 16 hexadecimal digits. */
function hash(text: string): string {
  const PRIME = 0x100000001b3n;
  let h = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) h = BigInt.asUintN(64, (h ^ BigInt(text.charCodeAt(i))) * PRIME);
  return h.toString(16).padStart(16, "0");
}
