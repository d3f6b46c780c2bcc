#include "controller/core/buckets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "common/base/random.h"

namespace layernas::core {
namespace {

using ::testing::ElementsAre;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

BucketOptions Count(int count, BucketScale scale = BucketScale::kLinear) {
  BucketOptions options;
  options.count = count;
  options.scale = scale;
  return options;
}

BucketOptions Count(int count, std::optional<double> min, std::optional<double> max) {
  BucketOptions options = Count(count);
  options.min = min;
  options.max = max;
  return options;
}

BucketEdges At(std::vector<double> edges) {
  BucketOptions options;
  options.edges = std::move(edges);
  return BucketEdges::Make(options, 0, 0);
}

std::vector<Evaluated> RandomEvaluated(RandomStream& random, std::size_t count) {
  std::vector<Evaluated> all;
  for (std::size_t i = 0; i < count; ++i) {
    // There are few distinct rewards and costs, so ties are common.
    all.push_back({{static_cast<OptionIndex>(i / 7), static_cast<OptionIndex>(i % 7)},
                   static_cast<double>(random.Below(4)),
                   static_cast<double>(random.Below(10))});
  }
  return all;
}

TEST(Better, HigherRewardThenLowerCostThenLowerArchitecture) {
  EXPECT_TRUE(Better({{1}, 0.9, 5}, {{0}, 0.8, 1}));
  EXPECT_TRUE(Better({{1}, 0.9, 4}, {{0}, 0.9, 5}));
  EXPECT_TRUE(Better({{0, 2}, 0.9, 5}, {{1, 0}, 0.9, 5}));
  EXPECT_FALSE(Better({{0}, 0.9, 5}, {{0}, 0.9, 5}));
}

TEST(Better, IsATotalOrder) {
  RandomStream random({1});
  const std::vector<Evaluated> all = RandomEvaluated(random, 30);
  for (const Evaluated& a : all) {
    for (const Evaluated& b : all) {
      EXPECT_EQ(Better(a, b) || Better(b, a), a != b);
      EXPECT_FALSE(Better(a, b) && Better(b, a));
      for (const Evaluated& c : all) {
        EXPECT_TRUE(!Better(a, b) || !Better(b, c) || Better(a, c));
      }
    }
  }
}

TEST(BucketEdges, DefaultIsOneBucket) {
  const BucketEdges edges;
  EXPECT_EQ(edges.count(), 1u);
  EXPECT_EQ(edges.IndexOf(-1e300), 0u);
  EXPECT_EQ(edges.IndexOf(1e300), 0u);
  EXPECT_EQ(edges.Range(0), std::pair(-kInfinity, kInfinity));
}

TEST(BucketEdges, LinearBucketsAreEquallyWideAndLowerEdgesInclusive) {
  const BucketEdges edges = BucketEdges::Make(Count(4), 0, 8);
  ASSERT_EQ(edges.count(), 4u);
  EXPECT_EQ(edges.Range(0), std::pair(-kInfinity, 2.0));
  EXPECT_EQ(edges.Range(1), std::pair(2.0, 4.0));
  EXPECT_EQ(edges.Range(2), std::pair(4.0, 6.0));
  EXPECT_EQ(edges.Range(3), std::pair(6.0, kInfinity));
  EXPECT_EQ(edges.IndexOf(1.999), 0u);
  EXPECT_EQ(edges.IndexOf(2), 1u);
}

TEST(BucketEdges, CostsOutsideFallIntoTheOutermost) {
  const BucketEdges edges = BucketEdges::Make(Count(4), 10, 18);
  EXPECT_EQ(edges.IndexOf(-100), 0u);
  EXPECT_EQ(edges.IndexOf(9.99), 0u);
  EXPECT_EQ(edges.IndexOf(18), 3u);
  EXPECT_EQ(edges.IndexOf(1e9), 3u);
}

TEST(BucketEdges, LogarithmicBucketsHaveEqualRatios) {
  const BucketEdges edges = BucketEdges::Make(Count(3, BucketScale::kLogarithmic), 1, 1000);
  ASSERT_EQ(edges.count(), 3u);
  EXPECT_NEAR(edges.Range(0).second, 10, 1e-9);
  EXPECT_NEAR(edges.Range(1).second, 100, 1e-9);
  EXPECT_EQ(edges.IndexOf(9), 0u);
  EXPECT_EQ(edges.IndexOf(11), 1u);
  EXPECT_EQ(edges.IndexOf(101), 2u);
}

TEST(BucketEdges, ExplicitEdgesWinOverEverythingElse) {
  BucketOptions options = Count(50, 0, 1);
  options.edges = {3, 7.5};
  const BucketEdges edges = BucketEdges::Make(options, 0, 100);
  ASSERT_EQ(edges.count(), 3u);
  EXPECT_EQ(edges.Range(1), std::pair(3.0, 7.5));
  EXPECT_EQ(edges.IndexOf(2.9), 0u);
  EXPECT_EQ(edges.IndexOf(3), 1u);
  EXPECT_EQ(edges.IndexOf(7.5), 2u);
}

TEST(BucketEdges, OwnMinAndMaxWinOverTheDefaults) {
  EXPECT_EQ(BucketEdges::Make(Count(2, 4, 6), 0, 100).Range(0).second, 5);
  EXPECT_EQ(BucketEdges::Make(Count(2, std::nullopt, 6), 0, 100).Range(0).second, 3);
  EXPECT_EQ(BucketEdges::Make(Count(2, 50, std::nullopt), 0, 100).Range(0).second, 75);
}

TEST(BucketEdges, AnEmptyRangeOrACountOfOneMakesOneBucket) {
  EXPECT_EQ(BucketEdges::Make(Count(20), 5, 5).count(), 1u);
  EXPECT_EQ(BucketEdges::Make(Count(20, 6, std::nullopt), 0, 5).count(), 1u);
  EXPECT_EQ(BucketEdges::Make(Count(20, BucketScale::kLogarithmic), 5, 5).count(), 1u);
  EXPECT_EQ(BucketEdges::Make(Count(1), 0, 5).count(), 1u);
}

TEST(BucketEdges, IndexAndRangeAgree) {
  RandomStream random({2});
  for (int round = 0; round < 200; ++round) {
    const double min = 0.1 + random.Uniform();
    const BucketEdges edges =
        BucketEdges::Make(Count(1 + static_cast<int>(random.Below(40)),
                                round % 2 == 0 ? BucketScale::kLinear : BucketScale::kLogarithmic),
                          min, min + 3 * random.Uniform());
    for (std::size_t i = 0; i < edges.count(); ++i) {
      const auto [low, high] = edges.Range(i);
      ASSERT_LT(low, high);
      ASSERT_EQ(edges.IndexOf(low), i);
      ASSERT_EQ(edges.IndexOf(high), std::min(i + 1, edges.count() - 1));
    }
  }
}

TEST(BucketTable, KeepsTheBestOfEachBucket) {
  BucketTable table(At({10}), 1);
  table.Insert({{0}, 0.5, 3});
  table.Insert({{1}, 0.7, 4});
  table.Insert({{2}, 0.6, 12});
  table.Insert({{3}, 0.1, 2});
  EXPECT_EQ(table.size(), 2u);
  EXPECT_THAT(table.Bucket(0), ElementsAre(Evaluated{{1}, 0.7, 4}));
  EXPECT_THAT(table.Bucket(1), ElementsAre(Evaluated{{2}, 0.6, 12}));
}

TEST(BucketTable, ReplicasAreOrderedBestFirst) {
  BucketTable table(BucketEdges(), 3);
  table.Insert({{0}, 0.5, 3});
  table.Insert({{1}, 0.7, 4});
  table.Insert({{2}, 0.7, 2});
  table.Insert({{3}, 0.6, 9});
  EXPECT_EQ(table.size(), 3u);
  EXPECT_THAT(table.Bucket(0), ElementsAre(Evaluated{{2}, 0.7, 2}, Evaluated{{1}, 0.7, 4}, Evaluated{{3}, 0.6, 9}));
}

TEST(BucketTable, EntriesComeCheapestBucketFirst) {
  BucketTable table(At({10, 20}), 2);
  table.Insert({{0}, 0.9, 25});
  table.Insert({{1}, 0.1, 5});
  table.Insert({{2}, 0.2, 6});
  EXPECT_THAT(table.Entries(), ElementsAre(Evaluated{{2}, 0.2, 6}, Evaluated{{1}, 0.1, 5}, Evaluated{{0}, 0.9, 25}));
}

TEST(BucketTable, IsTheBestOfAllWhateverTheOrderOfInsertion) {
  RandomStream random({3});
  for (int round = 0; round < 300; ++round) {
    const BucketEdges edges = BucketEdges::Make(Count(1 + static_cast<int>(random.Below(6))), 0, 10);
    const std::size_t replicas = 1 + random.Below(4);
    std::vector<Evaluated> all = RandomEvaluated(random, random.Below(40));

    BucketTable table(edges, static_cast<int>(replicas));
    for (const Evaluated& one : all) table.Insert(one);

    std::size_t total = 0;
    for (std::size_t i = 0; i < edges.count(); ++i) {
      std::vector<Evaluated> expected;
      for (const Evaluated& one : all) {
        if (edges.IndexOf(one.cost) == i) expected.push_back(one);
      }
      std::sort(expected.begin(), expected.end(), Better);
      expected.resize(std::min(expected.size(), replicas));
      total += expected.size();
      ASSERT_THAT(table.Bucket(i), ::testing::ElementsAreArray(expected));
    }
    ASSERT_EQ(table.size(), total);

    Shuffle(all, random);
    BucketTable shuffled(edges, static_cast<int>(replicas));
    for (const Evaluated& one : all) shuffled.Insert(one);
    ASSERT_EQ(shuffled.Entries(), table.Entries());
  }
}

}  // namespace
}  // namespace layernas::core
