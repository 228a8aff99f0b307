// A CUDA driver that is none: libcuda's functions, as many as the runtime calls, on the host's memory.
//
// Work is deferred as on a device: a stream's operations run when somebody waits for them, so that whoever reads results too early or
// reuses a staging block too soon is found out. The nodes of a graph run in the last order that its edges allow, so a
// missing edge shows. Device memory has guard words behind each allocation; every copy is checked against what is allocated.
//
//   FAKE_CUDA_DEVICES    how many devices there are (default 1)
//   FAKE_CUDA_CAPABILITY 90 for 9.0 (default)
//   FAKE_CUDA_VERSION    the driver's version (default 12040)
//   FAKE_CUDA_MEMORY     bytes of a device's memory (default 4 GiB)
//   FAKE_CUDA_L2         bytes of its cache (default 50 MiB); a probe's copies are as much larger
//   FAKE_CUDA_MULTIPROCESSORS   (default 132); a probe has blocks for each
//   FAKE_CUDA_FAIL       FUNCTION:CODE[@CALL] - that call of the function returns the code; without @CALL: all calls. Commas between.
//   FAKE_CUDA_STRICT     waiting needs a current context on the thread that waits
//
// An image is "RMXFAKE1", the size of the library behind it (u64), and a shared library with fake_kernel (see fakemodule.cpp).
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using CUresult = int;
using u32 = unsigned;
using u64 = unsigned long long;

enum : int {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NO_DEVICE = 100,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700,
};

namespace {

constexpr size_t GUARD = 256;
constexpr unsigned char GUARD_BYTE = 0xa5;

struct Module {
  void* library;
  int (*threads)();
  int (*arity)();
  int (*maps)();
  int (*together)();
  void (*launch)(u32, u32, void**);
  const char* (*name)();
};
struct Stream;
struct Event {
  Stream* stream = nullptr;  // where it is pending
  bool recorded = false;
  std::chrono::steady_clock::time_point at;
};
struct Operation {
  std::function<void()> run;
  Event* marks = nullptr;
};
struct Stream {
  std::deque<Operation> pending;
};
struct Launch {
  Module* module;
  u32 x, y, threads;
  std::vector<std::vector<char>> arguments;
};
/** A kernel's, or one that sets `words` words from `zeroed` on to 0. */
struct Node {
  Launch launch;
  u64 zeroed, words;
  bool cooperative;
  std::vector<Node*> after;
};
struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;
};
struct Executable {
  Graph* graph;
  std::map<Node*, Launch> now;
};
struct NodeParams {  // CUDA_KERNEL_NODE_PARAMS
  void* func;
  u32 gx, gy, gz, bx, by, bz, shared;
  void** kernelParams;
  void** extra;
};
static_assert(sizeof(NodeParams) == 56);
struct MemsetParams {  // CUDA_MEMSET_NODE_PARAMS
  u64 dst, pitch;
  u32 value, elementSize;
  u64 width, height;
};
static_assert(sizeof(MemsetParams) == 40);

std::recursive_mutex mutex;
std::map<char*, size_t> device;
std::map<char*, size_t> pinned;
std::set<Stream*> streams;
std::map<std::string, int> calls;
int live_modules, live_graphs, live_executables, live_events;
int contexts;
int sticky;
thread_local void* current;
char context;

u64 number(const char* name, u64 otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == 0 ? otherwise : std::strtoull(text, nullptr, 10);
}

size_t used() {
  size_t sum = 0;
  for (auto& [at, size] : device) sum += size;
  return sum;
}

/** What FAKE_CUDA_FAIL says about this call. */
CUresult injected(const std::string& name) {
  const int call = ++calls[name];
  const char* text = std::getenv("FAKE_CUDA_FAIL");
  if (text == nullptr) return SUCCESS;
  std::stringstream list(text);
  for (std::string each; std::getline(list, each, ',');) {
    const size_t colon = each.find(':');
    if (colon == std::string::npos || each.substr(0, colon) != name) continue;
    const size_t at = each.find('@');
    if (at != std::string::npos && std::stoi(each.substr(at + 1)) != call) continue;
    return std::stoi(each.substr(colon + 1));
  }
  return SUCCESS;
}

bool within(const std::map<char*, size_t>& memory, u64 address, u64 bytes) {
  char* at = reinterpret_cast<char*>(address);
  auto next = memory.upper_bound(at);
  if (next == memory.begin()) return false;
  auto [begin, size] = *--next;
  return at + bytes <= begin + size;
}

void intact(char* at, size_t size) {
  for (size_t i = 0; i < GUARD; i++) {
    if (static_cast<unsigned char>(at[size + i]) != GUARD_BYTE) sticky = ILLEGAL_ADDRESS;
  }
}

void run(const Launch& launch) {
  std::vector<void*> pointers;
  for (auto& argument : launch.arguments) pointers.push_back(const_cast<char*>(argument.data()));
  launch.module->launch(launch.x, launch.y, pointers.data());
  for (auto& [at, size] : device) intact(at, size);
}

void run(const Executable& executable, const std::map<Node*, Launch>& launches) {
  // Those that nothing waits for go last to first.
  std::vector<Node*> left;
  for (auto& node : executable.graph->nodes) left.push_back(node.get());
  std::set<Node*> done;
  while (!left.empty()) {
    for (size_t i = left.size(); i-- > 0;) {
      Node* node = left[i];
      if (!std::all_of(node->after.begin(), node->after.end(), [&](Node* n) { return done.count(n) > 0; })) continue;
      if (node->words > 0) std::memset(reinterpret_cast<void*>(node->zeroed), 0, 4 * node->words);
      else run(launches.at(node));
      done.insert(node);
      left.erase(left.begin() + long(i));
      break;
    }
  }
}

void step(Stream& stream) {
  Operation next = std::move(stream.pending.front());
  stream.pending.pop_front();
  if (next.run) next.run();
  if (next.marks != nullptr) {
    next.marks->at = std::chrono::steady_clock::now();
    next.marks->stream = nullptr;
  }
}

void drain(Stream& stream) {
  while (!stream.pending.empty()) step(stream);
}

void reach(Event& event) {
  while (event.stream != nullptr) step(*event.stream);
}

void drainAll() {
  for (Stream* stream : streams) drain(*stream);
}

Launch launchOf(Module* module, u32 x, u32 y, u32 threads, void** params) {
  Launch launch = {module, x, y, threads, {}};
  const int count = module->arity();
  for (int i = 0; i < count; i++) {
    const char* from = static_cast<const char*>(params[i]);
    launch.arguments.emplace_back(from, from + (i == count - 1 ? 16 : 8));
  }
  for (int i = 0; i < module->maps(); i++) {
    const char* from = static_cast<const char*>(params[count + i]);
    launch.arguments.emplace_back(from, from + 128);
  }
  return launch;
}

void give(Stream* stream, std::function<void()> work) { stream->pending.push_back({std::move(work), nullptr}); }

}  // namespace

/** Counts the call, returns what is injected, or a context that is lost for good. */
#define ENTER(name)                                          \
  std::lock_guard<std::recursive_mutex> lock(mutex);         \
  if (CUresult failure = injected(name)) return failure;
#define ENTER_CONTEXT(name)                                  \
  ENTER(name)                                                \
  if (current == nullptr) return INVALID_CONTEXT;            \
  if (sticky != 0) return sticky;

extern "C" {

CUresult cuInit(u32) {
  ENTER("cuInit")
  return number("FAKE_CUDA_DEVICES", 1) == 0 ? NO_DEVICE : SUCCESS;
}
CUresult cuDriverGetVersion(int* version) {
  *version = int(number("FAKE_CUDA_VERSION", 12040));
  return SUCCESS;
}
CUresult cuGetErrorName(int code, const char** name) {
  switch (code) {
    case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; return SUCCESS;
    case NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; return SUCCESS;
    case INVALID_IMAGE: *name = "CUDA_ERROR_INVALID_IMAGE"; return SUCCESS;
    case ILLEGAL_ADDRESS: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; return SUCCESS;
    default: return INVALID_VALUE;
  }
}
CUresult cuGetErrorString(int code, const char** text) {
  if (code != ILLEGAL_ADDRESS) return INVALID_VALUE;
  *text = "an illegal memory access was encountered";
  return SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  *count = int(number("FAKE_CUDA_DEVICES", 1));
  return SUCCESS;
}
CUresult cuDeviceGet(int* handle, int ordinal) {
  *handle = ordinal;
  return SUCCESS;
}
CUresult cuDeviceGetName(char* name, int size, int) {
  std::snprintf(name, size_t(size), "Fake GPU");
  return SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, int attribute, int) {
  const int capability = int(number("FAKE_CUDA_CAPABILITY", 90));
  switch (attribute) {
    case 75: *value = capability / 10; break;
    case 76: *value = capability % 10; break;
    case 97: *value = 232448; break;
    case 16: *value = int(number("FAKE_CUDA_MULTIPROCESSORS", 132)); break;
    case 38: *value = int(number("FAKE_CUDA_L2", 50 << 20)); break;
    default: *value = 1;
  }
  return SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = number("FAKE_CUDA_MEMORY", 4ull << 30);
  return SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(void** made, int) {
  ENTER("cuDevicePrimaryCtxRetain")
  contexts++;
  *made = &context;
  return SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(int) {
  ENTER("cuDevicePrimaryCtxRelease_v2")
  if (--contexts > 0) return SUCCESS;
  // Everything goes with the context, what is wrong with it too.
  for (auto& [at, size] : device) std::free(at);
  for (auto& [at, size] : pinned) std::free(at);
  device.clear();
  pinned.clear();
  for (Stream* stream : streams) stream->pending.clear();
  sticky = 0;
  return SUCCESS;
}
CUresult cuCtxSetCurrent(void* wanted) {
  current = wanted;
  return SUCCESS;
}

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  ENTER_CONTEXT("cuMemGetInfo_v2")
  *total = number("FAKE_CUDA_MEMORY", 4ull << 30);
  *free = *total - used();
  return SUCCESS;
}
CUresult cuMemAlloc_v2(char** made, size_t bytes) {
  ENTER_CONTEXT("cuMemAlloc_v2")
  if (bytes == 0) return INVALID_VALUE;
  if (used() + bytes > number("FAKE_CUDA_MEMORY", 4ull << 30)) return OUT_OF_MEMORY;
  char* at = static_cast<char*>(std::aligned_alloc(256, (bytes + GUARD + 255) / 256 * 256));
  std::memset(at, 0xff, bytes);  // NaN
  std::memset(at + bytes, GUARD_BYTE, GUARD);
  device[at] = bytes;
  *made = at;
  return SUCCESS;
}
CUresult cuMemFree_v2(char* at) {
  ENTER_CONTEXT("cuMemFree_v2")
  auto found = device.find(at);
  if (found == device.end()) return INVALID_VALUE;
  drainAll();
  intact(at, found->second);
  device.erase(found);
  std::free(at);
  return sticky;
}
CUresult cuMemHostAlloc(char** made, size_t bytes, u32) {
  ENTER_CONTEXT("cuMemHostAlloc")
  char* at = static_cast<char*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  pinned[at] = bytes;
  *made = at;
  return SUCCESS;
}
CUresult cuMemFreeHost(char* at) {
  ENTER_CONTEXT("cuMemFreeHost")
  if (pinned.erase(at) == 0) return INVALID_VALUE;
  drainAll();
  std::free(at);
  return SUCCESS;
}

CUresult cuMemcpyHtoDAsync_v2(u64 to, u64 from, size_t bytes, Stream* stream) {
  ENTER_CONTEXT("cuMemcpyHtoDAsync_v2")
  if (!within(device, to, bytes) || !within(pinned, from, bytes)) return INVALID_VALUE;
  give(stream, [=] { std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes); });
  return SUCCESS;
}
CUresult cuMemcpyDtoHAsync_v2(u64 to, u64 from, size_t bytes, Stream* stream) {
  ENTER_CONTEXT("cuMemcpyDtoHAsync_v2")
  if (!within(pinned, to, bytes) || !within(device, from, bytes)) return INVALID_VALUE;
  give(stream, [=] { std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes); });
  return SUCCESS;
}
CUresult cuMemcpyDtoDAsync_v2(u64 to, u64 from, size_t bytes, Stream* stream) {
  ENTER_CONTEXT("cuMemcpyDtoDAsync_v2")
  if (!within(device, to, bytes) || !within(device, from, bytes)) return INVALID_VALUE;
  give(stream, [=] { std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes); });
  return SUCCESS;
}

CUresult cuStreamCreate(Stream** made, u32) {
  ENTER_CONTEXT("cuStreamCreate")
  *made = new Stream;
  streams.insert(*made);
  return SUCCESS;
}
CUresult cuStreamDestroy_v2(Stream* stream) {
  ENTER_CONTEXT("cuStreamDestroy_v2")
  drain(*stream);
  streams.erase(stream);
  delete stream;
  return SUCCESS;
}
CUresult cuStreamSynchronize(Stream* stream) {
  ENTER_CONTEXT("cuStreamSynchronize")
  drain(*stream);
  return sticky;
}
CUresult cuStreamWaitEvent(Stream* stream, Event* event, u32) {
  ENTER_CONTEXT("cuStreamWaitEvent")
  if (event->stream != nullptr) give(stream, [=] { reach(*event); });
  return SUCCESS;
}
CUresult cuEventCreate(Event** made, u32) {
  ENTER_CONTEXT("cuEventCreate")
  *made = new Event;
  live_events++;
  return SUCCESS;
}
CUresult cuEventDestroy_v2(Event* event) {
  ENTER_CONTEXT("cuEventDestroy_v2")
  reach(*event);
  delete event;
  live_events--;
  return SUCCESS;
}
CUresult cuEventRecord(Event* event, Stream* stream) {
  ENTER_CONTEXT("cuEventRecord")
  // What marked it before marks it no more.
  for (Stream* each : streams) {
    for (Operation& operation : each->pending) {
      if (operation.marks == event) operation.marks = nullptr;
    }
  }
  event->stream = stream;
  event->recorded = true;
  stream->pending.push_back({nullptr, event});
  return SUCCESS;
}
/** Looking lets one operation happen. */
CUresult cuEventQuery(Event* event) {
  ENTER_CONTEXT("cuEventQuery")
  if (event->stream == nullptr) return SUCCESS;
  step(*event->stream);
  return sticky != 0 ? sticky : NOT_READY;
}
CUresult cuEventSynchronize(Event* event) {
  ENTER("cuEventSynchronize")
  if (current == nullptr && std::getenv("FAKE_CUDA_STRICT") != nullptr) return INVALID_CONTEXT;
  if (sticky != 0) return sticky;
  reach(*event);
  return sticky;
}
CUresult cuEventElapsedTime(float* milliseconds, Event* from, Event* to) {
  ENTER_CONTEXT("cuEventElapsedTime")
  if (!from->recorded || !to->recorded) return INVALID_VALUE;
  if (from->stream != nullptr || to->stream != nullptr) return NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
  return SUCCESS;
}

CUresult cuModuleLoadData(Module** made, const char* image) {
  ENTER_CONTEXT("cuModuleLoadData")
  if (std::memcmp(image, "RMXFAKE1", 8) != 0) return INVALID_IMAGE;
  u64 size;
  std::memcpy(&size, image + 8, 8);
  char path[] = "/tmp/rmxc-fake-module-XXXXXX";
  const int file = mkstemp(path);
  const bool written = write(file, image + 16, size) == ssize_t(size);
  close(file);
  void* library = written ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  unlink(path);
  if (library == nullptr) {
    std::fprintf(stderr, "fake CUDA: %s\n", dlerror());
    return INVALID_IMAGE;
  }
  Module* module = new Module{library, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  *reinterpret_cast<void**>(&module->threads) = dlsym(library, "fake_kernel_threads");
  *reinterpret_cast<void**>(&module->arity) = dlsym(library, "fake_kernel_arity");
  *reinterpret_cast<void**>(&module->maps) = dlsym(library, "fake_kernel_maps");
  *reinterpret_cast<void**>(&module->together) = dlsym(library, "fake_kernel_together");
  *reinterpret_cast<void**>(&module->launch) = dlsym(library, "fake_kernel_launch");
  *reinterpret_cast<void**>(&module->name) = dlsym(library, "fake_kernel_name");
  live_modules++;
  *made = module;
  return SUCCESS;
}
CUresult cuModuleUnload(Module* module) {
  ENTER_CONTEXT("cuModuleUnload")
  drainAll();
  dlclose(module->library);
  delete module;
  live_modules--;
  return SUCCESS;
}
CUresult cuModuleGetFunction(Module** function, Module* module, const char* name) {
  ENTER_CONTEXT("cuModuleGetFunction")
  if (std::strcmp(module->name(), name) != 0) return NOT_FOUND;
  *function = module;
  return SUCCESS;
}
CUresult cuFuncGetAttribute(int* value, int attribute, Module*) {
  ENTER_CONTEXT("cuFuncGetAttribute")
  *value = attribute == 0 ? int(number("FAKE_CUDA_THREADS", 1024)) : 0;
  return SUCCESS;
}
CUresult cuFuncSetAttribute(Module*, int, int) {
  ENTER_CONTEXT("cuFuncSetAttribute")
  return SUCCESS;
}
CUresult cuMemsetD32Async(u64 to, u32 value, size_t words, Stream* stream) {
  ENTER_CONTEXT("cuMemsetD32Async")
  if (value != 0 || !within(device, to, 4 * words)) return INVALID_VALUE;
  give(stream, [=] { std::memset(reinterpret_cast<void*>(to), 0, 4 * words); });
  return SUCCESS;
}
static CUresult launched(bool together, Module* function, u32 x, u32 y, u32 z, u32 bx, Stream* stream, void** params) {
  if (x == 0 || y == 0 || z != 1 || int(bx) != function->threads()) return INVALID_VALUE;
  if (together != (function->together() != 0)) return INVALID_VALUE;
  Launch launch = launchOf(function, x, y, bx, params);
  give(stream, [=] { run(launch); });
  return SUCCESS;
}
CUresult cuLaunchKernel(Module* function, u32 x, u32 y, u32 z, u32 bx, u32, u32, u32, Stream* stream, void** params, void**) {
  ENTER_CONTEXT("cuLaunchKernel")
  return launched(false, function, x, y, z, bx, stream, params);
}
CUresult cuLaunchCooperativeKernel(Module* function, u32 x, u32 y, u32 z, u32 bx, u32, u32, u32, Stream* stream, void** params) {
  ENTER_CONTEXT("cuLaunchCooperativeKernel")
  return launched(true, function, x, y, z, bx, stream, params);
}

/** What test/cuda/hopper.hpp calls a TensorMap. */
CUresult cuTensorMapEncodeTiled(void* map, u32 type, u32 rank, u64 base, const u64* extents, const u64* strides,
                                const u32* box, const u32* steps, u32 interleave, u32 swizzle, u32, u32 fill) {
  ENTER("cuTensorMapEncodeTiled")
  if (reinterpret_cast<u64>(map) % 64 != 0 || base % 16 != 0 || rank < 1 || rank > 5) return INVALID_VALUE;
  if ((type != 6 && type != 9) || interleave != 0 || swizzle != 3 || fill != 0 || 2 * box[0] != 128) return INVALID_VALUE;
  struct {
    u64 base;
    int rank, extent[5], stride[5], box[5];
  } made = {base, int(rank), {}, {}, {}};
  u64 last = 0;
  for (u32 i = 0; i < rank; i++) {
    if (extents[i] == 0 || box[i] == 0 || box[i] > 256 || steps[i] != 1) return INVALID_VALUE;
    const u64 bytes = i == 0 ? 2 : strides[i - 1];
    if (i > 0 && bytes % 16 != 0) return INVALID_VALUE;
    made.extent[i] = int(extents[i]);
    made.stride[i] = int(bytes / 2);
    made.box[i] = int(box[i]);
    last += (extents[i] - 1) * bytes;
  }
  if (!within(device, base, last + 2)) return ILLEGAL_ADDRESS;
  std::memset(map, 0, 128);
  std::memcpy(map, &made, sizeof made);
  return SUCCESS;
}

CUresult cuGraphCreate(Graph** made, u32) {
  ENTER_CONTEXT("cuGraphCreate")
  *made = new Graph;
  live_graphs++;
  return SUCCESS;
}
CUresult cuGraphDestroy(Graph* graph) {
  ENTER_CONTEXT("cuGraphDestroy")
  drainAll();
  delete graph;
  live_graphs--;
  return SUCCESS;
}
CUresult cuGraphAddKernelNode(Node** made, Graph* graph, Node** after, size_t count, const NodeParams* params) {
  ENTER_CONTEXT("cuGraphAddKernelNode")
  auto node = std::make_unique<Node>();
  Module* module = static_cast<Module*>(params->func);
  if (int(params->bx) != module->threads() || params->gx == 0 || params->gy == 0) return INVALID_VALUE;
  node->launch = launchOf(module, params->gx, params->gy, params->bx, params->kernelParams);
  if (count > 0) node->after.assign(after, after + count);
  *made = node.get();
  graph->nodes.push_back(std::move(node));
  return SUCCESS;
}
CUresult cuGraphKernelNodeSetAttribute(Node* node, int attribute, const int* value) {
  ENTER_CONTEXT("cuGraphKernelNodeSetAttribute")
  if (attribute != 2) return INVALID_VALUE;
  node->cooperative = *value != 0;
  return SUCCESS;
}
CUresult cuGraphAddMemsetNode(Node** made, Graph* graph, Node** after, size_t count, const MemsetParams* params, void*) {
  ENTER_CONTEXT("cuGraphAddMemsetNode")
  if (params->value != 0 || params->elementSize != 4 || params->height != 1 || params->width == 0) return INVALID_VALUE;
  if (!within(device, params->dst, 4 * params->width)) return INVALID_VALUE;
  auto node = std::make_unique<Node>();
  node->zeroed = params->dst;
  node->words = params->width;
  if (count > 0) node->after.assign(after, after + count);
  *made = node.get();
  graph->nodes.push_back(std::move(node));
  return SUCCESS;
}
CUresult cuGraphInstantiateWithFlags(Executable** made, Graph* graph, u64) {
  ENTER_CONTEXT("cuGraphInstantiateWithFlags")
  for (auto& node : graph->nodes) {
    if (node->words == 0 && node->cooperative != (node->launch.module->together() != 0)) return INVALID_VALUE;
  }
  *made = new Executable{graph, {}};
  for (auto& node : graph->nodes) (*made)->now[node.get()] = node->launch;
  live_executables++;
  return SUCCESS;
}
CUresult cuGraphExecKernelNodeSetParams(Executable* executable, Node* node, const NodeParams* params) {
  ENTER_CONTEXT("cuGraphExecKernelNodeSetParams")
  Module* module = static_cast<Module*>(params->func);
  executable->now.at(node) = launchOf(module, params->gx, params->gy, params->bx, params->kernelParams);
  return SUCCESS;
}
CUresult cuGraphExecDestroy(Executable* executable) {
  ENTER_CONTEXT("cuGraphExecDestroy")
  drainAll();
  delete executable;
  live_executables--;
  return SUCCESS;
}
CUresult cuGraphLaunch(Executable* executable, Stream* stream) {
  ENTER_CONTEXT("cuGraphLaunch")
  auto launches = executable->now;
  give(stream, [=] { run(*executable, launches); });
  return SUCCESS;
}

/** For tests: calls of a function so far; what has not been given back, by kind. */
int fake_calls(const char* name) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  return calls[name];
}
int fake_live(const char* kind) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  const std::map<std::string, int> live = {
      {"device", int(device.size())}, {"pinned", int(pinned.size())},  {"streams", int(streams.size())},
      {"events", live_events},        {"modules", live_modules},       {"graphs", live_graphs},
      {"executables", live_executables}, {"contexts", contexts},
  };
  return live.at(kind);
}

}  // extern "C"
