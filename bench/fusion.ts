/**
 * @file What fusion is worth: calls of a model compiled with `--fuse all`, `vertical` and `off`, in one run on one device, and the
 * kernels of a call. A fusion that is slower than `vertical` has no place in the compiler.
 *
 *     npm run bench:fusion [-- --rounds 15 --only tokenmixer --json fusion.json]
 *
 * The engines' calls alternate, so that what else the machine does meets them alike; times are medians of item calls.
 */
import { writeFileSync } from "node:fs";
import type { Fusion } from "../passes/pass.ts";
import { table } from "../src/cli/text.ts";
import { compile, drawnInputs, drawnWeights, openDevice } from "../src/index.ts";
import type { WebGpuDevice } from "../src/runtime/device.ts";
import { stageValues } from "../src/runtime/inputs.ts";
import { median } from "../src/statistics.ts";

interface Case {
  readonly name: string;
  readonly spec: string;
  readonly set: Readonly<Record<string, number>>;
  readonly candidates: number;
}

const CASES: readonly Case[] = [
  {
    name: "rankmixer, D = 128",
    spec: "bench/workloads/rankmixer_blocks.rmx",
    set: { T: 16, D: 128, L: 2 },
    candidates: 64,
  },
  {
    name: "rankmixer, D = 64",
    spec: "bench/workloads/rankmixer_blocks.rmx",
    set: { T: 16, D: 64, L: 2 },
    candidates: 128,
  },
  {
    name: "tokenmixer, D = 128",
    spec: "bench/workloads/tokenmixer_blocks.rmx",
    set: { T: 16, D: 128, L: 2 },
    candidates: 64,
  },
  {
    name: "tokenmixer, D = 256",
    spec: "bench/workloads/tokenmixer_blocks.rmx",
    set: { T: 16, D: 256, L: 2 },
    candidates: 64,
  },
  { name: "longer", spec: "examples/longer.rmx", set: {}, candidates: 64 },
];

const FUSIONS: readonly Fusion[] = ["all", "vertical", "off"];
const WARM_UP = 3;

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

const rounds = Number(option("rounds", "15"));
const only = option("only", "");

interface Times {
  readonly kernels: number;
  /** Milliseconds of an item call: the median, and the least, which other work on the machine disturbs least. */
  readonly median: number;
  readonly least: number;
}

interface Row {
  readonly name: string;
  readonly candidates: number;
  readonly by: Readonly<Record<Fusion, Times>>;
}

async function measure({ name, spec, set, candidates }: Case, on: WebGpuDevice): Promise<Row> {
  const runs = [];
  for (const fuse of FUSIONS) {
    const program = await compile(spec, { set, profiles: [on.profile], fuse });
    const engine = await program.load(drawnWeights(program.graph.params), on);
    const inputs = drawnInputs(program.graph.features, { requests: 1, candidates, seed: 1 });
    const user = await engine.user(stageValues(program.graph.features, inputs, "user"), { requests: 1 });
    const items = stageValues(program.graph.features, inputs, "item");
    const call = async (): Promise<number> => {
      const begin = performance.now();
      await engine.score(user, items, { candidates });
      return performance.now() - begin;
    };
    for (let i = 0; i < WARM_UP; i++) await call();
    const times: number[] = [];
    runs.push({ fuse, engine, call, times, kernels: program.plans[0]?.kernels.item.length ?? 0 });
  }
  for (let i = 0; i < rounds; i++) for (const { times, call } of runs) times.push(await call());
  for (const { engine } of runs) engine.destroy();
  const by = Object.fromEntries(
    runs.map(({ fuse, kernels, times }) => [
      fuse,
      { kernels, median: median(times), least: Math.min(...times) },
    ]),
  ) as Record<Fusion, Times>;
  return { name, candidates, by };
}

const device = await openDevice("webgpu", { quiet: true });
if (device.kind !== "webgpu") throw new Error("fusion is measured on a WebGPU device");
console.error(`measuring ${device.name}`);
const rows: Row[] = [];
for (const one of CASES.filter(({ name }) => name.includes(only))) {
  rows.push(await measure(one, device));
  console.error(`${one.name} measured`);
}
device.destroy();

const ms = (value: number): string => value.toPrecision(3);
const line = ({ name, candidates, by: { all, vertical, off } }: Row): string[] => [
  name,
  String(candidates),
  ...[all, vertical, off].flatMap((t) => [String(t.kernels), ms(t.median)]),
  (all.median / vertical.median).toFixed(3),
  (all.least / vertical.least).toFixed(3),
];
const head = [
  "model",
  "candidates",
  "kernels",
  "all, ms",
  "kernels",
  "vertical",
  "kernels",
  "off",
  "all/vertical",
  "of the least",
];
console.log(
  table(
    head,
    rows.map(line),
    head.map((_, i) => (i === 0 ? "left" : "right")),
  ),
);
const json = option("json", "");
if (json !== "") writeFileSync(json, `${JSON.stringify({ device: device.name, rounds, rows }, null, 2)}\n`);
