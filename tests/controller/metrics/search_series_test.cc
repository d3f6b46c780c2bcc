#include "controller/metrics/search_series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"

namespace layernas {
namespace {

core::Candidate Result(std::uint64_t number, double reward, UnixMillis ended) {
  core::Candidate candidate;
  candidate.number = number;
  candidate.state = core::CandidateState::kSucceeded;
  candidate.reward = reward;
  candidate.ended = ended;
  return candidate;
}

core::Frontier FrontierOf(const std::vector<std::pair<double, double>>& points) {
  core::Frontier frontier;
  std::uint64_t number = 0;
  for (const auto& [cost, reward] : points) frontier.Insert(cost, {++number, reward});
  return frontier;
}

// Returns the value of a gauge of the only search.
double ValueOf(const prometheus::Registry& registry, const std::string& name, const std::string& target = "") {
  for (const auto& family : registry.Collect()) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) {
      const bool fits = std::any_of(metric.label.begin(), metric.label.end(), [&target](const auto& label) {
        return target.empty() || (label.name == "target" && label.value == target);
      });
      if (fits) return metric.gauge.value;
    }
  }
  ADD_FAILURE() << "no gauge " << name << " " << target;
  return 0;
}

core::SearchConfig Config(std::vector<double> targets) {
  core::SearchConfig config;
  config.space.layers = {{"a", 3, 0, {}}, {"b", 3, 0, {}}};
  config.reward_metric = "reward";
  config.cost_metric = "cost";
  config.targets = std::move(targets);
  config.strategy = core::RandomOptions{};
  return config;
}

void AddResult(core::Search& search, double reward, double cost) {
  const core::Candidate* candidate = search.Lease("w", "r", {});
  ASSERT_NE(candidate, nullptr);
  search.Complete(candidate->number, 1, "w", core::Metrics{{"reward", reward}, {"cost", cost}}, {});
}

TEST(SearchSeries, ServesTheMeanBestRewardOfALoss) {
  prometheus::Registry registry;
  SearchSeries series(registry);
  core::Search search(Config({10}), 0);
  AddResult(search, -2, 5);
  series.Set("s", search, false);
  EXPECT_DOUBLE_EQ(ValueOf(registry, "layernas_mean_best_reward"), -2);
  AddResult(search, -1, 5);
  series.Set("s", search, false);
  EXPECT_DOUBLE_EQ(ValueOf(registry, "layernas_mean_best_reward"), -1.5);
  // The values are the same after a restart of the controller.
  prometheus::Registry other;
  SearchSeries(other).Set("s", core::Search(search.config(), search.status(), search.candidates()), false);
  EXPECT_DOUBLE_EQ(ValueOf(other, "layernas_mean_best_reward"), -1.5);
}

TEST(SearchSeries, ATableWithFewerBucketsLeavesNone) {
  prometheus::Registry registry;
  SearchSeries series(registry);
  // Stage 1 has eight costs within the target, stage 2 mainly two.
  core::SearchConfig config = Config({8});
  config.space.layers = {{"a", 8, 0, {1, 2, 3, 4, 5, 6, 7, 8}}, {"b", 61, 0, std::vector<double>(61, 7)}};
  config.space.layers[1].costs[0] = 0;
  core::LayerNasOptions options;
  options.order = {0, 1};
  options.buckets.count = 8;
  options.buckets.scale = core::BucketScale::kAuto;
  config.strategy = options;
  core::Search search(config, 0);
  const auto shown = [&registry] {
    for (const auto& family : registry.Collect()) {
      if (family.name == "layernas_bucket_best_reward") return family.metric.size();
    }
    return std::size_t{0};
  };
  std::size_t most = 0;
  for (int i = 0; search.Ready() > 0; ++i) {
    ASSERT_LT(i, 1000);
    AddResult(search, i, 1);
    series.Set("s", search, false);
    if (search.final_tables().empty()) continue;
    const std::size_t buckets = search.final_tables().back().table.edges().count();
    EXPECT_EQ(shown(), buckets);
    most = std::max(most, buckets);
  }
  ASSERT_FALSE(search.final_tables().empty());
  EXPECT_GT(most, search.final_tables().back().table.edges().count());
}

TEST(SearchSeries, TellsTargetsApartThatAreAlmostEqual) {
  prometheus::Registry registry;
  SearchSeries series(registry);
  core::Search search(Config({1234567, 1234568}), 0);
  AddResult(search, 0.5, 1234568);
  series.Set("s", search, false);
  EXPECT_TRUE(std::isnan(ValueOf(registry, "layernas_best_reward", "1234567")));
  EXPECT_EQ(ValueOf(registry, "layernas_best_reward", "1234568"), 0.5);
}

TEST(LowestReward, IsZeroOrTheRewardOfTheResultThatCameFirst) {
  std::deque<core::Candidate> candidates(2);
  EXPECT_EQ(LowestReward({}), std::nullopt);
  EXPECT_EQ(LowestReward(candidates), std::nullopt);
  candidates.push_back(Result(3, -2, 50));
  EXPECT_EQ(LowestReward(candidates), -2);
  // Later results change nothing, whatever their numbers are. Of results with the same time, the
  // lower number counts.
  candidates[0] = Result(1, -9, 60);
  candidates.push_back(Result(4, -1, 50));
  EXPECT_EQ(LowestReward(candidates), -2);
  candidates[1] = Result(2, 0.25, 49);
  EXPECT_EQ(LowestReward(candidates), 0);
}

TEST(MeanBestReward, IsTheAreaBelowTheFrontierOverItsWidth) {
  EXPECT_EQ(MeanBestReward({}, 10, 0), 0);
  EXPECT_DOUBLE_EQ(MeanBestReward(FrontierOf({{2, 0.5}}), 10, 0), 0.4);
  EXPECT_DOUBLE_EQ(MeanBestReward(FrontierOf({{2, 0.5}, {6, 0.75}}), 10, 0), 0.5);
  // Results above the target do not count, and a result at the target has no width.
  EXPECT_DOUBLE_EQ(MeanBestReward(FrontierOf({{2, 0.5}, {10, 0.75}, {11, 1}}), 10, 0), 0.4);
  EXPECT_DOUBLE_EQ(MeanBestReward(FrontierOf({{-1, 0.5}}), 10, 0), 0.5);
  EXPECT_EQ(MeanBestReward(FrontierOf({{-1, 0.5}}), 0, 0), 0);
}

TEST(MeanBestReward, RisesWithLossesThatFall) {
  EXPECT_EQ(MeanBestReward({}, 10, -2), -2);
  EXPECT_EQ(MeanBestReward(FrontierOf({{2, -2}}), 10, -2), -2);
  EXPECT_DOUBLE_EQ(MeanBestReward(FrontierOf({{2, -1}}), 10, -2), -1.2);
  EXPECT_DOUBLE_EQ(MeanBestReward(FrontierOf({{2, -1}, {6, -0.5}}), 10, -2), -1);
  // Rewards below the first result count like that result.
  EXPECT_DOUBLE_EQ(MeanBestReward(FrontierOf({{1, -7}, {2, -1}}), 10, -2), -1.2);
}

TEST(MeanBestReward, NeverFallsWhenAResultIsAdded) {
  RandomStream random({3});
  for (int round = 0; round < 200; ++round) {
    std::deque<core::Candidate> candidates;
    core::Frontier frontier;
    double before = -1e9;
    for (std::uint64_t number = 1; number <= 20; ++number) {
      const double reward = 4 * random.Uniform() - 3;
      // They arrive in the order of their times, which differs from that of their numbers.
      candidates.push_front(Result(100 - number, reward, static_cast<UnixMillis>(number)));
      frontier.Insert(12 * random.Uniform(), {100 - number, reward});
      const double now = MeanBestReward(frontier, 10, LowestReward(candidates).value());
      EXPECT_GE(now, before - 1e-12);
      before = now;
    }
  }
}

}  // namespace
}  // namespace layernas
