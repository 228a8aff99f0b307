/**
 * @file Names for the final text: a model's own names made into identifiers that WGSL and CUDA-C accept and that no
 * function of theirs shares.
 */

const RESERVED = new Set(
  // Names that our own text uses.
  (
    "main call thread group groups subgroup subgroup_index thread_index group_id inf Call sum4 max4 min4 " +
    // WGSL: keywords, reserved words, types and the functions that are called.
    "alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let loop " +
    "override requires return struct switch true var while array atomic bool f16 f32 i32 u32 mat2x2 mat2x3 mat2x4 mat3x2 mat3x3 " +
    "mat3x4 mat4x2 mat4x3 mat4x4 ptr sampler vec2 vec3 vec4 vec2f vec3f vec4f vec2i vec3i vec4i vec2u vec3u vec4u " +
    "NULL Self abstract active alignas alignof as asm asm_fragment async attribute auto await become cast catch class co_await " +
    "co_return co_yield coherent column_major common compile compile_fragment concept const_cast consteval constexpr constinit " +
    "crate debugger decltype delete demote demote_to_helper do dynamic_cast enum explicit export extends extern external " +
    "fallthrough filter final finally friend from fxgroup get goto groupshared highp impl implements import inline instanceof " +
    "interface layout lowp macro macro_rules match mediump meta mod module move mut mutable namespace new nil noexcept noinline " +
    "nointerpolation noperspective null nullptr of operator package packoffset partition pass patch pixelfragment precise " +
    "precision premerge priv protected pub public readonly ref regardless register reinterpret_cast require resource restrict " +
    "self set shared sizeof smooth snorm static static_assert static_cast std subroutine super target template this thread_local " +
    "throw trait try type typedef typeid typename typeof union unless unorm unsafe unsized use using varying virtual volatile " +
    "wgsl where with writeonly yield " +
    "abs acos all any asin atan bitcast ceil clamp cos cosh cross degrees distance dot exp exp2 floor fma fract inverseSqrt " +
    "length log log2 max min mix normalize pow radians round saturate select sign sin sinh smoothstep sqrt step tan tanh " +
    "transpose trunc unpack2x16float subgroupAdd subgroupMax subgroupMin subgroupBroadcast workgroupBarrier int float double char short long " +
    "signed unsigned void " +
    // CUDA-C: types, variables and functions of its own that our text uses.
    "and and_eq bitand bitor char8_t char16_t char32_t compl not not_eq or or_eq private protected public register wchar_t xor " +
    "xor_eq half bf16 f16x4 bf16x4 bool4 float2 float4 int4 uint2 uint4 threadIdx blockIdx blockDim gridDim warpSize memory launch_memory launch_tiles rmxc_call " +
    "bits copy_async copy_async_part commit_async ldmatrix ldmatrix_transposed fragment_row mma_f16 mma_bf16 mma_tf32 round_tf32 tf32_of"
  ).split(" "),
);

/** `text` with everything that is no letter, digit or single inner underscore replaced. */
export function identifier(text: string): string {
  const plain = text
    .replace(/[^A-Za-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "")
    .replace(/^(?=\d)/, "v");
  return plain === "" ? "v" : plain;
}

/** The name itself, or with a number behind it, such that `taken` says no. */
export function freshName(hint: string, taken: (name: string) => boolean): string {
  const base = identifier(hint);
  const bad = (name: string): boolean =>
    RESERVED.has(name) || /_(f32|i32|u32)(x4)?$/.test(name) || taken(name);
  if (!bad(base)) return base;
  for (let i = 1; ; i++) {
    const name = /\d$/.test(base) ? `${base}_${i}` : `${base}${i}`;
    if (!bad(name)) return name;
  }
}
