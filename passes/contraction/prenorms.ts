/**
 * @file A norm that products alone read takes no kernel: the products sum its operand as it is, gather the row's statistics from the
 * very elements that they load, and scale afterwards. With z = (y − μ)/σ · γ + β along the contracted axis, and d = y − y₀ for the
 * first element y₀ of each row:
 *
 *     z W  =  ( d W′  −  (μ − y₀) · 1W′ ) / σ  +  β W        W′ = γ W; W′, 1W′ and βW are made once, in the load stage
 *
 * The shift keeps the difference as small as σ where |μ| ≫ σ. RMS and L2 norms have μ = 0 and need none. `fuse` computes
 * `row_statistics` inside the products (fusion/statistics.ts), and lowerings on the way: `subgroup` in the loop over k, `blocked` while
 * the rows are staged in workgroup memory, RMS and L2 norms alone there. On tensor cores rows are rounded to 16 bits as they are
 * staged, which wants them normed.
 *
 * γ goes to W on a software device, where a load of it in a product's loop would cost as much as two rows of sums: if W is stored in
 * f32 and W′ fits a binding. Elsewhere it goes to the rows, once an element as they are staged: z W = ((y γ) W) / σ.
 *
 * Every tile of columns gathers the statistics again: 1 multiply-add an element of the row for as many as the tile has columns, 128
 * of workgroup memory, 32 of a subgroup. There a gate and up of 1024 columns took 3 % longer on lavapipe, while the norm's own kernel takes
 * 1 % of their time; so wide products take over a norm only where two of them are one kernel (interleave-weights), which saves more.
 */

import type { DeviceCeilings } from "../../src/ir/ceilings.ts";
import { add, axesOf, axis, type Extent, int, mul, substitute } from "../../src/ir/expr.ts";
import type { Graph, Node, Op, Operand } from "../../src/ir/graph.ts";
import { composeMaps, type IndexMap, mapAxes } from "../../src/ir/indexmap.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { affineIn, divisibleBy, simplify } from "../../src/ir/simplify.ts";
import { maxLevel, viewStage } from "../../src/ir/stage.ts";
import { storageOf } from "../../src/ir/storage.ts";
import { isAnchor } from "../fusion/groups.ts";
import type { PassContext } from "../pass.ts";
import { type About, type Rewriter, readersOf, through } from "../rewrite.ts";
import { meet } from "./meeting.ts";
import { keepsChannels } from "./norms.ts";

type Einsum = Extract<Op, { kind: "einsum" }>;
type Normalize = Extract<Op, { kind: "normalize" }>;
type Readers = ReturnType<typeof readersOf>;

/** A product that takes over the norm of its operand `k`; all in terms of the Graph as it was. */
export interface Prenorm {
  readonly k: number;
  readonly norm: Node;
  readonly op: Normalize;
  readonly gain: Operand | undefined;
  readonly bias: Operand | undefined;
  /** Whether γ is multiplied into W rather than into the rows. */
  readonly folds: boolean;
}

/** Of a product's time, what gathering the statistics of its rows adds: measured for rms, with Welford's rule three times as much. */
const SHARES: Readonly<Record<Normalize["norm"], number>> = { rms: 0.03, l2: 0.03, layer: 0.1 };

/** Columns of a product from which on it has a kernel that sums along k with others. */
const FEWEST_COLUMNS = 4;
const BYTES = 4;

/** The products that take over norms, by their number: those norms that nothing else reads. */
export function prenorms(
  graph: Graph,
  profile: Profile,
  ceilings: DeviceCeilings,
  explain: PassContext["explain"],
): ReadonlyMap<number, Prenorm> {
  const found = new Map<number, Prenorm>();
  // Products in 16 bits would take a row that is not normed yet.
  if (graph.precision.compute !== "f32" || profile.cuda !== undefined) return found;
  const { software } = profile.features;
  const readers = readersOf(graph);
  const seen = new Set(graph.outputs.flatMap((o) => [o.value.id, ...(o.logit ? [o.logit.id] : [])]));
  for (const norm of graph.nodes) {
    if (norm.op.kind !== "normalize" || !isStoredAnyway(norm.inputs[0], graph, readers)) continue;
    const { last, gain, bias, members } = affinePart(norm, graph, readers);
    if (members.some((n) => seen.has(n.id) || n.keep)) continue;
    if (!software && (norm.op.norm === "layer" || bias !== undefined)) continue;
    const parts = { norm, op: norm.op, gain, bias, folds: software };
    const sites = readers[last.id];
    if (!sites.every(({ node, operand }) => takesOver(node, operand, parts, last, graph, profile))) continue;
    const columns = sites.reduce((sum, { node, operand }) => sum + columnsOf(node, operand, graph), 0);
    const [p, q] = sites.map(({ node }) => node);
    const pair = sites.length === 2 && meet(p, q, graph, readers);
    if (sites.length === 0) continue;
    if (software && !pays(norm, columns, pair, graph, ceilings)) {
      explain?.(
        `${norm.path} keeps its kernel: gathered by the products that read it, once every 32 of their ${columns} columns, its statistics would take longer`,
      );
      continue;
    }
    for (const { node, operand } of sites) found.set(node.id, { ...parts, k: operand });
  }
  return found;
}

/** norm · gain + bias, as far as it is there and nothing else reads what lies between. */
function affinePart(
  norm: Node,
  graph: Graph,
  readers: Readers,
): {
  readonly last: Node;
  readonly gain: Operand | undefined;
  readonly bias: Operand | undefined;
  readonly members: readonly Node[];
} {
  const members = [norm];
  const next = (fn: "mul" | "add"): Operand | undefined => {
    const last = members[members.length - 1];
    const [only, ...others] = readers[last.id];
    if (only === undefined || others.length > 0 || last.keep) return undefined;
    const { node, operand } = only;
    if (node.op.kind !== "pointwise" || node.op.fn !== fn || node.inputs[operand].map) return undefined;
    const parameter = node.inputs[1 - operand];
    if (levelOf(parameter, graph) > 1) return undefined;
    members.push(node);
    return parameter;
  };
  const gain = next("mul");
  const bias = next("add");
  return { last: members[members.length - 1], gain, bias, members };
}

/**
 * Whether the statistics in all products cost less than the norm's own kernel, which reads each row and writes it; of a pair that
 * becomes one kernel (`columns` of both), than that and the one product's result on its way to the other.
 */
function pays(
  { op, type, stage }: Node,
  columns: number,
  pair: boolean,
  { serve }: Graph,
  ceilings: DeviceCeilings,
): boolean {
  if (op.kind !== "normalize") return false;
  const calls = maxLevel(stage) > 2 ? serve.candidates : serve.requests;
  const elements = type.shape.reduce<number>((n, s) => n * Number(s), calls);
  const pass = (count: number): number => ceilings.dispatch + (2 * BYTES * count) / ceilings.bandwidth;
  const rows = elements / Number(type.shape[type.shape.length - 1]);
  const apart = pass(elements) + (pair ? pass((rows * columns) / 2) : 0);
  return SHARES[op.norm] * ((2 * elements * columns) / ceilings.flops) <= apart;
}

function columnsOf({ op, inputs }: Node, k: number, graph: Graph): number {
  if (op.kind !== "einsum") return 0;
  const others = op.operands[1 - k];
  const own = others.filter((l) => op.out.includes(l) && !op.operands[k].includes(l));
  const sizes = shapeOf(inputs[1 - k], graph);
  return own.reduce((n, l) => n * Number(sizes[others.indexOf(l)]), 1);
}

/** Whether a product can take over the norm of its operand `k`. */
function takesOver(
  node: Node,
  k: number,
  norm: Pick<Prenorm, "norm" | "gain" | "folds">,
  last: Node,
  graph: Graph,
  profile: Profile,
): boolean {
  const { op } = node;
  if (op.kind !== "einsum" || node.keep || node.inputs.length !== 2) return false;
  if (node.inputs[0].id === node.inputs[1].id) return false;
  const [labels, others] = [op.operands[k], op.operands[1 - k]];
  const weight = node.inputs[1 - k];
  const summed = labels.filter((l) => !op.out.includes(l));
  const own = op.out.filter((l) => !labels.includes(l));
  const simple =
    summed.length === 1 &&
    labels[labels.length - 1] === summed[0] &&
    others.includes(summed[0]) &&
    new Set(labels).size === labels.length &&
    new Set(others).size === others.length &&
    others.every((l) => op.out.includes(l) || l === summed[0]);
  // Several axes of columns may be experts' of which few are chosen.
  if (!simple || own.length !== 1 || levelOf(weight, graph) > 1) return false;
  const sizes = shapeOf(weight, graph);
  if (columnsOf(node, k, graph) < FEWEST_COLUMNS) return false;
  const rows = node.inputs[k].map;
  if (rows && !keepsChannels(rows, last)) return false;
  const from = norm.norm.inputs[0];
  const view = rows && from.map ? composeMaps(rows, from.map) : (rows ?? from.map);
  if (view && !inFours(view)) return false;
  if (norm.gain === undefined || !norm.folds) return true;
  const bytes = sizes.reduce<number>((n, s) => n * Number(s), BYTES);
  const gain = rows ? through(norm.gain, rows, (id) => graph.nodes[id].type) : norm.gain;
  return (
    isF32(graph.nodes[weight.id], graph) &&
    bytes <= profile.limits.storageBinding &&
    alongWeights(gain, labels, others, sizes) !== undefined
  );
}

/** The product with the norm behind it. */
export function takeOver(node: Node, op: Einsum, prenorm: Prenorm, out: Rewriter): Operand {
  const { k, norm, gain, bias } = prenorm;
  const about: About = { path: node.path, origin: node.origin };
  const typeOf = (id: number) => out.nodes[id].type;
  const seen = (old: Operand): Operand => through(out.operand(old), node.inputs[k].map, typeOf);
  const pointwise = (fn: Extract<Op, { kind: "pointwise" }>["fn"], ...inputs: Operand[]): Operand =>
    out.derive({ kind: "pointwise", fn }, inputs, about);
  const [labels, others] = [op.operands[k], op.operands[1 - k]];
  const summed = labels[labels.length - 1];
  const product = (x: Operand, w: Operand): Operand => out.derive(op, k === 0 ? [x, w] : [w, x], about);

  const y = seen(norm.inputs[0]);
  const layer = prenorm.op.norm === "layer";
  const shape = out.typeOf(y).shape;
  const first: IndexMap = { out: shape, index: mapAxes(shape).with(-1, int(0)) };
  const shifted = layer ? pointwise("sub", y, through(y, first, typeOf)) : y;
  const { eps } = prenorm.op;
  const statistics = out.derive({ kind: "row_statistics", norm: prenorm.op.norm, eps }, [shifted], about);

  const plain = out.operand(node.inputs[1 - k]);
  const sizes = out.typeOf(plain).shape;
  const laid = gain && prenorm.folds ? alongWeights(seen(gain), labels, others, sizes) : undefined;
  const weight = laid ? pointwise("mul", plain, laid) : plain;
  const acc = product(gain && !laid ? pointwise("mul", shifted, seen(gain)) : shifted, weight);
  const whole = out.typeOf(acc).shape;
  const rows = labels.slice(0, -1).map((l) => axis(`i${op.out.indexOf(l)}`, whole[op.out.indexOf(l)]));
  const statistic = (which: number): Operand =>
    through(statistics, { out: whole, index: [...rows, int(which)] }, typeOf);

  /** What has the weights' axes without k, or the labels `had`, laid along the product's. */
  const spread = (value: Operand, had: readonly number[]): Operand => {
    const index = had.map((l) => axis(`i${op.out.indexOf(l)}`, whole[op.out.indexOf(l)]));
    return through(value, { out: whole, index }, typeOf);
  };
  const ofOnes = (): Operand => {
    const axes = [others.indexOf(summed)];
    const total = out.derive({ kind: "reduce", fn: "sum", axes, keep: false }, [weight], about);
    return spread(
      total,
      others.filter((l) => l !== summed),
    );
  };
  const ofBias = (parameter: Operand): Operand => {
    const own = [...axesUsed(parameter, labels).filter((l) => l !== summed), summed];
    const had = op.out.filter((l) => others.includes(l) || own.includes(l));
    const sums: Einsum = { kind: "einsum", operands: [own, others], out: had };
    return spread(out.derive(sums, [restrict(parameter, labels, own), plain], about), had);
  };

  const away = layer ? pointwise("sub", acc, pointwise("mul", statistic(0), ofOnes())) : acc;
  const scaled = pointwise("mul", away, statistic(1));
  return bias ? pointwise("add", scaled, ofBias(seen(bias))) : scaled;
}

/** A parameter of a row, laid along the axes of the weights; undefined if it has an axis that they have not. */
function alongWeights(
  { id, map }: Operand,
  labels: readonly number[],
  others: readonly number[],
  sizes: readonly Extent[],
): Operand | undefined {
  const place = (j: number): number => others.indexOf(labels[j]);
  if (map === undefined) {
    if (labels.some((l) => !others.includes(l))) return undefined;
    return { id, map: { out: sizes, index: labels.map((_, j) => axis(`i${place(j)}`, sizes[place(j)])) } };
  }
  const by = new Map(
    labels.flatMap((_, j) => (place(j) < 0 ? [] : [[`i${j}`, axis(`i${place(j)}`, sizes[place(j)])]])),
  );
  const missing = map.index.some((e) => [...axesOf(e).keys()].some((name) => !by.has(name)));
  if (missing) return undefined;
  return { id, map: { out: sizes, index: map.index.map((e) => simplify(substitute(e, by))) } };
}

/** The labels of a row's axes along which a parameter changes. */
function axesUsed({ map }: Operand, labels: readonly number[]): readonly number[] {
  if (map === undefined) return labels;
  const names = new Set(map.index.flatMap((e) => [...axesOf(e).keys()]));
  return labels.filter((_, j) => names.has(`i${j}`));
}

/** The parameter over `kept` alone, in that order. */
function restrict({ id, map }: Operand, labels: readonly number[], kept: readonly number[]): Operand {
  if (map === undefined) return { id };
  const at = (l: number): number => labels.indexOf(l);
  const out = kept.map((l) => map.out[at(l)]);
  const by = new Map(kept.map((l, j) => [`i${at(l)}`, axis(`i${j}`, out[j])]));
  return { id, map: { out, index: map.index.map((e) => simplify(substitute(e, by))) } };
}

/**
 * Whether the operand of the norm lies in memory in any case: it is a feature, or ends what some kernel computes. Otherwise the products would read
 * through what makes it, once a tile of columns.
 */
function isStoredAnyway({ id }: Operand, graph: Graph, readers: Readers): boolean {
  const node = graph.nodes[id];
  if (isAnchor(node) || node.op.kind === "feature") return true;
  if (node.op.kind !== "pointwise") return false;
  return node.inputs.some(
    (o) =>
      o.map === undefined &&
      readers[o.id].every((r) => r.node === node) &&
      isStoredAnyway({ id: o.id }, graph, readers),
  );
}

/** Whether four neighbours along the last axis of a view, from a multiple of four on, are such neighbours in what it shows. */
function inFours({ out, index }: IndexMap): boolean {
  const last = out.length - 1;
  const extent = out[last];
  if (typeof extent !== "number" || extent % 4 !== 0) return false;
  const by = new Map([[`i${last}`, add(mul(axis("group", extent / 4), int(4)), axis("lane", 4))]]);
  return index.every((e, j) => {
    const form = affineIn(substitute(e, by), "lane");
    if (j < index.length - 1) return form?.coef === 0;
    return form?.coef === 1 && divisibleBy(form.rest, 4);
  });
}

function shapeOf({ id, map }: Operand, graph: Graph): readonly Extent[] {
  return map?.out ?? graph.nodes[id].type.shape;
}

function levelOf({ id, map }: Operand, graph: Graph): number {
  const { stage } = graph.nodes[id];
  return maxLevel(map ? viewStage(stage, map) : stage);
}

function isF32(node: Node, graph: Graph): boolean {
  return storageOf(graph, node).element === "f32";
}
