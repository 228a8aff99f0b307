/** @file Identifiers for kernels, buffers and axes, made from the model's own names. */

/** What C's library and CUDA's headers declare as functions: a kernel of the same name would be another overload of them. */
export const C_FUNCTIONS: readonly string[] = (
  "abs acos acosh asin asinh atan atan2 atanh cbrt ceil clock cos cosh cospi erf erfc erfcinv erfinv exit exp exp10 exp2 expm1 " +
  "fabs fdim floor fma fmax fmin fmod free frexp gamma hypot index j0 j1 jn ldexp lgamma log log10 log1p log2 logb main malloc max " +
  "min modf norm norm3d norm4d normcdf pow printf remainder rhypot rint rnorm round rsqrt signal sin sinh sinpi sqrt tan tanh " +
  "tgamma time trunc y0 y1 yn"
).split(" ");

/** Hands out identifiers that are unique within a plan and the same from run to run. */
export class Names {
  private readonly taken: Set<string>;

  constructor(taken: Iterable<string> = []) {
    this.taken = new Set(taken);
  }

  unique(wanted: string): string {
    const base = identifier(wanted);
    let name = base;
    for (let i = 2; this.taken.has(name); i++) name = `${base}_${i}`;
    this.taken.add(name);
    return name;
  }
}

/** `layers.0.block.ffn` → `layers_0_block_ffn`. */
export function identifier(path: string): string {
  const clean = path
    .replace(/[^A-Za-z0-9_]+/g, "_")
    .replace(/_+/g, "_")
    .replace(/^_+|_+$/g, "");
  return /^[A-Za-z]/.test(clean) ? clean : `v_${clean}`;
}

const INNER = ["d", "e", "f", "g"];
const OUTER: Readonly<Record<number, readonly string[]>> = {
  0: [],
  1: ["d"],
  2: ["t", "d"],
  3: ["h", "t", "d"],
  4: ["b", "h", "t", "d"],
};

/** Names for the axes of a stored value: n or r for the batch, then tokens and channels by position. */
export function axisNames(shape: readonly (number | "R" | "N")[]): string[] {
  const batch = shape.length > 0 && typeof shape[0] !== "number" ? [shape[0] === "N" ? "n" : "r"] : [];
  const rest = shape.length - batch.length;
  const own = OUTER[rest] ?? Array.from({ length: rest }, (_, i) => `a${i}`);
  return [...batch, ...own];
}

/** Names for summed axes that collide with none of `taken`. */
export function innerNames(count: number, taken: readonly string[]): string[] {
  const free = ["k", "j", "l", "p", "q", ...INNER].filter((n) => !taken.includes(n));
  return Array.from({ length: count }, (_, i) => free[i] ?? `k${i}`);
}
