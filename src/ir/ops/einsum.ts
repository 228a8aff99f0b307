/**
 * @file Contraction: out[o…] = Σ over the labels absent from `out` of the product of the operands' elements.
 *
 * Before a device sees it an einsum is only this equation; the order of loops and of operands belongs to `contract`
 * and `schedule`. The evaluation multiplies operands from left to right, two at a time (`contractPair`).
 */
import { axis, type Extent } from "../expr.ts";
import type { TensorType } from "../graph.ts";
import { mulStages, reduceStage, viewStage } from "../stage.ts";
import { contractPair } from "./contract.ts";
import { expectInputs, expectType, type OpDef, OpError, type OpOf } from "./def.ts";
import { bindExtent, type Tensor } from "./tensor.ts";

type Einsum = OpOf<"einsum">;

/** The extent of every label. Throws OpError where operands disagree. */
export function labelExtents(op: Einsum, inputs: readonly TensorType[]): Map<number, Extent> {
  const extents = new Map<number, Extent>();
  for (const [k, labels] of op.operands.entries()) {
    const { shape } = inputs[k];
    if (labels.length !== shape.length)
      throw new OpError(`operand ${k + 1} of einsum has ${shape.length} axes, not ${labels.length}`);
    for (const [j, label] of labels.entries()) {
      const known = extents.get(label) ?? shape[j];
      if (known !== shape[j])
        throw new OpError(`an axis of einsum is ${known} long in one operand and ${shape[j]} in another`);
      extents.set(label, known);
    }
  }
  return extents;
}

/** The labels that are summed, in the order of their first appearance. */
export function contractedLabels(op: Einsum): number[] {
  return [...new Set(op.operands.flat())].filter((label) => !op.out.includes(label));
}

function extentOf(extents: ReadonlyMap<number, Extent>, label: number): Extent {
  const extent = extents.get(label);
  if (extent === undefined) throw new OpError("einsum's result names an axis that no operand has");
  return extent;
}

export const einsum: OpDef<"einsum"> = {
  kind: "einsum",
  stageRule:
    "a product is zero where any factor is, else the latest of its factors; a sum is the latest of its terms, zeros skipped; " +
    "worked out for every segment of the result",
  transpose: "einsum",
  strided: true,
  shape(op, inputs) {
    if (op.operands.length === 0) throw new OpError("einsum needs at least one operand");
    expectInputs("einsum", inputs, op.operands.length);
    for (const input of inputs) expectType("einsum", input, ["num"]);
    const extents = labelExtents(op, inputs);
    if (new Set(op.out).size !== op.out.length) throw new OpError("einsum's result names an axis twice");
    for (const label of contractedLabels(op)) {
      if (typeof extentOf(extents, label) !== "number")
        throw new OpError("einsum cannot sum over the batch axis");
    }
    return { shape: op.out.map((label) => extentOf(extents, label)), dtype: "num" };
  },
  stage(op, inputs, _type, ctx) {
    const extents = labelExtents(op, ctx.inputs);
    const contracted = contractedLabels(op);
    const joint = [...op.out, ...contracted];
    const out = joint.map((label) => extentOf(extents, label));
    const axes = out.map((extent, j) => axis(`i${j}`, extent));
    const spread = inputs.map((table, k) =>
      viewStage(table, { out, index: op.operands[k].map((label) => axes[joint.indexOf(label)]) }),
    );
    return reduceStage(
      mulStages(spread),
      contracted.map((_, j) => op.out.length + j),
      false,
    );
  },
  evaluate(op, inputs): Tensor {
    let labels = op.operands[0];
    let product = inputs[0];
    for (let k = 1; k < inputs.length; k++) {
      const later = new Set([...op.out, ...op.operands.slice(k + 1).flat()]);
      const kept = [...new Set([...labels, ...op.operands[k]])].filter((label) => later.has(label));
      const target = k === inputs.length - 1 ? op.out : kept;
      product = contractPair([product, inputs[k]], [labels, op.operands[k]], target);
      labels = target;
    }
    return inputs.length === 1 ? contractPair([product], [labels], op.out) : product;
  },
  flops(op, inputs, _type, sizes) {
    const extents = labelExtents(op, inputs);
    const points = [...extents.values()].reduce(
      (product: number, extent) => product * bindExtent(extent, sizes),
      1,
    );
    const sums = contractedLabels(op).length > 0 ? 1 : 0;
    return points * (op.operands.length - 1 + sums);
  },
};
