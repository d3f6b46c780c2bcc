#include "common/rpc/backoff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace layernas::rpc {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Le;

TEST(Backoff, DoublesUpToTheLongestAndStartsAnewAfterASuccess) {
  Backoff backoff(Millis(100), Millis(1000), 7);
  for (const int most : {100, 200, 400, 800, 1000, 1000}) {
    EXPECT_THAT(backoff.Next().count(), AllOf(Ge(most / 8), Le(most)));
  }
  backoff.Reset();
  EXPECT_THAT(backoff.Next().count(), AllOf(Ge(12), Le(100)));
}

TEST(Backoff, DifferentSeedsDrawDifferently) {
  Backoff one(Millis(10'000), Millis(10'000), 1);
  Backoff two(Millis(10'000), Millis(10'000), 2);
  EXPECT_NE(one.Next(), two.Next());
}

// Ten thousand workers whose controller goes down at 0 and comes back later. Checks when each of
// them retries first.
TEST(Backoff, AFleetDoesNotComeBackAtOnce) {
  constexpr int kWorkers = 10'000;
  for (const int back_ms : {500, 3'000, 60'000}) {
    std::map<std::int64_t, int> arrivals_per_second;
    for (int worker = 0; worker < kWorkers; ++worker) {
      Backoff backoff(Millis(1'000), Millis(10'000), static_cast<std::uint64_t>(worker));
      Millis now(0);
      while (now < Millis(back_ms)) now += backoff.Next();
      ++arrivals_per_second[now.count() / 1'000];
    }
    for (const auto& [second, arrivals] : arrivals_per_second) {
      EXPECT_LT(arrivals, back_ms < 1'000 ? kWorkers * 7 / 10 : kWorkers / 3) << second << " after " << back_ms;
    }
  }
}

}  // namespace
}  // namespace layernas::rpc
