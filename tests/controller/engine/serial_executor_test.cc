#include "controller/engine/serial_executor.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <vector>

namespace layernas {
namespace {

TEST(SerialExecutor, RunsAllInOrderBeforeItEnds) {
  std::vector<int> ran;
  {
    SerialExecutor executor;
    for (int i = 0; i < 1000; ++i) executor.Post([&ran, i] { ran.push_back(i); });
  }
  std::vector<int> expected(1000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(ran, expected);
}

TEST(SerialExecutor, WorkMayPostMore) {
  int ran = 0;
  {
    SerialExecutor executor;
    executor.Post([&] { executor.Post([&ran] { ++ran; }); });
  }
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace layernas
