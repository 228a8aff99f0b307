/** @file What is said of the Graph before it is written: norms that take their gains with them, and values that may be −inf. */
import { axesOf } from "../../src/ir/expr.ts";
import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import { isIdentity } from "../../src/ir/indexmap.ts";
import type { NodeOf } from "./context.ts";
import type { Affine } from "./rows.ts";

export interface FoldedNorm {
  readonly norm: NodeOf<"normalize">;
  readonly affine: Affine;
}

/**
 * Layer norms whose rows are multiplied by a gain, and then shifted, by constants of one row: the last of these nodes by id. What
 * comes before it in the chain is read by nobody else.
 */
export function foldedNorms(graph: Graph): ReadonlyMap<number, FoldedNorm> {
  const readers = readersOf(graph);
  const folded = new Map<number, FoldedNorm>();
  for (const node of graph.nodes) {
    const { op } = node;
    if (op.kind !== "normalize" || op.norm !== "layer" || node.program === "load") continue;
    const gain = followedBy(graph, readers, node, "mul");
    if (gain === undefined) continue;
    const offset = followedBy(graph, readers, gain.node, "add");
    const affine = { gain: gain.operand, ...(offset && { offset: offset.operand }) };
    folded.set((offset ?? gain).node.id, { norm: { ...node, op }, affine });
  }
  return folded;
}

/** The readers of each node; an output counts as one that is no node. */
function readersOf(graph: Graph): readonly (readonly (Node | undefined)[])[] {
  const readers: (Node | undefined)[][] = graph.nodes.map(() => []);
  for (const node of graph.nodes) for (const { id } of node.inputs) readers[id].push(node);
  for (const { value, logit } of graph.outputs) {
    readers[value.id].push(undefined);
    if (logit !== undefined) readers[logit.id].push(undefined);
  }
  return readers;
}

/** The only reader of `node`, if it is `fn` of it and a constant row. */
function followedBy(
  graph: Graph,
  readers: ReturnType<typeof readersOf>,
  node: Node,
  fn: "mul" | "add",
): { readonly node: Node; readonly operand: Operand } | undefined {
  const [reader, ...more] = readers[node.id];
  if (reader === undefined || more.length > 0) return undefined;
  if (reader.op.kind !== "pointwise" || reader.op.fn !== fn) return undefined;
  const own = reader.inputs.find(({ id }) => id === node.id);
  const operand = reader.inputs.find(({ id }) => id !== node.id);
  if (operand === undefined || (own?.map && !isIdentity(own.map, node.type.shape))) return undefined;
  return graph.nodes[operand.id].program === "load" && isRow(graph, operand)
    ? { node: reader, operand }
    : undefined;
}

/** Whether the operand's elements depend on its last axis alone. */
function isRow(graph: Graph, { id, map }: Operand): boolean {
  const { shape } = graph.nodes[id].type;
  if (map === undefined) return shape.slice(0, -1).every((extent) => extent === 1);
  const last = `i${map.out.length - 1}`;
  return map.index.every((e) => [...axesOf(e).keys()].every((name) => name === last));
}

/** For each node whether some element may be −inf, as far as the constants of the model go. */
export function mayBeHidden(graph: Graph): readonly boolean[] {
  const hidden: boolean[] = [];
  for (const { op, inputs } of graph.nodes) {
    const passes = (operands: readonly Operand[]): boolean => operands.some(({ id }) => hidden[id]);
    hidden.push(hiddenIn(op, inputs, passes));
  }
  return hidden;
}

function hiddenIn(
  op: Node["op"],
  inputs: readonly Operand[],
  passes: (operands: readonly Operand[]) => boolean,
): boolean {
  switch (op.kind) {
    case "const":
      return op.value === -Infinity;
    case "data":
      return op.values.includes(-Infinity);
    case "pad":
      return op.fill === -Infinity || passes(inputs);
    case "pointwise":
      if (op.fn === "log") return true;
      return passes(op.fn === "where" ? inputs.slice(1) : inputs);
    case "view":
    case "concat":
    case "take":
    case "lookup":
    case "by_request":
    case "reduce":
      return passes(inputs);
    default:
      return false;
  }
}
