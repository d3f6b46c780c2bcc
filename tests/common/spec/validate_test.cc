// Tests which specs are refused, and why.
#include "common/spec/validate.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/spec/json.h"
#include "layernas/v1/search_service.pb.h"
#include "tests/common/spec/specs.h"

namespace layernas::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ValidateSpec, TakesGoodSpecs) {
  EXPECT_THAT(ValidateSpec(Good()), IsEmpty());
  EXPECT_THAT(ValidateSpec(WithMeasuredCost()), IsEmpty());
  EXPECT_THAT(ValidateSpec(WithDefaults(Good())), IsEmpty());
  EXPECT_THAT(ValidateSpec(WithDefaults(WithMeasuredCost())), IsEmpty());
}

TEST(ValidateSpec, ASumOfCostsThatIsRoundedMeetsItsTarget) {
  v1::SearchSpec spec = Good();
  spec.mutable_space()->clear_base_costs();
  const double cheapest[] = {0.1, 0.2};
  for (int i = 0; i < 2; ++i) {
    (*spec.mutable_space()->mutable_layers(i)->mutable_options(0)->mutable_costs())["ms"] = cheapest[i];
  }
  spec.mutable_objective()->set_targets(0, 0.3);
  EXPECT_THAT(ValidateSpec(spec), IsEmpty());
}

struct Mistake {
  std::string name;
  std::function<void(v1::SearchSpec&)> make;
  std::string field;
  std::string message;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class ValidateSpecMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(ValidateSpecMistake, IsNamedWithItsField) {
  v1::SearchSpec spec = Good();
  GetParam().make(spec);
  EXPECT_THAT(ValidateSpec(spec), ElementsAre(FieldsAre(GetParam().field, HasSubstr(GetParam().message))));
}

v1::Layer& Layer(v1::SearchSpec& spec, int i) { return *spec.mutable_space()->mutable_layers(i); }

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

INSTANTIATE_TEST_SUITE_P(
    Spec, ValidateSpecMistake,
    ::testing::Values(Mistake{"NoName", [](auto& s) { s.clear_name(); }, "name", "is missing"},
                      Mistake{"NameWithCapital", [](auto& s) { s.set_name("Search"); }, "name", "lower-case"},
                      Mistake{"NameTooLong", [](auto& s) { s.set_name(std::string(41, 'a')); }, "name", "at most 40"},
                      Mistake{"NameEndsWithDash", [](auto& s) { s.set_name("a-"); }, "name", "no dash"},
                      Mistake{"TooLarge",
                              [](auto& s) {
                                (*s.mutable_space()->mutable_network()->mutable_parameters()->mutable_fields())["x"]
                                    .set_string_value(std::string(3 << 20, 'x'));
                              },
                              "", "bytes, more than the maximum of"}));

INSTANTIATE_TEST_SUITE_P(
    Space, ValidateSpecMistake,
    ::testing::Values(
        Mistake{"NoSpace", [](auto& s) { s.clear_space(); }, "space", "is missing"},
        Mistake{"NoLayers", [](auto& s) { s.mutable_space()->clear_layers(), s.mutable_space()->clear_base_costs(); },
                "space.layers", "at least one layer"},
        Mistake{"TooManyLayers",
                [](auto& s) {
                  s.mutable_objective()->clear_targets();
                  while (s.space().layers_size() <= 1000) *s.mutable_space()->add_layers() = s.space().layers(0);
                },
                "space.layers", "at most 1000 layers, has 1001"},
        Mistake{"TooManyOptions",
                [](auto& s) {
                  v1::Layer& layer = Layer(s, 0);
                  while (layer.options_size() <= 1000) *layer.add_options() = layer.options(0);
                },
                "space.layers[0].options", "at most 1000 options, has 1001"},
        Mistake{"NoOptions", [](auto& s) { Layer(s, 1).clear_options(), Layer(s, 1).clear_default_(); },
                "space.layers[1].options", "at least one option"},
        Mistake{"DuplicateLayer", [](auto& s) { Layer(s, 1).set_name("a"); }, "space.layers[1].name",
                "\"a\" is already the name of space.layers[0]"},
        Mistake{"DuplicateOption", [](auto& s) { Layer(s, 0).mutable_options(1)->set_name("skip"); },
                "space.layers[0].options[1].name", "\"skip\" is already the name of space.layers[0].options[0]"},
        Mistake{"EmptyLayerName", [](auto& s) { Layer(s, 0).clear_name(); }, "space.layers[0].name", "is missing"},
        Mistake{"EmptyOptionName", [](auto& s) { Layer(s, 0).mutable_options(0)->clear_name(); },
                "space.layers[0].options[0].name", "is missing"},
        Mistake{"LongOptionName", [](auto& s) { Layer(s, 0).mutable_options(0)->set_name(std::string(101, 'x')); },
                "space.layers[0].options[0].name", "at most 100 bytes long, is 101"},
        Mistake{"LineBreakInName", [](auto& s) { Layer(s, 0).set_name("a\nb"); }, "space.layers[0].name",
                "control characters"},
        Mistake{"UnknownDefault", [](auto& s) { Layer(s, 1).set_default_("medium"); }, "space.layers[1].default",
                "\"medium\" is not an option"},
        Mistake{"NegativeChannels", [](auto& s) { Layer(s, 0).set_channels(-1); }, "space.layers[0].channels",
                "must be at least 0, is -1"},
        Mistake{"NegativeStride", [](auto& s) { Layer(s, 0).set_stride(-2); }, "space.layers[0].stride",
                "must be at least 0, is -2"},
        Mistake{"InputOfNothing", [](auto& s) { s.mutable_space()->mutable_network()->add_input(0); },
                "space.network.input[0]", "must be at least 1, is 0"},
        Mistake{"PartialCosts", [](auto& s) { Layer(s, 1).mutable_options(1)->clear_costs(); },
                "space.layers[1].options[1].costs", "lacks ms, which other options have (space.layers[0].options[0])"},
        Mistake{"NegativeCost", [](auto& s) { (*Layer(s, 0).mutable_options(1)->mutable_costs())["ms"] = -2; },
                "space.layers[0].options[1].costs.ms", "must be at least 0, is -2"},
        Mistake{"InfiniteCost", [](auto& s) { (*Layer(s, 0).mutable_options(1)->mutable_costs())["mb"] = kInfinity; },
                "space.layers[0].options[1].costs.mb", "is inf"},
        Mistake{"NegativeBaseCost", [](auto& s) { (*s.mutable_space()->mutable_base_costs())["mb"] = -1; },
                "space.base_costs.mb", "must be at least 0, is -1"},
        Mistake{"BaseCostOfAMeasuredCost",
                [](auto& s) {
                  s = WithMeasuredCost();
                  (*s.mutable_space()->mutable_base_costs())["ms"] = 1;
                },
                "space.base_costs.ms", "has no effect"}));

INSTANTIATE_TEST_SUITE_P(
    Objective, ValidateSpecMistake,
    ::testing::Values(Mistake{"NoCost", [](auto& s) { s.mutable_objective()->clear_cost(); }, "objective.cost",
                              "is missing"},
                      Mistake{"CostIsReward", [](auto& s) { s.mutable_objective()->set_reward("ms"); },
                              "objective.cost", "must not be the reward's metric"},
                      Mistake{"TargetOfZero", [](auto& s) { s.mutable_objective()->set_targets(1, 0); },
                              "objective.targets[1]", "above 0, is 0"},
                      Mistake{"TargetNotANumber", [](auto& s) { s.mutable_objective()->set_targets(0, kNan); },
                              "objective.targets[0]", "finite"},
                      Mistake{"TargetTwice", [](auto& s) { s.mutable_objective()->set_targets(1, 5); },
                              "objective.targets[1]", "5 is already in objective.targets[0]"},
                      Mistake{"TooManyTargets",
                              [](auto& s) {
                                for (int i = 2; i <= 200; ++i) s.mutable_objective()->add_targets(10 + i);
                              },
                              "objective.targets", "at most 200 targets, has 201"},
                      Mistake{"TargetBelowCheapest", [](auto& s) { s.mutable_objective()->set_targets(0, 3); },
                              "objective.targets[0]", "no architecture can meet 3: the cheapest one costs 4.5"}));

INSTANTIATE_TEST_SUITE_P(
    Strategy, ValidateSpecMistake,
    ::testing::Values(
        Mistake{"None", [](auto& s) { s.clear_strategy(); }, "strategy", "is missing"},
        Mistake{"TooManyBuckets", [](auto& s) { BucketsOf(s).set_count(10001); }, "strategy.layernas.buckets.count",
                "must be between 1 and 10000, is 10001"},
        Mistake{"NegativeBuckets", [](auto& s) { BucketsOf(s).set_count(-1); }, "strategy.layernas.buckets.count",
                "is -1"},
        Mistake{"UnknownScale", [](auto& s) { BucketsOf(s).set_scale(static_cast<v1::BucketScale>(9)); },
                "strategy.layernas.buckets.scale", "linear, logarithmic or auto"},
        Mistake{"MinAboveMax", [](auto& s) { BucketsOf(s).set_min(7), BucketsOf(s).set_max(6); },
                "strategy.layernas.buckets.min", "must be below max, which is 6; is 7"},
        Mistake{"MinAboveDearest", [](auto& s) { BucketsOf(s).set_min(9); }, "strategy.layernas.buckets.min",
                "must be below max, which is 8 (the most expensive architecture); is 9"},
        Mistake{"MaxBelowCheapest", [](auto& s) { BucketsOf(s).set_max(4); }, "strategy.layernas.buckets.max",
                "must be above min, which is 4.5 (the cheapest architecture); is 4"},
        Mistake{"InfiniteMax", [](auto& s) { BucketsOf(s).set_max(kInfinity); }, "strategy.layernas.buckets.max",
                "finite"},
        Mistake{"LogarithmicFromZero",
                [](auto& s) { BucketsOf(s).set_scale(v1::BUCKET_SCALE_LOGARITHMIC), BucketsOf(s).set_min(0); },
                "strategy.layernas.buckets.min", "above 0 for a logarithmic scale, is 0"},
        Mistake{"LogarithmicOfAMeasuredCost",
                [](auto& s) {
                  s = WithMeasuredCost();
                  BucketsOf(s).set_scale(v1::BUCKET_SCALE_LOGARITHMIC);
                },
                "strategy.layernas.buckets.min", "is missing"},
        Mistake{"EdgesAndCount", [](auto& s) { BucketsOf(s).add_edges(5), BucketsOf(s).set_count(3); },
                "strategy.layernas.buckets.edges", "cannot be combined with count"},
        Mistake{"EdgesDescend", [](auto& s) { BucketsOf(s).add_edges(5), BucketsOf(s).add_edges(5); },
                "strategy.layernas.buckets.edges[1]", "must be above the edge before it, which is 5"},
        Mistake{"TooManyReplicas", [](auto& s) { Strategy(s).set_replicas(101); }, "strategy.layernas.replicas",
                "between 1 and 100, is 101"},
        Mistake{"TooManyPasses", [](auto& s) { Strategy(s).set_passes(101); }, "strategy.layernas.passes",
                "between 1 and 100, is 101"},
        Mistake{"NegativeStageLimit", [](auto& s) { Strategy(s).set_stage_limit(-1); }, "strategy.layernas.stage_limit",
                "at least 0, is -1"},
        Mistake{"OrderLacksALayer", [](auto& s) { Strategy(s).mutable_order()->add_layers("b"); },
                "strategy.layernas.order.layers", "missing \"a\""},
        Mistake{"OrderRepeatsALayer",
                [](auto& s) {
                  for (const char* name : {"b", "a", "b"}) Strategy(s).mutable_order()->add_layers(name);
                },
                "strategy.layernas.order.layers[2]", "layer \"b\" twice"},
        Mistake{"OrderNamesAStranger",
                [](auto& s) {
                  for (const char* name : {"b", "c", "a"}) Strategy(s).mutable_order()->add_layers(name);
                },
                "strategy.layernas.order.layers[1]", "\"c\" is not a layer"},
        Mistake{"OrderAndDirection",
                [](auto& s) {
                  for (const char* name : {"b", "a"}) Strategy(s).mutable_order()->add_layers(name);
                  Strategy(s).mutable_order()->set_direction(v1::LayerOrder::DIRECTION_REVERSE);
                },
                "strategy.layernas.order.direction", "combined with a list of layers"}));

INSTANTIATE_TEST_SUITE_P(
    BudgetAndEvaluation, ValidateSpecMistake,
    ::testing::Values(
        Mistake{"NoTrainings", [](auto& s) { s.mutable_budget()->set_trainings(0); }, "budget.trainings",
                "at least 1, is 0"},
        Mistake{"NoTime", [](auto& s) { s.mutable_budget()->mutable_duration(); }, "budget.duration", "longer than 0s"},
        Mistake{"NoInitialFailures", [](auto& s) { s.mutable_budget()->set_initial_failures(0); },
                "budget.initial_failures", "at least 1, is 0"},
        Mistake{"FinalistsTrainedOnce", [](auto& s) { s.mutable_finalists()->set_trainings(1); }, "finalists.trainings",
                "between 2 and 20, is 1"},
        Mistake{"NoRepeats", [](auto& s) { s.mutable_finalists()->set_repeats(0); }, "finalists.repeats",
                "at least 1, is 0"},
        Mistake{"NothingButRepeats",
                [](auto& s) { s.mutable_budget()->set_trainings(9), s.mutable_finalists()->set_repeats(9); },
                "finalists.repeats", "budget.trainings must be larger"},
        Mistake{"BudgetTooSmallForFinalists",
                [](auto& s) { s.mutable_budget()->set_trainings(2), s.mutable_finalists(); }, "finalists",
                "up to 2 repeats count as trainings: budget.trainings must be larger than that, is 2"},
        Mistake{"FewerRunsThanTheDefault",
                [](auto& s) { s.mutable_evaluation()->mutable_measure()->set_max_runs(199); },
                "evaluation.measure.max_runs", "at least 200, is 199"},
        Mistake{"RandomForEver", [](auto& s) { s.mutable_strategy()->mutable_random(), s.clear_budget(); }, "budget",
                "this strategy needs budget.trainings or budget.duration"},
        Mistake{"GuidedForEver", [](auto& s) { s.mutable_strategy()->mutable_guided_layernas(), s.clear_budget(); },
                "budget", "this strategy needs budget.trainings or budget.duration"},
        Mistake{"LonelyPopulation",
                [](auto& s) { s.mutable_strategy()->mutable_regularized_evolution()->set_population(1); },
                "strategy.regularized_evolution.population", "between 2 and 10000, is 1"},
        Mistake{"TooLargeToExhaust", [](auto& s) { s.mutable_strategy()->mutable_exhaustive()->set_max_size(3); },
                "strategy.exhaustive", "more than max_size (3)"},
        Mistake{"NumberThatIsNone",
                [](auto& s) { (*s.mutable_evaluation()->mutable_require())["memory_gib"] = ">=lots"; },
                "evaluation.require.memory_gib", "must have a number after the >="},
        Mistake{"DeviceThatIsNone",
                [](auto& s) { (*s.mutable_evaluation()->mutable_measure_on())["memory_gib"] = ">=lots"; },
                "evaluation.measure_on.memory_gib", "must have a number after the >="},
        Mistake{"WeightOfNothing", [](auto& s) { s.mutable_sharing()->set_weight(0); }, "sharing.weight",
                "between 0.001 and 1000, is 0"},
        Mistake{"WeightNotANumber", [](auto& s) { s.mutable_sharing()->set_weight(kNan); }, "sharing.weight",
                "between 0.001 and 1000"},
        Mistake{"PriorityTooHigh", [](auto& s) { s.mutable_sharing()->set_priority(1001); }, "sharing.priority",
                "between -1000 and 1000, is 1001"},
        Mistake{"FewerThanNoneRunning", [](auto& s) { s.mutable_sharing()->set_max_running(-1); },
                "sharing.max_running", "at least 0, is -1"},
        Mistake{"NegativeTimeout", [](auto& s) { s.mutable_evaluation()->mutable_timeout()->set_seconds(-5); },
                "evaluation.timeout", "longer than 0s"},
        Mistake{"TimeoutOfCenturies", [](auto& s) { s.mutable_evaluation()->mutable_timeout()->set_seconds(1L << 40); },
                "evaluation.timeout", "at most ten years"},
        Mistake{"NoAttempts", [](auto& s) { s.mutable_evaluation()->set_attempts(0); }, "evaluation.attempts",
                "between 1 and 20, is 0"},
        Mistake{"LabelWithoutKey", [](auto& s) { (*s.mutable_evaluation()->mutable_require())[""] = "cpu"; },
                "evaluation.require.", "is missing"},
        Mistake{"LongLabel",
                [](auto& s) { (*s.mutable_evaluation()->mutable_require())["device"] = std::string(101, 'x'); },
                "evaluation.require.device", "at most 100 bytes"},
        Mistake{"NoEpochs", [](auto& s) { s.mutable_evaluation()->mutable_train()->set_epochs(0); },
                "evaluation.train.epochs", "at least 1, is 0"},
        Mistake{"LearningRateOfZero", [](auto& s) { s.mutable_evaluation()->mutable_train()->set_learning_rate(0); },
                "evaluation.train.learning_rate", "above 0"}));

TEST(ValidateSpec, FindsEveryMistakeInTheOrderOfTheFields) {
  v1::SearchSpec spec = Good();
  spec.mutable_evaluation()->set_attempts(99);
  spec.mutable_space()->mutable_layers(1)->set_stride(-1);
  spec.set_name("NO");
  const std::vector<Violation> violations = ValidateSpec(spec);
  ASSERT_EQ(violations.size(), 3);
  EXPECT_EQ(violations[0].field, "name");
  EXPECT_EQ(violations[1].field, "space.layers[1].stride");
  EXPECT_EQ(violations[2].field, "evaluation.attempts");
}

TEST(ValidateSpec, StopsAtAThousandMistakes) {
  v1::SearchSpec spec = Good();
  for (int i = 0; i < 900; ++i) spec.mutable_space()->add_layers();
  EXPECT_EQ(ValidateSpec(spec).size(), 1000);
}

// Parameters with so many maps, or lists, in each other.
google::protobuf::Struct Nested(int levels, bool maps) {
  google::protobuf::Value value;
  value.set_number_value(1);
  for (int level = 1; level < levels; ++level) {
    google::protobuf::Value outer;
    if (maps) {
      (*outer.mutable_struct_value()->mutable_fields())["p"] = value;
    } else {
      *outer.mutable_list_value()->add_values() = value;
    }
    value = outer;
  }
  google::protobuf::Struct parameters;
  (*parameters.mutable_fields())["p"] = value;
  return parameters;
}

// Otherwise a search could be created, but not be listed, shown or handed to an evaluator.
TEST(ValidateSpec, ParametersCanBeReadAndWrittenInEveryMessage) {
  for (const bool maps : {true, false}) {
    v1::SearchSpec spec = Good();
    v1::Option& option = *spec.mutable_space()->mutable_layers(1)->mutable_options(0);
    *option.mutable_parameters() = Nested(20, maps);
    EXPECT_THAT(ValidateSpec(spec), IsEmpty());
    v1::ListSearchesResponse answer;
    *answer.add_searches()->mutable_spec() = spec;
    v1::ListSearchesResponse read;
    EXPECT_TRUE(read.ParseFromString(answer.SerializeAsString()));
    EXPECT_TRUE(ToJson(answer).ok());

    *spec.mutable_space()->mutable_network()->mutable_parameters() = Nested(21, maps);
    *spec.mutable_space()->mutable_layers(0)->mutable_parameters() = Nested(21, maps);
    *option.mutable_parameters() = Nested(21, maps);
    *spec.mutable_evaluation()->mutable_train()->mutable_parameters() = Nested(21, maps);
    *spec.mutable_evaluation()->mutable_measure()->mutable_parameters() = Nested(30, maps);
    std::vector<std::string> fields;
    for (const Violation& violation : ValidateSpec(spec)) {
      fields.push_back(violation.field);
      EXPECT_EQ(violation.message, "are nested more than 20 levels deep");
    }
    EXPECT_THAT(fields, ElementsAre("space.network.parameters", "space.layers[0].parameters",
                                    "space.layers[1].options[0].parameters", "evaluation.train.parameters",
                                    "evaluation.measure.parameters"));
  }
}

TEST(ValidateSpec, SpacesWhoseArchitecturesAllCostTheSameAreFine) {
  v1::SearchSpec spec = Good();
  spec.mutable_objective()->clear_targets();
  for (v1::Layer& layer : *spec.mutable_space()->mutable_layers()) {
    for (v1::Option& option : *layer.mutable_options()) (*option.mutable_costs())["ms"] = 2;
  }
  EXPECT_THAT(ValidateSpec(spec), IsEmpty());
  EXPECT_THAT(ValidateSpec(WithDefaults(spec)), IsEmpty());
}

}  // namespace
}  // namespace layernas::spec
