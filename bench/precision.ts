/**
 * @file What storage types cost and gain: latency of a call against f32's and against the byte floor, the time in which the device reads
 * the stored weights once, as fast as it reads anything; and device memory against the sum of stored bytes.
 *
 *     npm run bench:precision [-- --rows 1,4,16,64,256 --runs 15 --set D=256 --types 'int8;f16' --json precision.json]
 *
 * The model is workload R (bench/workloads/rankmixer_blocks.rmx) with D = 512, two products of 16 weight matrices, compiled for each
 * number of rows: a call of one row reads 128 MiB in f32, so that it takes many times as long as what surrounds it. Engines of all types
 * take turns, so that what else the machine does meets them alike. Figures are medians: of whole calls by the clock, and of the time
 * that the process spent on a core, which is what a software device's kernels cost whoever else is running.
 */
import { writeFileSync } from "node:fs";
import { table } from "../src/cli/text.ts";
import { compileFor } from "../src/compile.ts";
import { drawnInputs, drawnWeights, openDevice } from "../src/index.ts";
import type { Graph } from "../src/ir/graph.ts";
import { storedBytes } from "../src/ir/storage.ts";
import type { WebGpuDevice } from "../src/runtime/device.ts";
import { loadKernelEngine } from "../src/runtime/engine/kernelengine.ts";
import type { Engine } from "../src/runtime/engine/types.ts";
import { stageValues } from "../src/runtime/inputs.ts";
import { readRate } from "../src/runtime/probe.ts";
import { elaborateSpec } from "../src/spec.ts";
import { median } from "../src/statistics.ts";

const SPEC = "bench/workloads/rankmixer_blocks.rmx";
/** Lines of a `precision` block; `f32` is what the others are held against. */
const TYPES: Readonly<Record<string, string>> = {
  f32: '"**.w*" = f32',
  f16: '"**.w*" = f16',
  "f16, computed in f16": 'compute = f16; "**.w*" = f16',
  bf16: '"**.w*" = bf16',
  int8: '"**.w*" = int8 per channel',
  "int8 groups": '"**.w*" = int8 per group(32)',
  "int8 zeros": '"**.w*" = int8 per channel asymmetric',
  fp8_e4m3: '"**.w*" = fp8_e4m3',
  fp8_e5m2: '"**.w*" = fp8_e5m2',
  "fp8_e4m3, activations too": '"**.w*" = fp8_e4m3 inputs fp8_e4m3',
};

interface Figures {
  readonly rows: number;
  readonly type: string;
  readonly ms: number;
  /** Of the time of f32. */
  readonly ofF32: number;
  /** Milliseconds of all cores together, and the same of f32's. */
  readonly coreMs: number;
  readonly coreOfF32: number;
  /** Milliseconds in which the stored bytes are read once. */
  readonly floorMs: number;
  readonly storedBytes: number;
  readonly heldBytes: number;
}

interface Contender {
  readonly type: string;
  readonly stored: number;
  readonly held: number;
  readonly times: number[];
  readonly coreTimes: number[];
  call(): Promise<void>;
  free(): void;
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

const sets = Object.fromEntries([
  ["D", "512"],
  ...process.argv.flatMap((word, i) =>
    process.argv[i - 1] === "--set" ? [word.split("=") as [string, string]] : [],
  ),
]);

function graphOf(type: string, rows: number): Graph {
  const { graph } = elaborateSpec(SPEC, { set: sets, precision: TYPES[type] });
  return { ...graph, serve: { requests: 1, candidates: rows } };
}

async function contender(type: string, rows: number, device: WebGpuDevice): Promise<Contender> {
  const graph = graphOf(type, rows);
  const weights = drawnWeights(graph.params, { seed: 1, perturb: true });
  const engine: Engine = await loadKernelEngine(device, compileFor(graph, device.profile), weights);
  // Before a call has made its own buffers, what is held are the parameters and a few words a kernel.
  const held = engine.stats().bytes;
  const inputs = drawnInputs(graph.features, { requests: 1, candidates: rows, seed: 2 });
  const items = stageValues(graph.features, inputs, "item");
  const user = await engine.user({}, { requests: 1 });
  return {
    type,
    stored: graph.params.reduce((sum, { shape, storage }) => sum + storedBytes(shape, storage), 0),
    held,
    times: [],
    coreTimes: [],
    call: async () => {
      await engine.score(user, items, { candidates: rows });
    },
    free: () => {
      engine.destroy();
      weights.close();
    },
  };
}

async function measure(rows: number, types: readonly string[], device: WebGpuDevice): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const type of types) contenders.push(await contender(type, rows, device));
  for (const { call } of contenders) await call();
  const runs = Math.max(5, Math.round(Number(option("runs", "15")) / Math.max(1, rows / 64)));
  for (let run = 0; run < runs; run++) {
    for (const { call, times, coreTimes } of contenders) {
      const before = process.cpuUsage();
      const started = performance.now();
      await call();
      times.push(performance.now() - started);
      const { user, system } = process.cpuUsage(before);
      coreTimes.push((user + system) / 1000);
    }
  }
  for (const { free } of contenders) free();
  return contenders;
}

const chosen = option("types", "");
const types = Object.keys(TYPES).filter(
  (type) => type === "f32" || chosen === "" || chosen.split(";").includes(type),
);
const device = await openDevice("webgpu", { quiet: true });
if (device.kind !== "webgpu") throw new Error("this measures a WebGPU device");
const bandwidth = await readRate(device);
const figures: Figures[] = [];
for (const rows of option("rows", "1,4,16,64,256").split(",").map(Number)) {
  const contenders = await measure(rows, types, device);
  const [f32] = contenders;
  if (f32 === undefined) throw new Error("nothing was measured");
  for (const { type, stored, held, times, coreTimes } of contenders) {
    const [ms, coreMs] = [median(times), median(coreTimes)];
    figures.push({
      rows,
      type,
      ms,
      ofF32: ms / median(f32.times),
      coreMs,
      coreOfF32: coreMs / median(f32.coreTimes),
      floorMs: (stored / bandwidth) * 1000,
      storedBytes: stored,
      heldBytes: held,
    });
  }
}
device.destroy();

console.log(`${device.name}; it reads ${(bandwidth / 1e9).toFixed(1)} GB/s\n`);
console.log(
  table(
    [
      "rows",
      "weights in",
      "ms",
      "of f32",
      "core ms",
      "of f32",
      "byte floor, ms",
      "stored, MiB",
      "held over stored",
    ],
    figures.map(({ storedBytes: stored, heldBytes: held, ...row }) => [
      String(row.rows),
      row.type,
      row.ms.toFixed(2),
      row.ofF32.toFixed(2),
      row.coreMs.toFixed(2),
      row.coreOfF32.toFixed(2),
      row.floorMs.toFixed(2),
      (stored / 2 ** 20).toFixed(2),
      `${((held / stored - 1) * 100).toFixed(1)} %`,
    ]),
    ["right", "left", "right", "right", "right", "right", "right", "right", "right"],
  ),
);
const file = option("json", "");
if (file !== "")
  writeFileSync(file, `${JSON.stringify({ device: device.name, bandwidth, figures }, null, 2)}\n`);
