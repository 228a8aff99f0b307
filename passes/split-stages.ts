/**
 * @file split-stages: run each computation once, at the outermost stage that allows it.
 *
 * A value's stage table says which of its elements depend on parameters alone, on the request, on the candidate. Every op
 * that does real work (a contraction, a reduction, a norm) is cut along the axes where that changes, and each piece
 * goes to the load, user or item program; element-wise ops are cut where a piece reads them. Batch axes become explicit:
 * "R" leads in the user program, "N" in the item program. What the item program reads of the user's goes through
 * `by_request` and is *kept*. UG-Sep's reuse, the KV cache and weight folding are all this one plan.
 */

import { axis, type Extent } from "../src/ir/expr.ts";
import type { Graph, Node, Op, Operand, Output, Stage } from "../src/ir/graph.ts";
import { type IndexMap, identityMap, isIdentity } from "../src/ir/indexmap.ts";
import { pruneGraph } from "../src/ir/prune.ts";
import { isUniform, maxLevel } from "../src/ir/stage.ts";
import { definePass } from "./pass.ts";
import {
  type Box,
  boxKey,
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
import { batch, shifted, withBatch } from "./splitting/batch.ts";
import { type Cut, type Einsum, narrowed, StageCuts, type Summands } from "./splitting/cuts.ts";

const PROGRAMS: readonly Stage[] = ["load", "load", "user", "item"];

/** A new value without its batch axis in view: `map` is over the sample's own axes. */
interface Part {
  readonly id: number;
  readonly program: Stage;
  /** The box of the old value that it holds. */
  readonly box: Box;
}

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
  private readonly gathers = new Map<number, number>();
  private readonly cuts: StageCuts;
  private readonly graph: Graph;

  constructor(graph: Graph, reuse: boolean) {
    this.graph = graph;
    this.cuts = new StageCuts(graph, reuse);
    this.out = new Rewriter(graph);
  }

  run(): Graph {
    // In the model's order: kernels keep it, and what a node reads is there before it, so that no chain is followed deep.
    // Pieces that nothing reads are dropped at the end.
    for (const node of this.graph.nodes) {
      if (isSource(node.op)) continue;
      if (isInline(node.op)) this.part(node, fullBox(this.shapeOf(node.id)));
      if (!isInline(node.op) || !isUniform(node.stage))
        this.walk(this.cuts.cutOf(node), (c) => this.part(node, c.box));
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
    return this.covering(node, this.cuts.cutOf(node), box);
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
    const level = this.cuts.levelIn(node.stage, box);
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
      const summands = this.cuts.summandsOf(node, node.op, box, shapes);
      if (summands) return this.sumOf(node, node.op, box, shapes, summands);
    }
    if (node.op.kind === "pointwise") {
      const arm = this.cuts.chosenArm(node, node.op, box);
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

  /**
   * The box in pieces side by side, where reading it whole would tie it to a later program than its own elements are: what a
   * mask replaces is not read, so that the user's rows of a masked token mixing stay the user's.
   */
  private unmasked(node: Node, box: Box, wanted: Stage): Part | undefined {
    const whole = latest(node.inputs.map((o) => this.read(o, box).part.program));
    if (latest([whole, wanted]) === wanted) return undefined;
    const pieces = this.cuts.changesIn(node, box);
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
    const about = { path: node.path, origin: node.origin, program, ...(node.keep && { keep: node.keep }) };
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

function latest(programs: readonly Stage[]): Stage {
  return programs.includes("item") ? "item" : programs.includes("user") ? "user" : "load";
}
