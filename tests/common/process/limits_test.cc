#include "common/process/limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

namespace layernas {
namespace {

TEST(Limits, AsManyFilesMayBeOpenAsTheHardLimitAllows) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_GT(limit.rlim_max, 100u);
  limit.rlim_cur = 100;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  RaiseOpenFileLimit();
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 1 << 20));
}

}  // namespace
}  // namespace layernas
