// Tests LayerNAS on small examples that can be followed by hand.
#include "controller/core/strategies/layernas_strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/controller/core/strategy_runs.h"

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Two layers with two options. The costs are 2, 3, 4, 5 in lexicographic order, and the default is
// the most expensive.
Space SmallSpace() { return {{{"a", 2, 1, {1, 3}}, {"b", 2, 1, {1, 2}}}, 0}; }

Evaluation Rewards(const Space& space, std::map<Architecture, double> rewards) {
  return [&space, rewards = std::move(rewards)](const Architecture& architecture) -> std::optional<Outcome> {
    return Outcome{rewards.at(architecture), space.Cost(architecture)};
  };
}

Evaluation SmallRewards(const Space& space) {
  return Rewards(space, {{{0, 0}, 0.1}, {{0, 1}, 0.4}, {{1, 0}, 0.6}, {{1, 1}, 0.5}});
}

LayerNasOptions Options(int buckets, std::vector<std::size_t> order, int passes = 1) {
  LayerNasOptions options;
  options.buckets.count = buckets;
  options.order = std::move(order);
  options.passes = passes;
  // In the paper's order. Pipelining has separate property tests.
  options.pipelined = false;
  return options;
}

// Runs the strategy alone, one proposal at a time.
History RunAlone(LayerNasStrategy& strategy, const Evaluation& evaluation) {
  History history;
  RandomStream arrival({1});
  RunToEnd(strategy, history, evaluation, arrival, 1);
  return history;
}

// Returns the table's architectures by bucket.
std::vector<std::vector<Architecture>> ArchitecturesOf(const StageTable& table) {
  std::vector<std::vector<Architecture>> buckets;
  for (const auto& bucket : View(table).buckets) {
    buckets.emplace_back();
    for (const Evaluated& one : bucket) buckets.back().push_back(one.architecture);
  }
  return buckets;
}

using Buckets = std::vector<std::vector<Architecture>>;

TEST(LayerNasStrategy, FollowsTheExample) {
  const Space space = SmallSpace();
  LayerNasStrategy strategy(space, {}, Options(2, {0, 1}), 1);
  const History history = RunAlone(strategy, SmallRewards(space));

  EXPECT_THAT(
      Proposals(history),
      ElementsAre(std::pair(Architecture{1, 1}, Position{1, 0}), std::pair(Architecture{0, 1}, Position{1, 1}),
                  std::pair(Architecture{0, 0}, Position{1, 2}), std::pair(Architecture{1, 0}, Position{1, 2})));
  const auto tables = strategy.FinalTables();
  ASSERT_THAT(tables, SizeIs(3));
  EXPECT_EQ(tables[0].position, (Position{1, 0}));
  EXPECT_EQ(ArchitecturesOf(tables[0]), (Buckets{{}, {{1, 1}}}));
  EXPECT_EQ(ArchitecturesOf(tables[1]), (Buckets{{{0, 1}}, {{1, 1}}}));
  EXPECT_EQ(tables[2].position, (Position{1, 2}));
  EXPECT_EQ(ArchitecturesOf(tables[2]), (Buckets{{{0, 1}}, {{1, 0}}}));
  EXPECT_EQ(tables[2].table.Bucket(1)[0], (Evaluated{{1, 0}, 0.6, 4}));
}

TEST(LayerNasStrategy, ReverseOrderDecidesTheLastLayerFirst) {
  const Space space = SmallSpace();
  LayerNasStrategy strategy(space, {}, Options(2, {1, 0}), 1);
  const History history = RunAlone(strategy, SmallRewards(space));

  EXPECT_THAT(Proposals(history),
              ElementsAre(std::pair(Architecture{1, 1}, Position{1, 0}), std::pair(Architecture{1, 0}, Position{1, 1}),
                          std::pair(Architecture{0, 0}, Position{1, 2})));
  EXPECT_EQ(ArchitecturesOf(strategy.FinalTables()[1]), (Buckets{{}, {{1, 0}}}));
  EXPECT_EQ(ArchitecturesOf(strategy.FinalTables()[2]), (Buckets{{{0, 0}}, {{1, 0}}}));
}

TEST(LayerNasStrategy, AFurtherPassOverturnsAnEarlyChoiceAndTheLastOneChangesNothing) {
  const Space space = SmallSpace();
  LayerNasStrategy strategy(space, {}, Options(2, {1, 0}, 10), 1);
  const History history = RunAlone(strategy, SmallRewards(space));

  EXPECT_EQ(Proposals(history).back(), std::pair(Architecture({0, 1}), Position{2, 1}));
  const auto tables = strategy.FinalTables();
  // Pass 2 found something, and pass 3 did not.
  ASSERT_THAT(tables, SizeIs(7));
  EXPECT_EQ(tables[6].position, (Position{3, 2}));
  EXPECT_EQ(ArchitecturesOf(tables[4]), (Buckets{{{0, 1}}, {{1, 0}}}));
  EXPECT_EQ(ArchitecturesOf(tables[6]), (Buckets{{{0, 1}}, {{1, 0}}}));
}

TEST(LayerNasStrategy, ReplicasCarryTheSecondBestOn) {
  const Space space = SmallSpace();
  LayerNasOptions options = Options(1, {0, 1});
  options.replicas = 2;
  LayerNasStrategy strategy(space, {}, options, 1);
  RunAlone(strategy, SmallRewards(space));
  EXPECT_EQ(ArchitecturesOf(strategy.FinalTables()[1]), (Buckets{{{1, 1}, {0, 1}}}));
  EXPECT_EQ(ArchitecturesOf(strategy.FinalTables()[2]), (Buckets{{{1, 0}, {1, 1}}}));
}

TEST(LayerNasStrategy, WaitsForTheStageAndShowsItsGrowingTable) {
  const Space space = SmallSpace();
  const Evaluation evaluation = SmallRewards(space);
  LayerNasStrategy strategy(space, {}, Options(2, {0, 1}), 1);
  EXPECT_EQ(strategy.supply().count, 1u);
  EXPECT_FALSE(strategy.GrowingTable().has_value());
  strategy.Propose();
  EXPECT_EQ(strategy.supply().when, Supply::When::kAfterOutcome);
  EXPECT_FALSE(strategy.Propose().has_value());
  strategy.Observe({1, 1}, Observed(evaluation({1, 1})));
  EXPECT_EQ(strategy.position(), (Position{1, 1}));
  // The default counts in the stage at once, so it needs no second training.
  ASSERT_TRUE(strategy.GrowingTable().has_value());
  EXPECT_EQ(strategy.GrowingTable()->position, (Position{1, 1}));
  EXPECT_EQ(ArchitecturesOf(*strategy.GrowingTable()), (Buckets{{}, {{1, 1}}}));
  strategy.Propose();
  strategy.Observe({0, 1}, Observed(evaluation({0, 1})));
  EXPECT_EQ(strategy.supply().count, 2u);
  strategy.Propose();
  strategy.Propose();
  strategy.Observe({1, 0}, Observed(evaluation({1, 0})));
  EXPECT_EQ(ArchitecturesOf(*strategy.GrowingTable()), (Buckets{{{0, 1}}, {{1, 0}}}));
  EXPECT_THAT(strategy.FinalTables(), SizeIs(2));
  strategy.Observe({0, 0}, Observed(evaluation({0, 0})));
  EXPECT_EQ(strategy.supply().when, Supply::When::kNever);
  EXPECT_FALSE(strategy.GrowingTable().has_value());
}

TEST(LayerNasStrategy, SaysWhyNothingIsLeft) {
  const Space space = SmallSpace();
  LayerNasOptions options = Options(2, {0, 1});
  const auto reason = [&space](const LayerNasOptions& given, std::vector<double> targets = {}) {
    LayerNasStrategy strategy(space, targets, given, 1);
    RunAlone(strategy, SmallRewards(space));
    EXPECT_EQ(strategy.supply().when, Supply::When::kNever);
    return strategy.supply().reason;
  };
  EXPECT_EQ(reason(options), "its one pass is done");
  options.passes = 100;
  EXPECT_EQ(reason(options), "the last pass changed nothing");
  EXPECT_EQ(reason(options, {1}), "no architecture is within a target: the lowest cost is 2, the highest target 1");
}

TEST(LayerNasStrategy, GoesOnInABucketWhileAnotherIsAwaited) {
  // The first layer determines the bucket.
  const Space space{{{"a", 2, 1, {1, 9}}, {"b", 2, 1, {1, 2}}, {"c", 2, 1, {1, 2}}}, 0};
  const auto evaluation = [&](const Architecture& one) { return Outcome{10 - space.Cost(one), space.Cost(one)}; };
  LayerNasOptions options = Options(0, {0, 1, 2});
  options.buckets.edges = {8};
  LayerNasStrategy barrier(space, {}, options, 1);
  RunAlone(barrier, evaluation);

  options.pipelined = true;
  LayerNasStrategy strategy(space, {}, options, 1);
  const auto train = [&](const Architecture& expected, int stage) {
    const std::optional<Proposal> proposal = strategy.Propose();
    ASSERT_TRUE(proposal.has_value());
    EXPECT_EQ(proposal->architecture, expected);
    EXPECT_EQ(proposal->position, (Position{1, stage}));
    // This one takes long.
    if (expected != Architecture{0, 1, 1}) strategy.Observe(expected, Observed(evaluation(expected)));
  };
  train({1, 1, 1}, 0);
  train({0, 1, 1}, 1);
  train({1, 0, 1}, 2);
  train({1, 0, 0}, 3);
  EXPECT_EQ(strategy.supply().count, 0u);
  EXPECT_EQ(strategy.position(), (Position{1, 1}));
  strategy.Observe({0, 1, 1}, Observed(evaluation({0, 1, 1})));
  train({0, 0, 1}, 2);
  train({0, 0, 0}, 3);
  EXPECT_EQ(strategy.supply().when, Supply::When::kNever);
  EXPECT_EQ(View(strategy.FinalTables()), View(barrier.FinalTables()));
}

TEST(LayerNasStrategy, ATargetDropsWhatCanNotGetThere) {
  const Space space = SmallSpace();
  LayerNasStrategy strategy(space, std::vector<double>{2, 3}, Options(2, {0, 1}), 1);
  const History history = RunAlone(strategy, SmallRewards(space));
  // With a = 1 the cheapest costs 4.
  EXPECT_THAT(Proposals(history),
              ElementsAre(std::pair(Architecture{1, 1}, Position{1, 0}), std::pair(Architecture{0, 1}, Position{1, 1}),
                          std::pair(Architecture{0, 0}, Position{1, 2})));
}

TEST(LayerNasStrategy, TheLowestCostOfInterestDropsWhatStaysBelow) {
  const Space space = SmallSpace();
  LayerNasOptions options = Options(2, {0, 1});
  options.buckets.min = 4;
  LayerNasStrategy strategy(space, {}, options, 1);
  const History history = RunAlone(strategy, SmallRewards(space));
  // With a = 0 the most expensive costs 3.
  EXPECT_THAT(Proposals(history), ElementsAre(std::pair(Architecture{1, 1}, Position{1, 0}),
                                              std::pair(Architecture{1, 0}, Position{1, 2})));
}

TEST(LayerNasStrategy, ATargetThatNothingMeetsEndsAfterTheDefault) {
  const Space space = SmallSpace();
  LayerNasStrategy strategy(space, std::vector<double>{1}, Options(2, {0, 1}), 1);
  EXPECT_THAT(RunAlone(strategy, SmallRewards(space)).past, SizeIs(1));
  EXPECT_THAT(strategy.FinalTables().back().table.Entries(), IsEmpty());
}

TEST(LayerNasStrategy, ATargetDropsNothingThatMeetsItButForRounding) {
  // In floating point, 0.1 + 0.2 + 0.3 exceeds 0.6 when summed from the left, but not from the
  // right.
  Space space{{{"a", 2, 1, {0.1, 1}}, {"b", 2, 1, {0.2, 1}}, {"c", 2, 1, {0.3, 1}}}, 0};
  for (const std::vector<std::size_t>& order : {std::vector<std::size_t>{0, 1, 2}, {2, 1, 0}, {1, 2, 0}}) {
    LayerNasStrategy strategy(space, std::vector<double>{0.6}, Options(4, order), 1);
    const History history = RunAlone(strategy, [&](const Architecture& architecture) {
      return Outcome{1, space.Cost(architecture)};
    });
    EXPECT_EQ(history.past.back().proposal.architecture, (Architecture{0, 0, 0}));
  }
}

TEST(LayerNasStrategy, AnInfeasibleDefaultDoesNotEndTheSearch) {
  const Space space = SmallSpace();
  const Evaluation rewards = SmallRewards(space);
  LayerNasStrategy strategy(space, {}, Options(2, {0, 1}), 1);
  RunAlone(strategy, [&](const Architecture& architecture) -> std::optional<Outcome> {
    if (architecture == Architecture{1, 1}) return std::nullopt;
    return rewards(architecture);
  });
  ASSERT_THAT(strategy.FinalTables(), SizeIs(3));
  EXPECT_THAT(strategy.FinalTables()[0].table.Entries(), IsEmpty());
  EXPECT_EQ(ArchitecturesOf(strategy.FinalTables()[2]), (Buckets{{{0, 1}}, {}}));
}

TEST(LayerNasStrategy, AStageWithoutAnyResultIsPassedOver) {
  const Space space = SmallSpace();
  const Evaluation rewards = SmallRewards(space);
  LayerNasStrategy strategy(space, {}, Options(2, {0, 1}), 1);
  RunAlone(strategy, [&](const Architecture& architecture) -> std::optional<Outcome> {
    if (architecture[1] == 1) return std::nullopt;
    return rewards(architecture);
  });
  // Neither the default nor stage 1 has a result, so stage 2 starts from the default.
  EXPECT_EQ(ArchitecturesOf(strategy.FinalTables()[2]), (Buckets{{}, {{1, 0}}}));
}

TEST(LayerNasStrategy, EndsEvenIfNothingIsFeasible) {
  const Space space = SmallSpace();
  LayerNasStrategy strategy(space, {}, Options(2, {0, 1}, 3), 1);
  RunAlone(strategy, [](const Architecture&) { return std::nullopt; });
  EXPECT_THAT(strategy.FinalTables().back().table.Entries(), IsEmpty());
}

TEST(LayerNasStrategy, ExplicitEdgesMakeTheBuckets) {
  const Space space = SmallSpace();
  LayerNasOptions options = Options(50, {0, 1});
  options.buckets.edges = {3, 4, 5};
  LayerNasStrategy strategy(space, {}, options, 1);
  RunAlone(strategy, SmallRewards(space));
  EXPECT_EQ(ArchitecturesOf(strategy.FinalTables()[2]), (Buckets{{{0, 0}}, {{0, 1}}, {{1, 0}}, {{1, 1}}}));
}

TEST(LayerNasStrategy, AMeasuredCostSpansFromZeroToTheDefaultOrTheLargestTarget) {
  const Space space{{{"a", 2, 1, {}}}, 0};
  const Evaluation evaluation = [](const Architecture& architecture) { return Outcome{1, architecture[0] ? 8. : 2.}; };
  const auto first_edge = [&](std::vector<double> targets) {
    LayerNasStrategy strategy(space, targets, Options(2, {0}), 1);
    RunAlone(strategy, evaluation);
    return strategy.FinalTables().back().table.edges().Range(0).second;
  };
  EXPECT_EQ(first_edge({}), 4);
  EXPECT_EQ(first_edge({6, 3}), 4);
  EXPECT_EQ(first_edge({6, 20}), 10);
}

// One layer with twelve options of the given costs; all rewards are equal.
Space OneLayer(std::vector<double> costs) {
  Space space{{{"a", 12, 11, std::move(costs)}}, 0};
  return space;
}

std::map<std::size_t, std::size_t> TrainedPerBucket(const LayerNasStrategy& strategy, const Space& space,
                                                    const History& history, Position position) {
  std::map<std::size_t, std::size_t> trained;
  for (const auto& [architecture, at] : Proposals(history)) {
    if (at == position) ++trained[strategy.FinalTables()[0].table.edges().IndexOf(space.Cost(architecture))];
  }
  return trained;
}

TEST(LayerNasStrategy, AStageLimitIsSpreadEvenlyOverTheBuckets) {
  const Space space = OneLayer({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  LayerNasOptions options = Options(0, {0});
  options.buckets.edges = {4.5, 8.5};
  options.stage_limit = 6;
  std::set<Architecture> ever_chosen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    LayerNasStrategy strategy(space, {}, options, seed);
    const History history = RunAlone(strategy, [&](const Architecture& one) { return Outcome{1, space.Cost(one)}; });
    EXPECT_EQ(TrainedPerBucket(strategy, space, history, {1, 1}),
              (std::map<std::size_t, std::size_t>{{0, 2}, {1, 2}, {2, 2}}));
    for (const auto& [architecture, position] : Proposals(history)) ever_chosen.insert(architecture);
  }
  // The choice is random.
  EXPECT_THAT(ever_chosen, SizeIs(12));
}

TEST(LayerNasStrategy, AStageLimitGivesWhatSmallBucketsLeaveToTheOthers) {
  // Buckets with 1, 2 and 8 members besides the default.
  const Space space = OneLayer({1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 18});
  LayerNasOptions options = Options(0, {0});
  options.buckets.edges = {1.5, 5};
  options.stage_limit = 7;
  LayerNasStrategy strategy(space, {}, options, 1);
  const History history = RunAlone(strategy, [&](const Architecture& one) { return Outcome{1, space.Cost(one)}; });
  EXPECT_EQ(TrainedPerBucket(strategy, space, history, {1, 1}),
            (std::map<std::size_t, std::size_t>{{0, 1}, {1, 2}, {2, 4}}));
}

TEST(LayerNasStrategy, AStageLimitBelowTheBucketsFavoursNone) {
  const Space space = OneLayer({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  LayerNasOptions options = Options(0, {0});
  options.buckets.edges = {4.5, 8.5};
  options.stage_limit = 1;
  std::map<std::size_t, std::size_t> trained;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    LayerNasStrategy strategy(space, {}, options, seed);
    const History history = RunAlone(strategy, [&](const Architecture& one) { return Outcome{1, space.Cost(one)}; });
    for (const auto& [bucket, count] : TrainedPerBucket(strategy, space, history, {1, 1})) trained[bucket] += count;
  }
  ASSERT_THAT(trained, SizeIs(3));
  for (const auto& [bucket, count] : trained) EXPECT_NEAR(count, 100, 40);
}

TEST(LayerNasStrategy, AStageLimitCountsOnlyWhatIsUntrained) {
  const Space space = OneLayer({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  LayerNasOptions options = Options(3, {0}, 4);
  options.stage_limit = 5;
  LayerNasStrategy strategy(space, {}, options, 1);
  // Within a bucket, the reward grows with the cost, so that later passes find better ones.
  const History history = RunAlone(strategy, [&](const Architecture& one) {
    return Outcome{space.Cost(one), space.Cost(one)};
  });
  std::map<Position, int> trained;
  for (const auto& [architecture, position] : Proposals(history)) ++trained[position];
  EXPECT_EQ(trained.at({1, 1}), 5);
  EXPECT_EQ(trained.at({2, 1}), 5);
}

TEST(LayerNasStrategy, AStageLimitWithAMeasuredCostTakesFromEachPartOfTheStage) {
  const Space space{{{"a", 12, 11, {}}}, 0};
  LayerNasOptions options = Options(0, {0});
  options.buckets.edges = {100, 200};
  options.stage_limit = 3;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    LayerNasStrategy strategy(space, {}, options, seed);
    const History history = RunAlone(strategy, [&](const Architecture&) { return Outcome{1, 1}; });
    std::set<int> thirds;
    for (const auto& [architecture, position] : Proposals(history)) {
      if (position.stage == 1) thirds.insert(architecture[0] * 3 / 11);
    }
    EXPECT_THAT(thirds, ElementsAre(0, 1, 2));
  }
}

}  // namespace
}  // namespace layernas::core
