#include "controller/core/evaluation_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::vector<std::pair<std::string, double>> Entries(const Metrics& metrics) {
  std::vector<std::pair<std::string, double>> entries;
  for (const auto& [name, value] : metrics) entries.emplace_back(name, value);
  return entries;
}

TEST(Metrics, AreOrderedByNameEachNameOnce) {
  const Metrics metrics = {{"b", 1}, {"a", 2}, {"b", 3}};
  EXPECT_THAT(Entries(metrics), ElementsAre(Pair("a", 2), Pair("b", 3)));
  EXPECT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics.Find("b"), 3);
  EXPECT_EQ(metrics.Find("c"), std::nullopt);
  EXPECT_EQ(metrics, (Metrics{{"a", 2}, {"b", 3}}));
  EXPECT_FALSE(metrics == (Metrics{{"a", 2}, {"c", 3}}));
  EXPECT_FALSE(metrics == (Metrics{{"a", 2}}));
}

TEST(Metrics, MayBeNone) {
  Metrics metrics;
  EXPECT_TRUE(metrics.empty());
  EXPECT_THAT(Entries(metrics), IsEmpty());
  EXPECT_EQ(metrics.Find("a"), std::nullopt);
  EXPECT_EQ(metrics, Metrics());
  metrics.ShareNames({{"a", 1}});
  EXPECT_TRUE(metrics.empty());
}

TEST(Metrics, AreSetOneByOne) {
  Metrics metrics;
  metrics.Set("b", 1);
  metrics.Set("a", 2);
  metrics.Set("b", 3);
  EXPECT_EQ(metrics, (Metrics{{"a", 2}, {"b", 3}}));
}

TEST(Metrics, EqualNamesAreShared) {
  const Metrics first = {{"a", 1}, {"b", 2}};
  Metrics second = {{"b", 3}, {"a", 4}};
  EXPECT_FALSE(second.SharesNames(first));
  second.ShareNames(first);
  EXPECT_TRUE(second.SharesNames(first));
  EXPECT_EQ(second, (Metrics{{"a", 4}, {"b", 3}}));
  // Changing one copy does not change the other.
  second.Set("c", 5);
  EXPECT_EQ(first, (Metrics{{"a", 1}, {"b", 2}}));
  Metrics other = {{"x", 1}};
  other.ShareNames(first);
  EXPECT_EQ(other, (Metrics{{"x", 1}}));
}

TEST(Metrics, NotANumberEqualsNothing) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE((Metrics{{"a", nan}}) == (Metrics{{"a", nan}}));
}

}  // namespace
}  // namespace layernas::core
