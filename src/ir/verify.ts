/**
 * @file The rules that every Graph keeps, checked after each pass in tests: order, types by the ops' own rules, index
 * maps that stay inside what they view, sources that are declared, outputs that exist.
 */
import { axesOf, type Expr, type Extent } from "./expr.ts";
import type { Graph, Node, Operand, TensorType } from "./graph.ts";
import { OpError, sameShape, showShape } from "./ops/def.ts";
import { opDef } from "./ops/index.ts";
import { bounds } from "./simplify.ts";
import { scaledBy } from "./storage.ts";

/** What is wrong with the graph, a sentence each; empty if nothing is. */
export function verifyGraph(graph: Graph): string[] {
  const problems: string[] = [];
  for (const [position, node] of graph.nodes.entries()) {
    const report = (problem: string): void => {
      problems.push(`%${node.id} (${node.op.kind}, ${node.path}): ${problem}`);
    };
    const before = problems.length;
    if (node.id !== position) report(`stands at position ${position}`);
    for (const operand of node.inputs) checkOperand(graph, operand, position, report);
    // The op's own rules are only worth asking about operands that exist.
    if (problems.length === before) checkNode(graph, node, report);
  }
  checkOutputs(graph, (problem) => problems.push(problem));
  return problems;
}

type Report = (problem: string) => void;

function checkOperand(graph: Graph, { id, map }: Operand, limit: number, report: Report): void {
  if (!(id >= 0 && id < limit)) {
    report(`reads %${id}, which is not computed before it`);
    return;
  }
  if (map === undefined) return;
  const { shape } = graph.nodes[id].type;
  if (map.index.length !== shape.length) {
    report(`indexes %${id} of ${shape.length} axes with ${map.index.length} expressions`);
    return;
  }
  for (const [j, index] of map.index.entries()) {
    for (const [name, { extent }] of axesOf(index)) {
      const own = map.out[Number(name.slice(1))];
      const expected = typeof own === "string" ? 1 : own;
      const found = typeof extent === "number" ? extent : extent.times;
      if (!/^i\d+$/.test(name) || own === undefined || expected !== found)
        report(`the map of %${id} has no axis ${name} of ${found}`);
    }
    checkRange(index, shape[j], (problem) => report(`axis ${j} of %${id}: ${problem}`), map.out);
  }
}

/** Bounds are over all points of the axes, so a map over an empty view reads nothing and is always inside. */
function checkRange(index: Expr, extent: Extent, report: Report, out: readonly Extent[]): void {
  const range = bounds(index);
  if (index.type !== "i32") report("its index is no integer");
  if (range === undefined || typeof extent !== "number" || out.includes(0)) return;
  if (range.lo < 0 || range.hi >= extent)
    report(`an index of ${range.lo} to ${range.hi} leaves [0, ${extent})`);
}

function seenType(graph: Graph, { id, map }: Operand): TensorType {
  const { type } = graph.nodes[id];
  return map === undefined ? type : { shape: map.out, dtype: type.dtype };
}

function checkNode(graph: Graph, node: Node, report: Report): void {
  try {
    const type = opDef(node.op.kind).shape(
      node.op,
      node.inputs.map((operand) => seenType(graph, operand)),
      node.type,
    );
    if (type.dtype !== node.type.dtype) report(`is ${node.type.dtype}, its rule says ${type.dtype}`);
    if (!sameShape(type.shape, node.type.shape))
      report(`has shape ${showShape(node.type.shape)}, its rule says ${showShape(type.shape)}`);
  } catch (error) {
    if (!(error instanceof OpError)) throw error;
    report(error.message);
  }
  if (node.stage.cuts.length !== node.type.shape.length) report("has a stage table of another rank");
  for (const [j, cuts] of node.stage.cuts.entries()) {
    const extent = node.type.shape[j];
    const end = typeof extent === "number" ? extent : Number.POSITIVE_INFINITY;
    if (cuts.at(-1) !== end) report(`has a stage table that ends at ${cuts.at(-1)} along axis ${j}`);
  }
  const order = node.layout?.order.toSorted((a, b) => a - b);
  if (order !== undefined && !sameShape(order, [...node.type.shape.keys()]))
    report("has a layout of other axes");
  checkRows(graph, node, report);
  checkSource(graph, node, report);
  checkProgram(graph, node, report);
}

/** A value at active rows has the gate's axes, and comes after it in the same program. */
function checkRows(graph: Graph, { id, type, program, rows }: Node, report: Report): void {
  if (rows === undefined) return;
  const gate = rows.gate < id ? graph.nodes[rows.gate] : undefined;
  if (gate === undefined) {
    report(`has the rows of %${rows.gate}, which is not computed before it`);
    return;
  }
  const { shape } = gate.type;
  if (gate.program !== program) report(`has rows of the ${gate.program} program`);
  if (
    !sameShape(
      shape,
      rows.axes.map((a) => type.shape[a]),
    )
  )
    report(`has not the axes ${showShape(shape)} of its gate %${gate.id}`);
  if (rows.groups.some((g) => typeof shape[g] !== "number"))
    report("has groups along an axis without a size");
}

function checkSource(graph: Graph, { op, type, program }: Node, report: Report): void {
  if (op.kind === "param") {
    const info = graph.params.find((param) => param.path === op.path);
    const known = new Set([...graph.params, ...graph.precision.derived].map(({ path }) => path));
    const isScale = scaledBy(op.path)?.every((path) => known.has(path));
    if (info === undefined && isScale) {
      if (type.shape.length > 0) report(`${op.path} is one number`);
    } else if (info === undefined) report(`no parameter ${op.path} is declared`);
    else {
      const { from, to } = op.rows ?? { from: 0, to: info.shape[0] ?? 1 };
      const shape = op.rows ? info.shape.with(0, to - from) : info.shape;
      if (from < 0 || from >= to || to > (info.shape[0] ?? 1))
        report(`parameter ${op.path} has no rows ${from} to ${to}`);
      else if (type.dtype !== "num" || !sameShape(shape, type.shape))
        report(`parameter ${op.path} is num${showShape(shape)}`);
    }
  }
  if (op.kind === "feature") {
    const info = graph.features.find((feature) => feature.name === op.name);
    if (info === undefined) {
      report(`no feature ${op.name} is declared`);
      return;
    }
    const dtype = info.dtype === "f32" ? "num" : "i32";
    const shape: readonly Extent[] =
      program === undefined ? info.shape : [info.stage === "user" ? "R" : "N", ...info.shape];
    if (type.dtype !== dtype || !sameShape(shape, type.shape))
      report(`feature ${op.name} is ${dtype}${showShape(shape)}`);
  }
}

const ORDER = { load: 0, user: 1, item: 2 };

/** A program reads what an earlier one kept; a user's value reaches the item program through `by_request` alone. */
function checkProgram(graph: Graph, node: Node, report: Report): void {
  for (const { id } of node.inputs) {
    const { program } = graph.nodes[id];
    if ((program === undefined) !== (node.program === undefined))
      report(`one of it and %${id} has a program`);
    else if (program !== undefined && node.program !== undefined && ORDER[program] > ORDER[node.program]) {
      report(`the ${node.program} program reads %${id} of the ${program} program`);
    }
  }
}

function checkOutputs(graph: Graph, report: Report): void {
  const names = new Set<string>();
  for (const output of graph.outputs) {
    if (names.has(output.name)) report(`two outputs are called ${output.name}`);
    names.add(output.name);
    for (const operand of output.logit === undefined ? [output.value] : [output.value, output.logit]) {
      let sound = true;
      checkOperand(graph, operand, graph.nodes.length, (problem) => {
        sound = false;
        report(`output ${output.name} ${problem}`);
      });
      if (!sound) continue;
      const { shape } = seenType(graph, operand);
      const own = typeof shape[0] === "string" ? shape.slice(1) : shape;
      if (!sameShape(own, output.shape))
        report(`output ${output.name} of shape ${showShape(output.shape)} is ${showShape(shape)}`);
    }
  }
}
