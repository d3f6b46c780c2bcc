#include "common/base/crash_point.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace layernas {
namespace {

// Each case runs in its own process, because the environment is read only once.
void Pass(const char* plan, int times) {
  if (plan != nullptr) {
    setenv("LAYERNAS_CRASH_AT", plan, 1);
  } else {
    unsetenv("LAYERNAS_CRASH_AT");
  }
  for (int i = 0; i < times; ++i) {
    CrashPoint("here");
    CrashPoint("there");
  }
  std::_Exit(0);
}

TEST(CrashPointDeathTest, EndsTheProcessTheNthTime) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(Pass("here:1", 1), testing::ExitedWithCode(kCrashExitCode), "");
  EXPECT_EXIT(Pass("there:3", 3), testing::ExitedWithCode(kCrashExitCode), "");
}

TEST(CrashPointDeathTest, DoesNothingOtherwise) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const char* plan : {static_cast<const char*>(nullptr), "", "here", "here:", "here:0", "here:-1", "here:x",
                           "here:4", "elsewhere:1", ":1"}) {
    EXPECT_EXIT(Pass(plan, 3), testing::ExitedWithCode(0), "") << (plan == nullptr ? "none" : plan);
  }
}

}  // namespace
}  // namespace layernas
