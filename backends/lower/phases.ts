/**
 * @file The `phases` lowering: a workgroup runs several tile programs in turn, each as its own lowering has it, and what one
 * stores the next ones read.
 *
 *     { // up
 *       for (tile = 0; tile < tiles of d; tile++) { … stores h for the workgroup's t and n … }
 *     }
 *     storageBarrier();
 *     { // down
 *       for (tile = 0; tile < tiles of d; tile++) { … reads them … }
 *     }
 *
 * All threads come to every barrier: a surplus workgroup has left as a whole, and the loops' ends are the same for all threads.
 * Ends are run-time values, for a driver would write out every tile.
 */
import type { SharedArray, ThreadExpr } from "../../src/ir/thread.ts";
import { addI, i32, minI, mulI } from "../../src/ir/thread.ts";
import { partsOf, type TileKernel } from "../../src/ir/tile.ts";
import type { Bindings } from "./access.ts";
import type { Builder } from "./builder.ts";
import { openAxes, openGrid, type Span } from "./grid.ts";
import { runtimeBound } from "./inner.ts";

/** Whether what is gathered of a product's rows lies in workgroup memory until its results are stored. */
function sharesStatistics({ body }: TileKernel): boolean {
  return body.some((s) => s.kind === "dot") && body.some((s) => s.kind === "reduce" || s.kind === "moments");
}

/** Lowers one part by its own lowering; gives its threads. */
type LowerPart = (part: TileKernel) => number;

export function lowerPhases(
  kernel: TileKernel,
  threads: number,
  builder: Builder,
  bindings: Bindings,
  shared: readonly SharedArray[],
  lowerPart: LowerPart,
): number {
  const spans = openGrid(builder, kernel, bindings).map(({ axis, origin, end, exact }): Span => {
    const next = addI(origin, i32(axis.tile));
    const to = exact ? next : builder.let(`${axis.name}_to`, minI(next, end));
    return { axis, from: origin, to };
  });
  partsOf(kernel).forEach((part, i) => {
    if (i > 0) builder.emit({ kind: "barrier", storage: true });
    builder.block(() => {
      builder.comment(part.name);
      const axes = openAxes(builder, part, bindings, spans);
      const lower = (tile: ThreadExpr): void => {
        builder.frame = { axes, tile, scope: builder.current };
        const used = lowerPart(part);
        builder.frame = undefined;
        if (used !== threads)
          throw new Error(
            `internal: ${part.name} takes ${used} threads of the ${threads} that ${kernel.name} has`,
          );
      };
      const again = (tile: ThreadExpr): void => {
        lower(tile);
        // A thread that is done with this tile must not write the next one's statistics over those that others still read.
        if (sharesStatistics(part)) builder.emit({ kind: "barrier" });
      };
      const total = axes.reduce((product, { tiles }) => mulI(product, tiles), i32(1));
      if (total.kind !== "const") builder.for("tile", i32(0), total, i32(1), again);
      else if (total.value === 1) lower(i32(0));
      else builder.for("tile", i32(0), runtimeBound(builder, "tiles", total.value), i32(1), again);
    });
    // Workgroup arrays are the text's, not the phase's: names stay taken.
    for (const { name } of shared) builder.current.names.add(name);
  });
  return threads;
}
