/** @file Values that lie as 16-bit numbers of the device's own (`Packing.native`), two a word, and the f32 that the host sees of them. */
import { fromBf16Bits, fromF16Bits, toBf16Bits, toF16Bits } from "../../ir/codecs/half.ts";
import type { Packing } from "../../ir/plan.ts";
import type { Words } from "./layout.ts";

/** The numbers that words hold. */
export function fromHalves(words: Words, element: Packing["element"]): Float32Array {
  const bits = new Uint16Array(words.buffer, words.byteOffset, 2 * words.length);
  return Float32Array.from(bits, element === "bf16" ? fromBf16Bits : fromF16Bits);
}

/** The opposite: numbers that are of the type already come back as they were. */
export function toHalves(values: Float32Array, element: Packing["element"]): Uint32Array {
  const words = new Uint32Array(Math.ceil(values.length / 2));
  new Uint16Array(words.buffer).set(
    element === "bf16" ? Uint16Array.from(values, toBf16Bits) : toF16Bits(values),
  );
  return words;
}
