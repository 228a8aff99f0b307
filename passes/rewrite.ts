/**
 * @file Rewriting a Graph into a new one: node by node, with a record of what became of each old value.
 *
 * An old value may become a view of a new one (`replace` with a mapped operand); `operand` composes the maps, so a pass
 * never sees the difference.
 */

import type {
  ActiveRows,
  Graph,
  Node,
  Op,
  Operand,
  Origin,
  Output,
  Stage,
  TensorType,
} from "../src/ir/graph.ts";
import type { IndexMap } from "../src/ir/indexmap.ts";
import { composeMaps, isIdentity } from "../src/ir/indexmap.ts";
import { ConstantTable } from "../src/ir/ops/constants.ts";
import { opDef } from "../src/ir/ops/index.ts";
import { pruneGraph } from "../src/ir/prune.ts";
import { type StageTable, uniform, viewStage } from "../src/ir/stage.ts";

/** What a new node inherits from the one it stands for. */
export interface About {
  readonly path: string;
  readonly origin?: Origin;
  readonly program?: Stage;
  /** The stage table, where the rule of the op should not be asked (a shape with batch axes, a copy). */
  readonly stage?: StageTable;
  /** In terms of the new values. */
  readonly rows?: ActiveRows;
  readonly keep?: true;
}

/** After `split-stages` a value has one stage: its program's. */
const LEVELS = { load: 1, user: 2, item: 3 } as const;

export class Rewriter {
  readonly nodes: Node[] = [];
  private readonly became: (Operand | undefined)[] = [];
  private readonly graph: Graph;
  private readonly constants = new ConstantTable((id) => this.nodes[id]);

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** Appends a node; its type comes from the op's shape rule unless given (sources have no operands to ask). */
  add(op: Op, inputs: readonly Operand[], about: About, type?: TensorType): Operand {
    const def = opDef(op.kind);
    const types = inputs.map((o) => this.typeOf(o));
    const result = type ?? def.shape(op, types, undefined);
    const stage = about.stage ?? uniform(result.shape, LEVELS[about.program ?? "load"]);
    const node: Node = {
      id: this.nodes.length,
      op,
      inputs,
      type: result,
      stage,
      path: about.path,
      ...(about.origin ? { origin: about.origin } : {}),
      ...(about.program ? { program: about.program } : {}),
      ...(about.rows ? { rows: about.rows } : {}),
      ...(about.keep ? { keep: about.keep } : {}),
    };
    this.nodes.push(node);
    return { id: node.id };
  }

  /** Appends a node whose stage table follows from the op's own rule. */
  derive(op: Op, inputs: readonly Operand[], about: About): Operand {
    const def = opDef(op.kind);
    const types = inputs.map((o) => this.typeOf(o));
    const type = def.shape(op, types, undefined);
    const stage = def.stage(
      op,
      inputs.map((o) => this.stageOf(o)),
      type,
      {
        operands: inputs,
        inputs: types,
        node: (id) => this.nodes[id],
        feature: (name) => this.graph.features.find((f) => f.name === name),
        constant: (operand) => this.constants.of(operand),
      },
    );
    return this.add(op, inputs, { ...about, stage }, type);
  }

  /** A copy of `node` with its operands carried over. */
  copy(node: Node): Operand {
    const { rows, ...about } = node;
    const made = this.add(
      node.op,
      node.inputs.map((o) => this.operand(o)),
      rows ? { ...about, rows: { ...rows, gate: this.operand({ id: rows.gate }).id } } : about,
      node.type,
    );
    this.replace(node.id, made);
    return made;
  }

  /** Records that old value `id` is now `operand` (a view of a new value). */
  replace(id: number, operand: Operand): void {
    this.became[id] = operand;
  }

  /** An old operand in terms of the new values. */
  operand(old: Operand): Operand {
    const target = this.became[old.id];
    if (!target) throw new Error(`internal: value %${old.id} was read before it was rewritten`);
    return through(target, old.map, (id) => this.nodes[id].type);
  }

  typeOf(operand: Operand): TensorType {
    const type = this.nodes[operand.id].type;
    return operand.map ? { shape: operand.map.out, dtype: type.dtype } : type;
  }

  stageOf(operand: Operand): StageTable {
    const stage = this.nodes[operand.id].stage;
    return operand.map ? viewStage(stage, operand.map) : stage;
  }

  /** The new Graph: outputs carried over, nodes that nothing reads dropped. */
  finish(): Graph {
    const outputs = this.graph.outputs.map(
      (o): Output => ({
        ...o,
        value: this.operand(o.value),
        ...(o.logit ? { logit: this.operand(o.logit) } : {}),
      }),
    );
    return pruneGraph({ ...this.graph, nodes: this.nodes, outputs });
  }
}

/** The view `map` of the operand `target`, with identities dropped. */
export function through(
  target: Operand,
  map: IndexMap | undefined,
  typeOf: (id: number) => TensorType,
): Operand {
  const composed = map && target.map ? composeMaps(map, target.map) : (map ?? target.map);
  if (!composed || isIdentity(composed, typeOf(target.id).shape)) return { id: target.id };
  return { id: target.id, map: composed };
}

/** For every node, the (reader, operand position) pairs that read it. */
export function readersOf(graph: Graph): { readonly node: Node; readonly operand: number }[][] {
  const readers: { readonly node: Node; readonly operand: number }[][] = graph.nodes.map(() => []);
  for (const node of graph.nodes) {
    node.inputs.forEach((o, operand) => {
      readers[o.id].push({ node, operand });
    });
  }
  return readers;
}
