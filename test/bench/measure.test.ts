/** @file What bench makes of measured times: percentiles, the parts of a call, kernels' rates, advice, traces. */
import { describe, expect, it } from "vitest";
import { type Advice, adviceOf } from "../../src/cli/bench/advice.ts";
import { kernelRows } from "../../src/cli/bench/kernels.ts";
import { partsOf, type Watched } from "../../src/cli/bench/measure.ts";
import { spreadOf } from "../../src/cli/bench/percentiles.ts";
import { benchJson, describeBench } from "../../src/cli/bench/report.ts";
import type { BenchResult } from "../../src/cli/bench/session.ts";
import { traceOf } from "../../src/cli/bench/trace.ts";
import { computeText, precisionOf, storedText } from "../../src/cli/precision.ts";
import { compileFor } from "../../src/compile.ts";
import { software } from "../../src/ir/profiles.ts";
import type { CallTimes } from "../../src/runtime/engine/types.ts";
import { graphOfSpec } from "../support/zoo.ts";

describe("percentiles", () => {
  it("are values that were measured, by nearest rank", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(spreadOf(hundred)).toEqual({ p50: 50, p90: 90, p99: 99, least: 1, most: 100 });
    expect(spreadOf([7, 3, 5])).toEqual({ p50: 5, p90: 7, p99: 7, least: 3, most: 7 });
    expect(spreadOf([4])).toEqual({ p50: 4, p90: 4, p99: 4, least: 4, most: 4 });
    expect(spreadOf([]).p50).toBeNaN();
  });
});

const { plan } = compileFor(
  graphOfSpec(`model m() {
  user { u: f32[8] }
  item { x: f32[8] }
  task y = linear(concat(gelu(linear(u, 8) as a), gelu(linear(x, 8) as b)), 1) as last
}`),
  software,
);
const [userKernel] = plan.kernels.user;
const [itemKernel] = plan.kernels.item;
if (userKernel === undefined || itemKernel === undefined) throw new Error("the model has both stages");

const ms = 1e6;
function chunk(stage: "user" | "item", begin: number, launches: CallTimes["launches"]): CallTimes {
  return { stage, rows: 4, begin, submitted: begin + 1, end: begin + 10, reading: 0, launches };
}
/** 1 ms of upload a stage, 4 ms of user stage, 6 of items: 3 ms from the last kernel to the scores. */
const byStage: Watched = {
  seconds: 0.02,
  chunks: [
    chunk("user", 0, [{ name: "user", begin: 0, end: 4 * ms }]),
    chunk("item", 10, [{ name: "item", begin: 0, end: 6 * ms }]),
  ],
};
const byKernel: Watched = {
  seconds: 0.02,
  chunks: [
    chunk("user", 0, [{ name: userKernel.name, begin: 0, end: 2 * ms }]),
    chunk("item", 10, [
      { name: itemKernel.name, begin: 0, end: 3 * ms },
      { name: itemKernel.name, begin: 3 * ms, end: 6 * ms },
    ]),
  ],
};
const probe = { name: "d", flops: 1e9, bandwidth: 2e9, cached: 4e9, dispatch: 1e-6, roundTrip: 1e-5 };
const size = { requests: 1, candidates: 4 };

describe("the parts of a call", () => {
  it("add up to it", () => {
    const parts = partsOf(byStage);
    expect(parts.upload).toBeCloseTo(0.002);
    expect(parts.user).toBeCloseTo(0.004);
    expect(parts.item).toBeCloseTo(0.006);
    expect(parts.readback).toBeCloseTo(0.003);
    expect(parts.kept).toBeCloseTo(0.01);
    expect(parts.outside).toBeCloseTo(0.01);
  });
});

describe("kernels", () => {
  const rows = kernelRows(plan, [byKernel, byKernel], size, probe);

  it("stand in execution order with their time in a call, slices added up", () => {
    expect(rows.map(({ name, launches }) => [name, launches])).toEqual([
      [userKernel.name, 1],
      [itemKernel.name, 2],
    ]);
    expect(rows.map(({ seconds }) => seconds)).toEqual([0.002, 0.006]);
    expect(rows.map(({ share }) => share)).toEqual([0.25, 0.75]);
  });

  it("are held against what they must do at the device's rates", () => {
    for (const [i, kernel] of [userKernel, itemKernel].entries()) {
      const count = i === 0 ? size.requests : size.candidates;
      const { flops, bytes } = kernel.about;
      const { seconds = 0, ofFlops, ofBandwidth } = rows[i] ?? {};
      expect(ofFlops).toBeCloseTo((flops * count) / seconds / 1e9, 9);
      expect(ofBandwidth).toBeCloseTo((bytes.fixed + bytes.perRow * count) / seconds / 2e9, 9);
    }
  });
});

function resultOf(change: Partial<BenchResult> = {}): BenchResult {
  const spread = (value: number) => spreadOf([value]);
  const request = { spec: "m.rmx", reuse: true } as BenchResult["request"];
  const device = { name: "a device", description: "d", profile: software } as BenchResult["device"];
  return {
    request,
    device,
    probe,
    plan,
    model: "m",
    parameters: 100,
    precision: { compute: "f32", parts: [], stored: { f32: 400 }, storedBytes: 400 },
    ...size,
    loadSeconds: 1,
    deviceBytes: 1024,
    measured: { calls: [0.02], stages: [byStage], kernels: [byKernel] },
    spreads: {
      call: spread(0.02),
      upload: spread(0.002),
      user: spread(0.004),
      item: spread(0.006),
      readback: spread(0.003),
      kept: spread(0.01),
      outside: spread(0.01),
    },
    chunks: 2,
    kernels: kernelRows(plan, [byKernel], size, probe),
    sums: { user: 0.002, item: 0.006 },
    outside: 0,
    ...change,
  };
}

describe("advice", () => {
  const about = (change: Partial<BenchResult>, tuned = true): string[] =>
    adviceOf(resultOf(change), tuned).map((advice: Advice) => advice.about);
  const fast = resultOf().kernels.map((row) => ({ ...row, ofFlops: 0.9 }));

  it("is silent where nothing stands out", () => {
    expect(about({ kernels: fast })).toEqual([]);
  });

  it("names kernels far below both ceilings, the largest first, and not small ones", () => {
    expect(about({})).toEqual([itemKernel.name, userKernel.name]);
    const [first, second] = fast;
    if (first === undefined || second === undefined) throw new Error("two kernels");
    expect(about({ kernels: [{ ...first, ofFlops: 0.1, ofBandwidth: 0.1, share: 0.01 }, second] })).toEqual(
      [],
    );
    expect(about({ kernels: [{ ...first, ofFlops: 0.1, ofBandwidth: 0.8 }, second] })).toEqual([]);
  });

  it("speaks of time outside kernels from three percent on", () => {
    expect(about({ kernels: fast, outside: 0.029 })).toEqual([]);
    expect(about({ kernels: fast, outside: 0.05 })).toEqual(["host"]);
  });

  it("speaks of a user stage that dominates, chunks, tiny kernels, unsteady calls and missing schedules", () => {
    const { spreads, request } = resultOf();
    const dominating = { ...spreads, user: spreadOf([0.015]) };
    expect(about({ kernels: fast, spreads: dominating })).toEqual(["user"]);
    expect(about({ kernels: fast, spreads: dominating, request: { ...request, reuse: false } })).toEqual([]);
    expect(about({ kernels: fast, chunks: 5 })).toEqual(["chunks"]);
    expect(about({ kernels: fast, probe: { ...probe, dispatch: 0.01 } })).toEqual(["launches"]);
    const unsteady = { ...spreads, call: { ...spreads.call, p99: 0.1 } };
    const measured = {
      calls: Array.from({ length: 20 }, () => 0.02),
      stages: [byStage],
      kernels: [byKernel],
    };
    expect(about({ kernels: fast, spreads: unsteady, measured })).toEqual(["noise"]);
    expect(about({ kernels: fast }, false)).toEqual(["schedules"]);
  });
});

describe("the report", () => {
  it("shows the sum of kernels beside the stage as one pass, and what was tuned", () => {
    const text = describeBench(resultOf(), [{ about: "x", text: "do this" }], { tuned: 3, from: "f.json" });
    expect(text).toContain("sums: user 2.00 ms, as one pass 4.00 ms; item 6.00 ms, as one pass 6.00 ms");
    expect(text).toContain("tuned for 3 kernels (f.json)");
    expect(text).toMatch(/^call +20\.00 +20\.00 +20\.00/m);
    expect(text).toMatch(/^- do this$/m);
    expect(text).toContain(`${itemKernel.name} ×2`);
  });

  it("is JSON without holes", () => {
    const json = benchJson(resultOf(), [], { tuned: 0, from: undefined });
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
    expect(json).toMatchObject({
      ok: true,
      requests: 1,
      candidates: 4,
      throughput: { calls: 50, candidates: 200 },
    });
  });
});

describe("the trace", () => {
  it("has complete events in microseconds, the host's and the device's on tracks of their own", () => {
    const { traceEvents } = traceOf(resultOf());
    const complete = traceEvents.filter(({ ph }) => ph === "X");
    // Two stages as one pass each and three launches, and for each of four chunks an upload and a wait.
    expect(complete).toHaveLength(2 + 3 + 4 * 2);
    const kernel = complete.find(({ name }) => name === itemKernel.name);
    expect(kernel).toMatchObject({ tid: 2, ts: 11_000, dur: 3000, args: { fused: itemKernel.about.fused } });
    expect(complete.find(({ name }) => name === "user: upload")).toMatchObject({ tid: 1, ts: 0, dur: 1000 });
    for (const { ts = -1, dur = -1 } of complete) expect(Math.min(ts, dur)).toBeGreaterThanOrEqual(0);
    expect(traceEvents.filter(({ ph }) => ph === "M").map(({ args }) => args?.name)).toContain("a device");
  });
});

describe("the precision of a model", () => {
  it("is what it computes in and the bytes of each storage type, scales included", () => {
    const graph = graphOfSpec(
      `model m() {
  item { x: f32[8] }
  task y = linear(x, 4) as last
  precision { compute = f16
    "**.w" = int8 per channel }
}`,
    );
    const summary = precisionOf(graph);
    // 8 × 4 codes and a scale for each of 4 columns; 4 biases.
    expect(summary).toEqual({
      compute: "f16",
      parts: [],
      stored: { "int8 per channel": 48, f32: 16 },
      storedBytes: 64,
    });
    expect(computeText(summary)).toBe("f16");
    expect(storedText(summary)).toBe("64 B stored: int8 per channel 48 B, f32 16 B");
    expect(computeText({ ...summary, parts: [{ pattern: "**.head", compute: "f32" }] })).toBe(
      "f16 (f32 in **.head)",
    );
  });
});
