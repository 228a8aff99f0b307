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
import { headerOf } from "./header.ts";
import { lowerList } from "./list.ts";
import { lowerRow } from "./row.ts";
import { lowerScore } from "./score.ts";
import { lowerSubgroup } from "./subgroup.ts";

export interface LowerContext {
  readonly values: readonly PlanValue[];
  readonly profile: Profile;
}

export function lowerKernel(kernel: TileKernel, plan: LowerContext): ThreadProgram {
  const bindings = new Bindings(kernel, plan.values);
  const builder = new Builder(bindings.names);
  const shared: SharedArray[] = [];
  const { lowering } = kernel;
  const lower = (): number => {
    switch (lowering.kind) {
      case "element":
        return lowerElement(kernel, lowering, builder, bindings);
      case "row":
        return lowerRow(kernel, lowering, builder, bindings, shared);
      case "subgroup":
        return lowerSubgroup(kernel, lowering, builder, bindings);
      case "blocked":
        return lowerBlocked(kernel, lowering, builder, bindings, shared);
      case "score":
        return lowerScore(kernel, lowering, builder, bindings, shared);
      case "list":
        return lowerList(kernel, lowering, plan, builder, bindings, shared);
      default:
        return lowering satisfies never;
    }
  };
  const workgroup = lower();
  return {
    name: kernel.name,
    stage: kernel.stage,
    workgroup,
    header: headerOf(kernel, plan),
    bindings: bindings.list(),
    shared,
    body: builder.finish(),
    ...(builder.trusted ? { trusted: true } : {}),
  };
}
