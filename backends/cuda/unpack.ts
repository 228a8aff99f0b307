/**
 * @file What lies in memory in fewer bits → f32, and 16-bit numbers back, as device functions; storage codes four at a time. A byte of fp8 moved to where an f32 has its exponent and fraction
 * is the value but for a power of two, subnormals included.
 */
import type { Half } from "../../src/ir/thread.ts";

const HEAD = "static __device__ __forceinline__";

function four(
  name: string,
  parameters: string,
  places: readonly string[],
  more: readonly string[] = [],
): readonly string[] {
  return [
    ...more,
    `${HEAD} float4 ${name}(${parameters}) {`,
    `  return make_float4(${places.join(", ")});`,
    "}",
  ];
}

const SHIFTS = [0, 8, 16, 24];

/** `exponent` and `fraction`: the bits left of the sign's place; `scale`: 2 to the difference of the exponents' biases. */
function byte(name: string, shift: number, scale: string): readonly string[] {
  const one = [
    `${HEAD} float ${name}_value(unsigned b) {`,
    `  return __uint_as_float((b & 0x80u) << 24 | (b & 0x7fu) << ${shift}) * ${scale};`,
    "}",
  ];
  return four(
    name,
    "unsigned w",
    SHIFTS.map((s) => `${name}_value(${s === 0 ? "w" : `w >> ${s}`})`),
    one,
  );
}

const HALF = [
  `${HEAD} float f16_value(unsigned h) {`,
  "  const unsigned short bits = (unsigned short)h;",
  "  float x;",
  '  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));',
  "  return x;",
  "}",
];

export const UNPACK = {
  unpack_int8: four("unpack_int8", "unsigned w", [
    "float(int(w << 24) >> 24)",
    "float(int(w << 16) >> 24)",
    "float(int(w << 8) >> 24)",
    "float(int(w) >> 24)",
  ]),
  unpack_e4m3: byte("unpack_e4m3", 20, "0x1p120f"),
  unpack_e5m2: byte("unpack_e5m2", 21, "0x1p112f"),
  unpack_f16: four(
    "unpack_f16",
    "unsigned a, unsigned b",
    ["f16_value(a)", "f16_value(a >> 16)", "f16_value(b)", "f16_value(b >> 16)"],
    HALF,
  ),
  unpack_bf16: four("unpack_bf16", "unsigned a, unsigned b", [
    "__uint_as_float(a << 16)",
    "__uint_as_float(a & 0xffff0000u)",
    "__uint_as_float(b << 16)",
    "__uint_as_float(b & 0xffff0000u)",
  ]),
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** One conversion: its name and its lines. */
type Conversion = readonly [name: string, lines: readonly string[]];

function narrow(half: Half): Conversion {
  const name = `to_${half}`;
  return [
    name,
    [
      `${HEAD} ${half} ${name}(float a) {`,
      `  ${half} h;`,
      `  asm("cvt.rn.${half}.f32 %0, %1;" : "=h"(h.bits) : "f"(a));`,
      "  return h;",
      "}",
    ],
  ];
}

/** f32 → a 16-bit number that a kernel stores, to the nearest, ties to even. */
export const NARROW: Readonly<Record<Half, Conversion>> = { f16: narrow("f16"), bf16: narrow("bf16") };

/** The other way. */
export const WIDEN: Readonly<Record<Half, Conversion>> = {
  f16: [
    "from_f16",
    [
      `${HEAD} float from_f16(f16 h) {`,
      "  float a;",
      '  asm("cvt.f32.f16 %0, %1;" : "=f"(a) : "h"(h.bits));',
      "  return a;",
      "}",
    ],
  ],
  bf16: [
    "from_bf16",
    [`${HEAD} float from_bf16(bf16 h) {`, "  return __uint_as_float(unsigned(h.bits) << 16);", "}"],
  ],
};
