/** @file The constant masks of a model: what `ug_mask` was resolved into, named by where they stand. */
import type { Graph } from "../../ir/graph.ts";
import { ConstantTable } from "../../ir/ops/constants.ts";

export interface ConstantMask {
  readonly path: string;
  /** `rows 0:4, a third masked`. */
  readonly text: string;
}

/** `graph` is the model as elaborated. */
export function constantMasks(graph: Graph): ConstantMask[] {
  const constants = new ConstantTable((id) => graph.nodes[id]);
  return graph.nodes.flatMap(({ op, inputs, path }) => {
    if (op.kind !== "pointwise" || op.fn !== "where") return [];
    const mask = constants.of(inputs[0]);
    if (mask === undefined) return [];
    const rows = mask.shape[0] ?? 1;
    const unit = mask.data.length / rows;
    const masked = Array.from({ length: rows }, (_, row) => {
      let zeros = 0;
      for (let i = row * unit; i < (row + 1) * unit; i++) if (mask.data[i] === 0) zeros++;
      return zeros;
    });
    const first = masked.findIndex((zeros) => zeros > 0);
    const last = masked.findLastIndex((zeros) => zeros > 0);
    if (first < 0) return [];
    const share = masked.reduce((sum, zeros) => sum + zeros, 0) / ((last + 1 - first) * unit);
    return [{ path, text: `masks ${Math.round(share * 100)} % of rows ${first}:${last + 1}` }];
  });
}
