/** @file The threads of a workgroup that runs several phases: all take as many, so those that can take any number follow those that cannot. */
import type { GridAxis, TileKernel } from "../../src/ir/tile.ts";
import { isCodes } from "../../src/ir/tile.ts";

/** The threads that a kernel's lowering needs; undefined where it works with any power of two. */
export function threadsNeeded({ lowering: l }: Pick<TileKernel, "lowering">): number | undefined {
  switch (l.kind) {
    case "element":
      return undefined;
    case "row":
      return l.combine === "subgroup" ? l.lanes : undefined;
    case "subgroup":
    case "score":
      return l.lanes;
    case "blocked":
      return l.threadsM * l.threadsN;
    case "matrix":
      return l.lanes * l.subgroupsM * l.subgroupsN;
    case "mma":
      return 32 * l.warpsM * l.warpsN;
    case "flash":
      return 32 * l.warps;
    case "hopper":
      return 128 * (l.groups + 1);
    case "stream":
      return 32 * l.warpsN * l.warpsK;
    case "list":
    case "phases":
    case "chain":
      return l.threads;
  }
}

/** The threads that a kernel would rather have. */
function threadsOf({ lowering: l }: TileKernel): number {
  return l.kind === "row" ? l.lanes * l.rows : l.kind === "element" ? l.threads : 1;
}

/** Threads that suit all of `kernels`; undefined if their lowerings do not meet. */
export function commonThreads(kernels: readonly TileKernel[]): number | undefined {
  const needed = new Set(kernels.map(threadsNeeded).filter((n) => n !== undefined));
  if (needed.size > 1) return undefined;
  const [only] = needed;
  if (only !== undefined) return only;
  const rows = kernels.filter((k) => k.lowering.kind === "row");
  return Math.max(...(rows.length > 0 ? rows : kernels).map(threadsOf));
}

/** The kernel for workgroups of `threads`. */
export function withThreads(kernel: TileKernel, threads: number): TileKernel {
  const { lowering, grid } = kernel;
  if (lowering.kind === "element") {
    const last = grid.at(-1);
    const tile = threads * lowering.vector;
    return {
      ...kernel,
      lowering: { ...lowering, threads },
      grid: grid.map((a): GridAxis => (a === last ? { ...a, tile } : { ...a, tile: 1 })),
    };
  }
  if (
    lowering.kind === "row" &&
    lowering.combine === "shared" &&
    lowering.lanes * lowering.rows !== threads
  ) {
    const { turns: _, ...alone } = lowering;
    return {
      ...kernel,
      lowering: { ...alone, lanes: threads, rows: 1 },
      grid: grid.map((a) => ({ ...a, tile: 1 })),
    };
  }
  return kernel;
}

/** Elements of k that lie in workgroup memory at one time, over all products. */
function stagedSteps({ body, inner }: TileKernel): number {
  return body.reduce((sum, s) => {
    if (s.kind !== "dot") return sum;
    return sum + (inner.find((a) => a.name === s.k)?.step ?? 1);
  }, 0);
}

/** Groups of four in a block of k of `m` rows: each has a sum of its own before a row's are put together. */
function sharesOfRows({ body, inner }: TileKernel, m: number): number {
  const dot = body.find((s) => s.kind === "dot");
  const step = dot?.kind === "dot" ? (inner.find((a) => a.name === dot.k)?.step ?? 1) : 0;
  return (m * step) / 4;
}

/** Bytes of workgroup memory that a kernel's lowering takes, at most. */
export function workgroupBytes(kernel: TileKernel, threads: number): number {
  const { lowering: l } = kernel;
  switch (l.kind) {
    case "row":
      return l.combine === "shared" ? 2 * 4 * threads : 0;
    case "blocked": {
      const m = l.threadsM * l.registersM;
      const n = l.threadsN * l.registersN;
      // Threads that share no column leave their operand where it lies.
      const points = l.threadsM === 1 ? m : m + n;
      const staged = (l.buffers ?? 1) * stagedSteps(kernel);
      // Beside the staged tiles: what belongs to a row or a column alone, and what threads sum it with.
      const lone = kernel.body.filter((s) => s.kind !== "dot" && s.kind !== "store").length;
      return 4 * (staged * points + lone * (m + n + threads + sharesOfRows(kernel, m)));
    }
    case "matrix": {
      const m = l.shape.m * l.subgroupsM * l.tilesM;
      const n = l.shape.n * l.subgroupsN * l.tilesN;
      const dots = kernel.body.filter((s) => s.kind === "dot").length;
      const lone = kernel.body.length - dots;
      const own = m + n + threads + sharesOfRows(kernel, m);
      return 4 * (stagedSteps(kernel) * (m + n) + dots * m * n + lone * own);
    }
    case "mma": {
      const points = 16 * l.warpsM * l.tilesM + 8 * l.warpsN * l.tilesN;
      const lone = kernel.body.filter((s) => s.kind !== "dot" && s.kind !== "store").length;
      const bytes = l.format === "tf32" ? 4 : isCodes(l.format) ? 1 : 2;
      return bytes * l.stages * stagedSteps(kernel) * points + 4 * lone * points;
    }
    default:
      return 0;
  }
}
