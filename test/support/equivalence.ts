/**
 * @file Holds the pipeline to the meaning of the Graph that enters it: after every pass the Graph is well formed and
 * evaluates to the same outputs, and the tile kernels, interpreted on the CPU, store what the last Graph says.
 */
import { expect } from "vitest";
import { interpret } from "../../backends/interpret/interpret.ts";
import { type EvaluationInput, evaluate, type Tensor } from "../../backends/reference/evaluate.ts";
import type { Fusion } from "../../passes/pass.ts";
import { type Compiled, runPipeline } from "../../passes/pipeline.ts";
import { activeElements } from "../../src/ir/activerows.ts";
import type { FeatureInfo, Graph, Operand, ParamInfo } from "../../src/ir/graph.ts";
import type { Plan } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { software } from "../../src/ir/profiles.ts";
import { maxLevel } from "../../src/ir/stage.ts";
import { verifyGraph } from "../../src/ir/verify.ts";
import { seeded } from "./random.ts";

export interface Sizes {
  readonly requests: number;
  readonly candidates: number;
}

/** Features and parameters drawn from a seed; ids lie in their tables, lengths in their lists. */
export function drawInput(graph: Graph, sizes: Sizes, seed: number): EvaluationInput {
  const random = seeded(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const below = (n: number): number => Math.floor(random() * n);
  const params = new Map(
    graph.params.map((p: ParamInfo) => [p.path, Float64Array.from({ length: numel(p.shape) }, normal)]),
  );
  const feature = (f: FeatureInfo): number[] => {
    const rows = f.stage === "user" ? sizes.requests : sizes.candidates;
    const value = f.table
      ? () => below(f.table?.rows ?? 1)
      : f.lengthOf
        ? () => below((f.lengthOf?.max ?? 0) + 1)
        : f.dtype === "i32"
          ? () => below(5)
          : normal;
    return Array.from({ length: rows * numel(f.shape) }, value);
  };
  return {
    ...sizes,
    request: Int32Array.from({ length: sizes.candidates }, () => below(Math.max(1, sizes.requests))),
    features: new Map(graph.features.map((f) => [f.name, feature(f)])),
    params: {
      read(path, start, count) {
        const data = params.get(path);
        if (!data) throw new Error(`no parameter ${path}`);
        return data.subarray(start, start + count);
      },
    },
  };
}

function numel(shape: readonly number[]): number {
  return shape.reduce((p, s) => p * s, 1);
}

/** The relative L2 distance of two arrays; NaN or a length that differs is infinite. */
export function distance(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (actual.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let error = 0;
  let norm = 0;
  for (let i = 0; i < wanted.length; i++) {
    // Masked scores are −∞ on both sides.
    if (actual[i] === wanted[i] && !Number.isFinite(wanted[i])) continue;
    if (Number.isNaN(actual[i]) || Number.isNaN(wanted[i])) return Number.POSITIVE_INFINITY;
    error += (actual[i] - wanted[i]) ** 2;
    norm += wanted[i] ** 2;
  }
  return norm === 0 ? Math.sqrt(error) : Math.sqrt(error / norm);
}

/** Compiles and checks every step; returns what came out. */
export function expectEquivalent(
  graph: Graph,
  sizes: Sizes,
  seed = 1,
  {
    profile = software,
    reuse = true,
    fusion = "all",
  }: { readonly profile?: Profile; readonly reuse?: boolean; readonly fusion?: Fusion } = {},
): Compiled {
  const input = drawInput(graph, sizes, seed);
  const outputsOf = (g: Graph): ArrayLike<number>[] => {
    const reads = g.outputs.map((o) => o.value);
    return evaluate(g, input, reads).map((tensor, i) => perCandidate(g, reads[i], tensor, input));
  };
  const wanted = outputsOf(graph);
  expect(verifyGraph(graph)).toEqual([]);
  const compiled = runPipeline(graph, {
    profile,
    reuse,
    fusion,
    onPass(name, result) {
      if (!("nodes" in result)) return;
      expect(verifyGraph(result), `after ${name}`).toEqual([]);
      outputsOf(result).forEach((got, i) => {
        expect(distance(got, wanted[i]), `${name}: ${graph.outputs[i].name}`).toBeLessThan(1e-10);
      });
    },
  });
  expectKernels(compiled, input);
  return compiled;
}

/** A task's values for every candidate: before `split-stages` one that a request's candidates share exists once a request. */
function perCandidate(
  graph: Graph,
  operand: Operand,
  tensor: Tensor,
  input: EvaluationInput,
): ArrayLike<number> {
  const node = graph.nodes[operand.id];
  const level = node.program !== undefined ? 3 : maxLevel(node.stage);
  if (level === 3) return tensor.data;
  const rows = level === 2 ? input.requests : 1;
  const unit = tensor.data.length / rows;
  return Float64Array.from({ length: unit * input.candidates }, (_, i) => {
    const n = Math.floor(i / unit);
    return tensor.data[(level === 2 ? input.request[n] : 0) * unit + (i % unit)];
  });
}

/** Every value that a kernel stores equals the node it stands for. */
export function expectKernels(
  { graph, plan }: { readonly graph: Graph; readonly plan: Plan },
  input: EvaluationInput,
): void {
  const memory = interpret(plan, {
    ...input,
    feature: (name) => input.features.get(name) ?? [],
    param: (path) => {
      const info = graph.params.find((p) => p.path === path);
      return input.params.read(path, 0, numel(info?.shape ?? []));
    },
  });
  const computed = plan.values.filter(
    (v) => v.node !== undefined && !["param", "input", "rows"].includes(v.home.kind),
  );
  const wanted = evaluate(
    graph,
    input,
    computed.map((v) => ({ id: v.node ?? 0 })),
  );
  computed.forEach((v, i) => {
    const data = memory.get(v.id) ?? [];
    const { stored, meant } = v.rows
      ? activeElements(v.rows, data, memory.get(v.rows.places) ?? [], wanted[i])
      : { stored: data, meant: wanted[i].data };
    expect(distance(stored, meant), v.name).toBeLessThan(1e-9);
  });
}
