/**
 * @file Which values are known to be 0 wherever a gate is: relu, the chosen of a `top_k`, the softmax of what −∞ leaves, and
 * whatever keeps zeros: products, quotients, sums of such values, contractions of other axes.
 *
 *     g = softmax(where(top_k_mask(z, 2), z, -inf))      a gate, at most 2 along its axis
 *     α · g / s                                          the same gate, scaled: a gate itself
 *     g[.., e] · h[.., e, k]                             0 at the gate's zeros, for every k
 */
import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import type { IndexMap } from "../../src/ir/indexmap.ts";
import { scalarFns } from "../../src/ir/scalar.ts";

/** A value is 0 where node `gate` is. */
export interface Zeros {
  readonly gate: number;
  /** For each axis of the gate, the axis of the value that runs with it. */
  readonly axes: readonly number[];
  /** Of the gate: at most `k` elements along `axis` are not 0 (`top_k`); absent where all may be (relu). */
  readonly chosen?: { readonly axis: number; readonly k: number };
}

export class ZeroTable {
  private readonly graph: Graph;
  private readonly known: (readonly Zeros[])[] = [];

  constructor(graph: Graph) {
    this.graph = graph;
    for (const node of graph.nodes) this.known.push(gated(node, this.zerosOf(node)));
  }

  /** The zeros of an operand as its op sees it. */
  seen(operand: Operand): readonly Zeros[] {
    const zeros = this.known[operand.id];
    const { map } = operand;
    if (map === undefined) return zeros;
    const { shape } = this.graph.nodes[operand.id].type;
    return zeros.flatMap((z) => {
      const axes = z.axes.map((a) => viewAxis(map, a, shape[a]));
      return axes.every((a) => a !== undefined) ? [{ ...z, axes }] : [];
    });
  }

  private zerosOf(node: Node): readonly Zeros[] {
    const { op, inputs } = node;
    switch (op.kind) {
      case "top_k_mask":
        return [{ ...own(node), chosen: { axis: op.axis, k: op.k } }];
      case "pointwise":
        return [...(op.fn === "relu" ? [own(node)] : []), ...this.pointwise(node, op.fn)];
      case "softmax":
        return this.hidden(inputs[0]);
      case "einsum":
        // A product: 0 where a factor is. What is summed must be 0 at every term.
        return inputs.flatMap((o, k) =>
          this.seen(o).flatMap((z) => {
            const axes = z.axes.map((a) => op.out.indexOf(op.operands[k][a]));
            return axes.includes(-1) ? [] : [{ ...z, axes }];
          }),
        );
      case "reduce": {
        const { shape } = node.type;
        const rank = op.keep ? shape.length : shape.length + op.axes.length;
        const left = Array.from({ length: rank }, (_, a) => a).filter((a) => !op.axes.includes(a));
        return this.seen(inputs[0]).flatMap((z) => {
          if (z.axes.some((a) => op.axes.includes(a))) return [];
          return [op.keep ? z : { ...z, axes: z.axes.map((a) => left.indexOf(a)) }];
        });
      }
      default:
        return [];
    }
  }

  /** Gates at whose zeros enough operands are 0 for the function to be 0. */
  private pointwise({ inputs }: Node, fn: keyof typeof scalarFns): Zeros[] {
    const seen = inputs.map((o) => this.seen(o));
    const always = inputs.map(({ id }) => {
      const { op } = this.graph.nodes[id];
      return op.kind === "const" && op.value === 0;
    });
    const kept: Zeros[] = [];
    for (const z of seen.flat()) {
      if (kept.some((other) => same(z, other))) continue;
      const zero = seen.map((list, k) => always[k] || list.some((other) => same(z, other)));
      if (scalarFns[fn].zero(zero)) kept.push(z);
    }
    return kept;
  }

  /** Where a softmax sees −∞: where(c, x, −∞) at the zeros of c. */
  private hidden(operand: Operand): Zeros[] {
    const node = this.graph.nodes[operand.id];
    if (operand.map !== undefined || node.op.kind !== "pointwise" || node.op.fn !== "where") return [];
    const [cond, , other] = node.inputs;
    const { op } = this.graph.nodes[other.id];
    const nothing = op.kind === "const" && op.value === Number.NEGATIVE_INFINITY;
    return nothing ? [...this.seen(cond)] : [];
  }
}

/** The value is a gate of its own. */
function own(node: Node): Zeros {
  return { gate: node.id, axes: node.type.shape.map((_, a) => a) };
}

/** A number whose every axis is the gate's is itself the gate: its zeros include those of the one before. */
function gated(node: Node, zeros: readonly Zeros[]): readonly Zeros[] {
  const { length: rank } = node.type.shape;
  const mine = zeros.filter((z) => z.axes.length === rank && node.type.dtype === "num");
  if (mine.length === 0) return zeros;
  const least = mine
    .flatMap(({ chosen, axes }) => (chosen ? [{ axis: axes[chosen.axis], k: chosen.k }] : []))
    .sort((a, b) => a.k - b.k);
  return [
    ...zeros.filter((z) => !mine.includes(z)),
    { ...own(node), ...(least.length > 0 ? { chosen: least[0] } : {}) },
  ];
}

function same(a: Zeros, b: Zeros): boolean {
  return a.gate === b.gate && a.axes.every((axis, i) => axis === b.axes[i]);
}

/** The axis of a view that is all of axis `at` (of size `extent`) of what is viewed. */
export function viewAxis(map: IndexMap, at: number, extent: number | string): number | undefined {
  const e = map.index[at];
  if (e.kind !== "axis") return undefined;
  const axis = Number(e.name.slice(1));
  return map.out[axis] === extent ? axis : undefined;
}

/** The axis of what is viewed that runs with axis `seen` of the view. */
export function storedAxis(
  map: IndexMap | undefined,
  seen: number,
  shape: readonly (number | string)[],
): number | undefined {
  if (map === undefined) return seen;
  const at = map.index.findIndex((_, a) => viewAxis(map, a, shape[a]) === seen);
  return at < 0 ? undefined : at;
}
