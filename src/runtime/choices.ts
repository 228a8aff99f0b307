/**
 * @file Whether a device's discontinuous choices are right. A choice may differ from the reference's only where the
 * reference's own scores are nearly tied: what was chosen must be within tolerance of the best, relative to the scale of the
 * scores it was chosen from. The reference then goes on from the device's choice, so that one legitimate difference does
 * not show as an error of everything behind it.
 */
import type { Tensor } from "../../backends/reference/evaluate.ts";
import { isChoice } from "../ir/choices.ts";
import type { Graph, Node, Stage } from "../ir/graph.ts";
import { scalarFns } from "../ir/scalar.ts";
import { countOf } from "./weights.ts";

/** How a node's choices on the device compare with the reference's. */
export interface CheckedChoice {
  /** Choices made: one a row of a `top_k`, one an element of everything else. */
  readonly choices: number;
  /** How many of them are not the reference's. */
  readonly differing: number;
  /** The largest distance of a differing choice from being the reference's as well, relative to the scale of its row. */
  readonly gap: number;
  /** What the reference goes on from. */
  readonly values: Float64Array;
}

/** A node's discontinuous choices on the device, against the reference's. */
export interface ChoiceComparison {
  /** The node's path. */
  readonly name: string;
  /** `top_k_mask`, `lt`, `floor`, `round_e4m3`, … */
  readonly what: string;
  readonly stage: Stage;
  readonly choices: number;
  /** How many are not the reference's own. */
  readonly differing: number;
  /** The largest distance of one of those from a tie, relative to the scale of its row; of all together where numbers are rounded. */
  readonly gap: number;
}

/**
 * Checks `rows` samples of the node's result, `chosen`, against `operands`, the reference's values of what it chose from, as
 * the op sees them and each with `rows` samples.
 */
export function checkChoice(
  node: Node,
  chosen: ArrayLike<number>,
  operands: readonly Tensor[],
  rows: number,
): CheckedChoice {
  const { op } = node;
  const shape = node.type.shape as readonly number[];
  if (op.kind === "top_k_mask" || op.kind === "top_k_index") {
    const [scores] = operands;
    const size = scores.shape[scores.shape.length - shape.length + op.axis];
    return checkTopK(op, chosen, scores.data, shape.with(op.axis, size), rows);
  }
  if (op.kind === "pointwise") return checkPointwise(op.fn, chosen, operands, shape, rows);
  throw new Error(`internal: ${op.kind} makes no choice`);
}

/**
 * Checks what became of the numbers `x` where `fn` rounds them; `units`: what x was divided by before, element by element. They are many,
 * and of each a little is wrong: the gap is that of all together, √(Σ distance² / Σ x²), as the error of a kernel's output is.
 */
export function checkRounding(
  fn: PointwiseFn,
  chosen: ArrayLike<number>,
  { data }: Tensor,
  units?: ArrayLike<number>,
): CheckedChoice {
  let differing = 0;
  let away = 0;
  let norm = 0;
  for (let i = 0; i < data.length; i++) {
    const verdict = judge(fn, [data[i]], chosen[i]);
    const unit = units?.[i] ?? 1;
    if (verdict.differs) differing++;
    away += (verdict.distance * unit) ** 2;
    if (Number.isFinite(verdict.size)) norm += (verdict.size * unit) ** 2;
  }
  const gap = away === 0 ? 0 : Math.sqrt(away / norm);
  return { choices: data.length, differing, gap, values: Float64Array.from(chosen) };
}

type TopK = Extract<Node["op"], { kind: "top_k_mask" | "top_k_index" }>;

function checkTopK(
  op: TopK,
  chosen: ArrayLike<number>,
  scores: ArrayLike<number>,
  shape: readonly number[],
  rows: number,
): CheckedChoice {
  const size = shape[op.axis];
  const inner = countOf(shape.slice(op.axis + 1));
  const lines = rows * countOf(shape.slice(0, op.axis)) * inner;
  const kept = op.kind === "top_k_mask" ? size : op.k;
  const spread = rootMeanSquare(scores);
  let differing = 0;
  let gap = 0;
  for (let line = 0; line < lines; line++) {
    const outer = Math.floor(line / inner);
    const at = line % inner;
    const row = Array.from({ length: size }, (_, i) => scores[(outer * size + i) * inner + at]);
    const entries = Array.from({ length: kept }, (_, i) => chosen[(outer * kept + i) * inner + at]);
    const order = ranking(row);
    const best = order.slice(0, op.k);
    const picked = op.kind === "top_k_index" ? entries : order.filter((i) => entries[i] !== 0);
    const same =
      op.kind === "top_k_index"
        ? best.every((i, j) => i === picked[j])
        : picked.length === op.k && best.every((i) => entries[i] !== 0);
    if (same) continue;
    differing++;
    gap = Math.max(gap, selectionGap(row, best, picked, spread));
  }
  return { choices: lines, differing, gap, values: Float64Array.from(chosen) };
}

/** How far the picked scores are from the best, place by place; infinite where the picked are no selection at all. */
function selectionGap(
  row: readonly number[],
  best: readonly number[],
  picked: readonly number[],
  spread: number,
): number {
  const valid = picked.every((i) => Number.isInteger(i) && i >= 0 && i < row.length);
  if (!valid || picked.length !== best.length || new Set(picked).size !== best.length) return Infinity;
  const scale = Math.max(spread, largest(row));
  return best.reduce((most, i, j) => Math.max(most, relative(distance(row[i], row[picked[j]]), scale)), 0);
}

/** Positions along the row, best first; equal scores: the lower index first, as the language says. */
function ranking(row: readonly number[]): number[] {
  return row.map((_, i) => i).sort((i, j) => (row[i] === row[j] ? i - j : row[j] > row[i] ? 1 : -1));
}

type PointwiseFn = Extract<Node["op"], { kind: "pointwise" }>["fn"];

function checkPointwise(
  fn: PointwiseFn,
  chosen: ArrayLike<number>,
  operands: readonly Tensor[],
  shape: readonly number[],
  rows: number,
): CheckedChoice {
  const total = rows * countOf(shape);
  const along = shape.length === 0 ? 1 : shape[shape.length - 1];
  const sizes = new Float64Array(total);
  const distances = new Float64Array(total);
  const values = new Float64Array(total);
  let differing = 0;
  for (let i = 0; i < total; i++) {
    const verdict = judge(
      fn,
      operands.map(({ data }) => data[i]),
      chosen[i],
    );
    if (verdict.differs) differing++;
    sizes[i] = verdict.size;
    distances[i] = verdict.distance;
    values[i] = verdict.value;
  }
  const spread = rootMeanSquare(sizes);
  let gap = 0;
  for (let start = 0; start < total; start += along) {
    const scale = Math.max(spread, largest(sizes.subarray(start, start + along)));
    for (const each of distances.subarray(start, start + along)) gap = Math.max(gap, relative(each, scale));
  }
  return { choices: total, differing, gap, values };
}

/** One element's choice. */
interface Verdict {
  readonly differs: boolean;
  /** How far what was compared is from giving the device's choice, and its magnitude. */
  readonly distance: number;
  readonly size: number;
  /** What the reference goes on from. */
  readonly value: number;
}

function judge(fn: PointwiseFn, args: readonly number[], got: number): Verdict {
  const [a, b] = args;
  switch (fn) {
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge": {
      const differs = got !== scalarFns[fn].evaluate(a, b);
      const size = Math.max(Math.abs(a), Math.abs(b));
      return { differs, distance: differs ? distance(a, b) : 0, size, value: got };
    }
    case "floordiv":
      return step(Math.floor(a / b), a / b, got, got, got + 1);
    case "mod":
      return judgeMod(a, b, got);
    case "floor":
      return step(Math.floor(a), a, got, got, got + 1);
    case "sign":
      return step(Math.sign(a), a, got, got > 0 ? 0 : -Infinity, got < 0 ? 0 : Infinity, got === 0);
    case "to_i32":
      return step(scalarFns.to_i32.evaluate(a), a, got, got > 0 ? got : got - 1, got < 0 ? got : got + 1);
    case "to_bool":
      return step(a === 0 ? 0 : 1, a, got, -Infinity, Infinity, got === 0);
    case "round_f16":
    case "round_bf16":
    case "round_int8":
    case "round_e4m3":
    case "round_e5m2":
      return rounding(scalarFns[fn].evaluate, a, got);
    default:
      throw new Error(`internal: ${fn} makes no choice`);
  }
}

/** Halvings after which two f64 have met. */
const HALVINGS = 64;

/** A number rounded to `got`: how far the nearest one that `round` takes there is from it. */
function rounding(round: (x: number) => number, x: number, got: number): Verdict {
  const size = Math.abs(x);
  const expected = round(x);
  const differs = !Object.is(expected, got) && expected !== got;
  if (!differs) return { differs, distance: 0, size, value: got };
  if (round(got) !== got || !Number.isFinite(x)) return { differs, distance: Infinity, size, value: got };
  // All between the tie and `got` are rounded to it, and none on the side of `x`.
  let [away, there] = [x, got];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = away + (there - away) / 2;
    if (round(middle) === got) there = middle;
    else away = middle;
  }
  return { differs, distance: Math.abs(there - x), size, value: got };
}

/** A step function that gives `got` on [from, to], or at 0 alone. */
function step(expected: number, x: number, got: number, from: number, to: number, atZero = false): Verdict {
  const size = Math.abs(x);
  if (got === expected) return { differs: false, distance: 0, size, value: got };
  const away = atZero ? size : Math.max(from - x, x - to, 0);
  return {
    differs: true,
    distance: Number.isInteger(got) && !Number.isNaN(away) ? away : Infinity,
    size,
    value: got,
  };
}

/** a − b·⌊a / b⌋ jumps by b where a / b is an integer: the choice is the quotient, the rest is arithmetic. */
function judgeMod(a: number, b: number, got: number): Verdict {
  const quotient = a / b;
  const whole = Math.floor(quotient);
  const off = (k: number): number => Math.abs(a - b * k - got);
  const k = [whole, whole - 1, whole + 1].reduce((best, other) => (off(other) < off(best) ? other : best));
  const value = a - b * k;
  const jump = k === whole ? 0 : Math.max(k - quotient, quotient - k - 1);
  const away = Math.max(jump, Math.abs((value - got) / b));
  return {
    differs: k !== whole,
    distance: Number.isNaN(away) ? Infinity : away,
    size: Math.abs(quotient),
    value,
  };
}

/** |a − b|; equal infinities are no distance apart. */
function distance(a: number, b: number): number {
  if (a === b) return 0;
  const away = Math.abs(a - b);
  return Number.isNaN(away) ? Infinity : away;
}

function relative(away: number, scale: number): number {
  return away === 0 ? 0 : away / scale;
}

/** Of the finite values; masked scores are −∞. */
function rootMeanSquare(values: ArrayLike<number>): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) continue;
    sum += values[i] ** 2;
    count++;
  }
  return count === 0 ? 0 : Math.sqrt(sum / count);
}

/** The largest finite magnitude. */
function largest(values: Iterable<number>): number {
  let most = 0;
  for (const value of values) if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  return most;
}

/**
 * The stored nodes of a final Graph whose kernels choose by inexact numbers, by themselves or through what they compute
 * inline. They follow the device; `checkChoice` has judged the choices.
 */
export function choosingNodes(
  graph: Graph,
  exact: readonly boolean[],
  stored: ReadonlySet<number>,
): number[] {
  const chooses: boolean[] = [];
  for (const node of graph.nodes) {
    chooses.push(isChoice(node, exact) || node.inputs.some(({ id }) => !stored.has(id) && chooses[id]));
  }
  return [...stored].filter((id) => chooses[id]).sort((a, b) => a - b);
}
