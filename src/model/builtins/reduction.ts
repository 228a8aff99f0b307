/** @file Reductions, by a pattern ("t d -> d") or by an axis. */

import { reshapeMap } from "../../ir/indexmap.ts";
import { AxisSizes, layoutOutput, relayout } from "../axes.ts";
import { exactInt, isNumber } from "../compiletime.ts";
import { parsePattern } from "../patterns.ts";
import { type Bound, floatValue, type StringValue, type TensorValue, type Value } from "../values.ts";
import { type Builtin, type BuiltinCall, option, tensor } from "./builtin.ts";

type ReduceFn = "sum" | "mean" | "max" | "min";

export const reduction: readonly Builtin[] = (["sum", "mean"] as const).map((fn) => ({
  name: fn,
  signature: `${fn}(x, "t d -> d") · ${fn}(x, axis = -1, keep = false)`,
  doc: `the ${fn} over the axes that the right side lacks, over one axis, or without either over all`,
  params: [tensor("x"), option("pattern", "string"), option("axis", "int"), option("keep", "bool")],
  sizes: true,
  run: (call) => reduce(fn, call, call.has("pattern") ? call.string("pattern") : undefined),
}));

/** `max` and `min`: a reduction where a pattern or an axis is given, or of one tensor; else the extreme of several values. */
export function reduceOrChoose(fn: "max" | "min", call: BuiltinCall): Value {
  const [second, ...more] = call.rest;
  const pattern = second?.value.kind === "string" && more.length === 0 ? second.value : undefined;
  const first = call.bound("x");
  if (first.value.kind === "list" && !second)
    return extremeOf(
      fn,
      first.value.items.map((value) => ({ value, span: first.span })),
      call,
    );
  if (pattern || !second) return reduce(fn, call, pattern);
  return extremeOf(fn, [first, ...call.rest], call);
}

function extremeOf(fn: "max" | "min", args: readonly Bound[], call: BuiltinCall): Value {
  const [first, ...others] = args;
  noSizes(call);
  if (!first) return call.fail("RMX0105", call.site.span, `\`${call.name}\` of nothing`);
  const numbers = args.map(({ value }) => value).filter(isNumber);
  if (numbers.length === args.length) {
    const result = Math[fn](...numbers.map((n) => n.value));
    return numbers.every((n) => n.kind === "int")
      ? exactInt(result, call.env.ctx, call.site.span)
      : floatValue(result);
  }
  return others.reduce<Bound>(
    (so, next) => ({
      value: call.emit.pointwise(fn, [so.value, next.value], [so.span, next.span]),
      span: call.site.span,
    }),
    first,
  ).value;
}

function reduce(fn: ReduceFn, call: BuiltinCall, pattern: StringValue | undefined): TensorValue {
  const given = call.tensor("x");
  const x = given.dtype === "i32" && fn !== "mean" ? given : call.num("x");
  if (pattern) {
    if (call.has("axis")) call.fail("RMX0106", "axis", "a pattern says already what is reduced");
    return reducePattern(fn, x, pattern, call);
  }
  noSizes(call);
  const axes = call.has("axis") ? [call.axis("axis", x.shape.length)] : x.shape.map((_, i) => i);
  if (axes.length === 0) return x;
  return call.emit.op({ kind: "reduce", fn, axes, keep: call.bool("keep", false) }, [{ id: x.id }]);
}

/** Sizes of axes have a meaning beside a pattern alone. */
function noSizes(call: BuiltinCall): void {
  for (const [name, { span }] of call.sizes)
    call.fail("RMX0103", span, `\`${call.name}\` has no parameter \`${name}\` here`);
}

function reducePattern(fn: ReduceFn, x: TensorValue, literal: StringValue, call: BuiltinCall): TensorValue {
  const { reporter } = call.env;
  const pattern = parsePattern(literal, reporter);
  const [input, second] = pattern.inputs;
  if (!input || second) return call.fail("RMX0206", pattern.span, `\`${call.name}\` has one operand`);
  const sizes = new AxisSizes(call.sizes, [input, pattern.output], reporter);
  const atoms = sizes.atomsOf(input, x.shape, call.spanOf("x"));
  const output = layoutOutput(pattern.output, atoms, sizes, false, reporter);
  const kept = atoms.filter((atom) => output.atoms.some(({ name }) => name === atom.name));
  const axes = atoms.flatMap((atom, i) => (kept.includes(atom) ? [] : [i]));
  const apart = atoms.map((atom) => atom.size);
  const same = apart.length === x.shape.length;
  const operand = same ? { id: x.id } : { id: x.id, map: reshapeMap(x.shape, apart) };
  if (axes.length === 0) return call.emit.view(x, relayout(x.shape, atoms, output));
  const summed = call.emit.op({ kind: "reduce", fn, axes, keep: false }, [operand]);
  const inOrder =
    kept.every((atom, i) => output.atoms[i]?.name === atom.name) && output.shape.length === kept.length;
  return inOrder ? summed : call.emit.view(summed, relayout(summed.shape, kept, output));
}
