/**
 * @file plan-memory: temporaries of a stage share one arena. A value lives from the kernel that stores it to the last that
 * reads it; values whose lives do not meet share a slot. Slots are sized per row of the batch axis, so one
 * assignment serves every bucket. Counters, which are cleared before their kernel and should wait for no other, share with nobody.
 */
import type { Stage } from "../src/ir/graph.ts";
import { type Arena, type Plan, type PlanValue, wordsOf } from "../src/ir/plan.ts";
import type { TileKernel } from "../src/ir/tile.ts";
import type { Fused } from "./fuse.ts";
import { definePass } from "./pass.ts";

interface Life {
  readonly value: PlanValue;
  readonly from: number;
  readonly to: number;
}

export const planMemory = definePass<Fused, Fused>({
  name: "plan-memory",
  summary: "lets temporaries whose lives do not meet share a slot of the stage's arena",
  run({ graph, plan, ...rest }) {
    const slots = new Map<number, number>();
    const arenas: Arena[] = [];
    for (const stage of ["load", "user", "item"] as const) {
      const units: number[] = [];
      const freeFrom: number[] = [];
      for (const life of livesOf(plan, stage)) {
        const slot = slotFor(units, freeFrom, life);
        units[slot] = Math.max(units[slot] ?? 0, wordsOf(life.value, life.value.unit));
        freeFrom[slot] = life.to;
        slots.set(life.value.id, slot);
      }
      arenas.push({ stage, units });
    }
    const values = plan.values.map((v): PlanValue => {
      const slot = slots.get(v.id);
      return v.home.kind === "temp" && slot !== undefined ? { ...v, home: { ...v.home, slot } } : v;
    });
    return { graph, plan: { ...plan, values, arenas }, ...rest };
  },
});

/** In order of birth. */
function livesOf(plan: Plan, stage: Stage): Life[] {
  const kernels: readonly TileKernel[] = plan.kernels[stage];
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  kernels.forEach((kernel, i) => {
    for (const b of kernel.buffers) {
      if (!first.has(b.value)) first.set(b.value, i);
      last.set(b.value, i);
    }
  });
  const counters = new Set(kernels.flatMap(({ lowering: l }) => (l.kind === "chain" ? [l.counters] : [])));
  const always = { from: -1, to: Number.POSITIVE_INFINITY };
  return [...first]
    .map(([id, from]) => {
      const life = counters.has(id) ? always : { from, to: last.get(id) ?? from };
      return { value: plan.values[id], ...life };
    })
    .filter((l) => l.value.home.kind === "temp" && l.value.home.stage === stage)
    .sort((a, b) => a.from - b.from || a.value.id - b.value.id);
}

/** The free slot whose size is nearest; else a new one. A slot is free for a kernel after the last that reads it. */
function slotFor(units: readonly number[], freeFrom: readonly number[], life: Life): number {
  let best = -1;
  for (let slot = 0; slot < units.length; slot++) {
    if (freeFrom[slot] >= life.from) continue;
    if (best < 0 || misfit(units[slot], life) < misfit(units[best], life)) best = slot;
  }
  return best < 0 ? units.length : best;
}

function misfit(unit: number, life: Life): number {
  return Math.abs(unit - wordsOf(life.value, life.value.unit));
}
