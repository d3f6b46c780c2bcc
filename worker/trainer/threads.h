// The number of threads that calculate: torch's own, and those of OpenBLAS, which torch calls for
// linear layers without limiting them.
#pragma once

namespace layernas::trainer {

// Sets both numbers for the whole process. Not thread-safe.
void SetThreads(int threads);

// Returns the number of threads of OpenBLAS. Returns 0 if the process has another BLAS. Torch
// limits that one (MKL), or it has one thread (the reference BLAS).
int BlasThreads();

// Changes both numbers while it exists. At most one may exist at a time.
class ThreadCount {
 public:
  explicit ThreadCount(int threads);
  ~ThreadCount();
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  const int torch_before_;
  const int blas_before_;
};

}  // namespace layernas::trainer
