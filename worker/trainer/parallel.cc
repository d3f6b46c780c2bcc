#include "worker/trainer/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace layernas::trainer {

void ForEachIndex(std::size_t count, int threads, const std::function<void(std::size_t index)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::size_t failed = count;
  std::exception_ptr failure;
  const auto run = [&] {
    for (std::size_t index = next++; index < count; index = next++) {
      try {
        work(index);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (index < failed) {
          failed = index;
          failure = std::current_exception();
        }
        next = count;
      }
    }
  };
  std::vector<std::thread> helpers;
  try {
    const auto wanted = std::min<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), count);
    while (helpers.size() + 1 < wanted) helpers.emplace_back(run);
  } catch (const std::system_error&) {
    // The number of threads is limited, so the existing threads do the work.
  }
  run();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace layernas::trainer
