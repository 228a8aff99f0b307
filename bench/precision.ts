/**
 * @file What storage types cost and gain: latency of a call against f32's and against the byte floor, the time in which the device reads
 * the stored weights once, as fast as it reads anything; and device memory against the sum of stored bytes.
 *
 *     npm run bench:precision [-- --device cuda --rows 1,4,16,64,256 --runs 15 --set D=256 --types 'int8;f16' --json precision.json]
 *
 * The model is workload R (bench/workloads/rankmixer_blocks.rmx) with D = 512, two products of 16 weight matrices, compiled for each
 * number of rows: a call of one row reads 128 MiB in f32, so that it takes many times as long as what surrounds it. Engines of all types
 * take turns, so that what else the machine does meets them alike. Figures are medians: of whole calls by the clock, of the time
 * that the process spent on a core, which is what a software device's kernels cost whoever else is running, and on CUDA of the time
 * between the device's own events around the kernels.
 */
import { writeFileSync } from "node:fs";
import { table } from "../src/cli/text.ts";
import { compileFor } from "../src/compile.ts";
import { drawnInputs, drawnWeights, openDevice } from "../src/index.ts";
import type { Graph } from "../src/ir/graph.ts";
import { storedBytes } from "../src/ir/storage.ts";
import type { KernelDevice } from "../src/runtime/device.ts";
import { loadKernelEngine } from "../src/runtime/engine/kernelengine.ts";
import type { LaunchTime } from "../src/runtime/engine/types.ts";
import { stageValues } from "../src/runtime/inputs.ts";
import { probeDevice, readRate } from "../src/runtime/probe.ts";
import { elaborateSpec } from "../src/spec.ts";
import { median } from "../src/statistics.ts";

/** What W8A16 is held against: weights and activations of 16 bits. */
const F16 = "f16, computed in f16";
const SPEC = "bench/workloads/rankmixer_blocks.rmx";
/** Lines of a `precision` block; `f32` is what the others are held against. */
const TYPES: Readonly<Record<string, string>> = {
  f32: '"**.w*" = f32',
  f16: '"**.w*" = f16',
  [F16]: 'compute = f16; "**.w*" = f16',
  "int8, computed in f16": 'compute = f16; "**.w*" = int8 per channel',
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
  /** Between the device's own events; NaN where they were not asked for. */
  readonly deviceMs: number;
  readonly deviceOfF32: number;
  /** Of the time of f16 stored and computed in, on a core or on the device; NaN where that was not measured. */
  readonly ofF16: number;
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
  readonly deviceTimes: number[];
  call(): Promise<void>;
  /** Milliseconds that the kernels of one more call take. */
  timed(): Promise<number>;
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

async function contender(type: string, rows: number, device: KernelDevice): Promise<Contender> {
  const graph = graphOf(type, rows);
  const weights = drawnWeights(graph.params, { seed: 1, perturb: true });
  const engine = await loadKernelEngine(device, compileFor(graph, device.profile), weights);
  // Before a call has made its own buffers, what is held are the parameters and a few words a kernel.
  const held = engine.stats().bytes;
  const inputs = drawnInputs(graph.features, { requests: 1, candidates: rows, seed: 2 });
  const items = stageValues(graph.features, inputs, "item");
  const user = await engine.user({}, { requests: 1 });
  const call = async (): Promise<void> => {
    await engine.score(user, items, { candidates: rows });
  };
  return {
    type,
    stored: graph.params.reduce((sum, { shape, storage }) => sum + storedBytes(shape, storage), 0),
    held,
    times: [],
    coreTimes: [],
    deviceTimes: [],
    call,
    timed: async () => {
      const launches: LaunchTime[] = [];
      engine.watch({ detail: "stages", call: (times) => launches.push(...times.launches) });
      await call();
      engine.watch(undefined);
      return launches.reduce((sum, { begin, end }) => sum + (end - begin) / 1e6, 0);
    },
    free: () => {
      engine.destroy();
      weights.close();
    },
  };
}

async function measure(rows: number, types: readonly string[], device: KernelDevice): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const type of types) contenders.push(await contender(type, rows, device));
  for (const { call } of contenders) await call();
  const runs = Math.max(5, Math.round(Number(option("runs", "15")) / Math.max(1, rows / 64)));
  for (let run = 0; run < runs; run++) {
    for (const { call, timed, times, coreTimes, deviceTimes } of contenders) {
      const before = process.cpuUsage();
      const started = performance.now();
      await call();
      times.push(performance.now() - started);
      const { user, system } = process.cpuUsage(before);
      coreTimes.push((user + system) / 1000);
      if (device.kind === "cuda") deviceTimes.push(await timed());
    }
  }
  for (const { free } of contenders) free();
  return contenders;
}

const chosen = option("types", "");
const types = Object.keys(TYPES).filter(
  (type) => type === "f32" || chosen === "" || chosen.split(";").includes(type),
);
const wanted = option("device", "webgpu");
const device = await openDevice(wanted === "cuda" ? "cuda" : "webgpu", { quiet: true });
if (device.kind === "reference") throw new Error("this measures a device with kernels");
const bandwidth = device.kind === "webgpu" ? await readRate(device) : (await probeDevice(device)).bandwidth;
const figures: Figures[] = [];
for (const rows of option("rows", "1,4,16,64,256").split(",").map(Number)) {
  const contenders = await measure(rows, types, device);
  const [f32] = contenders;
  const f16 = contenders.find(({ type }) => type === F16);
  if (f32 === undefined) throw new Error("nothing was measured");
  for (const { type, stored, held, times, coreTimes, deviceTimes } of contenders) {
    const [ms, coreMs, deviceMs] = [times, coreTimes, deviceTimes].map(median);
    figures.push({
      rows,
      type,
      ms,
      ofF32: ms / median(f32.times),
      coreMs,
      coreOfF32: coreMs / median(f32.coreTimes),
      deviceMs,
      deviceOfF32: deviceMs / median(f32.deviceTimes),
      ofF16:
        device.kind === "cuda"
          ? deviceMs / median(f16?.deviceTimes ?? [])
          : coreMs / median(f16?.coreTimes ?? []),
      floorMs: (stored / bandwidth) * 1000,
      storedBytes: stored,
      heldBytes: held,
    });
  }
}
device.destroy();

const onCuda = device.kind === "cuda";
console.log(`${device.name}; it ${onCuda ? "copies" : "reads"} ${(bandwidth / 1e9).toFixed(1)} GB/s\n`);
console.log(
  table(
    [
      "rows",
      "weights in",
      "ms",
      "of f32",
      onCuda ? "device us" : "core ms",
      "of f32",
      "of f16",
      "byte floor, ms",
      "stored, MiB",
      "held over stored",
    ],
    figures.map(({ storedBytes: stored, heldBytes: held, ...row }) => [
      String(row.rows),
      row.type,
      row.ms.toFixed(2),
      row.ofF32.toFixed(2),
      onCuda ? (1000 * row.deviceMs).toFixed(1) : row.coreMs.toFixed(2),
      (onCuda ? row.deviceOfF32 : row.coreOfF32).toFixed(2),
      Number.isNaN(row.ofF16) ? "" : row.ofF16.toFixed(2),
      row.floorMs.toFixed(onCuda ? 4 : 2),
      (stored / 2 ** 20).toFixed(2),
      `${((held / stored - 1) * 100).toFixed(1)} %`,
    ]),
    ["right", "left", "right", "right", "right", "right", "right", "right", "right", "right"],
  ),
);
const file = option("json", "");
if (file !== "")
  writeFileSync(file, `${JSON.stringify({ device: device.name, bandwidth, figures }, null, 2)}\n`);
