/** Keys of kernels, their schedule spaces, and who may overrule the cost model. */
import { describe, expect, it } from "vitest";
import { fuse } from "../../passes/fuse.ts";
import { schedule } from "../../passes/schedule.ts";
import { predict } from "../../passes/scheduling/costmodel.ts";
import { formOf, prepared } from "../../passes/scheduling/form.ts";
import { scheduleSpace } from "../../passes/scheduling/space.ts";
import { defaultCeilings } from "../../src/ir/ceilings.ts";
import type { Plan } from "../../src/ir/plan.ts";
import { parseGraph } from "../../src/ir/print.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { gpu, software } from "../../src/ir/profiles.ts";
import {
  kernelKey,
  type Schedule,
  type ScheduleSource,
  sameSchedule,
  scheduleOf,
  shapeBucket,
  withSchedule,
} from "../../src/ir/schedule.ts";
import type { TileKernel } from "../../src/ir/tile.ts";

interface Sizes {
  readonly name?: string;
  readonly K?: number;
  readonly M?: number;
  readonly candidates?: number;
}

/** silu(x W), and the mean of its columns. */
function planOf({ name = "up", K = 24, M = 40, candidates = 100 }: Sizes, profile: Profile): Plan {
  const graph = parseGraph(`graph "m"
serve requests <= 4, candidates <= ${candidates}
compute f32
param "${name}.w": [${K}, ${M}] = normal(std = 1), f32
feature "x": f32[${K}] item

%0: num[N, ${K}] item (item program) = feature "x"  // x
%1: num[${K}, ${M}] load (load program) = param "${name}.w"  // ${name}.w
%2: num[N, ${M}] item (item program) = einsum "2 1, 1 0 -> 2 0" (%0, %1)  // ${name}
%3: num[N, ${M}] item (item program) = pointwise silu (%2)  // ${name}.h
%4: num[N] item (item program) = reduce mean axes [1] (%3)  // ${name}.pooled

output "y": [] = %4
`);
  return fuse.run(graph, { profile }).plan;
}

function kernelsOf(plan: Plan): readonly [TileKernel, TileKernel] {
  const [product, mean] = plan.kernels.item;
  if (product === undefined || mean === undefined) throw new Error("two kernels expected");
  return [product, mean];
}

function scheduledBy(plan: Plan, profile: Profile, schedules?: ScheduleSource): readonly TileKernel[] {
  const graph = parseGraph('graph "none"\nserve requests <= 1, candidates <= 1\ncompute f32\n');
  return schedule.run({ graph, plan }, { profile, ...(schedules && { schedules }) }).plan.kernels.item;
}

describe("a kernel's key", () => {
  const plan = planOf({}, software);
  const [product, mean] = kernelsOf(plan);
  const key = kernelKey(product, plan.values);

  it("does not change with names, with the schedule, or with where its values stand", () => {
    const other = planOf({ name: "tower.gate" }, software);
    expect(kernelKey(kernelsOf(other)[0], other.values)).toBe(key);
    for (const profile of [software, gpu]) {
      for (const s of scheduleSpace(product, plan, profile)) {
        expect(kernelKey(withSchedule(product, s), plan.values)).toBe(key);
      }
    }
    const moved = planOf({}, software);
    const shifted = moved.values.map((v) => ({ ...v, id: v.id + 1 }));
    const up = (n: number): number => n + 1;
    const text = JSON.stringify(kernelsOf(moved)[0], (field, v: unknown) =>
      typeof v === "number" && ["source", "target", "value"].includes(field) ? up(v) : v,
    );
    const [first] = shifted;
    const kernel = JSON.parse(text) as TileKernel;
    // Constants hold their number in `value`, too, and this product has none.
    expect(first && kernelKey(kernel, [first, ...shifted])).toBe(key);
  });

  it("changes with shapes and with the mathematics", () => {
    const keys = [{}, { K: 25 }, { M: 41 }].map((sizes) => {
      const p = planOf(sizes, software);
      return kernelKey(kernelsOf(p)[0], p.values);
    });
    expect(new Set([...keys, kernelKey(mean, plan.values)]).size).toBe(4);
    const [dot] = product.body;
    expect(dot?.kind).toBe("dot");
    const doubled = { ...product, body: [...product.body, ...product.body] };
    expect(kernelKey(doubled, plan.values)).not.toBe(key);
  });

  it("goes with a bucket: the rows of the call, up to a power of two", () => {
    expect(
      [1, 2, 3, 100, 128, 129].map((candidates) => shapeBucket(product, { requests: 9, candidates })),
    ).toEqual([1, 2, 4, 128, 128, 256]);
    expect(shapeBucket({ ...product, stage: "user" }, { requests: 9, candidates: 1 })).toBe(16);
    expect(shapeBucket({ ...product, stage: "load" }, { requests: 9, candidates: 100 })).toBe(1);
  });
});

describe.each([software, gpu])("the space on $name", (profile) => {
  const plan = planOf({}, profile);

  it("begins with what `schedule` takes, is cheapest there, and repeats nothing", () => {
    const ceilings = defaultCeilings(profile);
    for (const [i, made] of scheduledBy(plan, profile).entries()) {
      const kernel = plan.kernels.item[i] as TileKernel;
      const space = scheduleSpace(kernel, plan, profile);
      expect(sameSchedule(scheduleOf(made), space[0] as Schedule)).toBe(true);
      expect(new Set(space.map((s) => JSON.stringify(s))).size).toBe(space.length);
      expect(scheduleSpace(made, plan, profile)).toEqual(space);
      const base = prepared(kernel, plan.values);
      const form = formOf(base, plan.values);
      const costs = space.map((s) =>
        predict(base, form, s, { profile, ceilings, rows: 100, values: plan.values }),
      );
      const [favourite = 0, ...others] = costs;
      expect(others).toEqual(others.toSorted((a, b) => a - b));
      // A driver on a CPU compiles as long as others run: of those that hardly differ, the shortest text comes first.
      expect(favourite).toBeLessThanOrEqual((profile === software ? 1.12 : 1) * Math.min(...costs));
    }
  });

  it("keeps within the device's limits", () => {
    const small: Profile = {
      ...profile,
      limits: { ...profile.limits, workgroupSize: 64, workgroupMemory: 4096 },
    };
    for (const s of scheduleSpace(kernelsOf(plan)[0], plan, small)) {
      if (s.lowering.kind !== "blocked") continue;
      const { threadsM, threadsN, registersM, registersN } = s.lowering;
      expect(threadsM * threadsN).toBeLessThanOrEqual(64);
      expect(4 * 16 * (threadsM * registersM + threadsN * registersN)).toBeLessThanOrEqual(4096);
    }
  });

  it("does not make tiles of many rows for few", () => {
    const few = planOf({ candidates: 3 }, profile);
    const [best] = scheduleSpace(kernelsOf(few)[0], few, profile);
    const rows = Math.max(...Object.values({ ...best?.tiles, k: 1 }).filter((t) => t < 32));
    expect(rows).toBeLessThanOrEqual(8);
    if (profile === software) expect(best?.lowering).toMatchObject({ kind: "subgroup", rows: 3 });
  });
});

describe("a source of schedules", () => {
  const plan = planOf({}, software);
  const [product] = kernelsOf(plan);
  const key = kernelKey(product, plan.values);
  const space = scheduleSpace(product, plan, software);
  const last = space.at(-1) as Schedule;
  const from = (found: Schedule, bucket = 128): ScheduleSource => ({
    find: (k, b) => (k === key && b === bucket ? found : undefined),
  });

  it("overrules the cost model for its kernel and bucket alone", () => {
    expect(sameSchedule(space[0] as Schedule, last)).toBe(false);
    const [first, second] = scheduledBy(plan, software, from(last));
    expect(scheduleOf(first as TileKernel)).toEqual(last);
    expect(second).toEqual(scheduledBy(plan, software)[1]);
    expect(scheduledBy(plan, software, from(last, 64))).toEqual(scheduledBy(plan, software));
  });

  it("is read whatever order its fields have", () => {
    const { lowering, tiles, steps } = last;
    const turned = JSON.parse(JSON.stringify({ steps, tiles, lowering })) as Schedule;
    expect(scheduleOf(scheduledBy(plan, software, from(turned))[0] as TileKernel)).toEqual(last);
  });

  it("is ignored where its schedule is not one of the kernel's", () => {
    const wrong: Schedule[] = [
      { ...last, tiles: { ...last.tiles, other: 2 } },
      { ...last, lowering: { kind: "subgroup", lanes: 4, rows: 1 } },
      { lowering: { kind: "element", threads: 64, vector: 1 }, tiles: {}, steps: {} },
    ];
    for (const s of wrong) expect(scheduledBy(plan, software, from(s))).toEqual(scheduledBy(plan, software));
  });
});
