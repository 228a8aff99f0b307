/**
 * @file What the host adds to the kernels: start-up, loading, the calls' own overhead.
 *
 *     npm run bench:host [-- --runs 5 --json FILE --markdown FILE]
 *
 * - compiling RankMixer-100M to WGSL in a fresh process, from command to files;
 * - the first call of the small workload in a fresh process whose driver has nothing cached, `load` included, next to what
 *   its kernels take to compile one after another;
 * - in a warm process, the first call after `load` next to the tenth;
 * - the share of a steady call (medium) that is not kernels, and of a processor that the host's thread takes meanwhile.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Align, table } from "../src/cli/text.ts";
import { median } from "../src/cli/timing.ts";
import { KernelEngine } from "../src/runtime/engine/kernelengine.ts";
import type { CallTimes } from "../src/runtime/engine/types.ts";
import { bundleBeside } from "./bundle.ts";
import type { FirstCall, KernelCompiles } from "./host/fresh.ts";
import { callOf, compileFor, load, medium, openGpu, small } from "./host/workload.ts";
import { markdownTable } from "./peers/report.ts";

const SPEC = "examples/rankmixer.rmx";
const BOUNDS = { compileMs: 600, firstMs: 3000, overKernels: 1.3, firstOverTenth: 2, outside: 0.03 };
const STEADY_CALLS = 40;
/** Jiffies a second in /proc. */
const HERTZ = 100;

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

const runs = Number(option("runs", "5"));
const fresh = await bundleBeside(resolve("bench/host/fresh.ts"));

interface Figure {
  readonly what: string;
  readonly value: string;
  readonly bound: string;
  readonly met: boolean;
}

function compileProcess(): readonly number[] {
  const out = mkdtempSync(join(tmpdir(), "rmxc-host-"));
  try {
    return Array.from({ length: runs }, (_, i) => {
      const begin = performance.now();
      const args = ["dist/cli.js", "compile", SPEC, "-o", join(out, String(i))];
      const ran = spawnSync(process.execPath, args, { encoding: "utf8" });
      if (ran.status !== 0) throw new Error(ran.stderr);
      return performance.now() - begin;
    });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** One answer of a fresh process; `cache`: where Mesa keeps what it compiled, `undefined` for nowhere. */
function ask<T>(what: "first" | "kernels", cache: "empty" | "off"): T {
  const folder = mkdtempSync(join(tmpdir(), "rmxc-cache-"));
  try {
    const env = {
      ...process.env,
      ...(cache === "off" ? { MESA_SHADER_CACHE_DISABLE: "true" } : { MESA_SHADER_CACHE_DIR: folder }),
    };
    const ran = spawnSync(process.execPath, [fresh, what], { encoding: "utf8", env });
    if (ran.status !== 0) throw new Error(ran.stderr);
    return JSON.parse(ran.stdout) as T;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Steady {
  readonly firstMs: number;
  readonly tenthMs: number;
  readonly callMs: number;
  /** Of the call, not on the device. */
  readonly outside: number;
  /** Processors that the host's thread took; undefined where the system does not say. */
  readonly hostThread: number | undefined;
}

async function measureSteady(): Promise<Steady> {
  const device = await openGpu();
  const programs = { small: await compileFor(device, small), medium: await compileFor(device, medium) };
  const firsts: number[] = [];
  const tenths: number[] = [];
  for (let i = 0; i <= runs; i++) {
    const engine = await load(programs.small, device);
    const call = await callOf(engine, programs.small, small);
    const times: number[] = [];
    for (let k = 0; k < 10; k++) times.push(await call());
    // The first engine warms the process.
    if (i > 0) firsts.push(times[0] ?? Number.NaN);
    if (i > 0) tenths.push(times[9] ?? Number.NaN);
    engine.destroy();
  }
  const engine = await load(programs.medium, device);
  if (!(engine instanceof KernelEngine)) throw new Error("internal: another engine than the device's");
  const call = await callOf(engine, programs.medium, medium);
  for (let k = 0; k < 5; k++) await call();
  const calls: CallTimes[] = [];
  engine.watch({ detail: "stages", call: (times) => calls.push(times) });
  const [wallBefore, hostBefore] = [performance.now(), hostSeconds()];
  const times: number[] = [];
  for (let k = 0; k < STEADY_CALLS; k++) times.push(await call());
  const [wall, host] = [performance.now() - wallBefore, hostSeconds()];
  engine.destroy();
  device.destroy();
  const items = calls.filter(({ stage }) => stage === "item");
  return {
    firstMs: median(firsts),
    tenthMs: median(tenths),
    callMs: median(times),
    outside: median(items.map(outsideOf)),
    hostThread:
      host === undefined || hostBefore === undefined ? undefined : ((host - hostBefore) / wall) * 1000,
  };
}

function outsideOf({ begin, end, launches }: CallTimes): number {
  const device = launches.reduce((sum, launch) => sum + (launch.end - launch.begin) / 1e6, 0);
  return 1 - device / (end - begin);
}

/** Processor time of the main thread; Linux alone says it of a thread. */
function hostSeconds(): number | undefined {
  if (process.platform !== "linux") return undefined;
  const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / HERTZ;
}

const compiling = compileProcess();
const kernels = ask<KernelCompiles>("kernels", "empty").milliseconds;
const empty = Array.from({ length: runs }, () => ask<FirstCall>("first", "empty"));
const off = ask<FirstCall>("first", "off");
const steady = await measureSteady();

const total = ({ loadMs, callMs }: FirstCall): number => loadMs + callMs;
const first = median(empty.map(total));
const spread = kernels.reduce((sum, ms) => sum + ms, 0) / Math.min(2, availableParallelism());
const ms = (value: number): string => `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ms`;
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

const figures: readonly Figure[] = [
  {
    what: "RankMixer-100M to WGSL, fresh process, command to files (fastest)",
    value: ms(Math.min(...compiling)),
    bound: `< ${BOUNDS.compileMs} ms`,
    met: Math.min(...compiling) < BOUNDS.compileMs,
  },
  {
    what: "the same, median",
    value: ms(median(compiling)),
    bound: `< ${BOUNDS.compileMs} ms`,
    met: median(compiling) < BOUNDS.compileMs,
  },
  {
    what: "load and first call, small, empty driver cache",
    value: ms(first),
    bound: `< ${BOUNDS.firstMs} ms`,
    met: first < BOUNDS.firstMs,
  },
  {
    what: "the same over the kernels' compile times spread over two cores",
    value: `${(first / spread).toFixed(2)}×`,
    bound: `≤ ${BOUNDS.overKernels}×`,
    met: first / spread <= BOUNDS.overKernels,
  },
  {
    what: "load and first call, small, driver cache off",
    value: ms(total(off)),
    bound: `< ${BOUNDS.firstMs} ms`,
    met: total(off) < BOUNDS.firstMs,
  },
  {
    what: "first call after load over the tenth, small, warm process",
    value: `${ms(steady.firstMs)} ÷ ${ms(steady.tenthMs)} = ${(steady.firstMs / steady.tenthMs).toFixed(2)}×`,
    bound: `≤ ${BOUNDS.firstOverTenth}×`,
    met: steady.firstMs / steady.tenthMs <= BOUNDS.firstOverTenth,
  },
  {
    what: `outside kernels, steady call of ${ms(steady.callMs)}, medium`,
    value: percent(steady.outside),
    bound: `< ${percent(BOUNDS.outside)}`,
    met: steady.outside < BOUNDS.outside,
  },
  ...(steady.hostThread === undefined
    ? []
    : [
        {
          what: "the host's thread meanwhile, of a core",
          value: percent(steady.hostThread),
          bound: "",
          met: true,
        },
      ]),
];

const rows = figures.map(({ what, value, bound, met }) => [what, value, bound, met ? "" : "missed"]);
const align: Align[] = ["left", "right", "left", "left"];
console.log(table(["", "measured", "bound", ""], rows, align));
const markdown = option("markdown", "");
if (markdown !== "")
  writeFileSync(markdown, `${markdownTable(["", "measured", "bound", ""], rows, align)}\n`);
const json = option("json", "");
if (json !== "") {
  const all = { runs, compileMs: compiling, kernelCompileMs: kernels, firstCall: { empty, off }, steady };
  writeFileSync(json, `${JSON.stringify(all, null, 2)}\n`);
}
if (figures.some(({ met }) => !met)) process.exitCode = 3;
