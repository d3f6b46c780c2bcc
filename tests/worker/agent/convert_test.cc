#include "worker/agent/convert.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace layernas {
namespace {

using ::testing::MatchesRegex;

v1::Task LeasedAs(const std::string& token) {
  v1::Task task;
  task.set_lease_token(token);
  task.mutable_architecture()->set_id("012");
  return task;
}

TEST(Convert, TheRequestHoldsWhatIsSetUnderItsProtoNames) {
  v1::Task task;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(lease_token: "t"
         candidate: "searches/x-1/candidates/3"
         network { input: 3 input: 32 input: 32 classes: 10 stem_channels: 16 }
         architecture {
           id: "01"
           layers {
             name: "block1" option: "mbconv_k3_e3" channels: 16 stride: 1
             parameters { fields { key: "groups" value { number_value: 4 } } }
           }
         }
         train { dataset: "shapes10" epochs: 2 learning_rate: 0.05 augment: false }
         measure { warm_up: 20 }
         seed: 4000000000
         timeout { seconds: 90 })",
      &task));
  const auto evaluation = ToEvaluation(task);
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(evaluation->task, "searches/x-1/candidates/3");
  EXPECT_EQ(evaluation->architecture_id, "01");
  EXPECT_EQ(evaluation->seed, 4000000000u);
  EXPECT_EQ(evaluation->timeout, std::chrono::seconds(90));
  EXPECT_EQ(evaluation->request.find('\n'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(evaluation->request), nlohmann::json::parse(R"({
    "candidate": "searches/x-1/candidates/3",
    "architecture": {"id": "01", "layers": [{"name": "block1", "option": "mbconv_k3_e3", "channels": 16, "stride": 1,
                                             "parameters": {"groups": 4}}]},
    "network": {"input": [3, 32, 32], "classes": 10, "stem_channels": 16},
    "train": {"dataset": "shapes10", "epochs": 2, "learning_rate": 0.05, "augment": false},
    "measure": {"warm_up": 20},
    "seed": 4000000000})"));
}

TEST(Convert, APartOfTheWorkIsAskedForByName) {
  v1::Task task;
  const auto work = [&task] {
    return nlohmann::json::parse(ToEvaluation(task)->request).value("work", nlohmann::json());
  };
  EXPECT_EQ(work(), nlohmann::json());
  task.set_work(v1::WORK_MEASURE);
  EXPECT_EQ(work(), nlohmann::json::array({"measure"}));
  task.set_work(v1::WORK_TRAIN);
  EXPECT_EQ(work(), nlohmann::json::array({"train"}));
}

TEST(Convert, WhatIsToBeKeptHasANameThatNoOtherAttemptHas) {
  v1::Task task;
  task.set_candidate("searches/shapes10-1/candidates/49");
  task.set_keep_weights(true);
  std::set<std::string> names;
  // Another attempt, another store, and texts that must not become paths.
  for (const char* token : {"1.49.1.17", "1.49.2.17", "1.49.1.18", "../../x", "/etc/x", "a\n"}) {
    task.set_lease_token(token);
    const auto evaluation = ToEvaluation(task, true);
    ASSERT_TRUE(evaluation.ok()) << evaluation.status();
    const std::string name = nlohmann::json::parse(evaluation->request).value("keep_weights", "");
    EXPECT_THAT(name, MatchesRegex("shapes10-1/49-[0-9a-f]+"));
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST(Convert, WhatIsToBeKeptNeedsAPlace) {
  const auto keep = [](const v1::Task& task, bool keeps) {
    return nlohmann::json::parse(ToEvaluation(task, keeps)->request).value("keep_weights", "");
  };
  v1::Task task;
  task.set_candidate("searches/shapes10-1/candidates/49");
  task.set_lease_token("1.49.1.17");
  EXPECT_EQ(keep(task, true), "");
  task.set_keep_weights(true);
  // The digits are those of sha256sum for the token.
  EXPECT_EQ(keep(task, true), "shapes10-1/49-ce505d26f66f21ff");
  EXPECT_EQ(keep(task, false), "");
  // There is nothing to keep of a measurement.
  task.set_work(v1::WORK_MEASURE);
  EXPECT_EQ(keep(task, true), "");
  task.set_work(v1::WORK_TRAIN);
  EXPECT_EQ(keep(task, true), "shapes10-1/49-ce505d26f66f21ff");
  for (const char* name : {"searches/../candidates/1", "searches/x-1/candidates/../../1", "/etc/x", "", "x-1/1",
                           "searches/x-1/candidates/1\n", "searches//candidates/1"}) {
    task.set_candidate(name);
    EXPECT_EQ(ToEvaluation(task, true).status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_TRUE(ToEvaluation(task, false).ok()) << name;
  }
  EvaluationResult result(Metrics{{"accuracy", 0.5}});
  result.weights = KeptWeights{"/weights/1.pt", std::string(64, '0'), 7};
  const v1::WeightsFile weights = ToCompletion(LeasedAs("t"), result)->result().weights();
  EXPECT_EQ(weights.path(), "/weights/1.pt");
  EXPECT_EQ(weights.bytes(), 7);
}

TEST(Convert, ATaskWithoutATimeOutGetsAnHour) { EXPECT_EQ(ToEvaluation(v1::Task())->timeout, std::chrono::hours(1)); }

TEST(Convert, ADurationIsBounded) {
  v1::Task task;
  task.mutable_timeout()->set_seconds(INT64_MAX);
  EXPECT_EQ(ToEvaluation(task)->timeout, std::chrono::hours(24 * 366));
  task.mutable_timeout()->set_seconds(INT64_MIN);
  EXPECT_EQ(ToEvaluation(task)->timeout, std::chrono::hours(1));
}

TEST(Convert, OutcomesBecomeCompletions) {
  const auto result = ToCompletion(LeasedAs("t"), Metrics{{"accuracy", 0.5}, {"params", 7}});
  EXPECT_EQ(result->lease_token(), "t");
  EXPECT_EQ(result->architecture(), "012");
  EXPECT_EQ(result->result().metrics().at("params"), 7);
  EXPECT_FALSE(ToCompletion(LeasedAs("t"), EvaluationCancelled{}).has_value());
}

TEST(Convert, TheLogGoesWithResultsAndFailures) {
  EXPECT_FALSE(ToCompletion(LeasedAs("t"), Metrics{{"accuracy", 0.5}})->has_log());
  EvaluationResult result(Metrics{{"accuracy", 0.5}});
  result.log = {"done\n", 3};
  EXPECT_EQ(ToCompletion(LeasedAs("t"), result)->log().tail(), "done\n");
  EXPECT_EQ(ToCompletion(LeasedAs("t"), result)->log().omitted_bytes(), 3);
  const EvaluationFailure failure{.message = "crashed", .log = {"oops\n", 0}};
  EXPECT_EQ(ToCompletion(LeasedAs("t"), failure)->log().tail(), "oops\n");
}

TEST(Convert, TheLearningCurveGoesWithTheResult) {
  LearningCurve curve;
  AddToCurve(curve, {1, 5, 0.25});
  // Points are dropped if they are not a number, repeated, without an epoch, or beyond a float.
  AddToCurve(curve, {2, 5, std::nullopt});
  AddToCurve(curve, {1, 5, 0.5});
  AddToCurve(curve, {0, 5, 0.5});
  AddToCurve(curve, {2, 5, 1e300});
  AddToCurve(curve, {4, 5, 0.75});
  const auto result = ToCompletion(LeasedAs("t"), Metrics{{"accuracy", 0.75}}, curve);
  ASSERT_EQ(result->result().curve_size(), 2);
  EXPECT_EQ(result->result().curve(1).epoch(), 4);
  EXPECT_EQ(result->result().curve(1).reward(), 0.75f);
  for (int epoch = 5; epoch < 2000; ++epoch) AddToCurve(curve, {epoch, 2000, 0.5});
  EXPECT_EQ(curve.size(), 1000);
}

// C4: a diverged loss.
TEST(Convert, ProgressHoldsNoRewardThatACurveCannot) {
  EXPECT_EQ(ToProto({1, 5, 0.25}).reward(), 0.25);
  EXPECT_FALSE(ToProto({1, 5, -1e39}).has_reward());
  EXPECT_EQ(ToProto({1, 5, -1e39}).epoch(), 1);
}

// The controller decides which metrics matter.
TEST(Convert, AMetricThatIsNotANumberIsTold) {
  const auto result = ToCompletion(LeasedAs("t"), Metrics{{"accuracy", 0.5}, {"f1", std::nan("")}});
  EXPECT_TRUE(std::isnan(result->result().metrics().at("f1")));
  EXPECT_EQ(result->result().metrics().at("accuracy"), 0.5);
}

TEST(Convert, AMessageIsCutAndMadeFitForTheWire) {
  const EvaluationFailure failure{EvaluationFailure::Kind::kEvaluator, "\xff" + std::string(9000, 'x')};
  const auto completion = ToCompletion(LeasedAs("t"), failure);
  EXPECT_EQ(completion->failure().message(), "?" + std::string(8191, 'x'));
  std::string wire;
  v1::Completion read;
  ASSERT_TRUE(completion->SerializeToString(&wire));
  EXPECT_TRUE(read.ParseFromString(wire));
}

}  // namespace
}  // namespace layernas
