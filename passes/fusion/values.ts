/**
 * @file The values of a plan: what lies in memory, where and how. Created on demand while kernels are built, so a
 * plan lists what its kernels touch and nothing else.
 */
import type { Extent } from "../../src/ir/expr.ts";
import type { Graph, Node, Stage } from "../../src/ir/graph.ts";
import type { Home, PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { Names } from "./names.ts";
import { RowLists, storedShape } from "./rows.ts";

/** Elements to which the innermost axis is padded: one 16-byte load. */
const ROW = 4;

export class ValueTable {
  readonly values: PlanValue[] = [];
  /** Arena slots so far, a unit each; `plan-memory` lets lifetimes share them. */
  readonly temps: Record<Stage, number[]> = { load: [], user: [], item: [] };
  readonly lists: RowLists;
  private readonly known = new Map<string, PlanValue>();
  private readonly names = new Names();
  private readonly graph: Graph;
  private readonly profile: Profile;
  private readonly kept: ReadonlySet<number>;
  private readonly outputs: ReadonlyMap<number, string>;

  constructor(
    graph: Graph,
    profile: Profile,
    kept: ReadonlySet<number>,
    outputs: ReadonlyMap<number, string>,
  ) {
    this.graph = graph;
    this.profile = profile;
    this.kept = kept;
    this.outputs = outputs;
    this.lists = new RowLists(graph, this);
  }

  /** The value that a kernel of `stage` reads for a source or stored node. */
  of(node: Node, stage: Stage): PlanValue {
    const { op } = node;
    if (op.kind === "feature") {
      // The item program reads a request's feature from the slab that the upload wrote.
      if (stage === "item" && node.program === "user") {
        return this.make(`kept:${op.name}`, node, `${op.name}`, { kind: "kept", feature: op.name });
      }
      return this.make(`input:${op.name}`, node, op.name, {
        kind: "input",
        feature: op.name,
        stage: node.program === "user" ? "user" : "item",
      });
    }
    if (op.kind === "param")
      return this.make(`param:${op.path}:${op.rows?.from ?? ""}`, node, op.path, {
        kind: "param",
        path: op.path,
        ...(op.rows && { rows: op.rows }),
      });
    if (op.kind === "data") {
      return this.make(`data:${node.id}`, node, node.path || "constant", {
        kind: "constant",
        values: Array.from(op.values),
      });
    }
    const task = this.outputs.get(node.id);
    const name = nameOf(node);
    if (this.kept.has(node.id)) return this.make(`${node.id}`, node, name, { kind: "kept" });
    if (task !== undefined) return this.make(`${node.id}`, node, name, { kind: "output", task });
    const program = node.program ?? "load";
    if (program === "load") return this.make(`${node.id}`, node, name, { kind: "load" });
    return this.make(`${node.id}`, node, name, {
      kind: "temp",
      stage: program,
      slot: this.temps[program].length,
    });
  }

  /** Whether `path` is a table that no single binding can hold. */
  isTooLarge(node: Node): boolean {
    if (node.op.kind !== "param") return false;
    const { unit } = strided(node);
    return unit * 4 > this.profile.limits.storageBinding;
  }

  /** The rows of a large table that this call looks up, and the row numbers that stand for `feature`'s ids. */
  gatheredRows(table: Node, feature: Node): { readonly rows: PlanValue; readonly ids: PlanValue } {
    if (table.op.kind !== "param" || feature.op.kind !== "feature")
      throw new Error("internal: only a table's rows by a feature are gathered on the host");
    const stage = feature.program === "user" ? "user" : "item";
    const { path } = table.op;
    const key = `rows:${stage}:${path}`;
    const old = this.known.get(key);
    const features =
      old?.home.kind === "rows" ? [...new Set([...old.home.features, feature.op.name])] : [feature.op.name];
    const home: Home = { kind: "rows", path, stage, features };
    const batch: Extent = stage === "user" ? "R" : "N";
    let rows: PlanValue;
    if (old) {
      rows = { ...old, home };
      this.values[old.id] = rows;
      this.known.set(key, rows);
    } else {
      const { strides } = strided(table);
      rows = this.add(key, {
        name: `${path}_rows_${stage}`,
        element: "f32",
        shape: [batch, ...table.type.shape.slice(1)],
        strides,
        unit: strides[0],
        home,
        node: table.id,
      });
    }
    const ids = this.make(`ids:${stage}:${feature.op.name}:${path}`, feature, `${feature.op.name}_rows`, {
      kind: "input",
      feature: feature.op.name,
      stage,
      rows: path,
    });
    return { rows, ids };
  }

  /** The slab slot of each request (user program) or of each candidate's request (item program). */
  slots(stage: "user" | "item"): PlanValue {
    const key = `slots:${stage}`;
    const known = this.known.get(key);
    if (known) return known;
    const home: Home = stage === "user" ? { kind: "slots" } : { kind: "request" };
    const batch: Extent = stage === "user" ? "R" : "N";
    return this.add(key, {
      name: stage === "user" ? "slot" : "request",
      element: "i32",
      shape: [batch],
      strides: [1],
      unit: 1,
      home,
    });
  }

  /** A table of integers that no node stands for, packed. */
  table(name: string, shape: readonly Extent[], home: Home): PlanValue {
    return this.add(`table:${name}`, { name, element: "i32", ...packed(shape), home });
  }

  /** The same table in another shape. */
  resize(id: number, shape: readonly Extent[]): void {
    this.values[id] = { ...this.values[id], ...packed(shape) };
  }

  private make(key: string, node: Node, name: string, home: Home): PlanValue {
    const known = this.known.get(key);
    if (known) return known;
    const { rows } = node;
    const shape = rows ? storedShape(node.type.shape, rows) : node.type.shape;
    const { strides, unit } = rows ? strided({ type: { ...node.type, shape } }) : strided(node);
    if (home.kind === "temp") this.temps[home.stage].push(unit);
    return this.add(key, {
      name,
      element: node.type.dtype === "num" ? "f32" : "i32",
      shape,
      strides,
      unit,
      home,
      ...(rows ? { rows: this.lists.planRows(rows) } : {}),
      node: node.id,
    });
  }

  private add(key: string, value: Omit<PlanValue, "id">): PlanValue {
    const made: PlanValue = { id: this.values.length, ...value, name: this.names.unique(value.name) };
    this.values.push(made);
    this.known.set(key, made);
    return made;
  }

  /** The node that a kept value of the plan holds is written by the user program at its slab slot. */
  isKept(node: Node): boolean {
    return this.kept.has(node.id);
  }

  nodeOf(id: number): Node {
    return this.graph.nodes[id];
  }
}

/** A stored node's name: its path, or the op where the model gives none. */
function nameOf(node: Node): string {
  return node.path || node.op.kind;
}

/** Row-major strides in the node's layout order, the innermost axis padded to 16 bytes; batch axes stay outermost. */
export function strided(node: Pick<Node, "type" | "layout">): {
  readonly strides: number[];
  readonly unit: number;
} {
  const { shape } = node.type;
  const order = node.layout?.order ?? shape.map((_, i) => i);
  const strides = shape.map(() => 1);
  let step = 1;
  let unit = 1;
  for (let at = order.length - 1; at >= 0; at--) {
    const axis = order[at];
    const extent = shape[axis];
    strides[axis] = step;
    if (typeof extent !== "number") break;
    const first = at === order.length - 1;
    step *= first ? Math.ceil(extent / ROW) * ROW : extent;
    unit = step;
  }

  return { strides, unit };
}

/** Row-major without padding; the batch axis, if any, leads. */
function packed(shape: readonly Extent[]): Pick<PlanValue, "shape" | "strides" | "unit"> {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * (shape[i + 1] as number);
  const [lead] = shape;
  return { shape, strides, unit: typeof lead === "number" ? lead * strides[0] : strides[0] };
}
