/**
 * @file A norm before a product becomes row statistics applied after it, where that lets a request's share of the product
 * survive. With z = (y − μ)/σ · γ + β along the contracted axis:
 *
 *     z W  =  ( (y γ) W  −  μ · (γ W) ) / σ  +  β W
 *
 * γW and βW depend on parameters alone. If y is the concatenation of the user's channels and the candidate's (a row after
 * token mixing), (yγ)W is a sum that `split-stages` cuts in two, and the user's part is computed once a request; the
 * normalised z would have mixed both in every channel.
 */
import { axesOf, axis, int } from "../../src/ir/expr.ts";
import type { Node, Op, Operand } from "../../src/ir/graph.ts";
import type { IndexMap } from "../../src/ir/indexmap.ts";
import { maxLevel, pieces, type StageTable } from "../../src/ir/stage.ts";
import type { About, Rewriter } from "../rewrite.ts";
import { through } from "../rewrite.ts";

type Einsum = Extract<Op, { kind: "einsum" }>;

/** z = normalize(y) · gain + bias, as found before a product. */
interface Norm {
  readonly op: Extract<Op, { kind: "normalize" }>;
  readonly y: Operand;
  readonly gain?: Operand;
  readonly bias?: Operand;
}

/** The rewritten product; undefined where nothing would be saved or the form is another. */
export function normAfterProduct(node: Node, op: Einsum, out: Rewriter): Operand | undefined {
  if (node.inputs.length !== 2) return undefined;
  for (const k of [0, 1]) {
    const weight = out.operand(node.inputs[1 - k]);
    if (maxLevel(out.stageOf(weight)) > 1) continue;
    const labels = op.operands[k];
    const summed = labels.filter((l) => !op.out.includes(l));
    if (summed.length !== 1 || labels[labels.length - 1] !== summed[0]) continue;
    const norm = normOf(out.operand(node.inputs[k]), out);
    if (!norm || !hasEarlyChannels(out.stageOf(norm.y))) continue;
    return rewrite(node, op, k, norm, weight, out);
  }
  return undefined;
}

function rewrite(node: Node, op: Einsum, k: number, norm: Norm, weight: Operand, out: Rewriter): Operand {
  const about: About = { path: node.path, origin: node.origin };
  const labels = op.operands[k];
  const product = (x: Operand): Operand => out.derive(op, k === 0 ? [x, weight] : [weight, x], about);
  const pointwise = (fn: Extract<Op, { kind: "pointwise" }>["fn"], ...inputs: Operand[]): Operand =>
    out.derive({ kind: "pointwise", fn }, inputs, about);
  const typeOf = (id: number) => out.nodes[id].type;

  const statistics = out.derive(
    { kind: "row_statistics", norm: norm.op.norm, eps: norm.op.eps },
    [norm.y],
    about,
  );
  // Statistic `which` of each row, spread over the product's own axes.
  const outShape = out.typeOf(product(norm.y)).shape;
  const rows = labels.slice(0, -1).map((l) => axis(`i${op.out.indexOf(l)}`, outShape[op.out.indexOf(l)]));
  const statistic = (which: number): Operand =>
    through(statistics, { out: outShape, index: [...rows, int(which)] }, typeOf);

  let value = product(norm.gain ? pointwise("mul", norm.y, norm.gain) : norm.y);
  if (norm.op.norm === "layer") {
    const shape = out.typeOf(norm.y).shape;
    const ones = (): Operand => out.add({ kind: "const", value: 1 }, [], about, { shape, dtype: "num" });
    value = pointwise("sub", value, pointwise("mul", statistic(0), product(norm.gain ?? ones())));
  }
  value = pointwise("mul", value, statistic(1));
  return norm.bias ? pointwise("add", value, product(norm.bias)) : value;
}

/** Recognises normalize(y), its gain and its bias; both must depend on parameters alone. */
function normOf(operand: Operand, out: Rewriter): Norm | undefined {
  const rows = operand.map;
  if (rows && !keepsChannels(rows, out.nodes[operand.id])) return undefined;
  const at = (o: Operand): Node | undefined => (o.map ? undefined : out.nodes[o.id]);
  const split = (node: Node, fn: "add" | "mul"): { inner: Node; parameter: Operand } | undefined => {
    if (node.op.kind !== "pointwise" || node.op.fn !== fn) return undefined;
    for (const i of [0, 1]) {
      const inner = at(node.inputs[i]);
      const parameter = node.inputs[1 - i];
      if (inner && maxLevel(out.stageOf(parameter)) <= 1 && maxLevel(inner.stage) > 1)
        return { inner, parameter };
    }
    return undefined;
  };
  let node = out.nodes[operand.id];
  const biased = split(node, "add");
  if (biased) node = biased.inner;
  const scaled = split(node, "mul");
  if (scaled) node = scaled.inner;
  if (node.op.kind !== "normalize") return undefined;
  const seen = (o: Operand): Operand => through(o, rows, (id) => out.nodes[id].type);
  return {
    op: node.op,
    y: seen(node.inputs[0]),
    ...(scaled ? { gain: seen(scaled.parameter) } : {}),
    ...(biased ? { bias: seen(biased.parameter) } : {}),
  };
}

/** Whether a view chooses rows alone: its last axis runs over the whole last axis of the value, the others are free of it. */
export function keepsChannels({ out, index }: IndexMap, { type }: Node): boolean {
  const last = out.length - 1;
  const whole = out[last] === type.shape[type.shape.length - 1];
  return index.every((e, j) =>
    j === index.length - 1 ? whole && e.kind === "axis" && e.name === `i${last}` : !axesOf(e).has(`i${last}`),
  );
}

/** Whether some channels are earlier than the latest in every row that holds the latest: one in eight at least. */
function hasEarlyChannels(table: StageTable): boolean {
  const latest = maxLevel(table);
  if (latest < 3) return false;
  const last = table.cuts.length - 1;
  const cuts = table.cuts[last];
  let early = 0;
  for (let i = 0; i + 1 < cuts.length; i++) {
    let level = 0;
    for (const piece of pieces(table)) {
      if (piece.from[last] <= cuts[i] && piece.to[last] >= cuts[i + 1]) level = Math.max(level, piece.level);
    }
    if (level < latest) early += cuts[i + 1] - cuts[i];
  }
  return early * 8 >= cuts[cuts.length - 1];
}
