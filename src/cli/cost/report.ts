/** @file What `rmxc cost` says, as text and as JSON. */
import type { Ceilings } from "../../cost/ceilings.ts";
import {
  type CallSize,
  callOf,
  type ModelCost,
  mapStages,
  type Part,
  rooflineTime,
  stageCall,
  stageNames,
} from "../../cost/cost.ts";
import type { Stage } from "../../ir/graph.ts";
import { bytes, figure, plural, seconds, table } from "../text.ts";

export interface CostReport {
  readonly cost: ModelCost;
  /** The same model with all that a request determines computed for every candidate. */
  readonly repeated: ModelCost;
  readonly size: CallSize;
  readonly ceilings: Ceilings;
}

export function describeCost(report: CostReport, depth: number): string {
  const { cost, size } = report;
  const { root, training, keptBytes } = cost;
  const apart = [
    `${figure(root.tables)} in tables${root.tables === 0 ? "" : ` (${bytes(cost.stored.tables)})`}`,
    ...(training > 0 ? [`${figure(training)} for training alone`] : []),
  ];
  const head = [
    `${cost.model}: ${figure(root.parameters)} parameters (${bytes(cost.stored.dense)} as stored), ${apart.join(", ")}`,
    `a call: ${plural(size.requests, "request")} with ${plural(size.candidates, "candidate")} in all; ` +
      `${bytes(keptBytes)} kept of each request`,
  ];
  return [head.join("\n"), partTable(root, size, depth), stageTable(report), reuseLines(report)].join("\n\n");
}

/** FLOPs of one row. */
function rowFlops(part: Part, stage: Stage): number {
  const { products, other } = part.work[stage];
  return products + other;
}

function partTable(root: Part, size: CallSize, depth: number): string {
  const rows: string[][] = [];
  const show = (label: string, part: Part, indent: number): void => {
    const { flops, bytes: moved } = callOf(part.work, size);
    rows.push([
      `${"  ".repeat(indent)}${label}`,
      part.parameters + part.tables === 0 ? "" : figure(part.parameters + part.tables),
      ...stageNames.map((stage) => (rowFlops(part, stage) === 0 ? "" : figure(rowFlops(part, stage)))),
      flops === 0 ? "" : figure(flops),
      moved === 0 ? "" : bytes(moved),
      intensity(flops, moved),
    ]);
  };
  const walk = (part: Part, indent: number): void => {
    if (indent >= depth) return;
    for (const { label, part: child } of alike(part.parts)) {
      const [name, end] = shortened(label, child);
      show(name, end, indent);
      walk(end, indent + 1);
    }
  };
  walk(root, 0);
  show("all", root, 0);
  const header = [
    "part",
    "parameters",
    "FLOPs a load",
    "a request",
    "a candidate",
    "a call",
    "bytes a call",
    "FLOP/B",
  ];
  return table(header, rows, ["left", ...header.slice(1).map(() => "right" as const)]);
}

/** A part with nothing but one part inside is shown as that: `0.block`. Where something is apart, it stays. */
function shortened(label: string, part: Part): [string, Part] {
  const [only, ...more] = part.parts;
  if (only === undefined || more.length > 0 || !sameCost(part, only)) return [label, part];
  return only.parts.length === 0 ? [label, part] : shortened(`${label}.${only.label}`, only);
}

/** Rounds of a loop that cost the same are one row: `0 … 3, each`. */
function alike(parts: readonly Part[]): { readonly label: string; readonly part: Part }[] {
  const groups: Part[][] = [];
  for (const part of parts) {
    const last = groups.at(-1);
    const before = last?.at(-1);
    const follows =
      before !== undefined && /^\d+$/.test(part.label) && Number(part.label) === Number(before.label) + 1;
    if (last !== undefined && before !== undefined && follows && sameCost(before, part)) last.push(part);
    else groups.push([part]);
  }
  return groups.map((group) => {
    const [first] = group;
    const label = group.length === 1 ? first.label : `${first.label} … ${group.at(-1)?.label}, each`;
    return { label, part: first };
  });
}

function sameCost(a: Part, b: Part): boolean {
  return (
    a.parameters === b.parameters &&
    a.tables === b.tables &&
    stageNames.every((stage) => {
      const [p, q] = [a.work[stage], b.work[stage]];
      return (
        p.products === q.products &&
        p.other === q.other &&
        p.rowBytes === q.rowBytes &&
        p.fixedBytes === q.fixedBytes
      );
    })
  );
}

function intensity(flops: number, moved: number): string {
  return flops === 0 || moved === 0 ? "" : (flops / moved).toPrecision(3);
}

function stageTable({ cost, size, ceilings }: CostReport): string {
  const rows = stageNames.map((stage) => {
    const work = cost.root.work[stage];
    const { flops, bytes: moved } = stageCall(cost.root.work, stage, size);
    const time = rooflineTime(cost, stage, size, ceilings);
    return [
      stage,
      stage === "load"
        ? "once"
        : plural(
            stage === "user" ? size.requests : size.candidates,
            stage === "user" ? "request" : "candidate",
          ),
      figure(flops),
      flops === 0 ? "" : `${((100 * work.products) / (work.products + work.other)).toPrecision(3)} %`,
      bytes(moved),
      intensity(flops, moved),
      time.seconds === 0 ? "" : `${seconds(time.seconds)}, ${time.boundBy}`,
    ];
  });
  return table(
    ["stage", "runs", "FLOPs", "of products", "bytes", "FLOP/B", `at least, on ${ceilings.name}`],
    rows,
    ["left", "right", "right", "right", "right", "right", "left"],
  );
}

function callTime(cost: ModelCost, { size, ceilings }: CostReport): number {
  return (
    rooflineTime(cost, "user", size, ceilings).seconds + rooflineTime(cost, "item", size, ceilings).seconds
  );
}

function reuseLines(report: CostReport): string {
  const { cost, repeated, size } = report;
  const [kept, again] = [callOf(cost.root.work, size), callOf(repeated.root.work, size)];
  const line = (what: string, one: number, other: number, text: (value: number) => string): string[] => [
    what,
    text(one),
    text(other),
    other === 0 ? "" : `${(100 * (1 - one / other)).toFixed(1)} %`,
  ];
  return table(
    ["a call", "as compiled", "without reuse", "saved"],
    [
      line("FLOPs", kept.flops, again.flops, figure),
      line("bytes", kept.bytes, again.bytes, bytes),
      line("at least", callTime(cost, report), callTime(repeated, report), seconds),
    ],
    ["left", "right", "right", "right"],
  );
}

export function costJson(report: CostReport) {
  const { cost, repeated, size, ceilings } = report;
  const { root } = cost;
  const call = (of: ModelCost) => ({ ...callOf(of.root.work, size), seconds: callTime(of, report) });
  return {
    model: cost.model,
    parameters: { dense: root.parameters, tables: root.tables, training: cost.training, stored: cost.stored },
    ...size,
    device: ceilings,
    keptBytes: cost.keptBytes,
    stages: mapStages((stage) => ({
      ...root.work[stage],
      call: { ...stageCall(root.work, stage, size), ...rooflineTime(cost, stage, size, ceilings) },
    })),
    call: { asCompiled: call(cost), withoutReuse: call(repeated) },
    parts: root.parts.map(partJson),
  };
}

function partJson({ parts, ...part }: Part): object {
  return { ...part, parts: parts.map(partJson) };
}
