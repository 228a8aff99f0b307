/**
 * @file The pipeline: which passes run, in which order. No other file knows the order.
 *
 *     simplify · demand · fold-layout · contract · simplify · split-stages · sparsify-experts · spell-top-k ·
 *     slice-parameters · assign-layout · fuse · schedule · plan-memory
 */
import type { Graph } from "../src/ir/graph.ts";
import type { Plan } from "../src/ir/plan.ts";
import type { Profile } from "../src/ir/profile.ts";
import { assignLayout } from "./assign-layout.ts";
import { contract } from "./contract.ts";
import { demand } from "./demand.ts";
import { foldLayout } from "./fold-layout.ts";
import { fuse } from "./fuse.ts";
import type { GraphPass } from "./pass.ts";
import { planMemory } from "./plan-memory.ts";
import { schedule } from "./schedule.ts";
import { simplify } from "./simplify.ts";
import { sliceParameters } from "./slice-parameters.ts";
import { sparsifyExperts } from "./sparsify-experts.ts";
import { spellTopK } from "./spell-top-k.ts";
import { splitStages } from "./split-stages.ts";

const graphPasses: readonly GraphPass[] = [
  simplify,
  demand,
  foldLayout,
  contract,
  simplify,
  splitStages,
  sparsifyExperts,
  spellTopK,
  sliceParameters,
  assignLayout,
];
const planPasses = [schedule, planMemory];

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
  /** Called with what passes say of their choices, a sentence each. */
  onExplain?(sentence: string): void;
  /** Called with what each pass made. */
  onPass?(name: string, result: Graph | Plan): void;
}

export interface Compiled {
  /** The last Graph, whose nodes the kernels compute; `PlanValue.node` points into it. */
  readonly graph: Graph;
  readonly plan: Plan;
}

/** From an elaborated Graph to a Plan for one profile. */
export function runPipeline(graph: Graph, options: PipelineOptions): Compiled {
  const { profile, reuse = true, onExplain } = options;
  const context = { profile, reuse, ...(onExplain && { explain: onExplain }) };
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
