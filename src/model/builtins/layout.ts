/** @file Layout: every one of these is an index map, none moves data by itself. */
import { unfoldMap } from "../../ir/indexmap.ts";
import { AxisSizes, layoutOutput, namesOf, relayout } from "../axes.ts";
import { parsePattern } from "../patterns.ts";
import { shapeText, type TensorValue } from "../values.ts";
import { type Builtin, type BuiltinCall, int, option, optional, rest, string, tensor } from "./builtin.ts";

export const layout: readonly Builtin[] = [
  {
    name: "rearrange",
    signature: 'rearrange(x, "t (h e) -> h (t e)", h = 8)',
    doc: "splits, merges and permutes axes; all elements stay",
    params: [tensor("x"), string("pattern")],
    sizes: true,
    run: (call) => relayoutCall(call, false),
  },
  {
    name: "broadcast",
    signature: 'broadcast(x, "d -> t d", t = 8)',
    doc: "as `rearrange`, and axes that stand on the right alone repeat x",
    params: [tensor("x"), string("pattern")],
    sizes: true,
    run: (call) => relayoutCall(call, true),
  },
  {
    name: "concat",
    signature: "concat(a, b, …, axis = 0)",
    doc: "joins tensors along an axis; all other extents are equal",
    params: [rest("parts"), option("axis", "int")],
    run: concat,
  },
  {
    name: "pad",
    signature: "pad(x, axis, before, after, fill = 0)",
    doc: "puts `before` and `after` elements of value `fill` around an axis",
    params: [
      tensor("x"),
      optional(int("axis")),
      optional(int("before")),
      optional(int("after")),
      option("fill", "float"),
    ],
    run: pad,
  },
  {
    name: "unfold",
    signature: "unfold(x, axis, size, step = 1)",
    doc: "windows along an axis, which becomes two: [windows, size]; a convolution is an einsum over them",
    params: [tensor("x"), int("axis"), int("size"), optional(int("step"))],
    run: unfold,
  },
];

function relayoutCall(call: BuiltinCall, fresh: boolean): TensorValue {
  const { reporter } = call.env;
  const x = call.tensor("x");
  const pattern = parsePattern(call.string("pattern"), reporter);
  const [input, second] = pattern.inputs;
  if (!input || second) return call.fail("RMX0206", pattern.span, `\`${call.name}\` has one operand`);
  const sizes = new AxisSizes(call.sizes, [input, pattern.output], reporter);
  const atoms = sizes.atomsOf(input, x.shape, call.spanOf("x"));
  const output = layoutOutput(pattern.output, atoms, sizes, fresh, reporter);
  const lost = atoms.find((atom) => !output.atoms.some(({ name }) => name === atom.name));
  if (lost) {
    const item = input.items.find((candidate) => candidate.kind === "axis" && candidate.name === lost.name);
    call.fail(
      "RMX0207",
      item?.span ?? input.span,
      `\`${lost.name.startsWith("...") ? "..." : lost.name}\` is missing on the right`,
      {
        help: `\`${call.name}\` keeps every element; \`sum\`, \`mean\`, \`max\` and \`min\` take patterns that drop axes`,
        notes: [`the right side has ${namesOf(pattern.output).join(", ") || "no axis"}`],
      },
    );
  }
  return call.emit.view(x, relayout(x.shape, atoms, output));
}

function concat(call: BuiltinCall): TensorValue {
  const parts = call.rest.map(({ value, span }) => ({ x: call.emit.tensor(value, span), span }));
  const [first, ...others] = parts;
  if (!first) return call.fail("RMX0105", call.site.span, "`concat` joins one tensor or more");
  const axis = call.axis("axis", first.x.shape.length, 0);
  const mixed = parts.some(({ x }) => x.dtype !== first.x.dtype);
  const typed = parts.map(({ x, span }) => ({ x: mixed ? call.emit.num(x, span) : x, span }));
  for (const { x, span } of others) {
    const fits =
      x.shape.length === first.x.shape.length &&
      x.shape.every((extent, i) => i === axis || extent === first.x.shape[i]);
    if (fits) continue;
    call.fail(
      "RMX0213",
      span,
      `${shapeText(x.shape)} does not join ${shapeText(first.x.shape)} along axis ${axis}`,
      {
        label: shapeText(x.shape),
        secondary: [{ span: first.span, message: shapeText(first.x.shape) }],
      },
    );
  }
  const [only] = typed;
  if (only && typed.length === 1) return only.x;
  return call.emit.op(
    { kind: "concat", axis },
    typed.map(({ x }) => ({ id: x.id })),
  );
}

function pad(call: BuiltinCall): TensorValue {
  const x = call.tensor("x");
  const axis = call.axis("axis", x.shape.length, 0);
  const before = call.int("before", 0);
  const after = call.int("after", 0);
  for (const name of ["before", "after"]) {
    if (call.int(name, 0) < 0)
      call.fail("RMX0212", name, `\`${name}\` is not negative; a slice takes elements away`);
  }
  if (before + after === 0) return x;
  return call.emit.op({ kind: "pad", axis, before, after, fill: call.float("fill", 0) }, [{ id: x.id }]);
}

function unfold(call: BuiltinCall): TensorValue {
  const x = call.tensor("x");
  const axis = call.axis("axis", x.shape.length);
  const size = call.extent("size");
  const step = call.has("step") ? call.extent("step") : 1;
  const extent = x.shape[axis] ?? 0;
  if (size > extent)
    call.fail("RMX0209", "size", `a window of ${size} does not fit an axis of ${extent} elements`);
  return call.emit.view(x, unfoldMap(x.shape, axis, size, step));
}
