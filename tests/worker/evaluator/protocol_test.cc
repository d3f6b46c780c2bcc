#include "worker/evaluator/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsNan;
using ::testing::Pair;

EvaluatorMessage Parse(std::string_view line) {
  EvaluatorAnswer answer = ParseEvaluatorAnswer(line);
  EXPECT_TRUE(answer.message.ok()) << answer.message.status() << " " << line;
  return answer.message.ok() ? *answer.message : EvaluatorMessage();
}

std::string WhyNot(std::string_view line) {
  const EvaluatorAnswer answer = ParseEvaluatorAnswer(line);
  EXPECT_FALSE(answer.message.ok()) << line;
  return std::string(answer.message.status().message());
}

Metrics MetricsOf(std::string_view line) {
  const EvaluatorMessage message = Parse(line);
  const auto* result = std::get_if<EvaluationResult>(&message);
  EXPECT_NE(result, nullptr) << line;
  return result != nullptr ? result->metrics : Metrics();
}

std::string ResultOf(const std::string& metrics) { return R"({"result": {"metrics": {)" + metrics + "}}}"; }

TEST(EvaluatorProtocol, WritesTheRequestWithItsTask) {
  Evaluation evaluation;
  evaluation.request = R"({"seed":7})";
  EXPECT_EQ(FormatEvaluatorRequest("x\"1", evaluation), R"({"evaluate":{"task":"x\"1","seed":7}})");
  evaluation.request = "{}";
  EXPECT_EQ(FormatEvaluatorRequest("x", evaluation), R"({"evaluate":{"task":"x"}})");
}

TEST(EvaluatorProtocol, ReadsTheTask) {
  EXPECT_EQ(ParseEvaluatorAnswer(R"({"progress": {"epoch": 1}})").task, std::nullopt);
  EXPECT_EQ(ParseEvaluatorAnswer(R"({"task": "t#1", "progress": {"epoch": 1}})").task, "t#1");
  // This also holds for an invalid line.
  EXPECT_EQ(ParseEvaluatorAnswer(R"({"result": 7, "task": "t#1"})").task, "t#1");
}

TEST(EvaluatorProtocol, ReadsProgress) {
  const auto progress = std::get<Progress>(Parse(R"({"progress": {"epoch": 1, "epochs": 5, "reward": 0.61}})"));
  EXPECT_EQ(progress.epoch, 1);
  EXPECT_EQ(progress.epochs, 5);
  EXPECT_EQ(progress.reward, 0.61);
}

TEST(EvaluatorProtocol, ReadsLoading) {
  EXPECT_TRUE(
      std::holds_alternative<Loading>(Parse(R"({"progress": {"loading": {"done": 3, "of": 5}}, "task": "t"})")));
  EXPECT_TRUE(std::holds_alternative<Loading>(Parse(R"({"progress": {"loading": true}})")));
  const EvaluatorMessage trains = Parse(R"({"progress": {"epoch": 1, "reward": 0.5, "loading": null}})");
  ASSERT_TRUE(std::holds_alternative<Progress>(trains));
  EXPECT_EQ(std::get<Progress>(trains).epoch, 1);
}

// T21: unusable progress is ignored and never ends a training.
TEST(EvaluatorProtocol, ProgressIsTakenAsFarAsItGoes) {
  struct Case {
    const char* progress;
    int epoch;
    std::optional<double> reward;
    bool whole;
  };
  for (const Case& wanted :
       {Case{R"({"epoch": 1, "reward": null})", 1, std::nullopt, true},
        Case{R"({"epoch": 2.0, "epochs": 3e0, "reward": 0.5})", 2, 0.5, true},
        Case{R"({"epoch": 1, "reward": NaN})", 1, std::nullopt, true},
        Case{R"({"epoch": 1, "reward": -1e39})", 1, -1e39, true},
        Case{R"({"epoch": 1, "reward": -Infinity})", 1, std::nullopt, true},
        Case{R"({"epoch": 0, "reward": 0.5})", 0, 0.5, false}, Case{R"({"epoch": 0.5, "reward": 0.5})", 0, 0.5, false},
        Case{R"({"epoch": -1, "reward": 0.5})", 0, 0.5, false},
        Case{R"({"epoch": "one", "reward": 0.5})", 0, 0.5, false},
        Case{R"({"epoch": 1, "reward": "good"})", 1, std::nullopt, false},
        Case{R"({"epoch": 1, "epochs": 18446744073709551615})", 1, std::nullopt, false},
        Case{"7", 0, std::nullopt, false}, Case{"null", 0, std::nullopt, false}}) {
    const EvaluatorAnswer answer = ParseEvaluatorAnswer(R"({"progress": )" + std::string(wanted.progress) + "}");
    ASSERT_TRUE(answer.message.ok()) << wanted.progress << answer.message.status();
    const auto& progress = std::get<Progress>(*answer.message);
    EXPECT_EQ(progress.epoch, wanted.epoch) << wanted.progress;
    EXPECT_EQ(progress.reward, wanted.reward) << wanted.progress;
    EXPECT_EQ(answer.left_out.empty(), wanted.whole) << wanted.progress << answer.left_out;
  }
}

TEST(EvaluatorProtocol, ReadsAResult) {
  EXPECT_THAT(MetricsOf(ResultOf(R"("params": 7, "accuracy": 0.5)")),
              ElementsAre(Pair("accuracy", 0.5), Pair("params", 7)));
}

// docs/compatibility.md: new versions add fields.
TEST(EvaluatorProtocol, PassesOverWhatItDoesNotKnow) {
  EXPECT_THAT(MetricsOf(R"({"result": {"metrics": {"a": 1}, "new": 7}, "newer": {}})"), ElementsAre(Pair("a", 1)));
}

TEST(EvaluatorProtocol, AResultMayHaveKeptItsWeights) {
  const auto line = [](const std::string& weights) {
    return R"({"result": {"metrics": {"accuracy": 0.5}, "weights": )" + weights + "}}";
  };
  const std::string digest(64, 'a');
  const EvaluatorMessage message = Parse(line(R"({"path": "/w/1.pt", "sha256": ")" + digest + R"(", "bytes": 12})"));
  const std::optional<KeptWeights> weights = std::get<EvaluationResult>(message).weights;
  ASSERT_TRUE(weights.has_value());
  EXPECT_EQ(weights->path, "/w/1.pt");
  EXPECT_EQ(weights->sha256, digest);
  EXPECT_EQ(weights->bytes, 12);
  for (const std::string& wrong :
       {std::string("7"), std::string("{}"), R"({"sha256": ")" + digest + "\"}",
        std::string(R"({"path": "/w", "sha256": "abc"})"), R"({"path": "/w\n", "sha256": ")" + digest + "\"}"}) {
    WhyNot(line(wrong));
  }
  EXPECT_EQ(WhyNot(line(R"({"path": ")" + std::string(4097, 'w') + R"(", "sha256": ")" + digest + "\"}")),
            "the path of a result's weights has 4097 bytes; the maximum is 4096");
}

// A finished training is not lost because of how its evaluator writes numbers.
TEST(EvaluatorProtocol, WeightsMayBeDescribedInAnyNotation) {
  const auto weights = [](const std::string& bytes) {
    const std::string line = R"({"result": {"metrics": {"a": 1}, "weights": {"path": "/w", "sha256": ")" +
                             std::string(64, 'A') + R"(", "bytes": )" + bytes + "}}}";
    const EvaluatorAnswer answer = ParseEvaluatorAnswer(line);
    const KeptWeights kept = *std::get<EvaluationResult>(*answer.message).weights;
    EXPECT_EQ(kept.sha256, std::string(64, 'a'));
    return std::pair(kept.bytes, answer.left_out);
  };
  EXPECT_EQ(weights("371200"), std::pair(std::int64_t{371200}, std::string()));
  EXPECT_EQ(weights("371200.0"), std::pair(std::int64_t{371200}, std::string()));
  EXPECT_EQ(weights("null"), std::pair(std::int64_t{0}, std::string()));
  for (const char* wrong : {"-3", "1.5", "\"371200\"", "18446744073709551615"}) {
    const auto [bytes, left_out] = weights(wrong);
    EXPECT_EQ(bytes, 0);
    EXPECT_EQ(left_out, std::string("bytes of weights ") + wrong + ", not a whole number of at least 0");
  }
}

TEST(EvaluatorProtocol, AFailureMayHaveAnyMessage) {
  const auto failure = [](const std::string& message) {
    return std::get<EvaluationFailure>(Parse(R"({"failure": {"kind": "infeasible", "message": )" + message + "}}"));
  };
  EXPECT_EQ(failure("\"too large\"").message, "too large");
  EXPECT_EQ(failure("null").message, "the evaluator gave no reason");
  EXPECT_EQ(failure("[1, \"a\"]").message, "[1,\"a\"]");
}

// T18 and T19: numbers as Python's json.dumps() writes them.
TEST(EvaluatorProtocol, AMetricThatIsNotANumberIsKeptAsSuch) {
  for (const std::string value : {"null", "NaN", "Infinity", "-Infinity", "1e999", "-1e999"}) {
    const std::string line = ResultOf(R"("params": 7, "accuracy": )" + value);
    EXPECT_THAT(MetricsOf(line), ElementsAre(Pair("accuracy", IsNan()), Pair("params", 7))) << value;
    EXPECT_EQ(ParseEvaluatorAnswer(line).left_out, "metrics that are not numbers: accuracy") << value;
  }
  EXPECT_THAT(MetricsOf(ResultOf("\"a\": " + std::string(400, '9'))), ElementsAre(Pair("a", IsNan())));
  EXPECT_EQ(ParseEvaluatorAnswer(ResultOf(R"("a": null, "b": null, "c": null, "d": null, "e": null)")).left_out,
            "metrics that are not numbers: a, b, c and 2 more");
}

TEST(EvaluatorProtocol, TextIsMadeWellFormed) {
  const auto message = [](const std::string& text) {
    return std::get<EvaluationFailure>(Parse(R"({"failure": {"kind": "retry", "message": ")" + text + "\"}}")).message;
  };
  EXPECT_EQ(message(R"(caf\udce9.png)"), "caf?.png");
  EXPECT_EQ(message(R"(\ud83d\ude00 \ud83d \ud83dx \ud83d\n)"), "\U0001F600 ? ?x ?\n");
  EXPECT_EQ(message("\xff"), "?");
  EXPECT_EQ(message(R"(NaN \\udce9 \"Infinity)"), R"(NaN \udce9 "Infinity)");
  EXPECT_EQ(message(std::string(9000, 'x')).size(), 8192u);
}

// C3: the message names the limit and the value.
TEST(EvaluatorProtocol, ALimitThatIsExceededIsNamed) {
  std::string metrics;
  for (int i = 0; i < 300; ++i) metrics += (i == 0 ? "\"class_" : ", \"class_") + std::to_string(i) + "\": 0.5";
  EXPECT_EQ(ParseEvaluatorAnswer(ResultOf(metrics)).message.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(WhyNot(ResultOf(metrics)), "a result has 300 metrics; the maximum is 256");
  EXPECT_EQ(WhyNot(ResultOf("\"" + std::string(125, 'n') + "\": 1")),
            "the name of metric \"" + std::string(60, 'n') + "…\" has 125 bytes; the maximum is 100");
  EXPECT_EQ(WhyNot(ResultOf(R"("a\nb": 1)")), R"(the name of metric "a\nb" has control characters)");
  EXPECT_EQ(WhyNot(ResultOf(R"("": 1)")), "a metric has an empty name");
}

TEST(EvaluatorProtocol, ReadsFailures) {
  const auto failure = [](const std::string& body) {
    return std::get<EvaluationFailure>(Parse(R"({"failure": )" + body + "}"));
  };
  EXPECT_EQ(failure(R"({"kind": "infeasible", "message": "loss is nan"})").kind, EvaluationFailure::Kind::kInfeasible);
  EXPECT_EQ(failure(R"({"kind": "infeasible", "message": "loss is nan"})").message, "loss is nan");
  EXPECT_EQ(failure(R"({"kind": "retry"})").kind, EvaluationFailure::Kind::kEvaluator);
  EXPECT_EQ(failure(R"({"kind": "out_of_memory"})").kind, EvaluationFailure::Kind::kOutOfMemory);
  EXPECT_FALSE(failure(R"({"kind": "out_of_memory", "of": ["data"]})").of_data);
  EXPECT_TRUE(failure(R"({"kind": "out_of_memory", "of": "data"})").of_data);
}

TEST(EvaluatorProtocol, RefusesTheRestAndSaysWhy) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "not JSON"},
      {"Epoch 1/5", "not JSON"},
      {R"({"result": {"metrics": {"accuracy": 0.5}})", "not JSON"},
      {R"({"result": {"metrics": {"accuracy": nan}}})", "not JSON"},
      {std::string(100'000, '['), "nested deeper than 100"},
      {"7", "not an object"},
      {"[]", "not an object"},
      {"{}", "no message"},
      {R"({"task": "t"})", "no message"},
      {R"({"task": 7, "result": {}})", "task is not a string"},
      {R"({"result": 7})", "result is not an object"},
      {R"({"result": {"metrics": {"a": 1}}, "progress": {}})", "more than one message"},
      {R"({"done": {}})", "expected progress, result or failure"},
      {R"({"result": {}})", "has no metrics"},
      {R"({"result": {"metrics": {}}})", "has no metrics"},
      {R"({"result": {"metrics": {"accuracy": "0.5"}}})", "accuracy is a string"},
      {R"({"failure": {"kind": "fatal"}})", "infeasible, retry or out_of_memory"},
      {R"({"failure": {"message": "x"}})", "infeasible, retry or out_of_memory"},
  };
  for (const auto& [line, why] : cases) {
    EXPECT_THAT(WhyNot(line), HasSubstr(why)) << line.substr(0, 100);
    EXPECT_EQ(ParseEvaluatorAnswer(line).message.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace layernas
