/**
 * @file In which type a kernel's products are computed: in that of the part of the model that they belong to, whatever part the
 * values that they are fused with belong to. Products of several parts in one kernel are computed in f32 unless all agree.
 */
import type { ComputeType, Graph } from "../../src/ir/graph.ts";
import type { Plan } from "../../src/ir/plan.ts";
import { computeOf } from "../../src/ir/storage.ts";
import type { TileKernel } from "../../src/ir/tile.ts";

/** The compute type of each kernel of `plan`, which was made from `graph`. */
export function computeTypes(
  graph: Graph,
  { kernels }: Pick<Plan, "kernels">,
): (kernel: TileKernel) => ComputeType {
  const { precision, nodes } = graph;
  if (precision.parts.length === 0) return () => precision.compute;
  const stored = new Set(Object.values(kernels).flatMap((all) => all.flatMap(({ roots }) => roots)));
  return ({ roots }) => {
    const types = new Set<ComputeType>();
    const seen = new Set<number>();
    const visit = (id: number): void => {
      if (seen.has(id)) return;
      seen.add(id);
      const { op, path, inputs } = nodes[id];
      if (op.kind === "einsum") types.add(computeOf(precision, path));
      else for (const input of inputs) if (!stored.has(input.id)) visit(input.id);
    };
    for (const root of roots) visit(root);
    const [first = precision.compute, ...others] = types;
    return others.length === 0 ? first : "f32";
  };
}
