/**
 * @file The values of which only a gate's active rows are needed. It starts at the *combines*, sums over an expert axis of
 * something that is 0 wherever the gate is, and goes backwards: a value belongs to the region if everything that reads it reads it
 * row by row from within the region, or is such a sum.
 */
import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import { readersOf } from "../rewrite.ts";
import { storedAxis, type Zeros, type ZeroTable } from "./zeros.ts";

/** The rows of a value: those of a gate, along these axes of the value. */
export type Rows = Pick<Zeros, "gate" | "axes" | "chosen">;

/** By node: the rows at which it is needed. */
export type Region = ReadonlyMap<number, Rows>;

/** A sum that multiplies what a row's zero hides, or that is ready to be cut into rows first. */
export interface Combine {
  readonly node: Node;
  readonly zeros: Zeros;
  /** Which operand is 0 at the gate's zeros; `zeros.axes` are this operand's, as the op sees it. */
  readonly operand: number;
  /** Whether an axis besides the gate's is summed too: the product of each row must first be a value of its own. */
  readonly fused: boolean;
}

/** Every sum over an axis of a gate, the tightest gate of each first. */
export function combinesOf(graph: Graph, zeros: ZeroTable): Combine[] {
  return graph.nodes.flatMap((node): Combine[] => {
    const { op } = node;
    if (node.program === "load" || node.program === undefined) return [];
    const found: Combine[] = [];
    node.inputs.forEach((operand, k) => {
      for (const z of zeros.seen(operand)) {
        if (graph.nodes[z.gate].program !== node.program || graph.nodes[z.gate].type.dtype !== "num")
          continue;
        if (op.kind === "reduce" && op.fn === "sum") {
          const [batch, ...rest] = z.axes;
          if (!op.axes.includes(batch) && rest.some((a) => op.axes.includes(a)))
            found.push({ node, zeros: z, operand: k, fused: false });
        } else if (op.kind === "einsum" && op.operands.length === 2) {
          const labels = z.axes.map((a) => op.operands[k][a]);
          const other = op.operands[1 - k];
          if (!op.out.includes(labels[0]) || labels.every((l) => op.out.includes(l))) continue;
          if (labels.every((l) => other.includes(l)))
            found.push({ node, zeros: z, operand: k, fused: false });
          else if (
            op.operands[k].some((l) => other.includes(l) && !op.out.includes(l) && !labels.includes(l))
          )
            found.push({ node, zeros: z, operand: k, fused: true });
        }
      }
    });
    return found.sort((a, b) => rowsOf(graph, a.zeros) - rowsOf(graph, b.zeros)).slice(0, 1);
  });
}

/** Active rows for a point of the batch axis, at most. */
export function rowsOf(graph: Graph, { gate, chosen }: Pick<Zeros, "gate" | "chosen">): number {
  return graph.nodes[gate].type.shape
    .slice(1)
    .reduce<number>((product, s, i) => product * (chosen?.axis === i + 1 ? chosen.k : (s as number)), 1);
}

/** Grows the region from combines that are not `fused`. */
export function regionOf(graph: Graph, combines: readonly Combine[]): Region {
  const region = new Map<number, Rows>();
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs.flatMap((o) => [o.value.id, ...(o.logit ? [o.logit.id] : [])]));
  const masked = new Map<number, Combine>(combines.map((c) => [c.node.id, c]));
  for (const node of graph.nodes.toReversed()) {
    if (readers[node.id].length === 0 || outputs.has(node.id)) continue;
    const reads = readers[node.id].map(({ node: reader, operand }) => {
      const combine = masked.get(reader.id);
      const seen = combine ? combinedAxes(combine, operand) : rowAxes(reader, operand, region.get(reader.id));
      return seen && through(graph, reader.inputs[operand], seen);
    });
    const [first] = reads;
    if (first === undefined || reads.some((r) => r === undefined || !sameRows(r, first))) continue;
    if (node.id !== first.gate && node.program === graph.nodes[first.gate].program && worksByRow(node, first))
      region.set(node.id, first);
  }
  return region;
}

/** A combine's operand by rows, as the op sees it. */
function combinedAxes({ node, zeros, operand }: Combine, k: number): Rows | undefined {
  const { op } = node;
  if (op.kind !== "einsum" || k === operand) return zeros;
  const axes = zeros.axes.map((a) => op.operands[k].indexOf(op.operands[operand][a]));
  return axes.includes(-1) ? undefined : { ...zeros, axes };
}

/** Operand `k` of a node whose result is needed at `rows`; undefined if it does not run with all of the gate's axes. */
function rowAxes(reader: Node, k: number, rows: Rows | undefined): Rows | undefined {
  if (rows === undefined) return undefined;
  const { op } = reader;
  switch (op.kind) {
    case "einsum": {
      const axes = rows.axes.map((a) => op.operands[k].indexOf(op.out[a]));
      return axes.includes(-1) ? undefined : { ...rows, axes };
    }
    case "reduce": {
      if (op.keep) return rows;
      const left: number[] = [];
      for (let a = 0; left.length < reader.type.shape.length; a++) if (!op.axes.includes(a)) left.push(a);
      return { ...rows, axes: rows.axes.map((a) => left[a]) };
    }
    default:
      return rows;
  }
}

/** The same rows as axes of the value that the operand views. */
function through(graph: Graph, operand: Operand, rows: Rows): Rows | undefined {
  const { shape } = graph.nodes[operand.id].type;
  const axes: number[] = [];
  for (const seen of rows.axes) {
    const at = storedAxis(operand.map, seen, shape);
    if (at === undefined) return undefined;
    axes.push(at);
  }
  return { ...rows, axes };
}

/** Whether one row of the result needs its own row of the operands alone. */
function worksByRow({ op, type }: Node, { axes }: Rows): boolean {
  switch (op.kind) {
    case "pointwise":
    case "einsum":
      return true;
    case "reduce":
      return !op.keep || axes.every((a) => !op.axes.includes(a));
    case "normalize":
    case "row_statistics":
      return !axes.includes(type.shape.length - 1);
    case "softmax":
    case "concat":
    case "pad":
      return !axes.includes(op.axis);
    default:
      return false;
  }
}

function sameRows(a: Rows, b: Rows): boolean {
  return a.gate === b.gate && a.axes.every((axis, i) => axis === b.axes[i]);
}
