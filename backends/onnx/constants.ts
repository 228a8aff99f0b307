/**
 * @file What is known when the model is written: parameters, constants and everything that depends on them alone, evaluated once by
 * the f64 reference. A constant is written as its reader wants it: through its view, with its axes in the reader's order,
 * and without the axes along which it repeats, which ONNX broadcasts.
 */

import { axesOf } from "../../src/ir/expr.ts";
import type { Graph, Operand } from "../../src/ir/graph.ts";
import {
  composeMaps,
  type IndexMap,
  identityMap,
  isIdentity,
  permuteMap,
  printMap,
} from "../../src/ir/indexmap.ts";
import { constantShape } from "../../src/ir/ops/def.ts";
import { numel, type Tensor, viewTensor } from "../../src/ir/ops/tensor.ts";
import { simplify } from "../../src/ir/simplify.ts";
import { evaluate, type ParamReader } from "../reference/evaluate.ts";
import { type Builder, bytesOf } from "./builder.ts";
import { ELEMENT_OF, rowMajor, type Value } from "./value.ts";

/** Elements of a table that are read at once. */
const CHUNK = 2 ** 22;

export class Constants {
  readonly #graph: Graph;
  readonly #params: ParamReader;
  readonly #out: Builder;
  #evaluated: ReadonlyMap<number, Tensor> | undefined;

  constructor(graph: Graph, params: ParamReader, out: Builder) {
    this.#graph = graph;
    this.#params = params;
    this.#out = out;
  }

  has({ id }: Operand): boolean {
    return this.#graph.nodes[id].program === "load";
  }

  /**
   * The operand as an initialiser with its axes in the order `order`. `trim` leaves out leading axes of extent 1, which a
   * broadcasting operator puts back.
   */
  read(operand: Operand, order: readonly number[] | undefined, trim = false): Value {
    const node = this.#graph.nodes[operand.id];
    const map = operand.map ?? identityMap(node.type.shape);
    const index = map.index.map(simplify);
    const used = new Set(index.flatMap((e) => [...axesOf(e).keys()]));
    const constant = node.op.kind === "const";
    const flat = map.out.map((extent, axis) => extent !== 1 && (constant || !used.has(`i${axis}`)));
    const stored = map.out.map((extent, axis) => (flat[axis] ? 1 : Number(extent)));
    const places = order ?? rowMajor(map.out);
    const dims = places.map((axis) => stored[axis]);
    const leading = dims.findIndex((extent) => extent !== 1);
    const kept = trim ? dims.slice(leading < 0 ? dims.length : leading) : dims;
    const about: Value = { name: "", dtype: node.type.dtype, shape: map.out, order: places, flat };
    if (node.op.kind === "const" && kept.length === 0)
      return { ...about, name: this.#out.scalar(node.op.value, node.type.dtype) };
    const seen: IndexMap = { out: stored, index };
    const key = `constant:${operand.id}:${printMap(seen)}:${places.join()}:${kept.join()}`;
    const ordered = composeMaps(permuteMap(stored, places), seen);
    return { ...about, name: this.#out.once(key, () => this.#write(operand.id, ordered, kept)) };
  }

  /** An initialiser with what node `id` is through `map`; a parameter as it is stored is read piece by piece. */
  #write(id: number, map: IndexMap, dims: readonly number[]): string {
    const { type, path, op } = this.#graph.nodes[id];
    const element = ELEMENT_OF[type.dtype];
    const shape = constantShape(type.shape);
    const about = op.kind === "param" ? op.path : path;
    if (op.kind === "param" && isIdentity(map, shape)) {
      const params = this.#params;
      const first = (op.rows?.from ?? 0) * numel(shape.slice(1));
      return this.#out.initializer(element, dims, about, function* () {
        const total = numel(shape);
        for (let at = 0; at < total; at += CHUNK) {
          yield bytesOf(element, params.read(op.path, first + at, Math.min(CHUNK, total - at)));
        }
      });
    }
    if (op.kind === "const") {
      const values = new Float64Array(numel(dims)).fill(op.value);
      return this.#out.data(element, dims, values, about);
    }
    const tensorOf = (): Tensor => this.#tensor(id);
    return this.#out.initializer(element, dims, about, function* () {
      yield bytesOf(element, viewTensor(tensorOf(), map).data);
    });
  }

  #tensor(id: number): Tensor {
    const { op, type } = this.#graph.nodes[id];
    if (op.kind === "param") {
      const shape = constantShape(type.shape);
      const first = (op.rows?.from ?? 0) * numel(shape.slice(1));
      return { shape, dtype: "num", data: this.#params.read(op.path, first, numel(shape)) };
    }
    this.#evaluated ??= this.#evaluate();
    const tensor = this.#evaluated.get(id);
    if (tensor === undefined) throw new Error(`internal: %${id} is no load-stage value that is read`);
    return tensor;
  }

  /** Every load-stage value that another stage reads and that is no parameter itself. */
  #evaluate(): ReadonlyMap<number, Tensor> {
    const { nodes, outputs } = this.#graph;
    const read = [
      ...nodes.flatMap((node) => (node.program === "load" ? [] : node.inputs)),
      ...outputs.flatMap(({ value, logit }) => (logit ? [value, logit] : [value])),
    ];
    const ids = [...new Set(read.map(({ id }) => id))].filter(
      (id) => nodes[id].program === "load" && nodes[id].op.kind !== "param",
    );
    const empty = { requests: 0, candidates: 0, request: [], features: new Map(), params: this.#params };
    const tensors = evaluate(
      this.#graph,
      empty,
      ids.map((id) => ({ id })),
    );
    return new Map(ids.map((id, k) => [id, tensors[k]]));
  }
}
