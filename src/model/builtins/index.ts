/** @file Every primitive of the language by name. */
import type { Builtin } from "./builtin.ts";
import { contraction } from "./contraction.ts";
import { layout } from "./layout.ts";
import { masks } from "./masks.ts";
import { memory } from "./memory.ts";
import { normalisation } from "./normalisation.ts";
import { pointwise } from "./pointwise.ts";
import { reduction } from "./reduction.ts";
import { selection } from "./selection.ts";
import { sequences } from "./sequences.ts";

export const families: Readonly<Record<string, readonly Builtin[]>> = {
  pointwise,
  contraction,
  layout,
  reduction,
  normalisation,
  selection,
  masks,
  sequences,
  memory,
};

export const builtins: ReadonlyMap<string, Builtin> = new Map(
  Object.values(families)
    .flat()
    .map((builtin) => [builtin.name, builtin]),
);
