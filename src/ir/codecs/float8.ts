/**
 * @file The 8-bit floating-point formats of the Open Compute Project (OFP8, 2023; Micikevicius et al., arXiv 2209.05433).
 *
 * | | sign, exponent, fraction bits | bias | largest | infinities | NaN |
 * |---|---|---|---|---|---|
 * | E4M3 | 1, 4, 3 | 7 | 448 | none | S.1111.111 |
 * | E5M2 | 1, 5, 2 | 15 | 57344 | S.11111.00 | S.11111.01 to .11 |
 *
 * Encoding rounds to nearest even and saturates: what is beyond the largest value, infinities included, becomes the largest
 * (the *satfinite* conversion of devices). NaN becomes 0x7f.
 */
import { roundHalfEven } from "./rounding.ts";

export interface Float8 {
  readonly fractionBits: number;
  readonly bias: number;
  readonly max: number;
  /** The value of each of the 256 codes. */
  readonly values: Float32Array;
}

export const e4m3: Float8 = float8(3, 7, 448, (exponent, fraction) =>
  exponent === 15 && fraction === 7 ? NaN : undefined,
);

export const e5m2: Float8 = float8(2, 15, 57344, (exponent, fraction) => {
  if (exponent < 31) return undefined;
  return fraction === 0 ? Infinity : NaN;
});

const scratch = new DataView(new ArrayBuffer(8));

export function toFloat8Bits({ fractionBits, bias, max }: Float8, value: number): number {
  if (Number.isNaN(value)) return 0x7f;
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(value), max);
  scratch.setFloat64(0, magnitude);
  // Below the smallest normal exponent the spacing stays what it is there: subnormals.
  const exponent = Math.max((scratch.getUint16(0) >>> 4) - 1023, 1 - bias);
  const units = roundHalfEven(magnitude * 2 ** (fractionBits - exponent));
  // A normal value has 2^fractionBits units or more, whose leading one adds 1 to the exponent field; so does a carry.
  return sign | (((exponent + bias - 1) << fractionBits) + units);
}

export function fromFloat8Bits(format: Float8, bits: number): number {
  return format.values[bits] ?? NaN;
}

function float8(
  fractionBits: number,
  bias: number,
  max: number,
  special: (exponent: number, fraction: number) => number | undefined,
): Float8 {
  const values = Float32Array.from({ length: 256 }, (_, bits) => {
    const exponent = (bits & 0x7f) >> fractionBits;
    const fraction = bits & (2 ** fractionBits - 1);
    const significand = fraction + (exponent === 0 ? 0 : 2 ** fractionBits);
    const magnitude =
      special(exponent, fraction) ?? significand * 2 ** (Math.max(exponent, 1) - bias - fractionBits);
    return bits & 0x80 ? -magnitude : magnitude;
  });
  return { fractionBits, bias, max, values };
}
