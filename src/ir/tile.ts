/**
 * @file Tile kernels: what `fuse` makes of a Graph, what `schedule` sizes, what `backends/lower` turns into threads and
 * `backends/interpret` runs on the CPU.
 *
 * A kernel is a grid of points over its parallel `grid` axes; a workgroup owns a box of `tile` points an axis.
 * At every point the `body` runs in order: reductions over `inner` axes, dots, pointwise tiles, stores. It names
 * no threads: which lane owns which point, what is staged and how wide a load is belongs to the lowering.
 *
 * Example, LayerNorm of a mixed residual (grid n, t; inner d):
 *
 *     mean, m2 = moments over d of x[n, d // 8, t * 8 + d % 8] + x[n, t, d]
 *     store s[n, t, d] over d = (x[...] + x[...] - mean) * rsqrt(m2 / 128 + 1e-5) * gain[d] + bias[d]
 */
import type { AxisExtent, Expr, Extent } from "./expr.ts";
import type { Origin, Stage } from "./graph.ts";

/** A parallel axis: points [0, extent), `tile` of them a workgroup. */
export interface GridAxis {
  readonly name: string;
  readonly extent: AxisExtent;
  readonly tile: number;
}

/** An axis that one point iterates over; `step` elements at a time where a lowering streams it. */
export interface InnerAxis {
  readonly name: string;
  readonly extent: number;
  readonly step: number;
}

export type TileStmt =
  /** tile `out` = fn over the inner axes `over` of `value`, combined in a fixed order. */
  | {
      readonly kind: "reduce";
      readonly fn: "sum" | "max" | "min";
      readonly out: string;
      readonly over: readonly string[];
      readonly value: Expr;
    }
  /** Tiles `mean` and `m2` (Σ (x − mean)²) of `value` over the inner axes `over`, by pairwise combination (Chan et al.). */
  | {
      readonly kind: "moments";
      readonly mean: string;
      readonly m2: string;
      readonly over: readonly string[];
      readonly value: Expr;
    }
  /**
   * Tile `out`[m, n] = Σ_k a · b. `m`, `n` are grid axes and `k` an inner axis; `a` is free of `n`, `b` is free of `m`;
   * both may use the kernel's other grid axes (batch). A factor pair is dropped beyond k's extent.
   */
  | {
      readonly kind: "dot";
      readonly out: string;
      readonly m: string;
      readonly n: string;
      readonly k: string;
      readonly a: Expr;
      readonly b: Expr;
    }
  /** Tile `out` = `value` at the point. */
  | { readonly kind: "let"; readonly out: string; readonly value: Expr }
  /** Buffer `target`[index] = value, at the point, for every index of the inner axes `over` (none: once). */
  | {
      readonly kind: "store";
      readonly target: number;
      readonly over: readonly string[];
      readonly index: readonly Expr[];
      readonly value: Expr;
    };

/** How the tile program is turned into threads; see the lowering of that name in backends/lower. */
export type Lowering =
  /** One thread a point (four adjacent points of the last grid axis with `vector: 4`); reductions serial. */
  | { readonly kind: "element"; readonly threads: number; readonly vector: 1 | 4 }
  /** `lanes` threads a point: they share the inner axes of reductions and stores. `rows` points a workgroup. */
  | {
      readonly kind: "row";
      readonly lanes: number;
      readonly rows: number;
      readonly combine: "subgroup" | "shared";
      readonly vector: 1 | 4;
    }
  /**
   * One subgroup a workgroup. Lane l holds `a` rows l, l + lanes, … as vec4 along k and broadcasts them; it owns four
   * adjacent columns. Tile m = `rows`, tile n = 4 · lanes.
   */
  | { readonly kind: "subgroup"; readonly lanes: number; readonly rows: number }
  /** threads = threadsM × threadsN; each owns registersM × registersN accumulators; k staged through workgroup memory by `step`. */
  | {
      readonly kind: "blocked";
      readonly threadsM: number;
      readonly threadsN: number;
      readonly registersM: number;
      readonly registersN: number;
    };

/** A value that a kernel touches. `read_write`: the kernel also reads what it has stored. */
export interface KernelBuffer {
  readonly value: number;
  readonly access: "read" | "write";
}

/**
 * A parameter above the binding limit is bound a slice at a time: the kernel is launched once a range of the grid axis
 * `axis`, which is also the leading index of each value in `values`; their bindings start at the range's first element.
 */
export interface Slicing {
  readonly axis: string;
  readonly values: readonly number[];
  readonly ranges: readonly { readonly from: number; readonly to: number }[];
}

export interface TileKernel {
  /** An identifier made of the model's own names: `layers_0_block_ffn_up`. Unique in the plan. */
  readonly name: string;
  readonly stage: Stage;
  readonly grid: readonly GridAxis[];
  readonly inner: readonly InnerAxis[];
  readonly body: readonly TileStmt[];
  readonly buffers: readonly KernelBuffer[];
  readonly slicing?: Slicing;
  readonly lowering: Lowering;
  readonly about: {
    /** One line each: what was fused, in the model's words: "x + token_mixing(x)", "+ b1, gelu". */
    readonly fused: readonly string[];
    /** FLOPs for one row of the batch axis (or all, in the load stage). */
    readonly flops: number;
    /** Bytes read and written once each, per call and per row of the batch axis. */
    readonly bytes: { readonly fixed: number; readonly perRow: number };
    readonly origin?: Origin;
  };
  /** The Graph node whose value each store writes, for verification. */
  readonly roots: readonly number[];
}

/** The leading axis that a stage's values carry. */
export function batchOf(stage: Stage): Extent | undefined {
  return stage === "item" ? "N" : stage === "user" ? "R" : undefined;
}

/**
 * Workgroups of one launch for `rows` rows of the batch axis (R or N; 1 in the load stage), `range` being the slice of a
 * sliced kernel. They are numbered along x, then y: a dispatch of x · y ≥ this many serves, the surplus returns at once.
 */
export function workgroupsOf(
  kernel: TileKernel,
  rows: number,
  range?: { readonly from: number; readonly to: number },
): number {
  let total = 1;
  for (const { name, extent, tile } of kernel.grid) {
    const whole = typeof extent === "number" ? extent : extent.times * rows;
    const length = range !== undefined && kernel.slicing?.axis === name ? range.to - range.from : whole;
    total *= Math.ceil(length / tile);
  }
  return total;
}
