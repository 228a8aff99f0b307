/**
 * @file contract: einsums in the form that kernels compute.
 *
 * - An axis of one operand alone is summed before it meets the others; an einsum of one operand is a reduction.
 * - More than two operands associate in the order that costs least, where each product's cost is weighed by how often it
 *   runs (load never, user once a request, item once a candidate): X(XᵀY) rather than (XXᵀ)Y.
 * - A norm before a product becomes row statistics after it where that keeps a request's share of the product apart
 *   (contraction/norms.ts), or where products alone read the norm (contraction/prenorms.ts).
 * - A repeated label (a diagonal) becomes an index map.
 */
import { defaultCeilings } from "../src/ir/ceilings.ts";
import { axis } from "../src/ir/expr.ts";
import type { Graph, Node, Op, Operand } from "../src/ir/graph.ts";
import { composeMaps, type IndexMap } from "../src/ir/indexmap.ts";
import { maxLevel } from "../src/ir/stage.ts";
import { normAfterProduct } from "./contraction/norms.ts";
import { type Prenorm, prenorms, takeOver } from "./contraction/prenorms.ts";
import { definePass, joinsKernels } from "./pass.ts";
import { type About, Rewriter } from "./rewrite.ts";

type Einsum = Extract<Op, { kind: "einsum" }>;

export const contract = definePass<Graph, Graph>({
  name: "contract",
  summary: "orders and associates einsums by cost and gives them the two-operand form of kernels",
  run(graph, { reuse = true, fusion = "all", profile, ceilings = defaultCeilings(profile), explain }) {
    const out = new Rewriter(graph);
    const normed = joinsKernels(fusion)
      ? prenorms(graph, profile, ceilings, explain)
      : new Map<number, Prenorm>();
    for (const node of graph.nodes) {
      if (node.op.kind !== "einsum") {
        out.copy(node);
        continue;
      }
      const { op } = node;
      const prenorm = normed.get(node.id);
      const made =
        (reuse ? normAfterProduct(node, op, out) : undefined) ??
        (prenorm ? takeOver(node, op, prenorm, out) : contractEinsum(node, op, out, graph));
      out.replace(node.id, made);
    }
    return out.finish();
  },
});

interface Factor {
  readonly operand: Operand;
  readonly labels: readonly number[];
}

function contractEinsum(node: Node, op: Einsum, out: Rewriter, graph: Graph): Operand {
  const about: About = { path: node.path, origin: node.origin, ...(node.keep && { keep: node.keep }) };
  let factors: Factor[] = node.inputs.map((o, k) =>
    diagonal({ operand: out.operand(o), labels: op.operands[k] }, out),
  );
  factors = factors.map((f, k) => sumPrivate(f, factors, k, op.out, out, about));
  const sizes = sizesOfLabels(factors, out);
  while (factors.length > 2) {
    const [i, j] = cheapestPair(factors, op.out, sizes, out, graph);
    const rest = factors.filter((_, k) => k !== i && k !== j);
    const later = new Set([...op.out, ...rest.flatMap((f) => f.labels)]);
    const labels = [...new Set([...factors[i].labels, ...factors[j].labels])].filter((l) => later.has(l));
    const pair: Einsum = { kind: "einsum", operands: [factors[i].labels, factors[j].labels], out: labels };
    const made = out.derive(pair, [factors[i].operand, factors[j].operand], about);
    factors = [...rest, { operand: made, labels }];
  }
  if (factors.length === 1) return oneFactor(factors[0], op.out, node, out, about);
  const last: Einsum = { kind: "einsum", operands: factors.map((f) => f.labels), out: op.out };
  return out.add(
    last,
    factors.map((f) => f.operand),
    node,
    node.type,
  );
}

/** Labels that stand twice in one operand are read along the diagonal. */
function diagonal(factor: Factor, out: Rewriter): Factor {
  const labels = [...new Set(factor.labels)];
  if (labels.length === factor.labels.length) return factor;
  const shape = out.typeOf(factor.operand).shape;
  const sizes = labels.map((l) => shape[factor.labels.indexOf(l)]);
  const index = factor.labels.map((l) => axis(`i${labels.indexOf(l)}`, sizes[labels.indexOf(l)]));
  return { operand: mapped(factor.operand, { out: sizes, index }), labels };
}

function mapped(operand: Operand, map: IndexMap): Operand {
  return { id: operand.id, map: operand.map ? composeMaps(map, operand.map) : map };
}

function sumPrivate(
  f: Factor,
  all: readonly Factor[],
  k: number,
  outLabels: readonly number[],
  out: Rewriter,
  about: About,
): Factor {
  const elsewhere = new Set([...outLabels, ...all.flatMap((g, j) => (j === k ? [] : g.labels))]);
  const axes = f.labels.flatMap((l, i) => (elsewhere.has(l) ? [] : [i]));
  if (axes.length === 0 || all.length === 1) return f;
  const operand = out.derive({ kind: "reduce", fn: "sum", axes, keep: false }, [f.operand], about);
  return { operand, labels: f.labels.filter((l) => elsewhere.has(l)) };
}

function oneFactor(
  f: Factor,
  outLabels: readonly number[],
  node: Node,
  out: Rewriter,
  about: About,
): Operand {
  const axes = f.labels.flatMap((l, i) => (outLabels.includes(l) ? [] : [i]));
  const kept = f.labels.filter((l) => outLabels.includes(l));
  const summed =
    axes.length === 0
      ? f.operand
      : out.derive({ kind: "reduce", fn: "sum", axes, keep: false }, [f.operand], about);
  if (kept.every((l, i) => l === outLabels[i])) return summed;
  const shape = node.type.shape;
  const index = kept.map((l) => axis(`i${outLabels.indexOf(l)}`, shape[outLabels.indexOf(l)]));
  return mapped(summed, { out: shape, index });
}

function sizesOfLabels(factors: readonly Factor[], out: Rewriter): Map<number, number> {
  const sizes = new Map<number, number>();
  for (const f of factors) {
    out.typeOf(f.operand).shape.forEach((s, i) => {
      sizes.set(f.labels[i], s as number);
    });
  }
  return sizes;
}

/** The pair whose product costs least now; its result's size breaks ties (greedy, exact for the three operands seen in practice). */
function cheapestPair(
  factors: readonly Factor[],
  outLabels: readonly number[],
  sizes: ReadonlyMap<number, number>,
  out: Rewriter,
  graph: Graph,
): [number, number] {
  const runs = [1e-6, 1e-6, graph.serve.requests, graph.serve.candidates];
  const volume = (labels: Iterable<number>): number => {
    let v = 1;
    for (const l of labels) v *= sizes.get(l) ?? 1;
    return v;
  };
  let best: [number, number] = [0, 1];
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < factors.length; i++) {
    for (let j = i + 1; j < factors.length; j++) {
      const both = new Set([...factors[i].labels, ...factors[j].labels]);
      const rest = factors.filter((_, k) => k !== i && k !== j);
      const later = new Set([...outLabels, ...rest.flatMap((f) => f.labels)]);
      const kept = [...both].filter((l) => later.has(l));
      const level = Math.max(
        maxLevel(out.stageOf(factors[i].operand)),
        maxLevel(out.stageOf(factors[j].operand)),
      );
      // What is left to do: this product, then at best one pass over its result with the others.
      const after = volume(new Set([...kept, ...rest.flatMap((f) => f.labels)]));
      const all = [...factors].reduce((m, f) => Math.max(m, maxLevel(out.stageOf(f.operand))), 0);
      const cost = volume(both) * runs[level] + after * runs[all] + volume(kept) * 1e-9;
      if (cost < least) {
        least = cost;
        best = [i, j];
      }
    }
  }
  return best;
}
