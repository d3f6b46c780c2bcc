#include "common/process/limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "common/process/child_process.h"

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

  // Children get the limit that this process was started with.
  ChildOptions options;
  options.argv = {"/bin/sh", "-c", "ulimit -Sn"};
  const auto child = ChildProcess::Start(std::move(options));
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_EQ(*(*child)->ReadLine(Millis(60'000), 1'000), "100");
}

}  // namespace
}  // namespace layernas
