/** @file Rounding f32 to formats of fewer bits without an instruction for it, as lines of device functions of `a`. */

interface Format {
  /** Bits of its fraction. */
  readonly fraction: number;
  /** The smallest normal number, and the distance of those below it. */
  readonly smallest: number;
  readonly quantum: number;
  readonly largest: number;
}

export const F16: Format = { fraction: 10, smallest: 2 ** -14, quantum: 2 ** -24, largest: 65504 };
export const E5M2: Format = { fraction: 2, smallest: 2 ** -14, quantum: 2 ** -16, largest: 57344 };
export const E4M3: Format = { fraction: 3, smallest: 2 ** -6, quantum: 2 ** -9, largest: 448 };

/** `y`, the nearest number of the format's spacing, ties to even, unbounded; and `bits`, those of `a`. */
function nearest({ fraction, smallest, quantum }: Format): readonly string[] {
  const dropped = 23 - fraction;
  return [
    "const unsigned bits = __float_as_uint(a);",
    `const unsigned sum = bits + ${2 ** (dropped - 1) - 1}u + ((bits >> ${dropped}) & 1u);`,
    `const float even = __uint_as_float(sum & ${2 ** 32 - 2 ** dropped}u);`,
    `const float small = rintf(a * ${1 / quantum}.0f) * ${quantum.toExponential()}f;`,
    `const float y = fabsf(a) < ${smallest.toExponential()}f ? small : even;`,
  ];
}

/** The nearest number of the format, saturating. */
export function rounding(format: Format): readonly string[] {
  const { largest } = format;
  return [...nearest(format), `return a != a ? a : fminf(fmaxf(y, -${largest}.0f), ${largest}.0f);`];
}

/**
 * The code of that number in eight bits: `shift` places below those of an f32 that is 2^`bias` times smaller, where the exponents' biases
 * meet, subnormal codes included.
 */
export function encoding(format: Format, shift: number, bias: number): readonly string[] {
  const magnitude = `fminf(fabsf(y), ${format.largest}.0f)`;
  return [
    ...nearest(format),
    `const unsigned code = __float_as_uint(${magnitude} * 0x1p-${bias}f) >> ${shift};`,
    "return a != a ? 0x7fu : ((bits >> 24) & 0x80u) | code;",
  ];
}
