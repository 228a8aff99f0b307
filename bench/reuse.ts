/**
 * @file What UG-Sep's reuse saves: the latency of a call with reuse over that of the same model without it, in one run on one
 * device, next to what the roofline allows.
 *
 *     npm run bench:reuse [-- --ratios 1:3,1:1,3:1 --candidates 1,16,128,512 --runs 15 --set D=128 --json reuse.json]
 *
 * Two cases: *cold*, the user and the item stage for one request, and *cached*, the item stage alone with a handle from before
 * (without reuse the handle holds the request's features). Calls of both engines alternate, so that what else the machine does
 * meets them alike; figures are medians. The roofline time of a stage is the larger of its FLOPs and its bytes at the ceilings that
 * the device probe measures here and now; the saving that it allows is 1 − (its time with reuse / without).
 */
import { writeFileSync } from "node:fs";
import { table } from "../src/cli/text.ts";
import { compileFor } from "../src/compile.ts";
import type { Ceilings } from "../src/cost/ceilings.ts";
import { type CallSize, costOf, type ModelCost, stageCall } from "../src/cost/cost.ts";
import { drawnInputs, drawnWeights, type Engine, type FeatureValues, openDevice } from "../src/index.ts";
import type { Graph } from "../src/ir/graph.ts";
import { loadEngine } from "../src/load.ts";
import type { WebGpuDevice } from "../src/runtime/device.ts";
import { stageValues } from "../src/runtime/inputs.ts";
import { probeDevice } from "../src/runtime/probe.ts";
import { relativeError } from "../src/runtime/verify.ts";
import { elaborateSpec } from "../src/spec.ts";
import { median } from "../src/statistics.ts";

const SPEC = "examples/ug_rankmixer.rmx";
const DEFAULTS: Readonly<Record<string, string>> = { T: "16", D: "128", L: "2", rows: "10000" };
const WARM_UP = 3;
/** The paper's latencies at U:G = 1:1, end to end in production (arXiv 2602.10455, four models). */
const PAPER = "11.5–22 %";
/** Of the saving that the roofline allows, at this many candidates and more. */
const TARGET = { share: 0.9, candidates: 128 };

/** Of less, the share that is reached is noise. */
const LEAST_ALLOWED = 0.05;

type Case = "cold" | "cached";

interface Row {
  readonly ratio: string;
  readonly candidates: number;
  readonly case: Case;
  readonly withMs: number;
  readonly withoutMs: number;
  /** Measured, and by the roofline: latency with reuse over without. */
  readonly latency: number;
  readonly roofline: number;
  /** Of the saving that the roofline allows. */
  readonly share: number;
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

const sets = { ...DEFAULTS };
process.argv.forEach((word, i) => {
  const [name, value] = (process.argv[i + 1] ?? "").split("=");
  if (word === "--set" && name !== undefined && value !== undefined) sets[name] = value;
});
const ratios = option("ratios", "1:3,1:1,3:1").split(",");
const counts = option("candidates", "1,16,128,512").split(",").map(Number);
const runs = Number(option("runs", "15"));

const device = await openDevice("webgpu");
if (device.kind !== "webgpu") throw new Error("reuse is measured on a WebGPU device");
console.error(`measuring ${device.name}`);
const ceilings = await probeDevice(device);
const rows: Row[] = [];
for (const ratio of ratios) rows.push(...(await measureRatio(ratio, device, ceilings)));
device.destroy();
report(rows, ceilings);

async function measureRatio(ratio: string, on: WebGpuDevice, limits: Ceilings): Promise<Row[]> {
  const [u, g] = ratio.split(":").map(Number) as [number, number];
  const T = Number(sets.T);
  const { graph } = elaborateSpec(SPEC, { set: { ...sets, U: String(Math.round((T * u) / (u + g))) } });
  const weights = drawnWeights(graph.params, { seed: 1, perturb: true });
  const load = (reuse: boolean): Promise<Engine> => {
    const variant = compileFor(graph, on.profile, { reuse });
    return loadEngine({ name: graph.name, graph, variants: [variant] }, weights, on);
  };
  const engines = { with: await load(true), without: await load(false) };
  const costs = {
    with: costOf(graph, on.profile),
    without: costOf(graph, on.profile, { reuse: false }),
  };
  const found: Row[] = [];
  for (const candidates of counts) {
    console.error(`U:G ${ratio}, ${candidates} candidates`);
    const times = await measureCalls(engines, graph, candidates);
    for (const kind of ["cold", "cached"] as const) {
      const [withMs, withoutMs] = [median(times.with[kind]), median(times.without[kind])];
      const size = { requests: 1, candidates };
      const roofline =
        leastSeconds(costs.with, kind, size, limits) / leastSeconds(costs.without, kind, size, limits);
      const latency = withMs / withoutMs;
      const share = (1 - latency) / (1 - roofline);
      found.push({ ratio, candidates, case: kind, withMs, withoutMs, latency, roofline, share });
    }
  }
  engines.with.destroy();
  engines.without.destroy();
  weights.close();
  return found;
}

type Times = Readonly<Record<"with" | "without", Record<Case, number[]>>>;

/** Milliseconds of every call. Both engines must give the same scores. */
async function measureCalls(
  engines: Readonly<Record<"with" | "without", Engine>>,
  graph: Graph,
  candidates: number,
): Promise<Times> {
  const inputs = drawnInputs(graph.features, { requests: 1, candidates, seed: candidates });
  const user = stageValues(graph.features, inputs, "user");
  const items = stageValues(graph.features, inputs, "item");
  const times: Times = { with: { cold: [], cached: [] }, without: { cold: [], cached: [] } };
  const scores = new Map<string, Float32Array>();
  for (let run = -WARM_UP; run < runs; run++) {
    for (const which of ["with", "without"] as const) {
      const { cold, cached, finish } = await oneCall(engines[which], user, items);
      scores.set(which, finish);
      if (run < 0) continue;
      times[which].cold.push(cold);
      times[which].cached.push(cached);
    }
  }
  const error = relativeError(scores.get("with") ?? [], scores.get("without") ?? []);
  if (!(error <= 1e-5)) throw new Error(`scores with and without reuse differ by ${error}`);
  return times;
}

async function oneCall(engine: Engine, user: FeatureValues, items: FeatureValues) {
  const started = performance.now();
  const handle = await engine.user(user, { requests: 1 });
  await engine.score(handle, items);
  const between = performance.now();
  const scores = await engine.score(handle, items);
  const ended = performance.now();
  handle.free();
  const finish = scores.get("finish") ?? new Float32Array();
  return { cold: between - started, cached: ended - between, finish };
}

function leastSeconds(cost: ModelCost, kind: Case, size: CallSize, { flops, bandwidth }: Ceilings): number {
  const stages = kind === "cold" ? (["user", "item"] as const) : (["item"] as const);
  return stages.reduce((sum, stage) => {
    const work = stageCall(cost.root.work, stage, size);
    return sum + Math.max(work.flops / flops, work.bytes / bandwidth);
  }, 0);
}

function report(all: readonly Row[], { name, flops, bandwidth }: Ceilings): void {
  const settings = Object.entries(sets).map(([key, value]) => `${key}=${value}`);
  console.log(`${SPEC} with ${settings.join(" ")} on ${name}, medians of ${runs} calls`);
  console.log(
    `ceilings: ${(flops / 1e9).toFixed(1)} GFLOP/s in a product, ${(bandwidth / 1e9).toFixed(1)} GB/s in a copy\n`,
  );
  const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
  console.log(
    table(
      [
        "U:G",
        "candidates",
        "case",
        "with",
        "without",
        "with ÷ without",
        "roofline",
        "saved",
        "of the allowed",
      ],
      all.map((r) => [
        r.ratio,
        String(r.candidates),
        r.case,
        `${r.withMs.toFixed(2)} ms`,
        `${r.withoutMs.toFixed(2)} ms`,
        r.latency.toFixed(3),
        r.roofline.toFixed(3),
        percent(1 - r.latency),
        1 - r.roofline < LEAST_ALLOWED ? "–" : percent(r.share),
      ]),
      ["left", "right", "left", "right", "right", "right", "right", "right", "right"],
    ),
  );
  const judged = all.filter((r) => r.candidates >= TARGET.candidates && 1 - r.roofline >= LEAST_ALLOWED);
  const met = judged.filter((r) => r.share >= TARGET.share).length;
  if (judged.length > 0)
    console.log(
      `\n${met} of ${judged.length} cases with ${TARGET.candidates} candidates and more save ${percent(TARGET.share)} of what the roofline allows`,
    );
  const even = all.filter((r) => r.ratio === "1:1" && r.case === "cold");
  if (even.length > 0) {
    const saved = even.map((r) => `${percent(1 - r.latency)} at ${r.candidates}`).join(", ");
    console.log(`end to end at U:G 1:1, cold: ${saved}; the paper reports ${PAPER} in production`);
  }
  const file = option("json", "");
  if (file !== "")
    writeFileSync(
      file,
      `${JSON.stringify({ spec: SPEC, set: sets, runs, ceilings: { name, flops, bandwidth }, rows: all }, null, 2)}\n`,
    );
}
