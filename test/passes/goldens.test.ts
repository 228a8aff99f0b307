/** Each pass has a folder: NAME.in.txt, a Graph as text, and NAME.out.txt, what the pass makes of it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { assignLayout } from "../../passes/assign-layout.ts";
import { chainProducts } from "../../passes/chain-products.ts";
import { contract } from "../../passes/contract.ts";
import { demand } from "../../passes/demand.ts";
import { foldLayout } from "../../passes/fold-layout.ts";
import { type Fused, fuse } from "../../passes/fuse.ts";
import { interleaveWeights } from "../../passes/interleave-weights.ts";
import { mergePhases } from "../../passes/merge-phases.ts";
import { pairProducts } from "../../passes/pair-products.ts";
import { passes } from "../../passes/pipeline.ts";
import { planMemory } from "../../passes/plan-memory.ts";
import { quantize } from "../../passes/quantize.ts";
import { schedule } from "../../passes/schedule.ts";
import { simplify } from "../../passes/simplify.ts";
import { sliceParameters } from "../../passes/slice-parameters.ts";
import { sparsifyExperts } from "../../passes/sparsify-experts.ts";
import { spellTopK } from "../../passes/spell-top-k.ts";
import { splitStages } from "../../passes/split-stages.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { parseGraph, printGraph } from "../../src/ir/print.ts";
import { printPlan } from "../../src/ir/print-plan.ts";
import { sm_90a, software } from "../../src/ir/profiles.ts";
import { verifyGraph } from "../../src/ir/verify.ts";

const context = { profile: software };
const hopper = { profile: sm_90a };
/** Bindings of 64 numbers. */
const small = { profile: { ...software, limits: { ...software.limits, storageBinding: 256 } } };
const plan = (fused: Fused): string => printPlan(fused.plan);
const fused = (g: Graph): Fused => fuse.run(g, context);

const run: Readonly<Record<string, (g: Graph) => string>> = {
  quantize: (g) => printGraph(quantize.run(g, context)),
  simplify: (g) => printGraph(simplify.run(g, context)),
  demand: (g) => printGraph(demand.run(g, context)),
  "fold-layout": (g) => printGraph(foldLayout.run(g, context)),
  contract: (g) => printGraph(contract.run(g, context)),
  "split-stages": (g) => printGraph(splitStages.run(g, context)),
  "sparsify-experts": (g) => printGraph(sparsifyExperts.run(g, context)),
  "spell-top-k": (g) => printGraph(spellTopK.run(g, context)),
  "slice-parameters": (g) => printGraph(sliceParameters.run(g, small)),
  "interleave-weights": (g) => printGraph(interleaveWeights.run(g, context)),
  "assign-layout": (g) => printGraph(assignLayout.run(g, context)),
  fuse: (g) => plan(fused(g)),
  "pair-products": (g) => plan(pairProducts.run(fused(g), context)),
  "merge-phases": (g) =>
    plan(mergePhases.run(schedule.run(pairProducts.run(fused(g), context), context), context)),
  "chain-products": (g) =>
    plan(chainProducts.run(mergePhases.run(schedule.run(fuse.run(g, hopper), hopper), hopper), hopper)),
  schedule: (g) => plan(schedule.run(fused(g), context)),
  "plan-memory": (g) => plan(planMemory.run(fused(g), context)),
};

describe.each([...new Set(passes.map((p) => p.name))])("%s", (name) => {
  const folder = join(import.meta.dirname, name);
  const cases = readdirSync(folder)
    .filter((f) => f.endsWith(".in.txt"))
    .map((f) => f.slice(0, -".in.txt".length));

  it.each(cases)("%s", async (file) => {
    const graph = parseGraph(readFileSync(join(folder, `${file}.in.txt`), "utf8"));
    expect(verifyGraph(graph)).toEqual([]);
    await expect(run[name](graph)).toMatchFileSnapshot(join(folder, `${file}.out.txt`));
  });
});
