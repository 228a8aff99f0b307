/**
 * @file Times the cases of bench/cuda on the CUDA device: for each the item stage between two events of the device around its graph's
 * replay, the kernels alone, and the whole call. Ends before its budget does and says what it left out. See run.sh.
 *
 *     node scripts/run-ts.mjs bench/cuda/measure.ts --seconds 240 --out rmxc.json [--only TEXT] [--shrink]
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { compileFor } from "../../src/compile.ts";
import { InputError } from "../../src/ir/error.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { type KernelEngine, loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import type { CallTimes } from "../../src/runtime/engine/types.ts";
import { stageValues } from "../../src/runtime/inputs.ts";
import { probeDevice } from "../../src/runtime/probe.ts";
import { countOf, type WeightSource } from "../../src/runtime/weights.ts";
import { elaborateSpec } from "../../src/spec.ts";
import { type Case, cases } from "./cases.ts";

const WARM_UP = 10;
const LEAST_CALLS = 20;
const SECONDS_A_CASE = 1.5;
const KERNEL_CALLS = 10;

export interface Row {
  readonly name: string;
  /** Microseconds on the device: the stage, and its kernels by themselves. */
  readonly stage: number;
  readonly kernels: number;
  /** Microseconds of a whole call with a kept user, uploads and read-back of the outputs included. */
  readonly call: number;
  readonly launches: number;
  /** FLOP/s of the products, and bytes a second of their weights, within `stage`. */
  readonly rate: number;
  readonly weightBandwidth: number;
  /** Notes of the compiler about the number formats, such as that kernels compute in another. */
  readonly notes: readonly string[];
  readonly loadSeconds: number;
}

const { values: args } = parseArgs({
  options: {
    seconds: { type: "string", default: "240" },
    out: { type: "string" },
    only: { type: "string", default: "" },
    shrink: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

const chosen = cases
  .filter(({ name }) => name.includes(args.only))
  .map((each) => (args.shrink ? shrunk(each) : each));
if (args.list) console.log(JSON.stringify(chosen, undefined, 2));
else await measureAll();

/** For a trial of the script itself, where there is no GPU: small, and in f32. */
function shrunk(each: Case): Case {
  const { T = 8, U, heads, experts } = each.set;
  const set = {
    T: Math.min(T, heads === undefined && experts === undefined ? 8 : 16),
    D: 32,
    L: 1,
    k: 1,
    ...(U !== undefined && { U: 4 }),
    ...(experts !== undefined && { experts, heads: 8 }),
  };
  return { ...each, set, candidates: Math.min(each.candidates, 3), precision: "", flops: 0, weightBytes: 0 };
}

async function measureAll(): Promise<void> {
  const started = performance.now();
  const device = await openDevice("cuda");
  if (device.kind !== "cuda") throw new Error("internal: another device than asked for");
  const rows: Row[] = [];
  const failed: { name: string; reason: string }[] = [];
  const skipped: string[] = [];
  for (const each of chosen) {
    if ((performance.now() - started) / 1000 > Number(args.seconds)) {
      skipped.push(each.name);
      continue;
    }
    try {
      const row = await measure(each);
      rows.push(row);
      console.error(`${row.name}: ${row.stage.toFixed(1)} us, ${(row.rate / 1e12).toFixed(1)} TFLOP/s`);
    } catch (error) {
      const reason = error instanceof InputError ? [error.message, ...error.notes].join("; ") : String(error);
      failed.push({ name: each.name, reason });
      console.error(`${each.name}: ${reason}`);
    }
  }
  const probe = await probeDevice(device);
  const result = { device: device.name, description: device.description, probe, rows, failed, skipped };
  device.destroy();
  if (args.out === undefined) console.log(JSON.stringify(result, undefined, 2));
  else writeFileSync(args.out, `${JSON.stringify(result, undefined, 2)}\n`);

  async function measure(each: Case): Promise<Row> {
    if (device.kind !== "cuda") throw new Error("internal: another device than asked for");
    const { graph, diagnostics } = elaborateSpec(each.spec, { set: each.set, precision: each.precision });
    const serve = { requests: 1, candidates: each.candidates };
    const variant = compileFor({ ...graph, serve }, device.profile, {
      ...(each.spec.includes("ug_") ? {} : { reuse: false }),
      ...(each.fusion && { fuse: each.fusion }),
    });
    const engine = await loadKernelEngine(device, variant, repeatedWeights(graph));
    try {
      const times = await timesOf(engine, graph, each.candidates);
      return {
        name: each.name,
        ...times,
        launches: variant.plan.kernels.item.length,
        rate: each.flops / (times.stage * 1e-6),
        weightBandwidth: each.weightBytes / (times.stage * 1e-6),
        notes: diagnostics.filter(({ severity }) => severity !== "error").map(({ message }) => message),
        loadSeconds: (engine.stats().stageMs.load ?? 0) / 1000,
      };
    } finally {
      engine.destroy();
    }
  }
}

/** Medians, microseconds. */
async function timesOf(engine: KernelEngine, graph: Graph, candidates: number) {
  const inputs = drawnInputs(graph.features, { requests: 1, candidates, seed: 1 });
  const user = await engine.user(stageValues(graph.features, inputs, "user"), { requests: 1 });
  const items = stageValues(graph.features, inputs, "item");
  const call = (): Promise<unknown> => engine.score(user, items, { candidates });
  const watched = async (detail: "stages" | "kernels"): Promise<CallTimes[]> => {
    const chunks: CallTimes[] = [];
    engine.watch({ detail, call: (times) => chunks.push(times) });
    await call();
    engine.watch(undefined);
    return chunks;
  };
  const onDevice = (chunks: readonly CallTimes[]): number =>
    chunks.flatMap(({ launches }) => launches).reduce((sum, { begin, end }) => sum + (end - begin) / 1000, 0);
  for (let i = 0; i < WARM_UP; i++) await watched("stages");
  const stages: number[] = [];
  const calls: number[] = [];
  const started = performance.now();
  while (stages.length < LEAST_CALLS || performance.now() - started < 1000 * SECONDS_A_CASE) {
    stages.push(onDevice(await watched("stages")));
    const begin = performance.now();
    await call();
    calls.push(1000 * (performance.now() - begin));
  }
  const kernels: number[] = [];
  for (let i = 0; i <= KERNEL_CALLS; i++) kernels.push(onDevice(await watched("kernels")));
  user.free();
  return { stage: median(stages), kernels: median(kernels.slice(1)), call: median(calls) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/**
 * Weights [token, D, expert] of a router that sends as many rows to each expert, whatever the rows: experts come in pairs of opposite
 * weights, and neighbours along D are opposites, so that a row's mean does not count.
 */
function balanced([, d = 1, experts = 1]: readonly number[], start: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    const at = start + i;
    const [expert, row, token] = [at % experts, Math.floor(at / experts) % d, Math.floor(at / experts / d)];
    const pair = Math.imul(token * d + (row >> 1), 2654435761) ^ Math.imul((expert >> 1) + 1, 0x9e3779b1);
    const size = ((Math.imul(pair, 1664525) >>> 8) / 2 ** 24 - 0.5) * 0.06;
    return (row + expert) % 2 === 0 ? size : -size;
  });
}

/** Numbers of the size that weights have, the same few over and over: drawing a billion would take the time of the benchmark. */
function repeatedWeights(graph: Graph): WeightSource {
  const PERIOD = 1 << 22;
  const some = new Float32Array(2 * PERIOD);
  let state = 1;
  for (let i = 0; i < PERIOD; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    some[i] = some[i + PERIOD] = (state / 2 ** 32 - 0.5) * 0.06;
  }
  const paths = new Set(graph.params.map(({ path }) => path));
  const routers = new Map(
    graph.params.filter(({ path }) => /\brouter\.w$/.test(path)).map(({ path, shape }) => [path, shape]),
  );
  const whole = new Map(graph.params.map(({ path, shape }) => [path, countOf(shape)]));
  let large = new Float32Array(0);
  return {
    has: (path) => paths.has(path),
    read: (path, start, count) => {
      if (count > (whole.get(path) ?? 0)) throw new Error(`internal: ${path} has fewer than ${count} values`);
      const router = routers.get(path);
      if (router !== undefined) return balanced(router, start, count);
      if (count <= PERIOD) return some.subarray(start % PERIOD, (start % PERIOD) + count);
      if (large.length < count) {
        large = new Float32Array(count);
        for (let at = 0; at < count; at += PERIOD)
          large.set(some.subarray(0, Math.min(PERIOD, count - at)), at);
      }
      return large.subarray(0, count);
    },
    release: () => {},
    close: () => {},
  };
}
