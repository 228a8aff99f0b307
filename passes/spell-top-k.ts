/**
 * @file spell-top-k: `top_k` as ranks, in ops that kernels compute.
 *
 *     rank_i = #{j: x_j > x_i, or x_j = x_i and j < i};    mask_i = rank_i < k;    index_r = Σ_i i · [rank_i = r]
 *
 * A comparison of each element with each: an expert axis is short, and every element is independent of the others. A mask and
 * an index of the same values share their ranks. It comes after the pass that reads from a `top_k_mask` that k elements at
 * most are chosen.
 */
import { axis } from "../src/ir/expr.ts";
import type { Graph, Node, Op, Operand } from "../src/ir/graph.ts";
import { composeMaps, type IndexMap, identityMap } from "../src/ir/indexmap.ts";
import { printOperand } from "../src/ir/print.ts";
import { definePass } from "./pass.ts";
import { type About, Rewriter } from "./rewrite.ts";

type TopK = Extract<Op, { kind: "top_k_mask" | "top_k_index" }>;
type Fn = Extract<Op, { kind: "pointwise" }>["fn"];

export const spellTopK = definePass<Graph, Graph>({
  name: "spell-top-k",
  summary: "spells the k largest along an axis as ranks: how many others come before each",
  run(graph) {
    const out = new Rewriter(graph);
    const known = new Map<string, Ranks>();
    for (const node of graph.nodes) {
      const { op } = node;
      if (op.kind !== "top_k_mask" && op.kind !== "top_k_index") {
        out.copy(node);
        continue;
      }
      const x = out.operand(node.inputs[0]);
      const key = `${op.axis} of ${printOperand(x)} for ${node.program}`;
      const ranks = known.get(key) ?? ranksOf(node, op.axis, x, out);
      known.set(key, ranks);
      out.replace(
        node.id,
        op.kind === "top_k_mask" ? mask(node, op, ranks, out) : index(node, op, ranks, out),
      );
    }
    return out.finish();
  },
});

/** How many others come before each element. */
interface Ranks {
  readonly ranks: Operand;
  /** 0, 1, … along the axis. */
  readonly iota: Operand;
}

interface Sites {
  readonly about: About;
  /** Of what no call changes. */
  readonly fixed: About;
}

function sitesOf({ path, origin, program }: Node): Sites {
  const about: About = { path, ...(origin && { origin }), ...(program && { program }) };
  return { about, fixed: { ...about, ...(program && { program: "load" }) } };
}

function ranksOf(node: Node, along: number, x: Operand, out: Rewriter): Ranks {
  const { about, fixed } = sitesOf(node);
  const { shape } = out.typeOf(x);
  const rank = shape.length;
  const size = shape[along];
  // Both sides of every comparison, [..., i, j]: x_i and x_j along a new last axis j.
  const square = [...shape, size];
  const self = identityMap(square).index.slice(0, rank);
  const other = self.map((e, a) => (a === along ? axis(`i${rank}`, size) : e));
  const view = (operand: Operand, at: IndexMap["index"]): Operand =>
    mapped(operand, { out: square, index: at });
  const pw = (fn: Fn, ...inputs: Operand[]): Operand => out.add({ kind: "pointwise", fn }, inputs, about);
  const iota = out.add({ kind: "iota" }, [], fixed, { shape: [size], dtype: "i32" });
  const [xi, xj] = [view(x, self), view(x, other)];
  const [i, j] = [view(iota, [axis(`i${along}`, size)]), view(iota, [axis(`i${rank}`, size)])];
  const before = pw("or", pw("gt", xj, xi), pw("and", pw("eq", xj, xi), pw("lt", j, i)));
  const sum: Op = { kind: "reduce", fn: "sum", axes: [rank], keep: false };
  return { ranks: out.add(sum, [pw("to_num", before)], about), iota };
}

function mask(node: Node, op: TopK, { ranks }: Ranks, out: Rewriter): Operand {
  const { shape } = node.type;
  const k = out.add({ kind: "const", value: op.k }, [], sitesOf(node).about, { shape, dtype: "num" });
  return out.add({ kind: "pointwise", fn: "lt" }, [ranks, k], node, node.type);
}

/** Places r along a new last axis; then the axis of candidates i is summed away and r takes its place. */
function index(node: Node, op: TopK, { ranks, iota }: Ranks, out: Rewriter): Operand {
  const { about, fixed } = sitesOf(node);
  const { shape } = out.typeOf(ranks);
  const rank = shape.length;
  const places = [...shape, op.k];
  const view = (operand: Operand, at: IndexMap["index"]): Operand =>
    mapped(operand, { out: places, index: at });
  const pw = (fn: Fn, ...inputs: Operand[]): Operand => out.add({ kind: "pointwise", fn }, inputs, about);
  const r = out.add({ kind: "iota" }, [], fixed, { shape: [op.k], dtype: "i32" });
  const at = pw(
    "eq",
    view(ranks, identityMap(places).index.slice(0, rank)),
    pw("to_num", view(r, [axis(`i${rank}`, op.k)])),
  );
  const zero = out.add({ kind: "const", value: 0 }, [], about, { shape: places, dtype: "num" });
  const mine = pw("where", at, pw("to_num", view(iota, [axis(`i${op.axis}`, shape[op.axis])])), zero);
  const summed = out.add({ kind: "reduce", fn: "sum", axes: [op.axis], keep: false }, [mine], about);
  // [..., without axis, r] → r back at `axis`.
  const target = node.type.shape;
  const back = [
    ...shape.flatMap((_, a) => (a === op.axis ? [] : [axis(`i${a}`, target[a])])),
    axis(`i${op.axis}`, target[op.axis]),
  ];
  const cast: Op = { kind: "pointwise", fn: "to_i32" };
  return out.add(cast, [mapped(summed, { out: target, index: back })], node, node.type);
}

function mapped(operand: Operand, map: IndexMap): Operand {
  return { id: operand.id, map: operand.map ? composeMaps(map, operand.map) : map };
}
