#include "common/rpc/backoff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layernas::rpc {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Le;

TEST(Backoff, DoublesUpToTheLongestAndStartsAnewAfterASuccess) {
  Backoff backoff(Millis(100), Millis(1000), 7);
  for (const int most : {100, 200, 400, 800, 1000, 1000}) {
    EXPECT_THAT(backoff.Next().count(), AllOf(Ge(most / 2), Le(most)));
  }
  backoff.Reset();
  EXPECT_THAT(backoff.Next().count(), AllOf(Ge(50), Le(100)));
}

TEST(Backoff, DifferentSeedsDrawDifferently) {
  Backoff one(Millis(10'000), Millis(10'000), 1);
  Backoff two(Millis(10'000), Millis(10'000), 2);
  EXPECT_NE(one.Next(), two.Next());
}

}  // namespace
}  // namespace layernas::rpc
