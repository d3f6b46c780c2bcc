#include "worker/trainer/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/test_requests.h"
#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Returns the message with which the request is refused, or "accepted".
std::string Refusal(const nlohmann::json& request) {
  try {
    ParseRequest(request);
  } catch (const InfeasibleError& error) {
    return error.what();
  }
  return "accepted";
}

// Returns SmallRequest with one value changed; the path is a JSON pointer below "evaluate".
nlohmann::json With(const std::string& path, nlohmann::json value) {
  nlohmann::json request = SmallRequest();
  request["evaluate"][nlohmann::json::json_pointer(path)] = std::move(value);
  return request;
}

TEST(ParseRequest, ReadsEverything) {
  nlohmann::json json = SmallRequest();
  json["evaluate"]["train"].update(
      {{"learning_rate", 0.2},
       {"momentum", 0.8},
       {"weight_decay", 1e-4},
       {"label_smoothing", 0.1},
       {"augment", false},
       {"data_seed", 4294967295U},
       {"optimizer", "adamw"},
       {"warm_up", 0.2},
       {"clip_norm", 1.5},
       {"ema_decay", 0.99},
       {"patience", 3},
       {"precision", "bfloat16"},
       {"parameters", {{"folder", "a/b"}, {"holdout", "test"}, {"skip_bad_files", true}}}});
  json["evaluate"]["measure"].update(
      {{"batch", 4}, {"max_runs", 90}, {"threads", 2}, {"ratio_interval", 0.05}, {"precision", "bfloat16"}});
  json["evaluate"]["keep_weights"] = "search-1/candidate-3";
  const EvaluateRequest request = ParseRequest(json);
  EXPECT_EQ(request.task, "searches/test-1/candidates/3");
  EXPECT_EQ(request.seed, 7U);
  EXPECT_EQ(request.train.data.dataset, "shapes10");
  EXPECT_EQ(request.train.data.train_examples, 200);
  EXPECT_EQ(request.train.data.validation_examples, 50);
  EXPECT_EQ(request.train.data.data_seed, 4294967295U);
  EXPECT_EQ(request.train.data.folder, "a/b");
  EXPECT_EQ(request.train.data.holdout, Holdout::kTest);
  EXPECT_TRUE(request.train.data.skip_bad_files);
  EXPECT_FALSE(ParseRequest(SmallRequest()).train.data.skip_bad_files);
  EXPECT_EQ(request.train.epochs, 2);
  EXPECT_EQ(request.train.batch, 32);
  EXPECT_EQ(request.train.learning_rate, 0.2);
  EXPECT_EQ(request.train.momentum, 0.8);
  EXPECT_EQ(request.train.weight_decay, 1e-4);
  EXPECT_EQ(request.train.label_smoothing, 0.1);
  EXPECT_FALSE(request.train.augment);
  EXPECT_EQ(request.train.optimizer, Optimizer::kAdamW);
  EXPECT_EQ(request.train.warm_up, 0.2);
  EXPECT_EQ(request.train.clip_norm, 1.5);
  EXPECT_EQ(request.train.ema_decay, 0.99);
  EXPECT_EQ(request.train.patience, 3);
  // The test images must not determine the best epoch.
  EXPECT_TRUE(request.train.data.with_validation);
  EXPECT_EQ(request.train.precision, Precision::kBfloat16);
  EXPECT_EQ(request.measure.precision, Precision::kBfloat16);
  EXPECT_EQ(request.keep_weights, "search-1/candidate-3");
  EXPECT_EQ(request.measure.max_runs, 90);
  EXPECT_EQ(request.measure.threads, 2);
  EXPECT_EQ(request.measure.ratio_interval, 0.05);
  EXPECT_EQ(request.measure.batch, 4);
  EXPECT_EQ(request.measure.warm_up, 2);
  EXPECT_EQ(request.measure.runs, 30);
  EXPECT_THAT(request.network.layers, ::testing::ElementsAre("stem", "block1", "block2", "head"));
}

TEST(ParseRequest, MeasureMayBeLeftOut) {
  nlohmann::json request = SmallRequest();
  request["evaluate"].erase("measure");
  EXPECT_EQ(ParseRequest(request).measure.runs, 200);
}

TEST(ParseRequest, UnknownTrainSettingIsNamedWithASuggestion) {
  EXPECT_THAT(Refusal(With("/train/learning_rat", 0.1)),
              AllOf(HasSubstr("train has no field 'learning_rat'"), HasSubstr("did you mean 'learning_rate'?")));
  EXPECT_THAT(Refusal(With("/train/zzz", 0.1)), AllOf(HasSubstr("'zzz'"), Not(HasSubstr("did you mean"))));
  EXPECT_THAT(Refusal(With("/train/dataset", "shape10")),
              AllOf(HasSubstr("train.dataset"), HasSubstr("did you mean 'shapes10'?")));
}

TEST(ParseRequest, IllTypedSettingIsNamed) {
  EXPECT_THAT(Refusal(With("/train/epochs", "five")),
              AllOf(HasSubstr("train.epochs must be a whole number"), HasSubstr("\"five\"")));
  EXPECT_THAT(Refusal(With("/train/epochs", 1.5)), HasSubstr("train.epochs"));
  EXPECT_THAT(Refusal(With("/train/epochs", 0)), HasSubstr("train.epochs"));
  EXPECT_THAT(Refusal(With("/train/epochs", 1e300)), HasSubstr("train.epochs"));
  EXPECT_THAT(Refusal(With("/train/batch", 1)), HasSubstr("train.batch"));
  EXPECT_THAT(Refusal(With("/train/augment", 1)), HasSubstr("train.augment must be true or false"));
  EXPECT_THAT(Refusal(With("/train/learning_rate", -1)), HasSubstr("train.learning_rate"));
  EXPECT_THAT(Refusal(With("/train/label_smoothing", 1.5)), HasSubstr("train.label_smoothing"));
  EXPECT_THAT(Refusal(With("/train/optimizer", "adam")), HasSubstr("train.optimizer must be sgd or adamw"));
  EXPECT_THAT(Refusal(With("/train/precision", "float16")), HasSubstr("train.precision must be float32 or bfloat16"));
  EXPECT_THAT(Refusal(With("/measure/precision", "int8")), HasSubstr("measure.precision must be float32 or bfloat16"));
  EXPECT_THAT(Refusal(With("/measure/runs", 0)), HasSubstr("measure.runs"));
  EXPECT_THAT(Refusal(With("/measure/warmup", 5)), HasSubstr("did you mean 'warm_up'?"));
  EXPECT_THAT(Refusal(With("/train", nlohmann::json::array())), HasSubstr("train must be an object"));
  EXPECT_EQ(Refusal(With("/train/epochs", 5.0)), "accepted");  // A protobuf Struct writes it like this.
}

TEST(ParseRequest, FolderMustStayInside) {
  for (const char* folder : {"/etc", "..", "a/../../b"}) {
    EXPECT_THAT(Refusal(With("/train/parameters", {{"folder", folder}})), HasSubstr("train.parameters.folder"));
  }
}

TEST(ParseRequest, WeightsMustStayInside) {
  for (const char* name : {"", "/etc/passwd", "..", "a/../../b", "a/"}) {
    EXPECT_THAT(Refusal(With("/keep_weights", name)), HasSubstr("evaluate.keep_weights")) << name;
  }
}

TEST(ParseRequest, APartOfTheWorkCanBeWanted) {
  EXPECT_TRUE(ParseRequest(SmallRequest()).is_trained);
  EXPECT_TRUE(ParseRequest(SmallRequest()).is_measured);
  EXPECT_FALSE(ParseRequest(With("/work", {"train"})).is_measured);
  nlohmann::json measure = With("/work", {"measure"});
  measure["evaluate"].erase("train");
  const EvaluateRequest request = ParseRequest(measure);
  EXPECT_FALSE(request.is_trained);
  EXPECT_TRUE(request.is_measured);
  EXPECT_EQ(request.measure.runs, 30);
  EXPECT_THAT(Refusal(With("/work", nlohmann::json::array())), HasSubstr("evaluate.work must be a list"));
  EXPECT_THAT(Refusal(With("/work", {"train", "deploy"})), HasSubstr("evaluate.work must be a list"));
  EXPECT_THAT(Refusal(With("/work", "train")), HasSubstr("evaluate.work must be a list"));
}

TEST(ParseRequest, DeepNestingIsRefused) {
  for (const char* path : {"/work", "/architecture/layers/0/parameters", "/task", "/unknown"}) {
    nlohmann::json request = SmallRequest();
    // Moved, because copying is recursive.
    request["evaluate"][nlohmann::json::json_pointer(path)] =
        nlohmann::json::parse(std::string(100'000, '[') + std::string(100'000, ']'));
    EXPECT_THAT(Refusal(request), HasSubstr("nested more than 100 levels deep")) << path;
  }
}

TEST(ParseRequest, MissingPartsAreNamed) {
  for (const char* part : {"train", "architecture", "network"}) {
    nlohmann::json request = SmallRequest();
    request["evaluate"].erase(part);
    EXPECT_THAT(Refusal(request), HasSubstr("evaluate." + std::string(part) + " is missing"));
  }
  EXPECT_THAT(Refusal({{"evalute", nullptr}}), HasSubstr("did you mean 'evaluate'?"));
  EXPECT_THAT(Refusal(nlohmann::json::object()), HasSubstr("has no field 'evaluate'"));
  EXPECT_THAT(Refusal(3), HasSubstr("must be an object"));
}

}  // namespace
}  // namespace layernas::trainer
