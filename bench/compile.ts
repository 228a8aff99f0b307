/**
 * @file How long compiling takes, from a spec to WGSL. No weight is read or made.
 *
 * - RankMixer-1B (T = 32, D = 1536, L = 2) in a warm process. Bound: one second.
 * - TokenMixer-Large at 7 and 15 billion parameters, each in a fresh process, from its start to the last kernel's text. Bounds: two
 *   seconds, 500 MB resident. The paper prints neither T, D, H nor L; here T = H = 16 and n = 4, and D and L grow together.
 *
 *     npm run bench:compile [-- --json]
 */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { compile } from "../src/compile.ts";

type Settings = Readonly<Record<string, number>>;

const PROFILES = ["gpu", "software"];
const WARM = { spec: "examples/rankmixer.rmx", set: { T: 32, D: 1536 }, boundMs: 1000 };
const COLD = {
  spec: "examples/tokenmixer_large.rmx",
  sets: [
    { D: 2176, L: 4, heads: 16, ratio: 4 },
    { D: 2208, L: 8, heads: 16, ratio: 4 },
  ],
  boundMs: 2000,
  boundBytes: 500e6,
};
const WARM_UP = 3;
const RUNS = 10;
/** Fresh processes; the fastest counts, since whatever else the machine does only adds to a run. */
const FRESH_RUNS = 5;

async function measureWarm(profile: string) {
  const times: number[] = [];
  const { spec, set } = WARM;
  let program = await compile(spec, { set, profiles: [profile] });
  for (let run = 0; run < WARM_UP + RUNS; run++) {
    const started = performance.now();
    program = await compile(spec, { set, profiles: [profile] });
    times.push(performance.now() - started);
  }
  const warm = times.slice(WARM_UP).sort((a, b) => a - b);
  const parameters = program.graph.params.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0);
  return {
    profile,
    parameters,
    kernels: program.variants[0]?.kernels.length ?? 0,
    firstMs: round(times[0] ?? Number.NaN),
    medianMs: round(((warm[RUNS / 2 - 1] ?? Number.NaN) + (warm[RUNS / 2] ?? Number.NaN)) / 2),
    worstMs: round(warm.at(-1) ?? Number.NaN),
  };
}

/** What a fresh process says of itself once it has compiled; `performance.now()` counts from the process's start. */
const FRESH = `
const [library, spec, set, profile] = process.argv.slice(1);
const { compile } = await import(library);
const { graph, variants } = await compile(spec, { set: JSON.parse(set), profiles: [profile] });
const totalMs = performance.now();
const dense = graph.params.filter((p) => !p.table);
console.log(JSON.stringify({
  parameters: dense.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0),
  kernels: variants[0].kernels.length,
  characters: variants[0].kernels.reduce((sum, kernel) => sum + kernel.text.length, 0),
  totalMs,
  cpuMs: (process.cpuUsage().user + process.cpuUsage().system) / 1000,
  residentBytes: process.resourceUsage().maxRSS * 1024,
}));`;

interface Fresh {
  readonly parameters: number;
  readonly kernels: number;
  readonly characters: number;
  readonly totalMs: number;
  /** Of all threads, the collector's and the compilers' too. */
  readonly cpuMs: number;
  readonly residentBytes: number;
}

function measureFresh(set: Settings, profile: string) {
  const runs = Array.from({ length: FRESH_RUNS }, (): Fresh => {
    const args = [resolve("dist/index.js"), resolve(COLD.spec), JSON.stringify(set), profile];
    const ran = spawnSync(process.execPath, ["--input-type=module", "-e", FRESH, ...args], {
      encoding: "utf8",
    });
    if (ran.status !== 0) throw new Error(ran.stderr);
    return JSON.parse(ran.stdout) as Fresh;
  });
  const times = runs.map((run) => run.totalMs).sort((a, b) => a - b);
  const { parameters, kernels, characters } = runs[0];
  return {
    profile,
    ...set,
    parameters,
    kernels,
    characters,
    fastestMs: round(times[0] ?? Number.NaN),
    slowestMs: round(times.at(-1) ?? Number.NaN),
    leastCpuMs: round(Math.min(...runs.map((run) => run.cpuMs))),
    residentMB: Math.round(Math.max(...runs.map((run) => run.residentBytes)) / 1e6),
  };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

const warm = [];
for (const profile of PROFILES) warm.push(await measureWarm(profile));
const fresh = COLD.sets.flatMap((set) => PROFILES.map((profile) => measureFresh(set, profile)));
if (process.argv.includes("--json"))
  console.log(
    JSON.stringify(
      { warm: { ...WARM, runs: RUNS, rows: warm }, fresh: { ...COLD, runs: FRESH_RUNS, rows: fresh } },
      null,
      2,
    ),
  );
else {
  console.log(
    `${WARM.spec} with ${JSON.stringify(WARM.set)}, warm, median of ${RUNS} (bound ${WARM.boundMs} ms)`,
  );
  console.table(warm);
  console.log(
    `${COLD.spec}, the fastest of ${FRESH_RUNS} fresh processes (bounds ${COLD.boundMs} ms, ${COLD.boundBytes / 1e6} MB)`,
  );
  console.table(fresh);
}
const slow =
  warm.some((row) => !(row.medianMs < WARM.boundMs)) || fresh.some((row) => !(row.fastestMs < COLD.boundMs));
if (slow || fresh.some((row) => !(row.residentMB < COLD.boundBytes / 1e6))) process.exitCode = 3;
