/**
 * @file Verification: every kernel's output and every task's logits on the device against the f64 reference, which reads
 * the same weights. Kernels are held to the final Graph, whose nodes they compute; tasks to the Graph as it was before any
 * pass, so that a wrong pass cannot hide. Logits are compared because a sigmoid hides errors where it is flat.
 * Discontinuous choices are read back and judged by `choices.ts`, and the reference goes on from them.
 *
 * Activations that products round (`inputs TYPE`) are such choices of the final Graph alone (followed.ts). With them a task is
 * compared in two steps: the device with the final Graph, which goes on from its roundings, and the final Graph with the one before any
 * pass, both as the reference evaluates them.
 *
 * The measure is the relative L2 error ‖device − reference‖ / ‖reference‖. A value that is not finite on one side
 * alone, and NaN on either, makes it infinite.
 */
import {
  type EvaluationInput,
  evaluate,
  type Rounding,
  type Tensor,
} from "../../backends/reference/evaluate.ts";
import { activeElements } from "../ir/activerows.ts";
import { choiceOf, evaluatedAt, withOperandsOf } from "../ir/choices.ts";
import { rounded } from "../ir/codecs/codec.ts";
import type { ComputeType, Graph, Node, Stage, StorageElement } from "../ir/graph.ts";
import type { Plan } from "../ir/plan.ts";
import { derivedNodes } from "../ir/storage.ts";
import { type ChoiceComparison, checkChoice } from "./choices.ts";
import { evaluated } from "./engine/reference.ts";
import type { Engine, ReadValue } from "./engine/types.ts";
import { type Followed, follow, storedNodes } from "./followed.ts";
import { type ModelInputs, stageValues } from "./inputs.ts";
import { storedEvaluation } from "./storedweights.ts";
import { countOf, type WeightSource } from "./weights.ts";

/** The bound for models computed in f32. */
const F32_TOLERANCE = 1e-5;

/**
 * The same where a device rounds what it computes to a narrow type: a value beside a tie may fall to its other side, which is
 * a whole step of the type.
 */
const ROUNDED_TOLERANCE: Readonly<Record<StorageElement | ComputeType, number>> = {
  f32: F32_TOLERANCE,
  f16: 3e-3,
  // As many bits of fraction as f16.
  tf32: 3e-3,
  bf16: 2e-2,
  int8: 1e-2,
  fp8_e4m3: 3e-2,
  fp8_e5m2: 6e-2,
};

/** The bound for what is computed in, or rounded to, `element`. */
export function toleranceFor(element: StorageElement | ComputeType): number {
  return ROUNDED_TOLERANCE[element];
}

/** Parameters are the same numbers for all and loosen nothing. */
export function toleranceOf({ params, precision }: Graph): number {
  const rounds = [
    precision.compute,
    ...precision.parts.map(({ compute }) => compute),
    ...params.flatMap(({ inputs = [] }) => inputs),
    ...precision.derived.flatMap(({ storage, inputs = [] }) => [storage.element, ...[inputs].flat()]),
  ];
  return rounds.reduce((most, element) => Math.max(most, toleranceFor(element)), F32_TOLERANCE);
}

export interface Comparison {
  /** The kernel's or the task's name. */
  readonly name: string;
  /** The value that was compared. `scores` only where the task has no sigmoid or its logits are not stored. */
  readonly what: string;
  readonly stage: Stage;
  readonly elements: number;
  readonly error: number;
}

/** An engine whose values can be read back after a call. */
export interface InspectedEngine extends Pick<Engine, "user" | "score"> {
  read(value: number): Promise<ReadValue>;
}

export interface Verification {
  readonly tolerance: number;
  /** Those that only store a choice are not among them: the reference follows the device there. */
  readonly kernels: readonly Comparison[];
  readonly tasks: readonly Comparison[];
  readonly choices: readonly ChoiceComparison[];
  /** The largest error of all. */
  readonly worst: number;
  readonly ok: boolean;
}

/**
 * Runs the inputs through `engine` and compares. `engine` must have been loaded with `inspect` from a `plan` whose arena
 * slots are not reused, `graph` be the final graph, whose nodes `plan.values` name, and `source` the graph that the passes
 * were given; choices are judged where they are among its outputs (`withChoices`).
 */
export async function verify(given: {
  readonly engine: InspectedEngine;
  readonly plan: Plan;
  readonly graph: Graph;
  readonly source: Graph;
  readonly inputs: ModelInputs;
  readonly weights: WeightSource;
  readonly tolerance?: number;
}): Promise<Verification> {
  const { engine, plan, inputs, weights, tolerance = toleranceOf(given.source) } = given;
  const user = await engine.user(stageValues(plan.features, inputs, "user"), { requests: inputs.requests });
  const { request, candidates } = inputs;
  await engine.score(user, stageValues(plan.features, inputs, "item"), { request, candidates });
  try {
    const { params, options } = storedEvaluation(given.source, weights);
    const run: Run = { ...given, call: { ...inputs, params }, rounding: options.rounding };
    const followed = await follow(run);
    const kernels = await compareKernels(run, followed);
    const judged = await judgeChoices(run);
    const tasks = await compareTasks(run, followed, judged.override);
    const choices = [...followed.roundings, ...judged.choices];
    const worst = [...kernels, ...tasks].reduce((most, { error }) => Math.max(most, error), 0);
    const ok = worst <= tolerance && choices.every(({ gap }) => gap <= tolerance);
    return { tolerance, kernels, tasks, choices, worst, ok };
  } finally {
    user.free();
  }
}

/** A call that the engine has run. */
interface Run {
  readonly engine: InspectedEngine;
  readonly plan: Plan;
  readonly graph: Graph;
  readonly source: Graph;
  readonly inputs: ModelInputs;
  readonly call: EvaluationInput;
  /** What storage does to values that are no parameters. */
  readonly rounding: Rounding | undefined;
}

/** What every kernel stored, against the final graph; nodes that choose take the device's values. */
async function compareKernels(
  { engine, plan, graph, call }: Run,
  { override }: Followed,
): Promise<Comparison[]> {
  const compared = storedNodes(plan).filter(({ operand }) => !override.has(operand.id));
  const wanted = compared.map(({ operand }) => operand);
  // The final graph rounds activations itself: what is left to do are load-stage values that are stored packed.
  const references = evaluated(() => evaluate(graph, call, wanted, { override, rounding: {} }));
  const derived = derivedNodes(graph);
  const comparisons: Comparison[] = [];
  for (const [i, { name, what, stage, value }] of compared.entries()) {
    const read = await engine.read(value);
    // The device computes the value; what the host packed of it is what the reference has.
    const line = derived.get(compared[i].operand.id);
    const data = line ? rounded(Float32Array.from(read.data), read.shape, line.storage) : read.data;
    const { rows } = plan.values[value];
    // Of a value at active rows, what the device's gate leaves on; the reference has all of it.
    const { stored, meant } = rows
      ? activeElements(rows, data, (await engine.read(rows.places)).data, references[i])
      : { stored: data, meant: references[i].data };
    comparisons.push({ name, what, stage, elements: stored.length, error: relativeError(stored, meant) });
  }
  return comparisons;
}

/** The choices that `source` names, and what the reference goes on from at those nodes. */
async function judgeChoices({ engine, plan, source, inputs, call, rounding }: Run) {
  const chosen: { readonly node: Node; readonly samples: Samples; readonly values: ArrayLike<number> }[] = [];
  const override = new Map<number, Tensor>();
  for (const output of source.outputs) {
    const id = choiceOf(output);
    if (id === undefined) continue;
    const node = source.nodes[id];
    const samples = samplesOf(node, inputs);
    const { data } = await engine.read(outputValue(plan, output.name));
    const values = pickRows(data, samples.candidate, samples.unit);
    chosen.push({ node, samples, values });
    override.set(id, tensorOf(node, samples, values));
  }
  const ids = chosen.map(({ node }) => node.id);
  const { graph, operands } = withOperandsOf(source, ids);
  const options = { override, ...(rounding && { rounding }) };
  const scores = evaluated(() => evaluate(graph, call, operands.flat(), options));
  const choices = chosen.map(({ node, samples, values }): ChoiceComparison => {
    const seen = scores.splice(0, node.inputs.length).map((tensor): Tensor => {
      const unit = tensor.data.length / samples.count;
      return { ...tensor, data: pickRows(tensor.data, samples.sample, unit) };
    });
    const checked = checkChoice(node, values, seen, samples.sample.length);
    override.set(node.id, tensorOf(node, samples, checked.values));
    const stage = (["load", "user", "item"] as const)[evaluatedAt(node) - 1];
    const what = node.op.kind === "pointwise" ? node.op.fn : node.op.kind;
    const { choices: count, differing, gap } = checked;
    return { name: node.path, what, stage, choices: count, differing, gap };
  });
  return { choices, override };
}

/**
 * Where the samples of a node are found. The device stores an output for every candidate, whatever its stage; the reference has
 * one sample at load, one a request or one a candidate. The choice of a request without candidates is not seen.
 */
interface Samples {
  readonly count: number;
  readonly unit: number;
  /** The samples that a candidate shows, and that candidate. */
  readonly sample: readonly number[];
  readonly candidate: readonly number[];
}

function samplesOf(node: Node, { requests, candidates, request }: ModelInputs): Samples {
  const level = evaluatedAt(node);
  const count = level === 1 ? 1 : level === 2 ? requests : candidates;
  const first = new Map<number, number>();
  for (let n = 0; n < candidates; n++) {
    const sample = level === 1 ? 0 : level === 2 ? request[n] : n;
    if (!first.has(sample)) first.set(sample, n);
  }
  const unit = countOf(node.type.shape as readonly number[]);
  return { count, unit, sample: [...first.keys()], candidate: [...first.values()] };
}

function pickRows(data: ArrayLike<number>, rows: readonly number[], unit: number): Float64Array {
  const picked = new Float64Array(rows.length * unit);
  for (const [i, row] of rows.entries()) {
    for (let k = 0; k < unit; k++) picked[i * unit + k] = data[row * unit + k];
  }
  return picked;
}

/** A node's value for the reference; samples that no candidate shows are zeros, which no task reads. */
function tensorOf(node: Node, { count, unit, sample }: Samples, values: ArrayLike<number>): Tensor {
  const data = new Float64Array(count * unit);
  for (const [i, row] of sample.entries()) {
    for (let k = 0; k < unit; k++) data[row * unit + k] = values[i * unit + k];
  }
  return { shape: [count, ...(node.type.shape as readonly number[])], dtype: node.type.dtype, data };
}

/** Each task's logits where a kernel stores them, else its scores, against the model as it was before any pass. */
async function compareTasks(
  { engine, plan, graph, source, inputs, call, rounding }: Run,
  { override, roundings }: Followed,
  chosen: ReadonlyMap<number, Tensor>,
): Promise<Comparison[]> {
  const tasks = source.outputs.filter((output) => choiceOf(output) === undefined);
  const pairs = tasks.map(({ name, value, logit }) => {
    const stored = plan.outputs.find((output) => output.task === `${name}#logit`);
    return logit !== undefined && stored !== undefined
      ? { name, what: "logits", value: stored.value, operand: logit }
      : { name, what: "scores", value: outputValue(plan, name), operand: value };
  });
  const rounds = roundings.length > 0;
  const meant = evaluated(() =>
    evaluate(
      source,
      call,
      pairs.map(({ operand }) => operand),
      { ...(!rounds && { override: chosen }), ...(rounding && { rounding }) },
    ),
  );
  const finals = pairs.map(({ value }) => ({ id: plan.values[value].node ?? -1 }));
  const [unrounded, rounded] = [{}, { override }].map((given) =>
    rounds ? evaluated(() => evaluate(graph, call, finals, { ...given, rounding: {} })) : [],
  );
  const comparisons: Comparison[] = [];
  for (const [i, { name, what, value, operand }] of pairs.entries()) {
    const { data } = await engine.read(value);
    const expected = perCandidate(meant[i].data, source.nodes[operand.id], inputs, data.length);
    const error = rounds
      ? Math.max(relativeError(data, rounded[i].data), relativeError(unrounded[i].data, expected))
      : relativeError(data, expected);
    comparisons.push({ name, what, stage: "item", elements: data.length, error });
  }
  return comparisons;
}

/** The reference has a score that depends on no candidate once, or once a request. */
function perCandidate(
  data: ArrayLike<number>,
  node: Node,
  { candidates, request }: ModelInputs,
  length: number,
): ArrayLike<number> {
  const level = evaluatedAt(node);
  if (level === 3 || candidates === 0) return level === 3 ? data : [];
  const rows = Array.from({ length: candidates }, (_, n) => (level === 1 ? 0 : request[n]));
  return pickRows(data, rows, length / candidates);
}

function outputValue(plan: Plan, name: string): number {
  const output = plan.outputs.find(({ task }) => task === name);
  if (output === undefined) throw new Error(`internal: the plan has no output ${name}`);
  return output.value;
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
