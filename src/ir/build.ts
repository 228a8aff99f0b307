/**
 * @file Building a Graph: every node that is added gets its type and its stage from the rules of its op.
 *
 * `add` is the whole interface; the named methods spell the common ops and broadcast operands from the right.
 * A rule that is broken throws `OpError` with a plain sentence.
 */
import type { DType, Extent, ScalarFn } from "./expr.ts";
import type { FeatureInfo, Graph, Node, Op, Operand, Origin, ParamInfo, Stage, TensorType } from "./graph.ts";
import { broadcastMap, composeMaps, type IndexMap, isIdentity } from "./indexmap.ts";
import { ConstantTable } from "./ops/constants.ts";
import { OpError, showShape } from "./ops/def.ts";
import { opDef } from "./ops/index.ts";
import { joinStages, maxLevel, type StageTable, uniform, viewStage } from "./stage.ts";

/** What a node is besides its op. */
export interface NodeSite {
  readonly path: string;
  readonly origin?: Origin;
  /** The type of an op without operands. */
  readonly type?: TensorType;
  /** After `split-stages`. */
  readonly program?: Stage;
}

export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #features = new Map<string, FeatureInfo>();
  readonly #params = new Map<string, ParamInfo>();
  readonly #constants = new ConstantTable((id) => this.node(id));

  /** How many nodes there are. */
  get size(): number {
    return this.#nodes.length;
  }

  node(id: number): Node {
    const node = this.#nodes[id];
    if (node === undefined) throw new Error(`internal: no node %${id}`);
    return node;
  }

  /** The operand's type as an op sees it. */
  typeOf(operand: Operand): TensorType {
    const { type } = this.node(operand.id);
    return operand.map === undefined ? type : { shape: operand.map.out, dtype: type.dtype };
  }

  /** The operand's stage as an op sees it. */
  stageOf(operand: Operand): StageTable {
    const { stage } = this.node(operand.id);
    return operand.map === undefined ? stage : viewStage(stage, operand.map);
  }

  /** Records a feature, whose stage its node takes. */
  declareFeature(info: FeatureInfo): void {
    this.#features.set(info.name, info);
  }

  declareParam(info: ParamInfo): void {
    this.#params.set(info.path, info);
  }

  /** Marks a value to be stored as it is. */
  keep(id: number): void {
    this.#nodes[id] = { ...this.node(id), keep: true };
  }

  /** Appends a node. Throws OpError where the operands do not fit the op. */
  add(op: Op, inputs: readonly Operand[], site: NodeSite): Node {
    const { path, origin, program, type: declared } = site;
    const def = opDef(op.kind);
    const types = inputs.map((input) => this.typeOf(input));
    const type = def.shape(op, types, declared);
    const node: Node = {
      id: this.#nodes.length,
      op,
      inputs,
      type,
      stage: this.#stage(op, inputs, types, type),
      ...(program === undefined ? {} : { program }),
      path,
      ...(origin === undefined ? {} : { origin }),
    };
    this.#nodes.push(node);
    return node;
  }

  /** By the op's rule; with a batch axis in sight, one level for the whole value. */
  #stage(op: Op, inputs: readonly Operand[], types: readonly TensorType[], type: TensorType): StageTable {
    const ctx = {
      operands: inputs,
      inputs: types,
      node: (id: number): Node => this.node(id),
      feature: (name: string): FeatureInfo | undefined => this.#features.get(name),
      constant: (operand: Operand) => this.#constants.of(operand),
    };
    const def = opDef(op.kind);
    const batched = [type, ...types].some(({ shape }) => shape.some((extent) => typeof extent !== "number"));
    if (!batched || inputs.length === 0 || op.kind === "by_request") {
      return def.stage(
        op,
        inputs.map((input) => this.stageOf(input)),
        type,
        ctx,
      );
    }
    const levels = inputs.map((input) => uniform(type.shape, maxLevel(this.node(input.id).stage)));
    return joinStages([uniform(type.shape, 1), ...levels]);
  }

  param(info: ParamInfo, path = info.path): Node {
    this.declareParam(info);
    return this.add({ kind: "param", path: info.path }, [], {
      path,
      type: { shape: info.shape, dtype: "num" },
    });
  }

  /** The feature's value for one request or candidate, or with its batch axis if `shape` says so. */
  feature(info: FeatureInfo, shape: readonly Extent[] = info.shape): Node {
    this.declareFeature(info);
    const dtype = info.dtype === "f32" ? "num" : "i32";
    return this.add({ kind: "feature", name: info.name }, [], { path: info.name, type: { shape, dtype } });
  }

  constant(value: number, shape: readonly Extent[] = [], dtype: DType = "num", path = "constant"): Node {
    return this.add({ kind: "const", value }, [], { path, type: { shape, dtype } });
  }

  /** One value an element; the array's kind gives the element type. */
  data(values: Float64Array | Int32Array | Uint8Array, shape: readonly number[], path = "data"): Node {
    const dtype = values instanceof Float64Array ? "num" : values instanceof Int32Array ? "i32" : "bool";
    return this.add({ kind: "data", values }, [], { path, type: { shape, dtype } });
  }

  /** `fn` of the operands, which are broadcast to one shape from the right. */
  pointwise(fn: ScalarFn, operands: readonly Operand[], path: string): Node {
    const shape = this.broadcastShape(operands);
    return this.add(
      { kind: "pointwise", fn },
      operands.map((operand) => this.stretch(operand, shape)),
      { path },
    );
  }

  /** A node that is the view `map` of the operand. */
  view(operand: Operand, map: IndexMap, path: string): Node {
    return this.add({ kind: "view" }, [this.through(operand, map)], { path });
  }

  /** `einsum([x, [0, 1]], [w, [1, 2]], [0, 2])`: x·w, summed over axis 1. */
  einsum(
    terms: readonly (readonly [Operand, readonly number[]])[],
    out: readonly number[],
    path: string,
  ): Node {
    const operands = terms.map(([, labels]) => labels);
    return this.add(
      { kind: "einsum", operands, out },
      terms.map(([operand]) => operand),
      { path },
    );
  }

  /** The operand seen through one more map, without a node. */
  through(operand: Operand, map: IndexMap): Operand {
    const composed = operand.map === undefined ? map : composeMaps(map, operand.map);
    if (isIdentity(composed, this.node(operand.id).type.shape)) return { id: operand.id };
    return { id: operand.id, map: composed };
  }

  /** The shape that operands have together, aligned from the right, where 1 stretches. */
  broadcastShape(operands: readonly Operand[]): Extent[] {
    const shapes = operands.map((operand) => this.typeOf(operand).shape);
    const rank = Math.max(0, ...shapes.map((shape) => shape.length));
    return Array.from({ length: rank }, (_, j) => {
      const extents = shapes.map((shape) => shape[shape.length - rank + j] ?? 1);
      const wide = extents.filter((extent) => extent !== 1);
      if (wide.some((extent) => extent !== wide[0])) {
        throw new OpError(`the shapes ${shapes.map(showShape).join(" and ")} do not broadcast`);
      }
      return wide[0] ?? 1;
    });
  }

  /** The operand broadcast to `shape` from the right. */
  stretch(operand: Operand, shape: readonly Extent[]): Operand {
    const own = this.typeOf(operand).shape;
    const skip = shape.length - own.length;
    return this.through(
      operand,
      broadcastMap(
        own,
        shape,
        own.map((_, j) => skip + j),
      ),
    );
  }

  /** The Graph of what was added; parameters and features are the declared ones unless `rest` lists them. */
  finish(
    rest: Omit<Graph, "nodes" | "params" | "features"> & Partial<Pick<Graph, "params" | "features">>,
  ): Graph {
    return {
      name: rest.name,
      nodes: [...this.#nodes],
      params: rest.params ?? [...this.#params.values()],
      features: rest.features ?? [...this.#features.values()],
      outputs: rest.outputs,
      precision: rest.precision,
      serve: rest.serve,
    };
  }
}
