/**
 * @file Why each part of a model runs where it does: for every contraction, reduction and norm the parts that `split-stages` makes
 * of it, the program that computes each, and, for what runs once a candidate, the value that *ties* it to the candidate: the
 * first, in the model's order, that joins something of the request with something of the candidate. Everything that reads it is the
 * candidate's too. A part whose values come of item features alone has no tie: there is nothing in it to hoist.
 *
 * It reads stage tables and changes nothing.
 */
import type { Graph, Node, Op, Operand, Origin, Stage } from "../src/ir/graph.ts";
import { opDef } from "../src/ir/ops/index.ts";
import { bytesOf, type Plan } from "../src/ir/plan.ts";
import { boxesOf, type StageLevel, type StageTable, viewStage } from "../src/ir/stage.ts";
import {
  type Box,
  boxKey,
  intersect,
  isEmpty,
  joinBoxes,
  neededOperands,
  operandBox,
  seenShape,
  sizesOf,
  storedBox,
} from "./restrict.ts";
import { type Placement, placements } from "./split-stages.ts";

export interface StageReport {
  /** In the model's order. */
  readonly parts: readonly StagePart[];
  /** What `StagePart.tie` counts into. */
  readonly ties: readonly Tie[];
  readonly kept: readonly KeptValue[];
}

/** A part of a value that does real work, and where it is computed. */
export interface StagePart {
  readonly path: string;
  readonly op: Op["kind"];
  readonly origin?: Origin;
  /** `[4:6, :]`, or `all`; without the batch axis. */
  readonly part: string;
  readonly program: Stage;
  /** Of the contracted axis, where the sum is computed in parts: `32:64`. */
  readonly summed?: string;
  /** For one row of the program's batch axis. */
  readonly flops: number;
  /** Of a part in the item program that has something of the request in it. */
  readonly tie?: number;
  /** What of it depends on the request alone and is computed for every candidate all the same: it is cut along no axis. */
  readonly uncut?: string;
}

/** The first value that joins what depends on the request with what depends on the candidate. */
export interface Tie {
  readonly path: string;
  readonly op: Op["kind"];
  readonly part: string;
  readonly origin?: Origin;
  /** What it joins. */
  readonly user: TiedRead;
  readonly item: TiedRead;
  /** The item features that the candidate's side comes of. */
  readonly features: readonly string[];
}

export interface TiedRead {
  readonly path: string;
  /** In the axes of the value that is read. */
  readonly part: string;
}

/** What the user program leaves for the item program. */
export interface KeptValue {
  readonly name: string;
  /** For one request. */
  readonly shape: readonly number[];
  /** For one request, with the padding of rows. */
  readonly bytes: number;
}

/** `graph` is what `split-stages` is given, `plan` what became of it. */
export function explainStages(
  graph: Graph,
  plan: Plan,
  options: { readonly reuse?: boolean } = {},
): StageReport {
  const finder = new TieFinder(graph);
  const ties: Tie[] = [];
  const numbers = new Map<number, number>();
  const parts = [...placements(graph, options)]
    .sort((a, b) => a.node - b.node)
    .map((placement): StagePart => {
      const node = graph.nodes[placement.node];
      const common = {
        path: node.path,
        op: node.op.kind,
        ...(node.origin ? { origin: node.origin } : {}),
        part: boxText(placement.box, node.type.shape),
        program: placement.program,
        ...(placement.summed ? { summed: `${placement.summed.from}:${placement.summed.to}` } : {}),
        flops: flopsOf(graph, node, placement),
      };
      if (placement.program !== "item") return common;
      const early = boxesWithin(node.stage, 2, placement.box);
      const uncut = early.length === 0 ? {} : { uncut: boxText(early.reduce(joinBoxes), node.type.shape) };
      const join = finder.first(node, placement);
      if (!join) return { ...common, ...uncut };
      const number = numbers.get(join.id) ?? ties.push(join.tie) - 1;
      numbers.set(join.id, number);
      return { ...common, ...uncut, tie: number };
    });
  return { parts, ties, kept: keptOf(plan) };
}

function keptOf(plan: Plan): KeptValue[] {
  return plan.values.flatMap((value) => {
    const { home, name, shape, unit } = value;
    if (home.kind !== "kept") return [];
    const own = shape.slice(1).map((extent) => (typeof extent === "number" ? extent : 0));
    return [{ name, shape: own, bytes: bytesOf(value, unit) }];
  });
}

interface Join {
  /** The node; of two the smaller one is the first in the model's order. */
  readonly id: number;
  readonly tie: Tie;
}

/** Follows the candidate's elements backwards. */
class TieFinder {
  private readonly graph: Graph;
  private readonly found = new Map<string, Join | undefined>();
  private readonly features = new Map<number, ReadonlySet<string>>();

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** The first join that the part depends on. */
  first(node: Node, { box, summed }: Pick<Placement, "box" | "summed">): Join | undefined {
    return this.search(node, box, this.readsOf(node, box, summed));
  }

  private join(node: Node, box: Box): Join | undefined {
    const key = `${node.id}:${boxKey(box)}`;
    if (!this.found.has(key)) this.found.set(key, this.search(node, box, this.readsOf(node, box)));
    return this.found.get(key);
  }

  private search(node: Node, box: Box, reads: readonly Read[]): Join | undefined {
    let earliest: Join | undefined;
    for (const { operand, late } of reads) {
      const from = this.graph.nodes[operand.id];
      for (const piece of late) {
        const stored = storedBox(piece, operand.map, from.type.shape as readonly number[]);
        for (const part of boxesWithin(from.stage, 3, stored)) {
          const join = this.join(from, part);
          if (join && join.id < (earliest?.id ?? Number.POSITIVE_INFINITY)) earliest = join;
        }
      }
    }
    return earliest ?? this.own(node, box, reads);
  }

  /** The node itself, if it joins what it reads. */
  private own(node: Node, box: Box, reads: readonly Read[]): Join | undefined {
    if (!joins(node.op)) return undefined;
    const user = reads.find((r) => r.early.length > 0);
    // Where one operand holds both, its partner is named if that is the candidate's too.
    const item = reads.findLast((r) => r.late.length > 0);
    if (!user || !item) return undefined;
    const side = ({ operand }: Read, [first]: readonly Box[]): TiedRead => {
      const { path, type } = this.graph.nodes[operand.id];
      const stored = storedBox(first, operand.map, type.shape as readonly number[]);
      return { path, part: boxText(stored, type.shape) };
    };
    const tie: Tie = {
      path: node.path,
      op: node.op.kind,
      part: boxText(box, node.type.shape),
      ...(node.origin ? { origin: node.origin } : {}),
      user: side(user, user.early),
      item: side(item, item.late),
      features: [...this.featuresOf(item.operand.id)],
    };
    return { id: node.id, tie };
  }

  /** What `box` of the node reads of the request and of the candidate. */
  private readsOf(node: Node, box: Box, summed?: Placement["summed"]): Read[] {
    const shapes = node.inputs.map((o) => seenShape(o, this.graph.nodes));
    return neededOperands(node, box, shapes).map((k) => {
      const operand = node.inputs[k];
      const { stage } = this.graph.nodes[operand.id];
      const table = operand.map ? viewStage(stage, operand.map) : stage;
      const seen = operandRun(node, box, k, shapes, summed);
      return { operand, early: boxesWithin(table, 2, seen), late: boxesWithin(table, 3, seen) };
    });
  }

  private featuresOf(id: number): ReadonlySet<string> {
    const known = this.features.get(id);
    if (known) return known;
    const found = new Set<string>();
    this.features.set(id, found);
    const { op, inputs } = this.graph.nodes[id];
    if (op.kind === "feature" && this.graph.features.find((f) => f.name === op.name)?.stage === "item")
      found.add(op.name);
    for (const o of inputs) for (const name of this.featuresOf(o.id)) found.add(name);
    return found;
  }
}

interface Read {
  readonly operand: Operand;
  readonly early: readonly Box[];
  readonly late: readonly Box[];
}

/** Whether an element of the result may come of several elements: a view, a concatenation or a padding only moves them. */
function joins(op: Op): boolean {
  return op.kind !== "view" && op.kind !== "concat" && op.kind !== "pad";
}

/** The boxes of one level, cut to `box`. */
function boxesWithin(table: StageTable, level: StageLevel, box: Box): Box[] {
  return boxesOf(table, level)
    .map((b) => intersect(b, box))
    .filter((b) => !isEmpty(b));
}

/** The part of operand k, as the op sees it, that `box` of the result needs: all of a contracted axis, or a run of it. */
function operandRun(
  node: Node,
  box: Box,
  k: number,
  shapes: readonly (readonly number[])[],
  summed: Placement["summed"],
): Box {
  const seen = operandBox(node, box, k, shapes);
  if (!summed || node.op.kind !== "einsum") return seen;
  const labels = node.op.operands[k];
  return {
    from: seen.from.map((f, i) => (labels[i] === summed.label ? summed.from : f)),
    to: seen.to.map((t, i) => (labels[i] === summed.label ? summed.to : t)),
  };
}

/** FLOPs of the part for one row of its program's batch axis. */
function flopsOf(graph: Graph, node: Node, { box, summed }: Placement): number {
  const shapes = node.inputs.map((o) => seenShape(o, graph.nodes));
  const inputs = node.inputs.map((o, k) => {
    const shape = sizesOf(operandRun(node, box, k, shapes, summed));
    return { shape, dtype: graph.nodes[o.id].type.dtype };
  });
  const type = { shape: sizesOf(box), dtype: node.type.dtype };
  return opDef(node.op.kind).flops(node.op, inputs, type, { R: 1, N: 1 });
}

/** `[4:6, :]`; `all` for the whole value. */
export function boxText(box: Box, shape: readonly (number | string)[]): string {
  const whole = shape.map((extent, a) => box.from[a] === 0 && box.to[a] === extent);
  if (whole.every((w) => w)) return "all";
  return `[${shape.map((_, a) => (whole[a] ? ":" : `${box.from[a]}:${box.to[a]}`)).join(", ")}]`;
}
