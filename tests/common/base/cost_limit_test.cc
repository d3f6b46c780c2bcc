#include "common/base/cost_limit.h"

#include <gtest/gtest.h>

#include <limits>

namespace layernas {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(CostLimit, ASumThatIsRoundedMeetsItsLimit) {
  ASSERT_GT(0.1 + 0.2, 0.3);
  EXPECT_TRUE(MeetsLimit(0.1 + 0.2, 0.3));
  EXPECT_TRUE(MeetsLimit(1e15 * (0.1 + 0.2), 1e15 * 0.3));
}

TEST(CostLimit, ToleratesABillionth) {
  EXPECT_TRUE(MeetsLimit(100, 100));
  EXPECT_TRUE(MeetsLimit(100 + 0.9e-7, 100));
  EXPECT_FALSE(MeetsLimit(100 + 1.1e-7, 100));
  // For example the logarithm of a cost.
  EXPECT_TRUE(MeetsLimit(-100 + 0.9e-7, -100));
  EXPECT_FALSE(MeetsLimit(-100 + 1.1e-7, -100));
}

TEST(CostLimit, OfNothingIsNothing) {
  EXPECT_TRUE(MeetsLimit(0, 0));
  EXPECT_FALSE(MeetsLimit(1e-300, 0));
}

TEST(CostLimit, MayBeInfinite) {
  EXPECT_TRUE(MeetsLimit(1e300, kInfinity));
  EXPECT_TRUE(MeetsLimit(kInfinity, kInfinity));
  EXPECT_FALSE(MeetsLimit(-1e300, -kInfinity));
}

}  // namespace
}  // namespace layernas
