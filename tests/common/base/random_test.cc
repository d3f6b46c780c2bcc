#include "common/base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace layernas {
namespace {

TEST(RandomStream, SameKeySameNumbers) {
  RandomStream a({7, 3});
  RandomStream b({7, 3});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Next(), b.Next());
}

// Stored searches draw from the same numbers after an upgrade, so they must not change.
TEST(RandomStream, NumbersNeverChange) {
  RandomStream stream({1, 2, 3});
  EXPECT_EQ(stream.Next(), 8137338547440760092u);
}

TEST(RandomStream, KeysThatDifferInOnePartOrInOrderDiffer) {
  EXPECT_NE(RandomStream({1, 2}).Next(), RandomStream({2, 1}).Next());
  EXPECT_NE(RandomStream({1, 2}).Next(), RandomStream({1, 3}).Next());
  EXPECT_NE(RandomStream({1}).Next(), RandomStream({1, 0}).Next());
}

TEST(RandomStream, BelowIsUniform) {
  RandomStream stream({42});
  std::vector<int> seen(7);
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) ++seen[stream.Below(7)];
  // With six degrees of freedom, chi-squared exceeds 22.5 with probability 0.001.
  double chi_squared = 0;
  for (const int count : seen) chi_squared += (count - kDraws / 7.0) * (count - kDraws / 7.0) / (kDraws / 7.0);
  EXPECT_LT(chi_squared, 22.5);
}

TEST(RandomStream, UniformStaysInRangeWithTheRightMean) {
  RandomStream stream({5});
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double draw = stream.Uniform();
    ASSERT_GE(draw, 0.0);
    ASSERT_LT(draw, 1.0);
    sum += draw;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.015);
}

TEST(RandomStream, NormalHasTheSharesOfTheNormalDistribution) {
  RandomStream stream({6});
  constexpr int kDraws = 100000;
  double sum = 0;
  int within_one = 0;
  int within_two = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double draw = stream.Normal();
    ASSERT_TRUE(std::isfinite(draw));
    sum += draw;
    within_one += std::abs(draw) < 1;
    within_two += std::abs(draw) < 2;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.015);
  EXPECT_NEAR(within_one / static_cast<double>(kDraws), 0.6827, 0.006);
  EXPECT_NEAR(within_two / static_cast<double>(kDraws), 0.9545, 0.003);
}

}  // namespace
}  // namespace layernas
