/**
 * @file The counter-based generator behind drawn weights and inputs: element i of a stream is a hash of (seed, stream's
 * name, i), so a value does not depend on what was drawn before it, a table's rows can be drawn one by one, and the same
 * seed gives the same model everywhere.
 *
 * The hash is two rounds of a 32-bit finaliser (xor-shift-multiply with the constants of `lowbias32`, C. Wellons, found by
 * search for low bias), keyed before each round. It passes no cryptographic test and needs to pass none.
 */

/** A permutation of the 32-bit words whose output bits each depend on every input bit. */
export function mix32(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0xd35a2d97);
  return (h ^ (h >>> 15)) | 0;
}

/** The two key words of a stream. */
export interface StreamKey {
  readonly a: number;
  readonly b: number;
}

export function streamKey(seed: number, name: string): StreamKey {
  let a = mix32((seed | 0) ^ 0x9e3779b9);
  let b = mix32(Math.floor(seed / 2 ** 32) ^ a ^ 0x7f4a7c15);
  for (let i = 0; i < name.length; i++) {
    a = mix32(a ^ name.charCodeAt(i));
    b = mix32((b + a) | 0);
  }
  return { a, b };
}

/** 32 random bits, as a signed integer. `index` may exceed 32 bits. */
export function bitsAt(key: StreamKey, index: number): number {
  const high = Math.floor(index / 2 ** 32);
  return mix32(mix32((index | 0) ^ key.a) + (key.b ^ Math.imul(high, 0x85ebca6b)));
}

/** In the open interval (0, 1): the centres of 2³² equal cells. */
export function uniformAt(key: StreamKey, index: number): number {
  return ((bitsAt(key, index) >>> 0) + 0.5) / 2 ** 32;
}

/** Uniform over 0 … bound − 1; each value's probability is exact to bound / 2³². */
export function integerAt(key: StreamKey, index: number, bound: number): number {
  return Math.floor(uniformAt(key, index) * bound);
}

export function normalAt(key: StreamKey, index: number): number {
  return normalQuantile(uniformAt(key, index));
}

/**
 * The inverse of the normal distribution function, by P. Acklam's rational approximations (relative error below
 * 1.15e-9): one division for 95 % of arguments where Box–Muller takes a logarithm, a root and a cosine for all.
 */
export function normalQuantile(p: number): number {
  if (p < TAIL) return tail(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - TAIL) return -tail(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  const above =
    ((((-3.969683028665376e1 * r + 2.209460984245205e2) * r - 2.759285104469687e2) * r + 1.38357751867269e2) *
      r -
      3.066479806614716e1) *
      r +
    2.506628277459239;
  const below =
    ((((-5.447609879822406e1 * r + 1.615858368580409e2) * r - 1.556989798598866e2) * r +
      6.680131188771972e1) *
      r -
      1.328068155288572e1) *
      r +
    1;
  return (q * above) / below;
}

const TAIL = 0.02425;

function tail(q: number): number {
  const above =
    ((((-7.784894002430293e-3 * q - 3.223964580411365e-1) * q - 2.400758277161838) * q - 2.549732539343734) *
      q +
      4.374664141464968) *
      q +
    2.938163982698783;
  const below =
    (((7.784695709041462e-3 * q + 3.224671290700398e-1) * q + 2.445134137142996) * q + 3.754408661907416) *
      q +
    1;
  return above / below;
}
