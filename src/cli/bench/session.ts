/** @file What `rmxc bench` does, apart from words: compile for the call's size, load, probe the device, time. */
import type { Diagnostic, Sources } from "../../../grammar/diagnostics.ts";
import { type CompileOptions, compileFor } from "../../compile.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Plan } from "../../ir/plan.ts";
import type { ScheduleSource } from "../../ir/schedule.ts";
import type { KernelDevice } from "../../runtime/device.ts";
import { type KernelEngine, loadKernelEngine } from "../../runtime/engine/kernelengine.ts";
import { stageValues } from "../../runtime/inputs.ts";
import { type Probe, probeDevice } from "../../runtime/probe.ts";
import { elaborateSpec, notesFor, type SetValue } from "../../spec.ts";
import { median } from "../../statistics.ts";
import { type PrecisionSummary, precisionOf } from "../precision.ts";
import { openInputs, openWeights, type Watcher } from "../run/session.ts";
import { type KernelRow, kernelRows } from "./kernels.ts";
import { type Call, type Measured, measureCalls, type Parts, partsOf } from "./measure.ts";
import { type Spread, spreadOf } from "./percentiles.ts";

export interface BenchRequest {
  readonly spec: string;
  readonly set: Readonly<Record<string, SetValue>>;
  readonly precision: string | undefined;
  readonly weights: string | undefined;
  readonly input: string | undefined;
  readonly seed: number;
  readonly requests: number | undefined;
  readonly candidates: number | undefined;
  readonly runs: number | undefined;
  readonly seconds: number;
  readonly reuse: boolean;
  readonly fuse: CompileOptions["fuse"];
  /** Tuned schedules, where there are any. */
  readonly schedules: ScheduleSource | undefined;
}

export interface BenchResult {
  readonly request: BenchRequest;
  readonly device: KernelDevice;
  readonly probe: Probe;
  readonly plan: Plan;
  readonly model: string;
  readonly parameters: number;
  readonly precision: PrecisionSummary;
  readonly requests: number;
  readonly candidates: number;
  readonly loadSeconds: number;
  readonly deviceBytes: number;
  readonly measured: Measured;
  /** Seconds. `call` is of calls that nobody watched, the others of watched ones. */
  readonly spreads: Readonly<Record<"call" | keyof Parts, Spread>>;
  /** Chunks of rows that the binding limits cut a call into. */
  readonly chunks: number;
  readonly kernels: readonly KernelRow[];
  /** Seconds of the sum of kernels, each in a pass of its own, by stage; beside them the stage as one pass. */
  readonly sums: Readonly<Record<"user" | "item", number>>;
  /** The part of a call in which no kernel runs. */
  readonly outside: number;
}

export interface BenchWatcher extends Watcher {
  warn(diagnostics: readonly Diagnostic[], sources: Sources): Promise<void>;
}

export async function benchModel(
  request: BenchRequest,
  device: KernelDevice,
  watcher: BenchWatcher,
): Promise<BenchResult> {
  const elaborated = elaborateSpec(request.spec, { set: request.set, precision: request.precision });
  await watcher.warn(notesFor(elaborated.diagnostics, [device.profile]), elaborated.sources);
  const weights = openWeights(request, elaborated.graph);
  try {
    const inputs = openInputs(
      { ...request, requests: request.requests ?? elaborated.graph.serve.requests },
      elaborated.graph,
      elaborated.graph.serve.candidates,
    );
    const { requests, candidates } = inputs;
    const graph = servedAs(elaborated.graph, { requests, candidates });
    const { reuse, fuse, schedules } = request;
    const variant = compileFor(graph, device.profile, {
      reuse,
      ...(fuse && { fuse }),
      ...(schedules && { schedules }),
    });
    const started = performance.now();
    const engine = await watcher.progress("loading", (report) =>
      loadKernelEngine(device, variant, weights, {
        onProgress: (_, done, total) => report(done, total),
      }),
    );
    try {
      const loadSeconds = (performance.now() - started) / 1000;
      const call: Call = {
        inputs,
        user: stageValues(graph.features, inputs, "user"),
        items: stageValues(graph.features, inputs, "item"),
      };
      const probe = await watcher.progress("probing the device", () => probeDevice(device));
      const measured = await timeCalls(engine, call, request, watcher);
      return {
        request,
        device,
        probe,
        plan: variant.plan,
        model: graph.name,
        parameters: graph.params.reduce((total, p) => total + p.shape.reduce((a, b) => a * b, 1), 0),
        precision: precisionOf(graph),
        requests,
        candidates,
        loadSeconds,
        deviceBytes: engine.stats().bytes,
        measured,
        ...summed(variant.plan, measured, { requests, candidates }, probe),
      };
    } finally {
      engine.destroy();
    }
  } finally {
    weights.close();
  }
}

function timeCalls(engine: KernelEngine, call: Call, { runs, seconds }: BenchRequest, watcher: BenchWatcher) {
  return watcher.progress("timing calls", (onProgress) =>
    measureCalls(engine, call, { runs, seconds, onProgress }),
  );
}

/** The model as compiled for calls of this size: schedules are chosen for `serve`. */
export function servedAs(graph: Graph, size: { requests: number; candidates: number }): Graph {
  return { ...graph, serve: { ...graph.serve, ...size } };
}

function summed(
  plan: Plan,
  measured: Measured,
  size: { requests: number; candidates: number },
  probe: Probe,
): Pick<BenchResult, "spreads" | "kernels" | "sums" | "outside" | "chunks"> {
  const parts = measured.stages.map(partsOf);
  const of = (key: keyof Parts): Spread => spreadOf(parts.map((part) => part[key]));
  const spreads = {
    call: spreadOf(measured.calls),
    upload: of("upload"),
    user: of("user"),
    item: of("item"),
    readback: of("readback"),
    kept: of("kept"),
    outside: of("outside"),
  };
  const kernels = kernelRows(plan, measured.kernels, size, probe);
  const sumOf = (stage: "user" | "item"): number =>
    kernels.reduce((total, row) => total + (row.stage === stage ? row.seconds : 0), 0);
  return {
    spreads,
    kernels,
    sums: { user: sumOf("user"), item: sumOf("item") },
    outside: median(measured.stages.map((watched) => partsOf(watched).outside / watched.seconds)),
    chunks: measured.stages[0]?.chunks.length ?? 0,
  };
}
