#include "worker/trainer/threads.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

namespace layernas::trainer {
namespace {

void SetBlasThreads(int threads) {
  using Function = void (*)(int);
  // The function is looked up at run time, because the trainer works with any BLAS.
  static const auto set = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set != nullptr && threads > 0) set(threads);
}

}  // namespace

int BlasThreads() {
  using Function = int (*)();
  static const auto get = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, "openblas_get_num_threads"));
  return get == nullptr ? 0 : get();
}

void SetThreads(int threads) {
  at::set_num_threads(threads);
  SetBlasThreads(threads);
}

ThreadCount::ThreadCount(int threads) : torch_before_(at::get_num_threads()), blas_before_(BlasThreads()) {
  SetThreads(threads);
}

ThreadCount::~ThreadCount() {
  at::set_num_threads(torch_before_);
  SetBlasThreads(blas_before_);
}

}  // namespace layernas::trainer
