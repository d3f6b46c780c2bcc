#include "worker/trainer/parallel.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>

namespace layernas::trainer {
namespace {

TEST(ForEachIndex, WorksOnAsManyThreadsAsItMay) {
  std::mutex mutex;
  std::condition_variable changed;
  int begun = 0;
  bool together = true;
  // Each call waits until all three have started. With one thread it would wait forever.
  ForEachIndex(3, 3, [&](std::size_t) {
    std::unique_lock<std::mutex> lock(mutex);
    ++begun;
    changed.notify_all();
    together = changed.wait_for(lock, std::chrono::seconds(20), [&] { return begun == 3; }) && together;
  });
  EXPECT_TRUE(together);
}

TEST(ForEachIndex, TheFirstFailureEndsIt) {
  for (const int threads : {1, 4}) {
    try {
      ForEachIndex(100, threads, [](std::size_t index) {
        if (index >= 7) throw std::runtime_error(std::to_string(index));
      });
      FAIL();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "7");
    }
  }
}

}  // namespace
}  // namespace layernas::trainer
