/**
 * @file `--explain fusion` in words: for each kernel what it does, phase by phase, and for each kernel that it reads from and is
 * not one with, why.
 */
import type { Variant } from "../compile.ts";
import type { Stage } from "../ir/graph.ts";
import { partsOf } from "../ir/tile.ts";
import { plural } from "./text.ts";

interface KernelFusion {
  readonly stage: Stage;
  readonly kernel: string;
  readonly phases: readonly { readonly name: string; readonly does: readonly string[] }[];
  /** Kernels that it reads from. */
  readonly apart: readonly { readonly from: string; readonly reason: string }[];
  /** What its phases are expected to save together. */
  readonly gain?: string;
}

export function fusionJson({ plan, apart }: Pick<Variant, "plan" | "apart">): readonly KernelFusion[] {
  return (["load", "user", "item"] as const).flatMap((stage) =>
    plan.kernels[stage].map(
      (kernel): KernelFusion => ({
        stage,
        kernel: kernel.name,
        phases: partsOf(kernel).map(({ name, about }) => ({ name, does: about.fused })),
        apart: apart
          .filter((pair) => pair.stage === stage && pair.to === kernel.name)
          .map(({ from, reason }) => ({ from, reason })),
        ...(kernel.about.gain !== undefined && { gain: kernel.about.gain }),
      }),
    ),
  );
}

export function fusionText(variant: Pick<Variant, "plan" | "apart">): string {
  const kernels = fusionJson(variant);
  const ofStage = (stage: Stage): number => kernels.filter((k) => k.stage === stage).length;
  const stages = (["load", "user", "item"] as const).filter((stage) => ofStage(stage) > 0);
  const counts = stages.map((stage) => `${ofStage(stage)} ${stage}`).join(", ");
  return [`${plural(kernels.length, "kernel")}: ${counts}`, ...kernels.map(kernelText)].join("\n\n");
}

function kernelText({ stage, kernel, phases, apart, gain }: KernelFusion): string {
  const several = phases.length > 1;
  const lines = phases.flatMap(({ name, does }, i) => [
    ...(several ? [`  phase ${i + 1}, ${name}`] : []),
    ...does.map((line) => `  ${several ? "  " : ""}${line}`),
  ]);
  const reasons = apart.map(({ from, reason }) => `  not one with ${from}: ${reason}`);
  const gains = gain === undefined ? [] : [`  one kernel: ${gain}`];
  return [`${stage} kernel ${kernel}`, ...lines, ...gains, ...reasons].join("\n");
}
