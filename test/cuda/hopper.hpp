// Hopper's own instructions on the host: barriers with phases, tiles that a copy engine brings, products that a warpgroup starts and
// waits for. Nothing comes before it must: a copy's bytes land when somebody waits for its barrier's phase, and are NaN until
// then; a product's sums are NaN until they are waited for, and its operands must be the same then as when it was started.
//
// Blocks may wait for each other by counters in memory. What a block announces its threads must have fenced for the copy engine, which
// reads memory by a way of its own, and a thread that has waited fences once more before it starts a copy.
#pragma once
#include <utility>

#define __grid_constant__

namespace host {

/** A tensor as the test's launches describe it; what a device has there is the driver's secret. */
struct TensorMap {
  const char* base;
  int rank;
  int extent[5];
  int stride[5];
  int box[5];
  char unused[128 - 72];
};
static_assert(sizeof(TensorMap) == 128);

void mbarrierInit(uint32_t at, int arrivals);
/** Barriers that were initialised can be used by the copy engine and by other threads. */
void mbarrierPublish();
void mbarrierArrive(uint32_t at, uint32_t bytes);
/** A name for a place in the shared memory of another block of the cluster, and an arrival at a barrier there. */
uint32_t placeAt(uint32_t at, uint32_t rank);
void mbarrierArriveAt(uint32_t place);
/** Arrives with what the thread has sent for by cp.async, which comes no sooner than somebody waits. */
void mbarrierArriveCopied(uint32_t at);
/** Whether the phase of this parity is over; if not, waits until something else has happened. */
bool mbarrierOver(uint32_t at, uint32_t parity);
/** `blocks`: a bit for each block of the cluster that the tile comes to; 0: the thread's own. */
void bulkLoad(uint32_t to, const void* map, int rank, const int* from, uint32_t barrier, unsigned blocks);

/** Raises a counter in memory, which all the block's threads at its last named barrier have fenced their stores for. */
void counterArrive(uint32_t* at);
/** Its content; a thread that asks again sleeps until it is another. */
uint32_t counterRead(const uint32_t* at);
/** Between the thread's stores, or what it has waited for, and copies by the engine. */
void fenceCopies();
/** Notes the fence for the thread's next named barrier, and says whether all that met at the block's last one had noted it. */
void fenceStores();
bool storesAreFenced();

void wgmmaFence();
void wgmmaCommit();
void wgmmaWait(int pending);
void wgmmaMultiply(int n, float (*value)(uint16_t), float* const* sums, uint64_t a, uint64_t b, const int* flags);
/** What no thread may leave behind. */
void checkSettled();
void forgetBlock();

void clusterBarrier();
/** Puts the shared memory of one of the blocks that run at one time in place. */
void enterBlock(int resident);
/** Number of the thread among those that run at one time. */
int slot();
int blocksOfCluster();
/** Where the shared memory of the running kernel begins. */
uint32_t sharedFrom();
/** Waits until `threads` threads have come. */
void namedBarrier(int threads);
/** Puts the thread to sleep until something has happened in the block. */
void pause(bool (*over)(uint64_t), uint64_t what);

template <class... Rest> void wgmma(int n, float (*value)(uint16_t), Rest&&... rest) {
  constexpr size_t SUMS = sizeof...(Rest) - 7;
  // The last seven are the descriptors and the flags; everything before is a register.
  const void* all[] = {static_cast<const void*>(&rest)...};
  float* sums[SUMS];
  for (size_t i = 0; i < SUMS; i++) sums[i] = const_cast<float*>(static_cast<const float*>(all[i]));
  if (SUMS != size_t(n) / 2) fail("a product of another width than its name says");
  int flags[5];
  for (int i = 0; i < 5; i++) flags[i] = *static_cast<const int*>(all[SUMS + 2 + size_t(i)]);
  const uint64_t a = *static_cast<const unsigned long long*>(all[SUMS]);
  const uint64_t b = *static_cast<const unsigned long long*>(all[SUMS + 1]);
  wgmmaMultiply(n, value, sums, a, b, flags);
}

}  // namespace host

namespace ptx {

inline void mbarrier_init_shared_cta_b64(uint32_t at, uint32_t arrivals) { host::mbarrierInit(at, int(arrivals)); }
inline void fence_mbarrier_init_release_cluster() { host::mbarrierPublish(); }
inline void fence_proxy_async_shared_cta() {}
inline void fence_proxy_async_global() { host::fenceCopies(); }
inline void red_release_gpu_global_add_u32(unsigned* at, int) { host::counterArrive(at); }
inline void ld_acquire_gpu_global_u32(unsigned& seen, const unsigned* at) { seen = host::counterRead(at); }
inline void createpolicy_fractional_L2_evict_first_b64(unsigned long long& policy, double) { policy = 0; }
inline void mbarrier_arrive_shared_cta_b64(uint32_t at) { host::mbarrierArrive(at, 0); }
inline void cp_async_mbarrier_arrive_noinc_shared_cta_b64(uint32_t at) { host::mbarrierArriveCopied(at); }
inline void mbarrier_arrive_expect_tx_shared_cta_b64(uint32_t at, uint32_t bytes) { host::mbarrierArrive(at, bytes); }
inline void mbarrier_try_wait_parity_shared_cta_b64(uint32_t& over, uint32_t at, uint32_t parity) {
  over = host::mbarrierOver(at, parity);
}

#define RMXC_COORDINATES_2 int c0, int c1
#define RMXC_COORDINATES_3 int c0, int c1, int c2
#define RMXC_COORDINATES_4 int c0, int c1, int c2, int c3
#define RMXC_COORDINATES_5 int c0, int c1, int c2, int c3, int c4
#define RMXC_BULK_LOAD(rank, ...)                                                                                    \
  template <class Map> void cp_async_bulk_tensor_##rank##d_shared_cluster_global_mbarrier_complete_tx_bytes(         \
      uint32_t to, const Map* map, RMXC_COORDINATES_##rank, uint32_t barrier) {                                      \
    const int from[] = {__VA_ARGS__};                                                                                \
    host::bulkLoad(to, map, rank, from, barrier, 0);                                                                 \
  }                                                                                                                  \
  template <class Map>                                                                                               \
  void cp_async_bulk_tensor_##rank##d_shared_cluster_global_mbarrier_complete_tx_bytes_multicast_cluster(            \
      uint32_t to, const Map* map, RMXC_COORDINATES_##rank, uint32_t barrier, uint16_t blocks) {                     \
    const int from[] = {__VA_ARGS__};                                                                                \
    host::bulkLoad(to, map, rank, from, barrier, blocks);                                                            \
  }                                                                                                                  \
  template <class Map>                                                                                               \
  void cp_async_bulk_tensor_##rank##d_shared_cluster_global_mbarrier_complete_tx_bytes_L2_cache_hint(                \
      uint32_t to, const Map* map, RMXC_COORDINATES_##rank, uint32_t barrier, unsigned long long) {                  \
    const int from[] = {__VA_ARGS__};                                                                                \
    host::bulkLoad(to, map, rank, from, barrier, 0);                                                                 \
  }                                                                                                                  \
  template <class Map>                                                                                               \
  void cp_async_bulk_tensor_##rank##d_shared_cluster_global_mbarrier_complete_tx_bytes_multicast_cluster_L2_cache_hint( \
      uint32_t to, const Map* map, RMXC_COORDINATES_##rank, uint32_t barrier, uint16_t blocks, unsigned long long) { \
    const int from[] = {__VA_ARGS__};                                                                                \
    host::bulkLoad(to, map, rank, from, barrier, blocks);                                                            \
  }
RMXC_BULK_LOAD(2, c0, c1)
RMXC_BULK_LOAD(3, c0, c1, c2)
RMXC_BULK_LOAD(4, c0, c1, c2, c3)
RMXC_BULK_LOAD(5, c0, c1, c2, c3, c4)

inline void mapa_shared_cluster_u32(uint32_t& place, uint32_t at, uint32_t rank) { place = host::placeAt(at, rank); }
inline void mbarrier_arrive_release_cluster_shared_cluster_b64(uint32_t place) { host::mbarrierArriveAt(place); }
inline void barrier_cluster_arrive_release() {}
inline void barrier_cluster_wait_acquire() { host::clusterBarrier(); }

inline void wgmma_fence_sync_aligned() { host::wgmmaFence(); }
inline void wgmma_commit_group_sync_aligned() { host::wgmmaCommit(); }
inline void wgmma_wait_group_sync_aligned(int pending) { host::wgmmaWait(pending); }

#define RMXC_WGMMA(n, type)                                                                                          \
  template <class... Rest> void wgmma_mma_async_sync_aligned_m64n##n##k16_f32_##type##_##type(Rest&&... rest) {      \
    host::wgmma(n, of_##type, std::forward<Rest>(rest)...);                                                         \
  }
RMXC_WGMMA(64, f16)
RMXC_WGMMA(64, bf16)
RMXC_WGMMA(128, f16)
RMXC_WGMMA(128, bf16)
RMXC_WGMMA(256, f16)
RMXC_WGMMA(256, bf16)

inline void setmaxnreg_inc_sync_aligned_u32(int) { host::meet("setmaxnreg.inc", 0); }
inline void setmaxnreg_dec_sync_aligned_u32(int) { host::meet("setmaxnreg.dec", 0); }
inline void bar_sync(int, int threads) { host::namedBarrier(threads); }

}  // namespace ptx
