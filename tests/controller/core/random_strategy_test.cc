#include "controller/core/strategies/random_strategy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/controller/core/strategy_runs.h"

namespace layernas::core {
namespace {

Space Uniform(std::size_t layers, OptionIndex options) {
  Space space;
  space.layers.assign(layers, {"layer", options, 0, {}});
  return space;
}

// Returns at most `most` proposals, or fewer if the strategy ends before.
std::vector<Architecture> Draw(RandomStrategy& strategy, std::size_t most = 1'000'000) {
  std::vector<Architecture> drawn;
  while (drawn.size() < most) {
    const std::optional<Proposal> proposal = strategy.Propose();
    if (!proposal) break;
    EXPECT_EQ(proposal->position, Position());
    drawn.push_back(proposal->architecture);
  }
  return drawn;
}

TEST(RandomStrategy, DrawsUniformly) {
  const Space space = Uniform(2, 4);
  std::map<Architecture, int> drawn;
  constexpr int kSeeds = 16'000;
  for (int seed = 0; seed < kSeeds; ++seed) {
    RandomStrategy strategy(space, {}, seed);
    ++drawn[strategy.Propose()->architecture];
  }
  // With fifteen degrees of freedom, chi-squared exceeds 37.7 with probability 0.001.
  double chi_squared = 0;
  for (const auto& [architecture, count] : drawn) chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_EQ(drawn.size(), 16u);
  EXPECT_LT(chi_squared, 37.7);
}

TEST(RandomStrategy, TheSeedDecides) {
  const Space space = Uniform(10, 5);
  RandomStrategy a(space, {}, 7);
  RandomStrategy b(space, {}, 7);
  RandomStrategy c(space, {}, 8);
  const std::vector<Architecture> drawn = Draw(a, 50);
  EXPECT_EQ(Draw(b, 50), drawn);
  EXPECT_NE(Draw(c, 50), drawn);
}

TEST(RandomStrategy, ExhaustsASmallSpaceWithoutRepeats) {
  RandomStream random({1});
  for (int round = 0; round < 30; ++round) {
    const Space space = RandomSpace(random, 4, 4, round % 2 == 0);
    RandomStrategy strategy(space, {}, round);
    std::vector<Architecture> drawn = Draw(strategy);
    EXPECT_EQ(strategy.supply().when, Supply::When::kNever);
    EXPECT_EQ(strategy.supply().count, 0u);
    std::sort(drawn.begin(), drawn.end());
    EXPECT_EQ(drawn, AllArchitectures(space));
  }
}

TEST(RandomStrategy, DrawsAllAndOnlyWhatMeetsTheLargestTarget) {
  RandomStream random({2});
  for (int round = 0; round < 50; ++round) {
    const Space space = RandomSpace(random, 4, 4, true);
    const double largest = space.CheapestCost() + random.Below(12);
    std::vector<Architecture> expected;
    for (const Architecture& architecture : AllArchitectures(space)) {
      if (space.Cost(architecture) <= largest) expected.push_back(architecture);
    }
    RandomStrategy strategy(space, std::vector<double>{largest - 1, largest, largest - 2}, round);
    std::vector<Architecture> drawn = Draw(strategy);
    EXPECT_EQ(strategy.supply().when, Supply::When::kNever);
    std::sort(drawn.begin(), drawn.end());
    EXPECT_EQ(drawn, expected);
  }
}

TEST(RandomStrategy, AMeasuredCostRestrictsNothing) {
  const Space space = Uniform(3, 3);
  RandomStrategy strategy(space, std::vector<double>{0}, 1);
  EXPECT_EQ(Draw(strategy).size(), 27u);
}

TEST(RandomStrategy, FindsANeedleInAHaystack) {
  // Two of half a million architectures meet the target.
  Space space;
  space.layers.assign(19, {"layer", 2, 1, {0, 10}});
  space.layers[4].costs = {0, 1};
  RandomStrategy strategy(space, std::vector<double>{1}, 1);
  const std::vector<Architecture> drawn = Draw(strategy);
  EXPECT_EQ(drawn.size(), 2u);
  EXPECT_EQ(strategy.supply().when, Supply::When::kNever);
}

TEST(RandomStrategy, KnowsThatAHugeSpaceHasNothing) {
  Space space;
  space.layers.assign(40, {"layer", 9, 0, {1, 2, 3, 4, 5, 6, 7, 8, 9}});
  RandomStrategy strategy(space, std::vector<double>{39}, 1);
  EXPECT_EQ(strategy.supply().reason,
            "no architecture is within a target: the lowest cost is 40, the highest target 39");
  EXPECT_FALSE(strategy.Propose().has_value());
  EXPECT_EQ(strategy.supply().when, Supply::When::kNever);
}

TEST(RandomStrategy, AnAstronomicalSpaceIsAlwaysReady) {
  const Space space = Uniform(200, 9);
  RandomStrategy strategy(space, {}, 1);
  for (int i = 0; i < 100; ++i) {
    ASSERT_GT(strategy.supply().count, 1'000'000u);
    ASSERT_TRUE(strategy.Propose().has_value());
  }
}

TEST(RandomStrategy, RestoreContinuesTheSameSequence) {
  RandomStream random({3});
  for (int round = 0; round < 60; ++round) {
    const bool per_layer = round % 2 == 0;
    const Space space = RandomSpace(random, 4, 4, per_layer);
    std::vector<double> targets;
    if (per_layer) targets = {space.CheapestCost() + random.Below(20)};
    RandomStrategy uninterrupted(space, targets, round);
    const std::vector<Architecture> all = Draw(uninterrupted);

    const std::size_t before = random.Below(all.size() + 1);
    std::vector<PastProposal> past;
    for (std::size_t i = 0; i < before; ++i) {
      past.push_back({{all[i], {}},
                      i % 3 > 0 ? std::optional(Observed(i % 3 > 1 ? std::optional<Outcome>({1, 1}) : std::nullopt))
                                : std::nullopt});
    }
    RandomStrategy restored(space, targets, round);
    restored.Restore(past);
    EXPECT_EQ(Draw(restored), std::vector<Architecture>(all.begin() + before, all.end()));
    EXPECT_EQ(restored.supply().when, Supply::When::kNever);
  }
}

}  // namespace
}  // namespace layernas::core
