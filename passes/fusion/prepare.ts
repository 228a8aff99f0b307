/**
 * @file The Graph as grouping wants it: every task has a node of its own to store, no concat reads more values than a
 * kernel can bind, and nothing is kept between programs that is cheaper to make where it is read.
 */

import type { Graph, Node, Operand } from "../../src/ir/graph.ts";
import type { Profile } from "../../src/ir/profile.ts";
import { pruneGraph } from "../../src/ir/prune.ts";
import type { Fusion } from "../pass.ts";
import { isSource } from "../restrict.ts";
import { writeOutCombines } from "./combines.ts";
import { gatherBeforeExpanding } from "./remake.ts";

/** Bindings that a kernel needs beside what one concat reads: its result, a weight, a bias, a residual, slots. */
const OTHER_BINDINGS = 6;

export function prepare(graph: Graph, { limits, features }: Profile, fusion: Fusion): Graph {
  // A software device, which has no registers left behind a product, keeps the experts' sum as a kernel of its own.
  const written = features.software || fusion === "off" ? graph : writeOutCombines(graph);
  const most = Math.max(2, Math.floor((limits.storageBuffers - OTHER_BINDINGS) / 2));
  return ownOutputs(boundConcats(gatherBeforeExpanding(written), most));
}

/** A task that is a view, a source or another task's value gets a `view` node: its kernel is the copy that the model asks for. */
function ownOutputs(graph: Graph): Graph {
  const nodes: Node[] = [...graph.nodes];
  const taken = new Set<number>();
  const own = (read: Operand, path: string): Operand => {
    const node = nodes[read.id];
    const direct =
      !read.map &&
      node.program === "item" &&
      !isSource(node.op) &&
      node.op.kind !== "by_request" &&
      !taken.has(read.id);
    if (direct) {
      taken.add(read.id);
      return read;
    }
    const shape = read.map?.out ?? node.type.shape;
    const view: Node = {
      id: nodes.length,
      op: { kind: "view" },
      inputs: [read],
      type: { shape, dtype: node.type.dtype },
      stage: node.stage,
      program: "item",
      path,
      ...(node.origin ? { origin: node.origin } : {}),
    };
    nodes.push(view);
    taken.add(view.id);
    return { id: view.id };
  };
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: own(o.value, o.name),
    ...(o.logit ? { logit: own(o.logit, `${o.name}.logit`) } : {}),
  }));
  return { ...graph, nodes, outputs };
}

/** concat(a, b, c, …) of many pieces becomes concat(concat(a, …), concat(…), …), so that parts of it can be stored. */
function boundConcats(graph: Graph, most: number): Graph {
  if (!graph.nodes.some((n) => n.op.kind === "concat" && n.inputs.length > most)) return graph;
  const nodes: Node[] = [];
  const renamed: number[] = [];
  const rename = (o: Operand): Operand => (o.map ? { id: renamed[o.id], map: o.map } : { id: renamed[o.id] });
  for (const node of graph.nodes) {
    let inputs = node.inputs.map(rename);
    if (node.op.kind === "concat") {
      const along = node.op.axis;
      while (inputs.length > most) {
        const chunks: Operand[] = [];
        for (let i = 0; i < inputs.length; i += most) {
          const part = inputs.slice(i, i + most);
          if (part.length === 1) {
            chunks.push(part[0]);
            continue;
          }
          const size = part.reduce(
            (sum, o) => sum + ((o.map?.out ?? nodes[o.id].type.shape)[along] as number),
            0,
          );
          const shape = node.type.shape.map((s, a) => (a === along ? size : s));
          nodes.push({ ...node, id: nodes.length, inputs: part, type: { shape, dtype: node.type.dtype } });
          chunks.push({ id: nodes.length - 1 });
        }
        inputs = chunks;
      }
    }
    renamed[node.id] = nodes.length;
    const rows = node.rows && { ...node.rows, gate: renamed[node.rows.gate] };
    nodes.push({ ...node, id: nodes.length, inputs, ...(rows && { rows }) });
  }
  const outputs = graph.outputs.map((o) => ({
    ...o,
    value: rename(o.value),
    ...(o.logit ? { logit: rename(o.logit) } : {}),
  }));
  return pruneGraph({ ...graph, nodes, outputs });
}
