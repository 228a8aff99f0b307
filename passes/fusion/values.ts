/**
 * @file The values of a plan: what lies in memory, where and how. Created on demand while kernels are built, so a
 * plan lists what its kernels touch and nothing else.
 */
import type { Extent } from "../../src/ir/expr.ts";
import type { Graph, Node, Stage } from "../../src/ir/graph.ts";
import { bytesOf, type Home, type Packing, type PlanValue, wordsOf } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { computeOf, type Storage, scaleAxes, scaleShape, storageOf } from "../../src/ir/storage.ts";
import type { Half } from "../../src/ir/thread.ts";
import { Names } from "./names.ts";
import { RowLists, storedShape } from "./rows.ts";

/** Elements to which the innermost axis is padded: one 16-byte load of f32. */
const ROW = 4;
/** The same of 16-bit numbers on a CUDA device, whose rows are copied 16 bytes at a time. */
const HALF_ROW = 8;
/** What padding may add to a table. */
const MOST_PADDING = 1.03;

export class ValueTable {
  readonly values: PlanValue[] = [];
  /** Arena slots so far, a unit each; `plan-memory` lets lifetimes share them. */
  readonly temps: Record<Stage, number[]> = { load: [], user: [], item: [] };
  readonly lists: RowLists;
  private readonly known = new Map<string, PlanValue>();
  private readonly names = new Names();
  private readonly normed: ReadonlySet<number>;
  /** Scales of rows that products round. */
  private readonly scales: ReadonlySet<number>;
  /** Tables that nothing but lookups read. */
  private readonly looked: ReadonlySet<number>;
  private readonly weighed: ReadonlySet<number>;
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
    this.scales = scalesOfRows(graph);
    this.looked = readByLookups(graph);
    this.normed = readBy(graph, ["normalize", "row_statistics"]);
    this.weighed = readBy(graph, ["softmax", "top_k_mask", "top_k_index"]);
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
      return this.parameter(node, {
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
    const { unit } = strided(node, this.rowOf(node, undefined));
    const { element } = storageOf(this.graph, node);
    const bytes = element === "f32" ? bytesOf({}, unit) : bytesOf({ packing: { element } }, unit);
    return bytes > this.profile.limits.storageBinding;
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

  /** The value that kernels read of a stored node: `of` it, or what is packed of that. */
  readOf(node: Node, stage: Stage): PlanValue {
    const value = this.of(node, stage);
    const storage = storageOf(this.graph, node);
    if (value.home.kind !== "load" || storage.element === "f32") return value;
    const home = { kind: "derived", of: value.id, storage } as const;
    const shape = node.type.shape.map(Number);
    return this.packed(`derived:${node.id}`, node, `${value.name}_packed`, { storage, shape }, home);
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

  /**
   * The 16-bit type that kernels hand a node to one another in: the one that the model computes in, where the device stores it
   * natively (bf16: CUDA alone); a software device's loads cost what they cost whatever their size, and converting comes on
   * top (docs/precision.md). A row's statistics and reductions scale whole rows, and stay f32; so does what a norm reads in a model of
   * f16, for it may be of any magnitude, and small numbers have few bits in f16, and in any model what a softmax or a choice reads,
   * of which differences count. On CUDA the result of a norm itself is narrow all the same: it is of the magnitude of its gain, and what the
   * tensor cores are fed with.
   */
  private narrowed({ id, op, type, path }: Node): Half | undefined {
    const { features, cuda } = this.profile;
    if (!features.f16 || features.software || type.dtype !== "num") return undefined;
    if (op.kind === "row_statistics" || op.kind === "reduce" || op.kind === "softmax") return undefined;
    if (this.weighed.has(id) || this.scales.has(id)) return undefined;
    const compute = computeOf(this.graph.precision, path);
    if (compute === "bf16") return cuda === undefined ? undefined : compute;
    const bounded = cuda !== undefined && op.kind === "normalize";
    return compute === "f16" && (bounded || !this.normed.has(id)) ? compute : undefined;
  }

  /** Elements to which rows of a value are padded; rows of a table are not where that would show. */
  private rowOf(node: Node, packing: Packing | undefined): number {
    const width = Number(node.type.shape.at(-1));
    if (this.looked.has(node.id) && Math.ceil(width / ROW) * ROW > MOST_PADDING * width) return 1;
    const half = packing !== undefined && packing.blocks === undefined && bytesOf({ packing }, 1) === 2;
    return half && this.profile.cuda !== undefined ? HALF_ROW : ROW;
  }

  private parameter(node: Node, home: Extract<Home, { kind: "param" }>): PlanValue {
    const key = `param:${home.path}:${home.rows?.from ?? ""}`;
    const info = this.graph.params.find(({ path }) => path === home.path);
    if (info === undefined || info.storage.element === "f32") return this.make(key, node, home.path, home);
    return this.packed(key, node, home.path, info, home);
  }

  /** A value of packed elements, with values for their scales and zero points. `whole`: of which the node may be some rows. */
  private packed(key: string, node: Node, name: string, whole: Stored, home: PackedHome): PlanValue {
    const known = this.known.get(key);
    if (known) return known;
    const { element, scale } = whole.storage;
    if (element === "f32") throw new Error(`internal: ${name} is not packed`);
    const companion = (part: "scale" | "zero"): number =>
      this.companion(`${key}:${part}`, node, `${name}_${part}`, whole, { ...home, part }).id;
    const packing: Packing = {
      element,
      ...(node.layout?.blocks && { blocks: node.layout.blocks }),
      ...(scale && { scale: companion("scale") }),
      ...(scale?.symmetric === false && { zero: companion("zero") }),
    };
    const { strides, unit } = strided(node, this.rowOf(node, packing));
    return this.add(key, {
      name,
      element: "f32",
      shape: node.type.shape,
      strides,
      unit: wholeLoads(unit, packing),
      packing,
      home,
      node: node.id,
    });
  }

  /** Scales or zero points, densely, in the order of the elements' own axes. */
  private companion(
    key: string,
    node: Node,
    name: string,
    { shape, storage }: Stored,
    home: PackedHome,
  ): PlanValue {
    const { scale } = storage;
    if (scale === undefined) throw new Error(`internal: ${name} without scales`);
    const axes = scaleAxes(shape.length, scale);
    // An axis that is cut into groups has those of the whole value, whatever rows the node is.
    const grouped = scaleShape(shape, scale);
    const extents = axes.map((j) => (scale.shared.includes(j) ? grouped[j] : Number(node.type.shape[j])));
    const order = (node.layout?.order ?? shape.map((_, j) => j)).filter((j) => axes.includes(j));
    const strides = axes.map(() => 1);
    let unit = 1;
    for (const j of order.toReversed()) {
      strides[axes.indexOf(j)] = unit;
      unit *= extents[axes.indexOf(j)];
    }
    const packing: Packing | undefined = home.part === "zero" ? { element: "int8" } : undefined;
    return this.add(key, {
      name,
      element: "f32",
      shape: extents,
      strides,
      unit: wholeLoads(unit, packing),
      ...(packing && { packing }),
      home,
      node: node.id,
    });
  }

  private make(key: string, node: Node, name: string, home: Home): PlanValue {
    const known = this.known.get(key);
    if (known) return known;
    const { rows } = node;
    const shape = rows ? storedShape(node.type.shape, rows) : node.type.shape;
    // Only what is packed has the layout of a load-stage value; the value itself stays row-major.
    const plain = rows !== undefined || home.kind === "load";
    const made = home.kind === "temp" || (home.kind === "kept" && home.feature === undefined);
    const narrow = made ? this.narrowed(node) : undefined;
    const packing: Packing | undefined = narrow && { element: narrow, native: true };
    const { strides, unit } = strided(
      plain ? { type: { ...node.type, shape } } : node,
      this.rowOf(node, packing),
    );
    if (home.kind === "temp") this.temps[home.stage].push(wordsOf({ ...(packing && { packing }) }, unit));
    return this.add(key, {
      name,
      element: node.type.dtype === "num" ? "f32" : "i32",
      shape,
      strides,
      unit,
      ...(packing && { packing }),
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

/** What values are divided by before they are rounded (quantize.ts): smaller than any number of f16 where a row is all zeros. */
function scalesOfRows({ nodes }: Graph): ReadonlySet<number> {
  return new Set(
    nodes.flatMap(({ op, inputs }) => {
      if (op.kind !== "pointwise" || !op.fn.startsWith("round_")) return [];
      const divided = nodes[inputs[0].id];
      return divided.op.kind === "pointwise" && divided.op.fn === "div" ? [divided.inputs[1].id] : [];
    }),
  );
}

/** The tables that lookups alone read, a row at a time: they are what a model's memory holds. */
function readByLookups(graph: Graph): ReadonlySet<number> {
  const tables = new Set(graph.params.filter(({ table }) => table).map(({ path }) => path));
  const read = new Set(
    graph.nodes.flatMap(({ id, op }) => (op.kind === "param" && tables.has(op.path) ? [id] : [])),
  );
  for (const { op, inputs } of graph.nodes) {
    inputs.forEach(({ id }, k) => {
      if (op.kind !== "lookup" || k !== 0) read.delete(id);
    });
  }
  return read;
}

/** What ops of these kinds read, through element-wise ops and views. */
function readBy({ nodes }: Graph, kinds: readonly Node["op"]["kind"][]): ReadonlySet<number> {
  const read = new Set<number>();
  for (const { id, op, inputs } of nodes.toReversed()) {
    const through = read.has(id) && !["einsum", "reduce", "softmax", "lookup"].includes(op.kind);
    if (kinds.includes(op.kind) || through) for (const input of inputs) read.add(input.id);
  }
  return read;
}

/** A stored node's name: its path, or the op where the model gives none. */
function nameOf(node: Node): string {
  return node.path || node.op.kind;
}

/** A value that is packed. */
interface Stored {
  readonly shape: readonly number[];
  readonly storage: Storage;
}

type PackedHome = Extract<Home, { kind: "param" | "derived" }>;

/** Bytes that one load fetches at most. */
const LOAD = 16;

/** `unit` elements rounded up to whole loads. */
function wholeLoads(unit: number, packing: Packing | undefined): number {
  const each = LOAD / bytesOf({ ...(packing && { packing }) }, 1);
  return Math.ceil(unit / each) * each;
}

/**
 * Row-major strides in the node's layout order, the innermost axis padded to `row` elements; batch axes stay outermost. With blocks,
 * see `Packing`: both axes are padded to whole blocks, and axes between them count rows of blocks.
 */
export function strided(
  node: Pick<Node, "type" | "layout">,
  row = ROW,
): {
  readonly strides: number[];
  readonly unit: number;
} {
  const { shape } = node.type;
  const order = node.layout?.order ?? shape.map((_, i) => i);
  const [k] = node.layout?.blocks ?? [];
  const strides = shape.map(() => 1);
  let step = 1;
  let unit = 1;
  let between = k !== undefined;
  for (let at = order.length - 1; at >= 0; at--) {
    const axis = order[at];
    const extent = shape[axis];
    const first = at === order.length - 1;
    if (axis === k) between = false;
    strides[axis] = between && !first ? ROW * step : step;
    if (typeof extent !== "number") break;
    step *= first ? Math.ceil(extent / row) * row : axis === k ? Math.ceil(extent / ROW) * ROW : extent;
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
