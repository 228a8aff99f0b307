/**
 * @file sparsify-experts: dense meaning, sparse execution. A mixture of experts is written as the sum over all experts, weighted
 * by gates most of which are exactly 0. Where a gate is known to be sparse, the values that only its sum reads are
 * marked with the gate's *active rows*: kernels compute those alone.
 *
 *     g: num[N, 16, 8]        = softmax(where(top_k_mask k 2, z, −inf))
 *     h: num[N, 16, 8, 384]   (rows of %g, at most 32 of 128)  = act(einsum(x, w1))
 *     y: num[N, 16, 8, 768]   (rows of %g, at most 32 of 128)  = einsum(h, w2)
 *     o: num[N, 16, 768]      = einsum(g, y)
 *
 * The Graph keeps its dense meaning. A sum that contracts the expert axis together with another (Σ_e Σ_k (g·h) w) is cut into
 * rows and their sum. Rows of a group, one (token, expert), share weights; the device lists them (see `RowList` in tile.ts).
 */
import type { ActiveRows, Graph, Node, Operand } from "../src/ir/graph.ts";
import { opDef } from "../src/ir/ops/index.ts";
import { pruneGraph } from "../src/ir/prune.ts";
import { isAnchor } from "./fusion/groups.ts";
import { definePass, type PassContext } from "./pass.ts";
import { Rewriter } from "./rewrite.ts";
import { type Combine, combinesOf, type Region, type Rows, regionOf, rowsOf } from "./sparsity/region.ts";
import { ZeroTable } from "./sparsity/zeros.ts";

/** Work below which listing the rows costs more than the rows that it saves: three launches, in FLOPs. */
const LEAST_SAVED = 2e6;

/** Of gates that may all be positive (relu), the share that is expected to be. */
const EXPECTED_ACTIVE = 0.5;

export const sparsifyExperts = definePass<Graph, Graph>({
  name: "sparsify-experts",
  summary: "marks what a sparse gate's sum alone reads: only rows whose gate is not 0 are computed",
  run(graph, context) {
    const combines = combinesOf(graph, new ZeroTable(graph));
    let fused = combines.filter((c) => c.fused);
    for (;;) {
      const { graph: apart, sums } = cutFused(graph, fused);
      const region = regionOf(
        apart,
        combinesOf(apart, new ZeroTable(apart)).filter((c) => !c.fused),
      );
      const dense = denseGates(apart, region);
      const isActive = (id: number): boolean => {
        const rows = region.get(id);
        return rows !== undefined && !dense.has(rows.gate);
      };
      // A sum that was cut in vain stays whole.
      const useful = fused.filter((c) => isActive(apart.nodes[sums.get(c.node.id) ?? 0].inputs[0].id));
      if (useful.length < fused.length) {
        fused = useful;
        continue;
      }
      explainGates(apart, region, dense, context);
      const kept = new Map([...region].filter(([id]) => isActive(id)));
      return kept.size === 0 ? graph : marked(apart, kept);
    }
  },
});

/** The graph with each Σ_e Σ_k p · w written as Σ_e (Σ_k p · w), and the new sum of each old one. */
function cutFused(
  graph: Graph,
  fused: readonly Combine[],
): { readonly graph: Graph; readonly sums: ReadonlyMap<number, number> } {
  const sums = new Map<number, number>();
  if (fused.length === 0) return { graph, sums };
  const out = new Rewriter(graph);
  for (const node of graph.nodes) {
    const combine = fused.find((c) => c.node.id === node.id);
    if (combine === undefined || node.op.kind !== "einsum") {
      out.copy(node);
      continue;
    }
    const { op } = node;
    const gate = combine.zeros.axes.map((a) => op.operands[combine.operand][a]);
    const summed = gate.filter((l) => !op.out.includes(l));
    const after = Math.max(...gate.map((l) => op.out.indexOf(l))) + 1;
    const labels = [...op.out.slice(0, after), ...summed, ...op.out.slice(after)];
    const { path, origin, program } = node;
    const about = { path, ...(origin && { origin }), ...(program && { program }) };
    const inputs = node.inputs.map((o) => out.operand(o));
    const rows = out.add({ ...op, out: labels }, inputs, about);
    const axes = summed.map((l) => labels.indexOf(l));
    const sum = out.add({ kind: "reduce", fn: "sum", axes, keep: false }, [rows], about, node.type);
    sums.set(node.id, sum.id);
    out.replace(node.id, sum);
  }
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: out.operand(o.value),
    ...(o.logit ? { logit: out.operand(o.logit) } : {}),
  }));
  return { graph: { ...graph, nodes: out.nodes, outputs }, sums };
}

/** Gates whose rows are not worth listing, and why. */
function denseGates(graph: Graph, region: Region): Map<number, string> {
  const dense = new Map<number, string>();
  for (const [gate, ids] of byGate(region)) {
    const reason = whyDense(graph, region, ids);
    if (reason !== undefined) dense.set(gate, reason);
  }
  return dense;
}

/** Columns and terms below which a product is too thin to be worth the rows that it saves. */
const THIN = 4;

function whyDense(graph: Graph, region: Region, ids: readonly number[]): string | undefined {
  const rows = region.get(ids[0]) as Rows;
  const products = ids.map((id) => graph.nodes[id]).filter((n) => isRowProduct(graph, n, region.get(n.id)));
  if (products.length === 0) return "there is no product for each expert";
  const { requests, candidates } = graph.serve;
  if ((graph.nodes[rows.gate].program === "item" ? candidates : requests) <= 1) return "a call has one row";
  const sizes = { R: requests, N: candidates };
  const work = products.reduce((sum, n) => sum + flopsOf(graph, n, sizes), 0);
  const saved = work * (1 - activeShare(graph, rows));
  return saved < LEAST_SAVED ? `it would save ${Math.round(saved)} FLOPs a call` : undefined;
}

/** A product of each row with columns of weights. */
function isRowProduct(graph: Graph, node: Node, rows: Rows | undefined): boolean {
  const { op, inputs, type } = node;
  if (op.kind !== "einsum" || inputs.length !== 2 || rows === undefined) return false;
  const columns = type.shape.reduce<number>((n, s, a) => (rows.axes.includes(a) ? n : n * (s as number)), 1);
  const shape = inputs[0].map?.out ?? graph.nodes[inputs[0].id].type.shape;
  const terms = op.operands[0].reduce((n, l, a) => (op.out.includes(l) ? n : n * (shape[a] as number)), 1);
  return columns >= THIN && terms >= THIN;
}

/** The share of a gate's points at which rows are expected. */
function activeShare(graph: Graph, rows: Rows): number {
  if (rows.chosen === undefined) return EXPECTED_ACTIVE;
  const all = { gate: rows.gate };
  return rowsOf(graph, rows) / rowsOf(graph, all);
}

function flopsOf(graph: Graph, node: Node, sizes: { readonly R: number; readonly N: number }): number {
  const types = node.inputs.map((o) => {
    const { type } = graph.nodes[o.id];
    return { shape: o.map?.out ?? type.shape, dtype: type.dtype };
  });
  return opDef(node.op.kind).flops(node.op, types, node.type, sizes);
}

function byGate(region: Region): Map<number, number[]> {
  const gates = new Map<number, number[]>();
  for (const [id, { gate }] of region) gates.set(gate, [...(gates.get(gate) ?? []), id]);
  return gates;
}

function explainGates(
  graph: Graph,
  region: Region,
  denseOf: ReadonlyMap<number, string>,
  { explain }: PassContext,
): void {
  if (explain === undefined) return;
  for (const [gate, ids] of byGate(region)) {
    const node = graph.nodes[gate];
    const name = node.path || node.op.kind;
    const dense = denseOf.get(gate);
    const rows = region.get(ids[0]) as Rows;
    const all = rowsOf(graph, { gate });
    explain(
      dense
        ? `the experts behind ${name} stay dense: ${dense}`
        : `the experts behind ${name} are computed at the rows that it chooses, at most ${rowsOf(graph, rows)} of ${all} for each ${node.program === "item" ? "candidate" : "request"}`,
    );
  }
}

/** The graph with `region` marked, every gate moved before what waits for it. */
function marked(graph: Graph, region: Region): Graph {
  const groups = new Map([...byGate(region)].map(([gate, ids]) => [gate, groupAxes(graph, region, ids)]));
  const position: number[] = [];
  const order: Node[] = [];
  const place = (node: Node): void => {
    if (position[node.id] !== undefined) return;
    const rows = region.get(node.id);
    for (const { id } of node.inputs) place(graph.nodes[id]);
    if (rows) place(graph.nodes[rows.gate]);
    position[node.id] = order.length;
    order.push(node);
  };
  for (const node of graph.nodes) place(node);
  const rename = (o: Operand): Operand => ({ ...o, id: position[o.id] });
  const nodes = order.map((node, id): Node => {
    const found = region.get(node.id);
    const rows: ActiveRows | undefined = found && {
      gate: position[found.gate],
      axes: found.axes,
      groups: groups.get(found.gate) ?? [],
      most: rowsOf(graph, found),
    };
    return { ...node, id, inputs: node.inputs.map(rename), ...(rows && { rows }) };
  });
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: rename(o.value),
    ...(o.logit ? { logit: rename(o.logit) } : {}),
  }));
  return pruneGraph({ ...graph, nodes, outputs });
}

/** The gate's axes that the weights of a region's products have: rows that agree in them share weights. */
function groupAxes(graph: Graph, region: Region, ids: readonly number[]): number[] {
  const found = new Set<number>();
  for (const id of ids) {
    const node = graph.nodes[id];
    const { op } = node;
    const rows = region.get(id);
    if (op.kind !== "einsum" || !isAnchor(node) || rows === undefined) continue;
    node.inputs.forEach((o, k) => {
      if (graph.nodes[o.id].program !== "load") return;
      rows.axes.forEach((a, g) => {
        if (op.operands[k].includes(op.out[a])) found.add(g);
      });
    });
  }
  return [...found].sort((a, b) => a - b);
}
