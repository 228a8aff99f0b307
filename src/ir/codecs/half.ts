/**
 * @file The two 16-bit formats. f16 is IEEE binary16 (1 sign, 5 exponent, 10 fraction bits; largest 65504), bf16 the upper half of
 * an f32 (1, 8, 7). Both round to nearest even, keep infinities and NaN, and overflow to infinity.
 *
 * f16 goes through the library's arrays whole: they convert a million values in the time that its functions for one take for
 * ten thousand.
 */
import { Float16Array } from "@petamoriken/float16";

export const F16_MAX = 65504;
/** (2 − 2⁻⁷) · 2¹²⁷. */
export const BF16_MAX = (2 - 2 ** -7) * 2 ** 127;

export function toF16Bits(values: Float32Array): Uint16Array {
  return new Uint16Array(new Float16Array(values).buffer);
}

let f16Values: Float32Array | undefined;

export function fromF16Bits(bits: number): number {
  f16Values ??= Float32Array.from(
    new Float16Array(Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer),
  );
  return f16Values[bits];
}

const view = new DataView(new ArrayBuffer(4));

/** Rounds the f32 nearest to `value`. A NaN stays one, made quiet. */
export function toBf16Bits(value: number): number {
  view.setFloat32(0, value, true);
  const bits = view.getUint32(0, true);
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  // Half a unit of what stays, less one where what stays is even: the carry is the rounding.
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

export function fromBf16Bits(bits: number): number {
  view.setUint32(0, bits * 0x1_0000, true);
  return view.getFloat32(0, true);
}
