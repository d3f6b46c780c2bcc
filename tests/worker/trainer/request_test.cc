#include "worker/trainer/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/test_requests.h"
#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The message with which the request is refused, or "accepted".
std::string Refusal(const nlohmann::json& request) {
  try {
    ParseRequest(request);
  } catch (const InfeasibleError& error) {
    return error.what();
  }
  return "accepted";
}

// SmallRequest with one value set: the path is a JSON pointer below "evaluate".
nlohmann::json With(const std::string& path, nlohmann::json value) {
  nlohmann::json request = SmallRequest();
  request["evaluate"][nlohmann::json::json_pointer(path)] = std::move(value);
  return request;
}

TEST(ParseRequest, ReadsEverything) {
  nlohmann::json json = SmallRequest();
  json["evaluate"]["train"].update({{"learning_rate", 0.2},
                                    {"momentum", 0.8},
                                    {"weight_decay", 1e-4},
                                    {"label_smoothing", 0.1},
                                    {"augment", false},
                                    {"data_seed", 4294967295U},
                                    {"parameters", {{"folder", "a/b"}, {"holdout", "test"}}}});
  json["evaluate"]["measure"]["batch"] = 4;
  const EvaluateRequest request = ParseRequest(json);
  EXPECT_EQ(request.task, "searches/test-1/candidates/3");
  EXPECT_EQ(request.seed, 7U);
  EXPECT_EQ(request.train.data.dataset, "shapes10");
  EXPECT_EQ(request.train.data.train_examples, 200);
  EXPECT_EQ(request.train.data.validation_examples, 50);
  EXPECT_EQ(request.train.data.data_seed, 4294967295U);
  EXPECT_EQ(request.train.data.folder, "a/b");
  EXPECT_EQ(request.train.data.holdout, Holdout::kTest);
  EXPECT_EQ(request.train.epochs, 2);
  EXPECT_EQ(request.train.batch, 32);
  EXPECT_EQ(request.train.learning_rate, 0.2);
  EXPECT_EQ(request.train.momentum, 0.8);
  EXPECT_EQ(request.train.weight_decay, 1e-4);
  EXPECT_EQ(request.train.label_smoothing, 0.1);
  EXPECT_FALSE(request.train.augment);
  EXPECT_EQ(request.measure.batch, 4);
  EXPECT_EQ(request.measure.warm_up, 2);
  EXPECT_EQ(request.measure.runs, 30);
  ASSERT_EQ(request.network.blocks.size(), 4U);  // Stem and head included.
  EXPECT_EQ(request.network.blocks[1].name, "block1");
  EXPECT_EQ(request.network.features, 32);
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
  EXPECT_THAT(Refusal(With("/measure/runs", 0)), HasSubstr("measure.runs"));
  EXPECT_THAT(Refusal(With("/measure/warmup", 5)), HasSubstr("did you mean 'warm_up'?"));
  EXPECT_THAT(Refusal(With("/train", nlohmann::json::array())), HasSubstr("train must be an object"));
  EXPECT_EQ(Refusal(With("/train/epochs", 5.0)), "accepted");  // As a protobuf Struct writes it.
}

TEST(ParseRequest, FolderMustStayInside) {
  for (const char* folder : {"/etc", "..", "a/../../b"}) {
    EXPECT_THAT(Refusal(With("/train/parameters", {{"folder", folder}})), HasSubstr("train.parameters.folder"));
  }
}

TEST(ParseRequest, MissingPartsAreNamed) {
  for (const char* part : {"train", "architecture", "network"}) {
    nlohmann::json request = SmallRequest();
    request["evaluate"].erase(part);
    EXPECT_THAT(Refusal(request), HasSubstr("evaluate." + std::string(part) + " is missing"));
  }
  EXPECT_THAT(Refusal({{"evalute", nullptr}}), HasSubstr("did you mean 'evaluate'?"));
  EXPECT_THAT(Refusal(3), HasSubstr("must be an object"));
}

TEST(PlanNetwork, LayerThatCannotBeBuiltIsNamed) {
  const auto with_layer = [](const nlohmann::json& layer) { return Refusal(With("/architecture/layers/1", layer)); };
  EXPECT_THAT(with_layer(Layer("tail", "mbcnv_k3_e3", 16, 1)),
              AllOf(HasSubstr("layer 'tail'"), HasSubstr("did you mean 'mbconv'?")));
  EXPECT_THAT(with_layer(Layer("tail", "mbconv_k3_x3", 16, 1)), AllOf(HasSubstr("layer 'tail'"), HasSubstr("'x3'")));
  EXPECT_THAT(with_layer(Layer("tail", "mbconv_k3_k5", 16, 1)), HasSubstr("'k5'"));
  EXPECT_THAT(with_layer(Layer("tail", "conv_k99999999999", 16, 1)), HasSubstr("cannot read"));
  EXPECT_THAT(with_layer(Layer("tail", "conv", 16, 1)), AllOf(HasSubstr("layer 'tail'"), HasSubstr("needs a kernel")));
  EXPECT_THAT(with_layer(Layer("tail", "mbconv_k3", 16, 1)), HasSubstr("needs an expansion"));
  EXPECT_THAT(with_layer(Layer("tail", "conv_k4", 16, 1)), HasSubstr("must be odd"));
  EXPECT_THAT(with_layer(Layer("tail", "conv_k3", 16, 9)), AllOf(HasSubstr("layer 'tail'"), HasSubstr("stride 9")));
  EXPECT_THAT(with_layer(Layer("tail", "conv_k3", -1, 1)), HasSubstr("architecture.layers[1].channels"));
  EXPECT_THAT(with_layer({{"option", "skip"}}), HasSubstr("architecture.layers[1].name is missing"));
  EXPECT_THAT(with_layer({{"name", "tail"}}), HasSubstr("architecture.layers[1].option is missing"));
  EXPECT_THAT(with_layer({{"name", "tail"}, {"option", "skip"}, {"parameters", {{"kernal", 3}}}}),
              AllOf(HasSubstr("layer 'tail'"), HasSubstr("did you mean 'kernel'?")));
  EXPECT_THAT(Refusal(With("/architecture/layers", nlohmann::json::array())), HasSubstr("architecture.layers"));
}

TEST(PlanNetwork, NetworkFieldsAreChecked) {
  EXPECT_THAT(Refusal(With("/network/input", {32, 32})), HasSubstr("network.input"));
  EXPECT_THAT(Refusal(With("/network/input", {3, "a", 32})), HasSubstr("network.input"));
  EXPECT_THAT(Refusal(With("/network/classes", 0)), HasSubstr("network.classes is missing"));
  EXPECT_THAT(Refusal(With("/network/head", 3)), HasSubstr("network has no field 'head'"));
  EXPECT_THAT(Refusal(With("/network/parameters/stem", 3)), HasSubstr("network.parameters has no field 'stem'"));
}

TEST(PlanNetwork, ParametersGoBeforeNameAndLayer) {
  const nlohmann::json layer = {
      {"name", "tail"},
      {"option", "big"},
      {"channels", 16},
      {"parameters", {{"block", "mbconv"}, {"kernel", 5}, {"expansion", 4}, {"channels", 24}, {"stride", 2}}}};
  const NetworkPlan plan = ParseRequest(With("/architecture/layers/1", layer)).network;
  const BlockPlan& block = plan.blocks[2];
  ASSERT_EQ(block.units.size(), 3U);
  EXPECT_EQ(block.units[0].out_channels, 64);
  EXPECT_EQ(block.units[1].kernel, 5);
  EXPECT_EQ(block.units[1].stride, 2);
  EXPECT_EQ(block.units[1].groups, 64);
  EXPECT_EQ(block.units[2].out_channels, 24);
  EXPECT_FALSE(block.residual);
}

TEST(PlanBlock, SkipDoesOnlyWhatTheShapeDemands) {
  const BlockPlan identity = PlanBlock("a", {"skip", {}, {}, 8, 1}, {8, 16, 16});
  EXPECT_EQ(identity.pool, 1);
  EXPECT_TRUE(identity.units.empty());
  const BlockPlan strided = PlanBlock("a", {"skip", {}, {}, 8, 2}, {8, 15, 15});
  EXPECT_EQ(strided.pool, 2);
  EXPECT_TRUE(strided.units.empty());
  EXPECT_TRUE((OutputShape(strided, {8, 15, 15}) == Shape{8, 8, 8}));
  const BlockPlan projected = PlanBlock("a", {"skip", {}, {}, 12, 2}, {8, 16, 16});
  ASSERT_EQ(projected.units.size(), 1U);
  EXPECT_EQ(projected.units[0].kernel, 1);
  EXPECT_FALSE(projected.units[0].activation);
}

TEST(PlanBlock, MbConvHasAShortcutOnlyWhereTheShapeStays) {
  EXPECT_TRUE(PlanBlock("a", {"mbconv", 3, 2, 8, 1}, {8, 16, 16}).residual);
  EXPECT_FALSE(PlanBlock("a", {"mbconv", 3, 2, 8, 2}, {8, 16, 16}).residual);
  EXPECT_FALSE(PlanBlock("a", {"mbconv", 3, 2, 12, 1}, {8, 16, 16}).residual);
}

}  // namespace
}  // namespace layernas::trainer
