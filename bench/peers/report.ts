/** @file The tables that `npm run bench:peers` prints, as text or as Markdown for docs/benchmarks.md. */
import { type Align, table } from "../../src/cli/text.ts";
import type { Measured, Outcome } from "./measure.ts";
import { type PeerId, peerIds, peers } from "./peer.ts";
import { blockFlops } from "./workloads.ts";

export type Table = (
  header: readonly string[],
  rows: readonly (readonly string[])[],
  align: readonly Align[],
) => string;

export const textTable: Table = table;

export const markdownTable: Table = (header, rows, align) => {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = align.map((side) => (side === "right" ? "---:" : "---"));
  return [line(header), line(rule), ...rows.map(line)].join("\n");
};

export function find(outcome: Outcome, peer: PeerId): Measured | undefined {
  return outcome.measured.find((each) => each.peer === peer);
}

/** How many times longer than rmxc; undefined where one of them is missing. */
export function ratio(outcome: Outcome, peer: PeerId): number | undefined {
  const [ours, theirs] = [find(outcome, "rmxc"), find(outcome, peer)];
  return ours === undefined || theirs === undefined ? undefined : theirs.milliseconds / ours.milliseconds;
}

/** The fastest of the peers on the same device. */
export function fastestPeer(outcome: Outcome): Measured | undefined {
  return outcome.measured
    .filter(({ peer }) => peers[peer].kind === "webgpu" && !peer.startsWith("rmxc"))
    .toSorted((a, b) => a.milliseconds - b.milliseconds)[0];
}

/** Workload R: a row a peer, a pair of columns a size. */
export function blocksTable(outcomes: readonly Outcome[], make: Table): string {
  const shown = peerIds.filter((peer) => outcomes.some((outcome) => find(outcome, peer) !== undefined));
  const rows = shown.map((peer) => [
    peers[peer].label,
    ...outcomes.flatMap((outcome) => {
      const measured = find(outcome, peer);
      if (measured === undefined) return ["–", "–", "–"];
      const { milliseconds } = measured;
      return [
        figure(milliseconds),
        figure(blockFlops(outcome.workload) / milliseconds / 1e6),
        times(ratio(outcome, peer)),
      ];
    }),
  ]);
  const header = outcomes.flatMap(({ workload }) => [`${workload.name}, ms`, "GFLOP/s", "÷ rmxc"]);
  const align = outcomes.flatMap((): Align[] => ["right", "right", "right"]);
  return make(["", ...header], rows, ["left", ...align]);
}

/** The published models: a row a model. */
export function zooTable(
  outcomes: readonly Outcome[],
  flops: ReadonlyMap<string, number>,
  make: Table,
): string {
  const others = peerIds.filter(
    (peer) => peer.startsWith("ort-") && outcomes.some((outcome) => find(outcome, peer) !== undefined),
  );
  const rows = outcomes.map((outcome) => {
    const { workload } = outcome;
    const work = flops.get(workload.name) ?? Number.NaN;
    const [ours, reuse] = [find(outcome, "rmxc"), find(outcome, "rmxc-reuse")];
    const settings = Object.entries(workload.set).map(([key, value]) => `${key}=${value}`);
    return [
      `${workload.name} ${settings.join(" ")}`,
      String(workload.candidates),
      (work / 1e9).toFixed(1),
      ours === undefined ? "–" : figure(ours.milliseconds),
      ours === undefined ? "–" : figure(work / ours.milliseconds / 1e6),
      ...others.flatMap((peer) => {
        const theirs = find(outcome, peer);
        return [theirs === undefined ? "–" : figure(theirs.milliseconds), times(ratio(outcome, peer))];
      }),
      reuse === undefined ? "–" : figure(reuse.milliseconds),
    ];
  });
  return make(
    [
      "model",
      "N",
      "GFLOP",
      "rmxc, ms",
      "GFLOP/s",
      ...others.flatMap((peer) => [`${peers[peer].label}, ms`, "÷ rmxc"]),
      "rmxc with reuse, one request, ms",
    ],
    rows,
    [
      "left",
      "right",
      "right",
      "right",
      "right",
      ...others.flatMap((): Align[] => ["right", "right"]),
      "right",
    ],
  );
}

/** What a reader must know beside the figures: who is missing, who computed on another device, how they waited. */
export function notes(outcomes: readonly Outcome[]): string[] {
  const lines: string[] = [];
  for (const { workload, measured, missing } of outcomes) {
    for (const { peer, reason } of missing)
      lines.push(`${workload.name}: no ${peers[peer].label}: ${reason}`);
    for (const { peer, sentBack = [] } of measured) {
      if (sentBack.length === 0) continue;
      lines.push(
        `${workload.name}: ${peers[peer].label} ran ${sentBack.length} nodes on the CPU: ${sentBack.join(", ")}`,
      );
    }
  }
  return lines;
}

export function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

export function times(value: number | undefined): string {
  return value === undefined ? "–" : `${value.toFixed(2)}×`;
}
