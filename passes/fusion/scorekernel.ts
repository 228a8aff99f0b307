/**
 * @file From a score product that `score.ts` has found to its tile statement: which labels are rows, columns and steps, and
 * the expressions of queries, keys, weights and values at them.
 */
import {
  type AxisExtent,
  and,
  axis,
  type Expr,
  type Extent,
  ge,
  int,
  lt,
  max,
  min,
  num,
  sub,
  tile,
  where,
} from "../../src/ir/expr.ts";
import type { Graph, Node, Op, Operand } from "../../src/ir/graph.ts";
import { bounds, simplify } from "../../src/ir/simplify.ts";
import type { ScoreStmt } from "../../src/ir/tile.ts";
import { split } from "./labels.ts";
import { axisNames, innerNames } from "./names.ts";
import type { ScorePattern } from "./score.ts";
import { visibleRange } from "./visible.ts";

type Einsum = Extract<Op, { kind: "einsum" }>;
type At = Map<number, Expr>;
/** What a value's element at an index is to be taken for. */
export type StandIn = (index: readonly Expr[]) => Expr;

/** What the builder of the kernel offers. */
export interface ScoreParts {
  readonly graph: Graph;
  addGrid(name: string, extent: Extent | AxisExtent): Expr;
  addInner(name: string, extent: number): Expr;
  /** One grid axis for several labels; its name. */
  flatten(labels: readonly number[], sizes: ReadonlyMap<number, Extent>, name: string, at: At): string;
  labelSizes(node: Node, op: Einsum): Map<number, Extent>;
  /** Operand `k` of a node at an index. */
  read(node: Node, k: number, index: readonly Expr[]): Expr;
  /** Whether an operand is what a request keeps, and nothing of the candidate. */
  isOfRequest(operand: Operand): boolean;
  /** The request of a candidate. */
  requestOf(candidate: Expr): Expr;
  /** Reads with value `id` standing for something else. */
  withStandIn(id: number, value: StandIn, read: () => Expr): Expr;
}

/** What lies between the contractions, for one choice of the axis j. */
interface Between {
  readonly weight: Expr;
  readonly gain: Expr | undefined;
  /** Where the weight reads the first contraction. */
  readonly scoreAt: readonly Expr[];
}

/** The statement, and the index of the second contraction at its point. */
export function scoreStatement(
  second: Node,
  pattern: ScorePattern,
  parts: ScoreParts,
): { readonly statement: ScoreStmt; readonly index: readonly Expr[] } {
  const { graph } = parts;
  const first = graph.nodes[pattern.first];
  if (second.op.kind !== "einsum" || first.op.kind !== "einsum")
    throw new Error(`internal: the score product %${second.id} is of no contractions`);
  const [outer, core] = [second.op, first.op];
  const sizes = parts.labelSizes(second, outer);
  const names = axisNames(second.type.shape);
  const nameOf = (labels: readonly number[], several: string): string =>
    labels.length === 1 ? names[outer.out.indexOf(labels[0])] : several;
  const at: At = new Map();
  const candidates = candidatesAsRows(second, pattern, sizes, parts);
  const batch = pattern.batch.filter((l) => l !== candidates);
  const rows = candidates === undefined ? pattern.m : [candidates, ...pattern.m];
  for (const l of batch) at.set(l, parts.addGrid(nameOf([l], ""), sizes.get(l) ?? 1));
  const n = parts.flatten(pattern.n, sizes, nameOf(pattern.n, "c"), at);
  const m = parts.flatten(rows, sizes, nameOf(rows, "m"), at);
  const [k, j] = innerNames(2, [...names, "m", "c"]);

  const outerOperand = (which: number, jAt: Expr): Expr => {
    at.set(pattern.j, jAt);
    return simplify(
      parts.read(
        second,
        which,
        outer.operands[which].map((l) => at.get(l) ?? int(0)),
      ),
    );
  };
  const between = (jAt: Expr): Between =>
    readBetween(pattern, first.id, parts, () => outerOperand(pattern.weights, jAt));
  const nothing = pattern.softmax === undefined ? 0 : Number.NEGATIVE_INFINITY;

  // Where the second contraction leaves out what the mask hides, the softmax does too if its mask proves the same.
  const length = sizes.get(pattern.j) as number;
  const whole = softmaxLength(pattern, graph) ?? length;
  const { offset } = pattern;
  const overWhole = sub(axis(j, whole), int(offset));
  const seen = whole === length ? undefined : visibleRange(between(overWhole).weight, j, whole, nothing);
  const below = seen?.from ? (bounds(seen.from)?.lo ?? 0) : 0;
  const above = seen?.to ? (bounds(seen.to)?.hi ?? whole) : whole;
  const short = below >= offset && above <= offset + length;
  const extent = short ? length : whole;
  const jAt = short ? axis(j, length) : overWhole;
  parts.addInner(j, extent);

  const { weight, gain, scoreAt } = between(jAt);
  const inner = parts.labelSizes(first, core);
  const scored: At = new Map(core.out.map((l, i) => [l, scoreAt[i]]));
  const summed = core.operands[0].filter((l) => !scored.has(l));
  const terms = summed.reduce((p, l) => p * (inner.get(l) as number), 1);
  split(parts.addInner(k, terms), summed, inner, scored);
  const factor = (which: number): Expr =>
    simplify(
      parts.read(
        first,
        which,
        core.operands[which].map((l) => scored.get(l) ?? int(0)),
      ),
    );
  const visible = visibleRange(weight, j, extent, nothing);
  const inside = (value: (jAt: Expr) => Expr): Expr => {
    if (short) return value(jAt);
    const held = simplify(min(max(jAt, int(0)), int(length - 1)));
    return simplify(where(and(ge(jAt, int(0)), lt(jAt, int(length))), value(held), num(0)));
  };
  const statement: ScoreStmt = {
    kind: "score",
    out: "acc",
    m,
    n,
    j,
    k,
    a: factor(1 - pattern.keys),
    b: factor(pattern.keys),
    score: "score",
    weight,
    norm: pattern.softmax === undefined ? "none" : "softmax",
    ...(gain && !(gain.kind === "const" && gain.value === 1) ? { gain } : {}),
    v: inside((e) => outerOperand(1 - pattern.weights, e)),
    ...(visible ? { visible } : {}),
    ...(candidates === undefined ? {} : { segment: parts.requestOf(at.get(candidates) ?? int(0)) }),
  };
  return { statement, index: outer.out.map((l) => at.get(l) ?? int(0)) };
}

/** Fewer rows than this leave keys and values that are loaded for a tile of them underused. */
const ENOUGH_ROWS = 8;

/** The label of the candidates, where few queries of each read what their request keeps: then candidates are rows as well. */
function candidatesAsRows(
  second: Node,
  { first, keys, weights, batch, m }: ScorePattern,
  sizes: ReadonlyMap<number, Extent>,
  parts: ScoreParts,
): number | undefined {
  const label = batch.find((l) => sizes.get(l) === "N");
  const queries = m.reduce((p, l) => p * (sizes.get(l) as number), 1);
  if (label === undefined || queries >= ENOUGH_ROWS) return undefined;
  const read = [parts.graph.nodes[first].inputs[keys], second.inputs[1 - weights]];
  return read.every((o) => parts.isOfRequest(o)) ? label : undefined;
}

function readBetween(
  { softmax }: ScorePattern,
  first: number,
  parts: ScoreParts,
  weights: () => Expr,
): Between {
  let scoreAt: readonly Expr[] = [];
  const score: StandIn = (index) => {
    scoreAt = index;
    return tile("score", "num");
  };
  if (softmax === undefined) {
    const weight = parts.withStandIn(first, score, weights);
    return { weight, gain: undefined, scoreAt };
  }
  let softmaxAt: readonly Expr[] = [];
  // A softmax is only ever multiplied afterwards, so what becomes of 1 is the factor.
  const one: StandIn = (index) => {
    softmaxAt = index;
    return num(1);
  };
  const gain = parts.withStandIn(softmax, one, weights);
  const node = parts.graph.nodes[softmax];
  const weight = parts.withStandIn(first, score, () => simplify(parts.read(node, 0, softmaxAt)));
  return { weight, gain, scoreAt };
}

function softmaxLength({ softmax }: ScorePattern, graph: Graph): number | undefined {
  if (softmax === undefined) return undefined;
  const { op, type } = graph.nodes[softmax];
  return op.kind === "softmax" ? (type.shape[op.axis] as number) : undefined;
}
