/** @file What `rmxc run` says of a run, as text and as JSON. */
import { storedText } from "../precision.ts";
import { figure, plural, seconds, table } from "../text.ts";
import type { RunResult } from "./session.ts";
import type { Verification } from "./verification.ts";

/** Scores shown of each task. */
const SHOWN = 4;
/** Kernels shown of a verification, the worst. */
const WORST = 5;

export function describeRun(result: RunResult): string {
  const { request } = result;
  const { device, requests, candidates } = result;
  const data = `${plural(requests, "request")}, ${plural(candidates, "candidate")}`;
  const head = [
    ["device", `${device.name} (${device.kind})`],
    ["model", `${result.model}, ${figure(result.parameters)} parameters, ${storedText(result.precision)}`],
    ["weights", request.weights ?? `drawn, seed ${request.seed}`],
    ["inputs", `${data}, ${request.input ?? `drawn, seed ${request.seed}`}`],
  ];
  const width = Math.max(...head.map(([label = ""]) => label.length));
  const sections = [
    head.map(([label = "", text = ""]) => `${label.padEnd(width)}  ${text}`).join("\n"),
    taskTable(result),
    stageTable(result),
  ];
  if (result.verification !== undefined) sections.push(verificationText(result.verification));
  return sections.join("\n\n");
}

function taskTable(result: RunResult): string {
  const rows = taskScores(result).map(({ task, first, min, max, count }) => [
    task,
    count === 0 ? "none" : `${first.map(shortNumber).join("  ")}${count > first.length ? "  …" : ""}`,
    count === 0 ? "" : `${shortNumber(min)} … ${shortNumber(max)}`,
  ]);
  return table(["task", "first scores", "range"], rows, ["left", "left", "left"]);
}

function stageTable({ device, seconds: time, candidates, requests }: RunResult): string {
  const loading =
    device.kind === "reference"
      ? "parameters are read as they are needed"
      : "pipelines, weights and what depends on them alone; once";
  const rate = candidates > 0 ? `${figure(candidates / time.item)} candidates/s` : "";
  return table(
    ["stage", "time", ""],
    [
      ["load", seconds(time.load), loading],
      ["user", seconds(time.user), `${plural(requests, "request")}, median of a few calls`],
      [
        "item",
        seconds(time.item),
        `${plural(candidates, "candidate")}, median of a few calls${rate && `; ${rate}`}`,
      ],
    ],
    ["left", "right", "left"],
  );
}

function verificationText(verification: Verification): string {
  const { kernels, tasks, tolerance, ok, sameScores } = verification;
  const worst = [...kernels].sort((a, b) => b.error - a.error).slice(0, WORST);
  const rows = [...tasks, ...worst].map(({ name, what, error }) => [
    what === name ? name : `${name}: ${what}`,
    error.toExponential(1),
  ]);
  const hidden = kernels.length - worst.length;
  const lines = [
    table(["against the f64 reference", "relative error (L2)"], rows, ["left", "right"]),
    ...(hidden > 0 ? [`and ${plural(hidden, "kernel output")} with smaller errors`] : []),
    "",
    `largest error: ${largest(tasks)} of the tasks, ${largest(kernels)} of the kernel outputs, ` +
      `of ${plural(verification.candidates, "candidate")}; at most ${tolerance.toExponential()} is right: ${ok ? "passed" : "FAILED"}`,
  ];
  lines.push(...choiceLines(verification));
  if (!sameScores) lines.push("FAILED: the timed run's scores are not the verified ones");
  return lines.join("\n");
}

/** Discontinuous choices: only those of a node where some differ are named. */
function choiceLines({ choices, tolerance }: Verification): string[] {
  if (choices.length === 0) return [];
  const sum = (of: (row: (typeof choices)[number]) => number) =>
    choices.reduce((total, row) => total + of(row), 0);
  const made = sum((row) => row.choices);
  const differing = sum((row) => row.differing);
  const worst = Math.max(...choices.map((row) => row.gap));
  const head = `discontinuous choices: ${differing.toLocaleString("en-US")} of ${made.toLocaleString("en-US")} differ from the reference's`;
  if (differing === 0) return [head];
  const verdict = worst <= tolerance ? "passed" : "FAILED";
  return [
    `${head}; the furthest is ${worst.toExponential(1)} from a tie: ${verdict}`,
    ...choices
      .filter((row) => row.differing > 0)
      .map(
        (row) =>
          `  ${row.name}: ${row.what}, ${row.differing} of ${row.choices}, ${row.gap.toExponential(1)} from a tie`,
      ),
  ];
}

function largest(rows: Verification["kernels"]): string {
  return rows.length === 0 ? "none" : Math.max(...rows.map((row) => row.error)).toExponential(1);
}

function taskScores({ outputs, scores }: RunResult) {
  return outputs.map(({ task }) => {
    const values = scores.get(task) ?? new Float32Array();
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (const value of values) {
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
    return { task, first: [...values.subarray(0, SHOWN)], min, max, count: values.length };
  });
}

function shortNumber(value: number): string {
  return value.toPrecision(5);
}

export function runJson(result: RunResult) {
  const { device, model, parameters, requests, candidates, seconds: time, verification } = result;
  return {
    ok: verification?.ok ?? true,
    device,
    model,
    parameters,
    requests,
    candidates,
    tasks: taskScores(result),
    seconds: time,
    ...(verification !== undefined && { verification }),
  };
}
