/**
 * @file Every example, exported and run by ONNX Runtime on the CPU, gives the scores of the f64 reference: an implementation of every
 * op that shares no code with ours. Discontinuous choices are outputs too, are judged, and the reference goes on from them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { LAYOUTS, type OnnxLayout } from "../../backends/onnx/layouts.ts";
import { encodeModel } from "../../backends/onnx/schema.ts";
import { evaluate, type Tensor } from "../../backends/reference/evaluate.ts";
import { onnxModel } from "../../src/export.ts";
import { choiceOf, evaluatedAt, withChoices, withOperandsOf } from "../../src/ir/choices.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { checkChoice } from "../../src/runtime/choices.ts";
import { drawnWeights } from "../../src/runtime/drawn.ts";
import { drawnInputs } from "../../src/runtime/drawninputs.ts";
import type { ModelInputs } from "../../src/runtime/inputs.ts";
import { relativeError } from "../../src/runtime/verify.ts";
import { openModel, runModel } from "../support/onnxruntime.ts";
import { F32, graphOfSpec } from "../support/zoo.ts";

const folder = resolve(import.meta.dirname, "../../examples");
const examples = readdirSync(folder).filter((name) => name.endsWith(".rmx"));

/** Sizes where the head of the spec names none and its own are large. */
const SMALLER: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "rankmixer.rmx": { D: "64" },
};

/** The example at the small size that its head names, tables of a million rows and more cut to 997. */
function smallGraph(file: string): Graph {
  const text = readFileSync(join(folder, file), "utf8");
  const [line = ""] = /^\/\/.*\brmxc run .*$/m.exec(text) ?? [];
  const set = [...line.matchAll(/--set (\w+)=(\S+)/g)].map(([, name, value]) => [name, value]);
  const small = text.replaceAll(/\b\d+_000_000\b/g, "997");
  return graphOfSpec(small, { ...Object.fromEntries(set), ...SMALLER[file] });
}

interface Case {
  readonly requests: number;
  readonly candidates: number;
  readonly reuse: boolean;
  readonly layout: OnnxLayout;
}

const calls = (reuse: boolean, layout: OnnxLayout, sizes: readonly (readonly [number, number])[]): Case[] =>
  sizes.map(([requests, candidates]) => ({ requests, candidates, reuse, layout }));

const [fast, other] = LAYOUTS;
const forms: readonly (readonly Case[])[] = [
  calls(
    true,
    fast,
    [1, 3].flatMap((requests) => [1, 7].map((candidates) => [requests, candidates] as const)),
  ),
  calls(false, fast, [
    [1, 1],
    [7, 7],
  ]),
  calls(true, other, [[3, 7]]),
];

describe.each(examples)("%s", (file) => {
  const graph = withChoices(smallGraph(file));
  const weights = drawnWeights(graph.params, { seed: 1, perturb: true });

  it.each(forms)("gives the reference's scores with reuse $reuse and layout $layout", async (...cases) => {
    const [{ reuse, layout }] = cases;
    const model = onnxModel(graph, weights, { reuse, layout, logits: true });
    const session = await openModel(encodeModel(model));
    try {
      for (const { requests, candidates } of cases) {
        const inputs = drawnInputs(graph.features, { requests, candidates, seed: 1 + candidates });
        const results = await runModel(session, model, inputs);
        const values = new Map([...results].map(([name, { data }]) => [name, Float64Array.from(data)]));
        expectScores(graph, weights, inputs, values);
      }
    } finally {
      await session.release();
    }
  });
});

/** Holds each task's logit, or its score where it has none, against the reference after the model's own choices. */
function expectScores(
  graph: Graph,
  params: { read(path: string, start: number, count: number): ArrayLike<number> },
  inputs: ModelInputs,
  values: ReadonlyMap<string, Float64Array>,
): void {
  const call = { ...inputs, params };
  const choices = graph.outputs.flatMap((output) => {
    const id = choiceOf(output);
    return id === undefined ? [] : [{ id, data: outputOf(values, output.name) }];
  });
  const ids = choices.map(({ id }) => id);
  const own = evaluate(
    graph,
    call,
    ids.map((id) => ({ id })),
  );
  const override = new Map(
    choices.map(({ id, data }, k) => [id, asStored(graph, id, inputs, data, own[k].data)]),
  );
  const { graph: wide, operands } = withOperandsOf(graph, ids);
  const seen = evaluate(wide, call, operands.flat(), { override });
  for (const [id, { data }] of override) {
    const node = graph.nodes[id];
    const { gap } = checkChoice(node, data, seen.splice(0, node.inputs.length), rowsOf(graph, id, inputs));
    expect(gap, `${node.path}: distance from a tie`).toBeLessThanOrEqual(F32);
  }
  const tasks = graph.outputs.filter((output) => choiceOf(output) === undefined);
  const wanted = tasks.map(({ value, logit }) => logit ?? value);
  const meant = evaluate(graph, call, wanted, { override });
  for (const [k, { name, logit }] of tasks.entries()) {
    const got = outputOf(values, logit ? `${name}.logit` : name);
    const { data } = meant[k];
    const all = Float64Array.from(got, (_, i) => data[i % data.length]);
    expect(got.length % data.length, name).toBe(0);
    expect(scaledError(got, all), name).toBeLessThanOrEqual(F32);
  }
}

/** Relative L2 error; a logit that happens to lie near 0 is the difference of terms whose scale is at least 1. */
function scaledError(got: Float64Array, meant: Float64Array): number {
  const norm = Math.hypot(...meant);
  return (relativeError(got, meant) * norm) / Math.max(norm, Math.sqrt(meant.length));
}

function outputOf(values: ReadonlyMap<string, Float64Array>, name: string): Float64Array {
  const found = values.get(name);
  if (found === undefined) throw new Error(`the model has no output ${name}`);
  return found;
}

function rowsOf(graph: Graph, id: number, { requests, candidates }: ModelInputs): number {
  return [1, requests, candidates][evaluatedAt(graph.nodes[id]) - 1];
}

/**
 * A choice as the reference holds it: one sample at load, one a request or one a candidate. An output has a row a candidate; the
 * choice of a request without candidates is not seen, and stays the reference's `own`.
 */
function asStored(
  graph: Graph,
  id: number,
  inputs: ModelInputs,
  data: Float64Array,
  own: ArrayLike<number>,
): Tensor {
  const { type } = graph.nodes[id];
  const shape = type.shape.map(Number);
  const unit = shape.reduce((product, extent) => product * extent, 1);
  const level = evaluatedAt(graph.nodes[id]);
  const count = rowsOf(graph, id, inputs);
  const stored = Float64Array.from(own);
  for (let row = 0; row < count; row++) {
    const candidate = level === 3 ? row : level === 2 ? inputs.request.indexOf(row) : 0;
    if (candidate >= 0) stored.set(data.subarray(candidate * unit, (candidate + 1) * unit), row * unit);
  }
  return { shape: [count, ...shape], dtype: type.dtype, data: stored };
}
