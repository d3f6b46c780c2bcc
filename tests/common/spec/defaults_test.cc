// Tests defaults of specs, counted costs, and summaries.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "common/spec/validate.h"
#include "tests/common/spec/specs.h"

namespace layernas::spec {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(WithDefaults, SetsWhatIsUnsetAndNothingElse) {
  const v1::SearchSpec full = WithDefaults(Good());
  EXPECT_EQ(full.space().layers(0).default_(), "conv");
  EXPECT_EQ(full.space().layers(1).default_(), "small");
  EXPECT_EQ(full.objective().reward(), "accuracy");
  EXPECT_EQ(full.strategy().seed(), 1);
  const v1::LayerNas& layernas = full.strategy().layernas();
  EXPECT_EQ(layernas.buckets().count(), 20);
  EXPECT_EQ(layernas.buckets().scale(), v1::BUCKET_SCALE_LINEAR);
  EXPECT_EQ(layernas.buckets().min(), 4.5);
  EXPECT_EQ(layernas.buckets().max(), 8);
  EXPECT_EQ(layernas.replicas(), 1);
  EXPECT_EQ(layernas.passes(), 1);
  EXPECT_EQ(layernas.order().direction(), v1::LayerOrder::DIRECTION_FORWARD);
  EXPECT_EQ(full.budget().trainings(), 10);
  EXPECT_EQ(full.budget().initial_failures(), 10);
  EXPECT_EQ(full.evaluation().timeout().seconds(), 3600);
  EXPECT_EQ(full.evaluation().attempts(), 3);
  EXPECT_EQ(WithDefaults(full).SerializeAsString(), full.SerializeAsString());
}

TEST(WithDefaults, AMeasuredCostLeavesTheUpperEndOpen) {
  const v1::Buckets buckets = WithDefaults(WithMeasuredCost()).strategy().layernas().buckets();
  EXPECT_TRUE(buckets.has_min());
  EXPECT_EQ(buckets.min(), 0);
  EXPECT_FALSE(buckets.has_max());
}

TEST(WithDefaults, EdgesAndAnOrderByNameStandAlone) {
  v1::SearchSpec spec = Good();
  BucketsOf(spec).add_edges(5);
  for (const char* name : {"b", "a"}) Strategy(spec).mutable_order()->add_layers(name);
  const v1::SearchSpec full = WithDefaults(spec);
  EXPECT_EQ(full.strategy().layernas().buckets().SerializeAsString(), BucketsOf(spec).SerializeAsString());
  EXPECT_EQ(full.strategy().layernas().order().direction(), v1::LayerOrder::DIRECTION_UNSPECIFIED);
  EXPECT_THAT(ValidateSpec(full), IsEmpty());
}

// 10 layers of 10 options.
v1::SearchSpec Large() {
  v1::SearchSpec spec = Parse(R"pb(
    name: "large"
    objective { cost: "ms" }
    strategy {
      layernas {
        buckets { count: 5 }
        replicas: 2
        passes: 3
      }
    })pb");
  for (int i = 0; i < 10; ++i) {
    v1::Layer& layer = *spec.mutable_space()->add_layers();
    layer.set_name("layer" + std::to_string(i));
    for (int j = 0; j < 10; ++j) layer.add_options()->set_name("option" + std::to_string(j));
  }
  return spec;
}

// Two layers with options of layernas-trainer; no costs are given.
v1::SearchSpec Counted() {
  v1::SearchSpec spec = Parse(R"pb(
    name: "counted"
    space {
      network {
        input: [ 3, 8, 8 ]
        classes: 10
        stem_channels: 4
      }
      layers {
        name: "a"
        channels: 8
        options { name: "skip" }
        options { name: "conv_k3" }
      }
      layers {
        name: "b"
        channels: 8
        options { name: "conv_k1" }
        options { name: "conv_k3" }
      }
    }
    objective { cost: "params" counted: true }
    strategy { layernas {} }
  )pb");
  EXPECT_THAT(ValidateSpec(spec), IsEmpty());
  return spec;
}

TEST(CountedCost, IsKnownPerLayer) {
  const v1::SearchSpec full = WithDefaults(Counted());
  EXPECT_TRUE(CostIsPerLayer(full));
  EXPECT_FALSE(full.objective().counted());
  // The weights of the stem's convolution, of a projection in layer a, and of the cheaper option of
  // layer b, each with its normalization, and of the linear layer.
  EXPECT_EQ(full.space().base_costs().at("params"), (27 * 4 + 8) + (4 * 8 + 16) + (8 * 8 + 16) + (8 * 10 + 10));
  EXPECT_EQ(full.space().layers(0).options(0).costs().at("params"), 0);
  EXPECT_EQ(full.space().layers(0).options(1).costs().at("params"), 8 * 4 * 8);
  EXPECT_EQ(full.space().layers(1).options(1).costs().at("params"), 8 * 8 * 8);
  EXPECT_EQ(full.strategy().layernas().buckets().max() - full.strategy().layernas().buckets().min(), 256 + 512);
  EXPECT_THAT(ValidateSpec(full), IsEmpty());
  EXPECT_EQ(WithDefaults(full).SerializeAsString(), full.SerializeAsString());
}

TEST(MeasureFirst, IsRefusedWhereItIsOfNoUse) {
  const auto refusals = [](const v1::SearchSpec& spec) {
    std::string messages;
    for (const Violation& violation : ValidateSpec(spec)) messages += violation.field + " " + violation.message + "\n";
    return messages;
  };
  v1::SearchSpec spec = WithMeasuredCost();
  spec.mutable_evaluation()->set_measure_first(true);
  EXPECT_THAT(refusals(spec), HasSubstr("evaluation.measure_first cannot be combined with strategy.layernas"));
  spec.mutable_strategy()->mutable_guided_layernas();
  spec.mutable_budget()->set_trainings(50);
  EXPECT_EQ(refusals(spec), "");
  spec.mutable_objective()->clear_targets();
  EXPECT_THAT(refusals(spec), HasSubstr("evaluation.measure_first skips architectures that exceed every target: set"));
  v1::SearchSpec known = Good();
  known.mutable_evaluation()->set_measure_first(true);
  EXPECT_THAT(refusals(known), HasSubstr("evaluation.measure_first has no effect because the cost is known"));
}

TEST(Final, HasDefaultsThatFollowTheEvaluation) {
  v1::SearchSpec spec = Good();
  spec.mutable_evaluation()->mutable_train()->set_epochs(10);
  spec.mutable_evaluation()->mutable_timeout()->set_seconds(60);
  spec.mutable_final()->set_epochs(50);
  EXPECT_THAT(ValidateSpec(spec), IsEmpty());
  const v1::Final final = WithDefaults(spec).final();
  EXPECT_EQ(final.per_target(), 1);
  EXPECT_EQ(final.seeds(), 1);
  EXPECT_EQ(final.timeout().seconds(), 300);
  // A default exceeds no limit.
  spec.mutable_evaluation()->mutable_timeout()->set_seconds(24 * 3600);
  spec.mutable_final()->set_epochs(std::numeric_limits<std::int32_t>::max());
  EXPECT_THAT(ValidateSpec(WithDefaults(spec)), IsEmpty());
  spec.mutable_evaluation()->mutable_timeout()->set_seconds(60);
  spec.mutable_final()->clear_epochs();
  EXPECT_EQ(WithDefaults(spec).final().epochs(), 10);
  EXPECT_EQ(WithDefaults(spec).final().timeout().seconds(), 60);
  spec.mutable_objective()->clear_targets();
  for (int i = 0; i < 101; ++i) spec.mutable_objective()->add_targets(1000 + i);
  spec.mutable_final()->set_per_target(2);
  EXPECT_THAT(ValidateSpec(spec).front().message, HasSubstr("would train 202 architectures in full"));
  spec.mutable_objective()->clear_targets();
  spec.mutable_final()->set_per_target(21);
  spec.mutable_final()->set_seeds(-1);
  spec.mutable_final()->set_epochs(0);
  spec.mutable_final()->mutable_timeout();
  std::vector<std::string> fields;
  for (const Violation& violation : ValidateSpec(spec)) fields.push_back(violation.field);
  EXPECT_THAT(fields, ::testing::ElementsAre("final.per_target", "final.epochs", "final.seeds", "final.timeout"));
}

TEST(EarlyStop, NeedsACostThatIsKnownBeforeTheTraining) {
  const auto refusals = [](const v1::SearchSpec& spec) {
    std::string messages;
    for (const Violation& violation : ValidateSpec(spec)) messages += violation.field + " " + violation.message + "\n";
    return messages;
  };
  v1::SearchSpec spec = WithMeasuredCost();
  spec.mutable_evaluation()->mutable_early_stop();
  EXPECT_THAT(refusals(spec), HasSubstr("evaluation.early_stop compares trainings of similar cost"));
  (*spec.mutable_evaluation()->mutable_measure_on())["device"] = "cpu";
  EXPECT_EQ(refusals(spec), "");
  v1::SearchSpec known = Good();
  known.mutable_evaluation()->mutable_early_stop();
  EXPECT_EQ(refusals(known), "");
  known.mutable_evaluation()->mutable_train()->set_epochs(10);
  const v1::EarlyStop full = WithDefaults(known).evaluation().early_stop();
  EXPECT_EQ(full.compared(), 10);
  EXPECT_EQ(full.min_epochs(), 3);
  known.mutable_evaluation()->mutable_early_stop()->set_compared(1);
  known.mutable_evaluation()->mutable_early_stop()->set_min_epochs(0);
  EXPECT_THAT(refusals(known), HasSubstr("evaluation.early_stop.compared must be"));
  EXPECT_THAT(refusals(known), HasSubstr("evaluation.early_stop.min_epochs must be"));
}

// With a thousand layers, each option is counted separately instead of within a whole architecture.
TEST(CountedCost, LargeSpacesAreCounted) {
  v1::SearchSpec spec = Counted();
  v1::Layer layer = spec.space().layers(1);
  while (spec.space().layers_size() < 1000) {
    layer.set_name("layer" + std::to_string(spec.space().layers_size()));
    *spec.mutable_space()->add_layers() = layer;
  }
  EXPECT_THAT(ValidateSpec(spec), IsEmpty());
  // From 8 channels to 8: a 1x1 convolution has 64 weights, a 3x3 one has 576.
  EXPECT_EQ(WithDefaults(spec).space().layers(999).options(1).costs().at("params"), 576 - 64);
}

// Each option has all parameters of its layer, so together they can be much larger than the spec.
TEST(CountedCost, OptionsThatShareLargeParametersAreRefusedBeforeTheyAreCounted) {
  v1::SearchSpec spec = Counted();
  v1::Layer& layer = *spec.mutable_space()->mutable_layers(0);
  auto& fields = *layer.mutable_parameters()->mutable_fields();
  fields["block"].set_string_value("cell");
  // 141 nodes.
  for (int i = 0; i < 141 * 142 / 2; ++i) fields["edges"].mutable_list_value()->add_values()->set_string_value("none");
  layer.clear_options();
  for (int i = 0; i < 100; ++i) layer.add_options()->set_name("option" + std::to_string(i));
  const std::vector<Violation> violations = ValidateSpec(spec);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "objective.counted");
  EXPECT_THAT(violations[0].message, HasSubstr("supports only smaller spaces: the options with the parameters"));
  // A few of them are counted.
  layer.mutable_options()->DeleteSubrange(3, 97);
  EXPECT_THAT(ValidateSpec(spec), IsEmpty());
}

TEST(CountedCost, WhatCanNotBeCountedIsExplained) {
  const auto refusal = [](const std::function<void(v1::SearchSpec&)>& spoil) {
    v1::SearchSpec spec = Counted();
    spoil(spec);
    EXPECT_FALSE(CostIsPerLayer(WithDefaults(spec)));
    std::string messages;
    for (const Violation& violation : ValidateSpec(spec)) messages += violation.field + " " + violation.message + "\n";
    return messages;
  };
  EXPECT_THAT(refusal([](auto& spec) { spec.mutable_objective()->set_cost("latency_ms"); }),
              HasSubstr("objective.counted counts only params and multiply_adds"));
  EXPECT_THAT(refusal([](auto& spec) { spec.mutable_space()->mutable_layers(0)->mutable_options(0)->set_name("x"); }),
              HasSubstr("objective.counted layer 'a': option 'x'"));
  EXPECT_THAT(
      refusal([](auto& spec) { spec.mutable_space()->mutable_layers(0)->mutable_options(0)->set_name("conv_k3_c16"); }),
      HasSubstr("objective.counted the options of layer \"a\" have different output shapes"));
  EXPECT_THAT(refusal([](auto& spec) {
                spec.mutable_space()->mutable_layers(0)->mutable_options(0)->set_name("conv_k3_c16");
                spec.mutable_space()->clear_network();
              }),
              HasSubstr("objective.counted network.input"));
  EXPECT_THAT(refusal([](auto& spec) { spec.mutable_space()->clear_layers(); }),
              HasSubstr("objective.counted needs layers"));
}

TEST(Summarize, BoundsTheTrainingsByStrategyBudgetAndSpace) {
  v1::SearchSpec spec = Large();
  v1::SpecSummary summary = Summarize(spec);
  EXPECT_EQ(summary.layers(), 10);
  EXPECT_EQ(summary.space_size(), 1e10);
  EXPECT_EQ(summary.most_trainings(), 1 + 3 * 5 * 2 * 100);
  EXPECT_FALSE(summary.has_cheapest());

  Strategy(spec).set_stage_limit(7);
  EXPECT_EQ(Summarize(spec).most_trainings(), 1 + 3 * 10 * 7);
  for (const double edge : {1.0, 2.0, 3.0}) BucketsOf(spec).add_edges(edge);
  BucketsOf(spec).clear_count();
  Strategy(spec).clear_stage_limit();
  EXPECT_EQ(Summarize(spec).most_trainings(), 1 + 3 * 4 * 2 * 100);
  spec.mutable_budget()->set_trainings(50);
  EXPECT_EQ(Summarize(spec).most_trainings(), 50);

  summary = Summarize(Good());
  EXPECT_EQ(summary.most_trainings(), 4);
  EXPECT_EQ(summary.cheapest(), 4.5);
  EXPECT_EQ(summary.dearest(), 8);
}

TEST(Summarize, ARandomSearchByTimeAloneIsBoundedByTheSpaceOnly) {
  v1::SearchSpec spec = Large();
  spec.mutable_strategy()->mutable_random();
  spec.mutable_budget()->mutable_duration()->set_seconds(60);
  EXPECT_EQ(Summarize(spec).most_trainings(), 10'000'000'000);
  for (int i = 0; i < 3; ++i) spec.mutable_space()->MergeFrom(v1::Space(spec.space()));
  EXPECT_DOUBLE_EQ(Summarize(spec).space_size(), 1e80);
  EXPECT_EQ(Summarize(spec).most_trainings(), 0);
}

}  // namespace
}  // namespace layernas::spec
