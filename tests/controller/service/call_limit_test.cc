#include "controller/service/call_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CallLimit, BeginsAtMostSoManyAndTakesCallersInTurn) {
  CallLimit limit(2, 3);
  std::vector<std::string> begun;
  const auto begin = [&](const std::string& caller, const std::string& call) {
    return limit.Begin(caller, [&begun, call] { begun.push_back(call); });
  };
  EXPECT_TRUE(begin("ann", "ann 1").ok());
  EXPECT_TRUE(begin("ann", "ann 2").ok());
  EXPECT_THAT(begun, ElementsAre("ann 1", "ann 2"));
  for (const char* call : {"ann 3", "ann 4", "ann 5"}) EXPECT_TRUE(begin("ann", call).ok());
  const absl::Status refused = begin("ann", "ann 6");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("3 calls of ann already wait"));
  EXPECT_TRUE(begin("bob", "bob 1").ok());
  EXPECT_EQ(begun.size(), 2U);
  for (int i = 0; i < 6; ++i) limit.Done();
  EXPECT_THAT(begun, ElementsAre("ann 1", "ann 2", "bob 1", "ann 3", "ann 4", "ann 5"));
}

// As calls whose callers have gone. However many they are, none begins within another one.
TEST(CallLimit, CallsMayEndWhileTheyBegin) {
  CallLimit limit(1, 100'000);
  int depth = 0;
  int deepest = 0;
  int begun = 0;
  const auto begin = [&] {
    deepest = std::max(deepest, ++depth);
    ++begun;
    limit.Done();
    --depth;
  };
  EXPECT_TRUE(limit.Begin("ann", [] {}).ok());
  for (int i = 0; i < 100'000; ++i) EXPECT_TRUE(limit.Begin("ann", begin).ok());
  limit.Done();
  EXPECT_EQ(begun, 100'000);
  EXPECT_EQ(deepest, 1);
}

}  // namespace
}  // namespace layernas
