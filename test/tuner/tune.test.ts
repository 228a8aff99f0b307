/** @file The search, on trials whose times the test makes up. */
import { describe, expect, it } from "vitest";
import { describeTune, tuneJson, untunedOverTuned } from "../../src/cli/tune/report.ts";
import { compileFor } from "../../src/compile.ts";
import { InputError } from "../../src/ir/error.ts";
import type { Plan } from "../../src/ir/plan.ts";
import { software } from "../../src/ir/profiles.ts";
import { scheduleOf, withSchedule } from "../../src/ir/schedule.ts";
import type { TileKernel } from "../../src/ir/tile.ts";
import type { Contender, Prepared } from "../../src/runtime/engine/trial.ts";
import { differenceOf, subjectsOf, type Trials, tuneKernels } from "../../src/tuner/tune.ts";
import { graphOfSpec } from "../support/zoo.ts";

const text = `
model m(L: int = 2) {
  user { u: f32[64] }
  item { x: f32[40] }
  serve { requests <= 1, candidates <= 64 }
  h = linear(x, 64) as first
  v = gelu(linear(u, 64) as last)
  repeat L as layers { h = gelu(linear(h, 64)) as step }
  task y = linear(concat(h, v), 1)
}`;

function planOf(): Plan {
  const { plan } = compileFor(graphOfSpec(text), software, {
    fuse: "vertical",
  });
  return plan;
}

const plan = planOf();
const kernels = [...plan.kernels.user, ...plan.kernels.item];
const everyKernel = new Map(kernels.map((kernel) => [kernel.name, 0.001]));

/** Rows of the tile that a candidate's workgroup computes. */
function rowsOf(kernel: TileKernel): number {
  const { lowering } = kernel;
  return lowering.kind === "subgroup" ? lowering.rows : 1;
}

interface Fake {
  /** Nanoseconds of a kernel. */
  readonly time: (kernel: TileKernel) => number;
  readonly result?: (kernel: TileKernel) => number;
  readonly refuse?: (kernel: TileKernel) => boolean;
}

function trialsOf({ time, result = () => 1, refuse = () => false }: Fake): Trials {
  const running = new Map<Prepared, TileKernel>();
  const of = (prepared: Prepared): TileKernel => {
    const kernel = running.get(prepared);
    if (kernel === undefined) throw new Error("not prepared");
    return kernel;
  };
  return {
    async prepare({ kernel }: Contender) {
      if (refuse(kernel)) throw new InputError("RMX0803", "no");
      const prepared: Prepared = { name: kernel.name, stage: kernel.stage, launches: [], stores: [0] };
      running.set(prepared, kernel);
      return prepared;
    },
    once: async () => {},
    results: async (prepared) => [{ shape: [1], data: Float32Array.of(result(of(prepared))) }],
    race: async (contenders, rounds) =>
      contenders.map((prepared) => Array.from({ length: rounds }, () => time(of(prepared)))),
  };
}

function search(fake: Fake, budgetSeconds = 60) {
  const subjects = subjectsOf(plan, software, everyKernel);
  return tuneKernels(trialsOf(fake), plan, subjects, { budgetSeconds });
}

describe("what is tuned", () => {
  it("is each distinct kernel once, the most expensive first, those that have a choice", () => {
    const subjects = subjectsOf(plan, software, everyKernel);
    expect(subjects[0]?.names.length).toBe(2);
    expect(subjects[0]?.seconds).toBeCloseTo(0.002);
    for (const { space, kernel, bucket } of subjects) {
      expect(space.length).toBeGreaterThan(1);
      expect(withSchedule(kernel, space[0] ?? scheduleOf(kernel))).toEqual(kernel);
      expect(bucket).toBe(kernel.stage === "item" ? 64 : 1);
    }
    const names = subjects.flatMap((subject) => subject.names);
    expect(new Set(names).size).toBe(names.length);
    expect(subjectsOf(plan, software, new Map())).toEqual([]);
  });
});

describe("the search", () => {
  it("finds the fastest schedule", async () => {
    for (const { schedule, untuned, tuned, subject } of await search({
      time: (k) => 1e6 + rowsOf(k) * 1e5,
    })) {
      const least = Math.min(
        ...subject.space.map(({ lowering }) => (lowering.kind === "subgroup" ? lowering.rows : 1)),
      );
      expect(schedule.lowering).toMatchObject({ rows: least });
      expect(tuned).toBeCloseTo((1e6 + least * 1e5) / 1e9, 9);
      expect(untuned).toBeGreaterThanOrEqual(tuned);
    }
  });

  it("keeps the favourite where others are no faster than races vary by", async () => {
    const tuned = await search({ time: (k) => 1e6 + rowsOf(k) * 1e3 });
    expect(tuned.length).toBeGreaterThan(0);
    for (const { schedule, subject, untuned, tuned: taken } of tuned) {
      expect(schedule).toEqual(subject.space[0]);
      expect(taken).toBe(untuned);
    }
  });

  it("never takes a schedule whose results differ, however fast, and names it", async () => {
    const right = new Set(subjectsOf(plan, software, everyKernel).map(({ kernel }) => rowsOf(kernel)));
    const wrong = (kernel: TileKernel): boolean => !right.has(rowsOf(kernel));
    const tuned = await search({ time: (k) => (wrong(k) ? 1 : 1e6), result: (k) => (wrong(k) ? 1.001 : 1) });
    for (const { schedule, subject } of tuned) expect(schedule).toEqual(subject.space[0]);
    expect(tuned.flatMap(({ refused }) => refused).join("\n")).toMatch(/its results differ by 1\.0e-3/);
  });

  it("leaves aside what the device does not take", async () => {
    const right = new Set(subjectsOf(plan, software, everyKernel).map(({ kernel }) => rowsOf(kernel)));
    const tuned = await search({ time: () => 1e6, refuse: (k) => !right.has(rowsOf(k)) });
    expect(tuned.flatMap(({ refused }) => refused).join("\n")).toMatch(/the device does not accept it/);
  });

  it("ends with its budget", async () => {
    expect(await search({ time: () => 1e6 }, 0)).toEqual([]);
  });
});

describe("the difference of results", () => {
  const value = (data: number[]) => [{ shape: [data.length], data: Float32Array.from(data) }];

  it("is the largest relative error; a hole of one side alone is infinite, one of both none", () => {
    expect(differenceOf(value([1, 2]), value([1, 2]))).toBe(0);
    expect(differenceOf(value([1, Number.NaN]), value([1, Number.NaN]))).toBe(0);
    expect(differenceOf(value([1, Number.NaN]), value([1, 2]))).toBe(Number.POSITIVE_INFINITY);
    expect(differenceOf(value([3, 4.5]), value([3, 4]))).toBeCloseTo(0.1);
    expect(differenceOf([...value([1]), ...value([2])], [...value([1]), ...value([1])])).toBe(1);
  });
});

describe("the report", () => {
  it("shows each search, and whether the cost model keeps its promise", async () => {
    const tuned = await search({ time: (k) => 1e6 + rowsOf(k) * 1e5 });
    const call = { untuned: 0.002, tuned: 0.001 };
    const text = describeTune({ tuned, left: [], kernels: 5, call });
    expect(text).toMatch(/^kernel +of a call +untuned +tuned +ratio +tried +schedule$/m);
    for (const { subject } of tuned) expect(text).toContain(subject.names[0]);
    expect(text).toMatch(/^untuned takes \d.* % more than tuned, (NOT )?within 15 %; the widest is /m);
    expect(text).toContain("a whole call: untuned 2.00 ms, tuned 1.00 ms");
    const even = await search({ time: () => 1e6 });
    expect(untunedOverTuned(even)).toBe(1);
    const none = { tuned: [], left: [], kernels: 5, call: { untuned: Number.NaN, tuned: Number.NaN } };
    expect(describeTune(none)).toBe("none of the 5 kernels has a choice of schedules");
    expect(describeTune({ ...none, left: tuned.map(({ subject }) => subject) })).toContain("did not reach");
    const json = tuneJson({ tuned, left: [], kernels: 5, call }, "f.json");
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
  });
});
