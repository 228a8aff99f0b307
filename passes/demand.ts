/**
 * @file demand: nobody computes what nobody reads.
 *
 * Walks from the outputs to the sources, keeping for each value the smallest box of it that some reader touches, and
 * computes just that box: the pruned last layer of HiFormer and LONGER, the rows a pyramid drops, the channels a
 * slice leaves behind. Sources (parameters, features) keep their stored shape; reads of a part are views.
 */
import type { Graph } from "../src/ir/graph.ts";
import { viewStage } from "../src/ir/stage.ts";
import { definePass } from "./pass.ts";
import {
  type Box,
  fullBox,
  growBox,
  isEmpty,
  isFull,
  isSource,
  joinBoxes,
  neededOperands,
  operandBox,
  restrictMap,
  seenShape,
  sizesOf,
  storedBox,
} from "./restrict.ts";
import { Rewriter, through } from "./rewrite.ts";

export const demand = definePass<Graph, Graph>({
  name: "demand",
  summary: "computes only the rows and channels that some output reads",
  run(graph) {
    const wanted = wantedBoxes(graph);
    const out = new Rewriter(graph);
    const parts: Box[] = [];
    const moved: number[] = [];
    for (const node of graph.nodes) {
      const box = wanted[node.id];
      const shape = node.type.shape as readonly number[];
      if (!box || isSource(node.op)) {
        parts[node.id] = fullBox(shape);
        if (box) moved[node.id] = out.copy(node).id;
        continue;
      }
      parts[node.id] = box;
      const shapes = node.inputs.map((o) => seenShape(o, graph.nodes));
      const inputs = neededOperands(node, box, shapes).map((k) => {
        const operand = node.inputs[k];
        const stored = graph.nodes[operand.id].type.shape as readonly number[];
        const map = restrictMap(operand.map, stored, operandBox(node, box, k, shapes), parts[operand.id]);
        return through({ id: moved[operand.id] }, map, (id) => out.nodes[id].type);
      });
      const type = { shape: sizesOf(box), dtype: node.type.dtype };
      const stage = viewStage(node.stage, restrictMap(undefined, shape, box, fullBox(shape)));
      moved[node.id] = out.add(node.op, inputs, { ...node, stage }, type).id;
    }
    // An output's reads, in terms of what is left of the value.
    graph.nodes.forEach((node) => {
      if (moved[node.id] === undefined) return;
      const part = parts[node.id];
      const shape = node.type.shape as readonly number[];
      if (isFull(part, shape)) out.replace(node.id, { id: moved[node.id] });
      else {
        const map = restrictMap(undefined, shape, fullBox(shape), part);
        out.replace(node.id, { id: moved[node.id], map });
      }
    });
    return out.finish();
  },
});

/** For each node the box of it that is read; undefined where nothing is. */
function wantedBoxes(graph: Graph): (Box | undefined)[] {
  const wanted: (Box | undefined)[] = graph.nodes.map(() => undefined);
  const want = (id: number, box: Box): void => {
    if (!isEmpty(box)) wanted[id] = joinBoxes(wanted[id], box);
  };
  for (const o of graph.outputs) {
    for (const read of o.logit ? [o.value, o.logit] : [o.value]) {
      const shape = graph.nodes[read.id].type.shape as readonly number[];
      want(read.id, storedBox(fullBox(seenShape(read, graph.nodes)), read.map, shape));
    }
  }
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id];
    const box = wanted[id];
    if (!box) continue;
    const grown = growBox(node.op, box, node.type.shape as readonly number[]);
    wanted[id] = grown;
    const shapes = node.inputs.map((o) => seenShape(o, graph.nodes));
    for (const k of neededOperands(node, grown, shapes)) {
      const operand = node.inputs[k];
      const stored = graph.nodes[operand.id].type.shape as readonly number[];
      want(operand.id, storedBox(operandBox(node, grown, k, shapes), operand.map, stored));
    }
  }
  return wanted;
}
