/**
 * @file fuse: a Graph becomes a Plan of tile kernels. Each kernel is a contraction, a reduction, a norm or a gather; it reads
 * stored values through whatever views, gathers and element-wise ops lie between (its prologue) and carries on
 * through the element-wise ops that follow (its epilogue) before it stores. No kernel only moves data.
 */
import type { Graph, Stage } from "../src/ir/graph.ts";
import type { Plan } from "../src/ir/plan.ts";
import type { TileKernel } from "../src/ir/tile.ts";
import { groupNodes } from "./fusion/groups.ts";
import { buildKernel } from "./fusion/kernel.ts";
import { buildListKernels } from "./fusion/listkernels.ts";
import { C_FUNCTIONS, Names } from "./fusion/names.ts";
import { prepare } from "./fusion/prepare.ts";
import { ValueTable } from "./fusion/values.ts";
import { definePass } from "./pass.ts";
import { isSource } from "./restrict.ts";

export interface Fused {
  /** The Graph whose nodes the kernels compute; `PlanValue.node` points into it. */
  readonly graph: Graph;
  readonly plan: Plan;
  /** Kernels that read one another and were not merged; set by `merge-phases`. */
  readonly apart?: readonly Apart[];
}

/** Kernel `to` reads what kernel `from` stores, and why the two are not one. */
export interface Apart {
  readonly stage: Stage;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

export const fuse = definePass<Graph, Fused>({
  name: "fuse",
  summary:
    "groups ops into kernels: an anchor, what it reads through, and what follows it element by element",
  run(input, { profile, fusion = "all" }) {
    const graph = prepare(input, profile, fusion);
    const { groups, stored } = groupNodes(graph, profile.limits.storageBuffers, fusion);
    const kept = new Set<number>();
    for (const node of graph.nodes) {
      if (node.op.kind !== "by_request") continue;
      const [read] = node.inputs;
      if (!isSource(graph.nodes[read.id].op)) kept.add(read.id);
    }
    const outputs = new Map<number, string>();
    for (const o of graph.outputs) {
      outputs.set(o.value.id, o.name);
      if (o.logit) outputs.set(o.logit.id, `${o.name}#logit`);
    }
    const values = new ValueTable(graph, profile, kept, outputs);
    const names = new Names(C_FUNCTIONS);
    const context = { graph, values, stored, names, profile };
    const listed = new Set<number>();
    const kernels = groups.flatMap((group): TileKernel[] => {
      const { rows } = graph.nodes[group.root];
      const first = rows !== undefined && !listed.has(rows.gate);
      if (first) listed.add(rows.gate);
      const lists = first ? buildListKernels(values.lists.of(rows), context) : [];
      return [...lists, buildKernel(group, context)];
    });
    const of = (stage: "load" | "user" | "item"): TileKernel[] => kernels.filter((k) => k.stage === stage);
    const plan: Plan = {
      format: 1,
      name: graph.name,
      profile,
      values: values.values,
      kernels: { load: of("load"), user: of("user"), item: of("item") },
      arenas: (["load", "user", "item"] as const).map((stage) => ({ stage, units: values.temps[stage] })),
      params: graph.params,
      features: graph.features,
      outputs: graph.outputs.flatMap((o) => {
        const rows = [{ task: o.name, shape: o.shape, value: values.of(graph.nodes[o.value.id], "item").id }];
        if (o.logit)
          rows.push({
            task: `${o.name}#logit`,
            shape: o.shape,
            value: values.of(graph.nodes[o.logit.id], "item").id,
          });
        return rows;
      }),
      serve: graph.serve,
    };
    return { graph, plan };
  },
});
