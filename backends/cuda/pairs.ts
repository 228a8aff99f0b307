/**
 * @file Pairs of 16-bit numbers for tensor cores, straight from what lies in memory: of two words a and b, whose elements are neighbours
 * along k, pair i is (element i of a, element i of b), the first one in the low half.
 *
 * Codes of 8 bits are decoded in place, without a conversion instruction:
 *
 *     int8 → f16    the code + 128 as the last bits of 1024.0 makes 1024 + 128 + code; 1152 is subtracted, exactly
 *     int8 → bf16   the same with 2²³ in f32, whose upper half is then the number: eight bits hold any code
 *     fp8 → f16     e4m3: the code's exponent and fraction one place to the right, times 2⁸; e5m2 is the upper byte of f16
 *     fp8 → bf16    e4m3: four places to the right, times 2¹²⁰; e5m2: three places, times 2¹¹²
 *
 * Multiplying by a power of two is exact, subnormal codes included. NaN and infinities of fp8 are no weights.
 */
import type { PairFn } from "../../src/ir/thread.ts";
import type { DeviceFunction } from "./functions.ts";

const HEAD = "static __device__ __forceinline__";

const PERMUTE = [
  `${HEAD} unsigned permute(unsigned a, unsigned b, unsigned bytes) {`,
  "  unsigned d;",
  '  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(bytes));',
  "  return d;",
  "}",
];

function arithmetic(name: string, instruction: string): readonly string[] {
  return [
    `${HEAD} unsigned ${name}(unsigned a, unsigned b) {`,
    "  unsigned d;",
    `  asm("${instruction} %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));`,
    "  return d;",
    "}",
  ];
}

/** sm_80 has no product of bf16 alone; −0 is what changes no product. */
const SCALE_BF16 = [
  `${HEAD} unsigned scale_bf16(unsigned a, unsigned b) {`,
  "  unsigned d;",
  '  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(0x80008000u));',
  "  return d;",
  "}",
];

/** The words of four pairs, from the bytes of each pair side by side: `two` of (a0 b0 a1 b1) and (a2 b2 a3 b3). */
function codes(
  name: string,
  needs: readonly string[],
  first: readonly string[],
  one: (word: string, low: string, high: string) => string,
): DeviceFunction {
  return {
    needs: ["permute", ...needs],
    lines: [
      `${HEAD} uint4 ${name}(unsigned a, unsigned b) {`,
      ...first,
      "  const unsigned front = permute(a, b, 0x5140u);",
      "  const unsigned back = permute(a, b, 0x7362u);",
      `  return make_uint4(${["front", "front", "back", "back"].map((w, i) => one(w, String((i % 2) * 2), String((i % 2) * 2 + 1))).join(", ")});`,
      "}",
    ],
  };
}

/** Bytes `low` and `high` of a word into the upper bytes of two halves. */
function upper(word: string, low: string, high: string): string {
  return `permute(${word}, 0u, 0x${high}4${low}4u)`;
}

const BIASED = ["  a ^= 0x80808080u;", "  b ^= 0x80808080u;"];

const INT8_BF16 = [
  `${HEAD} unsigned int8_pair_bf16(unsigned biased, unsigned low, unsigned high) {`,
  "  const float x = __uint_as_float(permute(biased, 0x4b000000u, 0x7650u | low)) - 8388736.0f;",
  "  const float y = __uint_as_float(permute(biased, 0x4b000000u, 0x7650u | high)) - 8388736.0f;",
  "  return permute(__float_as_uint(x), __float_as_uint(y), 0x7632u);",
  "}",
];

function shifted(name: string, places: number): readonly string[] {
  const mask = (0x7f007f00 >>> places).toString(16).padStart(8, "0");
  return [
    `${HEAD} unsigned ${name}(unsigned w) {`,
    `  return (w & 0x80008000u) | ((w >> ${places}) & 0x${mask}u);`,
    "}",
  ];
}

function alone(lines: readonly string[]): DeviceFunction {
  return { lines, needs: [] };
}

/** What the pairs are made with. */
const HELPERS: Readonly<Record<string, DeviceFunction>> = {
  permute: alone(PERMUTE),
  subtract_f16: alone(arithmetic("subtract_f16", "sub.f16x2")),
  scale_f16: alone(arithmetic("scale_f16", "mul.f16x2")),
  scale_bf16: alone(SCALE_BF16),
  int8_pair_bf16: { lines: INT8_BF16, needs: ["permute"] },
  e4m3_half: alone(shifted("e4m3_half", 1)),
  e4m3_bfloat: alone(shifted("e4m3_bfloat", 4)),
  e5m2_bfloat: alone(shifted("e5m2_bfloat", 3)),
};

function halves(name: string, selector: string): DeviceFunction {
  return {
    needs: ["permute"],
    lines: [
      `${HEAD} unsigned ${name}(unsigned a, unsigned b) {`,
      `  return permute(a, b, ${selector});`,
      "}",
    ],
  };
}

const PAIRS: Readonly<Record<PairFn, DeviceFunction>> = {
  pair_low: halves("pair_low", "0x5410u"),
  pair_high: halves("pair_high", "0x7632u"),
  pairs_int8_f16: codes(
    "pairs_int8_f16",
    ["subtract_f16"],
    BIASED,
    (word, low, high) => `subtract_f16(permute(${word}, 0x64646464u, 0x4${high}4${low}u), 0x64806480u)`,
  ),
  pairs_int8_bf16: codes(
    "pairs_int8_bf16",
    ["int8_pair_bf16"],
    BIASED,
    (word, low, high) => `int8_pair_bf16(${word}, ${low}u, ${high}u)`,
  ),
  pairs_e4m3_f16: codes(
    "pairs_e4m3_f16",
    ["e4m3_half", "scale_f16"],
    [],
    (...at) => `scale_f16(e4m3_half(${upper(...at)}), 0x5c005c00u)`,
  ),
  pairs_e4m3_bf16: codes(
    "pairs_e4m3_bf16",
    ["e4m3_bfloat", "scale_bf16"],
    [],
    (...at) => `scale_bf16(e4m3_bfloat(${upper(...at)}), 0x7b807b80u)`,
  ),
  pairs_e5m2_f16: codes("pairs_e5m2_f16", [], [], upper),
  pairs_e5m2_bf16: codes(
    "pairs_e5m2_bf16",
    ["e5m2_bfloat", "scale_bf16"],
    [],
    (...at) => `scale_bf16(e5m2_bfloat(${upper(...at)}), 0x77807780u)`,
  ),
};

/** A `PairFn`, or what one is made with. */
export function pairFunction(name: string): DeviceFunction {
  const found: DeviceFunction | undefined = { ...HELPERS, ...PAIRS }[name];
  if (found === undefined) throw new Error(`internal: there is no function ${name} of pairs`);
  return found;
}
