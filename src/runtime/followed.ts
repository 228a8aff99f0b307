/**
 * @file What the reference takes from the device where it evaluates the final Graph: the results of discontinuous choices, and what became
 * of activations that are rounded (`inputs TYPE`, passes/quantize.ts).
 *
 * A number beside a tie of an 8-bit type falls to the other side where another one differs from it in the last of 16 bits: a choice, of
 * which a product makes thousands. No kernel stores it, since products round what they load; but it is made of what kernels have
 * stored, so the device's is the one that follows from the device's values. Together they must be within tolerance of the ties of what the
 * reference rounds there, and the reference goes on from them.
 */
import { type EvaluationInput, evaluate, type Tensor } from "../../backends/reference/evaluate.ts";
import { withActiveElements } from "../ir/activerows.ts";
import { exactNodes } from "../ir/choices.ts";
import { rounded } from "../ir/codecs/codec.ts";
import type { Graph, Node, Operand, Stage } from "../ir/graph.ts";
import type { Plan } from "../ir/plan.ts";
import { derivedNodes } from "../ir/storage.ts";
import { type ChoiceComparison, checkRounding, choosingNodes } from "./choices.ts";
import { evaluated } from "./engine/reference.ts";
import type { ReadValue } from "./engine/types.ts";

/** One value on the device and the node whose value it must be. */
export interface StoredNode {
  /** The kernel's name, and the value's. */
  readonly name: string;
  readonly what: string;
  readonly stage: Stage;
  readonly value: number;
  readonly operand: Operand;
}

/** What the kernels of a plan store. */
export function storedNodes(plan: Plan): StoredNode[] {
  const pairs: StoredNode[] = [];
  for (const stage of ["load", "user", "item"] as const) {
    for (const kernel of plan.kernels[stage]) {
      for (const { value, access } of kernel.buffers) {
        const planned = plan.values[value];
        if (access !== "write" || planned?.node === undefined) continue;
        pairs.push({ name: kernel.name, what: planned.name, stage, value, operand: { id: planned.node } });
      }
    }
  }
  return pairs;
}

export interface Followed {
  /** What the reference goes on from in place of its own, by node of the final Graph. */
  readonly override: ReadonlyMap<number, Tensor>;
  readonly roundings: readonly ChoiceComparison[];
}

/** A call that an engine has run. */
interface Run {
  readonly engine: { read(value: number): Promise<ReadValue> };
  readonly plan: Plan;
  /** The final Graph. */
  readonly graph: Graph;
  readonly call: EvaluationInput;
}

export async function follow(run: Run): Promise<Followed> {
  const { engine, plan, graph, call } = run;
  const stored = storedNodes(plan);
  const whole = stored.filter(({ value }) => plan.values[value].rows === undefined);
  const values = new Map(whole.map(({ operand, value }) => [operand.id, value]));
  const chosen = new Map<number, Tensor>();
  for (const id of choosingNodes(graph, exactNodes(graph), new Set(values.keys())))
    chosen.set(id, asTensor(await engine.read(values.get(id) ?? -1), graph.nodes[id]));
  const rounding = graph.nodes.filter(rounds);
  if (rounding.length === 0) return { override: chosen, roundings: [] };

  const held = await heldValues(run, stored, chosen);
  const nodes = rounding.map(({ id }) => ({ id }));
  const codes = evaluated(() => evaluate(graph, call, nodes, { override: held, rounding: {} }));
  const override = new Map([...chosen, ...rounding.map(({ id }, i) => [id, codes[i]] as const)]);
  const operands = rounding.flatMap((node) => [node.inputs[0], ...scaleOf(node, graph)]);
  const exact = evaluated(() => evaluate(graph, call, operands, { override, rounding: {} }));
  const roundings = rounding.map((node, i): ChoiceComparison => {
    const { op, path, program = "load" } = node;
    const [quotients, scales] = exact.splice(0, 1 + scaleOf(node, graph).length);
    const { choices, differing, gap } = checkRounding(op.fn, codes[i].data, quotients, scales?.data);
    return { name: path, what: op.fn, stage: program, choices, differing, gap };
  });
  return { override, roundings };
}

type Pointwise = Extract<Node["op"], { kind: "pointwise" }>;

function rounds(node: Node): node is Node & { readonly op: Pointwise } {
  return node.op.kind === "pointwise" && node.op.fn.startsWith("round_");
}

/** What the node's operand was divided by, of the same shape; none for types without scales. */
function scaleOf({ inputs: [operand] }: Node, { nodes }: Graph): readonly Operand[] {
  const { op, inputs } = nodes[operand.id];
  return operand.map === undefined && op.kind === "pointwise" && op.fn === "div" ? [inputs[1]] : [];
}

/** All that the device holds, by node. What it has not of a value at active rows is the reference's. */
async function heldValues(
  { engine, plan, graph, call }: Run,
  stored: readonly StoredNode[],
  chosen: ReadonlyMap<number, Tensor>,
): Promise<Map<number, Tensor>> {
  const partial = stored.filter(({ value }) => plan.values[value].rows !== undefined);
  const dense = evaluated(() =>
    evaluate(
      graph,
      call,
      partial.map(({ operand }) => operand),
      { override: chosen, rounding: {} },
    ),
  );
  const derived = derivedNodes(graph);
  const held = new Map<number, Tensor>(chosen);
  for (const { operand, value } of stored) {
    const read = await engine.read(value);
    const { rows } = plan.values[value];
    const whole = dense[partial.findIndex((each) => each.value === value)];
    const places = rows && (await engine.read(rows.places)).data;
    const line = derived.get(operand.id);
    // The device computes a load-stage value, and reads what the host has packed of it.
    const data = line ? rounded(Float32Array.from(read.data), read.shape, line.storage) : read.data;
    const tensor = asTensor({ ...read, data }, graph.nodes[operand.id]);
    held.set(operand.id, rows && places ? withActiveElements(rows, data, places, whole) : tensor);
  }
  return held;
}

function asTensor({ shape, data }: ReadValue, { type }: Node): Tensor {
  return { shape, dtype: type.dtype, data };
}
