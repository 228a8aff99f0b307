// What PTX instructions of tensor cores compute, lane by lane, with the layout of their fragments as the PTX manual draws it.
#include "prelude.hpp"

namespace ptx {

uint16_t f16_of(float x) {
  const uint32_t bits = bits_as<uint32_t>(x);
  const uint16_t sign = uint16_t((bits >> 16) & 0x8000);
  if (std::isnan(x)) return 0x7fff;
  const float magnitude = std::fabs(x);
  if (magnitude >= 65520.0f) return uint16_t(sign | 0x7c00);
  // Units of the last place of a 16-bit number of this size; nearbyint rounds to the nearest even.
  const int unit = magnitude < 0x1p-14f ? -24 : std::ilogb(magnitude) - 10;
  const float rounded = std::nearbyint(std::ldexp(magnitude, -unit));
  const uint32_t units = uint32_t(rounded);
  if (unit == -24) return uint16_t(sign | units);
  // 1024 units or more; a carry to 2048 runs into the exponent, as it should.
  return uint16_t(sign | (uint32_t(unit + 24) << 10) + units);
}

float of_f16(uint16_t h) {
  const int exponent = (h >> 10) & 31;
  const int fraction = h & 1023;
  const float sign = (h & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(float(fraction), -24);
  return sign * std::ldexp(float(fraction + 1024), exponent - 25);
}

namespace {

float value_e4m3(int code) {
  const int exponent = (code >> 3) & 15;
  const int fraction = code & 7;
  const float sign = (code & 0x80) != 0 ? -1.0f : 1.0f;
  if (exponent == 15 && fraction == 7) return NAN;
  return sign * (exponent == 0 ? std::ldexp(float(fraction), -9) : std::ldexp(float(fraction + 8), exponent - 10));
}

// The upper byte of a 16-bit number.
float value_e5m2(int code) { return of_f16(uint16_t(code << 8)); }

// What each code is worth.
struct Codes {
  float value[256];
  explicit Codes(float (*of)(int)) {
    for (int code = 0; code < 256; code++) value[code] = of(code);
  }

  // The nearest of the codes up to the largest finite one; of two as near, the one whose last bit is 0.
  uint8_t nearest(float x, int largest) const {
    if (std::isnan(x)) return 0x7f;
    const float magnitude = std::fmin(std::fabs(x), value[largest]);
    int above = 0;
    while (value[above] < magnitude) above++;
    const int below = above == 0 ? 0 : above - 1;
    const double far = double(value[above]) - magnitude, near = double(magnitude) - value[below];
    const bool down = near < far || (near == far && below % 2 == 0);
    return uint8_t((down ? below : above) | (std::signbit(x) ? 0x80 : 0));
  }
};
const Codes e4m3{value_e4m3}, e5m2{value_e5m2};

}  // namespace

float of_e4m3(uint8_t code) { return e4m3.value[code]; }
float of_e5m2(uint8_t code) { return e5m2.value[code]; }
uint8_t e4m3_of(float x) { return e4m3.nearest(x, 0x7e); }
uint8_t e5m2_of(float x) { return e5m2.nearest(x, 0x7b); }

void cp_async(uint32_t to, const void* from, int bytes) {
  char* at = reinterpret_cast<char*>(&host::here) + int32_t(to);
  if (reinterpret_cast<uintptr_t>(at) % 16 != 0) host::fail("cp.async to a place that is not aligned to 16 bytes");
  if (reinterpret_cast<uintptr_t>(from) % 16 != 0) host::fail("cp.async from a place that is not aligned to 16 bytes");
  if (bytes < 0 || bytes > 16) host::fail("cp.async of more than 16 bytes");
  // No number that a kernel can mean: NaN in 16 bits and in 32.
  std::memset(at, 0xff, 16);
  auto& batches = host::pending().batches;
  if (batches.empty()) batches.emplace_back();
  batches.back().push_back({at, static_cast<const char*>(from), bytes});
}

void cp_async_commit_group() {
  auto& batches = host::pending().batches;
  if (batches.empty()) batches.emplace_back();
  batches.emplace_back();
}

// The open batch is not waited for, the last `left` committed ones need not have come: they come as late as they may.
void cp_async_wait_group(int left) {
  auto& batches = host::pending().batches;
  while (int(batches.size()) - 1 > left) {
    for (const auto& [to, from, bytes] : batches.front()) {
      std::memset(to, 0, 16);
      std::memcpy(to, from, size_t(bytes));
    }
    batches.erase(batches.begin());
  }
}

// Lane l of a matrix: elements 2·(l mod 4) and the next of row l / 4; transposed, of column l / 4.
void ldmatrix(bool transposed, uint32_t** d, uint32_t address) {
  const host::Brought& rows = host::meet(transposed ? "ldmatrix.trans" : "ldmatrix", address);
  const int lane = host::here.lane;
  for (int i = 0; i < 4; i++) {
    uint32_t word = 0;
    for (int h = 0; h < 2; h++) {
      const int along = 2 * (lane % 4) + h;
      const int row = transposed ? along : lane / 4;
      const int column = transposed ? lane / 4 : along;
      const char* at = reinterpret_cast<const char*>(&host::here) + int32_t(rows.word[8 * i + row][0]);
      if (reinterpret_cast<uintptr_t>(at) % 16 != 0) host::fail("ldmatrix of a row that is not aligned to 16 bytes");
      uint16_t element;
      std::memcpy(&element, at + 2 * column, 2);
      word |= uint32_t(element) << (16 * h);
    }
    *d[i] = word;
  }
}

// With g = l / 4 and q = l mod 4: a0 holds row g, k 2q and the next; a1 row g + 8; a2 and a3 the same for k + 8. b0 holds column g,
// k 2q and the next, b1 k + 8. c0 and c1 are columns 2q and the next of row g, c2 and c3 of row g + 8.
void mma_m16n8k16(const char* name, float (*value)(uint16_t), float* d, const uint32_t* a, const uint32_t* b,
                  const float* c) {
  const uint32_t words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const host::Brought& all = host::meet(name, words, 6);
  const int group = host::here.lane / 4;
  const int pair = host::here.lane % 4;
  for (int i = 0; i < 4; i++) {
    const int row = group + (i >= 2 ? 8 : 0);
    const int column = pair * 2 + (i & 1);
    float sum = c[i];
    for (int k = 0; k < 16; k++) {
      const int holder = (k % 8) / 2;
      const uint32_t wordA = all.word[(row % 8) * 4 + holder][(row >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0)];
      const uint32_t wordB = all.word[column * 4 + holder][4 + (k >= 8 ? 1 : 0)];
      sum += value(half_of(wordA, k & 1)) * value(half_of(wordB, k & 1));
    }
    d[i] = sum;
  }
}

// a0 holds row g, k q; a1 row g + 8; a2 and a3 the same for k + 4. b0 holds column g, k q, b1 k + 4. Sums as above.
void mma_m16n8k8(float* d, const uint32_t* a, const uint32_t* b, const float* c) {
  const uint32_t words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const host::Brought& all = host::meet("mma.tf32", words, 6);
  const int group = host::here.lane / 4;
  const int pair = host::here.lane % 4;
  const auto value = [](uint32_t word) {
    // Bits that tf32 has not are not said to be ignored.
    if ((word & 0x1fff) != 0 && std::isfinite(bits_as<float>(word))) host::fail("an operand of mma is not tf32");
    return bits_as<float>(word);
  };
  for (int i = 0; i < 4; i++) {
    const int row = group + (i >= 2 ? 8 : 0);
    const int column = pair * 2 + (i & 1);
    float sum = c[i];
    for (int k = 0; k < 8; k++) {
      const uint32_t wordA = all.word[(row % 8) * 4 + k % 4][(row >= 8 ? 1 : 0) + (k >= 4 ? 2 : 0)];
      const uint32_t wordB = all.word[column * 4 + k % 4][4 + k / 4];
      sum += value(wordA) * value(wordB);
    }
    d[i] = sum;
  }
}

namespace {

// A byte is an element, the lowest first: a0 holds row g, k 4q … 4q + 3; a1 row g + 8; a2 and a3 the same for k + 16. b0 holds column g,
// k 4q …, b1 k + 16. Sums as above.
template <class Sum, class Left, class Right>
void mma_of_codes(const char* name, Left left, Right right, Sum* d, const uint32_t* a, const uint32_t* b, const Sum* c) {
  const uint32_t words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const host::Brought& all = host::meet(name, words, 6);
  const int group = host::here.lane / 4;
  const int pair = host::here.lane % 4;
  const auto element = [](uint32_t word, int k) { return uint8_t(word >> (8 * (k % 4))); };
  for (int i = 0; i < 4; i++) {
    const int row = group + (i >= 2 ? 8 : 0);
    const int column = pair * 2 + (i & 1);
    Sum sum = c[i];
    for (int k = 0; k < 32; k++) {
      const int holder = (k % 16) / 4;
      const uint32_t wordA = all.word[(row % 8) * 4 + holder][(row >= 8 ? 1 : 0) + (k >= 16 ? 2 : 0)];
      const uint32_t wordB = all.word[column * 4 + holder][4 + (k >= 16 ? 1 : 0)];
      sum += left(element(wordA, k)) * right(element(wordB, k));
    }
    d[i] = sum;
  }
}

}  // namespace

void mma_m16n8k32(const char* name, float (*left)(uint8_t), float (*right)(uint8_t), float* d, const uint32_t* a,
                  const uint32_t* b, const float* c) {
  mma_of_codes(name, left, right, d, a, b, c);
}

void mma_sync_aligned_m16n8k32_row_col_s32_s8_s8_s32(int& d0, int& d1, int& d2, int& d3, uint32_t a0, uint32_t a1,
                                                     uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1, int c0, int c1,
                                                     int c2, int c3) {
  const auto value = [](uint8_t code) { return int(int8_t(code)); };
  const uint32_t a[4] = {a0, a1, a2, a3}, b[2] = {b0, b1};
  const int c[4] = {c0, c1, c2, c3};
  int d[4];
  mma_of_codes("mma.s8", value, value, d, a, b, c);
  d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
}

}  // namespace ptx
