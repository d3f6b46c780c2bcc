#include "controller/spec/core_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/spec/validate.h"
#include "tests/controller/support/specs.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

core::SearchConfig Config(const v1::SearchSpec& spec) {
  const auto config = ToCoreConfig(spec.SerializeAsString());
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : core::SearchConfig();
}

core::LayerNasOptions Options(const v1::SearchSpec& spec) {
  const core::SearchConfig config = Config(spec);
  const auto* options = std::get_if<core::LayerNasOptions>(&config.strategy);
  EXPECT_NE(options, nullptr);
  return options == nullptr ? core::LayerNasOptions() : *options;
}

TEST(CoreConfig, DefaultsAreSet) {
  const core::SearchConfig config = Config(LayerNasSpec("s"));
  EXPECT_EQ(config.reward_metric, "accuracy");
  EXPECT_EQ(config.cost_metric, "latency_ms");
  EXPECT_THAT(config.targets, IsEmpty());
  EXPECT_EQ(config.seed, 1u);
  EXPECT_EQ(config.trainings, 0);
  EXPECT_EQ(config.duration, Millis{0});
  EXPECT_EQ(config.initial_failures, 10);
  EXPECT_EQ(config.attempts, 3);
  EXPECT_THAT(config.require, IsEmpty());
  // The last option is the default.
  EXPECT_THAT(config.space.Default(), ElementsAre(2, 2, 2));

  v1::SearchSpec bare = LayerNasSpec("s");
  bare.mutable_strategy()->mutable_layernas()->clear_buckets();
  const core::LayerNasOptions options = Options(bare);
  EXPECT_EQ(options.buckets.count, 20);
  EXPECT_EQ(options.buckets.scale, core::BucketScale::kLinear);
  // The costs in layer i are 1, 1 + (i + 1) and 1 + 2 (i + 1).
  EXPECT_EQ(options.buckets.min, 3);
  EXPECT_EQ(options.buckets.max, 15);
  EXPECT_EQ(options.replicas, 1);
  EXPECT_EQ(options.passes, 1);
  EXPECT_EQ(options.stage_limit, 0);
  EXPECT_THAT(options.order, ElementsAre(0, 1, 2));
}

TEST(CoreConfig, EverythingThatIsGivenArrives) {
  v1::SearchSpec spec = LayerNasSpec("s");
  spec.mutable_objective()->set_reward("f1");
  spec.mutable_objective()->add_targets(9);
  spec.mutable_objective()->add_targets(4);
  spec.mutable_space()->mutable_layers(1)->set_default_("option1");
  spec.mutable_strategy()->set_seed(77);
  spec.mutable_budget()->set_trainings(123);
  spec.mutable_budget()->set_initial_failures(5);
  spec.mutable_evaluation()->set_attempts(7);
  (*spec.mutable_evaluation()->mutable_require())["device"] = "gpu";
  v1::LayerNas& layernas = *spec.mutable_strategy()->mutable_layernas();
  layernas.set_replicas(2);
  layernas.set_passes(3);
  layernas.set_stage_limit(40);
  layernas.mutable_buckets()->set_count(9);
  layernas.mutable_buckets()->set_scale(v1::BUCKET_SCALE_LOGARITHMIC);
  layernas.mutable_buckets()->set_min(2);
  layernas.mutable_buckets()->set_max(12);
  const core::SearchConfig config = Config(spec);
  EXPECT_EQ(config.reward_metric, "f1");
  EXPECT_THAT(config.targets, ElementsAre(9, 4));
  EXPECT_THAT(config.space.Default(), ElementsAre(2, 1, 2));
  EXPECT_EQ(config.seed, 77u);
  EXPECT_EQ(config.trainings, 123);
  EXPECT_EQ(config.initial_failures, 5);
  EXPECT_EQ(config.attempts, 7);
  EXPECT_THAT(config.require, ElementsAre(std::pair("device", "gpu")));
  const core::LayerNasOptions options = Options(spec);
  EXPECT_EQ(options.replicas, 2);
  EXPECT_EQ(options.passes, 3);
  EXPECT_EQ(options.stage_limit, 40);
  EXPECT_EQ(options.buckets.count, 9);
  EXPECT_EQ(options.buckets.scale, core::BucketScale::kLogarithmic);
  EXPECT_EQ(options.buckets.min, 2);
  EXPECT_EQ(options.buckets.max, 12);

  layernas.clear_buckets();
  for (const double edge : {4.0, 8.0}) layernas.mutable_buckets()->add_edges(edge);
  EXPECT_THAT(Options(spec).buckets.edges, ElementsAre(4, 8));
}

TEST(CoreConfig, SharingIsThatOfTheSpec) {
  EXPECT_EQ(Config(RandomSpec("s", 3)).sharing, (core::Sharing{1, 0, 0}));
  v1::SearchSpec spec = RandomSpec("s", 3);
  spec.mutable_sharing()->set_weight(2.5);
  spec.mutable_sharing()->set_priority(-4);
  spec.mutable_sharing()->set_max_running(9);
  EXPECT_EQ(Config(spec).sharing, (core::Sharing{2.5, -4, 9}));
}

TEST(CoreConfig, TheEvaluationKeyIsOfWhatEvaluatorsAreShown) {
  v1::SearchSpec spec = LayerNasSpec("s");
  auto& parameters = *spec.mutable_evaluation()->mutable_train()->mutable_parameters()->mutable_fields();
  for (const char* name : {"a", "b", "c", "d", "e"}) parameters[name].set_string_value(name);
  const std::string key = Config(spec).evaluation_key;
  EXPECT_EQ(key.size(), 32u);
  EXPECT_FALSE(Config(spec).reuse_results);

  v1::SearchSpec other = spec;
  other.set_name("other");
  other.mutable_strategy()->mutable_random();
  other.mutable_strategy()->set_seed(9);
  other.mutable_budget()->set_trainings(3);
  other.mutable_objective()->add_targets(7);
  other.mutable_space()->mutable_layers(0)->set_default_("option0");
  for (v1::Layer& layer : *other.mutable_space()->mutable_layers()) {
    for (v1::Option& option : *layer.mutable_options()) option.clear_costs();
  }
  other.mutable_evaluation()->set_reuse_results(true);
  other.mutable_evaluation()->set_attempts(7);
  EXPECT_EQ(Config(other).evaluation_key, key);
  EXPECT_TRUE(Config(other).reuse_results);

  std::vector<v1::SearchSpec> different(6, spec);
  different[0].mutable_evaluation()->mutable_train()->set_dataset("cifar10");
  different[1].mutable_evaluation()->mutable_measure()->set_runs(3);
  (*different[2].mutable_evaluation()->mutable_require())["device"] = "gpu";
  different[3].mutable_space()->mutable_network()->set_classes(10);
  different[4].mutable_space()->mutable_layers(2)->mutable_options(0)->set_name("x");
  std::swap(*different[5].mutable_space()->mutable_layers(0), *different[5].mutable_space()->mutable_layers(1));
  for (const v1::SearchSpec& one : different) EXPECT_NE(Config(one).evaluation_key, key) << one.DebugString();
}

TEST(CoreConfig, RandomSearchIsAStrategyToo) {
  EXPECT_TRUE(std::holds_alternative<core::RandomOptions>(Config(RandomSpec("s", 3)).strategy));
}

TEST(CoreConfig, SeedZeroIsASeed) {
  v1::SearchSpec spec = RandomSpec("s", 3);
  spec.mutable_strategy()->set_seed(0);
  EXPECT_EQ(Config(spec).seed, 0u);
}

TEST(CoreConfig, LayerOrders) {
  v1::SearchSpec spec = LayerNasSpec("s");
  v1::LayerOrder& order = *spec.mutable_strategy()->mutable_layernas()->mutable_order();
  order.set_direction(v1::LayerOrder::DIRECTION_FORWARD);
  EXPECT_THAT(Options(spec).order, ElementsAre(0, 1, 2));
  order.set_direction(v1::LayerOrder::DIRECTION_REVERSE);
  EXPECT_THAT(Options(spec).order, ElementsAre(2, 1, 0));
  order.clear_direction();
  for (const char* name : {"layer1", "layer2", "layer0"}) order.add_layers(name);
  EXPECT_THAT(Options(spec).order, ElementsAre(1, 2, 0));
}

TEST(CoreConfig, CostsAreThoseOfTheObjective) {
  v1::SearchSpec spec = LayerNasSpec("s", 2, 2);
  (*spec.mutable_space()->mutable_base_costs())["latency_ms"] = 10;
  (*spec.mutable_space()->mutable_base_costs())["params"] = 999;
  for (v1::Layer& layer : *spec.mutable_space()->mutable_layers()) {
    for (v1::Option& option : *layer.mutable_options()) (*option.mutable_costs())["params"] = 5000;
  }
  const core::Space space = Config(spec).space;
  ASSERT_TRUE(space.CostIsPerLayer());
  EXPECT_EQ(space.base_cost, 10);
  EXPECT_EQ(space.Cost({0, 0}), 12);
  EXPECT_EQ(space.Cost({1, 1}), 10 + 2 + 3);
}

TEST(CoreConfig, WithoutCostsTheyAreMeasured) {
  v1::SearchSpec spec = LayerNasSpec("s");
  for (v1::Layer& layer : *spec.mutable_space()->mutable_layers()) {
    for (v1::Option& option : *layer.mutable_options()) option.clear_costs();
  }
  EXPECT_FALSE(Config(spec).space.CostIsPerLayer());
  // The maximum is only known with the first measurement.
  const core::BucketOptions buckets = Options(spec).buckets;
  EXPECT_EQ(buckets.min, 0);
  EXPECT_FALSE(buckets.max);
}

TEST(CoreConfig, DurationsInMilliseconds) {
  v1::SearchSpec spec = RandomSpec("s", 3);
  google::protobuf::Duration& duration = *spec.mutable_budget()->mutable_duration();
  duration.set_seconds(90);
  duration.set_nanos(250'000'000);
  EXPECT_EQ(Config(spec).duration, Millis{90'250});
  duration.set_seconds(std::int64_t{10} * 365 * 24 * 3600);
  duration.set_nanos(0);
  EXPECT_EQ(Config(spec).duration, std::chrono::hours(10 * 365 * 24));
  // 0 would mean unlimited.
  duration.set_seconds(0);
  duration.set_nanos(1);
  EXPECT_EQ(Config(spec).duration, Millis{1});
}

TEST(CoreConfig, AStoredSpecThatIsNoneIsDataLoss) {
  EXPECT_EQ(ToCoreConfig(std::string_view("rubbish")).status().code(), absl::StatusCode::kDataLoss);
  const auto invalid = ToCoreConfig(v1::SearchSpec().SerializeAsString());
  EXPECT_EQ(invalid.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(invalid.status().message()), HasSubstr("name"));
}

}  // namespace
}  // namespace layernas
