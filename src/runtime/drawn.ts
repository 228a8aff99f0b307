/**
 * @file Drawn weights: what a model is run with when no file gives its parameters. Element i of parameter P is a function
 * of (seed, P, i) alone; see random.ts.
 */
import type { Init, ParamInfo } from "../ir/graph.ts";
import { normalAt, type StreamKey, streamKey, uniformAt } from "./random.ts";
import { byPath, type DrawOptions, KeptReads, type WeightSource } from "./weights.ts";

/** Spread of perturbed zeros and ones. */
const PERTURBATION = 0.1;

export function drawnWeights(params: readonly ParamInfo[], options: DrawOptions = {}): WeightSource {
  const { seed = 0, perturb = false } = options;
  const known = byPath(params);
  const reads = new KeptReads(known, (param, start, count) => draw(param, start, count, seed, perturb));
  return {
    read: (path, start, count) => reads.read(path, start, count),
    has: (path) => known.has(path),
    release: () => reads.release(),
    close: () => reads.release(),
  };
}

function draw(param: ParamInfo, start: number, count: number, seed: number, perturb: boolean): Float32Array {
  const out = new Float32Array(count);
  const key = streamKey(seed, param.path);
  const { init } = param;
  if (init.kind === "zeros" || init.kind === "ones") {
    const centre = init.kind === "ones" ? 1 : 0;
    if (perturb) fillNormal(out, key, start, centre, PERTURBATION);
    else out.fill(centre);
  } else if (init.kind === "normal") {
    fillNormal(out, key, start, 0, init.std);
  } else {
    fillUniform(out, key, start, xavierBound(init, param.shape));
  }
  return out;
}

/** scale·√(6 / (fan_in + fan_out)), fans being the last two axes (Glorot and Bengio 2010, eq. 16). */
export function xavierBound(init: Extract<Init, { kind: "xavier" }>, shape: readonly number[]): number {
  const out = shape.at(-1) ?? 1;
  const fanIn = shape.at(-2) ?? out;
  return init.scale * Math.sqrt(6 / Math.max(1, fanIn + out));
}

function fillNormal(out: Float32Array, key: StreamKey, start: number, mean: number, std: number): void {
  for (let i = 0; i < out.length; i++) out[i] = mean + std * normalAt(key, start + i);
}

function fillUniform(out: Float32Array, key: StreamKey, start: number, bound: number): void {
  const width = 2 * bound;
  for (let i = 0; i < out.length; i++) out[i] = uniformAt(key, start + i) * width - bound;
}
