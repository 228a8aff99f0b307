/** @file Masks of padded lists: the entries before the length are real. */
import type { Span } from "../../grammar/diagnostics.ts";
import type { Operand } from "../ir/graph.ts";
import { broadcastMap } from "../ir/indexmap.ts";
import type { Env } from "./context.ts";
import { broadcastOperand } from "./emit.ts";
import type { TensorValue } from "./values.ts";

/** bool [max]: which entries of a padded list are real. */
export function validMask(
  length: TensorValue,
  max: number,
  env: Env,
  span: Span,
  label?: string,
): TensorValue {
  const emit = env.emit(span, label);
  const position = emit.op({ kind: "iota" }, [], { shape: [max], dtype: "i32" });
  return emit.op({ kind: "pointwise", fn: "lt" }, [{ id: position.id }, broadcastOperand(length, [max])]);
}

/** A mask [n] as an op over [n, …] sees it. */
export function alongFirstAxis(mask: TensorValue, shape: readonly number[]): Operand {
  if (shape.length === 1) return { id: mask.id };
  return { id: mask.id, map: broadcastMap(mask.shape, shape, [0]) };
}
