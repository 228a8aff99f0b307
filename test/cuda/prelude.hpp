// What CUDA-C has and C++ has not, so that the text of a kernel compiles with a host compiler and runs as on a device: blocks one
// after the other, the threads of a block as fibers that meet at barriers and in the collective operations of their warp.
//
// It is strict where hardware is lenient: a barrier or a collective that some thread of the block (or warp) does not come to, or comes
// to from another operation, ends the program with a message. Shared memory is filled with NaN before every block.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __align__(n) alignas(n)
// The first architecture and compiler that have every instruction of `ptx` below.
#define __CUDA_ARCH__ 890
#define __CUDACC_VER_MAJOR__ 12
#define __CUDACC_VER_MINOR__ 4

struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(8) float2 { float x, y; };
struct dim3 { unsigned x, y, z; };
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }

template <class To, class From> inline To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
inline float __int_as_float(int x) { return bits_as<float>(x); }
inline int __float_as_int(float x) { return bits_as<int>(x); }
inline float __uint_as_float(unsigned x) { return bits_as<float>(x); }
inline unsigned __float_as_uint(float x) { return bits_as<unsigned>(x); }

namespace host {

/** The fiber that is running. */
struct Here {
  dim3 thread, block, blocks;
  int lane, warp;
  /** Number of the block in its cluster, and among those that run at one time. */
  int rank, resident;
};
extern Here here;

/** Ends the program: the kernel does what a device leaves undefined. */
[[noreturn]] void fail(const char* what);

/** Waits until every thread of the block has come. */
void barrier();

/** What the 32 lanes of a warp brought to a collective operation. */
struct Brought {
  uint32_t word[32][32];
};

/** Brings `count` words, waits until all lanes of the warp have come to the same operation, and gives what they brought. */
const Brought& meet(const char* operation, const uint32_t* words, int count);

template <class T> const Brought& meet(const char* operation, const T& value) {
  uint32_t words[(sizeof(T) + 3) / 4] = {};
  std::memcpy(words, &value, sizeof value);
  return meet(operation, words, int(sizeof words / 4));
}

/** A thread's copies that have not come: those of each batch, the last batch being open. */
struct Pending {
  struct Copy {
    char* to;
    const char* from;
    int bytes;
  };
  std::vector<std::vector<Copy>> batches;
};
Pending& pending();

struct Call {
  int rows, from, to, one;
};

/** A tensor map as a kernel takes it, by value (see hopper.hpp). */
struct MapBytes {
  alignas(64) char bytes[128];
};

/** What a launch passes to its kernel: `count` bindings, the call, and maps behind it. */
struct Arguments {
  Call call;
  size_t count;
  void* bindings[64];
  MapBytes maps[8];
};

/** A kernel of the model: its block, whether threads meet, its shared memory (the linker knows where a section begins and ends). */
struct Kernel {
  int threads;
  /** Blocks of a cluster. */
  int cluster;
  bool meets;
  /** Blocks wait for each other: all of a launch run at one time. */
  bool together;
  char* sharedBegin;
  char* sharedEnd;
  void (*run)(Arguments&);
};

template <class T> T argument(Arguments& given, size_t i) {
  if constexpr (std::is_pointer_v<T>) return static_cast<T>(given.bindings[i]);
  else if constexpr (sizeof(T) == sizeof(MapBytes)) return bits_as<T>(given.maps[i - given.count - 1]);
  else return bits_as<T>(given.call);
}
template <class... P, size_t... I>
void call(void (*kernel)(P...), Arguments& given, std::index_sequence<I...>) {
  kernel(argument<P>(given, I)...);
}
/** Calls a kernel with its bindings in order, and the call. */
template <class... P> void call(void (*kernel)(P...), Arguments& given) {
  call(kernel, given, std::index_sequence_for<P...>());
}

}  // namespace host

#define threadIdx (::host::here.thread)
#define blockIdx (::host::here.block)
#define gridDim (::host::here.blocks)

inline void __syncthreads() { host::barrier(); }

template <class T> inline T __shfl_sync(unsigned mask, T value, int lane) {
  if (mask != 0xffffffffu) host::fail("a shuffle of part of a warp");
  return bits_as<T>(host::meet("shfl", value).word[lane & 31][0]);
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int distance) {
  if (mask != 0xffffffffu) host::fail("a shuffle of part of a warp");
  return bits_as<T>(host::meet("shfl_xor", value).word[host::here.lane ^ distance][0]);
}

/** PTX instructions, by their names with dots as underscores; operands in the order of the instruction's text. */
namespace ptx {

inline void ex2_approx_ftz_f32(float& d, float a) {
  d = std::exp2(a);
  if (d < 0x1p-126f) d = 0.0f;
}
inline void max_NaN_f32(float& d, float a, float b) { d = std::isnan(a) || std::isnan(b) ? NAN : a > b ? a : b; }
inline void min_NaN_f32(float& d, float a, float b) { d = std::isnan(a) || std::isnan(b) ? NAN : a < b ? a : b; }

/** 16-bit numbers in the words of registers. */
inline uint16_t bf16_of(float x) {
  const uint32_t bits = bits_as<uint32_t>(x);
  if (std::isnan(x)) return 0x7fff;
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline float of_bf16(uint16_t h) { return bits_as<float>(uint32_t(h) << 16); }
/** By the integers of the format: g++ has no conversion to the nearest even that is sure to be there. */
uint16_t f16_of(float x);
float of_f16(uint16_t h);
inline uint16_t half_of(uint32_t word, int i) { return uint16_t(word >> (16 * i)); }

inline void cvt_rn_bf16x2_f32(uint32_t& d, float a, float b) { d = uint32_t(bf16_of(a)) << 16 | bf16_of(b); }
inline void cvt_rn_f16x2_f32(uint32_t& d, float a, float b) { d = uint32_t(f16_of(a)) << 16 | f16_of(b); }

inline void cvt_f32_f16(float& d, uint16_t h) { d = of_f16(h); }
inline void cvt_rn_f16_f32(uint16_t& d, float a) { d = f16_of(a); }
inline void cvt_rn_bf16_f32(uint16_t& d, float a) { d = bf16_of(a); }

/** Codes of fp8: the nearest, ties to even, saturating; NaN is 0x7f. */
uint8_t e4m3_of(float x);
uint8_t e5m2_of(float x);
float of_e4m3(uint8_t code);
float of_e5m2(uint8_t code);

inline void cvt_rn_satfinite_e4m3x2_f32(uint16_t& d, float a, float b) { d = uint16_t(e4m3_of(a) << 8 | e4m3_of(b)); }
inline void cvt_rn_satfinite_e5m2x2_f32(uint16_t& d, float a, float b) { d = uint16_t(e5m2_of(a) << 8 | e5m2_of(b)); }
inline void cvt_rn_f16x2_e4m3x2(uint32_t& d, uint16_t a) {
  d = uint32_t(f16_of(of_e4m3(uint8_t(a >> 8)))) << 16 | f16_of(of_e4m3(uint8_t(a)));
}

inline void cvt_rni_s32_f32(int& d, float a) {
  d = std::isnan(a) ? 0 : a >= 0x1p31f ? INT32_MAX : a <= -0x1p31f ? INT32_MIN : int(std::nearbyint(a));
}
/** a and b saturated to eight bits as the lower bytes of d, b the lowest; the lower half of c above them. */
inline void cvt_pack_sat_s8_s32_b32(uint32_t& d, int a, int b, uint32_t c) {
  const auto saturated = [](int x) { return uint32_t(uint8_t(x < -128 ? -128 : x > 127 ? 127 : x)); };
  d = c << 16 | saturated(a) << 8 | saturated(b);
}

/** 16 bytes on their way to shared memory, which is NaN until the thread has waited for them; see `Pending`. */
void cp_async(uint32_t to, const void* from, int bytes);
inline void cp_async_cg_shared_global(uint32_t to, const void* from, int) { cp_async(to, from, 16); }
inline void cp_async_cg_shared_global(uint32_t to, const void* from, int, int bytes) { cp_async(to, from, bytes); }
void cp_async_commit_group();
void cp_async_wait_group(int pending);

/** Byte i of d is byte (c >> 4i) & 7 of a (0 … 3) and b (4 … 7). */
inline void prmt_b32(uint32_t& d, uint32_t a, uint32_t b, uint32_t c) {
  const uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t word = 0;
  for (int i = 0; i < 4; i++) word |= uint32_t(bytes >> (8 * ((c >> (4 * i)) & 7)) & 0xff) << (8 * i);
  d = word;
}
/** Arithmetic on both 16-bit numbers of a word, rounded once. */
template <class F> uint32_t halves(uint16_t (*narrow)(float), F of) {
  return uint32_t(narrow(of(16))) << 16 | narrow(of(0));
}
inline void sub_f16x2(uint32_t& d, uint32_t a, uint32_t b) {
  d = halves(f16_of, [=](int at) { return of_f16(uint16_t(a >> at)) - of_f16(uint16_t(b >> at)); });
}
inline void mul_f16x2(uint32_t& d, uint32_t a, uint32_t b) {
  d = halves(f16_of, [=](int at) { return of_f16(uint16_t(a >> at)) * of_f16(uint16_t(b >> at)); });
}
inline void fma_rn_bf16x2(uint32_t& d, uint32_t a, uint32_t b, uint32_t c) {
  d = halves(bf16_of, [=](int at) {
    return std::fma(of_bf16(uint16_t(a >> at)), of_bf16(uint16_t(b >> at)), of_bf16(uint16_t(c >> at)));
  });
}

/** A warp's four 8 × 8 matrices; an address of shared memory is a distance here. */
void ldmatrix(bool transposed, uint32_t** d, uint32_t address);

inline void ldmatrix_sync_aligned_m8n8_x4_shared_b16(uint32_t& d0, uint32_t& d1, uint32_t& d2, uint32_t& d3,
                                                     uint32_t at) {
  uint32_t* d[] = {&d0, &d1, &d2, &d3};
  ldmatrix(false, d, at);
}
inline void ldmatrix_sync_aligned_m8n8_x4_trans_shared_b16(uint32_t& d0, uint32_t& d1, uint32_t& d2, uint32_t& d3,
                                                           uint32_t at) {
  uint32_t* d[] = {&d0, &d1, &d2, &d3};
  ldmatrix(true, d, at);
}

/** D = A · B + C of m16n8k16. */
void mma_m16n8k16(const char* name, float (*value)(uint16_t), float* d, const uint32_t* a, const uint32_t* b,
                  const float* c);

#define RMXC_MMA(type)                                                                                               \
  inline void mma_sync_aligned_m16n8k16_row_col_f32_##type##_##type##_f32(                                           \
      float& d0, float& d1, float& d2, float& d3, uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0,   \
      uint32_t b1, float c0, float c1, float c2, float c3) {                                                         \
    float d[4];                                                                                                      \
    const uint32_t a[4] = {a0, a1, a2, a3}, b[2] = {b0, b1};                                                         \
    const float c[4] = {c0, c1, c2, c3};                                                                             \
    mma_m16n8k16("mma." #type, of_##type, d, a, b, c);                                                               \
    d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];                                                                      \
  }
RMXC_MMA(f16)
RMXC_MMA(bf16)

/** The same of m16n8k8: a word is an element. */
void mma_m16n8k8(float* d, const uint32_t* a, const uint32_t* b, const float* c);
inline void mma_sync_aligned_m16n8k8_row_col_f32_tf32_tf32_f32(float& d0, float& d1, float& d2, float& d3, uint32_t a0,
                                                               uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0,
                                                               uint32_t b1, float c0, float c1, float c2, float c3) {
  float d[4];
  const uint32_t a[4] = {a0, a1, a2, a3}, b[2] = {b0, b1};
  const float c[4] = {c0, c1, c2, c3};
  mma_m16n8k8(d, a, b, c);
  d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
}

/** The same of m16n8k32: a word is four codes. */
void mma_m16n8k32(const char* name, float (*left)(uint8_t), float (*right)(uint8_t), float* d, const uint32_t* a,
                  const uint32_t* b, const float* c);

/** Of int8, sums in s32. */
void mma_sync_aligned_m16n8k32_row_col_s32_s8_s8_s32(int& d0, int& d1, int& d2, int& d3, uint32_t a0, uint32_t a1,
                                                     uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1, int c0, int c1,
                                                     int c2, int c3);

#define RMXC_MMA_CODES(left, right)                                                                                  \
  inline void mma_sync_aligned_m16n8k32_row_col_f32_##left##_##right##_f32(                                          \
      float& d0, float& d1, float& d2, float& d3, uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0,   \
      uint32_t b1, float c0, float c1, float c2, float c3) {                                                         \
    float d[4];                                                                                                      \
    const uint32_t a[4] = {a0, a1, a2, a3}, b[2] = {b0, b1};                                                         \
    const float c[4] = {c0, c1, c2, c3};                                                                             \
    mma_m16n8k32("mma." #left "." #right, of_##left, of_##right, d, a, b, c);                                        \
    d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];                                                                      \
  }
RMXC_MMA_CODES(e4m3, e4m3)
RMXC_MMA_CODES(e4m3, e5m2)
RMXC_MMA_CODES(e5m2, e4m3)
RMXC_MMA_CODES(e5m2, e5m2)

/** To the nearest with 10 bits of fraction, ties away from zero. */
inline void cvt_rna_tf32_f32(uint32_t& d, float a) {
  const uint32_t bits = bits_as<uint32_t>(a);
  d = std::isfinite(a) ? (bits + 0x1000) & 0xffffe000 : bits;
}

}  // namespace ptx

/** Shared memory lies among the program's data: an address of 32 bits is the distance from some other of it. */
inline size_t __cvta_generic_to_shared(const void* pointer) {
  return size_t(uint32_t(static_cast<const char*>(pointer) - reinterpret_cast<const char*>(&host::here)));
}

#include "hopper.hpp"
