// Fibers for the threads of a block, and the program around the kernels: reads a job (buffers and launches), runs it, and writes the
// buffers as they are afterwards. See job.ts for the format.
#include "prelude.hpp"

#include <ucontext.h>

/** The kernels of the model, generated with their texts. */
extern const host::Kernel kernels[];

namespace host {

Here here;

namespace {

constexpr int STACK = 64 * 1024;
constexpr int MOST_THREADS = 1024;

enum class State { ready, barrier, collective, done };

struct Fiber {
  ucontext_t context;
  Here here;
  State state;
  char* stack;
};

/** A warp's meeting. Two of them in turn: a lane may come to the next one before another has read this one. */
struct Warp {
  Brought brought[2];
  const char* operation[2];
  int come[2];
};

Fiber fibers[MOST_THREADS];
Warp warps[MOST_THREADS / 32];
int turn[MOST_THREADS];
ucontext_t scheduler;
int current;
int live;
int waiting;
const Kernel* kernel;
Arguments* given;

void enter() {
  kernel->run(*given);
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

void runBlock(int threads) {
  for (int i = 0; i < threads; i++) {
    Fiber& f = fibers[i];
    if (f.stack == nullptr) f.stack = static_cast<char*>(std::malloc(STACK));
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack;
    f.context.uc_stack.ss_size = STACK;
    f.context.uc_link = nullptr;
    makecontext(&f.context, enter, 0);
    f.here = {{unsigned(i), 0, 0}, here.block, here.blocks, i % 32, i / 32};
    f.state = State::ready;
    turn[i] = 0;
  }
  for (int w = 0; w < (threads + 31) / 32; w++) warps[w].come[0] = warps[w].come[1] = 0;
  const int warpsInBlock = (threads + 31) / 32;
  for (;;) {
    live = waiting = 0;
    bool progress = false;
    for (int w = 0; w < warpsInBlock; w++) {
      const int from = w * 32;
      const int to = std::min(threads, from + 32);
      // A warp goes on until each of its lanes waits for the block or is done.
      for (bool again = true; again;) {
        again = false;
        for (int i = from; i < to; i++) {
          if (fibers[i].state != State::ready) continue;
          current = i;
          here = fibers[i].here;
          swapcontext(&scheduler, &fibers[i].context);
          again = progress = true;
        }
      }
      for (int i = from; i < to; i++) {
        if (fibers[i].state == State::collective) fail("some lanes of a warp do not come to a collective operation");
        if (fibers[i].state == State::barrier) waiting++;
        if (fibers[i].state != State::done) live++;
      }
    }
    if (live == 0) return;
    if (live < threads) fail("some threads of a block have left before a barrier");
    if (waiting == live) {
      for (int i = 0; i < threads; i++) fibers[i].state = State::ready;
      continue;
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

const Brought& meet(const char* operation, const uint32_t* words, int count) {
  const int lane = here.lane;
  Warp& warp = warps[here.warp];
  const int now = turn[here.thread.x]++ & 1;
  if (warp.come[now] == 0) warp.operation[now] = operation;
  if (std::strcmp(warp.operation[now], operation) != 0) fail("lanes of a warp meet in different operations");
  std::memcpy(warp.brought[now].word[lane], words, size_t(count) * 4);
  if (++warp.come[now] < 32) {
    leave(State::collective);
  } else {
    warp.come[now] = 0;
    const int from = here.warp * 32;
    for (int i = from; i < from + 32; i++) {
      if (i != current) fibers[i].state = State::ready;
    }
  }
  return warp.brought[now];
}

namespace {

void launch(const Kernel& launched, dim3 blocks, Arguments& arguments) {
  kernel = &launched;
  given = &arguments;
  for (unsigned y = 0; y < blocks.y; y++) {
    for (unsigned x = 0; x < blocks.x; x++) {
      here = {{0, 0, 0}, {x, y, 0}, blocks, 0, 0};
      poison();
      if (launched.meets) {
        runBlock(launched.threads);
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
