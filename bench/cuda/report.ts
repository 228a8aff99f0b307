/**
 * @file One JSON file and one table of what bench/cuda/run.sh measured: rmxc.json of measure.ts, peers.json of peer.py and clocks.csv
 * of nvidia-smi, where they are there.
 *
 *     node scripts/run-ts.mjs bench/cuda/report.ts FOLDER
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Probe } from "../../src/runtime/probe.ts";
import { cases } from "./cases.ts";
import type { Row } from "./measure.ts";

interface Peers {
  readonly torch?: string;
  readonly copy?: number;
  readonly read?: number;
  readonly matrix_bf16?: number;
  readonly matrix_f16?: number;
  readonly rows: Readonly<Record<string, { cublas?: number; eager?: number; compiled?: number }>>;
  readonly skipped: readonly string[];
}

interface Measured {
  readonly device: string;
  readonly description: string;
  /** The device's own ceilings: registers and workgroup memory to tensor cores, and a copy through memory. */
  readonly probe?: Probe;
  readonly rows: readonly Row[];
  readonly failed: readonly { readonly name: string; readonly reason: string }[];
  readonly skipped: readonly string[];
}

const folder = process.argv[2] ?? ".";

function readJson<T>(name: string): T | undefined {
  const path = join(folder, name);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as T) : undefined;
}

const measured = readJson<Measured>("rmxc.json");
const peers = readJson<Peers>("peers.json");

const number = (value: number | undefined, digits: number): string => value?.toFixed(digits) ?? "";
const percent = (part: number | undefined, whole: number | undefined): string =>
  part === undefined || whole === undefined || whole === 0 ? "" : `${((100 * part) / whole).toFixed(0)} %`;
const times = (theirs: number | undefined, ours: number): string =>
  theirs === undefined ? "" : `${(theirs / ours).toFixed(2)}x`;

const head = [
  "case",
  "us",
  "kernels",
  "between kernels",
  "call us",
  "TFLOP/s",
  "of the matrix rate",
  "weights GB/s",
  "of the read rate",
  "of cuBLAS alone",
  "against compiled",
  "against eager",
];

const rows = (measured?.rows ?? []).map((row) => {
  const given = cases.find(({ name }) => name === row.name);
  const peer = peers?.rows[row.name];
  const matrix =
    (given?.compute === "f16" ? peers?.matrix_f16 : peers?.matrix_bf16) ?? measured?.probe?.tensor;
  const seconds = row.stage * 1e-6;
  return [
    row.name,
    number(row.stage, 1),
    number(row.kernels, 1),
    percent(Math.max(0, row.stage - row.kernels), row.stage),
    number(row.call, 0),
    number(row.rate / 1e12, 1),
    percent(row.rate, matrix),
    number(row.weightBandwidth / 1e9, 0),
    percent(row.weightBandwidth, peers?.read ?? measured?.probe?.bandwidth),
    percent(peer?.cublas, seconds),
    times(peer?.compiled, seconds),
    times(peer?.eager, seconds),
  ];
});

const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
const said = [
  measured === undefined ? "Nothing was measured." : measured.description,
  ...(measured?.probe === undefined
    ? []
    : [
        `rmxc's probe: ${number((measured.probe.tensor ?? 0) / 1e12, 0)} TFLOP/s on tensor cores, ` +
          `copy ${number(measured.probe.bandwidth / 1e9, 0)} GB/s${peers?.torch === undefined ? "; the shares are of these" : ""}.`,
      ]),
  ...(peers?.torch === undefined
    ? ["No peers: python3 with torch was not found or failed."]
    : [
        `PyTorch ${peers.torch}: matrix rate ${number((peers.matrix_bf16 ?? 0) / 1e12, 0)} TFLOP/s bf16, ` +
          `${number((peers.matrix_f16 ?? 0) / 1e12, 0)} f16; copy ${number((peers.copy ?? 0) / 1e9, 0)} GB/s, read ${number((peers.read ?? 0) / 1e9, 0)}.`,
      ]),
  ...clocks(),
  ...(measured?.failed ?? []).map(({ name, reason }) => `Failed: ${name}: ${reason}`),
  ...[...(measured?.skipped ?? []), ...(peers?.skipped ?? [])].map(
    (name) => `Not measured for want of time: ${name}`,
  ),
  ...[...new Set((measured?.rows ?? []).flatMap(({ notes }) => notes))].map((note) => `Note: ${note}`),
];

/** Rows of `clocks.sm [MHz], power.draw [W], temperature.gpu`. */
function clocks(): string[] {
  const path = join(folder, "clocks.csv");
  if (!existsSync(path)) return [];
  const columns = readFileSync(path, "utf8")
    .split("\n")
    .map((line) => line.split(",").map(Number.parseFloat))
    .filter((cells) => cells.length === 3 && cells.every(Number.isFinite));
  if (columns.length === 0) return [];
  const range = (i: number): string => {
    const values = columns.map((cells) => cells[i] ?? 0);
    return `${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;
  };
  return [`Clock ${range(0)} MHz, power ${range(1)} W, ${range(2)} °C over ${columns.length} samples.`];
}

writeFileSync(join(folder, "report.json"), `${JSON.stringify({ measured, peers }, undefined, 2)}\n`);
const text = `${[...lines, "", ...said].join("\n")}\n`;
writeFileSync(join(folder, "report.md"), text);
process.stdout.write(text);
