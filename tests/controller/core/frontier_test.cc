#include "controller/core/frontier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "common/base/random.h"

namespace layernas::core {
namespace {

// Cost, reward, candidate.
using Point = std::tuple<double, double, std::uint64_t>;

std::vector<Point> PointsOf(const Frontier& frontier) {
  std::vector<Point> points;
  for (const auto& [cost, point] : frontier.points()) points.emplace_back(cost, point.reward, point.candidate);
  return points;
}

// Returns true if `a` keeps `b` off the frontier: it is at least as good in both, and better in one
// or of a lower number.
bool Beats(const Point& a, const Point& b) {
  const auto& [a_cost, a_reward, a_candidate] = a;
  const auto& [b_cost, b_reward, b_candidate] = b;
  if (a_cost > b_cost || a_reward < b_reward) return false;
  return a_cost < b_cost || a_reward > b_reward || a_candidate < b_candidate;
}

std::vector<Point> BruteForce(std::vector<Point> all) {
  std::vector<Point> frontier;
  for (const Point& one : all) {
    bool beaten = false;
    for (const Point& other : all) beaten = beaten || Beats(other, one);
    if (!beaten) frontier.push_back(one);
  }
  std::sort(frontier.begin(), frontier.end());
  return frontier;
}

TEST(Frontier, StartsEmpty) {
  const Frontier frontier;
  EXPECT_TRUE(frontier.points().empty());
  EXPECT_FALSE(frontier.BestWithin(1e300).has_value());
}

TEST(Frontier, DropsWhatANewPointDominates) {
  Frontier frontier;
  EXPECT_TRUE(frontier.Insert(5, {1, 0.5}));
  EXPECT_TRUE(frontier.Insert(7, {2, 0.6}));
  EXPECT_TRUE(frontier.Insert(9, {3, 0.9}));
  EXPECT_TRUE(frontier.Insert(4, {4, 0.6}));
  EXPECT_EQ(PointsOf(frontier), (std::vector<Point>{{4, 0.6, 4}, {9, 0.9, 3}}));
}

TEST(Frontier, ASumThatIsRoundedMeetsItsTarget) {
  Frontier frontier;
  frontier.Insert(0.25, {1, 0.5});
  frontier.Insert(0.1 + 0.2, {2, 0.6});
  ASSERT_TRUE(frontier.BestWithin(0.3).has_value());
  EXPECT_EQ(frontier.BestWithin(0.3)->second.candidate, 2u);
  // Targets do not influence domination.
  frontier.Insert(0.3, {3, 0.6});
  EXPECT_EQ(PointsOf(frontier), (std::vector<Point>{{0.25, 0.5, 1}, {0.3, 0.6, 3}}));
}

TEST(Frontier, RefusesDominatedPoints) {
  Frontier frontier;
  frontier.Insert(5, {1, 0.5});
  EXPECT_FALSE(frontier.Insert(6, {2, 0.5}));
  EXPECT_FALSE(frontier.Insert(5, {3, 0.4}));
  EXPECT_FALSE(frontier.Insert(5, {4, 0.5}));
  EXPECT_EQ(PointsOf(frontier), (std::vector<Point>{{5, 0.5, 1}}));
}

TEST(Frontier, OfEqualPointsTheLowerCandidateStays) {
  Frontier frontier;
  EXPECT_TRUE(frontier.Insert(5, {4, 0.5}));
  EXPECT_TRUE(frontier.Insert(5, {2, 0.5}));
  EXPECT_FALSE(frontier.Insert(5, {3, 0.5}));
  EXPECT_EQ(PointsOf(frontier), (std::vector<Point>{{5, 0.5, 2}}));
}

TEST(Frontier, BestWithinIncludesTheTargetItself) {
  Frontier frontier;
  frontier.Insert(5, {1, 0.5});
  frontier.Insert(9, {2, 0.9});
  EXPECT_FALSE(frontier.BestWithin(4.99).has_value());
  EXPECT_EQ(frontier.BestWithin(5)->second.candidate, 1u);
  EXPECT_EQ(frontier.BestWithin(8.99)->second.candidate, 1u);
  EXPECT_EQ(frontier.BestWithin(9)->second.candidate, 2u);
  EXPECT_EQ(frontier.BestWithin(9)->first, 9);
  EXPECT_EQ(frontier.BestWithin(1e9)->second.candidate, 2u);
}

TEST(Frontier, EqualsBruteForceInAnyOrderOfInsertion) {
  RandomStream random({1});
  for (int round = 0; round < 500; ++round) {
    std::vector<Point> all;
    const std::size_t count = random.Below(40);
    // From many ties to almost none.
    const std::uint64_t distinct = 3 + random.Below(200);
    for (std::size_t i = 0; i < count; ++i) {
      all.emplace_back(random.Below(distinct), random.Below(distinct), i + 1);
    }
    const std::vector<Point> expected = BruteForce(all);
    for (int order = 0; order < 3; ++order) {
      Shuffle(all, random);
      Frontier frontier;
      std::vector<Point> inserted;
      for (const auto& [cost, reward, candidate] : all) {
        inserted.emplace_back(cost, reward, candidate);
        const std::vector<Point> now = BruteForce(inserted);
        const bool on_it = std::find(now.begin(), now.end(), inserted.back()) != now.end();
        ASSERT_EQ(frontier.Insert(cost, {candidate, reward}), on_it);
        ASSERT_EQ(PointsOf(frontier), now);
      }
      ASSERT_EQ(PointsOf(frontier), expected);

      const double target = random.Below(distinct);
      std::optional<double> best;
      for (const auto& [cost, reward, candidate] : all) {
        if (cost <= target && (!best || reward > *best)) best = reward;
      }
      const auto found = frontier.BestWithin(target);
      ASSERT_EQ(found.has_value(), best.has_value());
      if (found) {
        ASSERT_EQ(found->second.reward, *best);
        ASSERT_LE(found->first, target);
      }
    }
  }
}

}  // namespace
}  // namespace layernas::core
