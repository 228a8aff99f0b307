/**
 * @file Schedules of products on tensor cores, and what they cost: for CUDA devices, where the model asks for 16-bit arithmetic.
 *
 * An operand that lies in memory as it is multiplied is copied, several blocks of k ahead; one that is computed on the way is a block
 * ahead at most, in registers. A block of k takes a workgroup
 *
 *     max(products · (1 + staging), latency / blocks on their way)
 *
 * where staging shrinks with the other side of the tile, which every staged element feeds. The tile with the least padding and the least
 * staging wins where both are at hand; the floors are those of docs/cuda.md.
 */
import { axesOf, type Expr } from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import type { Schedule } from "../../src/ir/schedule.ts";
import type { Half } from "../../src/ir/thread.ts";
import { isCodes, type Lowering, type ScoreStmt, type TileKernel, type TileStmt } from "../../src/ir/tile.ts";
import { codeFormat, codeRate, converting } from "./codes.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;
type Mma = Extract<Lowering, { kind: "mma" }>;

/** Warps and fragments a warp: 128 × 256, 128 × 128, 64 × 128, 64 × 64, 32 × 128, 16 × 128, 16 × 32 points. */
const SHAPES: readonly (readonly [warpsM: number, warpsN: number, tilesM: number, tilesN: number])[] = [
  [2, 4, 4, 8],
  [2, 4, 4, 4],
  [2, 4, 2, 4],
  [2, 2, 2, 4],
  [1, 4, 2, 4],
  [1, 4, 1, 4],
  [1, 2, 1, 2],
];
/** Elements of k that are staged at once, and how often: what is copied goes further ahead than registers reach. */
const COPIED: readonly (readonly [step: number, stages: Mma["stages"]])[] = [
  [32, 4],
  [32, 3],
  [64, 3],
  [64, 2],
];
const COMPUTED: typeof COPIED = [[32, 2]];
/** Of codes: weights are copied, activations computed. */
const CODES: typeof COPIED = [
  [64, 3],
  [64, 2],
  [32, 4],
];
/** Their fragments come in fours: one warp takes the place of two. */
const CODE_SHAPES = SHAPES.map((shape) => (shape[3] % 4 === 0 ? shape : ([1, 1, 1, 4] as const)));
/** Accumulator fragments of a warp, four registers a thread each: beside what is computed on the way, or alone. */
const MOST_FRAGMENTS = 16;
const MOST_ALONE = 32;
/** Of a workgroup's memory, what is left to tiles of rows and columns, and to the start of the tiles' own at 1024 bytes. */
const ASIDE = 16 * 1024;
const HALF_BYTES = 2;

/** Schedules of one format: workgroups, pipelines, and fragments of a warp at most. */
interface Form {
  readonly format: Mma["format"];
  readonly shapes: typeof SHAPES;
  readonly pipelines: typeof COPIED;
  readonly most: number;
}

/** In the format that the model computes in, and as codes where both sides are. */
export function onTensorCores(
  kernel: TileKernel,
  values: readonly PlanValue[],
  dot: Dot,
  format: Half | "tf32",
  profile: Profile,
  expected: number,
): Schedule[] {
  const dots = kernel.body.filter((s) => s.kind === "dot");
  const ways = dots.flatMap((each) => copiedOf(each, values, format));
  const pipelines = ways.some((stored) => stored) ? COPIED : COMPUTED;
  const most = ways.every((stored) => stored) ? MOST_ALONE : MOST_FRAGMENTS;
  const codes = codeFormat(kernel, values, profile);
  const forms: readonly Form[] = [
    { format, shapes: SHAPES, pipelines, most },
    ...(codes ? [{ format: codes, shapes: CODE_SHAPES, pipelines: CODES, most: MOST_FRAGMENTS }] : []),
  ];
  return forms.flatMap((form) =>
    form.pipelines.flatMap(([step, stages]) =>
      form.shapes.flatMap(([warpsM, warpsN, tilesM, tilesN]): Schedule[] => {
        const m = 16 * warpsM * tilesM;
        const n = 8 * warpsN * tilesN;
        // A step of k is as many bytes in 16 bits and in tf32.
        const bytes = stages * (isCodes(form.format) ? 1 : HALF_BYTES) * step * (m + n) * dots.length;
        const fits = bytes + ASIDE <= profile.limits.workgroupMemory;
        if (!fits || dots.length * tilesM * tilesN > form.most || (m > 16 && m >= 2 * expected)) return [];
        return [
          {
            lowering: { kind: "mma", format: form.format, warpsM, warpsN, tilesM, tilesN, stages },
            tiles: { [dot.m]: m, [dot.n]: n },
            steps: { [dot.k]: form.format === "tf32" ? step / 2 : step },
          },
        ];
      }),
    ),
  );
}

/** Warps of a score product's workgroup, each of 16 rows, and keys at a time. */
const ROW_WARPS = [4, 2, 1];
const KEYS = [64, 32, 16];
/** Columns, and elements of a score's sum, that registers hold beside a block of scores. */
const MOST_COLUMNS = 128;
/** Groups of keys and values that a thread brings of a block, at most; each is written out, and held where it is computed. */
const MOST_COPIED = 16;
const MOST_COMPUTED = 8;
/** Fewer rows leave most of a fragment empty. */
const LEAST_ROWS = 4;

/** Score products whose rows share their keys, all of them. */
export function scoresOnTensorCores(
  { grid, inner }: TileKernel,
  values: readonly PlanValue[],
  { m, n, j, k, b, v }: ScoreStmt,
  format: Half,
  { limits }: Profile,
  expected: number,
): Schedule[] {
  const extentOf = (name: string): number => inner.find((a) => a.name === name)?.extent ?? 1;
  const extent = grid.find((a) => a.name === n)?.extent;
  if (typeof extent !== "number" || extent < 8 || expected < LEAST_ROWS) return [];
  const columns = 16 * Math.ceil(extent / 16);
  const depth = 16 * Math.ceil(extentOf(k) / 16);
  if (Math.max(columns, depth) > MOST_COLUMNS) return [];
  const copied = isStored(b, values, format, [k]) && isStored(v, values, format, [n]);
  const most = copied ? MOST_COPIED : MOST_COMPUTED;
  return KEYS.flatMap((keys) =>
    ROW_WARPS.flatMap((warps): Schedule[] => {
      const bytes = HALF_BYTES * (16 * warps * depth + 2 * keys * (depth + columns));
      const few = warps > 1 && 16 * warps >= 2 * expected;
      const many = keys > 16 && (keys * (depth + columns)) / 8 > most * 32 * warps;
      if (bytes + ASIDE > limits.workgroupMemory || few || many) return [];
      if (keys > 16 && keys >= 2 * extentOf(j)) return [];
      return [
        {
          lowering: { kind: "flash", format, warps, keys },
          tiles: { [m]: 16 * warps, [n]: columns },
          steps: { [j]: keys, [k]: 16 },
        },
      ];
    }),
  );
}

/** Instructions of a weight's softmax, in multiply-adds of f32. */
const SOFTMAX = 12;
/** Warps that keep a worker busy. */
const BUSY = 2;

/** Seconds of one workgroup of a score product. */
export function flashSeconds(
  { grid, inner }: TileKernel,
  { n, j, k }: ScoreStmt,
  { format, warps, keys }: Extract<Lowering, { kind: "flash" }>,
  flops: number,
): number {
  const extentOf = (name: string): number => inner.find((a) => a.name === name)?.extent ?? 1;
  const columns = Number(grid.find((a) => a.name === n)?.extent);
  const depth = 16 * Math.ceil(extentOf(k) / 16);
  const scores = 16 * warps * keys;
  const products = (2 * scores * (depth + 16 * Math.ceil(columns / 16))) / TENSOR_CORES[format];
  const block = (products + 2 * scores * SOFTMAX) / (flops * Math.min(1, warps / BUSY));
  return 2 * LATENCY + Math.ceil(extentOf(j) / keys) * (TURN + Math.max(block, LATENCY));
}

/** Rate of tensor cores beside that of f32. */
const TENSOR_CORES: Readonly<Record<Half | "tf32", number>> = { f16: 8, bf16: 8, tf32: 4 };
/** The products that staging an element costs, computed and copied. */
const COMPUTING = 64;
const COPYING = 8;
/** Seconds from sending for 16 bytes to having them. */
const LATENCY = 0.6e-6;
/** Seconds of a block of k beyond its products: a barrier, addresses. */
const TURN = 0.05e-6;

/** Seconds of one workgroup; `extent`: of k; `flops`: what a workgroup gets of the device's rate in f32. */
export function tensorCoreSeconds(
  kernel: TileKernel,
  lowering: Mma,
  values: readonly PlanValue[],
  profile: Profile,
  step: number,
  extent: number,
  flops: number,
): number {
  const { format, warpsM, warpsN, tilesM, tilesN, stages } = lowering;
  const m = 16 * warpsM * tilesM;
  const n = 8 * warpsN * tilesN;
  const dots = kernel.body.filter((s) => s.kind === "dot");
  const sides = ([a, b]: readonly [a: number, b: number]): number => 1 + a / n + b / m;
  const work = (): { readonly products: number; readonly rate: number; readonly copied: boolean } => {
    if (isCodes(format)) {
      const rate = codeRate(format, profile);
      // In products as fast as these; half as many bytes are copied.
      const faster = rate / TENSOR_CORES.f16;
      const one = converting(format, lowering, profile) + sides([COMPUTING * faster, (COPYING * faster) / 2]);
      return { products: dots.length * one, rate, copied: false };
    }
    const ways = dots.map((dot) => copiedOf(dot, values, format));
    const cost = (copied: boolean): number => (copied ? COPYING : COMPUTING);
    const products = ways.reduce((sum, [a, b]) => sum + sides([cost(a), cost(b)]), 0);
    return { products, rate: TENSOR_CORES[format], copied: ways.flat().every((copied) => copied) };
  };
  const { products, rate, copied } = work();
  const block = (2 * m * n * step * products) / (rate * flops);
  const ahead = copied ? stages - 1 : 1;
  return LATENCY + Math.ceil(extent / step) * (TURN + Math.max(block, LATENCY / ahead));
}

/** Which sides of a product are copied: the right one may have its neighbours along n, but in tf32 (see `mmaoperands`). */
function copiedOf(
  { a, b, k, n }: Dot,
  values: readonly PlanValue[],
  format: Half | "tf32",
): [a: boolean, b: boolean] {
  return [isStored(a, values, format, [k]), isStored(b, values, format, format === "tf32" ? [k] : [k, n])];
}

/** Whether an operand is a value's own elements in the format that is multiplied, neighbours along one of the axes `along`. */
function isStored(
  e: Expr,
  values: readonly PlanValue[],
  format: Half | "tf32",
  along: readonly string[],
): boolean {
  if (e.kind !== "load") return false;
  const { element, packing, strides } = values[e.source];
  const rows = e.index.some((part, i) => strides[i] === 1 && along.some((name) => axesOf(part).has(name)));
  if (!rows) return false;
  if (format === "tf32") return packing === undefined && element === "f32";
  return packing?.element === format && packing.blocks === undefined;
}
