#include "controller/core/early_stop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace layernas::core {
namespace {

using ::testing::DoubleNear;
using ::testing::Optional;

// Rises by `step` each epoch.
Curve Line(float step, int epochs) {
  Curve curve;
  for (int epoch = 1; epoch <= epochs; ++epoch) curve.push_back({epoch, step * static_cast<float>(epoch)});
  return curve;
}

TEST(MedianRuleTest, WaitsForEnoughToCompareWith) {
  MedianRule rule({3, 1});
  rule.Add(1, 10, Line(0.1f, 5), 0.5);
  rule.Add(2, 10, Line(0.1f, 5), 0.5);
  EXPECT_FALSE(rule.Judge(10, Line(0.01f, 2)));
  rule.Add(3, 10, Line(0.1f, 5), 0.5);
  EXPECT_TRUE(rule.Judge(10, Line(0.01f, 2)));
}

TEST(MedianRuleTest, WithoutAnyToCompareWithStopsNothing) {
  MedianRule rule({});
  for (std::uint64_t i = 1; i <= 10; ++i) rule.Add(i, 10, Line(0.1f, 5), 0.5);
  EXPECT_FALSE(rule.Judge(10, Line(0.01f, 2)));
}

TEST(MedianRuleTest, LeavesEachTrainingItsFirstEpochs) {
  MedianRule rule({1, 3});
  rule.Add(1, 10, Line(0.1f, 5), 0.5);
  EXPECT_FALSE(rule.Judge(10, {}));
  EXPECT_FALSE(rule.Judge(10, Line(0.01f, 2)));
  EXPECT_TRUE(rule.Judge(10, Line(0.01f, 3)));
}

TEST(MedianRuleTest, ComparesTheBestSoFarWithTheMedianAtTheSameEpoch) {
  MedianRule rule({3, 1});
  rule.Add(1, 10, Line(0.10f, 5), 0.5);
  rule.Add(2, 10, Line(0.12f, 5), 0.6);
  rule.Add(3, 10, Line(0.14f, 5), 0.7);
  EXPECT_TRUE(rule.Judge(10, {{1, 0.1f}, {2, 0.23f}}));
  EXPECT_FALSE(rule.Judge(10, {{1, 0.1f}, {2, 0.25f}}));
  // It was better before.
  EXPECT_FALSE(rule.Judge(10, {{1, 0.3f}, {2, 0.2f}}));
}

TEST(MedianRuleTest, ComparesWithTheNearestInCostAlone) {
  MedianRule rule({2, 1});
  rule.Add(1, 10, Line(0.1f, 5), 0.5);
  rule.Add(2, 11, Line(0.1f, 5), 0.5);
  rule.Add(3, 50, Line(0.3f, 5), 1.5);
  rule.Add(4, 51, Line(0.3f, 5), 1.5);
  EXPECT_FALSE(rule.Judge(9, Line(0.2f, 2)));
  EXPECT_FALSE(rule.Judge(20, Line(0.2f, 2)));
  EXPECT_TRUE(rule.Judge(40, Line(0.2f, 2)));
  EXPECT_TRUE(rule.Judge(60, Line(0.2f, 2)));
}

TEST(MedianRuleTest, WhatWasStoppedCountsWithTheLastThatItReached) {
  MedianRule rule({3, 1});
  rule.Add(1, 10, Line(0.1f, 5), 0.5);
  rule.Add(2, 10, Line(0.05f, 2), std::nullopt);
  rule.Add(3, 10, Line(0.05f, 2), std::nullopt);
  // At epoch 5 they are still at 0.1. Without them the median would be 0.5.
  EXPECT_FALSE(rule.Judge(10, Line(0.03f, 5)));
  EXPECT_TRUE(rule.Judge(10, Line(0.01f, 5)));
}

TEST(MedianRuleTest, ExpectsWhatTheOthersWentOnTo) {
  MedianRule rule({4, 1});
  // The final reward is twice the reward after two epochs.
  for (std::uint64_t i = 1; i <= 4; ++i) {
    const auto at_two = 0.1f * static_cast<float>(i);
    rule.Add(i, 10, {{2, at_two}, {5, 2 * at_two}}, 0.2 * static_cast<double>(i));
  }
  EXPECT_THAT(rule.Judge(10, {{2, 0.15f}}), Optional(DoubleNear(0.3, 1e-6)));
}

TEST(MedianRuleTest, ExpectsNoMoreThanWhatOthersHaveOnAverage) {
  MedianRule rule({2, 1});
  // Curves that started well ended badly.
  rule.Add(1, 10, {{1, 0.2f}}, 0.6);
  rule.Add(2, 10, {{1, 0.4f}}, 0.4);
  EXPECT_THAT(rule.Judge(10, {{1, 0.1f}}), Optional(DoubleNear(0.4, 1e-6)));
}

// An estimate that beats a real result would take its place in a bucket.
TEST(MedianRuleTest, ExpectsLessThanEachResultThatWasAhead) {
  MedianRule rule({3, 1});
  rule.Add(1, 10, {{1, 0.4f}, {3, 0.8f}}, 0.8);
  rule.Add(2, 10, {{1, 0.3f}}, std::nullopt);
  rule.Add(3, 10, {{1, 0.2f}}, std::nullopt);
  // One result does not show what a difference becomes.
  EXPECT_THAT(rule.Judge(10, {{1, 0.001f}}), Optional(DoubleNear(0.401, 1e-6)));
  MedianRule equal({3, 1});
  for (std::uint64_t i = 1; i <= 3; ++i) equal.Add(i, 10, {{1, 0.4f}}, 0.7);
  EXPECT_THAT(equal.Judge(10, {{1, 0.1f}}), Optional(DoubleNear(0.4, 1e-6)));
  MedianRule flat({2, 1});
  flat.Add(1, 10, {{1, 0.4f}}, 0.7);
  flat.Add(2, 10, {{1, 0.5f}}, 0.7);
  const std::optional<double> estimate = flat.Judge(10, {{1, 0.1f}});
  ASSERT_TRUE(estimate);
  EXPECT_LT(*estimate, 0.7);
}

TEST(MedianRuleTest, ATrainingThatCollapsedLowersNoEstimateToItsOwnResult) {
  MedianRule rule({3, 1});
  rule.Add(1, 10, {{2, 0.7f}}, 0.9);
  rule.Add(2, 10, {{2, 0.71f}}, 0.91);
  rule.Add(3, 10, {{2, 0.73f}}, 0.1);
  // The line through the three falls, so it is flat.
  EXPECT_THAT(rule.Judge(10, {{2, 0.65f}}), Optional(DoubleNear((0.9 + 0.91 + 0.1) / 3, 1e-6)));
}

TEST(MedianRuleTest, DoesNotDependOnTheOrderOfArrival) {
  std::mt19937 random(3);
  struct Training {
    std::uint64_t number;
    double cost;
    Curve curve;
    std::optional<double> reward;
  };
  std::vector<Training> trainings;
  for (std::uint64_t number = 1; number <= 60; ++number) {
    const auto step = static_cast<float>(random() % 100) / 100;
    const bool stopped = random() % 3 == 0;
    trainings.push_back({number, static_cast<double>(random() % 8), Line(step, stopped ? 2 : 6),
                         stopped ? std::nullopt : std::optional<double>(6 * step)});
  }
  MedianRule first({7, 1});
  for (const Training& one : trainings) first.Add(one.number, one.cost, one.curve, one.reward);
  std::shuffle(trainings.begin(), trainings.end(), random);
  MedianRule second({7, 1});
  for (const Training& one : trainings) second.Add(one.number, one.cost, one.curve, one.reward);
  for (int cost = -1; cost < 10; ++cost) {
    for (int epoch = 1; epoch < 7; ++epoch) {
      const Curve curve = Line(0.3f, epoch);
      EXPECT_EQ(first.Judge(cost, curve), second.Judge(cost, curve)) << cost << " " << epoch;
    }
  }
}

}  // namespace
}  // namespace layernas::core
