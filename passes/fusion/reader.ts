/**
 * @file What a kernel reads, as expressions: an element of a value is loaded where the value is stored and computed in place
 * where it is not, through views, gathers and element-wise ops, down to stored values.
 */
import {
  add,
  type Expr,
  type Extent,
  floordiv,
  int,
  load,
  mul,
  ne,
  sub,
  substitute,
} from "../../src/ir/expr.ts";
import type { Graph, Node, Operand, Stage } from "../../src/ir/graph.ts";
import type { ElementOf } from "../../src/ir/ops/def.ts";
import { opDef } from "../../src/ir/ops/index.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { simplify } from "../../src/ir/simplify.ts";
import { scaleAxes, storageOf } from "../../src/ir/storage.ts";
import { isSource } from "../restrict.ts";
import { isAnchor } from "./groups.ts";
import type { Names } from "./names.ts";
import type { RowPoint } from "./rows.ts";
import type { StandIn } from "./scorekernel.ts";
import type { ValueTable } from "./values.ts";

export interface FusionContext {
  readonly graph: Graph;
  readonly values: ValueTable;
  readonly stored: ReadonlySet<number>;
  readonly names: Names;
  readonly profile: Profile;
}

export class Reader {
  /** Nodes that were computed in place. */
  readonly inlined = new Set<number>();
  /** Of a kernel over a gate's active rows: the row that it is at. */
  row: RowPoint | undefined;
  /** Values that stand for something else while a score product's parts are read. */
  private readonly standIns = new Map<number, StandIn>();
  private readonly context: FusionContext;
  private readonly stage: Stage;
  private readonly root: number;

  /** `root`: the node that the kernel computes, never loaded though it is stored. */
  constructor(context: FusionContext, stage: Stage, root: number) {
    this.context = context;
    this.stage = stage;
    this.root = root;
  }

  /** Operand `k` of the node, by index, as the op sees it. */
  operand(node: Node, k: number): (index: readonly Expr[]) => Expr {
    return this.read(node.inputs[k]);
  }

  /** The operand's shape as the op sees it. */
  seen(operand: Operand): readonly Extent[] {
    return operand.map?.out ?? this.context.graph.nodes[operand.id].type.shape;
  }

  read(operand: Operand): (index: readonly Expr[]) => Expr {
    const { map } = operand;
    const node = this.context.graph.nodes[operand.id];
    if (!map) return (index) => this.element(node, index);
    return (index) => {
      const at = new Map(index.map((e, i) => [`i${i}`, e]));
      return this.element(
        node,
        map.index.map((e) => simplify(substitute(e, at))),
      );
    };
  }

  /** The element of a value: loaded where it is stored, computed where it is not. */
  element(node: Node, index: readonly Expr[]): Expr {
    const { op } = node;
    const standIn = this.standIns.get(node.id);
    if (standIn) return standIn(index);
    if (node.id !== this.root && this.context.stored.has(node.id)) return this.loaded(node, index);
    if (op.kind === "param" || op.kind === "feature" || op.kind === "data") return this.loaded(node, index);
    this.inlined.add(node.id);
    if (op.kind === "by_request") return this.gathered(node, index);
    if (op.kind === "lookup") return this.lookedUp(node, index);
    if (op.kind === "einsum") {
      const at = new Map(op.out.map((l, i) => [l, index[i]]));
      const factors = node.inputs.map((o, k) => this.read(o)(op.operands[k].map((l) => at.get(l) ?? int(0))));
      return factors.reduce((a, b) => mul(a, b));
    }
    if (isAnchor(node)) throw new Error(`internal: ${op.kind} %${node.id} is read before it is stored`);
    return this.elementOf(node, index, (k, where_) => this.read(node.inputs[k])(where_));
  }

  elementOf(node: Node, index: readonly Expr[], operand: ElementOf): Expr {
    const def = opDef(node.op.kind);
    if (!def.element) throw new Error(`internal: ${node.op.kind} has no scalar form`);
    const types = node.inputs.map((o) => ({
      shape: this.seen(o),
      dtype: this.context.graph.nodes[o.id].type.dtype,
    }));
    return def.element(node, index, operand, types);
  }

  loaded(node: Node, index: readonly Expr[]): Expr {
    const { values } = this.context;
    const value = values.readOf(node, this.stage);
    if (node.rows) {
      const element = this.row?.covers(node.rows, index)
        ? load(value.id, this.row.stored(node.rows, index), value.element === "f32" ? "num" : "i32")
        : values.lists.read(value, node.rows, index);
      return typed(element, node);
    }
    if (value.packing && !value.packing.native) return this.decoded(node, value, index);
    const slotted = values.isKept(node) && node.program === "user" && this.stage === "user";
    const at = slotted ? this.slotted("user", index) : index;
    return typed(load(value.id, at, value.element === "f32" ? "num" : "i32"), node);
  }

  /** An element of a packed value: (code − zero) · scale. */
  private decoded(node: Node, { id, packing }: PlanValue, index: readonly Expr[]): Expr {
    const { scale: scaling } = storageOf(this.context.graph, node);
    const code = load(id, index, "num");
    if (scaling === undefined || packing?.scale === undefined) return code;
    const { shared, group = 1 } = scaling;
    const from = (node.op.kind === "param" && node.op.rows?.from) || 0;
    const at = scaleAxes(index.length, scaling).map((j) => {
      if (!shared.includes(j)) return index[j];
      return simplify(floordiv(j === 0 ? add(index[j], int(from)) : index[j], int(group)));
    });
    const shifted = packing.zero === undefined ? code : sub(code, load(packing.zero, at, "num"));
    return mul(shifted, load(packing.scale, at, "num"));
  }

  /** `by_request`: what the user program kept, at the slot of the candidate's request. */
  gathered(node: Node, index: readonly Expr[]): Expr {
    const source = this.context.graph.nodes[node.inputs[0].id];
    const value = this.context.values.of(source, "item");
    return typed(
      load(value.id, this.slotted("item", index), value.element === "f32" ? "num" : "i32"),
      source,
    );
  }

  /** A lookup reads the table, or the rows that the host gathered where no binding holds the table. */
  lookedUp(node: Node, index: readonly Expr[]): Expr {
    const { graph, values } = this.context;
    const [tableRead, idRead] = node.inputs;
    const table = graph.nodes[tableRead.id];
    if (!values.isTooLarge(table))
      return this.elementOf(node, index, (k, where_) => this.read(node.inputs[k])(where_));
    const feature = graph.nodes[idRead.id];
    if (feature.op.kind !== "feature") {
      throw new Error(
        `internal: the table ${table.path} is above one binding and its index is computed on the device`,
      );
    }
    const { rows, ids } = values.gatheredRows(table, feature);
    return this.elementOf(node, index, (k, where_) => {
      const { map } = node.inputs[k];
      const at = new Map(where_.map((e, i) => [`i${i}`, e]));
      const own = map ? map.index.map((e) => simplify(substitute(e, at))) : where_;
      return k === 0 ? load(rows.id, own, "num") : load(ids.id, own, "i32");
    });
  }

  slotted(stage: "user" | "item", index: readonly Expr[]): Expr[] {
    return [load(this.context.values.slots(stage).id, [index[0]], "i32"), ...index.slice(1)];
  }

  /** Whether value `id` is computed here from what the request keeps, and nothing of the candidate. */
  isOfRequest(id: number): boolean {
    const node = this.context.graph.nodes[id];
    if (node.program !== "item" || node.op.kind === "by_request") return true;
    if (isSource(node.op) || isAnchor(node) || this.context.stored.has(id)) return false;
    return node.inputs.every((o) => this.isOfRequest(o.id));
  }

  /** Reads with value `id` standing for something else. */
  withStandIn<T>(id: number, value: StandIn, read: () => T): T {
    this.standIns.set(id, value);
    const result = read();
    this.standIns.delete(id);
    return result;
  }
}

/** A stored boolean is an i32. */
function typed(e: Expr, node: Node): Expr {
  return node.type.dtype === "bool" ? ne(e, int(0)) : e;
}
