#include "worker/evaluator/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(EvaluatorProtocol, ReadsProgress) {
  const auto message = ParseEvaluatorMessage(R"({"progress": {"epoch": 1, "epochs": 5, "reward": 0.61}})");
  ASSERT_TRUE(message.ok()) << message.status();
  const auto& progress = std::get<Progress>(*message);
  EXPECT_EQ(progress.epoch, 1);
  EXPECT_EQ(progress.epochs, 5);
  EXPECT_EQ(progress.reward, 0.61);
  EXPECT_TRUE(ParseEvaluatorMessage(R"({"progress": {"epoch": 1, "reward": null}})").ok());
}

TEST(EvaluatorProtocol, ReadsAResult) {
  const auto message = ParseEvaluatorMessage(R"({"result": {"metrics": {"params": 7, "accuracy": 0.5}}})");
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_THAT(std::get<EvaluationResult>(*message).metrics, ElementsAre(Pair("accuracy", 0.5), Pair("params", 7)));
}

TEST(EvaluatorProtocol, AResultMayHaveKeptItsWeights) {
  const auto parse = [](const std::string& weights) {
    return ParseEvaluatorMessage(R"({"result": {"metrics": {"accuracy": 0.5}, "weights": )" + weights + "}}");
  };
  const std::string digest(64, 'a');
  const auto message = parse(R"({"path": "/w/1.pt", "sha256": ")" + digest + R"(", "bytes": 12})");
  ASSERT_TRUE(message.ok()) << message.status();
  const std::optional<KeptWeights> weights = std::get<EvaluationResult>(*message).weights;
  ASSERT_TRUE(weights.has_value());
  EXPECT_EQ(weights->path, "/w/1.pt");
  EXPECT_EQ(weights->sha256, digest);
  EXPECT_EQ(weights->bytes, 12);
  for (const std::string& wrong : {std::string("7"), std::string("{}"), R"({"sha256": ")" + digest + "\"}",
                                   std::string(R"({"path": "/w", "sha256": "abc"})")}) {
    EXPECT_FALSE(parse(wrong).ok()) << wrong;
  }
}

TEST(EvaluatorProtocol, ANullMetricMakesTheArchitectureInfeasible) {
  const auto message = ParseEvaluatorMessage(R"({"result": {"metrics": {"params": 7, "accuracy": null}}})");
  ASSERT_TRUE(message.ok()) << message.status();
  const auto& failure = std::get<EvaluationFailure>(*message);
  EXPECT_EQ(failure.kind, EvaluationFailure::Kind::kInfeasible);
  EXPECT_EQ(failure.message, "metric accuracy is not a number");
}

TEST(EvaluatorProtocol, ReadsFailures) {
  const auto infeasible = ParseEvaluatorMessage(R"({"failure": {"kind": "infeasible", "message": "loss is nan"}})");
  EXPECT_EQ(std::get<EvaluationFailure>(*infeasible).kind, EvaluationFailure::Kind::kInfeasible);
  EXPECT_EQ(std::get<EvaluationFailure>(*infeasible).message, "loss is nan");
  const auto retry = ParseEvaluatorMessage(R"({"failure": {"kind": "retry"}})");
  EXPECT_EQ(std::get<EvaluationFailure>(*retry).kind, EvaluationFailure::Kind::kEvaluator);
  const auto memory = ParseEvaluatorMessage(R"({"failure": {"kind": "out_of_memory"}})");
  EXPECT_EQ(std::get<EvaluationFailure>(*memory).kind, EvaluationFailure::Kind::kOutOfMemory);
}

TEST(EvaluatorProtocol, RefusesTheRestAndSaysWhy) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "not JSON"},
      {"Epoch 1/5", "not JSON"},
      {R"({"result": {"metrics": {"accuracy": NaN}}})", "not JSON"},
      {R"({"result": {"metrics": {"accuracy": 1e999}}})", "not JSON"},
      {"{\"failure\": {\"kind\": \"retry\", \"message\": \"\xff\"}}", "not JSON"},
      {"7", "not an object"},
      {"[]", "not an object"},
      {"{}", "not an object"},
      {R"({"result": 7})", "not an object"},
      {R"({"result": {"metrics": {"a": 1}}, "more": {}})", "not an object"},
      {R"({"done": {}})", "unknown message"},
      {R"({"result": {}})", "without metrics"},
      {R"({"result": {"metrics": {}}})", "without metrics"},
      {R"({"result": {"metrics": {"accuracy": "0.5"}}})", "accuracy is a string"},
      {R"({"progress": {"epoch": "one"}})", "epoch is not a whole number"},
      {R"({"progress": {"epoch": -1}})", "out of range"},
      {R"({"progress": {"epochs": 18446744073709551615}})", "out of range"},
      {R"({"progress": {"reward": "good"}})", "reward is not a number"},
      {R"({"failure": {"kind": "fatal"}})", "infeasible, retry or out_of_memory"},
      {R"({"failure": {"message": "x"}})", "infeasible, retry or out_of_memory"},
      {R"({"failure": {"kind": "retry", "message": 7}})", "not a string"},
  };
  for (const auto& [line, why] : cases) {
    const auto message = ParseEvaluatorMessage(line);
    ASSERT_EQ(message.status().code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(message.status().message()), HasSubstr(why)) << line;
  }
}

}  // namespace
}  // namespace layernas
