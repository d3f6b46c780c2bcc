#include "controller/core/standings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/core/statistics.h"

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

constexpr double kTarget = 10;

TEST(Standings, WithoutFinalistsNothingIsRepeated) {
  Standings standings({}, {kTarget});
  standings.Add(1, {0.9, 5});
  EXPECT_EQ(standings.NextRepeat(), std::nullopt);
  const Standing standing = *standings.Of(1);
  EXPECT_EQ(standing.reward, 0.9);
  EXPECT_EQ(standing.cost, 5);
  EXPECT_EQ(standing.trainings, 1);
  EXPECT_EQ(standing.reward_deviation, 0);
  EXPECT_EQ(standings.Of(2), std::nullopt);
}

TEST(Standings, ASumThatIsRoundedMeetsItsTarget) {
  Standings standings({2, 100}, {0.3});
  standings.Add(1, {0.8, 0.25});
  standings.Add(2, {0.9, 0.1 + 0.2});
  EXPECT_THAT(standings.NextRepeat(), Optional(2u));
  EXPECT_THAT(standings.BestWithin(0.3, 2), ElementsAre(2, 1));
}

TEST(Standings, EqualResultsHaveTheirOwnMean) {
  for (const double value : {0.1, 0.7, 1e-300, 1.7e308, -0.3}) {
    for (const std::size_t count : {1u, 3u, 6u, 10u}) {
      EXPECT_EQ(Mean(std::vector<double>(count, value)), value) << count;
      EXPECT_EQ(Deviation(std::vector<double>(count, value)), 0) << value << " " << count;
    }
  }
  EXPECT_EQ(Mean({1, 2, 6}), 3);
  // So a repeat with the same values does not change the order: of two equally good candidates, the
  // cheaper one stays the best.
  Standings standings({3, 2}, {1});
  standings.Add(1, {0.7, 0.25});
  standings.Add(2, {0.7, 0.5});
  for (std::uint64_t repeat : {3u, 4u}) {
    EXPECT_THAT(standings.NextRepeat(), Optional(1u));
    standings.BeginRepeat(1);
    standings.EndRepeat(1, repeat, Outcome{0.7, 0.25});
  }
  EXPECT_THAT(standings.BestWithin(1, 1), ElementsAre(1));
  EXPECT_EQ(standings.Of(1)->reward, 0.7);
}

TEST(Standings, TheBestIsRepeatedUntilItHasAllItsTrainings) {
  Standings standings({3, 100}, {kTarget});
  standings.Add(1, {0.8, 5});
  standings.Add(2, {0.9, 5});
  // It misses the target.
  standings.Add(3, {1.0, 11});
  EXPECT_THAT(standings.NextRepeat(), Optional(2u));
  standings.BeginRepeat(2);
  standings.EndRepeat(2, 4, Outcome{0.86, 5});
  EXPECT_THAT(standings.NextRepeat(), Optional(2u));
  standings.BeginRepeat(2);
  standings.EndRepeat(2, 5, Outcome{0.82, 5});
  // The mean is 0.86. The next best, with one training, is worse.
  EXPECT_EQ(standings.NextRepeat(), std::nullopt);
  const Standing standing = *standings.Of(2);
  EXPECT_NEAR(standing.reward, 0.86, 1e-12);
  EXPECT_EQ(standing.trainings, 3);
  EXPECT_NEAR(standing.reward_deviation, 0.04, 1e-12);
  EXPECT_THAT(standings.RepeatsWithResult(2), ElementsAre(4, 5));
}

TEST(Standings, WhatFallsMakesRoomForTheNext) {
  Standings standings({2, 100}, {kTarget});
  standings.Add(1, {0.8, 5});
  standings.Add(2, {0.9, 6});
  standings.BeginRepeat(2);
  standings.EndRepeat(2, 3, Outcome{0.6, 6});
  EXPECT_THAT(standings.NextRepeat(), Optional(1u));
  // The candidate that 2 dominated is now better and cheaper.
  ASSERT_EQ(standings.frontier().points().size(), 1u);
  EXPECT_EQ(standings.frontier().points().at(5).candidate, 1u);
}

TEST(Standings, WhileTheBestIsRepeatedAnotherMayBe) {
  Standings standings({2, 100}, {kTarget});
  standings.Add(1, {0.8, 5});
  standings.Add(2, {0.9, 5});
  standings.BeginRepeat(2);
  EXPECT_THAT(standings.NextRepeat(), Optional(1u));
  standings.BeginRepeat(1);
  EXPECT_EQ(standings.NextRepeat(), std::nullopt);
  // Without results, the standings stay the same.
  standings.EndRepeat(1, 4, std::nullopt);
  standings.EndRepeat(2, 3, std::nullopt);
  EXPECT_EQ(standings.NextRepeat(), std::nullopt);
  EXPECT_EQ(standings.Of(2)->trainings, 1);
  EXPECT_EQ(standings.Of(2)->reward, 0.9);
}

TEST(Standings, TargetsTakeTurns) {
  Standings standings({2, 100}, {5, 10});
  standings.Add(1, {0.7, 4});
  standings.Add(2, {0.9, 9});
  EXPECT_THAT(standings.NextRepeat(), Optional(1u));
  standings.BeginRepeat(1);
  EXPECT_THAT(standings.NextRepeat(), Optional(2u));
}

TEST(Standings, WithoutTargetsTheFrontierIsRepeated) {
  Standings standings({2, 100}, {});
  standings.Add(1, {0.7, 4});
  standings.Add(2, {0.9, 9});
  standings.Add(3, {0.6, 5});
  EXPECT_THAT(standings.NextRepeat(), Optional(2u));
  standings.BeginRepeat(2);
  EXPECT_THAT(standings.NextRepeat(), Optional(1u));
  standings.BeginRepeat(1);
  // 3 is dominated.
  EXPECT_EQ(standings.NextRepeat(), std::nullopt);
}

TEST(Standings, NoMoreRepeatsThanAllowed) {
  Standings standings({20, 2}, {kTarget});
  standings.Add(1, {0.7, 4});
  for (std::uint64_t repeat = 2; repeat <= 3; ++repeat) {
    ASSERT_THAT(standings.NextRepeat(), Optional(1u));
    standings.BeginRepeat(1);
    standings.EndRepeat(1, repeat, Outcome{0.7, 4});
  }
  EXPECT_EQ(standings.NextRepeat(), std::nullopt);
}

TEST(Standings, TheMeanDoesNotDependOnTheArrival) {
  Standings one({4, 100}, {kTarget});
  Standings other({4, 100}, {kTarget});
  const Outcome results[] = {{0.1, 5}, {0.7, 5.3}, {1e-17, 5.1}, {0.3, 4.9}};
  one.Add(1, results[0]);
  other.Add(1, results[0]);
  for (const int i : {1, 2, 3}) {
    one.BeginRepeat(1);
    one.EndRepeat(1, i + 1, results[i]);
  }
  for (const int i : {3, 1, 2}) {
    other.BeginRepeat(1);
    other.EndRepeat(1, i + 1, results[i]);
  }
  EXPECT_EQ(one.Of(1)->reward, other.Of(1)->reward);
  EXPECT_EQ(one.Of(1)->cost, other.Of(1)->cost);
  EXPECT_THAT(other.RepeatsWithResult(1), ElementsAre(2, 3, 4));
}

}  // namespace
}  // namespace layernas::core
