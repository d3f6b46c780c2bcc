#include "controller/core/space.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "tests/controller/core/strategy_runs.h"

namespace layernas::core {
namespace {

Space Example() { return {{{"a", 2, 1, {1, 3}}, {"b", 3, 0, {0, 2, 5}}, {"c", 1, 0, {4}}}, 10}; }

TEST(Space, CostIsBaseCostPlusTheOptions) {
  const Space space = Example();
  ASSERT_TRUE(space.CostIsPerLayer());
  EXPECT_EQ(space.Cost({0, 0, 0}), 15);
  EXPECT_EQ(space.Cost({1, 2, 0}), 22);
}

TEST(Space, CheapestAndDearestAreTheExtremesOfAllArchitectures) {
  RandomStream random({1});
  for (int round = 0; round < 100; ++round) {
    const Space space = RandomSpace(random, 4, 4, true);
    double cheapest = 1e300;
    double dearest = 0;
    for (const Architecture& architecture : AllArchitectures(space)) {
      cheapest = std::min(cheapest, space.Cost(architecture));
      dearest = std::max(dearest, space.Cost(architecture));
    }
    EXPECT_EQ(space.CheapestCost(), cheapest);
    EXPECT_EQ(space.DearestCost(), dearest);
    EXPECT_EQ(space.Size(), static_cast<double>(AllArchitectures(space).size()));
  }
}

TEST(Space, OneLayerWithoutCostsMakesTheCostMeasured) {
  Space space = Example();
  space.layers[1].costs.clear();
  EXPECT_FALSE(space.CostIsPerLayer());
}

TEST(Space, DefaultHasEveryLayersDefault) { EXPECT_EQ(Example().Default(), (Architecture{1, 0, 0})); }

TEST(Space, SizeMayBeAstronomical) {
  Space space;
  space.layers.assign(60, {"layer", 9, 0, {}});
  EXPECT_NEAR(space.Size() / std::pow(9.0, 60), 1, 1e-12);
}

// Returns how many different values the architectures of a space have.
template <typename Function>
std::size_t DistinctValues(Function function) {
  Space space;
  space.layers.assign(6, {"layer", 5, 0, {}});
  std::unordered_set<std::uint64_t> values;
  for (const Architecture& architecture : AllArchitectures(space)) values.insert(function(architecture));
  return values.size();
}

TEST(ArchitectureHash, SpreadsArchitectures) {
  EXPECT_EQ(DistinctValues(ArchitectureHash()), 15625u);
  EXPECT_NE(ArchitectureHash()({256}), ArchitectureHash()({1}));
  EXPECT_EQ(ArchitectureHash()({3, 1}), ArchitectureHash()({3, 1}));
}

TEST(Fingerprint, SpreadsArchitectures) { EXPECT_EQ(DistinctValues(Fingerprint), 15625u); }

// The seeds of running searches depend on it, so it must not change.
TEST(Fingerprint, NeverChanges) { EXPECT_EQ(Fingerprint({3, 1, 256}), 6086065370052227668u); }

}  // namespace
}  // namespace layernas::core
