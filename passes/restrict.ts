/**
 * @file Boxes of a value, and which part of each operand an op needs to compute just a box of its result. `demand` and
 * `split-stages` both cut values; this is the one place that knows where each op may be cut.
 */
import { add, axis, type Expr, int, sub, substitute } from "../src/ir/expr.ts";
import type { Node, Op, Operand } from "../src/ir/graph.ts";
import { type IndexMap, identityMap } from "../src/ir/indexmap.ts";
import { bounds, simplify } from "../src/ir/simplify.ts";

/** [from, to) along each axis. Batch axes never appear: boxes are cut before they are made explicit. */
export interface Box {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

export function fullBox(shape: readonly (number | string)[]): Box {
  return { from: shape.map(() => 0), to: shape.map((s) => s as number) };
}

export function isFull(box: Box, shape: readonly (number | string)[]): boolean {
  return shape.every((s, i) => box.from[i] === 0 && box.to[i] === s);
}

export function sizesOf(box: Box): number[] {
  return box.to.map((t, i) => t - box.from[i]);
}

export function isEmpty(box: Box): boolean {
  return box.to.some((t, i) => t <= box.from[i]);
}

export function boxKey(box: Box): string {
  return box.from.map((f, i) => `${f}:${box.to[i]}`).join();
}

/** The smallest box that holds both. */
export function joinBoxes(a: Box | undefined, b: Box): Box {
  if (!a || isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  return { from: a.from.map((f, i) => Math.min(f, b.from[i])), to: a.to.map((t, i) => Math.max(t, b.to[i])) };
}

export function intersect(a: Box, b: Box): Box {
  return { from: a.from.map((f, i) => Math.max(f, b.from[i])), to: a.to.map((t, i) => Math.min(t, b.to[i])) };
}

/** The axes along which `op` may compute a part of its result alone, given the operand shapes it sees. */
export function cuttableAxes(op: Op, rank: number): readonly boolean[] {
  const all = Array.from({ length: rank }, () => true);
  switch (op.kind) {
    case "normalize":
    case "row_statistics":
      all[rank - 1] = false;
      return all;
    case "softmax":
    case "top_k_mask":
    case "top_k_index":
      all[op.axis] = false;
      return all;
    case "pad":
      all[op.axis] = false;
      return all;
    default:
      return all;
  }
}

/** The smallest box that holds `box` and that the op can compute alone. */
export function growBox(op: Op, box: Box, shape: readonly number[]): Box {
  const cuttable = cuttableAxes(op, shape.length);
  return {
    from: box.from.map((f, i) => (cuttable[i] ? f : 0)),
    to: box.to.map((t, i) => (cuttable[i] ? t : shape[i])),
  };
}

/**
 * The part of operand `k`, as the op sees it, that computes `box` of the result. `shapes` are the operands' shapes as
 * the op sees them.
 */
export function operandBox(node: Node, box: Box, k: number, shapes: readonly (readonly number[])[]): Box {
  const shape = shapes[k];
  const full = fullBox(shape);
  const op = node.op;
  switch (op.kind) {
    case "pointwise":
    case "view":
      return box;
    case "normalize":
    case "softmax":
    case "top_k_mask":
    case "top_k_index":
      return spanning(box, full, op.kind === "normalize" ? shape.length - 1 : op.axis);
    case "pad":
      return spanning(box, full, op.axis);
    case "concat": {
      const start = shapes.slice(0, k).reduce((sum, s) => sum + s[op.axis], 0);
      const end = start + shape[op.axis];
      return {
        from: box.from.map((f, i) => (i === op.axis ? Math.max(f, start) - start : f)),
        to: box.to.map((t, i) => (i === op.axis ? Math.min(t, end) - start : t)),
      };
    }
    case "row_statistics":
      return {
        from: [...box.from.slice(0, -1), 0],
        to: [...box.to.slice(0, -1), full.to[full.to.length - 1]],
      };
    case "reduce": {
      let at = 0;
      const from = [...full.from];
      const to = [...full.to];
      for (let i = 0; i < shape.length; i++) {
        const reduced = op.axes.includes(i);
        if (!reduced) {
          from[i] = box.from[at];
          to[i] = box.to[at];
        }
        if (!reduced || op.keep) at++;
      }
      return { from, to };
    }
    case "einsum": {
      const from = [...full.from];
      const to = [...full.to];
      op.operands[k].forEach((label, i) => {
        const at = op.out.indexOf(label);
        if (at < 0) return;
        from[i] = box.from[at];
        to[i] = box.to[at];
      });
      return { from, to };
    }
    case "lookup": {
      const indexRank = box.from.length - (shapes[0].length - 1);
      if (k === 1) return { from: box.from.slice(0, indexRank), to: box.to.slice(0, indexRank) };
      return { from: [0, ...box.from.slice(indexRank)], to: [shape[0], ...box.to.slice(indexRank)] };
    }
    case "take": {
      const indexRank = shapes[1].length;
      if (k === 1) return { from: box.from.slice(0, indexRank), to: box.to.slice(0, indexRank) };
      return {
        from: [...box.from.slice(0, op.axis), 0, ...box.from.slice(indexRank)],
        to: [...box.to.slice(0, op.axis), shape[op.axis], ...box.to.slice(indexRank)],
      };
    }
    default:
      return full;
  }
}

function spanning(box: Box, full: Box, at: number): Box {
  return {
    from: box.from.map((f, i) => (i === at ? full.from[i] : f)),
    to: box.to.map((t, i) => (i === at ? full.to[i] : t)),
  };
}

/** The smallest box of the stored value that a read of `box` of the view `map` touches. */
export function storedBox(box: Box, map: IndexMap | undefined, shape: readonly number[]): Box {
  if (!map) return box;
  const at = new Map<string, Expr>();
  box.from.forEach((f, i) => {
    at.set(`i${i}`, add(axis(`i${i}`, box.to[i] - f), int(f)));
  });
  const from: number[] = [];
  const to: number[] = [];
  map.index.forEach((e, i) => {
    const range = bounds(simplify(substitute(e, at)));
    const size = shape[i];
    from.push(range ? Math.max(0, range.lo) : 0);
    to.push(range ? Math.min(size, range.hi + 1) : size);
  });
  return { from, to };
}

/** The view of a part: reads at `box` of the view `map` of a value of which only `part` is stored. */
export function restrictMap(
  map: IndexMap | undefined,
  shape: readonly number[],
  box: Box,
  part: Box,
): IndexMap {
  const full = map ?? identityMap(shape);
  const at = new Map<string, Expr>();
  const out = sizesOf(box);
  box.from.forEach((f, i) => {
    at.set(`i${i}`, f === 0 ? axis(`i${i}`, out[i]) : add(axis(`i${i}`, out[i]), int(f)));
  });
  return { out, index: full.index.map((e, i) => simplify(sub(substitute(e, at), int(part.from[i])))) };
}

/** Which operands of a restricted op are read at all (pieces of a concat may fall away). */
export function neededOperands(node: Node, box: Box, shapes: readonly (readonly number[])[]): number[] {
  const all = node.inputs.map((_, k) => k);
  return node.op.kind === "concat" ? all.filter((k) => !isEmpty(operandBox(node, box, k, shapes))) : all;
}

/** The shape of an operand as the op sees it, before batch axes exist. */
export function seenShape(operand: Operand, nodes: readonly Node[]): readonly number[] {
  return (operand.map?.out ?? nodes[operand.id].type.shape) as readonly number[];
}

/** Values that are read where they lie; a part of one is a view, never another op. */
export function isSource(op: Op): boolean {
  return (
    op.kind === "param" ||
    op.kind === "feature" ||
    op.kind === "const" ||
    op.kind === "data" ||
    op.kind === "iota"
  );
}
