/**
 * @file Which products multiply codes of 8 bits, and at what rate. Both sides must be codes: weights that lie so, in blocks of 4 × 4, and
 * activations that are rounded on the way in (`inputs fp8_e4m3`, `inputs int8`); scales have left the sum (fusion/scalefactors.ts). A
 * model that computes in f32 is promised sums of f32, and its products stay where they are.
 */
import type { Expr } from "../../src/ir/expr.ts";
import type { PlanValue } from "../../src/ir/plan.ts";
import type { Profile } from "../../src/ir/profile.ts";
import {
  type Code,
  type CodePair,
  isCodes,
  type Lowering,
  type TileKernel,
  type TileStmt,
} from "../../src/ir/tile.ts";

type Dot = Extract<TileStmt, { kind: "dot" }>;
type Mma = Extract<Lowering, { kind: "mma" }>;

/** The first architecture with numbers of fp8; all multiply int8. */
const FIRST = 89;
/** The first since then whose warps multiply them again. */
const AGAIN = 120;
/** Rates of tensor cores beside that of f32. */
const CODES = 16;
const HALVES = 8;
/**
 * Conversions of a fragment's words beside the two products that they become. Those of the left side serve all columns of the warp,
 * those of the right side all rows.
 */
const CONVERTING_LEFT = 0.8;
const CONVERTING_RIGHT = 0.4;

function architecture({ cuda }: Profile): number {
  return Number(/\d+/.exec(cuda?.arch ?? "")?.[0] ?? 0);
}

/** Of products of int8 codes, what a sum in i32 holds whatever they are. */
const MOST_SUMMED = Math.floor((2 ** 31 - 1) / 127 ** 2);

/** The formats of all products' sides; undefined where some are no codes that the device multiplies. */
export function codeFormat(
  { body, inner }: Pick<TileKernel, "body" | "inner">,
  values: readonly PlanValue[],
  profile: Profile,
): CodePair | undefined {
  const dots = body.filter((s): s is Dot => s.kind === "dot");
  const pairs = new Set(
    dots.map((dot) => {
      const [left, right] = [roundedTo(dot.a), storedAs(dot, values)];
      return left === "int8" && right === "int8" ? left : `${left}_${right}`;
    }),
  );
  const [pair = ""] = pairs;
  if (pairs.size !== 1 || !isCodes(pair)) return undefined;
  const short = dots.every(({ k }) => inner.some(({ name, extent }) => name === k && extent <= MOST_SUMMED));
  return (pair === "int8" ? short : architecture(profile) >= FIRST) ? pair : undefined;
}

const ROUNDED: Readonly<Record<string, Code>> = {
  round_e4m3: "e4m3",
  round_e5m2: "e5m2",
  round_int8: "int8",
};
const STORED: Readonly<Record<string, Code>> = { fp8_e4m3: "e4m3", fp8_e5m2: "e5m2", int8: "int8" };

function roundedTo(e: Expr): Code | undefined {
  return e.kind === "apply" ? ROUNDED[e.fn] : undefined;
}

/** The format of a right side that is codes in blocks along the product's own k and n. */
function storedAs({ b, k, n }: Dot, values: readonly PlanValue[]): Code | undefined {
  if (b.kind !== "load") return undefined;
  const { packing, unit } = values[b.source];
  const along = packing?.blocks?.map((axis) => b.index[axis]);
  const own = along?.every((e, i) => e?.kind === "axis" && e.name === (i === 0 ? k : n));
  if (own !== true || unit % 16 !== 0) return undefined;
  return packing && STORED[packing.element];
}

/**
 * Whether warps multiply codes of a format. Those of fp8, on Hopper and sm_100, are converted to f16, which is multiplied
 * (backends/cuda/codes.ts).
 */
export function multipliesCodes(format: CodePair, profile: Profile): boolean {
  const arch = architecture(profile);
  return format === "int8" || arch === FIRST || arch >= AGAIN;
}

/** The rate of products of codes beside that of f32. */
export function codeRate(format: CodePair, profile: Profile): number {
  return multipliesCodes(format, profile) ? CODES : HALVES;
}

/** What a product costs more where its codes are converted, in products. */
export function converting(format: CodePair, { tilesM, tilesN }: Mma, profile: Profile): number {
  return multipliesCodes(format, profile) ? 0 : CONVERTING_LEFT / tilesN + CONVERTING_RIGHT / tilesM;
}
