/**
 * @file A Graph as an ONNX model: the portable form of a spec, and what other runtimes are measured with.
 *
 * The Graph is the one after `split-stages`: what depends on parameters alone becomes initialisers, user values have R rows,
 * and `by_request` is a `Gather` by the input `request` where the item program reads them. Without reuse every candidate is a
 * request of its own: all inputs have N rows and nothing is gathered. Operators are ONNX's own, never a runtime's
 * contributed ones, in the form that ONNX Runtime's optimiser knows.
 */
import type { Extent } from "../../src/ir/expr.ts";
import type { Graph, Node, Op, Operand, Output } from "../../src/ir/graph.ts";
import type { ParamReader } from "../reference/evaluate.ts";
import { Builder } from "./builder.ts";
import { Constants } from "./constants.ts";
import { dense, type EmitContext, type NodeOf } from "./context.ts";
import { type FoldedNorm, foldedNorms, mayBeHidden } from "./fold.ts";
import { byRequest, concat, lookup, pad, take, topKIndex, topKMask } from "./gathers.ts";
import type { OnnxLayout } from "./layouts.ts";
import { IR_VERSION, type OnnxModel, OPSET, type ValueInfo } from "./model.ts";
import { pointwise } from "./pointwise.ts";
import { einsum } from "./products.ts";
import { normalize, reduce, rowStatistics, softmax } from "./rows.ts";
import { ELEMENT_OF, rowMajor, storedDims, type Value } from "./value.ts";
import { viewOf } from "./views.ts";

export interface OnnxOptions {
  /** False: every candidate is a request of its own; the Graph was split with `reuse: false`. Default true. */
  readonly reuse?: boolean;
  /** Default `tokens`, the faster one on ONNX Runtime. */
  readonly layout?: OnnxLayout;
  /** True: each task's value under its final sigmoid is an output too, called TASK.logit. Default false. */
  readonly logits?: boolean;
}

/** The model's input with the request of each candidate. */
export const REQUEST_INPUT = "request";

/**
 * The ONNX model of a Graph that `split-stages` made. Inputs are called as the features, outputs as the tasks; R and N are symbolic
 * dimensions. Constants are read from `params` when the model is written.
 */
export function exportGraph(graph: Graph, params: ParamReader, options: OnnxOptions = {}): OnnxModel {
  return new Export(graph, params, options).run();
}

class Export implements EmitContext {
  readonly out = new Builder();
  readonly layout: OnnxLayout;
  readonly #graph: Graph;
  readonly #constants: Constants;
  readonly #values = new Map<number, Value>();
  readonly #folded: ReadonlyMap<number, FoldedNorm>;
  readonly #hidden: readonly boolean[];
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  readonly #reuse: boolean;
  readonly #logits: boolean;

  constructor(
    graph: Graph,
    params: ParamReader,
    { reuse = true, layout = "tokens", logits = false }: OnnxOptions,
  ) {
    this.#graph = graph;
    this.layout = layout;
    this.#reuse = reuse;
    this.#logits = logits;
    this.#constants = new Constants(graph, params, this.out);
    this.#folded = foldedNorms(graph);
    this.#hidden = mayBeHidden(graph);
  }

  run(): OnnxModel {
    const { nodes, outputs, name } = this.#graph;
    this.#declareInputs();
    for (const output of outputs) {
      this.out.reserve(output.name);
      if (this.#logits && output.logit) this.out.reserve(logitName(output));
    }
    const inside = this.#insideFolds();
    for (const node of nodes) {
      if (node.program === "load" || inside.has(node.id)) continue;
      this.#values.set(node.id, this.#emit(node));
    }
    for (const output of outputs) {
      this.#output(output.name, output.value, output.shape);
      if (this.#logits && output.logit) this.#output(logitName(output), output.logit, output.shape);
    }
    return {
      name,
      irVersion: IR_VERSION,
      opset: OPSET,
      nodes: this.out.nodes,
      initializers: this.out.initializers,
      inputs: this.#inputs,
      outputs: this.#outputs,
    };
  }

  node(id: number): Node {
    return this.#graph.nodes[id];
  }

  isConstant(operand: Operand): boolean {
    return this.#constants.has(operand);
  }

  stored(id: number): Value | undefined {
    return this.#values.get(id);
  }

  read(operand: Operand, order: readonly number[] | undefined, about: string): Value {
    if (this.isConstant(operand)) return this.#constants.read(operand, order);
    const value = this.#values.get(operand.id);
    if (value === undefined) throw new Error(`internal: %${operand.id} is read before it is exported`);
    return viewOf(this.out, value, operand.map, order, about);
  }

  readToBroadcast(operand: Operand, order: readonly number[], about: string): Value {
    return this.isConstant(operand)
      ? this.#constants.read(operand, order, true)
      : this.read(operand, order, about);
  }

  batch(extent: Extent): string {
    const symbol = this.#symbol(extent);
    const source = this.#inputs.find(({ dims }) => dims[0] === symbol);
    if (source === undefined) throw new Error(`internal: no input has ${symbol} rows`);
    return this.out.once(`batch:${symbol}`, () =>
      this.out.node("Shape", [source.name], `batch/${symbol}`, { start: 0, end: 1 }),
    );
  }

  /** Without reuse there are as many requests as candidates. */
  #symbol(extent: Extent): number | string {
    return extent === "R" && !this.#reuse ? "N" : extent;
  }

  #declareInputs(): void {
    const { nodes, features } = this.#graph;
    const gathers = this.#reuse && nodes.some((node) => node.op.kind === "by_request");
    for (const { name } of features) {
      const node = nodes.find(({ op }) => op.kind === "feature" && op.name === name);
      if (node === undefined) continue;
      const dims = node.type.shape.map((extent) => this.#symbol(extent));
      this.#declare({ name, type: ELEMENT_OF[node.type.dtype], dims });
    }
    // Someone has to say how many candidates there are.
    const counted = this.#inputs.some(({ dims }) => dims[0] === "N");
    if (gathers || !counted) this.#declare({ name: REQUEST_INPUT, type: "int32", dims: ["N"] });
  }

  #declare(info: ValueInfo): void {
    this.out.reserve(info.name);
    this.#inputs.push(info);
  }

  /** The norms and gains that a later node of the chain stands for. */
  #insideFolds(): ReadonlySet<number> {
    const inside = new Set<number>();
    for (const [last, { norm }] of this.#folded) {
      for (const id of this.#chain(norm.id, last)) inside.add(id);
    }
    return inside;
  }

  /** The norm, and the product with its gain if an offset follows. */
  #chain(norm: number, last: number): number[] {
    const between = this.#graph.nodes[last].inputs.map(({ id }) => id);
    return between.includes(norm) ? [norm] : [norm, ...between.filter((id) => !this.isConstant({ id }))];
  }

  #emit(node: Node): Value {
    const folded = this.#folded.get(node.id);
    if (folded !== undefined) return normalize(this, { ...folded.norm, path: node.path }, folded.affine);
    return emitNode(this, node, {
      request: this.#reuse ? REQUEST_INPUT : undefined,
      mayHide: node.inputs.some(({ id }) => this.#hidden[id]),
    });
  }

  /** A task's values, row-major; one a candidate where the task has a single one. */
  #output(name: string, operand: Operand, shape: readonly number[]): void {
    const seen = operand.map?.out ?? this.#graph.nodes[operand.id].type.shape;
    const value = dense(this, operand, rowMajor(seen), name);
    const dims = shape.length === 1 && shape[0] === 1 ? [] : shape;
    const stored = storedDims(value);
    const target = [-1, ...dims];
    const same = stored.length === target.length;
    const result = same ? value.name : this.out.node("Reshape", [value.name, this.out.ints(target)], name);
    this.out.output(result, name);
    this.#outputs.push({ name, type: ELEMENT_OF[value.dtype], dims: ["N", ...dims] });
  }
}

function logitName(output: Output): string {
  return `${output.name}.logit`;
}

interface Surroundings {
  /** The input that names each candidate's request; undefined: there is none. */
  readonly request: string | undefined;
  /** Whether an operand may be −inf. */
  readonly mayHide: boolean;
}

function emitNode(ctx: EmitContext, node: Node, { request, mayHide }: Surroundings): Value {
  const { op } = node;
  switch (op.kind) {
    case "feature":
      return {
        name: op.name,
        dtype: node.type.dtype,
        shape: node.type.shape,
        order: rowMajor(node.type.shape),
        flat: node.type.shape.map(() => false),
      };
    case "pointwise":
      return pointwise(ctx, withOp(node, op));
    case "view":
      return ctx.read(node.inputs[0], undefined, node.path);
    case "concat":
      return concat(ctx, withOp(node, op));
    case "pad":
      return pad(ctx, withOp(node, op));
    case "einsum":
      return einsum(ctx, withOp(node, op));
    case "reduce":
      return reduce(ctx, withOp(node, op));
    case "normalize":
      return normalize(ctx, withOp(node, op), {});
    case "row_statistics":
      return rowStatistics(ctx, withOp(node, op));
    case "softmax":
      return softmax(ctx, withOp(node, op), mayHide);
    case "top_k_mask":
      return topKMask(ctx, withOp(node, op));
    case "top_k_index":
      return topKIndex(ctx, withOp(node, op));
    case "take":
      return take(ctx, withOp(node, op));
    case "lookup":
      return lookup(ctx, withOp(node, op));
    case "by_request":
      return byRequest(ctx, withOp(node, op), request);
    case "param":
    case "const":
    case "data":
    case "iota":
      throw new Error(`internal: a ${op.kind} outside of the load stage`);
    default:
      return op satisfies never;
  }
}

function withOp<O extends Op>(node: Node, op: O): NodeOf<O["kind"]> {
  return { ...node, op } as unknown as NodeOf<O["kind"]>;
}
