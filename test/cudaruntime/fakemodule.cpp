// What the fake driver calls of a kernel that was compiled for the host; the kernel itself is in `kernels`, one of them.
#define main unused_main
#include "scheduler.cpp"
#undef main

extern "C" {

extern const int fake_arity;
extern const int fake_maps;
extern const char fake_name[];

int fake_kernel_threads() { return kernels[0].threads; }
/** Bindings, and the call. */
int fake_kernel_arity() { return fake_arity; }
/** Tensor maps behind the call. */
int fake_kernel_maps() { return fake_maps; }
/** Whether its blocks must run at one time. */
int fake_kernel_together() { return kernels[0].together; }
const char* fake_kernel_name() { return fake_name; }
void fake_kernel_launch(unsigned x, unsigned y, void** parameters) {
  host::Arguments given = {};
  for (int i = 0; i < fake_arity - 1; i++) std::memcpy(&given.bindings[i], parameters[i], sizeof(void*));
  given.count = size_t(fake_arity - 1);
  for (int i = 0; i < fake_maps; i++) std::memcpy(&given.maps[i], parameters[fake_arity + i], sizeof given.maps[i]);
  std::memcpy(&given.call, parameters[fake_arity - 1], sizeof given.call);
  host::launch(kernels[0], {x, y, 1}, given);
}

}  // extern "C"
