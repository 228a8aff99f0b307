/**
 * @file Codes of 8 bits on tensor cores. Those of int8 every architecture and compiler multiplies by one instruction, twice as fast as 16
 * bits, sums exact in i32. With fp8 it depends on both, and the text asks the preprocessor:
 *
 *     pack, f32 → codes        sm_90 and later, and from CUDA 12.1 on sm_89     cvt.rn.satfinite.e4m3x2.f32
 *                              before                                           bit by bit
 *     mma, codes · codes       sm_89 and sm_120, from CUDA 12.4 on              mma.sync.m16n8k32, twice the rate of 16 bits
 *                              else                                             pairs of f16, which hold every code, and two m16n8k16
 *
 * Hopper's and sm_100's tensor cores multiply fp8 by instructions of warpgroups alone: what `ptxas` makes of `mma.sync.m16n8k32` there are
 * twelve conversions to pairs of f16, two products of those and four additions, each time. Written out, the conversions of a
 * fragment are there once, however many products it takes part in, and sums stay where they are.
 *
 * Where codes are multiplied, a sum within the instruction keeps some 13 bits of fraction beside its largest part, and what it adds to
 * counts as one: over k, errors of one sign would add up. So each instruction sums 32 of k from zero, and an addition of f32
 * brings them to the others: four a lane beside sixteen cycles of the tensor core.
 */
import type { Code } from "../../src/ir/tile.ts";
import type { DeviceFunction } from "./functions.ts";
import { pairFunction } from "./pairs.ts";
import { E4M3, E5M2, encoding } from "./rounding.ts";
import { mmaLines } from "./tensorcores.ts";

type Fp8 = Exclude<Code, "int8">;

const HEAD = "static __device__ __forceinline__";

const COMPILER = "__CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__";
/** What the functions below ask for. Those that a compiler's way does not need are not there for it: it would warn of them. */
const WAYS: DeviceFunction = {
  needs: [],
  lines: [
    `#define CONVERTS_CODES (__CUDA_ARCH__ >= 900 || ${COMPILER} >= 1201)`,
    `#define MULTIPLIES_CODES ((__CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1200) && ${COMPILER} >= 1204)`,
  ],
};

function pack(format: Fp8): DeviceFunction {
  const convert = `cvt.rn.satfinite.${format}x2.f32 %0, %1, %2;`;
  const code = format === "e4m3" ? encoding(E4M3, 20, 120) : encoding(E5M2, 21, 112);
  const codes = ["x", "y", "z", "w"].map((p, i) => `code_${format}(x.${p})${i === 0 ? "" : ` << ${8 * i}`}`);
  return {
    needs: ["codes"],
    lines: [
      "#if CONVERTS_CODES",
      `${HEAD} unsigned pack_${format}(float4 x) {`,
      "  unsigned short low, high;",
      `  asm("${convert}" : "=h"(low) : "f"(x.y), "f"(x.x));`,
      `  asm("${convert}" : "=h"(high) : "f"(x.w), "f"(x.z));`,
      "  return unsigned(high) << 16 | low;",
      "}",
      "#else",
      `${HEAD} unsigned code_${format}(float a) {`,
      ...code.map((line) => `  ${line}`),
      "}",
      `${HEAD} unsigned pack_${format}(float4 x) {`,
      `  return ${codes.join(" | ")};`,
      "}",
      "#endif",
    ],
  };
}

/** Four codes as two pairs of f16: as in pairs.ts, but for the codes of NaN, which are no numbers in f16 either. */
const HALVES: Readonly<Record<Fp8, DeviceFunction>> = {
  e4m3: {
    needs: ["codes", "permute"],
    lines: [
      "#if !MULTIPLIES_CODES && CONVERTS_CODES",
      `${HEAD} uint2 halves_e4m3(unsigned w) {`,
      "  const unsigned short low = (unsigned short)w, high = (unsigned short)(w >> 16);",
      "  uint2 h;",
      '  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(h.x) : "h"(low));',
      '  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(h.y) : "h"(high));',
      "  return h;",
      "}",
      "#elif !MULTIPLIES_CODES",
      `${HEAD} unsigned e4m3_pair(unsigned w, unsigned none) {`,
      "  const unsigned small = (w & 0x80008000u) | ((w >> 1) & 0x3f803f80u);",
      "  unsigned h;",
      '  asm("mul.f16x2 %0, %1, %2;" : "=r"(h) : "r"(small), "r"(0x5c005c00u));',
      "  return h | (none - (none >> 7));",
      "}",
      `${HEAD} uint2 halves_e4m3(unsigned w) {`,
      "  const unsigned none = ((w & 0x7f7f7f7fu) + 0x01010101u) & 0x80808080u;",
      "  const unsigned x = e4m3_pair(permute(w, 0u, 0x1404u), permute(none, 0u, 0x1404u));",
      "  const unsigned y = e4m3_pair(permute(w, 0u, 0x3424u), permute(none, 0u, 0x3424u));",
      "  return make_uint2(x, y);",
      "}",
      "#endif",
    ],
  },
  e5m2: {
    needs: ["codes", "permute"],
    lines: [
      "#if !MULTIPLIES_CODES",
      `${HEAD} uint2 halves_e5m2(unsigned w) {`,
      "  return make_uint2(permute(w, 0u, 0x1404u), permute(w, 0u, 0x3424u));",
      "}",
      "#endif",
    ],
  },
};

function mma(left: Fp8, right: Fp8): DeviceFunction {
  return {
    needs: ["codes", ...new Set([`halves_${left}`, `halves_${right}`]), "mma_halves"],
    lines: [
      `${HEAD} void mma_${left}_${right}(float4& c, uint4 a, unsigned b0, unsigned b1) {`,
      "#if MULTIPLIES_CODES",
      "  float4 d;",
      `  asm volatile("mma.sync.aligned.m16n8k32.row.col.f32.${left}.${right}.f32 "`,
      '               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %10, %10, %10};"',
      '               : "=f"(d.x), "=f"(d.y), "=f"(d.z), "=f"(d.w)',
      '               : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1), "f"(0.0f));',
      "  c.x += d.x;",
      "  c.y += d.y;",
      "  c.z += d.z;",
      "  c.w += d.w;",
      "#else",
      "  // k in another order, the same on both sides: first the lower halves of all words.",
      `  const uint2 p = halves_${left}(a.x), q = halves_${left}(a.y), r = halves_${left}(a.z), s = halves_${left}(a.w);`,
      `  const uint2 u = halves_${right}(b0), v = halves_${right}(b1);`,
      "  mma_halves(c, make_uint4(p.x, q.x, r.x, s.x), u.x, v.x);",
      "  mma_halves(c, make_uint4(p.y, q.y, r.y, s.y), u.y, v.y);",
      "#endif",
      "}",
    ],
  };
}

const MMA_HALVES: DeviceFunction = {
  needs: ["codes"],
  lines: ["#if !MULTIPLIES_CODES", ...mmaLines("mma_halves", "f16", 16), "#endif"],
};

const MMA_INT8: DeviceFunction = {
  needs: [],
  lines: [
    `${HEAD} void mma_int8(int4& c, uint4 a, unsigned b0, unsigned b1) {`,
    '  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "',
    '               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"',
    '               : "+r"(c.x), "+r"(c.y), "+r"(c.z), "+r"(c.w)',
    '               : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));',
    "}",
  ],
};

/** The least code is −127, as that of weights. */
const PACK_INT8: DeviceFunction = {
  needs: [],
  lines: [
    `${HEAD} int code_int8(float a) {`,
    "  int code;",
    '  asm("cvt.rni.s32.f32 %0, %1;" : "=r"(code) : "f"(a));',
    "  return max(code, -127);",
    "}",
    `${HEAD} unsigned pack_int8(float4 x) {`,
    "  const int a = code_int8(x.x), b = code_int8(x.y), c = code_int8(x.z), d = code_int8(x.w);",
    "  unsigned upper, word;",
    '  asm("cvt.pack.sat.s8.s32.b32 %0, %1, %2, 0;" : "=r"(upper) : "r"(d), "r"(c));',
    '  asm("cvt.pack.sat.s8.s32.b32 %0, %1, %2, %3;" : "=r"(word) : "r"(b), "r"(a), "r"(upper));',
    "  return word;",
    "}",
  ],
};

const TRANSPOSE: DeviceFunction = {
  needs: ["permute"],
  lines: [
    `${HEAD} uint4 transpose_bytes(uint4 m) {`,
    "  const unsigned a = permute(m.x, m.y, 0x5140u), b = permute(m.z, m.w, 0x5140u);",
    "  const unsigned c = permute(m.x, m.y, 0x7362u), d = permute(m.z, m.w, 0x7362u);",
    "  const uint2 front = make_uint2(permute(a, b, 0x5410u), permute(a, b, 0x7632u));",
    "  return make_uint4(front.x, front.y, permute(c, d, 0x5410u), permute(c, d, 0x7632u));",
    "}",
  ],
};

const FUNCTIONS: Readonly<Record<string, DeviceFunction>> = {
  codes: WAYS,
  pack_int8: PACK_INT8,
  mma_int8: MMA_INT8,
  pack_e4m3: pack("e4m3"),
  pack_e5m2: pack("e5m2"),
  halves_e4m3: HALVES.e4m3,
  halves_e5m2: HALVES.e5m2,
  mma_halves: MMA_HALVES,
  mma_e4m3_e4m3: mma("e4m3", "e4m3"),
  mma_e4m3_e5m2: mma("e4m3", "e5m2"),
  mma_e5m2_e4m3: mma("e5m2", "e4m3"),
  mma_e5m2_e5m2: mma("e5m2", "e5m2"),
  transpose_bytes: TRANSPOSE,
};

/** A function of codes, or what one is made with. */
export function codeFunction(name: string): DeviceFunction {
  return FUNCTIONS[name] ?? pairFunction(name);
}
