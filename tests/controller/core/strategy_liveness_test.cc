// Tests the rules for every strategy on every small space: it ends, has tried what it should by
// then, and always says whether it has a proposal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "common/base/cost_limit.h"
#include "controller/core/strategies/strategy_factory.h"
#include "controller/core/strategies/within_limit.h"
#include "tests/controller/core/strategy_runs.h"

namespace layernas::core {
namespace {

using ::testing::HasSubstr;

// Options per layer: 1 to 300 architectures.
const std::vector<std::vector<OptionIndex>> kShapes = {
    {1},       {2},          {7},       {1, 1, 1}, {1, 5},       {5, 1},          {2, 2},       {3, 3},
    {2, 3, 4}, {1, 1, 9, 1}, {2, 1, 2}, {4, 4},    {13, 2},      {2, 2, 2, 2, 2}, {3, 1, 3, 3}, {6, 6},
    {50},      {2, 40},      {3, 4, 5}, {9, 9},    {4, 4, 4, 2}, {2, 75},         {17, 12},     {10, 10, 3}};

enum class Costs { kMeasured, kAlike, kWhole, kTenths };
enum class Targets { kNone, kAllMeet, kSomeMeet, kOneMeets, kNoneMeets, kTwo };
enum class Outcomes { kResults, kMixed, kInfeasible, kUnknown };

struct World {
  Space space;
  std::vector<double> targets;
  Observer observe;
  // The architectures that should have been tried in the end.
  std::set<Architecture> wanted;
};

World MakeWorld(const std::vector<OptionIndex>& shape, Costs costs, Targets targets, Outcomes outcomes,
                std::uint64_t seed) {
  World world;
  RandomStream random({seed, 1});
  for (const OptionIndex options : shape) {
    Layer& layer = world.space.layers.emplace_back();
    layer.option_count = options;
    layer.default_option = static_cast<OptionIndex>(random.Below(options));
    for (int o = 0; o < options && costs != Costs::kMeasured; ++o) {
      const double cost = costs == Costs::kAlike ? 1 : 1 + static_cast<double>(random.Below(9));
      layer.costs.push_back(costs == Costs::kTenths ? cost * 0.1 : cost);
    }
  }
  const std::vector<Architecture> all = AllArchitectures(world.space);
  std::vector<double> known;
  for (const Architecture& one : all) {
    known.push_back(costs == Costs::kMeasured ? 1 + static_cast<double>(Hash(one, seed) % 30) : world.space.Cost(one));
  }
  std::sort(known.begin(), known.end());
  if (targets == Targets::kAllMeet) world.targets = {known.back()};
  if (targets == Targets::kSomeMeet) world.targets = {known[known.size() / 3]};
  if (targets == Targets::kOneMeets) world.targets = {known.front()};
  if (targets == Targets::kNoneMeets) world.targets = {known.front() * 0.9, known.front() * 0.5};
  // The first target runs dry.
  if (targets == Targets::kTwo) world.targets = {known.front(), known[known.size() * 2 / 3]};
  const double highest = HighestTarget(world.targets);
  for (const Architecture& one : all) {
    if (costs == Costs::kMeasured || MeetsLimit(world.space.Cost(one), highest)) world.wanted.insert(one);
  }
  world.observe = [space = world.space, highest, outcomes, costs, seed](const Architecture& one) {
    RandomStream draw({seed, 2, Fingerprint(one)});
    const double cost = costs == Costs::kMeasured ? 1 + static_cast<double>(Hash(one, seed) % 30) : space.Cost(one);
    const std::uint64_t kind = draw.Below(6);
    if (outcomes == Outcomes::kInfeasible || (outcomes == Outcomes::kMixed && kind == 0)) {
      return Observation::Infeasible();
    }
    if (outcomes == Outcomes::kUnknown || (outcomes == Outcomes::kMixed && kind == 1)) return Observation::Unknown();
    if (outcomes == Outcomes::kMixed && costs == Costs::kMeasured && !MeetsLimit(cost, highest)) {
      return Observation::TooDear(cost);
    }
    return Observation::Result({static_cast<double>(draw.Below(12)), cost});
  };
  return world;
}

struct Kind {
  const char* name;
  StrategyConfig (*config)(const Space& space, RandomStream& random);
  // It proposes exactly what is wanted, or that and an initial design, or what its tables lead to.
  enum { kExactly, kAtLeast, kWhatever } proposes;
  // Up to this size of a space, all cases are tried. Beyond it, a few cases of each shape are,
  // because fitting models takes time.
  std::size_t thorough;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class Liveness : public ::testing::TestWithParam<Kind> {
 protected:
  // Runs with up to `most` proposals out at once, and with restarts if `restart`.
  static void Check(const World& world, std::uint64_t seed, std::size_t most, bool restart) {
    RandomStream random({seed, 3});
    const StrategyConfig config = GetParam().config(world.space, random);
    const std::int64_t trainings = random.Below(2) == 0 ? 0 : static_cast<std::int64_t>(1 + random.Below(60));
    const auto make = [&] { return MakeStrategy(config, world.space, world.targets, trainings, seed); };
    std::unique_ptr<Strategy> strategy = make();
    History history;
    while (StepObserved(*strategy, history, world.observe, random, most)) {
      if (::testing::Test::HasFailure()) return;
      if (!restart || random.Below(20) != 0) continue;
      const Supply before = strategy->supply();
      history.work.reset();
      strategy = make();
      strategy->Restore(history.past);
      const Supply after = strategy->supply();
      if (std::holds_alternative<GuidedOptions>(config)) {
        // What was computed ahead is computed again.
        ASSERT_EQ(after.when == Supply::When::kNever, before.when == Supply::When::kNever);
      } else {
        ASSERT_EQ(after.when, before.when);
        ASSERT_EQ(after.count, before.count);
      }
      ASSERT_EQ(after.reason, before.reason);
    }
    ASSERT_EQ(strategy->supply().when, Supply::When::kNever);
    ASSERT_FALSE(strategy->Propose().has_value());
    ASSERT_EQ(strategy->StartWork(8), nullptr);
    std::set<Architecture> proposed;
    for (const PastProposal& one : history.past) {
      ASSERT_TRUE(proposed.insert(one.proposal.architecture).second) << "proposed twice";
    }
    if (GetParam().proposes == Kind::kExactly || world.wanted.empty()) {
      if (GetParam().proposes != Kind::kWhatever) {
        ASSERT_EQ(proposed, world.wanted);
      }
    } else if (GetParam().proposes == Kind::kAtLeast) {
      ASSERT_TRUE(std::includes(proposed.begin(), proposed.end(), world.wanted.begin(), world.wanted.end()));
    }
  }
};

TEST_P(Liveness, EndsOnEverySmallSpace) {
  std::uint64_t seed = 0;
  for (const std::vector<OptionIndex>& shape : kShapes) {
    const std::size_t size = std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
    for (const Costs costs : {Costs::kMeasured, Costs::kAlike, Costs::kWhole, Costs::kTenths}) {
      for (const Targets targets : {Targets::kNone, Targets::kAllMeet, Targets::kSomeMeet, Targets::kOneMeets,
                                    Targets::kNoneMeets, Targets::kTwo}) {
        for (const Outcomes outcomes :
             {Outcomes::kResults, Outcomes::kMixed, Outcomes::kInfeasible, Outcomes::kUnknown}) {
          ++seed;
          RandomStream random({seed, 4});
          if (size > GetParam().thorough && random.Below(size) > 4) continue;
          SCOPED_TRACE(::testing::Message()
                       << ::testing::PrintToString(shape) << " costs " << static_cast<int>(costs) << " targets "
                       << static_cast<int>(targets) << " outcomes " << static_cast<int>(outcomes));
          Check(MakeWorld(shape, costs, targets, outcomes, seed), seed, 1 + random.Below(8), random.Below(2) == 0);
          if (HasFailure()) return;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Strategies, Liveness,
    ::testing::Values(Kind{"random", [](const Space&, RandomStream&) -> StrategyConfig { return RandomOptions{}; },
                           Kind::kExactly, 300},
                      Kind{"evolution",
                           [](const Space&, RandomStream&) -> StrategyConfig {
                             return EvolutionOptions{6, 3};
                           },
                           Kind::kExactly, 300},
                      Kind{"exhaustive",
                           [](const Space&, RandomStream&) -> StrategyConfig { return ExhaustiveOptions{}; },
                           Kind::kExactly, 300},
                      Kind{"layernas", DrawLayerNas, Kind::kWhatever, 300},
                      Kind{"guided", [](const Space&, RandomStream&) -> StrategyConfig { return GuidedOptions{}; },
                           Kind::kAtLeast, 20}),
    [](const auto& one) { return std::string(one.param.name); });

class TightTargets : public ::testing::TestWithParam<StrategyConfig> {};

// 12 layers of 9 options. Few architectures meet the targets: 1 meets the first, and 97 the second.
TEST_P(TightTargets, AllThatMeetThemAreTried) {
  Space space;
  for (int l = 0; l < 12; ++l) {
    space.layers.push_back({"layer", 9, 8, {2, 5, 8, l < 6 ? 8. : 11., 20, 20, 20, 20, 20}});
  }
  for (const std::vector<double>& targets : {std::vector<double>{30}, std::vector<double>{24, 30}}) {
    const auto strategy = MakeStrategy(GetParam(), space, targets, 0, 1);
    History history;
    RandomStream arrival({1});
    RunToEnd(
        *strategy, history,
        [&space](const Architecture& one) {
          return Outcome{static_cast<double>(Hash(one, 1) % 100), space.Cost(one)};
        },
        arrival, 8);
    const auto within = std::count_if(history.past.begin(), history.past.end(), [&space](const PastProposal& one) {
      return space.Cost(one.proposal.architecture) <= 30;
    });
    EXPECT_EQ(within, 97);
    EXPECT_THAT(strategy->supply().reason, HasSubstr("all 97 architectures within the"));
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, TightTargets,
                         ::testing::Values(StrategyConfig(RandomOptions{}), StrategyConfig(EvolutionOptions{}),
                                           StrategyConfig(ExhaustiveOptions{}), StrategyConfig(GuidedOptions{})));

TEST(GuidedLearnsFeasibility, AvoidsTheOptionThatRunsOutOfMemory) {
  // The best option of one layer cannot be evaluated, although everything else suggests that it
  // would be good.
  Space space;
  for (int l = 0; l < 8; ++l) {
    Layer& layer = space.layers.emplace_back();
    layer.option_count = 4;
    for (int o = 0; o < 4; ++o) layer.costs.push_back(1 + o);
  }
  // Returns the share of infeasible proposals after the 20th.
  const auto infeasible_share = [&space](bool told) {
    constexpr int kTrainings = 60;
    constexpr int kDesign = 20;
    int infeasible = 0;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      const auto strategy = MakeStrategy(GuidedOptions{}, space, std::vector<double>{20}, kTrainings, seed);
      for (int i = 0; i < kTrainings; ++i) {
        Work(*strategy, 1);
        const Architecture one = strategy->Propose()->architecture;
        if (one[2] == 3) {
          infeasible += i >= kDesign ? 1 : 0;
          strategy->Observe(one, told ? Observation::Infeasible() : Observation::Unknown());
          continue;
        }
        double reward = 0;
        for (std::size_t l = 0; l < one.size(); ++l) reward += one[l] * static_cast<double>(1 + l % 3);
        strategy->Observe(one, Observation::Result({reward, space.Cost(one)}));
      }
    }
    return infeasible / (4.0 * (kTrainings - kDesign));
  };
  EXPECT_GT(infeasible_share(false), 0.2);
  EXPECT_LT(infeasible_share(true), 0.05);
}

}  // namespace
}  // namespace layernas::core
