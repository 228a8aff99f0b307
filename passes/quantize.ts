/**
 * @file quantize: the activations of products whose parameter's line says `inputs TYPE` are rounded to that type, as ops of the Graph:
 *
 *     einsum(x, w)  →  einsum(round(x / s) · s, w)        s = the calibrated scale, or max |x| of the row / the largest code
 *
 * A row is all that the product sums over, of one request or candidate. The calibrated scale is one number that comes with the
 * weights; it is 0 where nobody calibrated, which is known at load, so both forms are in the Graph. 16-bit types have no
 * scale. It runs first, on products as the model writes them: what the other passes make of a product must not change what
 * a row is. Storage of parameters needs no op: `fuse` reads them decoded.
 */
import { largestCode } from "../src/ir/codecs/codec.ts";
import type { Graph, Node, Op, Operand, StorageElement } from "../src/ir/graph.ts";
import { broadcastMap } from "../src/ir/indexmap.ts";
import { opDef } from "../src/ir/ops/index.ts";
import { isUniform, maxLevel, minLevel, type StageLevel, type StageTable, uniform } from "../src/ir/stage.ts";
import { derivedNodes, inputScaleName, needsScale } from "../src/ir/storage.ts";
import { definePass } from "./pass.ts";
import { type About, Rewriter } from "./rewrite.ts";

type Fn = Extract<Op, { kind: "pointwise" }>["fn"];

const ROUND: Readonly<Record<Exclude<StorageElement, "f32">, Fn>> = {
  f16: "round_f16",
  bf16: "round_bf16",
  int8: "round_int8",
  fp8_e4m3: "round_e4m3",
  fp8_e5m2: "round_e5m2",
};

/** The smallest number that no device flushes to 0: no scale is smaller. */
const SMALLEST = 2 ** -126;

export const quantize = definePass<Graph, Graph>({
  name: "quantize",
  summary: "rounds the activations that products take in a narrow type",
  run(graph) {
    const narrowed = new Map(graph.nodes.map((node) => [node.id, narrowOperands(graph, node)]));
    if ([...narrowed.values()].every((operands) => operands.length === 0)) return graph;
    const out = new Rewriter(graph);
    for (const node of graph.nodes) {
      const operands = narrowed.get(node.id) ?? [];
      if (operands.length === 0) {
        out.copy(node);
        continue;
      }
      const inputs = node.inputs.map((operand, k) => {
        const read = out.operand(operand);
        const narrow = operands.find((each) => each.operand === k);
        return narrow === undefined ? read : rounded(read, narrow, node, out);
      });
      const { path, origin, keep } = node;
      out.replace(
        node.id,
        out.derive(node.op, inputs, { path, ...(origin && { origin }), ...(keep && { keep }) }),
      );
    }
    return out.finish();
  },
});

/** An activation of a product, and how it is rounded. */
interface Narrow {
  readonly operand: number;
  readonly element: Exclude<StorageElement, "f32">;
  /** The parameter's, under which the calibrated scale stands. */
  readonly path: string;
  /** The axes of the operand that the product sums over. */
  readonly shared: readonly number[];
}

function narrowOperands(graph: Graph, { op, inputs }: Node): readonly Narrow[] {
  if (op.kind !== "einsum") return [];
  const weights = inputs.map((operand) => weightOf(graph, operand));
  const weight = weights.find((each) => each?.inputs !== undefined);
  const element = weight?.inputs;
  if (weight === undefined || element === undefined || element === "f32") return [];
  return op.operands.flatMap((labels, operand): Narrow[] => {
    const shared = labels.flatMap((label, j) => (op.out.includes(label) ? [] : [j]));
    if (weights[operand] !== undefined || shared.length === 0) return [];
    return [{ operand, element, path: weight.path, shared }];
  });
}

/** The parameter or stored derived value that an operand is, through views. */
function weightOf(
  graph: Graph,
  { id }: Operand,
): { readonly path: string; readonly inputs?: StorageElement } | undefined {
  const derived = derivedNodes(graph).get(id);
  if (derived !== undefined) return derived;
  const { op, inputs } = graph.nodes[id];
  if (op.kind === "param") return graph.params.find(({ path }) => path === op.path);
  return op.kind === "view" ? weightOf(graph, inputs[0]) : undefined;
}

/**
 * The stage at which `x` is rounded, where that is when all of the product is computed: a request's part of it rounded with the
 * request would be a kernel of its own, for nothing that is used again. Undefined where parts of the product are known sooner, or are 0.
 */
function levelAlone({ stage }: Node, x: StageTable): StageLevel | undefined {
  return isUniform(stage) && minLevel(x) > 0 ? maxLevel(stage) : undefined;
}

/** `x` rounded, in place of the operand of `node`. */
function rounded(x: Operand, { element, path, shared }: Narrow, node: Node, out: Rewriter): Operand {
  const about: About = { path: `${node.path}.inputs`, ...(node.origin && { origin: node.origin }) };
  const level = levelAlone(node, out.stageOf(x));
  const derive = (op: Op, inputs: readonly Operand[]): Operand => {
    if (level === undefined) return out.derive(op, inputs, about);
    const types = inputs.map((o) => out.typeOf(o));
    const { shape } = opDef(op.kind).shape(op, types, undefined);
    return out.add(op, inputs, { ...about, stage: uniform(shape, level) });
  };
  const apply = (fn: Fn, ...inputs: readonly Operand[]): Operand => derive({ kind: "pointwise", fn }, inputs);
  if (!needsScale(element)) return apply(ROUND[element], x);
  const spread = (operand: Operand, like: Operand): Operand => {
    const from = out.typeOf(operand).shape;
    return {
      id: operand.id,
      map: broadcastMap(
        from,
        out.typeOf(like).shape,
        from.map((_, j) => j),
      ),
    };
  };
  const number = (value: number, like: Operand): Operand =>
    out.add({ kind: "const", value }, [], about, out.typeOf(like));
  const name = inputScaleName(path);
  const given = out.add({ kind: "param", path: name }, [], { path: name }, { shape: [], dtype: "num" });
  const isGiven = out.derive({ kind: "pointwise", fn: "gt" }, [given, number(0, given)], about);
  // Where the scale is given, no row is gone through for its magnitudes.
  const magnitudes = apply("where", spread(isGiven, x), number(0, x), apply("abs", x));
  const highest = derive({ kind: "reduce", fn: "max", axes: shared, keep: true }, [magnitudes]);
  const ofRow = apply("div", highest, number(largestCode(element), highest));
  const chosen = apply("where", spread(isGiven, highest), spread(given, highest), ofRow);
  const scale = apply("max", chosen, number(SMALLEST, highest));
  const each = spread(scale, x);
  return apply("mul", apply(ROUND[element], apply("div", x, each)), each);
}
