/**
 * @file Verification: every kernel's output and every task's logits on the device against the f64 reference, which reads
 * the same weights. Logits are compared because a sigmoid hides errors where it is flat.
 *
 * The measure is the relative L2 error ‖device − reference‖ / ‖reference‖. A value that is not finite on one side
 * alone, and NaN on either, makes it infinite.
 */
import { evaluate } from "../../backends/reference/evaluate.ts";
import type { Graph, Operand, Stage } from "../ir/graph.ts";
import type { Plan } from "../ir/plan.ts";
import { evaluated } from "./engine/reference.ts";
import type { WebGpuEngine } from "./engine/webgpu.ts";
import { type ModelInputs, stageValues } from "./inputs.ts";
import type { WeightSource } from "./weights.ts";

/** The bound for models computed in f32. */
export const F32_TOLERANCE = 1e-5;

export interface Comparison {
  /** The kernel's or the task's name. */
  readonly name: string;
  /** The value that was compared. `scores` only where the task has no sigmoid or its logits are not stored. */
  readonly what: string;
  readonly stage: Stage;
  readonly elements: number;
  readonly error: number;
}

export interface Verification {
  readonly tolerance: number;
  readonly kernels: readonly Comparison[];
  readonly tasks: readonly Comparison[];
  /** The largest error of all. */
  readonly worst: number;
  readonly ok: boolean;
}

/** One value on the device and the node whose value it must be. */
interface Pair {
  readonly name: string;
  readonly what: string;
  readonly stage: Stage;
  readonly value: number;
  readonly operand: Operand;
}

/**
 * Runs the inputs through `engine` and compares. `engine` must have been loaded with `inspect` from a `plan` whose arena
 * slots are not reused, `graph` be the final graph, whose nodes `plan.values` name.
 */
export async function verify(given: {
  readonly engine: WebGpuEngine;
  readonly plan: Plan;
  readonly graph: Graph;
  readonly inputs: ModelInputs;
  readonly weights: WeightSource;
  readonly tolerance?: number;
}): Promise<Verification> {
  const { engine, plan, graph, inputs, weights, tolerance = F32_TOLERANCE } = given;
  const user = await engine.user(stageValues(plan.features, inputs, "user"), { requests: inputs.requests });
  const { request, candidates } = inputs;
  await engine.score(user, stageValues(plan.features, inputs, "item"), { request, candidates });

  const kernels = kernelPairs(plan);
  const tasks = taskPairs(plan, graph, kernels);
  const pairs = [...kernels, ...tasks];
  const call = { ...inputs, params: weights };
  const wanted = pairs.map((pair) => pair.operand);
  const references = evaluated(() => evaluate(graph, call, wanted));
  const compared: Comparison[] = [];
  for (const [i, { name, what, stage, value }] of pairs.entries()) {
    const { data } = await engine.read(value);
    const error = relativeError(data, references[i]?.data ?? []);
    compared.push({ name, what, stage, elements: data.length, error });
  }
  user.free();
  const worst = compared.reduce((most, { error }) => Math.max(most, error), 0);
  return {
    tolerance,
    kernels: compared.slice(0, kernels.length),
    tasks: compared.slice(kernels.length),
    worst,
    ok: worst <= tolerance,
  };
}

function kernelPairs(plan: Plan): Pair[] {
  const pairs: Pair[] = [];
  for (const stage of ["load", "user", "item"] as const) {
    for (const kernel of plan.kernels[stage]) {
      for (const { value, access } of kernel.buffers) {
        const planned = plan.values[value];
        if (access !== "write" || planned?.node === undefined) continue;
        pairs.push({ name: kernel.name, what: planned.name, stage, value, operand: { id: planned.node } });
      }
    }
  }
  return pairs;
}

/** Each task's logits where a kernel stores them, else its scores. */
function taskPairs(plan: Plan, graph: Graph, kernels: readonly Pair[]): Pair[] {
  return graph.outputs.map(({ name, value, logit }) => {
    const stored = logit && kernels.find((pair) => pair.operand.id === logit.id);
    if (stored !== undefined) return { ...stored, name, what: "logits" };
    const output = plan.outputs.find((each) => each.task === name);
    if (output === undefined) throw new Error(`internal: the plan has no output ${name}`);
    return { name, what: "scores", stage: "item", value: output.value, operand: value };
  });
}

/** ‖actual − expected‖ / ‖expected‖; the root mean square of `actual` where everything expected is 0. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i] ?? NaN, expected[i] ?? NaN];
    if (!Number.isFinite(a) || !Number.isFinite(e)) {
      if (a === e) continue;
      return Infinity;
    }
    difference += (a - e) ** 2;
    norm += e ** 2;
  }
  if (norm === 0) return difference === 0 ? 0 : Math.sqrt(difference / actual.length);
  return Math.sqrt(difference / norm);
}
