/**
 * @file split-stages: run each computation once, at the outermost stage that allows it.
 *
 * A value's stage table says which of its elements depend on parameters alone, on the request, on the candidate. Every op
 * that does real work (a contraction, a reduction, a norm) is cut along the axes where that changes, and each piece
 * goes to the load, user or item program; element-wise ops are cut where a piece reads them. Batch axes become explicit:
 * "R" leads in the user program, "N" in the item program. What the item program reads of the user's goes through
 * `by_request` and is *kept*. UG-Sep's reuse, the KV cache and weight folding are all this one plan.
 */

import type { Extent } from "../src/ir/expr.ts";
import { axis, substitute } from "../src/ir/expr.ts";
import type { Graph, Node, Op, Operand, Output, Stage } from "../src/ir/graph.ts";
import type { IndexMap } from "../src/ir/indexmap.ts";
import { identityMap, isIdentity, stridesOf } from "../src/ir/indexmap.ts";
import { ConstantTable } from "../src/ir/ops/constants.ts";
import { pruneGraph } from "../src/ir/prune.ts";
import { isUniform, maxLevel, pieces, type StageTable, viewStage } from "../src/ir/stage.ts";
import { forEachCell } from "../src/ir/stagetable.ts";
import { definePass } from "./pass.ts";
import {
  type Box,
  boxKey,
  cuttableAxes,
  fullBox,
  growBox,
  intersect,
  isEmpty,
  isSource,
  neededOperands,
  operandBox,
  restrictMap,
  seenShape,
  sizesOf,
  storedBox,
} from "./restrict.ts";
import { Rewriter, through } from "./rewrite.ts";

/** Beyond this many pieces along an axis a cut costs more in launches than it saves. */
const MOST_PIECES = 8;

/** FLOPs a call below which a partial sum of its own is not worth a launch and a kept value. */
const LEAST_SAVING = 65536;

type Einsum = Extract<Op, { kind: "einsum" }>;
type Pointwise = Extract<Op, { kind: "pointwise" }>;

const PROGRAMS: readonly Stage[] = ["load", "load", "user", "item"];

/** A new value without its batch axis in view: `map` is over the sample's own axes. */
interface Part {
  readonly id: number;
  readonly program: Stage;
  /** The box of the old value that it holds. */
  readonly box: Box;
}

/** How an op's result is cut: a piece computed whole, or pieces side by side. */
type Cut =
  | { readonly kind: "whole"; readonly box: Box }
  | { readonly kind: "along"; readonly axis: number; readonly box: Box; readonly parts: readonly Cut[] };

export const splitStages = definePass<Graph, Graph>({
  name: "split-stages",
  summary:
    "cuts values by stage, assigns each op to the load, user or item program and makes batch axes explicit",
  run(graph, { reuse = true }) {
    return pruneGraph(new Splitter(graph, reuse).run());
  },
});

/** Where a part of a value is computed. */
export interface Placement {
  /** In the Graph that `split-stages` is given. */
  readonly node: number;
  readonly box: Box;
  readonly program: Stage;
  /** It is the sum over this run of the contracted axis `label` alone. */
  readonly summed?: { readonly label: number; readonly from: number; readonly to: number };
}

/** What `split-stages` makes of every node that does real work, in the order of the programs; element-wise ops are left out. */
export function placements(graph: Graph, { reuse = true }: { readonly reuse?: boolean } = {}): Placement[] {
  const splitter = new Splitter(graph, reuse);
  const { nodes, outputs } = splitter.run();
  const live = new Set(outputs.flatMap((o) => [o.value.id, ...(o.logit ? [o.logit.id] : [])]));
  for (const { id, inputs } of nodes.toReversed()) if (live.has(id)) for (const o of inputs) live.add(o.id);
  return [...splitter.placed].flatMap(([id, placement]) => (live.has(id) ? [placement] : []));
}

class Splitter {
  private readonly out: Rewriter;
  /** By the id of what was made. */
  readonly placed = new Map<number, Placement>();
  private readonly parts = new Map<string, Part>();
  private readonly cuts = new Map<number, Cut>();
  private readonly gathers = new Map<number, number>();
  private readonly constants: ConstantTable;
  /** Values that a constant mask replaces in part. */
  private readonly masked = new Set<number>();
  private readonly graph: Graph;
  private readonly reuse: boolean;

  constructor(graph: Graph, reuse: boolean) {
    this.graph = graph;
    this.reuse = reuse;
    this.out = new Rewriter(graph);
    this.constants = new ConstantTable((id) => graph.nodes[id]);
  }

  /** Marks what element-wise ops carry from `operand` up to a mask. */
  private markMasked(operand: Operand): void {
    const node = this.graph.nodes[operand.id];
    if (operand.map || this.masked.has(node.id)) return;
    this.masked.add(node.id);
    if (node.op.kind === "pointwise") for (const o of node.inputs) this.markMasked(o);
  }

  run(): Graph {
    for (const { op, inputs } of this.graph.nodes) {
      if (op.kind !== "pointwise" || op.fn !== "where" || this.constants.of(inputs[0]) === undefined)
        continue;
      for (const o of inputs.slice(1)) this.markMasked(o);
    }
    // In the model's order: kernels keep it, and what a node reads is there before it, so that no chain is followed deep.
    // Pieces that nothing reads are dropped at the end.
    for (const node of this.graph.nodes) {
      if (isSource(node.op)) continue;
      if (isInline(node.op)) this.part(node, fullBox(this.shapeOf(node.id)));
      if (!isInline(node.op) || !isUniform(node.stage))
        this.walk(this.cutOf(node), (c) => this.part(node, c.box));
    }
    const outputs = this.graph.outputs.map((o): Output => {
      const value = this.output(o.value);
      return { ...o, value, ...(o.logit ? { logit: this.output(o.logit) } : {}) };
    });
    return { ...this.graph, nodes: this.out.nodes, outputs };
  }

  /** A task's value, with a candidate axis whatever its stage. */
  private output(read: Operand): Operand {
    const box = fullBox(seenShape(read, this.graph.nodes));
    return this.batched(this.read(read, box), "item", "broadcast");
  }

  private walk(cut: Cut, visit: (whole: Cut) => void): void {
    if (cut.kind === "whole") visit(cut);
    else for (const c of cut.parts) this.walk(c, visit);
  }

  private shapeOf(id: number): readonly number[] {
    return this.graph.nodes[id].type.shape as readonly number[];
  }

  /** A new value that holds at least `box` of old value `id`. */
  private value(id: number, box: Box): Part {
    const node = this.graph.nodes[id];
    if (isSource(node.op)) return this.part(node, fullBox(this.shapeOf(id)));
    if (isInline(node.op)) {
      const shape = this.shapeOf(id);
      return this.part(node, isUniform(node.stage) ? fullBox(shape) : growBox(node.op, box, shape));
    }
    return this.covering(node, this.cutOf(node), box);
  }

  private covering(node: Node, cut: Cut, box: Box): Part {
    if (cut.kind === "whole") return this.part(node, cut.box);
    const touched = cut.parts.filter((c) => !isEmpty(intersect(c.box, box)));
    if (touched.length === 1) return this.covering(node, touched[0], box);
    const parts = touched.map((c) => this.covering(node, c, c.box));
    const from = parts[0].box.from;
    const to = parts[parts.length - 1].box.to;
    const joined: Box = { from, to };
    const key = `${node.id}@${boxKey(joined)}`;
    const known = this.parts.get(key);
    if (known) return known;
    const program = latest(parts.map((p) => p.program));
    const made = this.make(
      { kind: "concat", axis: cut.axis },
      parts.map((p) => ({ part: p, map: undefined })),
      program,
      node,
      sizesOf(joined),
    );
    const part = { id: made, program, box: joined };
    this.parts.set(key, part);
    return part;
  }

  /** `box` of what `node` computes, as one new node in the earliest program that can. */
  private part(node: Node, box: Box): Part {
    const key = `${node.id}:${boxKey(box)}`;
    const known = this.parts.get(key);
    if (known) return known;
    const made = this.compute(node, box);
    this.parts.set(key, made);
    return made;
  }

  private compute(node: Node, box: Box): Part {
    const level = this.levelIn(node.stage, box);
    const about = { path: node.path, origin: node.origin };
    if (isSource(node.op)) {
      if (node.op.kind === "feature") {
        const program: Stage = maxLevel(node.stage) === 3 ? "item" : "user";
        const type = { shape: [batch(program), ...node.type.shape], dtype: node.type.dtype };
        return { id: this.out.add(node.op, [], { ...about, program }, type).id, program, box };
      }
      return {
        id: this.out.add(node.op, [], { ...about, program: "load" }, node.type).id,
        program: "load",
        box,
      };
    }
    if (level === 0 && node.type.dtype === "num") {
      const type = { shape: sizesOf(box), dtype: node.type.dtype };
      return {
        id: this.out.add({ kind: "const", value: 0 }, [], { ...about, program: "load" }, type).id,
        program: "load",
        box,
      };
    }
    const shapes = node.inputs.map((o) => seenShape(o, this.graph.nodes));
    if (node.op.kind === "einsum") {
      const summands = this.summandsOf(node, node.op, box, shapes);
      if (summands) return this.sumOf(node, node.op, box, shapes, summands);
    }
    if (node.op.kind === "pointwise") {
      const arm = this.chosenArm(node, node.op, box);
      if (arm !== undefined) return this.viewed(node, box, this.read(arm, box));
      const pieces = this.unmasked(node, box, PROGRAMS[level]);
      if (pieces) return pieces;
    }
    const needed = neededOperands(node, box, shapes);
    // A softmax whose box is no whole row leaves out what is hidden in all of its rows (`cutHidden`).
    const boxOf = (k: number): Box => (node.op.kind === "softmax" ? box : operandBox(node, box, k, shapes));
    const reads = needed.map((k) => this.read(node.inputs[k], boxOf(k)));
    if (node.op.kind === "concat" && reads.length === 1 && !reads[0].map) return { ...reads[0].part, box };
    const program = latest([PROGRAMS[level], ...reads.map((r) => r.part.program)]);
    const id = this.make(node.op, reads, program, node, sizesOf(box));
    if (!isInline(node.op)) this.placed.set(id, { node: node.id, box, program });
    return { id, program, box };
  }

  /** The operand of a `where` whose constant mask chooses the same one everywhere in the box. */
  private chosenArm(node: Node, op: Pointwise, box: Box): Operand | undefined {
    if (op.fn !== "where") return undefined;
    const [mask, yes, no] = node.inputs;
    const known = this.constants.of(mask);
    if (known === undefined || isEmpty(box)) return undefined;
    const strides = stridesOf(known.shape);
    const start = box.from.reduce((at, f, a) => at + f * strides[a], 0);
    const chosen = known.data[start] !== 0;
    let same = true;
    forEachCell(sizesOf(box), (cell) => {
      same &&= (known.data[cell.reduce((at, i, a) => at + i * strides[a], start)] !== 0) === chosen;
    });
    if (!same) return undefined;
    return chosen ? yes : no;
  }

  /**
   * The box in pieces side by side, where reading it whole would tie it to a later program than its own elements are: what a
   * mask replaces is not read, so that the user's rows of a masked token mixing stay the user's.
   */
  private unmasked(node: Node, box: Box, wanted: Stage): Part | undefined {
    const whole = latest(node.inputs.map((o) => this.read(o, box).part.program));
    if (latest([whole, wanted]) === wanted) return undefined;
    const tables = [node.stage, ...node.inputs.map((o) => this.seenStage(o))];
    let pieces: { readonly axis: number; readonly boxes: Box[] } | undefined;
    for (let a = 0; a < box.from.length; a++) {
      const inside = tables.flatMap((t) => t.cuts[a]).filter((c) => c > box.from[a] && c < box.to[a]);
      const ends = [...new Set([box.from[a], ...inside, box.to[a]])].sort((x, y) => x - y);
      if (ends.length < 3 || ends.length > MOST_PIECES + 1) continue;
      if (pieces && pieces.boxes.length <= ends.length - 1) continue;
      pieces = { axis: a, boxes: ends.slice(1).map((to, i) => ranged(box, a, ends[i], to)) };
    }
    if (!pieces) return undefined;
    const parts = pieces.boxes.map((b) => this.part(node, b));
    const program = latest(parts.map((p) => p.program));
    if (latest([program, wanted]) !== wanted) return undefined;
    const reads = parts.map((part) => ({ part, map: undefined }));
    const op: Op = { kind: "concat", axis: pieces.axis };
    return { id: this.make(op, reads, program, node, sizesOf(box)), program, box };
  }

  /** What is read, as a value of its own. */
  private viewed(node: Node, box: Box, read: Read): Part {
    if (!read.map) return { ...read.part, box };
    const { program } = read.part;
    return { id: this.make({ kind: "view" }, [read], program, node, sizesOf(box)), program, box };
  }

  private seenStage({ id, map }: Operand): StageTable {
    const { stage } = this.graph.nodes[id];
    return map ? viewStage(stage, map) : stage;
  }

  /**
   * The runs of a contracted axis whose products belong to different programs, or are known to be zero: the user's share of
   * a sum over mixed channels is computed once a request and kept, the zeros that a mask leaves are not multiplied.
   */
  private summandsOf(
    node: Node,
    op: Einsum,
    box: Box,
    shapes: readonly (readonly number[])[],
  ): Summands | undefined {
    const tables = node.inputs.map((o) => this.seenStage(o));
    const boxes = node.inputs.map((_, k) => operandBox(node, box, k, shapes));
    const summed = new Set(op.operands.flat().filter((l) => !op.out.includes(l)));
    let best: (Summands & { readonly saved: number }) | undefined;
    for (const label of summed) {
      const size = sizeOfLabel(op, shapes, label);
      const found = runs(
        0,
        size,
        op.operands.flatMap((labels, k) => labels.flatMap((l, i) => (l === label ? tables[k].cuts[i] : []))),
        (from, to) => {
          const levels = tables.map((table, k) =>
            this.levelIn(table, narrowed(boxes[k], op.operands[k], label, from, to)),
          );
          return levels.includes(0) ? 0 : Math.max(...levels);
        },
      );
      const groups = bridged(found);
      if (groups.length < 2 || groups.length > MOST_PIECES) continue;
      const latestLevel = Math.max(...groups.map((g) => g.level));
      const zeros = groups.some((g) => g.level === 0);
      const early = groups.reduce(
        (sum, g) => sum + (g.level > 0 && g.level < latestLevel ? g.to - g.from : 0),
        0,
      );
      const work = 2 * sizesOf(box).reduce((p, n) => p * n, 1) * early * this.graph.serve.candidates;
      const saved = (zeros ? size : 0) + early;
      if ((zeros || work >= LEAST_SAVING) && saved > (best?.saved ?? 0)) best = { label, groups, saved };
    }
    return best;
  }

  /** The sum of an einsum's parts over runs of one contracted axis, each in the program of its run. */
  private sumOf(
    node: Node,
    op: Einsum,
    box: Box,
    shapes: readonly (readonly number[])[],
    { label, groups }: Summands,
  ): Part {
    const shape = sizesOf(box);
    const latestFirst = groups
      .filter((g) => g.level > 0)
      .sort((a, b) => b.level - a.level || a.from - b.from);
    const parts = latestFirst.map(({ from, to, level }): Part => {
      const reads = node.inputs.map((o, k) =>
        this.read(o, narrowed(operandBox(node, box, k, shapes), op.operands[k], label, from, to)),
      );
      const program = latest([PROGRAMS[level], ...reads.map((r) => r.part.program)]);
      const id = this.make(op, reads, program, node, shape);
      this.placed.set(id, { node: node.id, box, program, summed: { label, from, to } });
      return { id, program, box };
    });
    return parts.reduce((sum, part): Part => {
      const program = latest([sum.program, part.program]);
      const reads = [sum, part].map((p) => ({ part: p, map: undefined }));
      return { id: this.make({ kind: "pointwise", fn: "add" }, reads, program, node, shape), program, box };
    });
  }

  /** A read of `box` of the view `operand`, as a view of a new value. */
  private read(operand: Operand, box: Box): Read {
    const shape = this.shapeOf(operand.id);
    const part = this.value(operand.id, storedBox(box, operand.map, shape));
    const map = restrictMap(operand.map, shape, box, part.box);
    return isIdentity(map, sizesOf(part.box)) ? { part, map: undefined } : { part, map };
  }

  /** Adds the op in `program`, its operands and attributes given the batch axis. */
  private make(op: Op, reads: readonly Read[], program: Stage, node: Node, shape: readonly number[]): number {
    const about = { path: node.path, origin: node.origin, program };
    if (program === "load") {
      const inputs = reads.map((r) => this.batched(r, "load", "broadcast"));
      return this.out.add(op, inputs, about, { shape, dtype: node.type.dtype }).id;
    }
    const type = { shape: [batch(program), ...shape], dtype: node.type.dtype };
    if (op.kind === "einsum") {
      const label = Math.max(-1, ...op.out, ...op.operands.flat()) + 1;
      const operands = op.operands.map((labels, k) =>
        reads[k].part.program === "load" ? labels : [label, ...labels],
      );
      const inputs = reads.map((r) => this.batched(r, program, "bare"));
      return this.out.add({ kind: "einsum", operands, out: [label, ...op.out] }, inputs, about, type).id;
    }
    if (op.kind === "lookup" && reads[0].part.program === "load") {
      const inputs = [
        this.batched(reads[0], "load", "broadcast"),
        this.batched(reads[1], program, "broadcast"),
      ];
      return this.out.add(op, inputs, about, type).id;
    }
    const inputs = reads.map((r) => this.batched(r, program, "broadcast"));
    return this.out.add(withBatch(op), inputs, about, type).id;
  }

  /** The operand for a node of `program`: requests gathered, the batch axis in its map; `bare` leaves load values without one. */
  private batched(read: Read, program: Stage, load: "broadcast" | "bare"): Operand {
    const { part } = read;
    const typeOf = (id: number) => this.out.nodes[id].type;
    if (part.program === "load") {
      if (program === "load" || load === "bare") return through({ id: part.id }, read.map, typeOf);
      const inner = read.map ?? identityMap(typeOf(part.id).shape);
      return { id: part.id, map: { out: [batch(program), ...inner.out], index: shifted(inner) } };
    }
    const id = part.program === "user" && program === "item" ? this.byRequest(part.id) : part.id;
    if (!read.map) return { id };
    const lead = batch(program);
    return through(
      { id },
      { out: [lead, ...read.map.out], index: [axis("i0", lead), ...shifted(read.map)] },
      typeOf,
    );
  }

  private byRequest(id: number): number {
    let gather = this.gathers.get(id);
    if (gather === undefined) {
      const node = this.out.nodes[id];
      const type = { shape: ["N" as Extent, ...node.type.shape.slice(1)], dtype: node.type.dtype };
      const about = { path: node.path, origin: node.origin, program: "item" as const };
      gather = this.out.add({ kind: "by_request" }, [{ id }], about, type).id;
      this.gathers.set(id, gather);
    }
    return gather;
  }

  private cutOf(node: Node): Cut {
    let cut = this.cuts.get(node.id);
    if (!cut) {
      cut = this.cutBox(node, fullBox(this.shapeOf(node.id)), cuttableAxes(node.op, node.type.shape.length));
      if (node.op.kind === "softmax") cut = this.cutHidden(node, cut, node.op.axis);
      this.cuts.set(node.id, cut);
    }
    return cut;
  }

  /** Cuts `box` along the axis that moves the most work to an earlier program, and the pieces again. */
  private cutBox(node: Node, box: Box, cuttable: readonly boolean[]): Cut {
    const level = this.levelIn(node.stage, box);
    let best: { axis: number; groups: Segment[]; saved: number } | undefined;
    for (let a = 0; a < cuttable.length; a++) {
      if (!cuttable[a]) continue;
      const groups = this.groupsAlong(node.stage, box, a);
      if (groups.length < 2 || groups.length > MOST_PIECES) continue;
      const early = groups.reduce((sum, g) => sum + (g.level < level ? g.to - g.from : 0), 0);
      const saved = early / (box.to[a] - box.from[a]);
      if (saved > (best?.saved ?? 0)) best = { axis: a, groups, saved };
    }
    if (!best) return this.masked.has(node.id) ? this.cutCorner(node, box, cuttable) : { kind: "whole", box };
    const { axis: along, groups } = best;
    const parts = groups.map((g) => this.cutBox(node, ranged(box, along, g.from, g.to), cuttable));
    return { kind: "along", axis: along, box, parts };
  }

  /** Cuts off both ends of a softmax's rows what is hidden in all of them: user queries do not wait for an item's key. */
  private cutHidden(node: Node, cut: Cut, along: number): Cut {
    if (cut.kind === "along") {
      return { ...cut, parts: cut.parts.map((part) => this.cutHidden(node, part, along)) };
    }
    const { box } = cut;
    const seen = this.groupsAlong(node.stage, box, along).filter((g) => g.level > 0);
    const [from, to] = [seen[0]?.from, seen.at(-1)?.to];
    if (from === undefined || to === undefined || (from === box.from[along] && to === box.to[along]))
      return cut;
    const ends = [...new Set([box.from[along], from, to, box.to[along]])];
    const parts = ends
      .slice(1)
      .map((end, i): Cut => ({ kind: "whole", box: ranged(box, along, ends[i], end) }));
    return { kind: "along", axis: along, box, parts };
  }

  /**
   * Under a mask a corner of a value may be early though no row and no column of it is: the scores of user queries against user
   * keys. It is cut out along two axes; what the mask replaces in the same rows is then read by nobody.
   */
  private cutCorner(node: Node, box: Box, cuttable: readonly boolean[]): Cut {
    const level = this.levelIn(node.stage, box);
    const corners = [...pieces(node.stage)].filter((p) => p.level < level && !isEmpty(intersect(p, box)));
    const corner = corners.map((p) => intersect(p, box)).find((p) => this.levelIn(node.stage, p) < level);
    const along =
      corner &&
      cuttable.findIndex((can, a) => can && corner.to[a] - corner.from[a] < box.to[a] - box.from[a]);
    if (!corner || along === undefined || along < 0) return { kind: "whole", box };
    const ends = [...new Set([box.from[along], corner.from[along], corner.to[along], box.to[along]])];
    const parts = ends.slice(1).map((to, i) => this.cutBox(node, ranged(box, along, ends[i], to), cuttable));
    return { kind: "along", axis: along, box, parts };
  }

  /** The runs of equal latest stage along axis `a` within `box`. */
  private groupsAlong(table: StageTable, box: Box, a: number): Segment[] {
    return runs(box.from[a], box.to[a], table.cuts[a], (from, to) =>
      this.levelIn(table, ranged(box, a, from, to)),
    );
  }

  /** The latest stage of any element of the box; without reuse, what depends on the request runs for every candidate. */
  private levelIn(table: StageTable, box: Box): number {
    let level = 0;
    for (const piece of pieces(table)) {
      if (piece.level > level && !isEmpty(intersect(piece, box))) level = piece.level;
    }
    return level === 2 && !this.reuse ? 3 : level;
  }
}

interface Read {
  readonly part: Part;
  readonly map: IndexMap | undefined;
}

/** Element-wise ops and gathers: computed where they are read, so never cut by themselves. */
function isInline(op: Op): boolean {
  switch (op.kind) {
    case "pointwise":
    case "view":
    case "concat":
    case "pad":
    case "take":
    case "lookup":
    case "by_request":
      return true;
    default:
      return false;
  }
}

interface Segment {
  readonly from: number;
  readonly to: number;
  readonly level: number;
}

/** Runs of the contracted axis `label`, each of one level. */
interface Summands {
  readonly label: number;
  readonly groups: readonly Segment[];
}

/** [from, to) in runs of equal level between neighbouring cuts. */
function runs(
  from: number,
  to: number,
  cuts: readonly number[],
  levelOf: (from: number, to: number) => number,
): Segment[] {
  const inside = [...new Set(cuts)].filter((c) => c > from && c < to).sort((a, b) => a - b);
  const ends = [from, ...inside, to];
  const groups: Segment[] = [];
  for (let i = 0; i + 1 < ends.length; i++) {
    const level = levelOf(ends[i], ends[i + 1]);
    const last = groups[groups.length - 1];
    if (last && last.level === level) groups[groups.length - 1] = { ...last, to: ends[i + 1] };
    else groups.push({ from: ends[i], to: ends[i + 1], level });
  }
  return groups;
}

/** Zeros between two runs of one level join them where they are fewer: a sum cut in two reads and stores more than they cost. */
function bridged(groups: readonly Segment[]): Segment[] {
  const joined: Segment[] = [];
  for (const next of groups) {
    const [run, hole] = joined.slice(-2);
    const fewer = run && hole && hole.to - hole.from <= run.to - run.from + (next.to - next.from);
    if (fewer && hole.level === 0 && run.level === next.level) joined.splice(-2, 2, { ...run, to: next.to });
    else joined.push(next);
  }
  return joined;
}

/** The part of an operand's box in which the label's index lies in [from, to). */
function narrowed(box: Box, labels: readonly number[], label: number, from: number, to: number): Box {
  return {
    from: box.from.map((f, i) => (labels[i] === label ? from : f)),
    to: box.to.map((t, i) => (labels[i] === label ? to : t)),
  };
}

function sizeOfLabel(op: Einsum, shapes: readonly (readonly number[])[], label: number): number {
  const k = op.operands.findIndex((labels) => labels.includes(label));
  return shapes[k][op.operands[k].indexOf(label)];
}

function ranged(box: Box, a: number, from: number, to: number): Box {
  return {
    from: box.from.map((f, i) => (i === a ? from : f)),
    to: box.to.map((t, i) => (i === a ? to : t)),
  };
}

function latest(programs: readonly Stage[]): Stage {
  return programs.includes("item") ? "item" : programs.includes("user") ? "user" : "load";
}

function batch(program: Stage): Extent {
  return program === "item" ? "N" : "R";
}

/** The index of a map, its axes renumbered after a new leading axis. */
function shifted(map: IndexMap): IndexMap["index"] {
  const at = new Map(map.out.map((extent, i) => [`i${i}`, axis(`i${i + 1}`, extent)]));
  return map.index.map((e) => substitute(e, at));
}

/** The op with its axis attributes moved behind a new leading axis. */
function withBatch(op: Op): Op {
  switch (op.kind) {
    case "concat":
    case "pad":
    case "softmax":
    case "top_k_mask":
    case "top_k_index":
    case "take":
      return { ...op, axis: op.axis + 1 };
    case "reduce":
      return { ...op, axes: op.axes.map((a) => a + 1) };
    case "lookup":
      return { kind: "take", axis: 1 };
    default:
      return op;
  }
}
