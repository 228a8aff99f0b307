/**
 * @file Schedules of products with few rows, whose weights go from memory straight to registers (backends/lower/stream.ts), and what
 * they cost: for CUDA devices, on tensor cores where the model asks for 16-bit arithmetic, else in f32.
 *
 * The floor is stored bytes of weights / bandwidth: each is read once where one tile has all rows, which is why a tile never has
 * fewer. What keeps a kernel from it:
 *
 *     bytes on their way     bandwidth · latency (2.3 MB on an H100) must be: 32 lanes · 16 bytes · ahead · 2 a warp, 8 to 16 warps a
 *                            block, and blocks for 30 multiprocessors: 32 columns a block are 1,024 columns in all
 *     instructions           decoding 16 codes takes a warp 24 (f16) or 48 (bf16), 8 rows 2 products and some ten around them: below
 *                            the 128 that a multiprocessor issues while its share of 512 bytes comes, up to 64 rows; in f32 8 rows are
 *                            32 multiply-adds for 4 weights of f32, 128 for 16 codes: up to 16 rows
 *     activations            read by every warp along the columns: beyond 16 rows warps of one block share them through the cache
 */
import type { Expr } from "../../src/ir/expr.ts";
import { loadsOf } from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import { bytesOf } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import type { Schedule } from "../../src/ir/schedule.ts";
import type { Half } from "../../src/ir/thread.ts";
import { isCodes, type Lowering, type TileKernel, type TileStmt } from "../../src/ir/tile.ts";
import { codeFormat, codeRate, multipliesCodes } from "./codes.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;
type Stream = Extract<Lowering, { kind: "stream" }>;
type Format = Half | "f32";

/** From more rows on, what is read is not weights alone. */
const MOST_ROWS = { f16: 64, bf16: 64, f32: 16 } as const;
/** Fewer bytes are there as soon as any: such a product had better be a phase of a kernel with others. */
const LEAST_BYTES = 64 * 1024;
/** Eights of rows of a tile. */
const EIGHTS = [1, 2, 4, 8] as const;
/** Accumulators of a lane: eights of rows times groups of four columns, eight registers each. */
const MOST_SUMS = 8;
/** In f32 each takes 32. */
const MOST_F32_SUMS = 2;
/** From more of them on a lane takes more than 128 registers, which more warps do not have. */
const FULL_SUMS = 4;
const FULL_WARPS = 8;
/** Warps along the columns and along k, for few rows and for more. */
const FEW: readonly Warps[] = [
  [1, 8],
  [1, 16],
  [1, 4],
  [2, 4],
];
const MORE: readonly Warps[] = [
  [2, 4],
  [4, 4],
  [2, 8],
  [4, 2],
];
type Warps = readonly [warpsN: number, warpsK: number];
/** Pieces of 16 k that are sent for at once: of 16, 64 and more bytes a lane. */
const AHEAD = { codes: [4, 2], rows: [2, 1], computed: [2, 1] } as const;
const PIECE = 16;

export function byStreaming(
  kernel: TileKernel,
  values: readonly PlanValue[],
  dot: Dot,
  format: Format,
  profile: Profile,
  expected: number,
): Schedule[] {
  const dots = kernel.body.filter((s): s is Dot => s.kind === "dot");
  const codes = format === "f32" ? undefined : codeFormat(kernel, values, profile);
  const extent = kernel.inner.find(({ name }) => name === dot.k)?.extent ?? 1;
  const plain = kernel.grid.every(({ rows }) => rows === undefined) && kernel.indirect === undefined;
  const stored = dots.every(({ b }) => readsStored(b, values));
  if (kernel.about.bytes.fixed < LEAST_BYTES) return [];
  if (expected > MOST_ROWS[format] || !plain || !stored || extent % 4 !== 0) return [];
  const way = wayOf(dots, values, format);
  const columns = way === "rows" ? 2 : 1;
  const rows = EIGHTS.find((eights) => 8 * eights >= expected) ?? 8;
  if (rows * columns * dots.length > (format === "f32" ? MOST_F32_SUMS : MOST_SUMS)) return [];
  return (rows > 2 ? MORE : FEW).flatMap(([warpsN, warpsK]) =>
    AHEAD[way].flatMap((ahead): Schedule[] => {
      const step = PIECE * ahead * warpsK;
      // Warps without k of their own; warps that leave each other too few registers.
      if (step > extent && warpsK * ahead > 4) return [];
      if (rows * columns * dots.length > FULL_SUMS && warpsN * warpsK > FULL_WARPS) return [];
      return [...(codes ? [codes] : []), format].map((as) => ({
        lowering: { kind: "stream", format: as, rows, columns, warpsN, warpsK, ahead },
        tiles: { [dot.m]: 8 * rows, [dot.n]: 32 * columns * warpsN },
        steps: { [dot.k]: step },
      }));
    }),
  );
}

/** Whether an operand comes from a parameter, or from what the load stage has made of some. */
function readsStored(e: Expr, values: readonly PlanValue[]): boolean {
  return loadsOf(e).some(({ source }) =>
    ["param", "derived", "load"].includes(values[source]?.home.kind ?? ""),
  );
}

/** How the weights lie: see backends/lower/streamweights.ts. */
function wayOf(
  dots: readonly Dot[],
  values: readonly PlanValue[],
  format: Stream["format"],
): keyof typeof AHEAD {
  const packings = dots.map(({ b }) => (b.kind === "load" ? values[b.source]?.packing : undefined));
  if (packings.every((p) => p !== undefined && bytesOf({ packing: p }, 1) === 1 && p.blocks)) return "codes";
  return packings.every((p) => p?.element === format && !p.blocks && !p.native) ? "rows" : "computed";
}

/** Rate of products beside that of f32 on the CUDA cores. */
const RATE = { f16: 8, bf16: 8, f32: 1 } as const;
/** The products that an element costs: weights decoded from codes, as pairs or by way of f32; activations read or computed. */
const DECODING = { codes: 16, rows: 4, computed: 64 } as const;
const READING = 8;
const COMPUTING = 64;
/** Of f32 the same, in products that are as much dearer. */
const DEARER = 8;
/** Of codes: words of them, transposed or converted to pairs as well; activations packed by one instruction a pair. */
const TRANSPOSING = 4;
const CONVERTING = 8;
const PACKING = 16;
/** Seconds from sending for activations to having them; weights come a step ahead. */
const LATENCY = 0.6e-6;
/** Seconds in which the warps' sums meet. */
const SHARING = 0.5e-6;

/** Seconds of one workgroup; `extent`: of k; `flops`: what a workgroup gets of the device's rate in f32. */
export function streamSeconds(
  kernel: TileKernel,
  { format, rows, columns, warpsN, warpsK, ahead }: Stream,
  values: readonly PlanValue[],
  profile: Profile,
  extent: number,
  flops: number,
): number {
  const dots = kernel.body.filter((s): s is Dot => s.kind === "dot");
  const step = PIECE * ahead * warpsK;
  const costs = (): {
    readonly rate: number;
    readonly decoding: number;
    readonly activation: (a: Expr) => number;
  } => {
    if (isCodes(format)) {
      const rate = codeRate(format, profile);
      const dearer = rate / RATE.f16;
      const decoding = dearer * (multipliesCodes(format, profile) ? TRANSPOSING : CONVERTING);
      return { rate, decoding, activation: () => PACKING * dearer };
    }
    const cheaper = format === "f32" ? DEARER : 1;
    return {
      rate: RATE[format],
      decoding: DECODING[wayOf(dots, values, format)] / cheaper,
      activation: (a) => (a.kind === "load" ? READING : COMPUTING) / cheaper,
    };
  };
  const { rate, decoding, activation } = costs();
  const products = dots.reduce(
    (sum, { a }) => sum + 1 + activation(a) / (32 * columns) + decoding / (8 * rows),
    0,
  );
  const work = (2 * 8 * rows * 32 * columns * warpsN * step * products) / (rate * flops);
  return SHARING + Math.ceil(extent / step) * Math.max(work, LATENCY);
}
