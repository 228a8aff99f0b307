/**
 * @file merge-phases: kernels that follow each other become phases of one, where each workgroup reads nothing of them but what it has
 * stored itself. It comes after `schedule`, which gives every part its tiles, and saves dispatches, and trips to memory for
 * what the next phase finds in the core's cache:
 *
 *     norm2 of a layer, mixing, residual and norm1 of the next     one row of the batch a workgroup
 *     up, gelu, down, residual and norm2 of a per-token FFN        one token, 16 rows of the batch a workgroup
 *
 * Nothing is computed twice, and every value is stored as before. Kernels stay apart where too few workgroups would be left,
 * or where a workgroup would go through more parameters than a cache holds.
 */
import { defaultCeilings } from "../src/ir/ceilings.ts";
import type { Stage } from "../src/ir/graph.ts";
import type { TileKernel } from "../src/ir/tile.ts";
import type { Apart, Fused } from "./fuse.ts";
import { type Bundle, type BundleContext, bundleOf, joined, kernelOf } from "./fusion/phases.ts";
import { definePass, joinsKernels } from "./pass.ts";

export const mergePhases = definePass<Fused, Fused>({
  name: "merge-phases",
  summary: "runs kernels as phases of one where a workgroup reads only what it has stored itself",
  run({ graph, plan }, { profile, fusion = "all", ceilings = defaultCeilings(profile) }) {
    const context: BundleContext = { plan, profile, ceilings };
    const apart: Apart[] = [];
    const of = (stage: Stage): readonly TileKernel[] => {
      const { kernels, pairs } = mergeStage(plan.kernels[stage], stage, joinsKernels(fusion), context);
      apart.push(...pairs);
      return kernels;
    };
    // The load program runs once: nobody waits for it twice.
    const kernels = { load: plan.kernels.load, user: of("user"), item: of("item") };
    return { graph, plan: { ...plan, kernels }, apart };
  },
});

function mergeStage(
  kernels: readonly TileKernel[],
  stage: Stage,
  all: boolean,
  context: BundleContext,
): { readonly kernels: readonly TileKernel[]; readonly pairs: readonly Apart[] } {
  const bundles: Bundle[] = [];
  const homes = new Map<number, number>();
  const refused: { readonly from: number; readonly to: number; readonly reason: string }[] = [];
  for (const kernel of kernels) {
    const producers = producersOf(kernel, homes);
    const latest = producers.at(-1);
    const next = latest === undefined ? undefined : tryJoin(bundles[latest], kernel, all, context);
    const joins = typeof next === "object" && latest !== undefined;
    const home = joins ? latest : bundles.length;
    bundles[home] = joins ? next : bundleOf(kernel);
    for (const from of producers) {
      if (from === home) continue;
      const reason = from === latest && typeof next === "string" ? next : BETWEEN;
      if (!refused.some((r) => r.from === from && r.to === home)) refused.push({ from, to: home, reason });
    }
    for (const { value, access } of kernel.buffers) if (access === "write") homes.set(value, home);
  }
  const merged = bundles.map((bundle) => kernelOf(bundle, context.plan));
  const name = (i: number): string => merged[i]?.name ?? "";
  return {
    kernels: merged,
    pairs: refused.map(({ from, to, reason }) => ({ stage, from: name(from), to: name(to), reason })),
  };
}

const BETWEEN = "it also needs what a kernel between them computes";

function tryJoin(bundle: Bundle, kernel: TileKernel, all: boolean, context: BundleContext): Bundle | string {
  if (!all) return "phases are switched off";
  return joined(bundle, kernel, context);
}

/** The bundles that store what a kernel reads, in order. */
function producersOf(kernel: TileKernel, homes: ReadonlyMap<number, number>): readonly number[] {
  const found = kernel.buffers.flatMap(({ value, access }) => {
    const home = access === "read" ? homes.get(value) : undefined;
    return home === undefined ? [] : [home];
  });
  return [...new Set(found)].sort((a, b) => a - b);
}
