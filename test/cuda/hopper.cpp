// What hopper.hpp declares. A shared address is the distance from some place of the program (see the prelude); the copy engine and the
// products permute groups of 16 bytes by bits 7 … 9 of it, as the PTX manual has it for a swizzle over 128 bytes.
#include "prelude.hpp"

#include <map>

namespace host {
namespace {

/** A tile on its way to a shared address. */
struct Copy {
  uint32_t to;
  std::vector<uint16_t> elements;
};

struct Barrier {
  int arrivals;
  int left;
  uint32_t phase;
  int64_t announced;
  int64_t coming;
  bool published;
  std::vector<Copy> copies;
  std::vector<Pending::Copy> groups;
};

/** Of each of the blocks that run at one time; places of others in their clusters. */
std::map<int, std::map<uint32_t, Barrier>> barriers;
std::vector<std::pair<uint32_t, int>> places;

/** Of a thread that waits for a counter: where it looked last, and what it saw; whether it has not fenced since. */
struct Watch {
  const uint32_t* at;
  uint32_t seen;
  bool unfenced;
};
std::map<int, Watch> watches;

/** Block `rank` of this thread's cluster. */
int neighbour(int rank) { return here.resident - here.rank + rank; }

char* pointer(uint32_t address) { return reinterpret_cast<char*>(&here) + int32_t(address); }

uint32_t swizzled(uint32_t address) { return address ^ ((address >> 3) & 0x70); }

Barrier& barrierAt(uint32_t at, int block = here.resident) {
  auto& own = barriers[block];
  const auto found = own.find(at);
  if (found == own.end()) fail("a barrier that was not initialised");
  return found->second;
}

/** Ends the phase if all have arrived and all bytes that were announced are under way; now they come. */
void settle(Barrier& b) {
  if (b.left > 0 || b.announced != b.coming) return;
  for (const Copy& copy : b.copies) {
    for (size_t i = 0; i < copy.elements.size(); i++)
      std::memcpy(pointer(swizzled(copy.to + uint32_t(2 * i))), &copy.elements[i], 2);
  }
  b.copies.clear();
  for (const auto& [to, from, bytes] : b.groups) {
    std::memset(to, 0, 16);
    std::memcpy(to, from, size_t(bytes));
  }
  b.groups.clear();
  b.announced = b.coming = 0;
  b.left = b.arrivals;
  b.phase++;
}

/** With the shared memory of the thread's block in place; `what`: its number, the barrier and the parity. */
bool isOver(uint64_t what) {
  Barrier& b = barrierAt(uint32_t(what >> 1), int(what >> 33));
  settle(b);
  return (b.phase & 1) != (what & 1);
}

// ------------------------------------------------------------------------------------------------------- products

/** An operand's numbers, row after row of 16 k. */
using Numbers = std::vector<float>;

/** A product that a warpgroup has started; the first of its warps to come reads the operands. */
struct Product {
  uint64_t a, b;
  int n;
  bool ownA, ownB;
  float (*value)(uint16_t);
  Numbers numbersA, numbersB;
};

struct Started {
  size_t product;
  std::vector<float*> sums;
};

struct Thread {
  /** Those that are under way, in groups; the last one is open. */
  std::vector<std::vector<Started>> groups = {{}};
  /** Sums under way, by where the first of them will be. */
  std::map<float*, std::vector<float>> values;
  bool fenced = false;
  size_t count = 0;
};

std::map<int, std::vector<Product>> products;
std::map<int, Thread> threads;

/** A shared address of which a descriptor knows 18 bits. */
uint32_t fullAddress(uint64_t low) {
  const uint32_t begin = sharedFrom();
  return begin + ((uint32_t(low) - begin) & 0x3ffff);
}

/** Element (i, k) of an operand, i along its own axis: see the layouts of 128 bytes in the PTX manual, "matrix descriptor". */
Numbers numbersOf(uint64_t descriptor, int extent, bool own, float (*value)(uint16_t)) {
  const uint32_t start = fullAddress((descriptor & 0x3fff) << 4);
  const uint32_t leading = uint32_t((descriptor >> 16) & 0x3fff) << 4;
  const uint32_t stride = uint32_t((descriptor >> 32) & 0x3fff) << 4;
  if (descriptor >> 62 != 1) fail("an operand that is not permuted over 128 bytes");
  if (((descriptor >> 49) & 7) != 0) fail("an operand with an offset of its base");
  Numbers numbers(size_t(extent) * 16);
  for (int i = 0; i < extent; i++) {
    for (int k = 0; k < 16; k++) {
      const uint32_t offset =
          own ? uint32_t(i / 64) * leading + uint32_t(k / 8) * stride + uint32_t(k % 8) * 128 + uint32_t(i % 64) * 2
              : uint32_t(i / 8) * stride + uint32_t(i % 8) * 128 + uint32_t(k) * 2;
      uint16_t element;
      std::memcpy(&element, pointer(swizzled(start + offset)), 2);
      numbers[size_t(i * 16 + k)] = value(element);
    }
  }
  return numbers;
}

bool same(const Numbers& a, const Numbers& b) { return std::memcmp(a.data(), b.data(), 4 * a.size()) == 0; }

/** One lane of each warp looks whether the operands are still what they were. */
void checkOperands(const Product& p) {
  if (here.lane != 0) return;
  if (!same(p.numbersA, numbersOf(p.a, 64, p.ownA, p.value)) || !same(p.numbersB, numbersOf(p.b, p.n, p.ownB, p.value)))
    fail("an operand of a product changed while it was under way");
}

// A warp has 16 rows: sums 4c … 4c + 3 of a lane are columns 8c + 2·(lane mod 4) and the next of rows lane / 4, and of rows lane / 4 + 8.
void finish(const Product& p, std::vector<float>& sums) {
  const int lane = here.lane;
  for (size_t s = 0; s < sums.size(); s++) {
    const int row = 16 * (here.warp % 4) + lane / 4 + (s % 4 >= 2 ? 8 : 0);
    const int column = int(s / 4) * 8 + 2 * (lane % 4) + int(s % 2);
    const float* a = &p.numbersA[size_t(row) * 16];
    const float* b = &p.numbersB[size_t(column) * 16];
    float sum = sums[s];
    for (int k = 0; k < 16; k++) sum += a[k] * b[k];
    sums[s] = sum;
  }
}

}  // namespace

void mbarrierInit(uint32_t at, int arrivals) {
  if (reinterpret_cast<uintptr_t>(pointer(at)) % 8 != 0) fail("a barrier that is not aligned to 8 bytes");
  if (!barriers[here.resident].emplace(at, Barrier{arrivals, arrivals, 0, 0, 0, false, {}, {}}).second) fail("a barrier initialised twice");
}

void mbarrierPublish() {
  for (auto& [at, barrier] : barriers[here.resident]) barrier.published = true;
}

void mbarrierArrive(uint32_t at, uint32_t bytes) {
  Barrier& b = barrierAt(at);
  settle(b);
  if (b.left == 0) fail("more arrivals at a barrier than its phase takes");
  b.announced += bytes;
  b.left--;
}

uint32_t placeAt(uint32_t at, uint32_t rank) {
  if (int(rank) >= blocksOfCluster()) fail("a block that the cluster does not have");
  places.emplace_back(at, neighbour(int(rank)));
  return uint32_t(places.size() - 1);
}

void mbarrierArriveAt(uint32_t place) {
  const auto [at, block] = places.at(place);
  enterBlock(block);
  Barrier& b = barrierAt(at, block);
  settle(b);
  enterBlock(here.resident);
  if (b.left == 0) fail("more arrivals at a barrier than its phase takes");
  b.left--;
}

void mbarrierArriveCopied(uint32_t at) {
  mbarrierArrive(at, 0);
  Barrier& b = barrierAt(at);
  for (const auto& batch : pending().batches) b.groups.insert(b.groups.end(), batch.begin(), batch.end());
  pending().batches.clear();
}

bool mbarrierOver(uint32_t at, uint32_t parity) {
  if (!barrierAt(at).published) fail("a barrier that nobody was shown");
  pause(isOver, uint64_t(here.resident) << 33 | uint64_t(at) << 1 | parity);
  return true;
}

void bulkLoad(uint32_t to, const void* described, int rank, const int* from, uint32_t barrier,
              unsigned blocks) {
  TensorMap map;
  std::memcpy(&map, described, sizeof map);
  if (map.rank != rank) fail("a copy of another rank than its tensor map");
  if (map.box[0] != 64) fail("a copy whose rows are not the 128 bytes that it permutes");
  const auto watch = watches.find(slot());
  if (watch != watches.end() && watch->second.unfenced) fail("a copy after a wait for a counter, and no fence between");
  if (to % 128 != 0) fail("a copy to a place that is not aligned to 128 bytes");
  Copy copy = {to, {}};
  int index[5] = {};
  size_t count = 1;
  for (int axis = 0; axis < rank; axis++) count *= size_t(map.box[axis]);
  for (size_t i = 0; i < count; i++) {
    int64_t at = 0;
    bool inside = true;
    for (int axis = 0; axis < rank; axis++) {
      const int place = from[axis] + index[axis];
      inside = inside && place >= 0 && place < map.extent[axis];
      at += int64_t(place) * map.stride[axis];
    }
    uint16_t element = 0;
    if (inside) std::memcpy(&element, map.base + 2 * at, 2);
    copy.elements.push_back(element);
    for (int axis = 0; axis < rank && ++index[axis] == map.box[axis]; axis++) index[axis] = 0;
  }
  if (blocks == 0) blocks = 1u << here.rank;
  for (int rank = 0; blocks >> rank != 0; rank++) {
    if ((blocks >> rank & 1) == 0) continue;
    if (rank >= blocksOfCluster()) fail("a block that the cluster does not have");
    const int block = neighbour(rank);
    Barrier& b = barrierAt(barrier, block);
    if (!b.published) fail("a barrier that nobody was shown");
    enterBlock(block);
    // No number that a kernel can mean until it is waited for.
    for (size_t i = 0; i < count; i++) std::memset(pointer(swizzled(to + uint32_t(2 * i))), 0xff, 2);
    b.coming += int64_t(2 * count);
    b.copies.push_back(copy);
  }
  enterBlock(here.resident);
}

void counterArrive(uint32_t* at) {
  if (!storesAreFenced()) fail("stores are announced that some thread has not fenced for the copy engine");
  ++*at;
}

uint32_t counterRead(const uint32_t* at) {
  const auto changed = [](uint64_t what) {
    const Watch& watch = watches.at(int(what));
    return *watch.at != watch.seen;
  };
  Watch& watch = watches[slot()];
  if (watch.unfenced && watch.at == at) pause(changed, uint64_t(slot()));
  watch = {at, *at, true};
  return watch.seen;
}

void fenceCopies() {
  watches[slot()].unfenced = false;
  fenceStores();
}

void wgmmaFence() {
  meet("wgmma.fence", 0);
  threads[slot()].fenced = true;
}

void wgmmaCommit() {
  meet("wgmma.commit", 0);
  threads[slot()].groups.emplace_back();
}

void wgmmaMultiply(int n, float (*value)(uint16_t), float* const* sums, uint64_t a, uint64_t b, const int* flags) {
  const uint64_t both[2] = {a, b};
  const Brought& brought = meet("wgmma", both);
  for (int i = 0; i < 4; i++) {
    if (brought.word[0][i] != brought.word[here.lane][i]) fail("lanes of a warp have different operands of a product");
  }
  if (flags[0] != 1 || flags[1] != 1 || flags[2] != 1) fail("a product that is not added as it is");
  std::vector<Product>& all = products[slot() / 128];
  Thread& thread = threads[slot()];
  const size_t number = thread.count++;
  if (number == all.size()) {
    const bool ownA = flags[3] == 1, ownB = flags[4] == 1;
    all.push_back({a, b, n, ownA, ownB, value, numbersOf(a, 64, ownA, value), numbersOf(b, n, ownB, value)});
  }
  const Product& p = all[number];
  if (p.a != a || p.b != b || p.n != n) fail("warps of a warpgroup start different products");
  if (thread.values.count(sums[0]) == 0) {
    if (!thread.fenced) fail("a product on registers that were written, and no fence before it");
    std::vector<float>& values = thread.values[sums[0]];
    for (int i = 0; i < n / 2; i++) values.push_back(*sums[i]);
  }
  for (int i = 0; i < n / 2; i++) *sums[i] = NAN;
  thread.groups.back().push_back({number, std::vector<float*>(sums, sums + n / 2)});
}

void wgmmaWait(int pending) {
  meet("wgmma.wait", 0);
  Thread& thread = threads[slot()];
  const auto under = [&](float* first) {
    for (const auto& group : thread.groups) {
      for (const Started& each : group) {
        if (each.sums[0] == first) return true;
      }
    }
    return false;
  };
  while (int(thread.groups.size()) - 1 > pending) {
    const std::vector<Started> group = std::move(thread.groups.front());
    thread.groups.erase(thread.groups.begin());
    for (const Started& each : group) {
      const Product& p = products[slot() / 128][each.product];
      checkOperands(p);
      std::vector<float>& values = thread.values.at(each.sums[0]);
      finish(p, values);
    }
    for (const Started& each : group) {
      const auto found = thread.values.find(each.sums[0]);
      if (found == thread.values.end() || under(each.sums[0])) continue;
      for (size_t i = 0; i < each.sums.size(); i++) *each.sums[i] = found->second[i];
      thread.values.erase(found);
      thread.fenced = false;
    }
  }
}

void checkSettled() {
  const auto found = threads.find(slot());
  if (found != threads.end() && !found->second.values.empty()) fail("a thread leaves before its products are done");
}

void forgetBlock() {
  for (const auto& [block, own] : barriers) {
    for (const auto& [at, barrier] : own) {
      if (!barrier.copies.empty()) fail("a block ends before its copies have come");
    }
  }
  barriers.clear();
  places.clear();
  watches.clear();
  threads.clear();
  products.clear();
}

}  // namespace host
