/**
 * @file schedule: how each tile kernel is spread over threads, from the profile's limits and features.
 *
 * Products go to subgroups that broadcast rows where the device is software (loads dominate, workgroup memory saves
 * nothing), to workgroup tiles elsewhere. A reduction along the innermost axis is shared by the lanes of a row; one
 * across rows, and everything element-wise, is a thread a point. Sizes are the cost model's favourite, or what a tuner found.
 * A parameter above the binding limit is bound in slices along a grid axis that leads its index.
 */
import type { TileKernel } from "../src/ir/tile.ts";
import type { Fused } from "./fuse.ts";
import { definePass } from "./pass.ts";
import { scheduled } from "./scheduling/choose.ts";
import { computeTypes } from "./scheduling/computetype.ts";
import { countLaunches } from "./scheduling/launches.ts";
import { sliceParameters } from "./scheduling/slices.ts";

export const schedule = definePass<Fused, Fused>({
  name: "schedule",
  summary: "chooses lowering, tile sizes and parameter slices for each kernel from the device profile",
  run({ graph, plan }, context) {
    const computeOf = computeTypes(graph, plan);
    const one = (kernel: TileKernel): TileKernel =>
      sliceParameters(
        scheduled(kernel, plan, { ...context, compute: computeOf(kernel) }),
        plan.values,
        context.profile,
      );
    const { load, user, item } = plan.kernels;
    const all = (kernels: readonly TileKernel[]): TileKernel[] => countLaunches(kernels.map(one));
    return { graph, plan: { ...plan, kernels: { load: all(load), user: all(user), item: all(item) } } };
  },
});
