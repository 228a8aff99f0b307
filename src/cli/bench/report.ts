/** @file What `rmxc bench` says, as text and as JSON. */
import { computeText, storedText } from "../precision.ts";
import { bytes, figure, percent, plural, seconds, table } from "../text.ts";
import type { Advice } from "./advice.ts";
import type { KernelRow } from "./kernels.ts";
import type { Spread } from "./percentiles.ts";
import type { BenchResult } from "./session.ts";

/** Kernels shown, those that take the longest. */
const SHOWN = 20;

export interface Schedules {
  /** Kernels that a tuned schedule was found for. */
  readonly tuned: number;
  /** Where it came from. */
  readonly from: string | undefined;
}

export function describeBench(result: BenchResult, advice: readonly Advice[], schedules: Schedules): string {
  return [
    head(result, schedules),
    latencyTable(result),
    throughput(result),
    kernelTable(result),
    ...(advice.length === 0 ? [] : [["advice", ...advice.map(({ text }) => `- ${text}`)].join("\n")]),
  ].join("\n\n");
}

function head(result: BenchResult, schedules: Schedules): string {
  const { device, probe, model, parameters, requests, candidates, request, plan } = result;
  const { limits, subgroup } = plan.profile;
  const lanes =
    subgroup === undefined
      ? "no subgroups"
      : `subgroups of ${subgroup.min === subgroup.max ? subgroup.min : `${subgroup.min} to ${subgroup.max}`}`;
  const rows: [string, string][] = [
    ["device", device.name],
    [
      "limits",
      `${lanes}, ${bytes(limits.storageBinding)} a binding, ${plural(limits.storageBuffers, "storage buffer")}, ${bytes(limits.workgroupMemory)} workgroup memory`,
    ],
    [
      "measured",
      `${figure(probe.flops)}FLOP/s in a product, ${probe.tensor === undefined ? "" : `${figure(probe.tensor)}FLOP/s on tensor cores, `}${figure(probe.bandwidth)}B/s in memory, ${figure(probe.cached)}B/s in cache; ` +
        `a dispatch ${seconds(probe.dispatch)}, a round trip ${seconds(probe.roundTrip)}`,
    ],
    [
      "model",
      `${model}, ${figure(parameters)} parameters, ${storedText(result.precision)}; ${bytes(result.deviceBytes)} on the device`,
    ],
    [
      "call",
      `${plural(requests, "request")}, ${plural(candidates, "candidate")}, ${computeText(result.precision)}${request.reuse ? "" : ", no reuse"}`,
    ],
    [
      "schedules",
      schedules.tuned === 0
        ? "by the cost model"
        : `tuned for ${plural(schedules.tuned, "kernel")} (${schedules.from ?? "given"}), else by the cost model`,
    ],
    ["load", `${seconds(result.loadSeconds)}, once`],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, text]) => `${label.padEnd(width)}  ${text}`).join("\n");
}

function latencyTable({ spreads, measured }: BenchResult): string {
  const row = (label: string, { p50, p90, p99, least, most }: Spread): string[] => [
    label,
    ...[p50, p90, p99, least, most].map(milliseconds),
  ];
  const few = measured.calls.length < 100 ? "; fewer than 100, so p99 is the slowest" : "";
  return [
    table(
      ["latency, ms", "p50", "p90", "p99", "min", "max"],
      [
        row("call", spreads.call),
        row("  upload", spreads.upload),
        row("  user stage", spreads.user),
        row("  item stage", spreads.item),
        row("  read-back", spreads.readback),
        row("  outside of kernels", spreads.outside),
        row("call, user kept", spreads.kept),
      ],
      ["left", "right", "right", "right", "right", "right"],
    ),
    `${plural(measured.calls.length, "call")}${few}; the parts are of as many others that were watched, stages as the device times them`,
  ].join("\n");
}

function throughput({ measured, candidates, spreads, outside }: BenchResult): string {
  const { rate } = rates({ measured, candidates });
  const kept = candidates / spreads.kept.p50;
  return (
    `throughput  ${rate.toPrecision(3)} calls/s, ${figure(rate * candidates)} candidates/s, one call after another` +
    ` (${figure(kept)} candidates/s with the user kept); ${percent(outside)} of a call is outside of kernels`
  );
}

function rates({ measured, candidates }: Pick<BenchResult, "measured" | "candidates">) {
  const rate = measured.calls.length / measured.calls.reduce((total, call) => total + call, 0);
  return { rate, candidates: rate * candidates };
}

function kernelTable(result: BenchResult): string {
  const { kernels, sums, spreads, device, probe } = result;
  const shown = new Set([...kernels].sort((a, b) => b.seconds - a.seconds).slice(0, SHOWN));
  const hidden = kernels.filter((row) => !shown.has(row));
  const rows = kernels.filter((row) => shown.has(row)).map(kernelCells);
  const stages = (["user", "item"] as const)
    .filter((stage) => sums[stage] > 0)
    .map((stage) => `${stage} ${seconds(sums[stage])}, as one pass ${seconds(spreads[stage].p50)}`);
  const how = device.profile.features.timestamps
    ? "each kernel in a pass of its own, by the device's timestamps"
    : `each kernel submitted and waited for by itself, a round trip of ${seconds(probe.roundTrip)} included`;
  return [
    table(
      ["kernel", "stage", "form", "time", "share", "GFLOP/s", "GB/s", "% of product", "% of memory"],
      rows,
      ["left", "left", "left", "right", "right", "right", "right", "right", "right"],
    ),
    ...(hidden.length === 0
      ? []
      : [
          `and ${plural(hidden.length, "kernel")} that take less: ${seconds(hidden.reduce((total, row) => total + row.seconds, 0))} together`,
        ]),
    `${how}; sums: ${stages.join("; ")}`,
    ...(kernels.some(({ ofBandwidth }) => ofBandwidth > 1)
      ? ["more than 100 % of memory: what neighbouring kernels hand one another was still in a cache"]
      : []),
    ...(kernels.some(({ atMost }) => atMost)
      ? ["≤: a kernel over active rows, counted as if all that can be were active"]
      : []),
  ].join("\n");
}

function kernelCells(row: KernelRow): string[] {
  const least = row.atMost ? "≤ " : "";
  return [
    row.launches > 1 ? `${row.name} ×${row.launches}` : row.name,
    row.stage,
    row.lowering,
    seconds(row.seconds),
    percent(row.share),
    `${least}${(row.flops / row.seconds / 1e9).toPrecision(3)}`,
    `${least}${(row.bytes / row.seconds / 1e9).toPrecision(3)}`,
    `${least}${percent(row.ofFlops)}`,
    `${least}${percent(row.ofBandwidth)}`,
  ];
}

function milliseconds(value: number): string {
  return (1000 * value).toFixed(value < 0.01 ? 3 : 2);
}

/** The form is documented in docs/bench.md. */
export function benchJson(result: BenchResult, advice: readonly Advice[], schedules: Schedules) {
  const { device, probe, plan, model, parameters, requests, candidates, measured, request } = result;
  const { rate } = rates({ measured, candidates });
  return {
    ok: true,
    device: { kind: device.kind, name: device.name, description: device.description, profile: plan.profile },
    measured: probe,
    model,
    parameters,
    bytes: result.deviceBytes,
    precision: result.precision,
    requests,
    candidates,
    reuse: request.reuse,
    schedules: { tuned: schedules.tuned, ...(schedules.from !== undefined && { from: schedules.from }) },
    calls: measured.calls.length,
    chunks: result.chunks,
    seconds: { load: result.loadSeconds, ...result.spreads },
    throughput: { calls: rate, candidates: rate * candidates },
    outside: result.outside,
    kernels: result.kernels,
    sums: result.sums,
    advice,
  };
}
