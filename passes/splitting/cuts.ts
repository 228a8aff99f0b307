/**
 * @file Where values are cut: which boxes of a value belong to which program, by its stage table alone. `split-stages` asks and builds.
 *
 * A value is cut along the axis that moves the most of it to an earlier program, and the pieces again. Masks need more: what a
 * constant mask replaces is not read, so a masked value is cut where its operands change, too.
 */
import type { Graph, Node, Op, Operand } from "../../src/ir/graph.ts";
import { stridesOf } from "../../src/ir/indexmap.ts";
import { ConstantTable } from "../../src/ir/ops/constants.ts";
import { pieces, type StageTable, viewStage } from "../../src/ir/stage.ts";
import { forEachCell } from "../../src/ir/stagetable.ts";
import { type Box, cuttableAxes, fullBox, intersect, isEmpty, operandBox, sizesOf } from "../restrict.ts";

/** Beyond this many pieces along an axis a cut costs more in launches than it saves. */
const MOST_PIECES = 8;

/** FLOPs a call below which a partial sum of its own is not worth a launch and a kept value. */
const LEAST_SAVING = 65536;

export type Einsum = Extract<Op, { kind: "einsum" }>;
type Pointwise = Extract<Op, { kind: "pointwise" }>;

/** How an op's result is cut: a piece computed whole, or pieces side by side. */
export type Cut =
  | { readonly kind: "whole"; readonly box: Box }
  | { readonly kind: "along"; readonly axis: number; readonly box: Box; readonly parts: readonly Cut[] };

interface Segment {
  readonly from: number;
  readonly to: number;
  readonly level: number;
}

/** Runs of the contracted axis `label`, each of one level. */
export interface Summands {
  readonly label: number;
  readonly groups: readonly Segment[];
}

/** The cuts of a Graph; without `reuse`, none between what is of the request and what is of the candidate. */
export class StageCuts {
  private readonly graph: Graph;
  private readonly reuse: boolean;
  private readonly constants: ConstantTable;
  /** Values that a constant mask replaces in part. */
  private readonly masked = new Set<number>();
  private readonly cuts = new Map<number, Cut>();

  constructor(graph: Graph, reuse: boolean) {
    this.graph = graph;
    this.reuse = reuse;
    this.constants = new ConstantTable((id) => graph.nodes[id]);
    for (const { op, inputs } of graph.nodes) {
      if (op.kind !== "pointwise" || op.fn !== "where" || this.constants.of(inputs[0]) === undefined)
        continue;
      for (const o of inputs.slice(1)) this.markMasked(o);
    }
  }

  /** Marks what element-wise ops carry from `operand` up to a mask. */
  private markMasked(operand: Operand): void {
    const node = this.graph.nodes[operand.id];
    if (operand.map || this.masked.has(node.id)) return;
    this.masked.add(node.id);
    if (node.op.kind === "pointwise") for (const o of node.inputs) this.markMasked(o);
  }

  /** How the value of a node that does real work is cut. */
  cutOf(node: Node): Cut {
    let cut = this.cuts.get(node.id);
    if (!cut) {
      cut = this.cutBox(node, fullBox(node.type.shape), cuttableAxes(node.op, node.type.shape.length));
      if (node.op.kind === "softmax") cut = this.cutHidden(node, cut, node.op.axis);
      this.cuts.set(node.id, cut);
    }
    return cut;
  }

  /** The latest stage of any element of the box; without reuse, what depends on the request runs for every candidate. */
  levelIn(table: StageTable, box: Box): number {
    let level = 0;
    for (const piece of pieces(table)) {
      if (piece.level > level && !isEmpty(intersect(piece, box))) level = piece.level;
    }
    return level === 2 && !this.reuse ? 3 : level;
  }

  /** The operand of a `where` whose constant mask chooses the same one everywhere in the box. */
  chosenArm(node: Node, op: Pointwise, box: Box): Operand | undefined {
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
   * Pieces of an element-wise value side by side, cut where it or one of its operands changes its stage, along the axis that takes
   * the fewest; undefined if there are none.
   */
  changesIn(node: Node, box: Box): { readonly axis: number; readonly boxes: readonly Box[] } | undefined {
    const tables = [node.stage, ...node.inputs.map((o) => this.seenStage(o))];
    let found: { readonly axis: number; readonly boxes: readonly Box[] } | undefined;
    for (let a = 0; a < box.from.length; a++) {
      const inside = tables.flatMap((t) => t.cuts[a]).filter((c) => c > box.from[a] && c < box.to[a]);
      const ends = [...new Set([box.from[a], ...inside, box.to[a]])].sort((x, y) => x - y);
      if (ends.length < 3 || ends.length > MOST_PIECES + 1) continue;
      if (found && found.boxes.length <= ends.length - 1) continue;
      found = { axis: a, boxes: ends.slice(1).map((to, i) => ranged(box, a, ends[i], to)) };
    }
    return found;
  }

  /**
   * The runs of a contracted axis whose products belong to different programs, or are known to be zero: the user's share of
   * a sum over mixed channels is computed once a request and kept, the zeros that a mask leaves are not multiplied.
   */
  summandsOf(node: Node, op: Einsum, box: Box, shapes: readonly (readonly number[])[]): Summands | undefined {
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

  private seenStage({ id, map }: Operand): StageTable {
    const { stage } = this.graph.nodes[id];
    return map ? viewStage(stage, map) : stage;
  }
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
export function narrowed(box: Box, labels: readonly number[], label: number, from: number, to: number): Box {
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
