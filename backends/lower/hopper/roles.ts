/**
 * @file Who does what in a workgroup that stays on its multiprocessor: the first warpgroups multiply, the last one copies, and barriers in
 * workgroup memory are all that they share. The copying warpgroup gives most of its registers to the others, which hold sums.
 */
import type { ThreadExpr } from "../../../src/ir/thread.ts";
import { BOOL, builtin, call, divI, i32, lessThan } from "../../../src/ir/thread.ts";
import type { Builder } from "../builder.ts";
import { type Stages, WARPGROUP } from "./stages.ts";

export type Var = ThreadExpr & { readonly kind: "var" };

/** Registers of a thread of the copying warpgroup and of the others: of 384 threads, as many as a multiprocessor has. */
const COPYING_REGISTERS = 40;
const MULTIPLYING_REGISTERS = 232;

interface Shape {
  readonly groups: number;
  readonly cluster: 1 | 2;
}

/** Threads of the warpgroups that multiply. */
export function multiplyingThreads({ groups }: Pick<Shape, "groups">): number {
  return WARPGROUP * groups;
}

/** The thread that speaks to the copy engine. */
export function isFirstCopying(shape: Pick<Shape, "groups">): ThreadExpr {
  return call("eq", BOOL, builtin("thread"), i32(multiplyingThreads(shape)));
}

/** Which of how many clusters (single workgroups where they have one) this is. */
interface Clusters {
  readonly cluster: ThreadExpr;
  readonly clusters: ThreadExpr;
}

interface Roles {
  readonly copy: () => void;
  readonly multiply: (warpgroup: ThreadExpr) => void;
}

/** Emits barriers and both roles; gives the workgroup's threads. `gathers`: all of the copying warpgroup copies, else its first thread. */
export function inRoles(
  given: {
    readonly lowering: Shape;
    readonly builder: Builder;
    readonly stages: Stages;
    readonly gathers: boolean;
  },
  rolesOf: (clusters: Clusters) => Roles,
): number {
  const { lowering, builder, stages, gathers } = given;
  const clustered = lowering.cluster > 1;
  builder.guard(call("eq", BOOL, builtin("thread"), i32(0)), () => stages.initialise());
  builder.emit({ kind: clustered ? "cluster_barrier" : "barrier" });
  const cluster = builder.let("cluster", divI(builtin("workgroup"), i32(lowering.cluster)));
  const clusters = builder.let("clusters", divI(builtin("workgroups"), i32(lowering.cluster)));
  const { copy, multiply } = rolesOf({ cluster, clusters });
  builder.if(
    lessThan(builtin("thread"), i32(multiplyingThreads(lowering))),
    () => {
      builder.emit({ kind: "registers", change: "more", count: MULTIPLYING_REGISTERS });
      multiply(builder.let("warpgroup", divI(builtin("thread"), i32(WARPGROUP))));
    },
    () => {
      builder.emit({ kind: "registers", change: "fewer", count: COPYING_REGISTERS });
      if (gathers) copy();
      else builder.if(isFirstCopying(lowering), copy);
    },
  );
  // Another's copies may still be on their way here, and its warps arrive at barriers here.
  if (clustered) builder.emit({ kind: "cluster_barrier" });
  return WARPGROUP * (lowering.groups + 1);
}
