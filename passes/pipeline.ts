/**
 * @file The pipeline: which passes run, in which order. No other file knows the order.
 *
 *     quantize · simplify · demand · fold-layout · contract · simplify · split-stages · sparsify-experts · spell-top-k ·
 *     slice-parameters · interleave-weights · assign-layout · fuse · pair-products · schedule · merge-phases · chain-products · plan-memory
 */
import type { DeviceCeilings } from "../src/ir/ceilings.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Plan } from "../src/ir/plan.ts";
import type { Profile } from "../src/ir/profile.ts";
import { gpu } from "../src/ir/profiles.ts";
import type { ScheduleSource } from "../src/ir/schedule.ts";
import { assignLayout } from "./assign-layout.ts";
import { chainProducts } from "./chain-products.ts";
import { contract } from "./contract.ts";
import { demand } from "./demand.ts";
import { foldLayout } from "./fold-layout.ts";
import { type Apart, fuse } from "./fuse.ts";
import { interleaveWeights } from "./interleave-weights.ts";
import { mergePhases } from "./merge-phases.ts";
import { pairProducts } from "./pair-products.ts";
import type { Fusion, GraphPass } from "./pass.ts";
import { planMemory } from "./plan-memory.ts";
import { quantize } from "./quantize.ts";
import { schedule } from "./schedule.ts";
import { simplify } from "./simplify.ts";
import { sliceParameters } from "./slice-parameters.ts";
import { sparsifyExperts } from "./sparsify-experts.ts";
import { spellTopK } from "./spell-top-k.ts";
import { splitStages } from "./split-stages.ts";

const graphPasses: readonly GraphPass[] = [
  quantize,
  simplify,
  demand,
  foldLayout,
  contract,
  simplify,
  splitStages,
  sparsifyExperts,
  spellTopK,
  sliceParameters,
  interleaveWeights,
  assignLayout,
];
const planPasses = [pairProducts, schedule, mergePhases, chainProducts, planMemory];

/** Every pass in order, for `--print-passes` and `--print-after`. */
export const passes: readonly { readonly name: string; readonly summary: string }[] = [
  ...graphPasses,
  fuse,
  ...planPasses,
].map(({ name, summary }) => ({ name, summary }));

export interface PipelineOptions {
  readonly profile: Profile;
  /** False: every temporary keeps a slot of its own, so that all can be read after a run. Default true. */
  readonly reuseArena?: boolean;
  /** False: user-stage work runs for every candidate, as it would without UG-Sep's reuse. Default true. */
  readonly reuse?: boolean;
  /** Schedules that overrule the cost model's where they are valid. */
  readonly schedules?: ScheduleSource;
  /** What the cost model takes the device for. Default: that of the profile's class. */
  readonly ceilings?: DeviceCeilings;
  /** How far kernels are fused. Default all. */
  readonly fusion?: Fusion;
  /** Called with what passes say of their choices, a sentence each. */
  onExplain?(sentence: string): void;
  /** Called with what each pass made. */
  onPass?(name: string, result: Graph | Plan): void;
}

export interface Compiled {
  /** The last Graph, whose nodes the kernels compute; `PlanValue.node` points into it. */
  readonly graph: Graph;
  readonly plan: Plan;
  /** Kernels that read one another and were not merged. */
  readonly apart?: readonly Apart[];
}

/**
 * The Graph as `split-stages` leaves it: stages and batch axes are written out and nothing is chosen for a device yet. What
 * other runtimes are given.
 */
export function splitGraph(graph: Graph, { reuse = true }: { readonly reuse?: boolean } = {}): Graph {
  const portable = graphPasses.slice(graphPasses.indexOf(quantize) + 1, graphPasses.indexOf(splitStages) + 1);
  return portable.reduce((current, pass) => pass.run(current, { profile: gpu, reuse }), graph);
}

/** From an elaborated Graph to a Plan for one profile. */
export function runPipeline(graph: Graph, options: PipelineOptions): Compiled {
  const { profile, reuse = true, schedules, ceilings, fusion, onExplain } = options;
  const context = {
    profile,
    reuse,
    ...(schedules && { schedules }),
    ...(ceilings && { ceilings }),
    ...(fusion && { fusion }),
    ...(onExplain && { explain: onExplain }),
  };
  let current = graph;
  for (const pass of graphPasses) {
    current = pass.run(current, context);
    options.onPass?.(pass.name, current);
  }
  let fused = fuse.run(current, context);
  options.onPass?.(fuse.name, fused.plan);
  for (const pass of planPasses) {
    if (pass === planMemory && options.reuseArena === false) continue;
    fused = pass.run(fused, context);
    options.onPass?.(pass.name, fused.plan);
  }
  return fused;
}
