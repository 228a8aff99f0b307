/** @file What `rmxc quantize` says, as text and as JSON. */
import { storageText } from "../../ir/storage.ts";
import type { TensorReport } from "../../quantize/convert.ts";
import { countOf } from "../../runtime/weights.ts";
import { bytes, figure, plural, table } from "../text.ts";
import type { QuantizeResult } from "./session.ts";

export function describeQuantize(result: QuantizeResult): string {
  return [
    tensorTable(result.tensors),
    totals(result),
    ...(result.inputScales.size > 0 ? [inputTable(result)] : []),
    scoreText(result),
    ...(result.advice.length > 0 ? [adviceText(result)] : []),
  ].join("\n\n");
}

function converted({ tensors }: Pick<QuantizeResult, "tensors">) {
  return tensors.flatMap(({ error, ...rest }) => (error === undefined ? [] : [{ ...rest, error }]));
}

/** The worst first: who reads on wants to know what to change. */
function tensorTable(tensors: readonly TensorReport[]): string {
  const rows = converted({ tensors })
    .toSorted((a, b) => a.error.sqnr - b.error.sqnr)
    .map(({ param, bytes: size, error }) => [
      param.path,
      storageText(param.storage),
      error.maxError.toPrecision(3),
      `${(100 * error.relativeError).toPrecision(3)} %`,
      decibels(error.sqnr),
      error.outliers === 0 ? "" : figure(error.outliers),
      error.clipped === 0 ? "" : figure(error.clipped),
      bytes(size.after),
      `${(size.before / size.after).toFixed(2)}×`,
      error.values < countOf(param.shape) ? `a sample of ${figure(error.values)}` : "",
    ]);
  const header = ["parameter", "stored as", "max error", "rms error", "SQNR", "outliers", "clipped", "bytes"];
  return table([...header, "smaller", ""], rows, [
    "left",
    "left",
    ...Array.from({ length: 7 }, () => "right" as const),
    "left",
  ]);
}

function totals({ tensors }: QuantizeResult): string {
  const sum = (of: (bytes: TensorReport["bytes"]) => number): number =>
    tensors.reduce((total, each) => total + of(each.bytes), 0);
  const [before, after] = [sum((size) => size.before), sum((size) => size.after)];
  const count = converted({ tensors }).length;
  const kept = tensors.length - count;
  return (
    `${plural(count, "parameter")} converted, ${kept} stay in f32: ` +
    `${bytes(before)} before, ${bytes(after)} now, ${bytes(before - after)} saved`
  );
}

function inputTable({ inputScales }: QuantizeResult): string {
  return table(
    ["activations read with", "scale"],
    [...inputScales].map(([path, scale]) => [path, scale.toPrecision(4)]),
    ["left", "right"],
  );
}

function scoreText({ scores, flops }: QuantizeResult): string {
  if (scores === undefined) {
    return `scores: not compared, a candidate takes the reference ${figure(flops)} FLOPs; --candidates N compares N`;
  }
  const { tasks, candidates, requests } = scores;
  const rows = tasks.map((each) => [
    each.task,
    each.maxError.toPrecision(3),
    each.relativeError.toPrecision(3),
    Number.isNaN(each.tau) ? "" : each.tau.toFixed(4),
    `${(100 * each.swapped).toPrecision(3)} %`,
    Number.isNaN(each.top10) ? "" : `${(100 * each.top10).toFixed(0)} %`,
  ]);
  const header = ["task", "max error", "logits, rel. L2", "Kendall's tau", "pairs swapped", "same top 10"];
  const of = `${plural(candidates, "candidate")} of ${plural(requests, "request")}, in the reference`;
  return `${of}:\n${table(header, rows, ["left", "right", "right", "right", "right", "right"])}`;
}

function adviceText({ advice }: QuantizeResult): string {
  return advice
    .flatMap(({ path, problem, instead }) => [
      `${path}: ${problem}`,
      ...instead.map((line, i) => `  ${i === 0 ? "try" : "or "} ${line}`),
    ])
    .join("\n");
}

function decibels(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(1)} dB` : "exact";
}

export function quantizeJson({ model, tensors, inputScales, advice, scores, flops }: QuantizeResult) {
  return {
    model,
    parameters: tensors.map(({ param, bytes: size, error }) => ({
      path: param.path,
      shape: param.shape,
      type: storageText(param.storage),
      bytes: size,
      ...(error && { error }),
    })),
    inputScales: Object.fromEntries(inputScales),
    flopsPerCandidate: flops,
    scores: scores && {
      requests: scores.requests,
      candidates: scores.candidates,
      tasks: scores.tasks.map(({ given: _, stored: __, ...figures }) => figures),
    },
    advice,
  };
}
