// Runs a strategy as a fleet would: with many proposals out at once, and outcomes in any order.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "controller/core/space.h"
#include "controller/core/strategies/layernas_strategy.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// The outcome of an architecture's evaluation, which is the same every time.
using Evaluation = std::function<std::optional<Outcome>(const Architecture&)>;

// Returns a number that depends only on the architecture and the seed.
inline std::uint64_t Hash(const Architecture& architecture, std::uint64_t seed) {
  return RandomStream({seed, Fingerprint(architecture)}).Next();
}

// Returns all architectures of a small space, in lexicographic order.
inline std::vector<Architecture> AllArchitectures(const Space& space) {
  std::vector<Architecture> all = {{}};
  for (const Layer& layer : space.layers) {
    std::vector<Architecture> longer;
    for (const Architecture& prefix : all) {
      for (OptionIndex option = 0; option < layer.option_count; ++option) {
        longer.push_back(prefix);
        longer.back().push_back(option);
      }
    }
    all = std::move(longer);
  }
  return all;
}

// Returns a space of 2 to max_layers layers with 1 to max_options options and any default. With
// per_layer, costs are small whole numbers.
inline Space RandomSpace(RandomStream& random, std::size_t max_layers, std::size_t max_options, bool per_layer) {
  Space space;
  if (per_layer) space.base_cost = static_cast<double>(random.Below(5));
  space.layers.resize(2 + random.Below(max_layers - 1));
  for (Layer& layer : space.layers) {
    layer.option_count = static_cast<OptionIndex>(1 + random.Below(max_options));
    layer.default_option = static_cast<OptionIndex>(random.Below(layer.option_count));
    for (int i = 0; per_layer && i < layer.option_count; ++i) layer.costs.push_back(random.Below(8));
  }
  return space;
}

// Returns options of LayerNAS that a spec could have, with its layers in any order.
inline StrategyConfig DrawLayerNas(const Space& space, RandomStream& random) {
  LayerNasOptions options;
  options.order.resize(space.layers.size());
  std::iota(options.order.begin(), options.order.end(), 0);
  Shuffle(options.order, random);
  options.buckets.count = static_cast<int>(1 + random.Below(6));
  if (space.CostIsPerLayer() && random.Below(3) == 0) options.buckets.scale = BucketScale::kAuto;
  options.replicas = static_cast<int>(1 + random.Below(2));
  options.passes = static_cast<int>(1 + random.Below(4));
  options.stage_limit = random.Below(3) == 0 ? 3 : 0;
  options.pipelined = random.Below(2) == 0;
  return options;
}

// There are few distinct rewards, so ties are common. Costs come from the space, or are arbitrary
// if they are measured. A share of infeasible_tenths in ten has no result.
inline Evaluation RandomEvaluation(const Space& space, std::uint64_t seed, std::uint64_t infeasible_tenths) {
  return [&space, seed, infeasible_tenths](const Architecture& architecture) -> std::optional<Outcome> {
    RandomStream random({seed, Hash(architecture, seed)});
    if (random.Below(10) < infeasible_tenths) return std::nullopt;
    const double reward = static_cast<double>(random.Below(12));
    const double cost = static_cast<double>(random.Below(30));
    return Outcome{reward, space.CostIsPerLayer() ? space.Cost(architecture) : cost};
  };
}

// A table in a form that can be compared.
struct TableView {
  Position position;
  std::vector<std::pair<double, double>> ranges;
  std::vector<std::vector<Evaluated>> buckets;

  bool operator==(const TableView&) const = default;
};

inline TableView View(const StageTable& table) {
  TableView view{table.position, {}, {}};
  for (std::size_t i = 0; i < table.table.edges().count(); ++i) {
    view.ranges.push_back(table.table.edges().Range(i));
    const auto bucket = table.table.Bucket(i);
    view.buckets.emplace_back(bucket.begin(), bucket.end());
  }
  return view;
}

inline std::vector<TableView> View(std::span<const StageTable> tables) {
  std::vector<TableView> views;
  for (const StageTable& table : tables) views.push_back(View(table));
  return views;
}

// What has been proposed, and which proposals (by index) are still out.
struct History {
  std::vector<PastProposal> past;
  std::vector<std::size_t> outstanding;
  // A computation of the strategy that has not been returned yet.
  std::unique_ptr<BackgroundWork> work = nullptr;
};

// No outcome means infeasible.
inline Observation Observed(const std::optional<Outcome>& outcome) {
  return outcome ? Observation::Result(*outcome) : Observation::Infeasible();
}

// What a strategy is told about an architecture, which is the same every time.
using Observer = std::function<Observation(const Architecture&)>;

// Computes `wanted` proposals, if the strategy computes any.
inline void Work(Strategy& strategy, std::size_t wanted) {
  if (const auto work = strategy.StartWork(wanted)) {
    work->Run();
    strategy.FinishWork(*work);
  }
}

// Does one event: a proposal, if fewer than `most` are out, the arrival of an outcome, or the end
// of a computation. Returns false if none is possible. Checks the rules of supply().
inline bool StepObserved(Strategy& strategy, History& history, const Observer& observe, RandomStream& arrival,
                         std::size_t most) {
  std::vector<std::size_t>& outstanding = history.outstanding;
  const Supply supply = strategy.supply();
  EXPECT_EQ(strategy.supply().when, supply.when) << "supply() changed something";
  EXPECT_EQ(strategy.supply().count, supply.count);
  EXPECT_EQ(supply.when == Supply::When::kNow || supply.when == Supply::When::kAfterWork, supply.count > 0);
  EXPECT_EQ(supply.when == Supply::When::kNever, !supply.reason.empty()) << supply.reason;
  EXPECT_FALSE(supply.when == Supply::When::kAfterOutcome && outstanding.empty()) << "nothing can come any more";
  if (history.work == nullptr) history.work = strategy.StartWork(1 + arrival.Below(most));
  // Outcomes arrive and proposals are given out while the work is in progress.
  const bool only_work = outstanding.empty() && supply.when == Supply::When::kAfterWork;
  EXPECT_FALSE(supply.when == Supply::When::kAfterWork && history.work == nullptr) << "there is no work to wait for";
  if (history.work != nullptr && (only_work || arrival.Below(2) == 0)) {
    history.work->Run();
    strategy.FinishWork(*history.work);
    history.work.reset();
    EXPECT_NE(strategy.supply().when, Supply::When::kAfterWork) << "the work brought nothing";
    return true;
  }
  if (outstanding.size() < most && (outstanding.empty() || arrival.Below(3) > 0)) {
    std::optional<Proposal> proposal = strategy.Propose();
    EXPECT_EQ(proposal.has_value(), supply.when == Supply::When::kNow);
    if (proposal) {
      outstanding.push_back(history.past.size());
      history.past.push_back({std::move(*proposal), std::nullopt});
      return true;
    }
  }
  if (outstanding.empty()) return false;
  std::swap(outstanding[arrival.Below(outstanding.size())], outstanding.back());
  PastProposal& arrived = history.past[outstanding.back()];
  outstanding.pop_back();
  arrived.observation = observe(arrived.proposal.architecture);
  strategy.Observe(arrived.proposal.architecture, *arrived.observation);
  return true;
}

inline bool Step(Strategy& strategy, History& history, const Evaluation& evaluation, RandomStream& arrival,
                 std::size_t most) {
  const auto observe = [&evaluation](const Architecture& one) { return Observed(evaluation(one)); };
  return StepObserved(strategy, history, observe, arrival, most);
}

// Steps until nothing more can happen. Then there must be nothing left, and nothing may have been
// proposed twice.
inline void RunToEnd(Strategy& strategy, History& history, const Evaluation& evaluation, RandomStream& arrival,
                     std::size_t most) {
  while (Step(strategy, history, evaluation, arrival, most)) {
  }
  EXPECT_EQ(strategy.supply().when, Supply::When::kNever);
  std::set<Architecture> distinct;
  for (const PastProposal& one : history.past) {
    EXPECT_TRUE(distinct.insert(one.proposal.architecture).second) << "proposed twice";
  }
}

inline std::vector<std::pair<Architecture, Position>> Proposals(const History& history) {
  std::vector<std::pair<Architecture, Position>> proposals;
  for (const PastProposal& one : history.past) {
    proposals.emplace_back(one.proposal.architecture, one.proposal.position);
  }
  return proposals;
}

}  // namespace layernas::core
