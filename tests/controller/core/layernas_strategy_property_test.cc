// Tests LayerNAS on random spaces, with any results and any order of arrival.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "controller/core/strategies/layernas_strategy.h"
#include "tests/controller/core/strategy_runs.h"

namespace layernas::core {
namespace {

std::vector<std::size_t> RandomOrder(RandomStream& random, std::size_t layers) {
  std::vector<std::size_t> order(layers);
  std::iota(order.begin(), order.end(), 0);
  switch (random.Below(3)) {
    case 0:
      break;
    case 1:
      std::reverse(order.begin(), order.end());
      break;
    default:
      Shuffle(order, random);
  }
  return order;
}

// A whole search problem, drawn from a seed.
struct Problem {
  Space space;
  std::vector<double> targets;
  LayerNasOptions options;
  std::uint64_t seed = 0;
  Evaluation evaluation;

  explicit Problem(std::uint64_t key) : seed(key) {
    RandomStream random({key});
    const bool per_layer = random.Below(2) == 0;
    space = RandomSpace(random, 5, 5, per_layer);
    options.buckets.count = 1 + static_cast<int>(random.Below(8));
    if (random.Below(4) == 0) options.buckets.edges = {5, 9.5, 14};
    if (random.Below(6) == 0) options.buckets.min = per_layer ? space.CheapestCost() + random.Below(6) : 3;
    options.replicas = 1 + static_cast<int>(random.Below(3));
    options.order = RandomOrder(random, space.layers.size());
    options.passes = 1 + static_cast<int>(random.Below(4));
    if (random.Below(3) == 0) options.stage_limit = 1 + static_cast<int>(random.Below(8));
    if (random.Below(2) == 0) {
      targets = {(per_layer ? space.CheapestCost() : 5) + random.Below(12)};
      targets.push_back(targets[0] - random.Below(3));
    }
    evaluation = RandomEvaluation(space, key, random.Below(2) * random.Below(6));
    // Pipelining changes the order of proposals and has separate tests.
    options.pipelined = false;
  }
  Problem(const Problem&) = delete;

  LayerNasStrategy Strategy() const { return LayerNasStrategy(space, targets, options, seed); }
};

struct Result {
  std::vector<std::pair<Architecture, Position>> proposals;
  std::vector<TableView> tables;

  bool operator==(const Result&) const = default;
};

Result RunToEnd(const Problem& problem, std::uint64_t arrival_seed, std::size_t max_outstanding) {
  LayerNasStrategy strategy = problem.Strategy();
  History history;
  RandomStream arrival({arrival_seed});
  RunToEnd(strategy, history, problem.evaluation, arrival, max_outstanding);
  return {Proposals(history), View(strategy.FinalTables())};
}

// The algorithm as it is described, which trains everything at once. It has no stage limit.
Result Reference(const Problem& problem) {
  const Space& space = problem.space;
  const LayerNasOptions& options = problem.options;
  const double most =
      problem.targets.empty() ? 1e300 : *std::max_element(problem.targets.begin(), problem.targets.end());
  const double least = options.buckets.min.value_or(-1e300);
  Result result;
  std::set<Architecture> trained;
  std::vector<Evaluated> best;

  const auto stage = [&](Position position, const std::vector<Architecture>& candidates, const BucketEdges& edges) {
    std::vector<std::vector<Evaluated>> buckets(edges.count());
    for (const Architecture& candidate : candidates) {
      if (trained.insert(candidate).second) result.proposals.emplace_back(candidate, position);
      const auto outcome = problem.evaluation(candidate);
      if (outcome) buckets[edges.IndexOf(outcome->cost)].push_back({candidate, outcome->reward, outcome->cost});
    }
    TableView view{position, {}, {}};
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      std::sort(buckets[i].begin(), buckets[i].end(), Better);
      buckets[i].resize(std::min<std::size_t>(buckets[i].size(), options.replicas));
      view.ranges.push_back(edges.Range(i));
    }
    view.buckets = std::move(buckets);
    result.tables.push_back(std::move(view));
  };

  double low = 0;
  double high = 0;
  if (space.CostIsPerLayer()) {
    low = space.CheapestCost();
    high = space.DearestCost();
  } else {
    const auto outcome = problem.evaluation(space.Default());
    high = std::max(problem.targets.empty() ? 0 : most, outcome ? outcome->cost : 0);
  }
  const BucketEdges edges = BucketEdges::Make(options.buckets, low, high);
  std::vector<Architecture> parents = {space.Default()};
  stage({1, 0}, parents, edges);
  for (int pass = 1; pass <= options.passes; ++pass) {
    const auto start = result.tables.back().buckets;
    std::set<std::size_t> undecided(options.order.begin(), options.order.end());
    for (int i = 1; i <= static_cast<int>(space.layers.size()); ++i) {
      const std::size_t layer = options.order[i - 1];
      undecided.erase(layer);
      std::vector<Architecture> candidates;
      for (const Architecture& parent : parents) {
        for (OptionIndex option = 0; option < space.layers[layer].option_count; ++option) {
          Architecture child = parent;
          child[layer] = option;
          if (std::find(candidates.begin(), candidates.end(), child) != candidates.end()) continue;
          if (space.CostIsPerLayer()) {
            Architecture cheapest = child;
            Architecture dearest = child;
            for (const std::size_t other : undecided) {
              const auto& costs = space.layers[other].costs;
              cheapest[other] = std::min_element(costs.begin(), costs.end()) - costs.begin();
              dearest[other] = std::max_element(costs.begin(), costs.end()) - costs.begin();
            }
            if (space.Cost(cheapest) > most || space.Cost(dearest) < least) continue;
          }
          candidates.push_back(child);
        }
      }
      // A further pass ends with the better of its result and its starting point.
      if (pass > 1 && undecided.empty()) {
        for (const auto& bucket : start) {
          for (const Evaluated& one : bucket) {
            if (std::find(candidates.begin(), candidates.end(), one.architecture) == candidates.end()) {
              candidates.push_back(one.architecture);
            }
          }
        }
      }
      stage({pass, i}, candidates, edges);
      std::vector<Architecture> next;
      for (const auto& bucket : result.tables.back().buckets) {
        for (const Evaluated& one : bucket) next.push_back(one.architecture);
      }
      if (!next.empty()) parents = std::move(next);
    }
    if (pass > 1 && result.tables.back().buckets == start) break;
  }
  std::sort(result.proposals.begin(), result.proposals.end());
  return result;
}

class Seeded : public ::testing::Test {
 protected:
  // Runs `check` on many problems, and stops at the first failure.
  template <typename Check>
  void ForManyProblems(std::uint64_t count, Check check) {
    for (std::uint64_t key = 1; key <= count && !HasFailure(); ++key) {
      SCOPED_TRACE(testing::Message() << "problem " << key);
      Problem problem(key);
      check(problem);
    }
  }
};

using LayerNasProperty = Seeded;

TEST_F(LayerNasProperty, EqualsTheAlgorithmAsDescribed) {
  int compared = 0;
  ForManyProblems(1500, [&](const Problem& problem) {
    if (problem.options.stage_limit > 0) return;
    ++compared;
    Result result = RunToEnd(problem, problem.seed, 5);
    std::sort(result.proposals.begin(), result.proposals.end());
    ASSERT_TRUE(result == Reference(problem));
  });
  EXPECT_GT(compared, 500);
}

TEST_F(LayerNasProperty, SameProposalsAndTablesInAnyOrderOfArrival) {
  ForManyProblems(300, [](const Problem& problem) {
    const Result alone = RunToEnd(problem, 1, 1);
    for (std::uint64_t arrival = 2; arrival < 22; ++arrival) {
      ASSERT_TRUE(RunToEnd(problem, arrival, 1 + arrival * arrival % 40) == alone);
    }
  });
}

std::vector<Architecture> SortedArchitectures(const std::vector<std::pair<Architecture, Position>>& proposals) {
  std::vector<Architecture> architectures;
  for (const auto& [architecture, position] : proposals) architectures.push_back(architecture);
  std::sort(architectures.begin(), architectures.end());
  return architectures;
}

// Varies what matters only for pipelining: costs whose sums are rounded, and edges that differ
// between stages.
void VaryCosts(Problem& problem) {
  if (!problem.space.CostIsPerLayer()) return;
  RandomStream random({problem.seed, 79});
  if (random.Below(2) == 0) {
    constexpr double kUnit = 0.1;
    problem.space.base_cost *= kUnit;
    for (Layer& layer : problem.space.layers) {
      for (double& cost : layer.costs) cost *= kUnit;
    }
    for (double& target : problem.targets) target *= kUnit;
    for (double& edge : problem.options.buckets.edges) edge *= kUnit;
    if (problem.options.buckets.min) *problem.options.buckets.min *= kUnit;
  }
  if (random.Below(3) == 0) problem.options.buckets.scale = BucketScale::kAuto;
}

TEST_F(LayerNasProperty, PipeliningChangesNeitherTablesNorTrainings) {
  int pipelined = 0;
  ForManyProblems(1200, [&](Problem& problem) {
    VaryCosts(problem);
    const Result barrier = RunToEnd(problem, 1, 1);
    problem.options.pipelined = true;
    pipelined += problem.space.CostIsPerLayer() && problem.options.stage_limit == 0;
    for (std::uint64_t arrival = 1; arrival < 12; ++arrival) {
      const Result result = RunToEnd(problem, arrival, 1 + arrival * arrival % 40);
      ASSERT_TRUE(result.tables == barrier.tables);
      ASSERT_EQ(SortedArchitectures(result.proposals), SortedArchitectures(barrier.proposals));
    }
  });
  EXPECT_GT(pipelined, 300);
}

TEST_F(LayerNasProperty, PipeliningSurvivesRestarts) {
  ForManyProblems(400, [](Problem& problem) {
    VaryCosts(problem);
    problem.options.pipelined = true;
    const Result uninterrupted = RunToEnd(problem, 1, 1);
    RandomStream arrival({problem.seed, 78});
    History history;
    std::optional<LayerNasStrategy> strategy(problem.Strategy());
    for (int restart = 0; restart < 4; ++restart) {
      for (std::uint64_t steps = arrival.Below(60); steps > 0; --steps) {
        Step(*strategy, history, problem.evaluation, arrival, 7);
      }
      const std::vector<TableView> tables = View(strategy->FinalTables());
      const std::size_t ready = strategy->supply().count;
      strategy.reset();
      strategy.emplace(problem.space, problem.targets, problem.options, problem.seed);
      strategy->Restore(history.past);
      ASSERT_EQ(strategy->supply().count, ready);
      ASSERT_TRUE(View(strategy->FinalTables()) == tables);
    }
    RunToEnd(*strategy, history, problem.evaluation, arrival, 7);
    ASSERT_EQ(SortedArchitectures(Proposals(history)), SortedArchitectures(uninterrupted.proposals));
    ASSERT_TRUE(View(strategy->FinalTables()) == uninterrupted.tables);
  });
}

TEST_F(LayerNasProperty, RestoreAtAnyMomentContinuesAsIfNothingHadHappened) {
  ForManyProblems(600, [](const Problem& problem) {
    const Result uninterrupted = RunToEnd(problem, 1, 1);
    RandomStream arrival({problem.seed, 77});
    History history;
    std::optional<LayerNasStrategy> strategy(problem.Strategy());
    for (int restart = 0; restart < 4; ++restart) {
      for (std::uint64_t steps = arrival.Below(60); steps > 0; --steps) {
        Step(*strategy, history, problem.evaluation, arrival, 7);
      }
      const auto growing = strategy->GrowingTable();
      const std::size_t ready = strategy->supply().count;
      const std::vector<TableView> tables = View(strategy->FinalTables());
      const Position position = strategy->position();
      const Supply::When when = strategy->supply().when;

      strategy.reset();
      strategy.emplace(problem.space, problem.targets, problem.options, problem.seed);
      strategy->Restore(history.past);
      ASSERT_EQ(strategy->supply().count, ready);
      ASSERT_TRUE(View(strategy->FinalTables()) == tables);
      ASSERT_EQ(strategy->position(), position);
      ASSERT_EQ(strategy->supply().when, when);
      ASSERT_EQ(strategy->GrowingTable().has_value(), growing.has_value());
      if (growing) {
        ASSERT_TRUE(View(*strategy->GrowingTable()) == View(*growing));
      }
    }
    RunToEnd(*strategy, history, problem.evaluation, arrival, 7);
    ASSERT_EQ(Proposals(history), uninterrupted.proposals);
    ASSERT_TRUE(View(strategy->FinalTables()) == uninterrupted.tables);
  });
}

TEST_F(LayerNasProperty, TrainingsStayWithinTheBoundAndTheStageLimit) {
  ForManyProblems(800, [](const Problem& problem) {
    const Result result = RunToEnd(problem, 1, 9);
    const std::size_t kept = result.tables[0].buckets.size() * problem.options.replicas;
    std::size_t options = 0;
    for (const Layer& layer : problem.space.layers) options += layer.option_count;
    std::map<int, std::size_t> per_pass;
    std::map<Position, std::size_t> per_stage;
    for (const auto& [architecture, position] : result.proposals) {
      ++per_pass[position.pass];
      ++per_stage[position];
    }
    for (const auto& [pass, trainings] : per_pass) ASSERT_LE(trainings, (pass == 1 ? 1 : 0) + kept * options);
    for (const auto& [position, trainings] : per_stage) {
      if (position.stage == 0) continue;
      const Layer& layer = problem.space.layers[problem.options.order[position.stage - 1]];
      ASSERT_LE(trainings, kept * layer.option_count);
      ASSERT_TRUE(problem.options.stage_limit == 0 ||
                  trainings <= static_cast<std::size_t>(problem.options.stage_limit));
    }
  });
}

TEST_F(LayerNasProperty, TablesHoldOnlyWhatCanReachTheWantedRange) {
  ForManyProblems(800, [](const Problem& problem) {
    if (!problem.space.CostIsPerLayer()) return;
    const double most =
        problem.targets.empty() ? 1e300 : *std::max_element(problem.targets.begin(), problem.targets.end());
    const double least = problem.options.buckets.min.value_or(0);
    for (const TableView& table : RunToEnd(problem, 1, 9).tables) {
      // The default is trained in any case.
      if (table.position.stage == 0) continue;
      for (const auto& bucket : table.buckets) {
        for (const Evaluated& one : bucket) {
          double cheapest = one.cost;
          double dearest = one.cost;
          for (std::size_t i = table.position.stage; i < problem.options.order.size(); ++i) {
            const std::size_t layer = problem.options.order[i];
            const auto& costs = problem.space.layers[layer].costs;
            cheapest += *std::min_element(costs.begin(), costs.end()) - costs[one.architecture[layer]];
            dearest += *std::max_element(costs.begin(), costs.end()) - costs[one.architecture[layer]];
          }
          ASSERT_LE(cheapest, most);
          ASSERT_GE(dearest, least);
        }
      }
    }
  });
}

TEST_F(LayerNasProperty, LaterPassesNeverWorsenABucket) {
  int several = 0;
  ForManyProblems(1500, [&](const Problem& problem) {
    const int last = static_cast<int>(problem.space.layers.size());
    std::optional<TableView> before;
    for (const TableView& table : RunToEnd(problem, 1, 9).tables) {
      if (table.position.stage != last) continue;
      for (std::size_t bucket = 0; before && bucket < table.buckets.size(); ++bucket) {
        ASSERT_GE(table.buckets[bucket].size(), before->buckets[bucket].size());
        for (std::size_t rank = 0; rank < before->buckets[bucket].size(); ++rank) {
          ASSERT_FALSE(Better(before->buckets[bucket][rank], table.buckets[bucket][rank]));
        }
        ++several;
      }
      before = table;
    }
  });
  EXPECT_GT(several, 1000);
}

// If reward and cost are sums over the layers and every cost has its own bucket, the assumption of
// LayerNAS holds. Then it solves the knapsack problem exactly.
TEST(LayerNas, IsExactWhereRewardAndCostAreSumsAndBucketsAreEnough) {
  for (std::uint64_t key = 1; key <= 300; ++key) {
    SCOPED_TRACE(testing::Message() << "problem " << key);
    RandomStream random({key, 5});
    const bool per_layer = key % 2 == 0;
    Space priced = RandomSpace(random, 6, 4, true);
    std::vector<std::vector<double>> rewards;
    for (const Layer& layer : priced.layers) {
      rewards.emplace_back();
      for (int i = 0; i < layer.option_count; ++i) rewards.back().push_back(random.Below(20));
    }
    // The test knows the values and costs. The strategy only sees the costs if the cost is per
    // layer.
    const Evaluation evaluation = [&](const Architecture& architecture) -> std::optional<Outcome> {
      double reward = 0;
      for (std::size_t i = 0; i < rewards.size(); ++i) reward += rewards[i][architecture[i]];
      return Outcome{reward, priced.Cost(architecture)};
    };
    Space space = priced;
    if (!per_layer) {
      for (Layer& layer : space.layers) layer.costs.clear();
    }
    std::vector<double> targets;
    if (random.Below(2) == 0) {
      for (int i = 0; i < 3; ++i) targets.push_back(priced.CheapestCost() + random.Below(25));
    }
    LayerNasOptions options;
    for (double edge = priced.CheapestCost() + 0.5; edge < priced.DearestCost(); ++edge) {
      options.buckets.edges.push_back(edge);
    }
    options.order = RandomOrder(random, space.layers.size());
    LayerNasStrategy strategy(space, targets, options, key);
    History history;
    RunToEnd(strategy, history, evaluation, random, 10);

    // The highest reward at or below each cost.
    std::map<double, double> found;
    for (const Evaluated& one : strategy.FinalTables().back().table.Entries()) found[one.cost] = one.reward;
    std::map<double, double> best;
    for (const Architecture& architecture : AllArchitectures(space)) {
      const Outcome outcome = *evaluation(architecture);
      const auto [place, added] = best.emplace(outcome.cost, outcome.reward);
      if (!added) place->second = std::max(place->second, outcome.reward);
    }
    // Beyond the largest target no results are needed, if the bounds show that.
    if (per_layer && !targets.empty()) {
      best.erase(best.upper_bound(*std::max_element(targets.begin(), targets.end())), best.end());
    }
    ASSERT_EQ(found, best);
  }
}

}  // namespace
}  // namespace layernas::core
