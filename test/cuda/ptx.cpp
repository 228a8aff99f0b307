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

}  // namespace ptx
