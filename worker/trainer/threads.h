// How many threads calculate: torch's own, and those of OpenBLAS, which torch calls for linear layers and does not
// limit.
#pragma once

namespace layernas::trainer {

// Sets both numbers, which are the process's. Not thread-safe.
void SetThreads(int threads);

// Number of threads of OpenBLAS. Returns 0 if the process has another BLAS, which is then torch's to limit (MKL) or has
// one thread (the reference BLAS).
int BlasThreads();

// Sets both numbers while it lives. At most one at a time.
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
