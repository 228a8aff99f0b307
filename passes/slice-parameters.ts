/**
 * @file slice-parameters: a parameter above one binding, read in runs of its leading axis.
 *
 * - Looked up at an index that a kernel computes (a product-key memory): every run is read at the index held inside it,
 *   and the run that the index lies in is chosen: where(i < b, P[0:b][i], P[b:n][i - b]).
 * - Contracted along its leading axis: x P = x[0:b] P[0:b] + x[b:n] P[b:n].
 *
 * A run is a parameter of its own to every later pass, with a buffer and a binding of its own. Rows that a feature names
 * are gathered on the host, and a product that keeps the leading axis is launched a slice at a time (`schedule`); both are
 * left as they are.
 */
import { add, axis, int } from "../src/ir/expr.ts";
import type { Graph, Node, Op, Operand, RowRange } from "../src/ir/graph.ts";
import { composeMaps, type IndexMap, identityMap } from "../src/ir/indexmap.ts";
import { elementBytes, storageOf } from "../src/ir/storage.ts";
import { definePass } from "./pass.ts";
import { type About, Rewriter } from "./rewrite.ts";

type Einsum = Extract<Op, { kind: "einsum" }>;
type Fn = Extract<Op, { kind: "pointwise" }>["fn"];

/** Rows of a run come in groups of so many, so that every axis order keeps its padding of four elements. */
const GROUP = 4;

export const sliceParameters = definePass<Graph, Graph>({
  name: "slice-parameters",
  summary: "reads a parameter that no binding holds in runs of its leading axis",
  run(graph, { profile }) {
    const limit = profile.limits.storageBinding;
    if (!graph.nodes.some((node) => runsOf(node, graph, limit))) return graph;
    const out = new Rewriter(graph);
    for (const node of graph.nodes) {
      const which = slicedOperand(node, graph);
      const param = which === undefined ? undefined : graph.nodes[node.inputs[which].id];
      const runs = param && runsOf(param, graph, limit);
      if (which === undefined || param === undefined || runs === undefined) out.copy(node);
      else if (node.op.kind === "einsum")
        out.replace(node.id, summed(node, node.op, which, param, runs, out));
      else out.replace(node.id, chosen(node, param, runs, out));
    }
    return out.finish();
  },
});

/** The runs of a parameter above one binding; undefined where it fits, or where a row does not. */
function runsOf(node: Node, graph: Graph, limit: number): readonly RowRange[] | undefined {
  const { op, type } = node;
  if (op.kind !== "param" || op.rows) return undefined;
  const [rows = 1, ...row] = type.shape.map(Number);
  const last = row.at(-1) ?? 1;
  const padded = row.length === 0 ? 1 : Math.ceil(last / GROUP) * GROUP;
  const unit =
    (row.reduce((product, extent) => product * extent, 1) / last) *
    padded *
    elementBytes[storageOf(graph, node).element];
  if (rows * unit <= limit) return undefined;
  const most = Math.floor(limit / unit / GROUP) * GROUP;
  if (most === 0) return undefined;
  const count = Math.ceil(rows / most);
  const length = Math.min(most, Math.ceil(rows / count / GROUP) * GROUP);
  return Array.from({ length: Math.ceil(rows / length) }, (_, i) => ({
    from: i * length,
    to: Math.min(rows, (i + 1) * length),
  }));
}

/** The operand of `node` that is a parameter read along its leading axis, as it is stored. */
function slicedOperand({ op, inputs, rows }: Node, graph: Graph): number | undefined {
  const isParam = ({ id, map }: Operand): boolean => !map && graph.nodes[id].op.kind === "param";
  if (op.kind === "lookup")
    return isParam(inputs[0]) && graph.nodes[inputs[1].id].op.kind !== "feature" ? 0 : undefined;
  if (op.kind !== "einsum" || inputs.length !== 2 || rows) return undefined;
  const which = inputs.findIndex((read, k) => {
    const [lead] = op.operands[k];
    return isParam(read) && !op.out.includes(lead) && op.operands[1 - k].includes(lead);
  });
  return which < 0 ? undefined : which;
}

function run(param: Node, rows: RowRange, out: Rewriter): Operand {
  if (param.op.kind !== "param") throw new Error(`internal: %${param.id} is no parameter`);
  const shape = param.type.shape.with(0, rows.to - rows.from);
  return out.add({ ...param.op, rows }, [], aboutOf(param), { shape, dtype: param.type.dtype });
}

/** Σ over the runs of the product of a run with the part of the other operand that meets it. */
function summed(
  node: Node,
  op: Einsum,
  which: number,
  param: Node,
  runs: readonly RowRange[],
  out: Rewriter,
): Operand {
  const about = aboutOf(node);
  const other = out.operand(node.inputs[1 - which]);
  const [lead] = op.operands[which];
  const parts = runs.map((rows) => {
    const seen = out.typeOf(other).shape;
    const place = op.operands[1 - which].indexOf(lead);
    const shape = seen.with(place, rows.to - rows.from);
    const index = identityMap(shape).index.map((e, i) =>
      i === place && rows.from > 0 ? add(e, int(rows.from)) : e,
    );
    const reads = [viewed(other, { out: shape, index })];
    reads.splice(which, 0, run(param, rows, out));
    return out.add(op, reads, about, node.type);
  });
  return parts.reduce((sum, part) =>
    out.add({ kind: "pointwise", fn: "add" }, [sum, part], about, node.type),
  );
}

/** The row at the index, from the run that the index lies in. */
function chosen(node: Node, param: Node, runs: readonly RowRange[], out: Rewriter): Operand {
  const about = aboutOf(node);
  const index = out.operand(node.inputs[1]);
  const type = out.typeOf(index);
  const constant = (value: number): Operand => out.add({ kind: "const", value }, [], about, type);
  const pointwise = (fn: Fn, ...reads: Operand[]): Operand =>
    out.add({ kind: "pointwise", fn }, reads, about);
  const rowAt = (rows: RowRange): Operand => {
    const inside = rows.from > 0 ? pointwise("sub", index, constant(rows.from)) : index;
    const held = pointwise("min", pointwise("max", inside, constant(0)), constant(rows.to - rows.from - 1));
    return out.add(node.op, [run(param, rows, out), held], about, node.type);
  };
  const spread: IndexMap = {
    out: node.type.shape,
    index: type.shape.map((extent, i) => axis(`i${i}`, extent)),
  };
  return runs.slice(0, -1).reduceRight<Operand>(
    (later, rows) => {
      const before = viewed(pointwise("lt", index, constant(rows.to)), spread);
      return out.add({ kind: "pointwise", fn: "where" }, [before, rowAt(rows), later], about, node.type);
    },
    rowAt(runs[runs.length - 1]),
  );
}

function viewed(operand: Operand, map: IndexMap): Operand {
  return { id: operand.id, map: operand.map ? composeMaps(map, operand.map) : map };
}

function aboutOf({ path, origin, program }: Node): About {
  return { path, ...(origin && { origin }), ...(program && { program }) };
}
