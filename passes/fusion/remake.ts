/**
 * @file Values that cost less to make where they are read than to keep for it: element-wise functions that are larger than what
 * they are made of. A mask [i, j] is made of positions, `valid(hist)` of a length, a bias of (i − j) of a small table; kept for the
 * item program each would be a buffer of its own, and the kernel that reads it could not see what it hides.
 *
 * An expansion of the load program is simply not stored. One of the user program is gathered by request *before* it is
 * made: by_request(f(x)) = f(by_request(x)).
 */
import { axis, substitute } from "../../src/ir/expr.ts";
import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import type { IndexMap } from "../../src/ir/indexmap.ts";
import { pruneGraph } from "../../src/ir/prune.ts";
import { scalarFns } from "../../src/ir/scalar.ts";
import { uniform } from "../../src/ir/stage.ts";

/** Flops an element, at most: an expansion with a logarithm in it passes, one with two activations does not. */
const MOST_FLOPS = 24;
/** Values that one expansion is made of, at most. */
const MOST_LEAVES = 6;
const ITEM = 3;

interface Making {
  readonly flops: number;
  readonly leaves: ReadonlySet<number>;
}

/** The nodes of the load and user programs that are larger than what they are made of, and cheap. */
export function expansions(graph: Graph): ReadonlySet<number> {
  return study(graph).expanded;
}

function study(graph: Graph): {
  readonly expanded: ReadonlySet<number>;
  readonly making: readonly (Making | undefined)[];
} {
  const making: (Making | undefined)[] = [];
  const expanded = new Set<number>();
  const tables = new Set(graph.params.filter((p) => p.table).map((p) => p.path));
  for (const node of graph.nodes) {
    const made =
      node.program === "item" || isEmbedding(graph, node, tables) ? undefined : makingOf(node, making);
    making[node.id] = made;
    if (!made) continue;
    // What exists once an engine weighs nothing against what exists once a request.
    const own = [...made.leaves].filter((id) => graph.nodes[id].program === node.program);
    const parts = own.reduce((n, id) => n + weight(graph.nodes[id]), 0);
    // A condition of the whole engine (is there a calibrated scale?) would be a kernel for one bit.
    const isCondition = node.program === "load" && node.type.dtype === "bool" && elements(node) === 1;
    if (elements(node) > parts || isCondition) expanded.add(node.id);
  }
  return { expanded, making };
}

/** A lookup in an embedding table, which may be above one binding: the rows are kept, not looked up again for every candidate. */
function isEmbedding(graph: Graph, node: Node, tables: ReadonlySet<string>): boolean {
  if (node.op.kind !== "lookup") return false;
  const { op } = graph.nodes[node.inputs[0].id];
  return op.kind === "param" && tables.has(op.path);
}

function makingOf(node: Node, making: readonly (Making | undefined)[]): Making | undefined {
  switch (node.op.kind) {
    case "pointwise":
    case "view":
    case "lookup":
    case "take":
    case "pad":
      break;
    default:
      return undefined;
  }
  let flops = node.op.kind === "pointwise" ? scalarFns[node.op.fn].flops : 0;
  const leaves = new Set<number>();
  for (const { id } of node.inputs) {
    const part = making[id];
    if (!part) leaves.add(id);
    else {
      flops += part.flops;
      for (const leaf of part.leaves) leaves.add(leaf);
    }
  }
  return flops <= MOST_FLOPS && leaves.size <= MOST_LEAVES ? { flops, leaves } : undefined;
}

/** Elements of one row of the batch axis. */
function elements(node: Node): number {
  return node.type.shape.reduce<number>((n, s) => (typeof s === "number" ? n * s : n), 1);
}

/** Elements in memory: positions and constants take none. */
function weight(node: Node): number {
  return node.op.kind === "iota" || node.op.kind === "const" ? 0 : elements(node);
}

/** Makes the user program's expansions in the item program, of what is gathered. */
export function gatherBeforeExpanding(graph: Graph): Graph {
  const { expanded, making } = study(graph);
  const isLate = (n: Node): boolean => n.op.kind === "by_request" && expanded.has(n.inputs[0].id);
  if (!graph.nodes.some(isLate)) return graph;
  const nodes: Node[] = [];
  const renamed: number[] = [];
  const gathered = new Map<number, number>();
  const put = (node: Node): number => {
    nodes.push({ ...node, id: nodes.length });
    return nodes.length - 1;
  };
  const rename = (o: Operand): Operand => ({ ...o, id: renamed[o.id] });
  /** The item program's version of old value `id` of the user program. */
  const itemOf = (id: number): number => {
    const known = gathered.get(id);
    if (known !== undefined) return known;
    const node = graph.nodes[id];
    const shape = node.type.shape.map((s) => (s === "R" ? "N" : s));
    const about = {
      ...node,
      type: { shape, dtype: node.type.dtype },
      stage: uniform(shape, ITEM),
      program: "item" as const,
    };
    const made = making[id]
      ? put({
          ...about,
          inputs: node.inputs.map((o) => {
            const later = graph.nodes[o.id].program === "user";
            const to = later ? itemOf(o.id) : renamed[o.id];
            return o.map ? { id: to, map: perCandidate(o.map) } : { id: to };
          }),
        })
      : put({ ...about, op: { kind: "by_request" }, inputs: [{ id: renamed[id] }] });
    gathered.set(id, made);
    return made;
  };
  for (const node of graph.nodes) {
    if (node.op.kind === "by_request") renamed[node.id] = itemOfGather(node);
    else renamed[node.id] = put({ ...node, inputs: node.inputs.map(rename) });
  }
  function itemOfGather(node: Node): number {
    const [{ id }] = node.inputs;
    if (expanded.has(id)) return itemOf(id);
    const known = gathered.get(id) ?? put({ ...node, inputs: node.inputs.map(rename) });
    gathered.set(id, known);
    return known;
  }
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: rename(o.value),
    ...(o.logit ? { logit: rename(o.logit) } : {}),
  }));
  return pruneGraph({ ...graph, nodes, outputs });
}

/** The same view with candidates for requests. */
function perCandidate(map: IndexMap): IndexMap {
  const at = new Map(map.out.flatMap((s, i) => (s === "R" ? [[`i${i}`, axis(`i${i}`, "N")] as const] : [])));
  return {
    out: map.out.map((s) => (s === "R" ? "N" : s)),
    index: map.index.map((e) => substitute(e, at)),
  };
}
