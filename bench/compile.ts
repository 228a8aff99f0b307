/**
 * @file How long compiling takes: RankMixer-1B (T = 32, D = 1536, L = 2) from its spec to WGSL, in a warm process. No
 * weight is read or made. Bound: one second.
 *
 *     npm run bench:compile [-- --json]
 */
import { compile } from "../src/compile.ts";

const SPEC = "examples/rankmixer.rmx";
const SET = { T: 32, D: 1536 };
const WARM_UP = 3;
const RUNS = 10;
const BOUND_MS = 1000;

interface Row {
  readonly profile: string;
  readonly parameters: number;
  readonly kernels: number;
  readonly firstMs: number;
  readonly medianMs: number;
  readonly worstMs: number;
}

async function measure(profile: string): Promise<Row> {
  const times: number[] = [];
  let program = await compile(SPEC, { set: SET, profiles: [profile] });
  for (let run = 0; run < WARM_UP + RUNS; run++) {
    const started = performance.now();
    program = await compile(SPEC, { set: SET, profiles: [profile] });
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

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

const rows = [await measure("gpu"), await measure("software")];
if (process.argv.includes("--json"))
  console.log(JSON.stringify({ spec: SPEC, set: SET, runs: RUNS, rows }, null, 2));
else {
  console.log(
    `${SPEC} with T = ${SET.T}, D = ${SET.D} to WGSL, warm, median of ${RUNS} (bound ${BOUND_MS} ms)`,
  );
  console.table(rows);
}
if (rows.some((row) => !(row.medianMs < BOUND_MS))) process.exitCode = 3;
