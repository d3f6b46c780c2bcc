// CPU time of the calling thread, which other processes hardly influence.
#pragma once

#include <ctime>
#include <functional>

namespace layernas {

// Returns the seconds of CPU time that `work` takes on this thread.
inline double CpuSecondsOf(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double begin = now();
  work();
  return now() - begin;
}

}  // namespace layernas
