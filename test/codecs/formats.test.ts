/**
 * Every code of every format, and every decision between two neighbours, against tables made here from the formats' definitions in
 * integer arithmetic.
 */
import { describe, expect, it } from "vitest";
import { e4m3, e5m2, fromFloat8Bits, toFloat8Bits } from "../../src/ir/codecs/float8.ts";
import { fromBf16Bits, fromF16Bits, toBf16Bits, toF16Bits } from "../../src/ir/codecs/half.ts";

interface Format {
  readonly name: string;
  readonly exponentBits: number;
  readonly fractionBits: number;
  /** Codes of the positive half that are finite: all below this one. */
  readonly finite: number;
  readonly hasInfinity: boolean;
  /** What a value beyond the largest becomes. */
  readonly overflow: "saturate" | "infinity";
  readonly to: (value: number) => number;
  readonly from: (bits: number) => number;
}

const formats: readonly Format[] = [
  {
    name: "f16",
    exponentBits: 5,
    fractionBits: 10,
    finite: 0x7c00,
    hasInfinity: true,
    overflow: "infinity",
    to: (value) => toF16Bits(Float32Array.of(value))[0],
    from: fromF16Bits,
  },
  {
    name: "bf16",
    exponentBits: 8,
    fractionBits: 7,
    finite: 0x7f80,
    hasInfinity: true,
    overflow: "infinity",
    to: toBf16Bits,
    from: fromBf16Bits,
  },
  {
    name: "fp8_e4m3",
    exponentBits: 4,
    fractionBits: 3,
    finite: 0x7f,
    hasInfinity: false,
    overflow: "saturate",
    to: (value) => toFloat8Bits(e4m3, value),
    from: (bits) => fromFloat8Bits(e4m3, bits),
  },
  {
    name: "fp8_e5m2",
    exponentBits: 5,
    fractionBits: 2,
    finite: 0x7c,
    hasInfinity: true,
    overflow: "saturate",
    to: (value) => toFloat8Bits(e5m2, value),
    from: (bits) => fromFloat8Bits(e5m2, bits),
  },
];

/** The finite values of the positive half as whole multiples of the smallest subnormal, and that unit. */
function table({ exponentBits, fractionBits, finite }: Format): { multiples: bigint[]; unit: number } {
  const bias = 2 ** (exponentBits - 1) - 1;
  const multiples = Array.from({ length: finite }, (_, code) => {
    const exponent = code >> fractionBits;
    const fraction = BigInt(code % 2 ** fractionBits);
    return exponent === 0 ? fraction : (fraction + (1n << BigInt(fractionBits))) << BigInt(exponent - 1);
  });
  return { multiples, unit: 2 ** (1 - bias - fractionBits) };
}

const word = new DataView(new ArrayBuffer(4));

/** The f32 next to a positive one. */
function neighbour(value: number, step: 1 | -1): number {
  word.setFloat32(0, value);
  word.setUint32(0, word.getUint32(0) + step);
  return word.getFloat32(0);
}

describe.each(formats)("$name", (format) => {
  const { multiples, unit } = table(format);
  const sign = 2 ** (format.exponentBits + format.fractionBits);
  const values = multiples.map((multiple) => Number(multiple) * unit);
  const largest = values.at(-1) ?? 0;

  it("decodes every finite code, and encodes it again to itself", () => {
    const wrong = values.flatMap((value, code) => {
      const same =
        Object.is(format.from(code), value) &&
        Object.is(format.from(code + sign), -value) &&
        format.to(value) === code &&
        format.to(-value) === code + sign;
      return same ? [] : [code];
    });
    expect(wrong).toEqual([]);
  });

  it("rounds to the nearest, and half way to the even one", () => {
    const wrong: unknown[] = [];
    const check = (value: number, code: number): void => {
      if (format.to(value) !== code || format.to(-value) !== code + sign)
        wrong.push([value, code, format.to(value)]);
    };
    for (let code = 0; code + 1 < values.length; code++) {
      const middle = (Number(multiples[code] + multiples[code + 1]) / 2) * unit;
      check(middle, code % 2 === 0 ? code : code + 1);
      check(neighbour(middle, -1), code);
      check(neighbour(middle, 1), code + 1);
    }
    expect(wrong).toEqual([]);
  });

  it("has the infinities and NaNs that its definition says", () => {
    for (let code = format.finite; code < sign; code++) {
      const infinite = format.hasInfinity && code === format.finite;
      expect(format.from(code)).toBe(infinite ? Infinity : NaN);
      expect(format.from(code + sign)).toBe(infinite ? -Infinity : NaN);
    }
    expect(format.from(format.to(NaN))).toBeNaN();
  });

  it("saturates or overflows", () => {
    const spacing = Number(multiples[values.length - 1] - multiples[values.length - 2]) * unit;
    const beyond = format.overflow === "infinity" ? Infinity : largest;
    for (const value of [largest + spacing / 2, largest + spacing, Infinity]) {
      expect(format.from(format.to(value))).toBe(beyond);
      expect(format.from(format.to(-value))).toBe(-beyond);
    }
    expect(format.from(format.to(neighbour(largest + spacing / 2, -1)))).toBe(largest);
  });

  it("tells −0 from 0", () => {
    expect(format.to(0)).toBe(0);
    expect(format.to(-0)).toBe(sign);
  });
});

it("has the published extremes", () => {
  expect([fromFloat8Bits(e4m3, 0x7e), fromFloat8Bits(e4m3, 0x01)]).toEqual([448, 2 ** -9]);
  expect([fromFloat8Bits(e5m2, 0x7b), fromFloat8Bits(e5m2, 0x01)]).toEqual([57344, 2 ** -16]);
  expect([fromF16Bits(0x7bff), fromF16Bits(0x0001)]).toEqual([65504, 2 ** -24]);
});
