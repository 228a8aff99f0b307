/**
 * @file Plans and tile kernels as text that a person can read: values with their homes, then each kernel's grid, its
 * statements as formulas, how it is lowered and what it costs.
 */
import { type AxisExtent, type Expr, printExpr } from "./expr.ts";
import type { Home, Plan, PlanValue } from "./plan.ts";
import type { ListStep, Lowering, RowAxis, TileKernel, TileStmt } from "./tile.ts";

export function printPlan(plan: Plan): string {
  const lines = [`plan ${plan.name} for ${plan.profile.name}`, ""];
  for (const v of plan.values) lines.push(printValue(v));
  for (const arena of plan.arenas) {
    if (arena.units.length > 0) lines.push(`arena ${arena.stage}: ${arena.units.join(", ")} elements a row`);
  }
  for (const stage of ["load", "user", "item"] as const) {
    for (const kernel of plan.kernels[stage]) lines.push("", printKernel(kernel, plan));
  }
  lines.push("");
  for (const o of plan.outputs)
    lines.push(`task ${o.task}: [${o.shape.join(", ")}] = ${plan.values[o.value].name}`);
  return `${lines.join("\n")}\n`;
}

function printValue(v: PlanValue): string {
  const padded = v.unit !== v.shape.reduce<number>((p, s) => (typeof s === "number" ? p * s : p), 1);
  const strides = padded ? ` strides [${v.strides.join(", ")}]` : "";
  const blocks = v.packing?.blocks === undefined ? "" : ` blocks ${v.packing.blocks.join(" ")}`;
  const element = v.packing?.element ?? v.element;
  return `value ${v.name}: ${element}[${v.shape.join(", ")}]${strides}${blocks} ${printHome(v.home)}`;
}

function printHome(home: Home): string {
  switch (home.kind) {
    case "param":
      return home.rows ? `param rows ${home.rows.from} to ${home.rows.to}` : "param";
    case "constant":
      return `constant of ${home.values.length}`;
    case "input":
      return `input ${home.stage}${home.rows ? ` as rows of ${home.rows}` : ""}`;
    case "rows":
      return `rows of ${home.path} gathered for ${home.features.join(", ")}`;
    case "kept":
      return home.feature ? "kept, uploaded" : "kept";
    case "temp":
      return `temp ${home.stage} slot ${home.slot}`;
    case "list":
      return `list ${home.stage}`;
    case "output":
      return `output ${home.task}`;
    default:
      return home.kind;
  }
}

/** One kernel, its loads written with the names of `plan`'s values. */
export function printKernel(kernel: TileKernel, plan: Pick<Plan, "values">): string {
  const name = (id: number): string => plan.values[id]?.name ?? `%${id}`;
  const lines = [
    `${kernel.stage} kernel ${kernel.name} ${printAxes(kernel, name)}`,
    ...(kernel.lists ? printListStep(kernel.lists, name) : []),
    ...printBody(kernel, name),
    ...(kernel.phases ?? []).flatMap((phase) => [
      `  phase ${phase.name} ${printAxes(phase, name)} by ${printLowering(phase.lowering)}`,
      ...printBody(phase, name).map((line) => `  ${line}`),
    ]),
    `  by ${printLowering(kernel.lowering)}; ${kernel.about.flops} FLOPs and ${kernel.about.bytes.perRow} bytes a row, ${kernel.about.bytes.fixed} bytes fixed`,
  ];
  if (kernel.slicing) {
    const ranges = kernel.slicing.ranges.map((r) => `${r.from}:${r.to}`).join(" ");
    lines.push(
      `  sliced along ${kernel.slicing.axis}: ${ranges} (${kernel.slicing.values.map(name).join(", ")})`,
    );
  }
  return lines.join("\n");
}

function printAxes(
  { grid, inner }: Pick<TileKernel, "grid" | "inner">,
  name: (id: number) => string,
): string {
  const axes = grid.map(
    (a) =>
      `${a.name}: ${printExtent(a.extent)}${a.tile === 1 ? "" : `/${a.tile}`}${a.rows ? printRowAxis(a.rows, name) : ""}`,
  );
  const over = inner.map((a) => `${a.name}: ${a.extent}${a.step === 1 ? "" : `/${a.step}`}`);
  return `(${axes.join(", ")})${over.length > 0 ? ` over (${over.join(", ")})` : ""}`;
}

function printBody({ body }: Pick<TileKernel, "body">, name: (id: number) => string): string[] {
  return body.map((s) => `  ${printStmt(s, name)}`);
}

function printRowAxis({ tiles, times, group }: RowAxis, name: (id: number) => string): string {
  const of = group ? `tiles of (${group.map((g) => `${g.name}: ${g.extent}`).join(", ")})` : "rows";
  return ` ${times === 1 ? "" : `${times} times `}${of} in ${name(tiles)}`;
}

function printListStep({ step, list, active, launches }: ListStep, name: (id: number) => string): string[] {
  const where = `m of ${printExtent(list.members)} with ${printExpr(active, name)}`;
  if (step === "count") return [`  ${name(list.counts)}[g] = count of ${where}`];
  const launch = launches.map(({ of, times, tile, others }) => `${times} ${of} / ${tile} · ${others}`);
  return [
    `  ${name(list.rows)}, ${name(list.places)} = the rows (m, g) for ${where}, at most ${list.most} a row`,
    `  ${name(list.tiles)} = tiles of ${list.tile} rows; ${name(list.launches)} = ${launch.join(", ")}`,
  ];
}

export function printStmt(s: TileStmt, name: (id: number) => string): string {
  switch (s.kind) {
    case "reduce":
      return `${s.out} = ${s.fn} over ${s.over.join(", ")} of ${printExpr(s.value, name)}`;
    case "moments":
      return `${s.mean}, ${s.m2} = moments over ${s.over.join(", ")} of ${printExpr(s.value, name)}`;
    case "dot":
      return `${s.out}[${s.m}, ${s.n}] = dot over ${s.k} of (${printExpr(s.a, name)}) · (${printExpr(s.b, name)})`;
    case "score": {
      const e = (x: Expr): string => printExpr(x, name);
      const score = `${s.score} = dot over ${s.k} of (${e(s.a)}) · (${e(s.b)})`;
      const weight = s.norm === "softmax" ? `softmax(${e(s.weight)})` : `(${e(s.weight)})`;
      const gain = s.gain ? ` · (${e(s.gain)})` : "";
      const { from, to } = s.visible ?? {};
      const range = s.visible ? ` in [${from ? e(from) : "0"}, ${to ? e(to) : "end"})` : "";
      const segment = s.segment ? `, rows together by ${e(s.segment)}` : "";
      return `${s.out}[${s.m}, ${s.n}] = sum over ${s.j}${range} of ${weight}${gain} · (${e(s.v)}) with ${score}${segment}`;
    }
    case "let":
      return `${s.out} = ${printExpr(s.value, name)}`;
    case "store": {
      const over = s.over.length > 0 ? ` for ${s.over.join(", ")}` : "";
      return `${name(s.target)}[${s.index.map((i) => printExpr(i, name)).join(", ")}]${over} = ${printExpr(s.value, name)}`;
    }
  }
}

export function printExtent(extent: AxisExtent): string {
  if (typeof extent === "number") return `${extent}`;
  return extent.times === 1 ? extent.of : `${extent.times}·${extent.of}`;
}

function printLowering(l: Lowering): string {
  switch (l.kind) {
    case "element":
      return `element, ${l.threads} threads${l.vector === 4 ? " of vec4" : ""}`;
    case "row":
      return `row, ${l.lanes} lanes a row (${l.combine})${l.vector === 4 ? ", vec4" : ""}`;
    case "subgroup":
      return `subgroup of ${l.lanes}, ${l.rows} rows`;
    case "score":
      return `score, ${l.lanes} lanes (${l.combine}), ${l.rows} rows, ${l.groups} column groups`;
    case "blocked":
      return `blocked, ${l.threadsM} × ${l.threadsN} threads of ${l.registersM} × ${l.registersN}${l.buffers === 2 ? ", two buffers" : ""}`;
    case "matrix":
      return `matrix, ${l.subgroupsM} × ${l.subgroupsN} subgroups of ${l.tilesM} × ${l.tilesN} of ${l.shape.m} × ${l.shape.n} × ${l.shape.k}`;
    case "mma":
      return `mma ${l.format}, ${l.warpsM} × ${l.warpsN} warps of ${l.tilesM} × ${l.tilesN} fragments, ${l.stages} stages`;
    case "hopper":
      return `hopper ${l.half}, ${l.groups} tiles of 64 × ${l.columns}${l.turns ? " in turn" : ""}, ${l.stages} stages, ${l.blocks} workgroups${l.cluster === 1 ? "" : ` in clusters of ${l.cluster}`}`;
    case "stream":
      return `stream ${l.format}, ${l.warpsN} × ${l.warpsK} warps of ${8 * l.rows} × ${32 * l.columns}, ${l.ahead} pieces of k ahead`;
    case "flash":
      return `flash ${l.format}, ${l.warps} warps of 16 rows, ${l.keys} keys`;
    case "list":
      return `list, ${l.threads} threads a group`;
    case "phases":
      return `phases, ${l.threads} threads`;
    case "chain":
      return `chain ${l.half}, ${l.tiles[0]} and ${l.tiles[1]} tiles of columns, ${l.blocks} workgroups${l.cluster === 1 ? "" : ` in clusters of ${l.cluster}`}`;
  }
}
