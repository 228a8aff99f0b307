/** How packed parameters come to the device: codes of a file as they are, and no more memory than they take. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadedBytes, storedOnDevice } from "../../bench/loadedbytes.ts";
import { runPipeline } from "../../passes/pipeline.ts";
import { compileFor } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { software } from "../../src/ir/profiles.ts";
import { storedBytes } from "../../src/ir/storage.ts";
import { convert } from "../../src/quantize/convert.ts";
import type { WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import { CHUNK_BYTES } from "../../src/runtime/engine/memory.ts";
import { fileWeights } from "../../src/runtime/fileweights.ts";
import { stageValues } from "../../src/runtime/inputs.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";
import { elaborateSpec } from "../../src/spec.ts";
import { expectCallsAgree, F32, graphOfSpec, openZoo } from "../support/zoo.ts";

const folder = mkdtempSync(join(tmpdir(), "rmxc-load-"));
let device: WebGpuDevice;
beforeAll(async () => {
  device = await openZoo();
}, 60_000);
afterAll(() => {
  device?.destroy();
  rmSync(folder, { recursive: true });
});

const model = (type: string): string => `
model m(D: int = 50, K: int = 70) {
  precision { "**" = ${type} }
  table users(rows = 9973, dim = 13)
  user { uid: id in users }
  item { x: f32[D] }
  param w: [D, K]
  h = gelu(einsum("d, d k -> k", x, w))
  param v: [K, 24]
  y = einsum("k, k c -> c", h, v)
  task score = sum(y) + sum(uid)
}`;

async function scoresOf(graph: Graph, weights: WeightSource): Promise<Float32Array> {
  const engine = await loadKernelEngine(device, compileFor(graph, device.profile), weights, { poison: true });
  try {
    const inputs = drawnInputs(graph.features, { requests: 1, candidates: 5, seed: 4 });
    const user = await engine.user(stageValues(graph.features, inputs, "user"), { requests: 1 });
    const scores = await engine.score(user, stageValues(graph.features, inputs, "item"), { candidates: 5 });
    return scores.get("score") ?? new Float32Array();
  } finally {
    engine.destroy();
  }
}

const types = ["f16", "bf16", "int8 per channel", "int8 per group(8) asymmetric", "fp8_e4m3", "fp8_e5m2"];

describe.each(types)("%s", (type) => {
  it("comes from a converted file byte for byte, never as floats", { timeout: 60_000 }, async () => {
    const graph = graphOfSpec(model(type));
    const drawn = drawnWeights(graph.params, { seed: 2, perturb: true });
    const meant = await scoresOf(graph, drawn);
    const path = join(folder, "q.safetensors");
    convert(graph, drawn, { inputScales: new Map(), output: path });
    const file = fileWeights(path, graph.params);
    const decoded: string[] = [];
    const watched: WeightSource = {
      ...file,
      read: (name, start, count) => {
        decoded.push(name);
        return file.read(name, start, count);
      },
    };
    expect(await scoresOf(graph, watched)).toEqual(meant);
    expect(decoded).toEqual([]);
    file.close();
  });
});

it.each(["f32", ...types])(
  "%s takes at most 1.03 times the stored bytes, whatever the width of a table",
  { timeout: 60_000 },
  async (type) => {
    const graph = graphOfSpec(model(type));
    const weights = drawnWeights(graph.params, { seed: 2 });
    const variant = compileFor(graph, device.profile);
    const engine = await loadKernelEngine(device, variant, weights);
    const { plan } = variant;
    const held = plan.values.filter(({ home }) => home.kind === "param");
    expect(held.length).toBeGreaterThanOrEqual(3);
    const stored = graph.params.reduce((sum, { shape, storage }) => sum + storedBytes(shape, storage), 0);
    // Arguments of launches and what else the engine holds before its first call included.
    expect(engine.stats().bytes).toBeLessThanOrEqual(1.03 * stored);
    const others = engine.stats().bytes - loadedBytes(plan);
    expect(others).toBeGreaterThanOrEqual(0);
    expect(others).toBeLessThanOrEqual(2048);
    engine.destroy();
  },
);

/** Interleaved and folded weights are held in place of what they are made of, not beside it. (bench/memory.ts: the whole zoo.) */
it.each(["mixformer", "tokenmixer_large", "ug_tokenmixer", "unimixer", "unimixing_lite", "xdeepfm"])(
  "%s at its own size takes at most 1.03 times the stored bytes",
  (name) => {
    const { graph } = elaborateSpec(`examples/${name}.rmx`);
    const { plan } = runPipeline(graph, { profile: software });
    expect(loadedBytes(plan) / storedOnDevice(plan)).toBeLessThanOrEqual(1.03);
  },
);

it("comes in pieces where it is larger than one write", { timeout: 60_000 }, async () => {
  const graph = graphOfSpec(`
model m {
  precision { "**" = f16 }
  table ads(rows = 699051, dim = 13)
  item { ad: id in ads }
  task score = sum(ad)
}`);
  expect(2 * 699051 * 13).toBeGreaterThan(CHUNK_BYTES);
  const weights = drawnWeights(graph.params, { seed: 2 });
  const inputs = drawnInputs(graph.features, { requests: 1, candidates: 50, seed: 4 });
  await expectCallsAgree(device, graph, weights, [inputs], F32);
});
