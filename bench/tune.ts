/**
 * @file What tuning gains over the cost model, over the zoo: the examples at small sizes, each kernel's
 * favourite against the best that was found.
 *
 *     npm run bench:tune [-- --budget 20 --candidates 64 --only rankmixer,wukong --json tune.json]
 *
 * The target: what is not tuned takes at most 15 % more than what is. Nothing is stored.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { servedAs } from "../src/cli/bench/session.ts";
import { percent, table } from "../src/cli/text.ts";
import { describeTune, tuneJson, UNTUNED_WITHIN, untunedOverTuned } from "../src/cli/tune/report.ts";
import { drawnInputs, drawnWeights, openDevice } from "../src/index.ts";
import type { WebGpuDevice } from "../src/runtime/device.ts";
import { elaborateSpec } from "../src/spec.ts";
import { type TuneResult, tuneModel } from "../src/tuner/session.ts";

const FOLDER = "examples";

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

/** Small enough for a software device; each keeps the shapes that its paper is about. */
const SIZES: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
  autoint: { rows: 1000 },
  dcnv2: { D: 32, rank: 64, bottom: "[128, 64]", over: "[256, 128]", rows: 1000 },
  dhen: { T: 16, U: 8, D: 64, l: 8, width: 128, rows: 1000 },
  dlrm: { D: 32, bottom: "[128, 64]", top: "[256, 128]", rows: 1000 },
  hiformer: { D: 64, rank_k: 32, rank_v: 128, rows: 1000 },
  hstu: { L: 50, D: 64, layers: 2, heads: 2 },
  large_memory: { side: 64, rows: 1000 },
  longer: { L: 200, recent: 20, rows: 1000 },
  mixformer: { L: 40, D: 64, layers: 2 },
  mmoe: { rows: 1000 },
  onetrans: { L: 60, D: 64, M: 3, layers: 3, least: 2 },
  pangu: { T: 64, D: 128, layers: 2, heads: 4 },
  quickstart: {},
  rankmixer: { D: 256 },
  rankmixer_moe: { T: 16, U: 8, D: 128, L: 1, rows: 1000 },
  tokenmixer_large: { D: 256, L: 2, rows: 1000 },
  ug_rankmixer: { T: 16, U: 8, D: 256, rows: 1000 },
  ug_tokenmixer: { T: 16, U: 8, D: 128, rows: 1000 },
  unimixer: { D: 128, rows: 1000 },
  unimixing_lite: { D: 128, L: 2, rows: 1000 },
  wukong: { features: 60, user_features: 40, D: 64, width: 256, rows: 1000 },
  xdeepfm: { maps: "[32, 32]", rows: 1000 },
};

async function tuneExample(name: string, device: WebGpuDevice): Promise<TuneResult> {
  const size = { requests: 1, candidates: Number(option("candidates", "64")) };
  const graph = servedAs(elaborateSpec(join(FOLDER, `${name}.rmx`), { set: SIZES[name] ?? {} }).graph, size);
  const weights = drawnWeights(graph.params, { seed: 1, perturb: true });
  try {
    return await tuneModel({
      graph,
      device,
      weights,
      inputs: drawnInputs(graph.features, { ...size, seed: 1 }),
      reuse: true,
      budgetSeconds: Number(option("budget", "20")),
      progress: (_, work) => work(() => {}),
    });
  } finally {
    weights.close();
  }
}

const only = option("only", "")
  .split(",")
  .filter((name) => name !== "");
const device = await openDevice("webgpu", { quiet: true });
if (device.kind !== "webgpu") throw new Error("schedules are measured on a WebGPU device");
const results = new Map<string, TuneResult>();
for (const name of Object.keys(SIZES)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const result = await tuneExample(name, device);
  results.set(name, result);
  console.log(`${name}\n${describeTune(result)}\n`);
}
device.destroy();

const models = [...results].filter(([, { tuned }]) => tuned.length > 0);
const summary = models.map(([name, { tuned, call }]) => ({
  name,
  over: untunedOverTuned(tuned) - 1,
  call: Number.isFinite(call.tuned) ? call.untuned / call.tuned - 1 : 0,
}));
console.log(
  table(
    ["model", "untuned over tuned", "whole calls"],
    summary.map(({ name, over, call }) => [name, percent(over), percent(call)]),
    ["left", "right", "right"],
  ),
);
const within = summary.filter(({ over }) => over <= UNTUNED_WITHIN).length;
console.log(`\n${within} of ${summary.length} models are within ${percent(UNTUNED_WITHIN)} untuned`);
const file = option("json", "");
if (file !== "") {
  const all = [...results].map(([name, result]) => ({ name, ...tuneJson(result, undefined) }));
  writeFileSync(file, `${JSON.stringify({ device: device.name, models: all }, null, 2)}\n`);
}
