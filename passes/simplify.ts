/**
 * @file simplify: one node for each distinct computation, scalar constants folded, algebra that is exact.
 *
 * - Equal ops of equal operands become one node (parameters by path, features by name).
 * - A pointwise op of scalar constants becomes a constant.
 * - x + 0, x − 0, x · 1, x / 1, −(−x), where(c, x, x) become x. Nothing that rounds differently is touched: no
 *   reassociation, no x · 0 (x may be infinite), no x / c → x · (1/c).
 * - What no output needs is dropped.
 */
import type { Graph, Node, Op, Operand } from "../src/ir/graph.ts";
import { printMap } from "../src/ir/indexmap.ts";
import { scalarFns } from "../src/ir/scalar.ts";
import { definePass } from "./pass.ts";
import { Rewriter } from "./rewrite.ts";

export const simplify = definePass<Graph, Graph>({
  name: "simplify",
  summary: "merges equal computations, folds constants, drops what no output needs",
  run(graph) {
    const out = new Rewriter(graph);
    const seen = new Map<string, Operand>();
    for (const node of graph.nodes) {
      const inputs = node.inputs.map((o) => out.operand(o));
      const same = identityOf(node, inputs, out);
      if (same) {
        out.replace(node.id, same);
        continue;
      }
      const op = foldConstants(node, inputs, out);
      const operands = op === node.op ? inputs : [];
      const key = keyOf(op, operands, node);
      const known = seen.get(key);
      if (known) {
        out.replace(node.id, known);
        continue;
      }
      const made = out.add(op, operands, node, node.type);
      seen.set(key, made);
      out.replace(node.id, made);
    }
    return out.finish();
  },
});

function keyOf(op: Op, inputs: readonly Operand[], node: Node): string {
  // `data` values are told apart by identity of the array: two equal masks are rare and harmless.
  const opKey =
    op.kind === "data"
      ? `data#${node.id}`
      : JSON.stringify(op, (_, v) => (v === Infinity ? "inf" : v === -Infinity ? "-inf" : v));
  const operands = inputs.map((o) => (o.map ? `${o.id}${printMap(o.map)}` : `${o.id}`));
  const kept = node.keep ? "kept " : "";
  return `${kept}${opKey}|${operands.join("|")}|${node.type.dtype}[${node.type.shape.join()}]`;
}

/** The operand that a pointwise node merely repeats, if it does. */
function identityOf(node: Node, inputs: readonly Operand[], out: Rewriter): Operand | undefined {
  if (node.op.kind !== "pointwise") return undefined;
  const constant = (k: number): number | undefined => {
    const op = out.nodes[inputs[k].id].op;
    return op.kind === "const" ? op.value : undefined;
  };
  const sameType = (k: number): boolean => out.typeOf(inputs[k]).dtype === node.type.dtype;
  switch (node.op.fn) {
    case "add":
      if (constant(1) === 0 && sameType(0)) return inputs[0];
      return constant(0) === 0 && sameType(1) ? inputs[1] : undefined;
    case "sub":
      return constant(1) === 0 && sameType(0) ? inputs[0] : undefined;
    case "mul":
      if (constant(1) === 1 && sameType(0)) return inputs[0];
      return constant(0) === 1 && sameType(1) ? inputs[1] : undefined;
    case "div":
      return constant(1) === 1 && sameType(0) ? inputs[0] : undefined;
    case "neg": {
      const inner = out.nodes[inputs[0].id];
      if (inputs[0].map || inner.op.kind !== "pointwise" || inner.op.fn !== "neg") return undefined;
      return inner.inputs[0];
    }
    case "where": {
      const mask = constant(0);
      if (mask !== undefined) return mask ? inputs[1] : inputs[2];
      const [, a, b] = inputs;
      return a.id === b.id && !a.map && !b.map ? a : undefined;
    }
    case "to_num":
    case "to_i32":
    case "to_bool":
      return sameType(0) ? inputs[0] : undefined;
    default:
      return undefined;
  }
}

function foldConstants(node: Node, inputs: readonly Operand[], out: Rewriter): Op {
  if (node.op.kind !== "pointwise" || inputs.length === 0) return node.op;
  const values: number[] = [];
  for (const o of inputs) {
    const op = out.nodes[o.id].op;
    if (op.kind !== "const") return node.op;
    values.push(op.value);
  }
  return { kind: "const", value: scalarFns[node.op.fn].evaluate(...values) };
}
