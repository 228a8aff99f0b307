/**
 * @file `encode` and `decode`: values to bytes of a storage type and back. What is stored here is what every device reads and what
 * the reference evaluates, so layout and rounding are exact:
 *
 * - elements row-major in the value's own shape, little endian, zeros up to a multiple of four bytes;
 * - scales row-major over `scaleShape(shape, storage.scale)`, f32; zero points (asymmetric int8) the same, int8;
 * - f16, bf16: to nearest even; a finite value beyond the largest becomes the largest, not an infinity;
 * - int8, symmetric: scale = a/127 for a = max |v| of the channel, q = v/scale in [−127, 127];
 * - int8, asymmetric: over [lo, hi] = [min(v, 0), max(v, 0)], scale = (hi − lo)/255, zero = −128 − lo/scale,
 *   q = v/scale + zero in [−128, 127], so that 0 is stored exactly;
 * - fp8: scale = a/448 (E4M3) or a/57344 (E5M2), the code nearest to v/scale.
 *
 * A scale is rounded to f32 and is at least the smallest normal f32, which no device flushes; of a channel of zeros it is 1.
 * Quotients are f64 quotients of the f32 value and the f32 scale, rounded to nearest even; decoding multiplies and rounds to f32 once.
 */
import { elementBytes, type Scaling, type Storage, type StorageElement } from "../storage.ts";
import { e4m3, e5m2, type Float8, fromFloat8Bits, toFloat8Bits } from "./float8.ts";
import { BF16_MAX, F16_MAX, fromBf16Bits, fromF16Bits, toBf16Bits, toF16Bits } from "./half.ts";
import { roundHalfEven } from "./rounding.ts";
import { scaleGrid } from "./scalegrid.ts";

/** A value as stored. */
export interface Encoded {
  readonly data: Uint8Array;
  /** Empty for types without scales. */
  readonly scales: Float32Array;
  /** Of asymmetric int8. */
  readonly zeros?: Int8Array;
}

const SMALLEST_NORMAL = 2 ** -126;
const NO_SCALES = new Float32Array();

/** Encodes `values`, row-major of `shape`, finite. */
export function encode(values: Float32Array, shape: readonly number[], storage: Storage): Encoded {
  const { element, scale } = storage;
  switch (element) {
    case "f32":
      return { data: new Uint8Array(values.slice().buffer), scales: NO_SCALES };
    case "f16":
      return { data: bytes16(toF16Bits(clamped(values, F16_MAX))), scales: NO_SCALES };
    case "bf16":
      return { data: bytes16(toBf16(clamped(values, BF16_MAX))), scales: NO_SCALES };
    case "int8":
      return encodeInt8(values, shape, scaleOf(scale, element));
    case "fp8_e4m3":
    case "fp8_e5m2":
      return encodeFloat8(values, shape, scaleOf(scale, element), float8Of(element));
    default:
      return element satisfies never;
  }
}

/** The values that `encoded` stands for; `shape` and `storage` as they were encoded. */
export function decode(encoded: Encoded, shape: readonly number[], storage: Storage): Float32Array {
  const { element, scale } = storage;
  const { data, scales, zeros } = encoded;
  const count = shape.reduce((product, extent) => product * extent, 1);
  const out = new Float32Array(count);
  const bytes = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (element) {
    case "f32":
      for (let i = 0; i < count; i++) out[i] = bytes.getFloat32(4 * i, true);
      return out;
    case "f16":
      for (let i = 0; i < count; i++) out[i] = fromF16Bits(bytes.getUint16(2 * i, true));
      return out;
    case "bf16":
      for (let i = 0; i < count; i++) out[i] = fromBf16Bits(bytes.getUint16(2 * i, true));
      return out;
    case "int8": {
      const codes = new Int8Array(data.buffer, data.byteOffset, count);
      return scaled(out, shape, scaleOf(scale, element), scales, (i, s) => codes[i] - (zeros?.[s] ?? 0));
    }
    case "fp8_e4m3":
    case "fp8_e5m2": {
      const format = float8Of(element);
      return scaled(out, shape, scaleOf(scale, element), scales, (i) => fromFloat8Bits(format, data[i]));
    }
    default:
      return element satisfies never;
  }
}

/** The values after a round trip through the storage type. */
export function rounded(values: Float32Array, shape: readonly number[], storage: Storage): Float32Array {
  return decode(encode(values, shape, storage), shape, storage);
}

/** The largest number that a type's codes stand for before scaling: what a channel's largest value is mapped to. */
export function largestCode(element: StorageElement): number {
  switch (element) {
    case "f32":
      return (2 - 2 ** -23) * 2 ** 127;
    case "f16":
      return F16_MAX;
    case "bf16":
      return BF16_MAX;
    case "int8":
      return 127;
    case "fp8_e4m3":
    case "fp8_e5m2":
      return float8Of(element).max;
    default:
      return element satisfies never;
  }
}

/**
 * Activations, which are rounded where they are read and stored nowhere: in f64 throughout, as all that the reference computes. Elements
 * that differ along `shared` alone have one scale, that of the largest of them, unless one `given` scale serves all, beyond whose
 * largest code they saturate.
 */
export function roundedActivation(
  values: ArrayLike<number>,
  shape: readonly number[],
  element: StorageElement,
  shared: readonly number[],
  given = 0,
): Float64Array {
  if (elementBytes[element] !== 1)
    return Float64Array.from(rounded(Float32Array.from(values), shape, { element }));
  const round = codeOf(element);
  const { count, inner, forEachRun } = scaleGrid(shape, { shared, symmetric: true });
  const scales = new Float64Array(count);
  const each = (visit: (element: number, scale: number) => void): void =>
    forEachRun((start, base) => {
      for (const [i, offset] of inner.entries()) visit(start + i, base + offset);
    });
  each((i, s) => {
    scales[s] = Math.max(scales[s], Math.abs(values[i]));
  });
  const scaleFrom = (most: number): number =>
    Math.max(given > 0 ? given : most / largestCode(element), SMALLEST_NORMAL);
  const used = scales.map(scaleFrom);
  const out = new Float64Array(values.length);
  each((i, s) => {
    out[i] = round(values[i] / used[s]) * used[s];
  });
  return out;
}

/** Rounds to what codes of 8 bits stand for. */
function codeOf(element: StorageElement): (value: number) => number {
  if (element === "int8") return (value) => clamp(roundHalfEven(value), 127);
  const format = element === "fp8_e4m3" ? e4m3 : e5m2;
  return (value) => fromFloat8Bits(format, toFloat8Bits(format, value));
}

/** The scale that maps `magnitude` to the largest code. */
export function scaleFor(magnitude: number, element: StorageElement): number {
  return usable(magnitude / largestCode(element));
}

function usable(scale: number): number {
  return scale === 0 ? 1 : Math.max(Math.fround(scale), SMALLEST_NORMAL);
}

function float8Of(element: "fp8_e4m3" | "fp8_e5m2"): Float8 {
  return element === "fp8_e4m3" ? e4m3 : e5m2;
}

function scaleOf(scale: Scaling | undefined, element: StorageElement): Scaling {
  if (scale === undefined) throw new Error(`internal: ${element} storage without a scale`);
  return scale;
}

function clamp(value: number, limit: number): number {
  return Math.min(Math.max(value, -limit), limit);
}

/** `bytes` rounded up to whole words. */
function words(bytes: number): Uint8Array {
  return new Uint8Array(Math.ceil(bytes / 4) * 4);
}

function clamped(values: Float32Array, limit: number): Float32Array {
  return values.map((value) => clamp(value, limit));
}

function toBf16(values: Float32Array): Uint16Array {
  const codes = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) codes[i] = toBf16Bits(values[i]);
  return codes;
}

function bytes16(codes: Uint16Array): Uint8Array {
  const data = words(codes.byteLength);
  data.set(new Uint8Array(codes.buffer));
  return data;
}

/** The largest and the smallest value of each channel, 0 included. */
function ranges(values: Float32Array, shape: readonly number[], scaling: Scaling) {
  const grid = scaleGrid(shape, scaling);
  const { inner, count } = grid;
  const high = new Float32Array(count);
  const low = new Float32Array(count);
  grid.forEachRun((start, base) => {
    for (let i = 0; i < inner.length; i++) {
      const [value, s] = [values[start + i], base + inner[i]];
      if (value > high[s]) high[s] = value;
      if (value < low[s]) low[s] = value;
    }
  });
  return { grid, high, low };
}

function encodeInt8(values: Float32Array, shape: readonly number[], scaling: Scaling): Encoded {
  const { grid, high, low } = ranges(values, shape, scaling);
  const { inner } = grid;
  const scales = high.map((hi, s) =>
    usable(scaling.symmetric ? Math.max(hi, -low[s]) / 127 : (hi - low[s]) / 255),
  );
  const zeros = Int8Array.from(low, (lo, s) =>
    scaling.symmetric ? 0 : Math.min(roundHalfEven(-128 - lo / scales[s]), 127),
  );
  const least = scaling.symmetric ? -127 : -128;
  const data = words(values.length);
  grid.forEachRun((start, base) => {
    for (let i = 0; i < inner.length; i++) {
      const s = base + inner[i];
      const code = roundHalfEven(values[start + i] / scales[s]) + zeros[s];
      data[start + i] = Math.min(Math.max(code, least), 127);
    }
  });
  return { data, scales, ...(!scaling.symmetric && { zeros }) };
}

function encodeFloat8(
  values: Float32Array,
  shape: readonly number[],
  scaling: Scaling,
  format: Float8,
): Encoded {
  const { grid, high, low } = ranges(values, shape, scaling);
  const { inner } = grid;
  const scales = high.map((hi, s) => usable(Math.max(hi, -low[s]) / format.max));
  const data = words(values.length);
  grid.forEachRun((start, base) => {
    for (let i = 0; i < inner.length; i++) {
      data[start + i] = toFloat8Bits(format, values[start + i] / scales[base + inner[i]]);
    }
  });
  return { data, scales };
}

function scaled(
  out: Float32Array,
  shape: readonly number[],
  scaling: Scaling,
  scales: Float32Array,
  codeAt: (element: number, scale: number) => number,
): Float32Array {
  const grid = scaleGrid(shape, scaling);
  const { inner } = grid;
  grid.forEachRun((start, base) => {
    for (let i = 0; i < inner.length; i++) {
      const s = base + inner[i];
      out[start + i] = codeAt(start + i, s) * scales[s];
    }
  });
  return out;
}
