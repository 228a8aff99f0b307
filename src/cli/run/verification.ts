/**
 * @file `rmxc run --verify`: the model once more, compiled so that every temporary keeps a place of its own, every buffer
 * filled with NaN before a run, every kernel's output, every choice and every task held against the reference.
 */
import type { Fusion } from "../../../passes/pass.ts";
import { compileFor } from "../../compile.ts";
import type { FeatureInfo, Graph } from "../../ir/graph.ts";
import { isScore } from "../../ir/plan.ts";
import type { ScheduleSource } from "../../ir/schedule.ts";
import type { KernelDevice } from "../../runtime/device.ts";
import { loadKernelEngine } from "../../runtime/engine/kernelengine.ts";
import type { Scores } from "../../runtime/engine/types.ts";
import type { FeatureArray, ModelInputs } from "../../runtime/inputs.ts";
import { type Verification as Compared, relativeError, verify } from "../../runtime/verify.ts";
import { countOf, type WeightSource } from "../../runtime/weights.ts";
import type { Watcher } from "./session.ts";

export interface Verification extends Compared {
  /** What was compared: the first requests and candidates, where there are very many. */
  readonly requests: number;
  readonly candidates: number;
  /**
   * Whether the timed run's scores are the verified ones: bit for bit; within the tolerance for a model with discontinuous
   * choices, whose verified kernels also store these.
   */
  readonly sameScores: boolean;
}

/** The reference is slow, and reading back every kernel's output takes memory: more rows than this are not verified. */
const MAX_ROWS = 256;

export async function verifyOnDevice(
  graph: Graph,
  device: KernelDevice,
  weights: WeightSource,
  inputs: ModelInputs,
  scores: Scores,
  watcher: Watcher,
  options: { readonly reuse: boolean; readonly fuse: Fusion; readonly schedules?: ScheduleSource },
): Promise<Verification> {
  const { rows, inputs: part } = firstRows(graph.features, inputs);
  const variant = compileFor(graph, device.profile, { reuseArena: false, choices: true, ...options });
  const engine = await watcher.progress("loading to verify", (report) =>
    loadKernelEngine(device, variant, weights, {
      inspect: true,
      poison: true,
      onProgress: (_, done, total) => report(done, total),
    }),
  );
  try {
    const compared = await verify({ ...variant, engine, inputs: part, weights });
    let sameScores = true;
    for (const { task, value } of variant.plan.outputs.filter(isScore)) {
      const verified = (await engine.read(value)).data;
      const timed = scores.get(task) ?? new Float32Array();
      const kept = gatherRows(timed, rows, timed.length / Math.max(1, inputs.candidates));
      sameScores &&=
        kept.every((score, i) => Object.is(score, verified[i])) ||
        // Storing a choice cuts kernels differently, and a device may round a fused product otherwise.
        (compared.choices.length > 0 && relativeError(kept, verified) <= compared.tolerance);
    }
    return {
      ...compared,
      ok: compared.ok && sameScores,
      requests: part.requests,
      candidates: part.candidates,
      sameScores,
    };
  } finally {
    engine.destroy();
  }
}

/** The first requests and the first of their candidates, and which candidates these are. */
function firstRows(
  features: readonly FeatureInfo[],
  inputs: ModelInputs,
): { rows: number[]; inputs: ModelInputs } {
  const requests = Math.min(inputs.requests, MAX_ROWS);
  const rows: number[] = [];
  for (let n = 0; n < inputs.candidates && rows.length < MAX_ROWS; n++) {
    if ((inputs.request[n] ?? 0) < requests) rows.push(n);
  }
  if (requests === inputs.requests && rows.length === inputs.candidates) return { rows, inputs };
  const kept = new Map<string, FeatureArray>();
  for (const { name, stage, shape } of features) {
    const values = inputs.features.get(name);
    if (values === undefined) continue;
    const unit = countOf(shape);
    kept.set(name, stage === "user" ? values.subarray(0, requests * unit) : gatherRows(values, rows, unit));
  }
  const request = Int32Array.from(rows, (row) => inputs.request[row] ?? 0);
  return { rows, inputs: { requests, candidates: rows.length, request, features: kept } };
}

function gatherRows(values: FeatureArray, rows: readonly number[], unit: number): FeatureArray {
  const out = values.slice(0, rows.length * unit);
  rows.forEach((row, i) => {
    out.set(values.subarray(row * unit, (row + 1) * unit), i * unit);
  });
  return out;
}
