/** @file The head of a kernel's text: what it computes, on what, at which cost and how it is cut. */
import type { AxisExtent, Extent } from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import { batchOf } from "../../src/ir/tile.ts";

export function headerOf(kernel: TileKernel, plan: { readonly values: readonly PlanValue[] }): string[] {
  const { fused, flops, bytes, gain } = kernel.about;
  const rows = batchOf(kernel.stage);
  const per = rows === undefined ? "" : ` per row of ${rows}`;
  const shape = (access: "read" | "write"): string =>
    kernel.buffers
      .filter((b) => b.access === access)
      .map(
        (b) => `${plan.values[b.value]?.name}[${(plan.values[b.value]?.shape ?? []).map(extent).join(", ")}]`,
      )
      .join(", ");
  const does = kernel.phases
    ? kernel.phases.flatMap((phase, i) => [
        `phase ${i + 1}, ${phase.name}: ${count(phase.about.flops)}FLOP${per}`,
        ...phase.about.fused.map((line) => `  ${line}`),
        `  grid   ${axesOf(phase)}`,
        `  plan   ${scheduleOf(phase)}`,
      ])
    : fused;
  return [
    `${kernel.name} (${kernel.stage} stage)`,
    ...does.map((line) => `  ${line}`),
    `reads  ${shape("read")}`,
    `writes ${shape("write")}`,
    `cost   ${count(flops)}FLOP${per}; ${count(bytes.fixed)}B${rows === undefined ? "" : ` and ${count(bytes.perRow)}B${per}`}`,
    `grid   ${axesOf(kernel)}`,
    `plan   ${scheduleOf(kernel)}`,
    ...(gain === undefined ? [] : [`gain   ${gain}`]),
  ];
}

function axesOf({ grid, inner }: Pick<TileKernel, "grid" | "inner">): string {
  const outer = grid.map((a) => `${a.name} ${axisExtent(a.extent)}${a.tile === 1 ? "" : ` by ${a.tile}`}`);
  const inside = inner.map((a) => `${a.name} ${a.extent}`);
  return `${outer.join(", ")}${inside.length === 0 ? "" : `; inside ${inside.join(", ")}`}`;
}

function scheduleOf({ lowering: l, grid }: Pick<TileKernel, "lowering" | "grid">): string {
  switch (l.kind) {
    case "element":
      return `a thread a point${l.vector === 4 ? ", four points where they lie together" : ""}, ${l.threads} threads`;
    case "row":
      return `${l.lanes} lanes a row, ${l.rows} row${l.rows === 1 ? "" : "s"}${l.turns === undefined ? "" : ` at a time, ${l.turns} one after another`}, combined through ${l.combine === "subgroup" ? "the subgroup" : "workgroup memory"}`;
    case "subgroup": {
      // Two products may share the lanes' columns: see exchange.ts.
      const shared = grid.some((a) => a.tile === 2 * l.lanes);
      return `one subgroup of ${l.lanes} lanes, ${l.rows} rows × ${shared ? `${2 * l.lanes} columns of two products` : `${4 * l.lanes} columns`}`;
    }
    case "blocked":
      return `${l.threadsM} × ${l.threadsN} threads, ${l.registersM} × ${l.registersN} accumulators each${l.buffers === 2 ? ", two buffers" : ""}`;
    case "matrix":
      return `${l.subgroupsM} × ${l.subgroupsN} subgroups of ${l.lanes} lanes, ${l.tilesM} × ${l.tilesN} matrices of ${l.shape.m} × ${l.shape.n} each, ${l.shape.k} of k at once`;
    case "mma":
      return `${l.warpsM} × ${l.warpsN} warps, ${16 * l.tilesM} × ${8 * l.tilesN} accumulators each, ${l.format} on tensor cores, ${l.stages} stages`;
    case "hopper":
      return `${l.groups} warpgroups multiply 64 × ${l.columns} each${l.turns ? " in turn" : ""}, one copies into ${l.stages} stages, ${l.half} on tensor cores, ${l.blocks} workgroups${l.cluster === 1 ? "" : `, ${l.cluster} of which share columns`}`;
    case "stream":
      return `${l.warpsN} × ${l.warpsK} warps along columns and k, ${8 * l.rows} rows × ${32 * l.columns} columns each, ${l.format}${l.format === "f32" ? "" : " on tensor cores"}, weights ${16 * l.ahead} of k ahead`;
    case "score":
      return `${l.lanes} lanes, ${l.rows} row${l.rows === 1 ? "" : "s"} × ${4 * l.lanes * l.groups} columns, weights handed round through ${l.combine === "subgroup" ? "the subgroup" : "workgroup memory"}`;
    case "flash":
      return `${l.warps} warps of 16 rows, ${l.keys} keys at a time, ${l.format} on tensor cores`;
    case "list":
      return `${l.threads} threads a group of rows`;
    case "phases":
      return `phases one after the other, ${l.threads} threads`;
    case "chain":
      return `tiles of both phases in turn, those of the second waiting for the first's; ${l.blocks} workgroups${l.cluster === 1 ? "" : `, ${l.cluster} of which share columns`}`;
    default:
      return l satisfies never;
  }
}

function extent(e: Extent): string {
  return String(e);
}

function axisExtent(e: AxisExtent): string {
  return typeof e === "number" ? String(e) : e.times === 1 ? e.of : `${e.of} × ${e.times}`;
}

/** 1536 → "1.54 k". */
function count(n: number): string {
  const units = ["", "k", "M", "G", "T"];
  let i = 0;
  let value = n;
  while (value >= 1000 && i < units.length - 1) {
    value /= 1000;
    i++;
  }
  return `${i === 0 ? value : Number(value.toPrecision(3))} ${units[i]}`;
}
