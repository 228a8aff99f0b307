// Fibers for the threads of a block, and the program around the kernels: reads a job (buffers and launches), runs it, and writes the
// buffers as they are afterwards. See job.ts for the format.
#include "prelude.hpp"

#include <ucontext.h>

#include <algorithm>

/** The kernels of the model, generated with their texts. */
extern const host::Kernel kernels[];

namespace host {

Here here;

namespace {

constexpr int STACK = 64 * 1024;

enum class State { ready, barrier, named, cluster, collective, paused, done };

struct Fiber {
  ucontext_t context;
  Here here;
  State state;
  char* stack;
  Pending pending;
  /** What a paused thread waits for; how many threads a named barrier has. */
  bool (*over)(uint64_t);
  uint64_t what;
  int threads;
  /** Since the thread's last named barrier: it has fenced what it stored for the copy engine. */
  bool fenced;
};

/** A warp's meeting. Two of them in turn: a lane may come to the next one before another has read this one. */
struct Warp {
  Brought brought[2];
  const char* operation[2];
  int come[2];
};

/** Of the blocks that run at one time. */
std::vector<Fiber> fibers;
std::vector<Warp> warps;
std::vector<int> turn;
ucontext_t scheduler;
int current;
const Kernel* kernel;
Arguments* given;

void enter() {
  kernel->run(*given);
  checkSettled();
  fibers[current].state = State::done;
  swapcontext(&fibers[current].context, &scheduler);
}

void leave(State state) {
  const int self = current;
  fibers[self].state = state;
  swapcontext(&fibers[self].context, &scheduler);
  here = fibers[self].here;
}

/** Shared memory holds nothing that a kernel may rely on. */
void poison() {
  const uint32_t nan = 0x7fc00000u;
  for (char* at = kernel->sharedBegin; at < kernel->sharedEnd; at += 4) std::memcpy(at, &nan, 4);
}

/** All blocks have one place for their shared memory: what is not in place is kept here. */
std::vector<std::vector<char>> memories;
int inPlace;
/** Of each block, whether all threads that met last at a named barrier had fenced their stores. */
std::vector<bool> announced;

/** What threads of a block wait for. */
struct Waiting {
  int live, barrier, named, wanted;
  bool fenced;
};

void resume(State from, int first, int threads) {
  for (int i = first; i < first + threads; i++) {
    if (fibers[i].state == from) fibers[i].state = State::ready;
  }
}

/** Lets the threads of a block go on where all that a barrier waits for have come. */
bool passBarriers(const Waiting& of, int first, int threads) {
  if (of.barrier > 0 && of.live < threads) fail("some threads of a block have left before a barrier");
  if (of.named > of.wanted) fail("more threads at a barrier than it has");
  const bool all = of.barrier > 0 && of.barrier == of.live;
  const bool some = of.named > 0 && of.named == of.wanted;
  if (all) resume(State::barrier, first, threads);
  if (some) {
    announced[size_t(first / threads)] = of.fenced;
    for (int i = first; i < first + threads; i++) {
      if (fibers[i].state == State::named) fibers[i].fenced = false;
    }
    resume(State::named, first, threads);
  }
  return all || some;
}

void startThread(int i, int threads) {
  Fiber& f = fibers[size_t(i)];
  if (f.stack == nullptr) f.stack = static_cast<char*>(std::malloc(STACK));
  getcontext(&f.context);
  f.context.uc_stack.ss_sp = f.stack;
  f.context.uc_stack.ss_size = STACK;
  f.context.uc_link = nullptr;
  makecontext(&f.context, enter, 0);
  const int resident = i / threads, thread = i % threads;
  const dim3 block = {here.block.x + unsigned(resident), here.block.y, 0};
  f.here = {{unsigned(thread), 0, 0}, block, here.blocks, thread % 32, thread / 32, resident % kernel->cluster, resident};
  f.state = State::ready;
  f.fenced = false;
  f.pending.batches.clear();
  turn[i] = 0;
}

/** Lets a cluster's threads go on when all have come to its barrier. */
bool passCluster(int live, int come, int first, int threads) {
  if (come > 0 && live < threads) fail("some threads of a cluster have left before its barrier");
  if (come == 0 || come < live) return false;
  resume(State::cluster, first, threads);
  return true;
}

/** Blocks that run at one time, from `here.block` on, whole clusters; warps of a block that is no multiple of 32 are the only one's. */
void runTogether(int threads, int blocks) {
  const int warpsInBlock = (threads + 31) / 32;
  const size_t count = size_t(blocks * threads);
  if (fibers.size() < count) fibers.resize(count), turn.resize(count);
  warps.resize(size_t(blocks * warpsInBlock));
  memories.resize(size_t(blocks));
  for (auto& memory : memories) memory.assign(kernel->sharedBegin, kernel->sharedEnd);
  announced.assign(size_t(blocks), false);
  inPlace = 0;
  for (int i = 0; i < blocks * threads; i++) startThread(i, threads);
  for (int w = 0; w < blocks * warpsInBlock; w++) warps[w].come[0] = warps[w].come[1] = 0;
  std::vector<Waiting> of(static_cast<size_t>(blocks));
  std::vector<int> together(static_cast<size_t>(blocks));
  for (;;) {
    for (auto& each : of) each = {0, 0, 0, 0, true};
    std::fill(together.begin(), together.end(), 0);
    int live = 0;
    bool progress = false;
    for (int w = 0; w < blocks * warpsInBlock; w++) {
      const int block = w / warpsInBlock;
      const int from = block * threads + w % warpsInBlock * 32;
      const int to = std::min((block + 1) * threads, from + 32);
      enterBlock(block);
      // A warp goes on until each of its lanes waits for the block or is done.
      for (bool again = true; again;) {
        again = false;
        for (int i = from; i < to; i++) {
          if (fibers[i].state == State::paused && fibers[i].over(fibers[i].what)) fibers[i].state = State::ready;
          if (fibers[i].state != State::ready) continue;
          current = i;
          here = fibers[i].here;
          swapcontext(&scheduler, &fibers[i].context);
          again = progress = true;
        }
      }
      for (int i = from; i < to; i++) {
        const Fiber& f = fibers[i];
        if (f.state == State::collective) fail("some lanes of a warp do not come to a collective operation");
        Waiting& waiting = of[size_t(block)];
        if (f.state == State::barrier) waiting.barrier++;
        if (f.state == State::named) waiting.named++, waiting.wanted = f.threads, waiting.fenced = waiting.fenced && f.fenced;
        if (f.state == State::cluster) together[size_t(block / kernel->cluster)]++;
        if (f.state != State::done) waiting.live++, live++;
      }
    }
    if (live == 0) {
      forgetBlock();
      return;
    }
    for (int block = 0; block < blocks; block++)
      progress = passBarriers(of[size_t(block)], block * threads, threads) || progress;
    for (int first = 0; first < blocks; first += kernel->cluster) {
      int alive = 0;
      for (int rank = 0; rank < kernel->cluster; rank++) alive += of[size_t(first + rank)].live;
      const int come = together[size_t(first / kernel->cluster)];
      progress = passCluster(alive, come, first * threads, kernel->cluster * threads) || progress;
    }
    if (!progress) fail("threads of a block wait for each other");
  }
}

}  // namespace

void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(3);
}

void barrier() { leave(State::barrier); }

void namedBarrier(int threads) {
  fibers[current].threads = threads;
  leave(State::named);
}

void pause(bool (*over)(uint64_t), uint64_t what) {
  if (over(what)) return;
  fibers[current].over = over;
  fibers[current].what = what;
  leave(State::paused);
}

void clusterBarrier() { leave(State::cluster); }

void enterBlock(int resident) {
  if (resident == inPlace) return;
  std::copy(kernel->sharedBegin, kernel->sharedEnd, memories[size_t(inPlace)].begin());
  const auto& memory = memories[size_t(resident)];
  std::copy(memory.begin(), memory.end(), kernel->sharedBegin);
  inPlace = resident;
}

void fenceStores() { fibers[size_t(current)].fenced = true; }

bool storesAreFenced() { return announced[size_t(here.resident)]; }

int slot() { return current; }
int blocksOfCluster() { return kernel->cluster; }

uint32_t sharedFrom() { return uint32_t(__cvta_generic_to_shared(kernel->sharedBegin)); }

Pending& pending() { return fibers[current].pending; }

const Brought& meet(const char* operation, const uint32_t* words, int count) {
  const int lane = here.lane;
  const int first = current - lane;
  Warp& warp = warps[first / 32];
  const int now = turn[current]++ & 1;
  if (warp.come[now] == 0) warp.operation[now] = operation;
  if (std::strcmp(warp.operation[now], operation) != 0) fail("lanes of a warp meet in different operations");
  std::memcpy(warp.brought[now].word[lane], words, size_t(count) * 4);
  if (++warp.come[now] < 32) {
    leave(State::collective);
  } else {
    warp.come[now] = 0;
    for (int i = first; i < first + 32; i++) {
      if (i != current) fibers[i].state = State::ready;
    }
  }
  return warp.brought[now];
}

namespace {

void launch(const Kernel& launched, dim3 blocks, Arguments& arguments) {
  kernel = &launched;
  given = &arguments;
  if (launched.together) {
    if (blocks.y != 1 || blocks.x % unsigned(launched.cluster) != 0) fail("blocks that cannot run at one time");
    here = {{0, 0, 0}, {0, 0, 0}, blocks, 0, 0, 0, 0};
    poison();
    runTogether(launched.threads, int(blocks.x));
    return;
  }
  for (unsigned y = 0; y < blocks.y; y++) {
    if (blocks.x % unsigned(launched.cluster) != 0) fail("a grid that is no multiple of its clusters");
    for (unsigned x = 0; x < blocks.x; x += unsigned(launched.cluster)) {
      here = {{0, 0, 0}, {x, y, 0}, blocks, 0, 0, 0, 0};
      poison();
      if (launched.meets) {
        runTogether(launched.threads, launched.cluster);
        continue;
      }
      for (int i = 0; i < launched.threads; i++) {
        here.thread.x = unsigned(i);
        launched.run(arguments);
      }
    }
  }
}

int next(FILE* file) {
  int32_t word;
  if (std::fread(&word, 4, 1, file) != 1) fail("the job ends early");
  return word;
}

}  // namespace
}  // namespace host

int main(int, char** argv) {
  using namespace host;
  FILE* job = std::fopen(argv[1], "rb");
  if (job == nullptr) fail("there is no job");
  // A line of NaNs behind every buffer catches what is written beyond its end.
  constexpr size_t GUARD = 64;
  std::vector<std::vector<uint32_t>> storage(size_t(next(job)));
  std::vector<uint32_t*> buffers;
  std::vector<size_t> sizes;
  for (auto& words : storage) {
    const size_t count = size_t(next(job));
    words.assign(count + GUARD, 0x7fc0beefu);
    uint32_t* at = words.data();
    while ((reinterpret_cast<uintptr_t>(at) & 15) != 0) at++;
    if (count > 0 && std::fread(at, 4, count, job) != count) fail("the job ends early");
    buffers.push_back(at);
    sizes.push_back(count);
  }
  const int launches = next(job);
  for (int l = 0; l < launches; l++) {
    const Kernel& launched = kernels[next(job)];
    Arguments arguments = {};
    arguments.call = {next(job), 0, 0, 1};
    arguments.call.from = next(job);
    arguments.call.to = next(job);
    dim3 blocks = {unsigned(next(job)), unsigned(next(job)), 1};
    const int counted = next(job);
    const int word = next(job);
    if (counted >= 0) blocks = {buffers[size_t(counted)][word], buffers[size_t(counted)][word + 1], 1};
    const int count = next(job);
    for (int b = 0; b < count; b++) {
      uint32_t* base = buffers[size_t(next(job))];
      arguments.bindings[b] = base + next(job);
    }
    arguments.count = size_t(count);
    const int counters = next(job);
    for (int c = 0; c < counters; c++) {
      const size_t b = size_t(next(job));
      std::memset(buffers[b], 0, 4 * sizes[b]);
    }
    const int maps = next(job);
    for (int m = 0; m < maps; m++) {
      TensorMap map = {};
      map.base = static_cast<const char*>(arguments.bindings[next(job)]);
      map.rank = next(job);
      for (int axis = 0; axis < map.rank; axis++) {
        map.extent[axis] = next(job);
        map.stride[axis] = next(job);
        map.box[axis] = next(job);
      }
      std::memcpy(&arguments.maps[m], &map, sizeof map);
    }
    launch(launched, blocks, arguments);
  }
  std::fclose(job);
  FILE* out = std::fopen(argv[2], "wb");
  for (size_t i = 0; i < storage.size(); i++) {
    for (uint32_t* at = buffers[i] + sizes[i]; at < storage[i].data() + storage[i].size(); at++) {
      if (*at != 0x7fc0beefu) fail("a kernel wrote beyond the end of a buffer");
    }
    std::fwrite(buffers[i], 4, sizes[i], out);
  }
  std::fclose(out);
  return 0;
}
