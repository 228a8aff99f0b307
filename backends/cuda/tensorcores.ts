/**
 * @file The instructions of tensor cores as small device functions, a PTX instruction each (PTX ISA 8.x, "warp level matrix
 * instructions"). Addresses of shared memory have 32 bits.
 */
const HEAD = "static __device__ __forceinline__";

function ldmatrix(name: string, suffix: string): readonly string[] {
  return [
    `${HEAD} uint4 ${name}(const uint4* row) {`,
    "  uint4 m;",
    "  const unsigned at = unsigned(__cvta_generic_to_shared(row));",
    `  asm volatile("ldmatrix.sync.aligned.m8n8.x4${suffix}.shared.b16 {%0, %1, %2, %3}, [%4];"`,
    '               : "=r"(m.x), "=r"(m.y), "=r"(m.z), "=r"(m.w)',
    '               : "r"(at));',
    "  return m;",
    "}",
  ];
}

/** One product of `type`, sums in f32. */
export function mmaLines(name: string, type: string, k: number): readonly string[] {
  return [
    `${HEAD} void ${name}(float4& c, uint4 a, unsigned b0, unsigned b1) {`,
    `  asm volatile("mma.sync.aligned.m16n8k${k}.row.col.f32.${type}.${type}.f32 "`,
    '               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"',
    '               : "+f"(c.x), "+f"(c.y), "+f"(c.z), "+f"(c.w)',
    '               : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));',
    "}",
  ];
}

/** 16 bytes from memory to shared memory, past L1 and the registers; the last `16 − bytes` are zero. */
function copyAsync(
  name: string,
  [parameter, operand, input]: readonly [string, string, string],
): readonly string[] {
  return [
    `${HEAD} void ${name}(uint4* to, const uint4* from${parameter}) {`,
    "  const unsigned at = unsigned(__cvta_generic_to_shared(to));",
    `  asm volatile("cp.async.cg.shared.global [%0], [%1], 16${operand};" : : "r"(at), "l"(from)${input} : "memory");`,
    "}",
  ];
}

export function waitAsync(pending: number): readonly string[] {
  return [
    `${HEAD} void wait_async_${pending}() {`,
    `  asm volatile("cp.async.wait_group ${pending};" : : : "memory");`,
    "}",
  ];
}

function pack(type: string): readonly string[] {
  return [
    `${HEAD} unsigned pack_${type}(float low, float high) {`,
    "  unsigned word;",
    `  asm("cvt.rn.${type}x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));`,
    "  return word;",
    "}",
  ];
}

export const TENSOR = {
  ldmatrix: ldmatrix("ldmatrix", ""),
  ldmatrix_transposed: ldmatrix("ldmatrix_transposed", ".trans"),
  mma_f16: mmaLines("mma_f16", "f16", 16),
  mma_bf16: mmaLines("mma_bf16", "bf16", 16),
  mma_tf32: mmaLines("mma_tf32", "tf32", 8),
  round_tf32: [
    `${HEAD} unsigned tf32_of(unsigned bits) {`,
    "  unsigned word;",
    '  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(__uint_as_float(bits)));',
    "  return word;",
    "}",
    `${HEAD} uint4 round_tf32(uint4 m) {`,
    "  return make_uint4(tf32_of(m.x), tf32_of(m.y), tf32_of(m.z), tf32_of(m.w));",
    "}",
  ],
  bits: [
    `${HEAD} uint4 bits(float4 x) {`,
    "  return make_uint4(__float_as_uint(x.x), __float_as_uint(x.y), __float_as_uint(x.z), __float_as_uint(x.w));",
    "}",
  ],
  copy_async: copyAsync("copy_async", ["", "", ""]),
  copy_async_part: copyAsync("copy_async_part", [", int bytes", ", %2", ', "r"(bytes)']),
  commit_async: [
    `${HEAD} void commit_async() {`,
    '  asm volatile("cp.async.commit_group;" : : : "memory");',
    "}",
  ],
  pack_f16: pack("f16"),
  pack_bf16: pack("bf16"),
  fragment_row: [
    "// Even lanes keep the upper row and get its next two columns, odd ones the lower row.",
    `${HEAD} float4 fragment_row(float4 c) {`,
    "  const bool odd = threadIdx.x & 1;",
    "  const float x = __shfl_xor_sync(0xffffffffu, odd ? c.x : c.z, 1);",
    "  const float y = __shfl_xor_sync(0xffffffffu, odd ? c.y : c.w, 1);",
    "  return odd ? make_float4(x, y, c.z, c.w) : make_float4(c.x, c.y, x, y);",
    "}",
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;
