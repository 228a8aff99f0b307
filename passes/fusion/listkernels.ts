/** @file The kernels that list a gate's active rows: one counts them a group, one writes the tables (`RowList` in tile.ts). */
import { axis, type Expr, int, ne, num } from "../../src/ir/expr.ts";
import { simplify } from "../../src/ir/simplify.ts";
import type { KernelBuffer, TileKernel } from "../../src/ir/tile.ts";
import { buffersOf, bytesOf } from "./buffers.ts";
import { split } from "./labels.ts";
import { type FusionContext, Reader } from "./reader.ts";
import type { GateList } from "./rows.ts";

export function buildListKernels(
  { gate, list, members, groups }: GateList,
  context: FusionContext,
): TileKernel[] {
  const stage = gate.program ?? "load";
  const reader = new Reader(context, stage, gate.id);
  const { shape } = gate.type;
  const index: Expr[] = [];
  const place = (flat: Expr, axes: readonly number[]): void => {
    const at = new Map<number, Expr>();
    split(flat, axes, new Map(axes.map((a) => [a, shape[a]])), at);
    for (const a of axes) index[a] = at.get(a) ?? int(0);
  };
  place(axis("m", list.members), members);
  place(axis("g", list.groups), groups);
  const active = simplify(ne(reader.loaded(gate, index), num(0)));
  const reads = buffersOf([{ kind: "let", out: "active", value: active }]);
  const write = (value: number): KernelBuffer => ({ value, access: "write" });
  const kernel = (step: "count" | "list", fused: string, buffers: readonly KernelBuffer[]): TileKernel => ({
    name: context.names.unique(`${gate.path || "gate"}.${step === "count" ? "count" : "rows"}`),
    stage,
    grid: [{ name: "g", extent: list.groups, tile: 1 }],
    inner: [],
    body: [],
    buffers: [...reads, ...buffers],
    lists: { step, list, active, launches: [] },
    lowering: { kind: "list", threads: 1 },
    about: {
      fused: [fused],
      flops: 0,
      bytes: bytesOf([...reads, ...buffers], { values: context.values.values, params: context.graph.params }),
      ...(gate.origin ? { origin: gate.origin } : {}),
    },
    roots: [],
  });
  const { counts, rows, places, tiles, launches } = list;
  return [
    kernel("count", `${gate.path}: how many rows are not 0`, [write(counts)]),
    kernel("list", `${gate.path}: which rows are not 0`, [
      { value: counts, access: "read" },
      ...[rows, places, tiles, launches].map(write),
    ]),
  ];
}
