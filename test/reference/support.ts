/** @file Small graphs for tests: sources with their values, built and evaluated in a line or two. */
import {
  type EvaluationInput,
  type EvaluationOptions,
  evaluate,
  type ParamReader,
} from "../../backends/reference/evaluate.ts";
import { GraphBuilder } from "../../src/ir/build.ts";
import type { Extent } from "../../src/ir/expr.ts";
import type { FeatureInfo, Graph, Node, Op, Operand, Output, Stage } from "../../src/ir/graph.ts";
import type { Tensor } from "../../src/ir/ops/tensor.ts";

/** mulberry32: the same numbers in every run, in [−1, 1). */
export function drawer(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

export class Sketch {
  readonly builder = new GraphBuilder();
  readonly values = new Map<string, ArrayLike<number>>();
  readonly features = new Map<string, ArrayLike<number>>();
  /** The program of each node, for graphs after `split-stages`; the others belong to the load program. */
  readonly programs = new Map<number, Stage>();
  /** Every read of a parameter, in order. */
  readonly reads: { readonly path: string; readonly start: number; readonly count: number }[] = [];

  param(path: string, shape: readonly number[], values: ArrayLike<number>): Operand {
    this.values.set(path, values);
    const node = this.builder.param({
      path,
      shape,
      init: { kind: "xavier", scale: 1 },
      table: false,
      training: false,
      storage: { element: "f32" },
    });
    return { id: node.id };
  }

  feature(
    stage: "user" | "item",
    name: string,
    shape: readonly number[],
    values: ArrayLike<number>,
    options: { readonly dtype?: FeatureInfo["dtype"]; readonly batched?: boolean } = {},
  ): Operand {
    this.features.set(name, values);
    const info = { name, stage, dtype: options.dtype ?? "f32", shape };
    const extents: readonly Extent[] = options.batched ? [stage === "user" ? "R" : "N", ...shape] : shape;
    return { id: this.builder.feature(info, extents).id };
  }

  data(values: readonly number[], shape: readonly number[]): Operand {
    return { id: this.builder.data(Float64Array.from(values), shape).id };
  }

  ints(values: readonly number[], shape: readonly number[]): Operand {
    return { id: this.builder.data(Int32Array.from(values), shape).id };
  }

  mask(values: readonly number[], shape: readonly number[]): Operand {
    return { id: this.builder.data(Uint8Array.from(values), shape).id };
  }

  op(op: Op, ...inputs: readonly Operand[]): Operand {
    return { id: this.builder.add(op, inputs, { path: op.kind }).id };
  }

  pointwise(fn: Extract<Op, { kind: "pointwise" }>["fn"], ...inputs: readonly Operand[]): Operand {
    return { id: this.builder.pointwise(fn, inputs, fn).id };
  }

  node(operand: Operand): Node {
    return this.builder.node(operand.id);
  }

  graph(outputs: readonly Output[] = []): Graph {
    const graph = this.builder.finish({
      name: "sketch",
      outputs,
      precision: { compute: "f32", parts: [], derived: [] },
      serve: { requests: 1, candidates: 16 },
    });
    if (this.programs.size === 0) return graph;
    return {
      ...graph,
      nodes: graph.nodes.map((n) => ({ ...n, program: this.programs.get(n.id) ?? "load" })),
    };
  }

  get reader(): ParamReader {
    return {
      read: (path, start, count) => {
        this.reads.push({ path, start, count });
        const values = this.values.get(path);
        if (values === undefined) throw new Error(`no parameter ${path}`);
        return start === 0 && count === values.length
          ? values
          : Array.from(values).slice(start, start + count);
      },
    };
  }

  /** Evaluates with as many candidates as `request` has entries. */
  run(
    wanted: readonly Operand[],
    batch: { readonly requests?: number; readonly request?: readonly number[] } = {},
    options: EvaluationOptions = {},
  ): Tensor[] {
    const request = batch.request ?? [0];
    const input: EvaluationInput = {
      requests: batch.requests ?? 1,
      candidates: request.length,
      request: Int32Array.from(request),
      features: this.features,
      params: this.reader,
    };
    return evaluate(this.graph(), input, wanted, options);
  }

  /** The one value that a load-stage operand has. */
  value(operand: Operand): number[] {
    return Array.from(this.run([operand])[0].data);
  }
}
