/**
 * @file Pointwise ops: one function of `scalar.ts`, element by element. Operands already have the node's shape;
 * broadcasts are in their index maps.
 */
import { apply, type Extent, type ScalarFn } from "../expr.ts";
import { resultType, scalarFns } from "../scalar.ts";
import { joinStages, mulStages, type StageTable, selectStages } from "../stage.ts";
import {
  atLeastLoad,
  constantShape,
  elements,
  expectInputs,
  type OpDef,
  OpError,
  sameShape,
  showShape,
} from "./def.ts";
import { newData, numel, type Tensor } from "./tensor.ts";

/** How a function's zeros follow from its operands' zeros. */
type ZeroRule = "all" | "any" | "first" | "never";

function zeroRule(fn: ScalarFn): ZeroRule {
  const { arity, zero } = scalarFns[fn];
  const only = (k: number): boolean => zero(Array.from({ length: arity }, (_, j) => j === k));
  if (!zero(Array.from({ length: arity }, () => true))) return "never";
  if (arity > 1 && only(0)) return only(1) ? "any" : "first";
  return "all";
}

/** The stage of fn(inputs) where `fn` is no `where`. */
function applyStage(fn: ScalarFn, inputs: readonly StageTable[], shape: readonly Extent[]): StageTable {
  switch (zeroRule(fn)) {
    case "all":
      return joinStages(inputs);
    case "any":
      return mulStages(inputs);
    case "first":
      return mulStages(inputs.map((table, k) => (k === 0 ? table : atLeastLoad(table, shape))));
    case "never":
      return atLeastLoad(joinStages(inputs), shape);
  }
}

export const pointwise: OpDef<"pointwise"> = {
  kind: "pointwise",
  stageRule:
    "the latest of its operands, zeros skipped; zero where the function of those zeros is 0 (0·v, 0/v, 0 + 0, gelu(0), …); " +
    "where(c, a, b) with a compile-time c takes the chosen operand's stage, element by element",
  transpose: "pointwise",
  shape(op, inputs) {
    expectInputs(op.fn, inputs, scalarFns[op.fn].arity);
    const { shape } = inputs[0];
    for (const other of inputs) {
      if (!sameShape(shape, other.shape)) {
        throw new OpError(
          `${op.fn} takes operands of one shape, not ${showShape(shape)} and ${showShape(other.shape)}`,
        );
      }
    }
    const dtype = resultType(
      op.fn,
      inputs.map((type) => type.dtype),
    );
    if (dtype === undefined)
      throw new OpError(`${op.fn} does not take (${inputs.map((type) => type.dtype).join(", ")})`);
    return { shape, dtype };
  },
  stage(op, inputs, type, ctx) {
    if (op.fn !== "where") return applyStage(op.fn, inputs, type.shape);
    const known = ctx.constant(ctx.operands[0]);
    return selectStages(known === undefined ? inputs[0] : Uint8Array.from(known.data), inputs[1], inputs[2]);
  },
  evaluate(op, inputs, type): Tensor {
    const shape = constantShape(type.shape);
    const total = numel(shape);
    const data = newData(type.dtype, total);
    const { arity, evaluate } = scalarFns[op.fn];
    const [a, b, c] = inputs.map((input) => input.data);
    if (arity === 1) for (let i = 0; i < total; i++) data[i] = evaluate(a[i]);
    else if (arity === 2) for (let i = 0; i < total; i++) data[i] = evaluate(a[i], b[i]);
    else for (let i = 0; i < total; i++) data[i] = evaluate(a[i], b[i], c[i]);
    return { shape, dtype: type.dtype, data };
  },
  flops: (op, _inputs, type, sizes) => scalarFns[op.fn].flops * elements(type, sizes),
  element: (node, index, operand, inputs) => apply(node.op.fn, ...inputs.map((_, k) => operand(k, index))),
};
