/**
 * @file Finds score products: two contractions with a function of their shared pair (i, j) between, which become one kernel that
 * never stores the pairs.
 *
 *     s[i, j] = Σ_k q[i, k] · key[j, k]          the first contraction
 *     p[i, j] = f(s, i, j)                        masks, biases, scales, activations; a softmax over j
 *     o[i, e] = Σ_j p[i, j] · v[j, e]             the second
 *
 * The search starts at the second and follows its weights down through element-wise ops and views, keeping track of the
 * index in terms of the second's labels, so it does not matter how heads and tokens are arranged on the way. Where any
 * condition fails the scores are stored as any other value.
 */
import {
  type AxisExpr,
  axesOf,
  axis,
  type Expr,
  type Extent,
  exprKey,
  substitute,
} from "../../src/ir/expr.ts";
import type { Graph, Node, Op, Operand } from "../../src/ir/graph.ts";
import { affineIn, simplify } from "../../src/ir/simplify.ts";

type Einsum = Extract<Op, { kind: "einsum" }>;

export interface ScorePattern {
  /** The second contraction. */
  readonly second: number;
  /** Its operand that holds the weights. */
  readonly weights: 0 | 1;
  /** The first contraction. */
  readonly first: number;
  /** The first contraction's operand with the axis j: the keys. */
  readonly keys: 0 | 1;
  readonly softmax?: number;
  /** What the second sums is [offset, offset + its length) of the softmax's axis: the rest is known to be hidden. */
  readonly offset: number;
  /** What lies between, both contractions' results and the second itself not stored: the first, the softmax, the functions. */
  readonly inside: ReadonlySet<number>;
  /** Labels of the second contraction. */
  readonly batch: readonly number[];
  readonly m: readonly number[];
  readonly n: readonly number[];
  readonly j: number;
}

export interface ScoreContext {
  readonly graph: Graph;
  readonly readers: readonly (readonly { readonly node: Node }[])[];
  /** Values that must lie in memory. */
  readonly external: ReadonlySet<number>;
}

/** The score products of a graph, by their second contraction; no two share a node. */
export function findScores(context: ScoreContext): Map<number, ScorePattern> {
  const found = new Map<number, ScorePattern>();
  for (const node of context.graph.nodes) {
    if (node.op.kind !== "einsum" || node.program === "load" || node.rows) continue;
    for (const weights of [0, 1] as const) {
      const pattern = new Search(context, node, node.op, weights).run();
      if (!pattern || [...pattern.inside].some((id) => isTaken(id, found))) continue;
      found.set(node.id, pattern);
      break;
    }
  }
  return found;
}

function isTaken(id: number, found: ReadonlyMap<number, ScorePattern>): boolean {
  return [...found].some(([second, { inside }]) => second === id || inside.has(id));
}

/** A value at an index in terms of the second contraction's labels. */
interface Place {
  readonly node: Node;
  readonly index: readonly Expr[];
}

class Search {
  private readonly context: ScoreContext;
  private readonly second: Node;
  private readonly op: Einsum;
  private readonly weights: 0 | 1;
  private readonly seen = new Map<string, Place>();

  constructor(context: ScoreContext, second: Node, op: Einsum, weights: 0 | 1) {
    this.context = context;
    this.second = second;
    this.op = op;
    this.weights = weights;
  }

  run(): ScorePattern | undefined {
    const { op, second, weights } = this;
    if (op.operands.length !== 2) return undefined;
    const [mine, other] = [op.operands[weights], op.operands[1 - weights]];
    const summed = [...new Set([...mine, ...other])].filter((l) => !op.out.includes(l));
    const [j] = summed;
    if (summed.length !== 1 || !mine.includes(j) || !other.includes(j)) return undefined;
    const read = second.inputs[weights];
    const shape = this.shapeOf(read);
    const start = mine.map((l, i) => axis(name(l), shape[i]));
    this.walk(this.place(read, start), name(j));

    const softmax = this.softmax(name(j));
    const first = this.bestFirst(name(j));
    if (!first) return undefined;
    const inside = this.between(first.node.id);
    if (!this.isClosed(inside, first, softmax)) return undefined;
    if (softmax && !this.isScaledSoftmax(read, softmax.node.id, inside)) return undefined;
    if (!softmax && !this.isFunction(inside, first.node.id, name(j))) return undefined;

    // Labels that the keys have as well as the queries are shared, whatever the values do.
    const keyed = new Set(dependencies(first, first.keys));
    const rest = op.out.filter((l) => mine.includes(l));
    const batch = rest.filter((l) => other.includes(l) || keyed.has(name(l)));
    const m = rest.filter((l) => !batch.includes(l));
    const n = op.out.filter((l) => !mine.includes(l));
    if (n.some((l) => typeof this.shapeOf(second.inputs[1 - weights])[other.indexOf(l)] !== "number"))
      return undefined;
    return {
      second: second.id,
      weights,
      first: first.node.id,
      keys: first.keys,
      ...(softmax ? { softmax: softmax.node.id } : {}),
      offset: softmax?.offset ?? 0,
      inside,
      batch,
      m,
      n,
      j,
    };
  }

  private shapeOf(read: Operand): readonly Extent[] {
    return read.map?.out ?? this.context.graph.nodes[read.id].type.shape;
  }

  private place(read: Operand, at: readonly Expr[]): Place {
    const node = this.context.graph.nodes[read.id];
    if (!read.map) return { node, index: at };
    const by = new Map(at.map((e, i) => [`i${i}`, e]));
    return { node, index: read.map.index.map((e) => simplify(substitute(e, by))) };
  }

  /** Visits what the weights are made of, down to the contractions and stored values. */
  private walk(place: Place, j: string): void {
    const { node, index } = place;
    if (!index.some((e) => axesOf(e).has(j))) return;
    const key = `${node.id}:${index.map(exprKey).join()}`;
    if (this.seen.has(key)) return;
    if (!isBetween(node.op) && node.op.kind !== "einsum") return;
    this.seen.set(key, place);
    if (node.op.kind === "softmax" && offsetAlong(place, node.op.axis, j) === undefined) return;
    if (isBetween(node.op)) for (const read of node.inputs) this.walk(this.place(read, index), j);
  }

  private softmax(j: string): (Place & { readonly offset: number }) | undefined {
    for (const place of this.seen.values()) {
      const { op } = place.node;
      const offset = op.kind === "softmax" ? offsetAlong(place, op.axis, j) : undefined;
      if (offset !== undefined) return { ...place, offset };
    }
    return undefined;
  }

  /** The contraction of the most terms that has j on one side alone, and whose keys are not parameters (a layer's weights). */
  private bestFirst(j: string): (Place & { readonly keys: 0 | 1 }) | undefined {
    let best: (Place & { readonly keys: 0 | 1; readonly terms: number }) | undefined;
    for (const place of this.seen.values()) {
      const { op } = place.node;
      if (op.kind !== "einsum" || op.operands.length !== 2) continue;
      const terms = this.termsOf(place.node, op);
      const sides = ([0, 1] as const).filter((k) => dependencies(place, k).includes(j));
      if (terms === undefined || sides.length !== 1) continue;
      const [keys] = sides;
      if (this.context.graph.nodes[place.node.inputs[keys].id].program === "load") continue;
      if (terms > (best?.terms ?? 0)) best = { ...place, keys, terms };
    }
    return best;
  }

  /** How many terms each sum has; undefined where none is summed or an operand has an axis of its own that is. */
  private termsOf(node: Node, op: Einsum): number | undefined {
    const summed = op.operands[0].filter((l) => !op.out.includes(l));
    if (summed.length === 0) return undefined;
    if (op.operands.some((labels) => labels.filter((l) => !op.out.includes(l)).length !== summed.length))
      return undefined;
    if (summed.some((l) => !op.operands[1].includes(l))) return undefined;
    const shape = this.shapeOf(node.inputs[0]);
    return summed.reduce((n, l) => n * (shape[op.operands[0].indexOf(l)] as number), 1);
  }

  /** Every visited node through which the weights depend on `first`. */
  private between(first: number): Set<number> {
    const inside = new Set([first]);
    const ids = [...new Set([...this.seen.values()].map((p) => p.node.id))].sort((a, b) => a - b);
    for (const id of ids) {
      const node = this.context.graph.nodes[id];
      if (isBetween(node.op) && node.inputs.some((o) => inside.has(o.id))) inside.add(id);
    }
    return inside;
  }

  /** Nobody else reads what is between, and the scores are read at one index alone. */
  private isClosed(inside: ReadonlySet<number>, first: Place, softmax: Place | undefined): boolean {
    const { graph, readers, external } = this.context;
    const values = this.second.inputs[1 - this.weights];
    if (inside.has(values.id) || !inside.has(this.second.inputs[this.weights].id)) return false;
    for (const id of inside) {
      if (external.has(id) || graph.nodes[id].program !== this.second.program) return false;
      if (readers[id].some((r) => r.node !== this.second && !inside.has(r.node.id))) return false;
    }
    const once = (id: number): boolean =>
      [...this.seen.values()].filter((p) => p.node.id === id).length === 1;
    const softmaxes = [...inside].filter((id) => graph.nodes[id].op.kind === "softmax");
    if (!once(first.node.id) || softmaxes.length > 1) return false;
    if (softmaxes.length === 0) return softmax === undefined;
    return softmax?.node.id === softmaxes[0] && once(softmaxes[0]);
  }

  /** After the softmax only what multiplies it: products, quotients by others, masks that fill with 0. */
  private isScaledSoftmax(read: Operand, softmax: number, inside: ReadonlySet<number>): boolean {
    const { nodes } = this.context.graph;
    const node = nodes[read.id];
    if (node.id === softmax) return true;
    const among = node.inputs.filter((o) => inside.has(o.id));
    const [next] = among;
    if (among.length !== 1) return false;
    const on = (): boolean => this.isScaledSoftmax(next, softmax, inside);
    if (node.op.kind === "view") return on();
    if (node.op.kind !== "pointwise") return false;
    const isZero = (o: Operand): boolean => {
      const { op } = nodes[o.id];
      return op.kind === "const" && op.value === 0;
    };
    switch (node.op.fn) {
      case "mul":
      case "neg":
        return on();
      case "div":
        return node.inputs[0] === next && on();
      case "where":
        return node.inputs[0] !== next && node.inputs.some(isZero) && on();
      default:
        return false;
    }
  }

  /**
   * Without a softmax: something between that is no scale (else a product of three, which `contract` orders), and keys that lie
   * along the summed axis, as those of attention do (else a layer with computed weights).
   */
  private isFunction(inside: ReadonlySet<number>, first: number, j: string): boolean {
    const node = this.context.graph.nodes[first];
    if (node.op.kind !== "einsum") return false;
    const { op } = node;
    const adjacent = op.operands.some((labels) => {
      const last = labels[labels.length - 1];
      return labels.some((l) => op.out.includes(l)) && !op.out.includes(last);
    });
    if (!adjacent) return false;
    return [...this.seen.values()].some(({ node: at, index }) => {
      if (!inside.has(at.id) || at.op.kind !== "pointwise") return false;
      const scales = at.op.fn === "mul" || at.op.fn === "div" || at.op.fn === "neg";
      if (!scales) return true;
      return at.inputs.some((o) => {
        if (inside.has(o.id)) return false;
        return this.place(o, index).index.some((e) => axesOf(e).has(j));
      });
    });
  }
}

function name(label: number): string {
  return `l${label}`;
}

/** Ops through which the search goes on. */
function isBetween(op: Op): boolean {
  return op.kind === "pointwise" || op.kind === "view" || op.kind === "softmax";
}

/** Where j begins along a softmax each of whose rows is one row of the product; undefined where that is not so. */
function offsetAlong({ index }: Place, along: number, j: string): number | undefined {
  const form = affineIn(index[along], j);
  if (form?.coef !== 1 || form.rest.kind !== "const") return undefined;
  return index.every((e, i) => i === along || !axesOf(e).has(j)) ? form.rest.value : undefined;
}

/** The axes that operand `k` of a contraction depends on when it is read at `place`. */
function dependencies({ node, index }: Place, k: number): string[] {
  const { op } = node;
  if (op.kind !== "einsum") return [];
  const axes = new Map<string, AxisExpr>();
  for (const label of op.operands[k]) {
    const at = op.out.indexOf(label);
    if (at >= 0) for (const [n, a] of axesOf(index[at])) axes.set(n, a);
  }
  return [...axes.keys()];
}
