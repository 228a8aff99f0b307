/**
 * @file Discontinuous choices: the nodes at which a rounding error can turn into another result altogether. A `top_k` between
 * two nearly equal scores, a comparison, a `floor` may come out differently on a device and in the reference, and both
 * are right. Verification therefore reads the device's choice back, holds it against the reference's scores and lets the
 * reference go on from it.
 *
 * `withChoices` makes every such node an output of the Graph, so that the passes carry it along and its value is stored.
 * A node whose operands are the same numbers on both sides (ids, lengths, positions, f32 features) is no choice.
 */
import type { ScalarFn } from "./expr.ts";
import type { Graph, Node, Operand, Output } from "./graph.ts";
import { maxLevel, uniform } from "./stage.ts";

const COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"] as const;
const STEPS = ["floor", "sign", "floordiv", "mod", "to_i32", "to_bool"] as const;
const DISCONTINUOUS: ReadonlySet<ScalarFn> = new Set<ScalarFn>([...COMPARISONS, ...STEPS]);

/** Functions that round nothing: of exact operands they give the exact number. */
const EXACT: ReadonlySet<ScalarFn> = new Set<ScalarFn>([
  "neg",
  "abs",
  "sign",
  "floor",
  "relu",
  "min",
  "max",
  "clamp",
  "where",
  "to_num",
]);

/** For each node whether a device holds the very number that the reference does. */
export function exactNodes(graph: Graph): readonly boolean[] {
  const stored = new Set(graph.params.map(({ path }) => path));
  const exact: boolean[] = [];
  for (const node of graph.nodes) exact.push(isExact(node, exact, stored));
  return exact;
}

function isExact(node: Node, exact: readonly boolean[], stored: ReadonlySet<string>): boolean {
  const { op, inputs } = node;
  // Integers do not round; where one comes of a choice, the reference goes on from the device's.
  if (node.type.dtype !== "num") return true;
  const all = inputs.every(({ id }) => exact[id]);
  switch (op.kind) {
    case "feature":
      return true;
    case "param":
      // A device may store a parameter in fewer bits; the scales of activations (`inputs TYPE`) are numbers of f32.
      return !stored.has(op.path);
    case "const":
      return isF32(op.value);
    case "data":
      return op.values.every(isF32);
    case "pad":
      return all && isF32(op.fill);
    case "pointwise":
      return all && EXACT.has(op.fn);
    case "reduce":
      return all && (op.fn === "max" || op.fn === "min");
    case "view":
    case "concat":
    case "take":
    case "by_request":
      return all;
    default:
      return false;
  }
}

function isF32(value: number): boolean {
  return Object.is(Math.fround(value), value);
}

/** Whether the node's result may jump where its operands are off by a rounding error. */
export function isChoice(node: Node, exact: readonly boolean[]): boolean {
  const { op } = node;
  const jumps =
    op.kind === "top_k_mask" ||
    op.kind === "top_k_index" ||
    (op.kind === "pointwise" && DISCONTINUOUS.has(op.fn));
  return jumps && node.inputs.some(({ id }) => !exact[id]);
}

const PREFIX = "#choice:";

/** The Graph with every choice that its tasks depend on as one more output, named by the node. */
export function withChoices(graph: Graph): Graph {
  const exact = exactNodes(graph);
  const live = liveNodes(graph);
  const choices = graph.nodes.filter((node) => live[node.id] && isChoice(node, exact));
  const outputs = choices.map(
    (node): Output => ({
      name: `${PREFIX}${node.id}`,
      value: { id: node.id },
      shape: node.type.shape.map((extent) => {
        if (typeof extent !== "number")
          throw new Error("internal: choices are marked before the stages are split");
        return extent;
      }),
    }),
  );
  return { ...graph, outputs: [...graph.outputs, ...outputs] };
}

function liveNodes(graph: Graph): readonly boolean[] {
  const live = graph.nodes.map(() => false);
  for (const { value } of graph.outputs) live[value.id] = true;
  for (const node of graph.nodes.toReversed()) {
    if (live[node.id]) for (const { id } of node.inputs) live[id] = true;
  }
  return live;
}

/** The node whose choice an output holds; undefined for a task's. */
export function choiceOf(output: { readonly name: string }): number | undefined {
  return output.name.startsWith(PREFIX) ? Number(output.name.slice(PREFIX.length)) : undefined;
}

/**
 * The Graph with a node appended for each operand of these nodes that holds it as the op sees it, at the stage of the op; the
 * operands are returned in order. Nothing else is renumbered.
 */
export function withOperandsOf(
  graph: Graph,
  ids: readonly number[],
): { readonly graph: Graph; readonly operands: readonly (readonly Operand[])[] } {
  const nodes = [...graph.nodes];
  const operands = ids.map((id) => {
    const reader = graph.nodes[id];
    return reader.inputs.map((operand): Operand => {
      const { type } = graph.nodes[operand.id];
      const shape = operand.map?.out ?? type.shape;
      const made: Node = {
        id: nodes.length,
        op: { kind: "view" },
        inputs: [operand],
        type: { shape, dtype: type.dtype },
        stage: uniform(shape, evaluatedAt(reader)),
        path: reader.path,
      };
      nodes.push(made);
      return { id: made.id };
    });
  });
  return { graph: { ...graph, nodes }, operands };
}

/** At which stage the reference evaluates a node before `split-stages`: 1 load, 2 user, 3 item. */
export function evaluatedAt(node: Node): 1 | 2 | 3 {
  const level = maxLevel(node.stage);
  return level === 0 ? 1 : level;
}
