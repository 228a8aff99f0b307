/** @file What the tests of one lowering each share: kernels under a schedule of the test's, whole numbers, and the error of each task. */
import { printCuda } from "../../backends/cuda/print.ts";
import { lowerKernel } from "../../backends/lower/index.ts";
import { evaluate } from "../../backends/reference/evaluate.ts";
import type { Variant } from "../../src/compile.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { type Schedule, withSchedule } from "../../src/ir/schedule.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import type { ModelInputs } from "../../src/runtime/inputs.ts";
import { storedWeights } from "../../src/runtime/storedweights.ts";
import { relativeError } from "../../src/runtime/verify.ts";
import type { WeightSource } from "../../src/runtime/weights.ts";
import { allKernels } from "../../src/variant.ts";
import { HostProgram } from "./host.ts";

export type Dot = Extract<TileKernel["body"][number], { kind: "dot" }>;

/** The variant with the schedules that `choose` gives, and the names of the kernels that have one of those. */
export function rescheduled(
  variant: Variant,
  choose: (kernel: TileKernel, dot: Dot | undefined) => Schedule | undefined,
): { readonly variant: Variant; readonly names: readonly string[] } {
  const names: string[] = [];
  const one = (kernel: TileKernel): TileKernel => {
    const schedule = choose(
      kernel,
      kernel.body.find((s): s is Dot => s.kind === "dot"),
    );
    if (schedule === undefined) return kernel;
    names.push(kernel.name);
    return withSchedule(kernel, schedule);
  };
  const { load, user, item } = variant.plan.kernels;
  const plan = {
    ...variant.plan,
    kernels: { load: load.map(one), user: user.map(one), item: item.map(one) },
  };
  const kernels = allKernels(plan).map((kernel) => printCuda(lowerKernel(kernel, plan)));
  return { variant: { ...variant, plan, kernels }, names };
}

/** Whole numbers from −2 to 2, which every type holds exactly. */
function whole(seed: number): (i: number) => number {
  return (i) => ((((i + 7 * seed) * 2654435761) >>> 8) % 5) - 2;
}

export const wholeWeights: WeightSource = {
  read: (_path, start, count) => Float32Array.from({ length: count }, (_, i) => whole(1)(start + i)),
  has: () => true,
  release() {},
  close() {},
};

/** The inputs with whole numbers for features. */
export function wholeInputs(inputs: ModelInputs): ModelInputs {
  const features = new Map([...inputs.features].map(([name, x]) => [name, x.map((_, i) => whole(5)(i))]));
  return { ...inputs, features };
}

/** The relative error of each task for `candidates` candidates, against the reference on the weights as they are stored. */
export function taskErrors(
  variant: Variant,
  graph: Graph,
  candidates: number,
  weights: WeightSource = wholeWeights,
  change = wholeInputs,
): Map<string, number> {
  const program = new HostProgram(variant);
  try {
    return programErrors(program, graph, candidates, weights, change);
  } finally {
    program.close();
  }
}

/** The same of a program that is there. */
export function programErrors(
  program: HostProgram,
  graph: Graph,
  candidates: number,
  weights: WeightSource = wholeWeights,
  change = wholeInputs,
): Map<string, number> {
  const inputs = change(drawnInputs(graph.features, { requests: 1, candidates, seed: 3 }));
  const run = program.run(inputs, weights);
  const meant = evaluate(
    graph,
    { ...inputs, params: storedWeights(weights, graph.params) },
    graph.outputs.map((o) => o.value),
  );
  return new Map(
    graph.outputs.map(({ name }, i) => {
      const output = program.variant.plan.outputs.find((o) => o.task === name);
      return [name, relativeError(run.read(output?.value ?? -1).data, meant[i]?.data ?? [])];
    }),
  );
}
