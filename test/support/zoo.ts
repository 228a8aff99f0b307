/**
 * @file Holds blocks of the standard library to their meaning: a spec as text is elaborated, compiled for the device at
 * hand, run on drawn or given weights, and compared value by value with the f64 reference.
 */
import { expect } from "vitest";
import { evaluate } from "../../backends/reference/evaluate.ts";
import { compileFor, type Variant } from "../../src/compile.ts";
import type { Graph, ParamInfo } from "../../src/ir/graph.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { openDevice, type WebGpuDevice } from "../../src/runtime/device.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import { loadKernelEngine } from "../../src/runtime/engine/kernelengine.ts";
import type { FeatureArray, ModelInputs } from "../../src/runtime/inputs.ts";
import { relativeError, verify } from "../../src/runtime/verify.ts";
import { countOf, type WeightSource } from "../../src/runtime/weights.ts";
import { elaborateText } from "../model/harness.ts";

/** Relative L2 error of values computed in f32. */
export const F32 = 1e-5;
/** The same where an exponential amplifies rounding: attention, Sinkhorn. */
export const F32_EXP = 3e-5;

export interface Sizes {
  readonly requests: number;
  readonly candidates: number;
}

export interface ZooOptions {
  /** The model's parameters. */
  readonly set?: Readonly<Record<string, string | number | boolean>>;
  /** Default: 1 request with 1 candidate, and 2 with 5. */
  readonly sizes?: readonly Sizes[];
  readonly tolerance?: number;
  readonly seed?: number;
  /** Lines of a `precision` block, `;` between them. */
  readonly precision?: string;
  /** Compiles for the sizes that the spec serves, not for the calls of the test. */
  readonly asServed?: boolean;
  /** Limits to compile for, where smaller than the device's. */
  readonly limits?: Partial<Profile["limits"]>;
  /** Features to compile for, where others than the device's. */
  readonly features?: Partial<Profile["features"]>;
}

/** Row-major values by name. */
export type Tensors = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly values: readonly number[] }>
>;

/** The WebGPU device of a test file; `destroy` it at the end. */
export async function openZoo(): Promise<WebGpuDevice> {
  const opened = await openDevice("webgpu");
  if (opened.kind !== "webgpu") throw new Error("no WebGPU device: npm test installs a software driver");
  return opened;
}

/** The Graph of a spec; its diagnostics fail the test. */
export function graphOfSpec(text: string, set: ZooOptions["set"] = {}, precision?: string): Graph {
  const sets = Object.fromEntries(Object.entries(set).map(([name, value]) => [name, String(value)]));
  const { graph, diagnostics } = elaborateText(text, { sets, ...(precision !== undefined && { precision }) });
  expect(diagnostics.filter((d) => d.severity === "error").map((d) => `${d.code} ${d.message}`)).toEqual([]);
  if (graph === undefined) throw new Error("internal: no Graph and no error");
  return graph;
}

/** Compiles the spec and checks every kernel's output and every task on drawn weights and inputs. */
export async function expectAgrees(
  device: WebGpuDevice,
  text: string,
  options: ZooOptions = {},
): Promise<Variant> {
  const graph = graphOfSpec(text, options.set, options.precision);
  const weights = drawnWeights(graph.params, { seed: options.seed ?? 1, perturb: true });
  const sizes = options.sizes ?? [
    { requests: 1, candidates: 1 },
    { requests: 2, candidates: 5 },
  ];
  const calls = sizes.map((size) =>
    drawnInputs(graph.features, { ...size, seed: (options.seed ?? 1) + size.candidates }),
  );
  const profile = {
    ...device.profile,
    limits: { ...device.profile.limits, ...options.limits },
    features: { ...device.profile.features, ...options.features },
  };
  return expectCallsAgree(device, graph, weights, calls, options.tolerance ?? F32, profile, options.asServed);
}

/**
 * A published vector: the given weights and inputs must give the given outputs, in the reference as the spec was written and
 * on the device. Parameters and inputs must match the spec's exactly; all inputs are `item` features.
 */
export async function expectVector(
  device: WebGpuDevice,
  text: string,
  vector: { readonly weights: Tensors; readonly inputs: Tensors; readonly outputs: Tensors },
  tolerance = F32,
): Promise<void> {
  const graph = graphOfSpec(text);
  expect(shapesOf(vector.weights)).toEqual(
    Object.fromEntries(graph.params.map((p: ParamInfo) => [p.path, p.shape])),
  );
  const weights = givenWeights(vector.weights);
  const features = new Map<string, FeatureArray>(
    graph.features.map((f) => {
      const values = vector.inputs[f.name]?.values ?? [];
      return [f.name, f.dtype === "i32" ? Int32Array.from(values) : Float32Array.from(values)];
    }),
  );
  const candidates = Object.values(vector.inputs)[0]?.shape[0] ?? 0;
  const call = { requests: 1, candidates, request: new Int32Array(candidates), features };
  const names = graph.outputs.map((o) => o.name);
  expect(Object.keys(vector.outputs).sort()).toEqual([...names].sort());

  const exact = new Map(
    graph.features.map((f) => [f.name, Float64Array.from(vector.inputs[f.name]?.values ?? [])]),
  );
  const wide = {
    read: (path: string, start: number, count: number) =>
      at(vector.weights, path).slice(start, start + count),
  };
  const wanted = graph.outputs.map((o) => o.value);
  const meant = evaluate(graph, { ...call, features: exact, params: wide }, wanted);
  names.forEach((name, i) => {
    expect(relativeError(meant[i]?.data ?? [], at(vector.outputs, name)), `${name}, reference`).toBeLessThan(
      1e-7,
    );
  });

  const variant = await expectCallsAgree(device, graph, weights, [call], tolerance);
  const engine = await loadKernelEngine(device, variant, weights, { poison: true });
  try {
    const user = await engine.user({}, { requests: 1 });
    const scores = await engine.score(user, Object.fromEntries(features), { candidates });
    for (const name of names) {
      const error = relativeError(scores.get(name) ?? [], at(vector.outputs, name));
      expect(error, `${name}, device`).toBeLessThanOrEqual(tolerance);
    }
  } finally {
    engine.destroy();
  }
}

export async function expectCallsAgree(
  device: WebGpuDevice,
  graph: Graph,
  weights: WeightSource,
  calls: readonly ModelInputs[],
  tolerance: number,
  profile: Profile = device.profile,
  asServed = false,
): Promise<Variant> {
  // Kernels for the sizes at hand: drivers take seconds to compile the wide tiles of large calls.
  const serve = {
    requests: Math.max(...calls.map((call) => call.requests)),
    candidates: Math.max(...calls.map((call) => call.candidates)),
  };
  const variant = compileFor(asServed ? graph : { ...graph, serve }, profile, {
    reuseArena: false,
    choices: true,
  });
  const engine = await loadKernelEngine(device, variant, weights, { inspect: true, poison: true });
  try {
    for (const inputs of calls) {
      const said = `${inputs.requests} requests, ${inputs.candidates} candidates`;
      const { kernels, tasks, choices } = await verify({ ...variant, engine, inputs, weights, tolerance });
      for (const { name, what, error } of [...kernels, ...tasks]) {
        expect(error, `${name}: ${what}, ${said}`).toBeLessThanOrEqual(tolerance);
      }
      for (const { name, what, gap } of choices) {
        expect(gap, `${name}: ${what}, distance from a tie, ${said}`).toBeLessThanOrEqual(tolerance);
      }
    }
  } finally {
    engine.destroy();
  }
  return variant;
}

function shapesOf(tensors: Tensors): Record<string, readonly number[]> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
}

function at(tensors: Tensors, name: string): readonly number[] {
  const found = tensors[name];
  if (found === undefined) throw new Error(`the vector has no tensor ${name}`);
  expect(found.values.length).toBe(countOf(found.shape));
  return found.values;
}

function givenWeights(tensors: Tensors): WeightSource {
  const arrays = new Map(Object.entries(tensors).map(([name, t]) => [name, Float32Array.from(t.values)]));
  return {
    read(path, start, count) {
      const array = arrays.get(path);
      if (array === undefined) throw new Error(`the vector has no tensor ${path}`);
      return array.subarray(start, start + count);
    },
    has: (path) => arrays.has(path),
    release() {},
    close() {},
  };
}
