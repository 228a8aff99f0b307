/**
 * @file Tile kernels → threads. Each lowering decides who computes which point, what is loaded how wide and what is
 * shared; expressions, memory offsets, the grid and inner sweeps are common to all.
 */
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import type { SharedArray, ThreadProgram } from "../../src/ir/thread.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import { Bindings } from "./access.ts";
import { lowerBlocked } from "./blocked.ts";
import { Builder } from "./builder.ts";
import { lowerElement } from "./element.ts";
import { lowerFlash } from "./flash.ts";
import { headerOf } from "./header.ts";
import { lowerChain } from "./hopper/chain.ts";
import type { BulkMemory } from "./hopper/memory.ts";
import { lowerHopper } from "./hopper/product.ts";
import { lowerList } from "./list.ts";
import { lowerMatrix } from "./matrix.ts";
import { lowerMma } from "./mma.ts";
import { lowerPhases } from "./phases.ts";
import { lowerRow } from "./row.ts";
import { lowerScore } from "./score.ts";
import { lowerStream } from "./stream.ts";
import { lowerSubgroup } from "./subgroup.ts";

export interface LowerContext {
  readonly values: readonly PlanValue[];
  readonly profile: Profile;
}

export function lowerKernel(kernel: TileKernel, plan: LowerContext): ThreadProgram {
  const bindings = new Bindings(kernel, plan.values, plan.profile.cuda !== undefined);
  const builder = new Builder(bindings.names);
  const shared: SharedArray[] = [];
  const bulk: BulkMemory = { mbarriers: [], maps: [] };
  const lower = (part: TileKernel): number => {
    const { lowering } = part;
    builder.statement = undefined;
    switch (lowering.kind) {
      case "element":
        return lowerElement(part, lowering, builder, bindings);
      case "row":
        return lowerRow(part, lowering, builder, bindings, shared);
      case "subgroup":
        return lowerSubgroup(part, lowering, builder, bindings);
      case "blocked":
        return lowerBlocked(part, lowering, builder, bindings, shared);
      case "matrix":
        return lowerMatrix(part, lowering, builder, bindings, shared);
      case "mma":
        return lowerMma(part, lowering, builder, bindings, shared);
      case "hopper":
        return lowerHopper(part, lowering, builder, bindings, shared, bulk);
      case "chain":
        return lowerChain(part, lowering, builder, bindings, shared, bulk);
      case "stream":
        return lowerStream(part, lowering, builder, bindings, shared);
      case "score":
        return lowerScore(part, lowering, builder, bindings, shared);
      case "flash":
        return lowerFlash(part, lowering, builder, bindings, shared);
      case "list":
        return lowerList(part, lowering, plan, builder, bindings, shared);
      case "phases":
        return lowerPhases(part, lowering.threads, builder, bindings, shared, lower);
      default:
        return lowering satisfies never;
    }
  };
  const workgroup = lower(kernel);
  const cluster = "cluster" in kernel.lowering ? kernel.lowering.cluster : 1;
  return {
    name: kernel.name,
    stage: kernel.stage,
    workgroup,
    header: headerOf(kernel, plan),
    bindings: bindings.list(),
    shared,
    ...(bulk.mbarriers.length > 0 && { mbarriers: bulk.mbarriers }),
    ...(bulk.maps.length > 0 && { maps: bulk.maps }),
    ...(cluster > 1 && { cluster }),
    ...(kernel.lowering.kind === "chain" && {
      counters: [bindings.entry(kernel.lowering.counters).index],
    }),
    body: builder.finish(),
    ...(builder.trusted ? { trusted: true } : {}),
  };
}
