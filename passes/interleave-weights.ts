/**
 * @file interleave-weights: the weights of two products of the same rows whose results meet point by point (gate and up of a SwiGLU)
 * lie side by side, four columns of one and four of the other in turn:
 *
 *     w[…, k, n/4, 2, 4]        w[…, k, q, 0, c] = gate[…, k, 4q + c]        w[…, k, q, 1, c] = up[…, k, 4q + c]
 *
 * Neighbouring lanes then load neighbouring groups, and one sum of the usual size serves both products (`pair-products`, the
 * `subgroup` lowering): the even lanes' accumulators are gate's, the odd ones' up's, and they change hands afterwards. Two sums a
 * lane instead would take twice the registers, of which a software device has few. Made once, in the load stage; what it is made
 * of is freed there, and where anything else reads that, weights stay as they are: a model takes the memory of its parameters once.
 * So thin products, which gain nothing by it, go along where others of the same weights gain (a request's tokens beside candidates').
 *
 * For software devices alone: others have registers enough for two sums, and read their weights as they are.
 */
import { add, axis, type Expr, type Extent, floordiv, int, mod, mul } from "../src/ir/expr.ts";
import type { Graph, Node, Operand } from "../src/ir/graph.ts";
import type { IndexMap } from "../src/ir/indexmap.ts";
import type { Profile } from "../src/ir/profile.ts";
import { storageOf } from "../src/ir/storage.ts";
import { meet, sameOperand } from "./contraction/meeting.ts";
import { dotRoles } from "./fusion/roles.ts";
import { definePass, joinsKernels } from "./pass.ts";
import { type About, Rewriter, readersOf, through } from "./rewrite.ts";

/** Columns of one product before those of the other: what a lane owns. */
const GROUP = 4;
const BYTES = 4;
/** Rows of a product, at most, that a lane has registers for twice. */
export const THIN_ROWS = 8;

interface Pair {
  readonly first: Node;
  readonly second: Node;
  /** Of the products, in a call of the size to compile for. */
  readonly rows: number;
  /** The operand that is weights. */
  readonly weights: number;
  /** Places in the weights of their columns, and of all else in the order in which it is to lie. */
  readonly column: number;
  readonly before: readonly number[];
}

export const interleaveWeights = definePass<Graph, Graph>({
  name: "interleave-weights",
  summary: "puts the weights of two products of the same rows side by side, so that one sum serves both",
  run(graph, { profile, fusion = "all" }) {
    const { subgroup, features } = profile;
    const lanes = subgroup?.min === subgroup?.max;
    const pairs =
      joinsKernels(fusion) && features.software && subgroup && lanes ? pairsOf(graph, profile) : new Map();
    if (pairs.size === 0) return graph;
    const out = new Rewriter(graph);
    const made = new Map<string, Operand>();
    // Weights first: those of the second product may stand behind the first one.
    const early = (node: Node): boolean => node.program === "load";
    const ordered = [...graph.nodes.filter(early), ...graph.nodes.filter((node) => !early(node))];
    for (const node of ordered) {
      const pair = pairs.get(node.id);
      if (pair === undefined) {
        out.copy(node);
        continue;
      }
      const key = keyOf(pair);
      const both = made.get(key) ?? sideBySide(pair, graph, out);
      made.set(key, both);
      const inputs = node.inputs.map((o, k) =>
        k === pair.weights ? shownAs(both, pair, node === pair.first ? 0 : 1, out) : out.operand(o),
      );
      out.replace(node.id, out.add(node.op, inputs, node, node.type));
    }
    return out.finish();
  },
});

/** The products whose weights are laid side by side, by each of both. */
function pairsOf(graph: Graph, profile: Profile): ReadonlyMap<number, Pair> {
  const readers = readersOf(graph);
  const meeting = new Map<number, Pair>();
  const before: Node[] = [];
  for (const node of graph.nodes) {
    if (!isProduct(node)) continue;
    const first = before.findLast(
      (p) => !meeting.has(p.id) && sameRows(p, node) && meet(p, node, graph, readers),
    );
    const pair = first && pairOf(first, node, graph, profile);
    if (pair === undefined) before.push(node);
    else for (const { id } of [pair.first, pair.second]) meeting.set(id, pair);
  }
  const found = new Map<number, Pair>();
  for (const pair of new Set(meeting.values())) {
    if (pair.rows <= THIN_ROWS || found.has(pair.first.id)) continue;
    for (const each of allOf(pair, graph, profile, readers))
      for (const { id } of [each.first, each.second]) found.set(id, each);
  }
  return found;
}

function isProduct({ op, rows, keep, program }: Node): boolean {
  return op.kind === "einsum" && !rows && !keep && program !== "load";
}

/**
 * The pairs that between them are all who read the weights of `pair` in a call, it among them; none where there are other readers, or where
 * what they read overlaps, so that it would lie there twice.
 */
function allOf(
  { first, second, weights }: Pair,
  graph: Graph,
  profile: Profile,
  readers: ReturnType<typeof readersOf>,
): readonly Pair[] {
  const [p, q] = [first, second].map(({ inputs }) => inputs[weights].id);
  const inCalls = (id: number): Node[] =>
    readers[id].flatMap(({ node }) => (node.program === "load" ? [] : [node]));
  const isOutput = graph.outputs.some(({ value }) => value.id === p || value.id === q);
  const others = inCalls(q);
  if (p === q || isOutput || inCalls(p).length !== others.length) return [];
  const pairs = inCalls(p).map((node) => {
    const at = others.findIndex((other) => isProduct(node) && isProduct(other) && sameRows(node, other));
    const [other] = at < 0 ? [] : others.splice(at, 1);
    return other && pairOf(node, other, graph, profile);
  });
  if (pairs.some((each) => each === undefined)) return [];
  const whole = pairs.filter((each) => each !== undefined);
  const laid = new Map(whole.map((each) => [keyOf(each), bytesOfBoth(each, graph)]));
  const bytes = [...laid.values()].reduce((sum, each) => sum + each, 0);
  return bytes <= 2 * bytesOf(graph.nodes[p].type.shape) ? whole : [];
}

/** Pairs of one key read the same elements. */
function keyOf({ first, second, weights, column, before }: Pair): string {
  return JSON.stringify([first.inputs[weights], second.inputs[weights], column, before]);
}

function bytesOfBoth({ first, weights }: Pair, graph: Graph): number {
  return 2 * bytesOf(shapeOf(first.inputs[weights], graph));
}

function bytesOf(shape: readonly Extent[]): number {
  return shape.reduce<number>((n, extent) => n * Number(extent), BYTES);
}

/** Whether two products differ in one operand at most. */
function sameRows(p: Node, q: Node): boolean {
  if (p.inputs.length !== 2 || q.inputs.length !== 2 || p.program !== q.program) return false;
  return (
    JSON.stringify(p.op) === JSON.stringify(q.op) && [0, 1].some((k) => sameOperand(p.inputs[k], q.inputs[k]))
  );
}

function pairOf(first: Node, second: Node, graph: Graph, { limits }: Profile): Pair | undefined {
  const { op } = second;
  if (op.kind !== "einsum") return undefined;
  const shapes = second.inputs.map((o) => shapeOf(o, graph));
  const sizes = new Map(op.operands.flatMap((labels, k) => labels.map((l, j) => [l, shapes[k][j]] as const)));
  const roles = dotRoles(second, op, sizes, graph);
  if (roles === undefined || !sameOperand(first.inputs[roles.a], second.inputs[roles.a])) return undefined;
  const weights = 1 - roles.a;
  const both = [first.inputs[weights], second.inputs[weights]];
  const f32 = (o: Operand): boolean => {
    const node = graph.nodes[o.id];
    return node.program === "load" && storageOf(graph, node).element === "f32";
  };
  const shape = shapes[weights].map(Number);
  if (!both.every(f32) || shapeOf(both[0], graph).join() !== shape.join()) return undefined;
  if (2 * bytesOf(shape) > limits.storageBinding) return undefined;
  const labels = op.operands[weights];
  const column = labels.indexOf(roles.n[roles.n.length - 1]);
  if (roles.n.length !== 1 || shape[column] % GROUP !== 0) return undefined;
  const { requests, candidates } = graph.serve;
  const rows = roles.m.reduce((n, l) => {
    const extent = sizes.get(l);
    return n * (extent === "N" ? candidates : extent === "R" ? requests : Number(extent));
  }, 1);
  const before = [...roles.batch, ...roles.k].map((l) => labels.indexOf(l));
  return { first, second, rows, weights, column, before };
}

/** Both weights as one value. */
function sideBySide(pair: Pair, graph: Graph, out: Rewriter): Operand {
  const { first, second, weights, column, before } = pair;
  const [path, other] = [first, second].map((node) => graph.nodes[node.inputs[weights].id].path);
  const name = `${path}_${other.split(".").at(-1)}`;
  const about: About = { path: name, origin: second.origin, program: "load" };
  const parts = [first, second].map((node) => {
    const own = out.operand(node.inputs[weights]);
    const { shape } = out.typeOf(own);
    const laid: Extent[] = [...before.map((j) => shape[j]), Number(shape[column]) / GROUP, 1, GROUP];
    const q = laid.length - 3;
    const index = shape.map((extent, j): Expr => {
      if (j !== column) return axis(`i${before.indexOf(j)}`, extent);
      return add(mul(axis(`i${q}`, laid[q]), int(GROUP)), axis(`i${q + 2}`, GROUP));
    });
    return through(own, { out: laid, index }, (id) => out.nodes[id].type);
  });
  return out.derive({ kind: "concat", axis: before.length + 1 }, parts, about);
}

/** The weights of one of the products, as they were. */
function shownAs(both: Operand, pair: Pair, which: 0 | 1, out: Rewriter): Operand {
  const { second, weights, column, before } = pair;
  const shape = out.typeOf(out.operand(second.inputs[weights])).shape;
  const at = (j: number): Expr => axis(`i${j}`, shape[j]);
  const index = [
    ...before.map(at),
    floordiv(at(column), int(GROUP)),
    int(which),
    mod(at(column), int(GROUP)),
  ];
  const map: IndexMap = { out: shape, index };
  return { id: both.id, map };
}

function shapeOf({ id, map }: Operand, graph: Graph): readonly Extent[] {
  return map?.out ?? graph.nodes[id].type.shape;
}
