/** @file `einsum`: sums of products over named axes. */
import type { Operand } from "../../ir/graph.ts";
import { reshapeMap } from "../../ir/indexmap.ts";
import { type Atom, AxisSizes, layoutOutput, sameSizes } from "../axes.ts";
import { parsePattern } from "../patterns.ts";
import type { TensorValue } from "../values.ts";
import { type Builtin, type BuiltinCall, rest, string } from "./builtin.ts";

export const contraction: readonly Builtin[] = [
  {
    name: "einsum",
    signature: 'einsum("t d, t d k -> t k", a, b, …)',
    doc: "the sum over every axis that the right side lacks of the product of the operands; the compiler chooses the order",
    params: [string("pattern"), rest("operands")],
    sizes: true,
    run: einsum,
  },
];

function einsum(call: BuiltinCall): TensorValue {
  const { reporter } = call.env;
  const pattern = parsePattern(call.string("pattern"), reporter);
  if (pattern.inputs.length !== call.rest.length) {
    call.fail(
      "RMX0207",
      pattern.span,
      `the pattern has ${pattern.inputs.length} operands, ${call.rest.length} were given`,
    );
  }
  const operands = call.rest.map(({ value, span }) => ({ x: call.emit.num(value, span), span }));
  const sizes = new AxisSizes(call.sizes, [...pattern.inputs, pattern.output], reporter);
  const apart = operands.map(({ x, span }, i) => {
    const side = pattern.inputs[i];
    if (!side) throw new Error("internal: operands were counted");
    return sizes.atomsOf(side, x.shape, span);
  });
  const open = broadcastOpenAxes(apart, call);
  const available = new Map<string, Atom>();
  for (const atom of apart.flat()) if (!atom.name.startsWith("...")) available.set(atom.name, atom);
  const output = layoutOutput(pattern.output, [...open, ...available.values()], sizes, false, reporter);
  const labels = new Map<string, number>();
  const labelOf = ({ name }: Atom): number => {
    const label = labels.get(name) ?? labels.size;
    labels.set(name, label);
    return label;
  };
  const seen = operands.map(({ x }, i) =>
    viewed(
      x,
      (apart[i] ?? []).filter((atom) => !stretched(atom, open)),
    ),
  );
  const op = {
    kind: "einsum",
    operands: seen.map(({ atoms }) => atoms.map(labelOf)),
    out: output.atoms.map(labelOf),
  } as const;
  const result = call.emit.op(
    op,
    seen.map(({ operand }) => operand),
  );
  if (sameSizes(result.shape, output.shape)) return result;
  return call.emit.view(result, reshapeMap(result.shape, output.shape));
}

/** The axes under `...`, aligned from the right over all operands; extents are equal or 1. */
function broadcastOpenAxes(operands: readonly (readonly Atom[])[], call: BuiltinCall): Atom[] {
  const open = new Map<string, number>();
  for (const [i, atoms] of operands.entries()) {
    for (const { name, size } of atoms) {
      if (!name.startsWith("...")) continue;
      const known = open.get(name) ?? 1;
      if (known !== 1 && size !== 1 && known !== size) {
        call.fail(
          "RMX0205",
          call.rest[i]?.span ?? call.site.span,
          `the axes under \`...\` do not broadcast: ${known} meets ${size}`,
        );
      }
      open.set(name, Math.max(known, size));
    }
  }
  const place = (name: string): number => Number(name.slice(3));
  return [...open].map(([name, size]) => ({ name, size })).sort((a, b) => place(b.name) - place(a.name));
}

/** An axis of 1 under `...` where another operand has more: left out, so that it is broadcast. */
function stretched(atom: Atom, open: readonly Atom[]): boolean {
  return (
    atom.name.startsWith("...") &&
    atom.size === 1 &&
    open.some(({ name, size }) => name === atom.name && size !== 1)
  );
}

function viewed(x: TensorValue, atoms: readonly Atom[]): { operand: Operand; atoms: readonly Atom[] } {
  const sizes = atoms.map((atom) => atom.size);
  if (sameSizes(sizes, x.shape)) return { operand: { id: x.id }, atoms };
  return { operand: { id: x.id, map: reshapeMap(x.shape, sizes) }, atoms };
}
