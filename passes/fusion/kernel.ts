/**
 * @file From a group to a tile kernel: the anchor becomes reductions or a dot, what it reads becomes one expression of
 * loads from stored values (the prologue), the chain behind it an expression of its tile (the epilogue).
 */
import {
  apply,
  axis,
  div,
  type Expr,
  type Extent,
  exprKey,
  int,
  load,
  lt,
  mul,
  num,
  sub,
  tile,
  where,
} from "../../src/ir/expr.ts";
import type { Node, Op, Stage } from "../../src/ir/graph.ts";
import { simplify } from "../../src/ir/simplify.ts";
import type { TileKernel, TileStmt } from "../../src/ir/tile.ts";
import { aboutOf } from "./about.ts";
import { buffersOf } from "./buffers.ts";
import type { Group } from "./groups.ts";
import { KernelAxes } from "./kernelaxes.ts";
import { split } from "./labels.ts";
import { axisNames, innerNames } from "./names.ts";
import { type FusionContext, Reader } from "./reader.ts";
import { dotRoles, rowRoles } from "./roles.ts";
import { type ScaledSum, withoutScales } from "./scalefactors.ts";
import { type NormOp, type RowScaling, scalingOf } from "./scaling.ts";
import type { ScorePattern } from "./score.ts";
import { scoreStatement } from "./scorekernel.ts";

/** A row that is all −∞ after masking has nothing visible; devices hold −∞ as the lowest finite number. */
const NOTHING_VISIBLE = -3e38;

export function buildKernel(group: Group, context: FusionContext): TileKernel {
  return new KernelBuilder(group, context).build();
}

class KernelBuilder {
  private readonly group: Group;
  private readonly context: FusionContext;
  private readonly root: Node;
  private readonly stage: Stage;
  private readonly axes: KernelAxes;
  private readonly body: TileStmt[] = [];
  private readonly reader: Reader;
  private peakCount = 0;

  constructor(group: Group, context: FusionContext) {
    this.group = group;
    this.context = context;
    this.root = context.graph.nodes[group.root];
    this.stage = this.root.program ?? "load";
    this.reader = new Reader(context, this.stage, group.root);
    this.axes = new KernelAxes(this.reader, context.values.lists, this.root.rows);
  }

  build(): TileKernel {
    const { peaks = [] } = this.group;
    const compute = peaks.reduce<() => void>(
      (inner, id) => {
        const found = new Map<string, Expr>();
        return () => this.reader.withStandIn(id, (index) => this.peak(id, index, found), inner);
      },
      () => this.compute(),
    );
    compute();
    return this.finish();
  }

  private compute(): void {
    const { anchor } = this.group;
    const node = anchor === undefined ? undefined : this.context.graph.nodes[anchor];
    if (!node) this.elementWise();
    else if (this.group.score) this.scoreProduct(node, this.group.score);
    else if (node.op.kind === "einsum") this.contraction(node, node.op);
    else if (node.op.kind === "reduce") this.reduction(node, node.op);
    else if (node.op.kind === "normalize") this.norm(node, node.op);
    else if (node.op.kind === "row_statistics") this.rowStatistics(node, node.op);
    else if (node.op.kind === "softmax") this.softmax(node, node.op);
    else throw new Error(`internal: ${node.op.kind} is no anchor`);
  }

  // ------------------------------------------------------------------------------------------------ anchors

  private elementWise(): void {
    const index = this.axes.gridOf(this.root.type.shape, axisNames(this.root.type.shape));
    this.stores(index, [], this.reader.element(this.root, index));
  }

  private contraction(node: Node, op: Extract<Op, { kind: "einsum" }>): void {
    const sizes = this.axes.labelSizes(node, op);
    const roles = node.rows
      ? rowRoles(node, op, sizes, this.context.graph)
      : dotRoles(node, op, sizes, this.context.graph);
    if (!roles) {
      this.summedProduct(node, op, sizes);
      return;
    }
    const names = axisNames(node.type.shape);
    const nameOf = (label: number): string => names[op.out.indexOf(label)];
    const at = new Map<number, Expr>();
    for (const label of roles.batch) at.set(label, this.axes.addGrid(nameOf(label), sizes.get(label) ?? 1));
    const columns = (): string =>
      this.axes.flatten(roles.n, sizes, roles.n.length === 1 ? nameOf(roles.n[0]) : "c", at);
    const { rows } = node;
    let m: string;
    let n: string;
    if (rows && !this.context.profile.features.software) {
      // A GPU has many tiles at a time: all columns of some rows, whose group's weights stay in L2, and each row is fetched once.
      m = this.axes.rowsOfProduct(rows, op, at);
      n = columns();
    } else {
      // A core has one tile at a time: a panel of columns stays in its cache while rows go by.
      n = columns();
      m = rows
        ? this.axes.rowsOfProduct(rows, op, at)
        : this.axes.flatten(roles.m, sizes, roles.m.length === 1 ? nameOf(roles.m[0]) : "m", at);
    }
    const k = innerNames(1, [...names, "m", "c"])[0];
    const extent = roles.k.reduce((p, l) => p * (sizes.get(l) as number), 1);
    split(this.axes.addInner(k, extent), roles.k, sizes, at);
    const read = (which: number): Expr =>
      this.reader.operand(node, which)(op.operands[which].map((l) => at.get(l) ?? int(0)));
    const [x, w] = [roles.a, 1 - roles.a].map((which) => this.withoutScales(read(which), [k]));
    this.body.push({ kind: "dot", out: "acc", m, n, k, a: simplify(x.rest), b: simplify(w.rest) });
    const index = op.out.map((l) => at.get(l) ?? int(0));
    const sum = [...x.scales, ...w.scales].reduce(mul, tile("acc", "num"));
    this.withStatistics(k, extent, () => this.epilogue(node, index, [], sum));
  }

  /** Runs `read` with the statistics of the product's rows at hand: what it asks for is gathered along k, before the product. */
  private withStatistics(k: string, extent: number, read: () => void): void {
    const { statistics = [] } = this.group;
    const made = new Map<string, RowScaling>();
    const gather = (node: Node, op: NormOp, rows: readonly Expr[]): RowScaling => {
      const key = JSON.stringify([node.id, rows.map(exprKey)]);
      const known = made.get(key);
      if (known) return known;
      const x = simplify(this.reader.operand(node, 0)([...rows, axis(k, extent)]));
      const suffix = made.size === 0 ? "" : `_${made.size}`;
      const { statement, mean, scale } = scalingOf(x, k, extent, op, suffix);
      this.body.splice(made.size, 0, statement);
      this.reader.inlined.add(node.id);
      made.set(key, { mean, scale });
      return { mean, scale };
    };
    const within = statistics.reduce<() => void>((inner, id) => {
      const node = this.context.graph.nodes[id];
      const { op } = node;
      if (op.kind !== "row_statistics") throw new Error(`internal: ${op.kind} is no statistics of rows`);
      return () =>
        this.reader.withStandIn(
          id,
          (index) => {
            const { mean = num(0), scale } = gather(node, op, index.slice(0, -1));
            return where(lt(index[index.length - 1], int(1)), mean, scale);
          },
          inner,
        );
    }, read);
    within();
  }

  private withoutScales(e: Expr, summed: readonly string[]): ScaledSum {
    return withoutScales(e, summed, this.context.values.values);
  }

  /** Two contractions with a function of their pairs between (see score.ts): the pairs become tiles that are never stored. */
  private scoreProduct(second: Node, pattern: ScorePattern): void {
    for (const id of pattern.inside) this.reader.inlined.add(id);
    const { statement, index } = scoreStatement(second, pattern, {
      graph: this.context.graph,
      addGrid: (name, extent) => this.axes.addGrid(name, extent),
      addInner: (name, extent) => this.axes.addInner(name, extent),
      flatten: (labels, sizes, name, at) => this.axes.flatten(labels, sizes, name, at),
      labelSizes: (node, op) => this.axes.labelSizes(node, op),
      read: (node, k, at) => this.reader.operand(node, k)(at),
      isOfRequest: (operand) => this.reader.isOfRequest(operand.id),
      requestOf: (candidate) => load(this.context.values.slots("item").id, [candidate], "i32"),
      withStandIn: (id, value, read) => this.reader.withStandIn(id, value, read),
    });
    this.body.push(statement);
    this.epilogue(second, index, [], tile("acc", "num"));
  }

  /** A contraction too thin for a matrix product: one sum per element of the result. */
  private summedProduct(
    node: Node,
    op: Extract<Op, { kind: "einsum" }>,
    sizes: ReadonlyMap<number, Extent>,
  ): void {
    const names = axisNames(node.type.shape);
    const index = this.axes.gridOf(node.type.shape, names);
    const summed = [...new Set(op.operands.flat())].filter((l) => !op.out.includes(l));
    const inner = innerNames(summed.length, names);
    const at = new Map<number, Expr>(op.out.map((l, i) => [l, index[i]]));
    summed.forEach((l, i) => {
      at.set(l, this.axes.addInner(inner[i], sizes.get(l) as number));
    });
    const factors = node.inputs.map((_, k) =>
      this.reader.operand(node, k)(op.operands[k].map((l) => at.get(l) ?? int(0))),
    );
    const { rest, scales } = this.withoutScales(
      factors.reduce((a, b) => mul(a, b)),
      inner,
    );
    this.body.push({ kind: "reduce", fn: "sum", out: "acc", over: inner, value: simplify(rest) });
    this.epilogue(node, index, [], scales.reduce(mul, tile("acc", "num")));
  }

  private reduction(node: Node, op: Extract<Op, { kind: "reduce" }>): void {
    const names = axisNames(node.type.shape);
    const index = this.axes.gridOf(node.type.shape, names);
    const { full, over: inner, count } = this.reduced(node, op, index, names);
    const fn = op.fn === "mean" ? "sum" : op.fn;
    this.body.push({
      kind: "reduce",
      fn,
      out: "acc",
      over: inner,
      value: simplify(this.reader.operand(node, 0)(full)),
    });
    const total = tile("acc", node.type.dtype);
    this.epilogue(node, index, [], op.fn === "mean" ? div(total, num(count)) : total);
  }

  /** The index of a reduction's operand: `index` of its result with inner axes, new ones, where it folds. */
  private reduced(
    node: Node,
    op: Extract<Op, { kind: "reduce" }>,
    index: readonly Expr[],
    taken: readonly string[],
  ): { readonly full: readonly Expr[]; readonly over: readonly string[]; readonly count: number } {
    const over = innerNames(op.axes.length, taken);
    const full: Expr[] = [];
    let kept = 0;
    let count = 1;
    this.reader.seen(node.inputs[0]).forEach((extent, i) => {
      const position = op.axes.indexOf(i);
      if (position < 0) {
        full.push(index[kept++]);
        return;
      }
      if (op.keep) kept++;
      full.push(this.axes.addInner(over[position], extent as number));
      count *= extent as number;
    });
    return { full, over, count };
  }

  /** The largest magnitude of a row whose elements the anchor rounds (rowpeaks.ts), found before it; `found`: those of this node. */
  private peak(id: number, index: readonly Expr[], found: Map<string, Expr>): Expr {
    const node = this.context.graph.nodes[id];
    const { op } = node;
    if (op.kind !== "reduce") throw new Error(`internal: ${op.kind} is no peak of rows`);
    const key = index.map(exprKey).join();
    const known = found.get(key);
    if (known) return known;
    const taken = [...this.axes.grid, ...this.axes.inner].map((a) => a.name);
    const { full, over } = this.reduced(node, op, index, taken);
    const out = this.peakName();
    const value = simplify(this.reader.operand(node, 0)(full));
    this.body.push({ kind: "reduce", fn: "max", out, over, value });
    this.reader.inlined.add(id);
    found.set(key, tile(out, "num"));
    return tile(out, "num");
  }

  /** Peaks of the rows that this kernel has made, whose elements are `x` along the inner axis `along`. */
  private tails(index: readonly Expr[], along: string, x: Expr): void {
    for (const chain of this.group.tails ?? []) {
      const node = this.context.graph.nodes[chain[0]];
      const { op } = node;
      if (op.kind !== "reduce") throw new Error(`internal: ${op.kind} is no peak of rows`);
      const out = this.peakName();
      this.body.push({ kind: "reduce", fn: "max", out, over: [along], value: apply("abs", x) });
      const at = index.flatMap((e, i) => (op.axes.includes(i) ? (op.keep ? [int(0)] : []) : [e]));
      this.follow(chain, node, at, [], tile(out, "num"));
    }
  }

  private peakName(): string {
    const count = this.peakCount++;
    return count === 0 ? "peak" : `peak_${count}`;
  }

  private norm(node: Node, op: Extract<Op, { kind: "normalize" }>): void {
    const { index, along, x, mean, scale } = this.statistics(node, op);
    const shifted = mean ? sub(x, mean) : x;
    this.epilogue(node, index, [along], mul(shifted, scale));
  }

  private rowStatistics(node: Node, op: Extract<Op, { kind: "row_statistics" }>): void {
    const { index, mean, scale } = this.statistics(node, op);
    const [which] = innerNames(1, axisNames(this.reader.seen(node.inputs[0])));
    const at = this.axes.addInner(which, 2);
    const rows = index.slice(0, -1);
    this.epilogue(node, [...rows, at], [which], where(lt(at, int(1)), mean ?? num(0), scale));
  }

  /** The shift (layer norms have one) and scale of each row of a norm's operand. */
  private statistics(
    node: Node,
    op: NormOp,
  ): { index: Expr[]; along: string; x: Expr; mean: Expr | undefined; scale: Expr } {
    const shape = this.reader.seen(node.inputs[0]);
    const names = axisNames(shape);
    const size = shape[shape.length - 1] as number;
    const index = this.axes.gridOf(shape.slice(0, -1), names.slice(0, -1));
    const along = names[names.length - 1];
    index.push(this.axes.addInner(along, size));
    const x = simplify(this.reader.operand(node, 0)(index));
    const { statement, mean, scale } = scalingOf(x, along, size, op);
    this.body.push(statement);
    return { index, along, x, mean, scale };
  }

  private softmax(node: Node, op: Extract<Op, { kind: "softmax" }>): void {
    const { shape } = node.type;
    const names = axisNames(shape);
    const along = names[op.axis];
    const outer = shape.flatMap((s, i) => (i === op.axis ? [] : [{ s, i, name: names[i] }]));
    const index = this.axes.gridOf(
      outer.map((o) => o.s),
      outer.map((o) => o.name),
      outer.map((o) => o.i),
    );
    index.splice(op.axis, 0, this.axes.addInner(along, shape[op.axis] as number));
    const x = simplify(this.reader.operand(node, 0)(index));
    const highest = tile("highest", "num");
    const empty = lt(highest, num(NOTHING_VISIBLE));
    const weight = where(empty, num(0), apply("exp", sub(x, highest)));
    this.body.push({ kind: "reduce", fn: "max", out: "highest", over: [along], value: x });
    this.body.push({ kind: "reduce", fn: "sum", out: "total", over: [along], value: weight });
    this.epilogue(node, index, [along], where(empty, num(0), div(weight, tile("total", "num"))));
  }

  // -------------------------------------------------------------------------------------------------- chain

  private epilogue(anchor: Node, index: readonly Expr[], over: readonly string[], value: Expr): void {
    const made = this.follow(this.group.chain, anchor, index, over, value);
    const [along] = over;
    if (along !== undefined) this.tails(index, along, made);
  }

  /** Follows a chain behind its anchor and stores its root, and every member that something else reads; the root's value. */
  private follow(
    chain: readonly number[],
    anchor: Node,
    index: readonly Expr[],
    over: readonly string[],
    value: Expr,
  ): Expr {
    const at: Expr[] = [...index];
    let current = value;
    chain.forEach((id, i) => {
      const node = this.context.graph.nodes[id];
      if (node !== anchor) {
        const before = chain[i - 1];
        current = this.reader.elementOf(node, at, (k, where_) => {
          const operand = node.inputs[k];
          return operand.id === before ? current : this.reader.read(operand)(where_);
        });
        this.reader.inlined.add(id);
      }
      if (!this.context.stored.has(id)) return;
      if (id !== this.root.id) {
        // Name the intermediate so that it is computed once and stored on the way.
        if (over.length === 0) {
          const name = `at_${this.body.length}`;
          this.body.push({ kind: "let", out: name, value: simplify(current) });
          current = tile(name, node.type.dtype);
        }
      }
      this.store(node, at, over, current);
    });
    return current;
  }

  private stores(index: readonly Expr[], over: readonly string[], value: Expr): void {
    this.store(this.root, index, over, value);
  }

  private store(node: Node, index: readonly Expr[], over: readonly string[], value: Expr): void {
    const { values } = this.context;
    const target = values.of(node, this.stage);
    const dense = values.isKept(node) && this.stage === "user" ? this.reader.slotted("user", index) : index;
    const where_ = node.rows && this.reader.row ? this.reader.row.stored(node.rows, index) : dense;
    const stored = node.type.dtype === "bool" ? apply("to_i32", value) : value;
    this.body.push({
      kind: "store",
      target: target.id,
      over,
      index: where_.map(simplify),
      value: simplify(stored),
    });
  }

  // ------------------------------------------------------------------------------------------------- finish

  private finish(): TileKernel {
    const { stored, names, values } = this.context;
    const list = this.root.rows && values.lists.of(this.root.rows);
    const buffers = buffersOf(this.body);
    if (list) buffers.push({ value: list.list.tiles, access: "read" });
    const { chain, tails = [] } = this.group;
    const members = [...chain, ...tails.flat()];
    return {
      name: names.unique(this.kernelName()),
      stage: this.stage,
      grid: this.axes.grid,
      inner: this.axes.inner,
      body: this.body,
      buffers,
      ...(list ? { indirect: { value: list.list.launches, index: values.lists.launch(list) } } : {}),
      lowering: { kind: "element", threads: 1, vector: 1 },
      about: aboutOf(this.root, members, this.reader, buffers, this.context),
      roots: members.filter((id) => stored.has(id)),
    };
  }

  private kernelName(): string {
    const { anchor } = this.group;
    const node = anchor === undefined ? this.root : this.context.graph.nodes[anchor];
    return node.path || this.root.path || node.op.kind;
  }
}
