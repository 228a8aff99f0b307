/** @file The element types of a safetensors file and their conversion to what kernels compute with. */

import { e4m3, e5m2, fromFloat8Bits } from "../ir/codecs/float8.ts";
import { fromBf16Bits, fromF16Bits } from "../ir/codecs/half.ts";

export type DTypeName = "F64" | "F32" | "F16" | "BF16" | "F8_E4M3" | "F8_E5M2" | "I64" | "I32" | "U8" | "I8";

export interface DTypeInfo {
  readonly bytes: number;
  readonly toFloats: (from: DataView, out: Float32Array) => void;
  /** Integer types only; `bad` gets the first element that does not fit i32. */
  readonly toInts?: (from: DataView, out: Int32Array, bad: (element: number, value: bigint) => never) => void;
}

type Get = (view: DataView, byte: number) => number;

function floats(bytes: number, get: Get): DTypeInfo {
  return {
    bytes,
    toFloats: (from, out) => {
      for (let i = 0; i < out.length; i++) out[i] = get(from, i * bytes);
    },
  };
}

function integers(bytes: number, get: Get): DTypeInfo {
  return {
    ...floats(bytes, get),
    toInts: (from, out) => {
      for (let i = 0; i < out.length; i++) out[i] = get(from, i * bytes);
    },
  };
}

const I32_MIN = -(2n ** 31n);
const I32_MAX = 2n ** 31n - 1n;

export const dtypes: Readonly<Record<DTypeName, DTypeInfo>> = {
  F64: floats(8, (view, at) => view.getFloat64(at, true)),
  F32: floats(4, (view, at) => view.getFloat32(at, true)),
  F16: floats(2, (view, at) => fromF16Bits(view.getUint16(at, true))),
  BF16: floats(2, (view, at) => fromBf16Bits(view.getUint16(at, true))),
  F8_E4M3: floats(1, (view, at) => fromFloat8Bits(e4m3, view.getUint8(at))),
  F8_E5M2: floats(1, (view, at) => fromFloat8Bits(e5m2, view.getUint8(at))),
  I64: {
    ...floats(8, (view, at) => Number(view.getBigInt64(at, true))),
    toInts: (from, out, bad) => {
      for (let i = 0; i < out.length; i++) {
        const value = from.getBigInt64(i * 8, true);
        if (value < I32_MIN || value > I32_MAX) bad(i, value);
        out[i] = Number(value);
      }
    },
  },
  I32: integers(4, (view, at) => view.getInt32(at, true)),
  U8: integers(1, (view, at) => view.getUint8(at)),
  I8: integers(1, (view, at) => view.getInt8(at)),
};

export function isFloatType(dtype: DTypeName): boolean {
  return dtypes[dtype].toInts === undefined;
}

export function isDTypeName(name: unknown): name is DTypeName {
  return typeof name === "string" && Object.hasOwn(dtypes, name);
}
