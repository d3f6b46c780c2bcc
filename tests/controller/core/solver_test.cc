#include "controller/core/strategies/guided/solver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/base/random.h"

namespace layernas::core {
namespace {

using ::testing::IsEmpty;

Space RandomSpace(RandomStream& random, std::size_t max_layers, OptionIndex max_options) {
  Space space;
  const std::size_t layers = 1 + random.Below(max_layers);
  for (std::size_t l = 0; l < layers; ++l) {
    Layer& layer = space.layers.emplace_back();
    layer.option_count = static_cast<OptionIndex>(1 + random.Below(max_options));
  }
  return space;
}

Surface RandomSurface(const Space& space, std::vector<LayerPair> pairs, RandomStream& random) {
  Surface surface = MakeSurface(space, std::move(pairs));
  surface.bias = random.Uniform();
  for (auto& effects : surface.options) {
    for (double& effect : effects) effect = random.Uniform();
  }
  for (auto& effects : surface.pair_effects) {
    for (double& effect : effects) effect = random.Uniform() - 0.5;
  }
  return surface;
}

std::vector<LayerPair> Adjacent(const Space& space) {
  std::vector<LayerPair> pairs;
  for (std::size_t l = 1; l < space.layers.size(); ++l) pairs.push_back({l - 1, l});
  return pairs;
}

std::vector<LayerPair> All(const Space& space) {
  std::vector<LayerPair> pairs;
  for (std::size_t second = 1; second < space.layers.size(); ++second) {
    for (std::size_t first = 0; first < second; ++first) pairs.push_back({first, second});
  }
  return pairs;
}

std::vector<Architecture> Everything(const Space& space) {
  std::vector<Architecture> all = {{}};
  for (const Layer& layer : space.layers) {
    std::vector<Architecture> longer;
    for (const Architecture& one : all) {
      for (OptionIndex option = 0; option < layer.option_count; ++option) {
        longer.push_back(one);
        longer.back().push_back(option);
      }
    }
    all = std::move(longer);
  }
  return all;
}

struct Optimum {
  double reward = -std::numeric_limits<double>::infinity();
  double cheapest = std::numeric_limits<double>::infinity();
  double dearest = -std::numeric_limits<double>::infinity();
};

Optimum BruteForce(const Space& space, const Surface& reward, const Surface& cost, double limit) {
  Optimum optimum;
  for (const Architecture& one : Everything(space)) {
    optimum.cheapest = std::min(optimum.cheapest, cost.At(one));
    optimum.dearest = std::max(optimum.dearest, cost.At(one));
    if (cost.At(one) <= limit) optimum.reward = std::max(optimum.reward, reward.At(one));
  }
  return optimum;
}

// Checks that the best solution equals brute force, and that every solution has the stated values.
void CheckExact(const Space& space, const Surface& reward, const Surface& cost, RandomStream& random) {
  const Optimum range = BruteForce(space, reward, cost, std::numeric_limits<double>::infinity());
  // Slightly higher, because costs are summed in another order here.
  const double limit = range.cheapest + random.Uniform() * (range.dearest - range.cheapest) + 1e-9;
  const auto solutions = Solve(space, reward, cost, {{limit}}, 20, {});
  ASSERT_FALSE(solutions.empty());
  EXPECT_NEAR(solutions.front().reward, BruteForce(space, reward, cost, limit).reward, 1e-9);
  double last = std::numeric_limits<double>::infinity();
  for (const Solution& solution : solutions) {
    ASSERT_EQ(solution.architecture.size(), space.layers.size());
    EXPECT_NEAR(solution.reward, reward.At(solution.architecture), 1e-9);
    EXPECT_NEAR(solution.cost, cost.At(solution.architecture), 1e-9);
    EXPECT_LE(solution.cost, limit + 1e-9);
    EXPECT_LE(solution.reward, last);
    last = solution.reward;
  }
}

TEST(Solver, ChainsAreExact) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    RandomStream random({seed, 1});
    const Space space = RandomSpace(random, 6, 5);
    const Surface reward = RandomSurface(space, Adjacent(space), random);
    const bool pairs_in_cost = random.Below(2) == 0;
    const Surface cost = RandomSurface(space, pairs_in_cost ? Adjacent(space) : std::vector<LayerPair>(), random);
    CheckExact(space, reward, cost, random);
  }
}

TEST(Solver, ChainsWithPairsHereAndThereAreExact) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    RandomStream random({seed, 5});
    const Space space = RandomSpace(random, 6, 5);
    const auto some = [&] {
      std::vector<LayerPair> pairs = Adjacent(space);
      std::erase_if(pairs, [&](const LayerPair&) { return random.Below(2) == 0; });
      return pairs;
    };
    const Surface reward = RandomSurface(space, some(), random);
    CheckExact(space, reward, RandomSurface(space, some(), random), random);
  }
}

TEST(Solver, AllPairsAreExactWhileEveryPartialArchitectureIsKept) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    RandomStream random({seed, 2});
    const Space space = RandomSpace(random, 5, 5);
    CheckExact(space, RandomSurface(space, All(space), random), RandomSurface(space, All(space), random), random);
  }
}

TEST(Solver, FewBinsStayNearTheOptimum) {
  double lost = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    RandomStream random({seed, 3});
    Space space;
    for (int l = 0; l < 7; ++l) space.layers.emplace_back().option_count = 4;
    const Surface reward = RandomSurface(space, Adjacent(space), random);
    const Surface cost = RandomSurface(space, {}, random);
    const Optimum range = BruteForce(space, reward, cost, std::numeric_limits<double>::infinity());
    const double limit = range.cheapest + 0.4 * (range.dearest - range.cheapest);
    SolverOptions options;
    options.bins = 24;
    const auto solutions = Solve(space, reward, cost, {{limit}}, 1, options);
    ASSERT_FALSE(solutions.empty());
    EXPECT_LE(cost.At(solutions.front().architecture), limit);
    lost += BruteForce(space, reward, cost, limit).reward - solutions.front().reward;
  }
  EXPECT_LT(lost / 30, 0.05);
}

TEST(Solver, ABigSpaceHasFewerBins) {
  // 7 layers of 250 options with pairs: 375,000 partial architectures for each bin, so there are 53
  // instead of 512 bins.
  RandomStream random({6});
  Space space;
  for (int l = 0; l < 7; ++l) space.layers.emplace_back().option_count = 250;
  const Surface reward = RandomSurface(space, Adjacent(space), random);
  const Surface cost = RandomSurface(space, {}, random);
  const auto solutions = Solve(space, reward, cost, {{4}}, 1'000'000, {});
  ASSERT_FALSE(solutions.empty());
  EXPECT_LE(solutions.size(), 53 * 250u);
  for (const Solution& solution : {solutions.front(), solutions.back()}) {
    EXPECT_NEAR(solution.reward, reward.At(solution.architecture), 1e-9);
    EXPECT_NEAR(solution.cost, cost.At(solution.architecture), 1e-9);
  }
}

TEST(Solver, WhereNothingTellsOptionsApartALayerHasOneListOfLabels) {
  // With a list per option, there would only be room for the minimum number of bins, 16.
  RandomStream random({7});
  Space space;
  for (int l = 0; l < 1'000; ++l) space.layers.emplace_back().option_count = 100;
  const Surface reward = RandomSurface(space, {}, random);
  const Surface cost = RandomSurface(space, {}, random);
  const auto solutions = Solve(space, reward, cost, {{1'000}}, 1'000'000, {});
  EXPECT_GT(solutions.size(), 16 * 100u);
}

TEST(ChoosePairs, AsManyAsCanBeLearned) {
  const auto chosen = [](std::size_t layers, OptionIndex options) {
    Space space;
    space.layers.resize(layers);
    for (Layer& layer : space.layers) layer.option_count = options;
    return ChoosePairs(space);
  };
  EXPECT_EQ(chosen(6, 5).size(), 15u);
  EXPECT_EQ(chosen(20, 10).size(), 19u);
  EXPECT_EQ(chosen(1000, 10).size(), 999u);
  EXPECT_EQ(chosen(1000, 11).size(), 0u);
  EXPECT_EQ(chosen(1, 5).size(), 0u);
}

TEST(Solver, EachLimitHasItsBest) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    RandomStream random({seed, 7});
    const Space space = RandomSpace(random, 5, 4);
    const bool is_chain = random.Below(2) == 0;
    const Surface reward = RandomSurface(space, is_chain ? Adjacent(space) : All(space), random);
    const Surface cost = RandomSurface(space, {}, random);
    const Optimum range = BruteForce(space, reward, cost, std::numeric_limits<double>::infinity());
    std::vector<double> limits;
    for (const double share : {0.0, 0.3, 0.6, 1.0}) {
      limits.push_back(range.cheapest + share * (range.dearest - range.cheapest) + 1e-9);
    }
    const auto all = Solve(space, reward, cost, limits, 1'000'000, {});
    const auto few = Solve(space, reward, cost, limits, 3, {});
    EXPECT_LE(few.size(), 12u);
    for (const double limit : limits) {
      std::vector<double> expected;
      std::vector<double> found;
      for (const Solution& one : all) {
        if (one.cost <= limit && expected.size() < 3) expected.push_back(one.reward);
      }
      for (const Solution& one : few) {
        if (one.cost <= limit && found.size() < 3) found.push_back(one.reward);
      }
      EXPECT_EQ(found, expected);
      EXPECT_NEAR(found.front(), BruteForce(space, reward, cost, limit).reward, 1e-9);
    }
  }
}

TEST(Solver, NothingMeetsALimitBelowTheCheapest) {
  RandomStream random({4});
  const Space space = RandomSpace(random, 6, 4);
  const Surface reward = RandomSurface(space, Adjacent(space), random);
  const Surface cost = RandomSurface(space, {}, random);
  EXPECT_THAT(Solve(space, reward, cost, {{-1}}, 10, {}), IsEmpty());
}

}  // namespace
}  // namespace layernas::core
