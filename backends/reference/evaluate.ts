/**
 * @file The meaning of the language: a Graph evaluated in f64, node by node, each by its op's own `evaluate`.
 *
 * Before `split-stages` a graph describes one candidate. A node's latest stage says how many samples of it there are: one
 * (load), R (user) or N (item), and each sample is evaluated by itself. After `split-stages` the batch axes are written
 * out and every node has one sample. Only what `wanted` needs is evaluated, and a value goes after its last use.
 *
 * A user value may be cut out of one with item elements elsewhere (`x[0:8]` of a mixed x). It is read from the
 * request's first candidate, since those elements are equal for all of them; a request without candidates gets one
 * with all-zero features for that purpose (`Batch`).
 */
import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import { type EvaluateContext, IndexRangeError } from "../../src/ir/ops/def.ts";
import { opDef } from "../../src/ir/ops/index.ts";
import { bindMap, bindShape, numel, stridedView, type Tensor, viewTensor } from "../../src/ir/ops/tensor.ts";
import { Batch, type Level, levelsOf } from "./batch.ts";
import { EvaluationError } from "./error.ts";
import { lookupRows, type Table, tableOf } from "./lookup.ts";
import { NodeRounding, type Rounding } from "./rounding.ts";
import { concatSamples, newSample, samplesOf, wholeTensor } from "./samples.ts";

export type { Tensor } from "../../src/ir/ops/tensor.ts";
export { EvaluationError } from "./error.ts";
export type { Rounding } from "./rounding.ts";

export interface ParamReader {
  /**
   * Elements [start, start + count) of a parameter, row-major. A read of all of it gives the stored array or a
   * view of it; tables are read only row by row.
   */
  read(path: string, start: number, count: number): ArrayLike<number>;
}

export interface EvaluationInput {
  readonly requests: number;
  readonly candidates: number;
  /** The request of each candidate, in [0, requests). */
  readonly request: ArrayLike<number>;
  /** Row-major with the batch axis first: [requests, …] for user features, [candidates, …] for item features. */
  readonly features: ReadonlyMap<string, ArrayLike<number>>;
  readonly params: ParamReader;
}

export interface EvaluationOptions {
  /** Values that stand for a node's own, in the form of a result: a device's discrete choices, say. */
  readonly override?: ReadonlyMap<number, Tensor>;
  /** What storage does to values that are no parameters; absent: nothing. Parameters are rounded by `params`. */
  readonly rounding?: Rounding;
}

/**
 * The wanted values, in order. A value that exists once a request or candidate has a leading axis [R] or [N], by the
 * latest stage of its node; after `split-stages` shapes are the nodes' own.
 */
export function evaluate(
  graph: Graph,
  input: EvaluationInput,
  wanted: readonly Operand[],
  options: EvaluationOptions = {},
): Tensor[] {
  return new Evaluation(graph, input, wanted, options).run(wanted);
}

class Evaluation {
  readonly #graph: Graph;
  readonly #input: EvaluationInput;
  readonly #override: ReadonlyMap<number, Tensor>;
  readonly #split: boolean;
  readonly #sizes: { readonly R: number; readonly N: number };
  readonly #levels: readonly Level[];
  readonly #batch: Batch;
  readonly #context: EvaluateContext;
  readonly #rounding: NodeRounding | undefined;
  /** How many reads of each node are still to come; 0 for one that nobody needs. */
  readonly #uses: Int32Array;
  readonly #values = new Map<number, readonly Tensor[]>();

  constructor(graph: Graph, input: EvaluationInput, wanted: readonly Operand[], options: EvaluationOptions) {
    this.#graph = graph;
    this.#input = input;
    this.#override = options.override ?? new Map();
    this.#split = graph.nodes.some((node) => node.program !== undefined);
    this.#sizes = { R: input.requests, N: input.candidates };
    this.#levels = levelsOf(graph, this.#split);
    this.#uses = this.#countUses(wanted);
    this.#batch = new Batch(input, this.#readsLater());
    this.#context = { request: input.request };
    this.#rounding = options.rounding && new NodeRounding(graph, options.rounding);
  }

  run(wanted: readonly Operand[]): Tensor[] {
    for (const node of this.#graph.nodes) {
      if (this.#uses[node.id] === 0) continue;
      this.#values.set(node.id, this.#samples(node));
      for (const operand of this.#operandsOf(node)) this.#release(operand);
    }
    return wanted.map((operand) => this.#result(operand));
  }

  /** The operands that evaluating the node reads: none where it is overridden, not the table of an embedding. */
  #operandsOf(node: Node): readonly Operand[] {
    if (this.#override.has(node.id)) return [];
    return this.#table(node) === undefined ? node.inputs : node.inputs.slice(1);
  }

  #table(node: Node): Table | undefined {
    if (node.op.kind !== "lookup" || this.#override.has(node.inputs[0].id)) return undefined;
    return tableOf(this.#graph, node.inputs[0]);
  }

  #countUses(wanted: readonly Operand[]): Int32Array {
    const uses = new Int32Array(this.#graph.nodes.length);
    for (const { id } of wanted) uses[id]++;
    for (const node of [...this.#graph.nodes].reverse()) {
      if (uses[node.id] > 0) for (const { id } of this.#operandsOf(node)) uses[id]++;
    }
    return uses;
  }

  /** Whether a needed node reads a value of a later stage than its own. */
  #readsLater(): boolean {
    return this.#graph.nodes.some(
      (node) =>
        this.#uses[node.id] > 0 &&
        this.#operandsOf(node).some(({ id }) => this.#levels[id] > this.#levels[node.id]),
    );
  }

  #release({ id }: Operand): void {
    if (--this.#uses[id] === 0) this.#values.delete(id);
  }

  #valuesOf(id: number): readonly Tensor[] {
    const values = this.#values.get(id);
    if (values === undefined) throw new Error(`internal: %${id} is read before it is evaluated`);
    return values;
  }

  #samples(node: Node): readonly Tensor[] {
    const level = this.#levels[node.id];
    const count = this.#batch.count(level);
    const shape = bindShape(node.type.shape, this.#sizes);
    const given = this.#override.get(node.id);
    if (given !== undefined) return samplesOf(given.data, shape, node.type.dtype, level, count);
    if (node.op.kind === "param") {
      const { path, rows } = node.op;
      const first = (rows?.from ?? 0) * numel(shape.slice(1));
      return [wholeTensor(shape, "num", (size) => this.#input.params.read(path, first, size), path)];
    }
    if (node.op.kind === "feature") {
      const data = this.#input.features.get(node.op.name);
      if (data === undefined) throw new Error(`internal: no values for feature ${node.op.name}`);
      return samplesOf(data, shape, node.type.dtype, level, count);
    }
    const table = this.#table(node);
    const operands = this.#operandsOf(node).map((operand) =>
      this.#reader(operand, level, opDef(node.op.kind).strided === true),
    );
    const type = { shape, dtype: node.type.dtype };
    return Array.from({ length: count }, (_, sample) => {
      const inputs = operands.map((read) => read(sample));
      try {
        if (table !== undefined) return lookupRows(table, inputs[0], this.#input.params);
        const read = this.#rounding?.operands(node, inputs) ?? inputs;
        const value = opDef(node.op.kind).evaluate(node.op, read, type, this.#context);
        return this.#rounding?.result(node, value) ?? value;
      } catch (error) {
        if (error instanceof IndexRangeError) throw this.#outside(node, sample, error);
        throw error;
      }
    });
  }

  /** Gives the operand as the op sees it, for each sample of its reader; views that several samples share are made once. */
  #reader(operand: Operand, level: Level, strided: boolean): (sample: number) => Tensor {
    const values = this.#valuesOf(operand.id);
    const own = this.#levels[operand.id];
    const map = operand.map === undefined ? undefined : bindMap(operand.map, this.#sizes);
    if (map === undefined) return (sample) => values[this.#batch.sampleOf(own, level, sample)];
    const shared = new Map<number, Tensor>();
    return (sample) => {
      const from = this.#batch.sampleOf(own, level, sample);
      const made = shared.get(from);
      if (made !== undefined) return made;
      const view = (strided ? stridedView(values[from], map) : undefined) ?? viewTensor(values[from], map);
      if (own !== level) shared.set(from, view);
      return view;
    };
  }

  #outside(node: Node, sample: number, error: IndexRangeError): EvaluationError {
    const index = node.inputs[1] ?? node.inputs[0];
    const { shape } = this.#graph.nodes[index.id].type;
    const seen = bindShape(index.map?.out ?? shape, this.#sizes);
    const batched = this.#split && seen.length > 0 && node.program !== "load";
    const perRow = seen.slice(1).reduce((product, extent) => product * extent, 1);
    const row = batched ? Math.floor(error.position / perRow) : sample;
    const stage = this.#split
      ? (node.program ?? "load")
      : (["load", "user", "item"] as const)[this.#levels[node.id] - 1];
    return new EvaluationError(node.path, stage, row, error.value, error.extent);
  }

  #result(operand: Operand): Tensor {
    const level = this.#levels[operand.id];
    const map = operand.map === undefined ? undefined : bindMap(operand.map, this.#sizes);
    const values = this.#valuesOf(operand.id).slice(0, this.#batch.realCount(level));
    const { type } = this.#graph.nodes[operand.id];
    const sample = newSample(bindShape(operand.map?.out ?? type.shape, this.#sizes), type.dtype);
    const views = values.map((value) => viewTensor(value, map));
    return level === 1 ? views[0] : concatSamples(views, sample);
  }
}
