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
  /** The axis runs over the rows of a list, `times` points a row; how many there are is known on the device alone. */
  readonly rows?: RowAxis;
}

export interface RowAxis {
  /** The list's `tiles` value. */
  readonly tiles: number;
  readonly times: number;
  /**
   * A workgroup's tile is one of the list, whose rows belong to one group: these axes, row-major, say to which. Absent: tiles
   * are cut regardless of groups.
   */
  readonly group?: readonly { readonly name: string; readonly extent: number }[];
}

/**
 * The active rows of a gate, as tables on the device. The gate's points are members × groups, row (m, g) has number
 * m · groups + g; members are the points of the batch axis and whatever else chooses no weights. Two kernels make the tables:
 *
 *   count   counts[g]        active rows of group g
 *   list    rows[a]          the a-th active row's number, group by group, members ascending
 *           places[m, g]     its place a, or −1
 *           tiles[0]         {rows, tiles, 0, 0} in all;  tiles[1 + i] = {group, first row, end of rows, 0} of tile i
 *           launches[j]      {x, y, z, 0}: the workgroups of the j-th kernel that runs over the list
 *
 * Everything is written in a fixed order, so a call's bits do not depend on how workgroups are scheduled.
 */
export interface RowList {
  readonly members: AxisExtent;
  readonly groups: number;
  /** Rows for one point of the batch axis, at most; rows beyond (a top-k of NaNs) are dropped. */
  readonly most: number;
  /** Rows of a tile; `schedule` chooses it. */
  readonly tile: number;
  readonly counts: number;
  readonly rows: number;
  readonly places: number;
  readonly tiles: number;
  readonly launches: number;
}

/** Workgroups of a kernel over a list: ⌈times · (rows or tiles of the list) / tile⌉ · others. */
export interface RowLaunch {
  readonly of: "rows" | "tiles";
  readonly times: number;
  readonly tile: number;
  readonly others: number;
}

/** What a kernel without a body does: makes tables of a list. `active` is a condition on the axes `m` (members) and `g` (groups). */
export interface ListStep {
  readonly step: "count" | "list";
  readonly list: RowList;
  readonly active: Expr;
  /** Of the kernels that run over the list, in the order of `launches`. */
  readonly launches: readonly RowLaunch[];
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
  /**
   * Two chained contractions with a function of (m, j) between, whose scores never lie in memory:
   *
   *     score[m, j] = Σ_k a · b;    w[m, j] = `weight` (of tile `score`, m and j)
   *     out[m, n]   = Σ_j p · v,    p = w, or exp(w) / Σ_j exp(w) · `gain` with `norm: "softmax"`
   *
   * `m` and `n` are grid axes, `j` and `k` inner ones. `a` is free of n and j, `b` of n and m, `v` of m and k; all may use the
   * kernel's other grid axes. A softmax that sees nothing (every w is −∞) is 0. Attention, and HSTU's pointwise form of it.
   */
  | {
      readonly kind: "score";
      readonly out: string;
      readonly m: string;
      readonly n: string;
      readonly j: string;
      readonly k: string;
      readonly a: Expr;
      readonly b: Expr;
      readonly score: string;
      readonly weight: Expr;
      readonly norm: "softmax" | "none";
      /** Of (m, j): what multiplies the softmax afterwards. */
      readonly gain?: Expr;
      readonly v: Expr;
      /** Free of j: w is nothing (−∞ before a softmax, else 0) for j outside [from, to), which may reach beyond the axis. */
      readonly visible?: { readonly from?: Expr; readonly to?: Expr };
      /** An integer of m: where it is equal, rows share `b` and `v`, which may then use m (candidates of one request). */
      readonly segment?: Expr;
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

export type ScoreStmt = Extract<TileStmt, { kind: "score" }>;

/** Matrices that a subgroup multiplies as a whole: m × k by k × n, of f32. */
export interface MatrixShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Formats of 8-bit codes that tensor cores multiply. */
export type Code = "e4m3" | "e5m2" | "int8";
/** Those of a product's two sides, the left one's first: of fp8 any two, int8 with itself alone. */
export type CodePair = `${"e4m3" | "e5m2"}_${"e4m3" | "e5m2"}` | "int8";

const SIDES: Readonly<Record<CodePair, readonly [left: Code, right: Code]>> = {
  e4m3_e4m3: ["e4m3", "e4m3"],
  e4m3_e5m2: ["e4m3", "e5m2"],
  e5m2_e4m3: ["e5m2", "e4m3"],
  e5m2_e5m2: ["e5m2", "e5m2"],
  int8: ["int8", "int8"],
};

/** Whether a format of products is one of codes, and which its sides have. */
export function isCodes(format: string): format is CodePair {
  return Object.hasOwn(SIDES, format);
}

export function codeSides(format: CodePair): readonly [left: Code, right: Code] {
  return SIDES[format];
}

/** A code's format as a storage type. */
export function storageOfCode(code: Code): "fp8_e4m3" | "fp8_e5m2" | "int8" {
  return code === "int8" ? code : `fp8_${code}`;
}

/** How the tile program is turned into threads; see the lowering of that name in backends/lower. */
export type Lowering =
  /** One thread a point (four adjacent points of the last grid axis with `vector: 4`); reductions serial. */
  | { readonly kind: "element"; readonly threads: number; readonly vector: 1 | 4 }
  /**
   * `lanes` threads a point: they share the inner axes of reductions and stores. `rows` points of a workgroup side by side, each
   * `turns` of them (absent: 1) one after another, which load what all points share (a norm's gain) once.
   */
  | {
      readonly kind: "row";
      readonly lanes: number;
      readonly rows: number;
      readonly turns?: number;
      readonly combine: "subgroup" | "shared";
      readonly vector: 1 | 4;
    }
  /**
   * One subgroup a workgroup. Lane l holds `a` rows l, l + lanes, … as vec4 along k and broadcasts them; it owns four
   * adjacent columns. Tile m = `rows`, tile n = 4 · lanes.
   */
  | { readonly kind: "subgroup"; readonly lanes: number; readonly rows: number }
  /**
   * threads = threadsM × threadsN; each owns registersM × registersN accumulators; k staged through workgroup memory by `step`, in
   * two halves in turn where it has two `buffers`.
   */
  | {
      readonly kind: "blocked";
      readonly threadsM: number;
      readonly threadsN: number;
      readonly registersM: number;
      readonly registersN: number;
      readonly buffers?: 2;
    }
  /**
   * Products of subgroup matrices: subgroupsM × subgroupsN subgroups of `lanes`, each with tilesM × tilesN accumulators of `shape`; k
   * staged through workgroup memory by `step`, a multiple of shape.k. Tile m = shape.m · subgroupsM · tilesM, tile n accordingly, a
   * multiple of 4. Sums go through workgroup memory to the epilogue, which is `blocked`'s.
   */
  | {
      readonly kind: "matrix";
      readonly lanes: number;
      readonly subgroupsM: number;
      readonly subgroupsN: number;
      readonly tilesM: number;
      readonly tilesN: number;
      readonly shape: MatrixShape;
    }
  /**
   * Products on tensor cores, operands of 16 bits, tf32 or codes of 8 bits with sums in f32 (int8: in i32): warpsM × warpsN warps, each with tilesM × tilesN
   * accumulator fragments of 16 × 8 (tilesN even; codes: a multiple of 4); k goes through workgroup memory by `step`, a multiple of 16 (tf32: of
   * 8, codes: of 32), of which `stages` blocks are there or on their way at once. Tile m = 16 · warpsM · tilesM, tile n = 8 · warpsN · tilesN.
   */
  | {
      readonly kind: "mma";
      readonly format: "f16" | "bf16" | "tf32" | CodePair;
      readonly warpsM: number;
      readonly warpsN: number;
      readonly tilesM: number;
      readonly tilesN: number;
      readonly stages: 2 | 3 | 4;
    }
  /**
   * Products on Hopper's tensor cores (`wgmma`), 16-bit operands that the bulk copy engine brings, sums in f32: `groups` warpgroups
   * multiply, each 64 rows of all `columns`; one more copies blocks of `step` = 64 of k into `stages` stages of
   * workgroup memory. `cluster` workgroups side by side along m share the columns' copies: each brings its part to all. Tile m =
   * 64 · groups · cluster, tile n = `columns`. `blocks` workgroups at most go through all tiles. `turns`: warpgroups
   * take tiles of 64 · cluster rows in turn, so that one's epilogue runs beside the other's products.
   */
  | {
      readonly kind: "hopper";
      readonly half: "f16" | "bf16";
      readonly groups: number;
      readonly columns: number;
      readonly stages: number;
      readonly cluster: 1 | 2;
      readonly turns?: true;
      readonly blocks: number;
    }
  /**
   * Products of few rows, on tensor cores (as codes where both sides are; `ahead` is even then) or, in f32, on the CUDA cores; sums in f32: warpsN × warpsK warps, a warp with 32 · `columns` columns for `rows` times
   * eight rows and every warpsK-th 16 of k; weights are sent for `ahead` times 16 of k at a time. Tile m = 8 · rows, tile
   * n = 32 · columns · warpsN, step = 16 · ahead · warpsK. k is a multiple of 4.
   */
  | {
      readonly kind: "stream";
      readonly format: "f16" | "bf16" | "f32" | CodePair;
      readonly rows: 1 | 2 | 4 | 8;
      readonly columns: 1 | 2;
      readonly warpsN: number;
      readonly warpsK: number;
      readonly ahead: number;
    }
  /**
   * Score products. `lanes` threads a workgroup: lane l computes the scores of j = l, l + lanes, … for `rows` rows, hands its
   * weights round, and owns the columns of `groups` vec4s. Tile m = `rows`, tile n = 4 · lanes · groups.
   */
  | {
      readonly kind: "score";
      readonly lanes: number;
      readonly rows: number;
      readonly groups: number;
      readonly combine: "subgroup" | "shared";
    }
  /**
   * Score products on tensor cores, operands of 16 bits: `warps` warps of 16 rows each, `keys` of j (a multiple of 16) at a time. Tile
   * m = 16 · warps, tile n all columns, a multiple of 16.
   */
  | {
      readonly kind: "flash";
      readonly format: "f16" | "bf16";
      readonly warps: number;
      readonly keys: number;
    }
  /** Tables of a list: a workgroup of `threads` a group. */
  | { readonly kind: "list"; readonly threads: number }
  /** A workgroup of `threads` runs the kernel's `phases` in turn; each has a lowering of its own for as many threads. */
  | { readonly kind: "phases"; readonly threads: number }
  /**
   * The kernel's two `phases`, each by `hopper`, over one sequence of tiles that `blocks` workgroups of `threads` at most go through,
   * those of the first product some tokens ahead of those of the second, which wait for what they read. `tiles`: each
   * phase's along its columns. A word of the value `counters` for each tile of rows, group by group of the kernel's other axes, counts
   * the workgroups that have stored their tiles of the first phase there. (`backends/lower/hopper/chain.ts`)
   */
  | {
      readonly kind: "chain";
      readonly half: "f16" | "bf16";
      readonly threads: number;
      readonly cluster: 1 | 2;
      readonly blocks: number;
      readonly tiles: readonly [first: number, second: number];
      readonly counters: number;
    };

/** The format that a lowering's products have on tensor cores (of codes, the left side's); undefined where they are in f32 on other units. */
export function tensorFormat(
  lowering: Lowering,
): "f16" | "bf16" | "tf32" | ReturnType<typeof storageOfCode> | undefined {
  if ("format" in lowering) {
    const { format } = lowering;
    return format === "f32" ? undefined : isCodes(format) ? storageOfCode(SIDES[format][0]) : format;
  }
  return "half" in lowering ? lowering.half : undefined;
}

/** A value that a kernel touches. `read_write`: the kernel also reads what it has stored. */
export interface KernelBuffer {
  readonly value: number;
  readonly access: "read" | "write";
}

/** The axis of a slicing by groups of active rows: the group's number, over all axes of the groups. */
export const GROUP = "group";

/**
 * A parameter above the binding limit is bound a slice at a time: the kernel is launched once a range of the grid axis
 * `axis`, which is also the leading index of each value in `values`; their bindings start at the range's first element.
 */
export interface Slicing {
  /** A grid axis, or `GROUP`: the number of a list's group. */
  readonly axis: string;
  /** How many leading axes of the values it counts through, row-major: all of the groups'; absent: 1. */
  readonly depth?: number;
  readonly values: readonly number[];
  readonly ranges: readonly { readonly from: number; readonly to: number }[];
}

/**
 * One of several tile programs that a kernel runs in turn, as a kernel of its own would. The axes of the kernel's grid are shared:
 * a workgroup's box [from, to) along each bounds every phase, and within it the workgroup goes through all tiles of the phase's
 * own grid. An axis of the phase is shared if it has the name of a shared one, or if both count rows of the batch: then it covers
 * [times · from, times · to).
 *
 *     grid t, n / 16      up:    t, d / 32, n / 16   the workgroup's t and n, all of d in turn
 *                         down:  t, d / 32, n / 16   reads what `up` stored for this t and these n
 *
 * What a phase reads of an earlier one lies in the part that the same workgroup has written; a barrier stands between them.
 */
export type TilePhase = Pick<TileKernel, "name" | "grid" | "inner" | "body" | "lowering" | "about" | "roots">;

export interface TileKernel {
  /** An identifier made of the model's own names: `layers_0_block_ffn_up`. Unique in the plan. */
  readonly name: string;
  readonly stage: Stage;
  readonly grid: readonly GridAxis[];
  readonly inner: readonly InnerAxis[];
  readonly body: readonly TileStmt[];
  readonly buffers: readonly KernelBuffer[];
  readonly slicing?: Slicing;
  /** The kernel makes tables of a list; it has no body. */
  readonly lists?: ListStep;
  /** The kernel is these programs one after the other; it has no body of its own. */
  readonly phases?: readonly TilePhase[];
  /** Its workgroups are words 4 · index … of this value, which a kernel before it has written. */
  readonly indirect?: { readonly value: number; readonly index: number };
  readonly lowering: Lowering;
  readonly about: {
    /** One line each: what was fused, in the model's words: "x + token_mixing(x)", "+ b1, gelu". */
    readonly fused: readonly string[];
    /** FLOPs for one row of the batch axis (or all, in the load stage). */
    readonly flops: number;
    /** Bytes read and written once each, per call and per row of the batch axis. */
    readonly bytes: { readonly fixed: number; readonly perRow: number };
    /** What being one kernel is expected to save, in figures. */
    readonly gain?: string;
    readonly origin?: Origin;
  };
  /** The Graph node whose value each store writes, for verification. */
  readonly roots: readonly number[];
}

/** The programs of a kernel, each as a kernel: its phases, or itself. */
export function partsOf(kernel: TileKernel): readonly TileKernel[] {
  const { phases, ...whole } = kernel;
  return phases === undefined ? [kernel] : phases.map((phase) => ({ ...whole, ...phase }));
}

/** Whether an axis of a phase runs within a workgroup's part of the kernel's axis `shared`. */
export function sharesAxis(own: GridAxis, shared: GridAxis): boolean {
  if (own.rows) return false;
  if (typeof own.extent === "number" || typeof shared.extent === "number") return own.name === shared.name;
  return own.extent.of === shared.extent.of;
}

/** The expressions of a statement. */
export function expressionsOf(s: TileStmt): readonly Expr[] {
  switch (s.kind) {
    case "dot":
      return [s.a, s.b];
    case "score": {
      const { gain, visible, segment } = s;
      const optional = [gain, visible?.from, visible?.to, segment].filter((e) => e !== undefined);
      return [s.a, s.b, s.weight, s.v, ...optional];
    }
    case "store":
      return [...s.index, s.value];
    default:
      return [s.value];
  }
}

/** The leading axis that a stage's values carry. */
export function batchOf(stage: Stage): Extent | undefined {
  return stage === "item" ? "N" : stage === "user" ? "R" : undefined;
}

/**
 * Workgroups of one launch for `rows` rows of the batch axis (R or N; 1 in the load stage), `range` being the slice of a
 * sliced kernel; not for one whose workgroups the device counts (`indirect`). They are numbered along x, then y: a dispatch of x · y ≥ this many serves, the surplus returns at once.
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
  const { lowering } = kernel;
  if (lowering.kind !== "hopper" && lowering.kind !== "chain") return total;
  const { cluster, blocks } = lowering;
  const each = lowering.kind === "chain" ? lowering.tiles[0] + lowering.tiles[1] : 1;
  return cluster * Math.min(each * total, Math.floor(blocks / cluster));
}
