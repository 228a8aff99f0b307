/** @file What a kernel, or several in one, touch: each value once. */

import type { Expr } from "../../src/ir/expr.ts";
import { REQUEST } from "../../src/ir/ops/def.ts";
import { type Plan, bytesOf as valueBytes } from "../../src/ir/plan.ts";
import { expressionsOf, type KernelBuffer, type TileKernel, type TileStmt } from "../../src/ir/tile.ts";

/** Each value once; written if any kernel writes it. */
export function unite(all: readonly (readonly KernelBuffer[])[]): readonly KernelBuffer[] {
  const access = new Map<number, KernelBuffer["access"]>();
  for (const { value, access: own } of all.flat()) {
    if (own === "write" || !access.has(value)) access.set(value, own);
  }
  return [...access].map(([value, a]) => ({ value, access: a }));
}

/** Bytes touched, each value once; of an embedding table a kernel touches few rows, which do not count. */
export function bytesOf(
  buffers: readonly KernelBuffer[],
  { values, params }: Pick<Plan, "values" | "params">,
): TileKernel["about"]["bytes"] {
  const tables = new Set(params.filter((p) => p.table).map((p) => p.path));
  let fixed = 0;
  let perRow = 0;
  for (const { value } of buffers) {
    const { home, shape, unit } = values[value];
    const bytes = valueBytes(values[value], unit);
    if (home.kind === "param" && tables.has(home.path)) continue;
    if (typeof shape[0] === "number" || shape.length === 0) fixed += bytes;
    else perRow += bytes;
  }
  return { fixed, perRow };
}

/** The values that statements load and store. */
export function buffersOf(body: readonly TileStmt[]): KernelBuffer[] {
  const access = new Map<number, "read" | "write">();
  const visit = (e: Expr): void => {
    if (e.kind === "load") {
      if (e.source === REQUEST) throw new Error("internal: a request index was not bound to a value");
      if (!access.has(e.source)) access.set(e.source, "read");
      for (const i of e.index) visit(i);
    } else if (e.kind === "apply") for (const arg of e.args) visit(arg);
  };
  for (const s of body) {
    for (const e of expressionsOf(s)) visit(e);
  }
  for (const s of body) if (s.kind === "store") access.set(s.target, "write");
  return [...access].map(([value, a]) => ({ value, access: a }));
}
