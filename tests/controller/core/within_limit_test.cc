// Compares enumerating, counting and drawing the architectures within a limit with brute force.
#include "controller/core/strategies/within_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "common/base/cost_limit.h"
#include "controller/core/strategies/limit_sampler.h"
#include "tests/controller/core/strategy_runs.h"

namespace layernas::core {
namespace {

// Costs are equal, whole, or tenths whose sums are rounded.
Space SpaceWithCosts(RandomStream& random, std::uint64_t kind) {
  Space space = RandomSpace(random, 5, 5, true);
  for (Layer& layer : space.layers) {
    for (double& cost : layer.costs) cost = kind % 3 == 0 ? 1 : kind % 3 == 1 ? cost : cost * 0.1;
  }
  if (kind % 3 == 2) space.base_cost *= 0.1;
  return space;
}

std::vector<Architecture> BruteForce(const Space& space, double limit) {
  std::vector<Architecture> within = AllArchitectures(space);
  std::erase_if(within, [&](const Architecture& one) { return !MeetsLimit(space.Cost(one), limit); });
  return within;
}

std::vector<Architecture> Enumerate(const WithinLimit& wanted) {
  std::vector<Architecture> all;
  wanted.ForEach([&all](const Architecture& one) {
    all.push_back(one);
    return true;
  });
  return all;
}

TEST(WithinLimit, EnumeratesWhatBruteForceFinds) {
  for (std::uint64_t key = 0; key < 300; ++key) {
    SCOPED_TRACE(key);
    RandomStream random({key, 1});
    const Space space = SpaceWithCosts(random, key);
    const std::vector<Architecture> all = AllArchitectures(space);
    // The limit is exactly an architecture's cost, where rounding matters, or below all costs.
    const double limit = key % 10 == 0 ? space.CheapestCost() - 0.05 : space.Cost(all[random.Below(all.size())]);
    const std::vector<Architecture> expected = BruteForce(space, limit);
    const WithinLimit wanted(space, limit);
    ASSERT_EQ(Enumerate(wanted), expected);
    ASSERT_EQ(wanted.CountUpTo(expected.size()), std::optional(expected.size()));
    if (!expected.empty()) {
      ASSERT_EQ(wanted.CountUpTo(expected.size() - 1), std::nullopt);
    }
    ASSERT_EQ(wanted.First(), expected.empty() ? std::nullopt : std::optional(expected.front()));
    ASSERT_EQ(wanted.IsEverything(), expected == all);
    for (const Architecture& one : all) {
      const auto next = std::upper_bound(expected.begin(), expected.end(), one);
      ASSERT_EQ(wanted.Next(one), next == expected.end() ? std::nullopt : std::optional(*next));
      ASSERT_EQ(wanted.Contains(one), std::binary_search(expected.begin(), expected.end(), one));
    }
  }
}

TEST(WithinLimit, AMeasuredCostRulesNothingOut) {
  RandomStream random({2});
  const Space space = RandomSpace(random, 4, 4, false);
  const WithinLimit wanted(space, 0);
  EXPECT_TRUE(wanted.IsEverything());
  EXPECT_EQ(Enumerate(wanted), AllArchitectures(space));
}

TEST(WithinLimit, SumsThatAreRoundedMeetTheirTarget) {
  const Space space{{{"a", 2, 0, {0.1, 5}}, {"b", 2, 0, {0.2, 5}}}, 0};
  ASSERT_GT(0.1 + 0.2, 0.3);
  EXPECT_EQ(Enumerate(WithinLimit(space, 0.3)), (std::vector<Architecture>{{0, 0}}));
}

TEST(WithinLimit, NothingInAHugeSpaceIsKnownAtOnce) {
  Space space;
  space.layers.assign(40, {"layer", 9, 0, {1, 2, 3, 4, 5, 6, 7, 8, 9}});
  EXPECT_EQ(WithinLimit(space, 39).First(), std::nullopt);
  EXPECT_EQ(WithinLimit(space, 40).CountUpTo(10), std::optional<std::size_t>(1));
}

// 97 of 2.8e11 architectures, which draws from the whole space never find.
Space Needles() {
  Space space;
  for (int l = 0; l < 12; ++l) {
    space.layers.push_back({"layer", 9, 8, {2, 5, 8, l < 6 ? 8. : 11., 20, 20, 20, 20, 20}});
  }
  return space;
}

TEST(LimitSampler, FindsEachOfAFewInAHugeSpace) {
  const Space space = Needles();
  const WithinLimit wanted(space, 30);
  const LimitSampler sampler(wanted);
  ASSERT_EQ(sampler.size(), std::optional<std::size_t>(97));
  ArchitectureIndex seen(12);
  RandomStream random({3});
  for (int i = 0; i < 97; ++i) {
    const std::optional<Architecture> drawn = sampler.DrawUnseen(random, seen);
    ASSERT_TRUE(drawn.has_value());
    EXPECT_LE(space.Cost(*drawn), 30);
    EXPECT_TRUE(seen.Insert(*drawn));
  }
  EXPECT_EQ(sampler.DrawUnseen(random, seen), std::nullopt);
}

TEST(LimitSampler, FindsTheLastOneThatIsLeft) {
  for (std::uint64_t key = 0; key < 60; ++key) {
    RandomStream random({key, 4});
    const Space space = SpaceWithCosts(random, key);
    const WithinLimit wanted(space, space.CheapestCost() + random.Uniform() * 10);
    const LimitSampler sampler(wanted);
    const std::vector<Architecture> all = Enumerate(wanted);
    const std::size_t last = random.Below(all.size());
    ArchitectureIndex seen(space.layers.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i != last) seen.Insert(all[i]);
    }
    ASSERT_EQ(sampler.DrawUnseen(random, seen), std::optional(all[last]));
    seen.Insert(all[last]);
    ASSERT_EQ(sampler.DrawUnseen(random, seen), std::nullopt);
  }
}

// Returns chi-squared of draws from `sampler` over the parts that `part_of` distinguishes, and
// their number.
template <typename PartOf>
std::pair<double, std::size_t> ChiSquared(const WithinLimit& wanted, int draws, PartOf part_of) {
  std::map<Architecture, double> sizes;
  double all = 0;
  wanted.ForEach([&](const Architecture& one) {
    ++sizes[part_of(one)];
    ++all;
    return true;
  });
  const LimitSampler sampler(wanted);
  std::map<Architecture, double> drawn;
  RandomStream random({5});
  for (int i = 0; i < draws; ++i) {
    const Architecture one = sampler.Draw(random);
    EXPECT_TRUE(wanted.Contains(one));
    ++drawn[part_of(one)];
  }
  double chi_squared = 0;
  for (const auto& [part, size] : sizes) {
    const double expected = draws * size / all;
    chi_squared += (drawn[part] - expected) * (drawn[part] - expected) / expected;
  }
  return {chi_squared, sizes.size()};
}

// Exceeded with probability 0.001 (Wilson and Hilferty 1931).
double HighestChiSquared(std::size_t parts) {
  const double freedom = static_cast<double>(parts - 1);
  return freedom * std::pow(1 - 2 / (9 * freedom) + 3.09 * std::sqrt(2 / (9 * freedom)), 3);
}

TEST(LimitSampler, DrawsUniformlyFromAList) {
  RandomStream random({6});
  const Space space{{{"a", 4, 0, {1, 2, 3, 9}}, {"b", 4, 0, {1, 1, 3, 5}}, {"c", 3, 0, {1, 4, 5}}}, 1};
  const WithinLimit wanted(space, 9);
  const auto [chi_squared, parts] = ChiSquared(wanted, 20'000, [](const Architecture& one) { return one; });
  EXPECT_GT(parts, 10u);
  EXPECT_LT(chi_squared, HighestChiSquared(parts));
}

TEST(LimitSampler, DrawsUniformlyFromMoreThanAList) {
  // The costs have no common divisor, so each one is rounded on the grid.
  Space space;
  RandomStream random({7});
  for (int l = 0; l < 20; ++l) {
    space.layers.push_back({"layer", 2, 0, {random.Uniform(), 1 + 3 * random.Uniform()}});
  }
  const double limit = space.CheapestCost() + 0.45 * (space.DearestCost() - space.CheapestCost());
  const WithinLimit wanted(space, limit);
  ASSERT_EQ(LimitSampler(wanted).size(), std::nullopt);
  for (const std::size_t first : {std::size_t{0}, std::size_t{7}, std::size_t{15}}) {
    const auto [chi_squared, parts] = ChiSquared(wanted, 20'000, [first](const Architecture& one) {
      return Architecture(one.begin() + static_cast<std::ptrdiff_t>(first),
                          one.begin() + static_cast<std::ptrdiff_t>(first + 5));
    });
    EXPECT_EQ(parts, 32u);
    EXPECT_LT(chi_squared, HighestChiSquared(parts)) << first;
  }
}

Space DeepSpace(int layers, RandomStream& random) {
  Space space;
  for (int l = 0; l < layers; ++l) {
    Layer& layer = space.layers.emplace_back();
    layer.option_count = 9;
    for (int o = 0; o < 9; ++o) layer.costs.push_back(random.Uniform());
  }
  return space;
}

TEST(LimitSampler, DrawsFromHundredsOfLayers) {
  RandomStream random({8});
  const Space space = DeepSpace(1000, random);
  const double limit = space.CheapestCost() + 0.2 * (space.DearestCost() - space.CheapestCost());
  const WithinLimit wanted(space, limit);
  const LimitSampler sampler(wanted);
  EXPECT_EQ(sampler.size(), std::nullopt);
  std::set<Architecture> drawn;
  for (int i = 0; i < 5; ++i) {
    drawn.insert(sampler.Draw(random));
    EXPECT_LE(space.Cost(sampler.Draw(random)), limit);
  }
  EXPECT_EQ(drawn.size(), 5u);
}

TEST(LimitSampler, HundredsShareWhatOneTakes) {
  RandomStream random({9});
  const Space space = DeepSpace(200, random);
  const double span = space.DearestCost() - space.CheapestCost();
  const WithinLimit highest(space, space.CheapestCost() + 0.5 * span);
  const LimitSampler wider(highest);
  for (const double share : {1e-4, 0.1, 0.2, 0.4}) {
    const WithinLimit wanted(highest, space.CheapestCost() + share * span);
    EXPECT_EQ(&wanted.costs(), &highest.costs());
    const LimitSampler sampler(wanted, wider, 200);
    std::set<Architecture> drawn;
    double early = 0;
    double late = 0;
    for (int i = 0; i < 20; ++i) {
      const Architecture one = sampler.Draw(random);
      EXPECT_LE(space.Cost(one), wanted.limit());
      drawn.insert(one);
      for (std::size_t l = 0; l < 20; ++l) {
        early += wanted.costs()[l][one[l]];
        late += wanted.costs()[l + 180][one[l + 180]];
      }
    }
    EXPECT_GE(drawn.size(), share > 0.01 ? 15u : 5u) << share;
    // No layer stays at its cheapest option because earlier layers have used up the cost.
    if (share > 0.01) {
      EXPECT_NEAR(early / late, 1, 0.4) << share;
    }
  }
}

TEST(FirstUnseen, MovesOnToWhatIsLeft) {
  const Space space{{{"a", 3, 0, {1, 9, 1}}, {"b", 2, 0, {1, 2}}}, 0};
  const WithinLimit wanted(space, 3);
  FirstUnseen left(wanted);
  ArchitectureIndex seen(2);
  EXPECT_EQ(left.get(), std::optional(Architecture{0, 0}));
  seen.Insert({0, 1});
  left.Update(seen);
  EXPECT_EQ(left.get(), std::optional(Architecture{0, 0}));
  seen.Insert({0, 0});
  left.Update(seen);
  EXPECT_EQ(left.get(), std::optional(Architecture{2, 0}));
  seen.Insert({2, 0});
  seen.Insert({2, 1});
  left.Update(seen);
  EXPECT_EQ(left.get(), std::nullopt);
}

TEST(WhyNothingIsLeft, SaysWhatWasTried) {
  const Space measured{{{"a", 3, 0, {}}, {"b", 3, 0, {}}}, 0};
  EXPECT_EQ(WhyNothingIsLeft(measured, std::vector<double>{1}, 9), "all 9 architectures were tried");
  const Space space{{{"a", 3, 0, {1, 9, 1}}, {"b", 2, 0, {1, 2}}}, 10.5};
  EXPECT_EQ(WhyNothingIsLeft(space, {}, 6), "all 6 architectures were tried");
  EXPECT_EQ(WhyNothingIsLeft(space, std::vector<double>{13.5}, 4),
            "all 4 architectures within the target 13.5 were tried");
  EXPECT_EQ(WhyNothingIsLeft(space, std::vector<double>{12, 13.5}, 4),
            "all 4 architectures within the highest target 13.5 were tried");
  EXPECT_EQ(WhyNothingIsLeft(space, std::vector<double>{12.5}, 1),
            "the only architecture within the target 12.5 was tried");
  EXPECT_EQ(WhyNothingIsLeft(space, std::vector<double>{9, 10}, 0),
            "no architecture is within a target: the lowest cost is 12.5, the highest target 10");
  const Space large{{{"a", 2, 0, {1234568, 1234569}}}, 0};
  EXPECT_EQ(WhyNothingIsLeft(large, std::vector<double>{1234568}, 1),
            "the only architecture within the target 1234568 was tried");
  EXPECT_EQ(WhyNothingIsLeft(large, std::vector<double>{1234567}, 0),
            "no architecture is within a target: the lowest cost is 1234568, the highest target 1234567");
}

}  // namespace
}  // namespace layernas::core
