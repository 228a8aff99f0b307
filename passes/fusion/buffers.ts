/** @file What several kernels in one touch: each value once. */
import { type Plan, bytesOf as valueBytes } from "../../src/ir/plan.ts";
import type { KernelBuffer, TileKernel } from "../../src/ir/tile.ts";

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
