#include "controller/core/result_check.h"

#include <gtest/gtest.h>

#include <limits>

namespace layernas::core {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

SearchConfig Config(bool per_layer) {
  SearchConfig config;
  config.space.layers = {{"a", 2, 0, per_layer ? std::vector<double>{1, 2} : std::vector<double>{}}};
  config.reward_metric = "accuracy";
  config.cost_metric = "latency_ms";
  return config;
}

std::string WhyInvalid(const Metrics& metrics, TaskKind kind, bool per_layer = false) {
  return CheckResult(Config(per_layer), metrics, kind).invalid;
}

TEST(CheckResult, NeedsWhatTheTaskIsFor) {
  const Metrics reward = {{"accuracy", 0.5}};
  const Metrics cost = {{"latency_ms", 3}};
  const Metrics both = {{"accuracy", 0.5}, {"latency_ms", 3}};
  const std::string lacks_cost = "the result lacks the metric latency_ms; it has accuracy";
  const std::string lacks_reward = "the result lacks the metric accuracy; it has latency_ms";
  EXPECT_EQ(WhyInvalid(both, TaskKind::kEvaluate), "");
  EXPECT_EQ(WhyInvalid(reward, TaskKind::kEvaluate), lacks_cost);
  EXPECT_EQ(WhyInvalid(cost, TaskKind::kEvaluate), lacks_reward);
  EXPECT_EQ(WhyInvalid(reward, TaskKind::kTrain), "");
  EXPECT_EQ(WhyInvalid(cost, TaskKind::kTrain), lacks_reward);
  EXPECT_EQ(WhyInvalid(cost, TaskKind::kMeasure), "");
  EXPECT_EQ(WhyInvalid(reward, TaskKind::kMeasure), lacks_cost);
  EXPECT_EQ(WhyInvalid({}, TaskKind::kEvaluate), "the result lacks the metric accuracy; it has none");
}

TEST(CheckResult, NeedsNoCostThatIsKnownPerLayer) {
  EXPECT_EQ(WhyInvalid({{"accuracy", 0.5}}, TaskKind::kEvaluate, true), "");
  EXPECT_EQ(WhyInvalid({}, TaskKind::kMeasure, true), "");
  EXPECT_EQ(WhyInvalid({{"accuracy", 0.5}, {"latency_ms", -1}}, TaskKind::kEvaluate, true), "");
}

TEST(CheckResult, AnInfiniteRewardMeansThatTheTrainingDiverged) {
  for (const double reward : {kNan, kInf, -kInf}) {
    const ResultCheck check =
        CheckResult(Config(false), {{"accuracy", reward}, {"latency_ms", 3}}, TaskKind::kEvaluate);
    EXPECT_EQ(check.invalid, "the metric accuracy is not a finite number");
    EXPECT_TRUE(check.diverged);
  }
  // The task did not ask for the reward.
  const ResultCheck measured = CheckResult(Config(false), {{"accuracy", kNan}, {"latency_ms", 3}}, TaskKind::kMeasure);
  EXPECT_EQ(measured.invalid, "");
  EXPECT_FALSE(measured.diverged);
}

TEST(CheckResult, ACostMustBeFiniteAndNotNegative) {
  const ResultCheck infinite =
      CheckResult(Config(false), {{"accuracy", 0.5}, {"latency_ms", kInf}}, TaskKind::kEvaluate);
  EXPECT_EQ(infinite.invalid, "the metric latency_ms is not a finite number");
  EXPECT_TRUE(infinite.diverged);
  EXPECT_EQ(WhyInvalid({{"accuracy", 0.5}, {"latency_ms", -0.5}}, TaskKind::kEvaluate),
            "the cost latency_ms is negative: -0.5");
  EXPECT_EQ(WhyInvalid({{"accuracy", 0.5}, {"latency_ms", -1234568}}, TaskKind::kEvaluate),
            "the cost latency_ms is negative: -1234568");
  EXPECT_EQ(WhyInvalid({{"accuracy", 0.5}, {"latency_ms", 0}}, TaskKind::kEvaluate), "");
  EXPECT_EQ(WhyInvalid({{"accuracy", 0.5}, {"latency_ms", -0.5}}, TaskKind::kTrain), "");
  // A reward may be negative.
  EXPECT_EQ(WhyInvalid({{"accuracy", -2}, {"latency_ms", 1}}, TaskKind::kEvaluate), "");
}

TEST(CheckResult, LeavesOutWhatNothingDependsOn) {
  const ResultCheck check = CheckResult(
      Config(false), {{"accuracy", 0.5}, {"latency_ms", 3}, {"loss", kNan}, {"params", 7}}, TaskKind::kEvaluate);
  EXPECT_EQ(check.invalid, "");
  EXPECT_FALSE(check.diverged);
  EXPECT_EQ(check.metrics, (Metrics{{"accuracy", 0.5}, {"latency_ms", 3}, {"params", 7}}));
}

TEST(Contains, AllWithTheSameValues) {
  const Metrics all = {{"a", 1}, {"b", 2}};
  EXPECT_TRUE(Contains(all, {}));
  EXPECT_TRUE(Contains(all, all));
  EXPECT_TRUE(Contains(all, {{"b", 2}}));
  EXPECT_FALSE(Contains(all, {{"b", 3}}));
  EXPECT_FALSE(Contains(all, {{"a", 1}, {"c", 2}}));
  EXPECT_FALSE(Contains({}, all));
}

}  // namespace
}  // namespace layernas::core
