// Tests that, for any line of up to 1 MiB from a trainer, its task gets an answer that the
// controller accepts, and the next task is evaluated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/log/log.h"
#include "tests/worker/agent/completion_checks.h"
#include "worker/agent/convert.h"
#include "worker/evaluator/exec_evaluator.h"

namespace layernas {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kMebi = 1 << 20;

class AnyLineTest : public ::testing::Test {
 protected:
  AnyLineTest() {
    log::Init("test", "error");
    // Writes the line for the candidate "odd" and ends; answers all others.
    const std::string script = R"(while read -r request; do
      case $request in *odd*) cat "$FOLDER/line"; exit;; esac
      task=${request#*\"task\":\"}; task=${task%%\"*}
      echo '{"result": {"metrics": {"accuracy": 0.5}}, "task": "'"$task"'"}'
    done)";
    evaluator_ = std::make_unique<ExecEvaluator>(
        ExecOptions{.argv = {"/bin/sh", "-c", script}, .environment = {{"FOLDER", folder_.string()}}});
  }
  ~AnyLineTest() override { std::filesystem::remove_all(folder_); }

  EvaluationOutcome Evaluate(const std::string& task, LearningCurve& curve) {
    Evaluation evaluation;
    evaluation.task = task;
    evaluation.timeout = std::chrono::minutes(1);
    evaluation.request = "{}";
    return evaluator_->Evaluate(evaluation, {}, [&](const Progress& progress) {
      AddToCurve(curve, progress);
      v1::HeldLease held;
      *held.mutable_progress() = ToProto(progress);
      EXPECT_TRUE(!held.progress().has_reward() || std::isfinite(static_cast<float>(held.progress().reward())));
    });
  }

  // Returns the failure's message; empty for a result.
  std::string Check(const std::string& line) {
    std::ofstream(folder_ / "line", std::ios::binary) << line << '\n';
    LearningCurve curve;
    v1::Task task;
    const EvaluationOutcome odd = Evaluate("odd", curve);
    const std::optional<v1::Completion> completion = ToCompletion(task, odd, curve);
    EXPECT_TRUE(completion.has_value());
    EXPECT_EQ(FaultOf(*completion), "") << line.substr(0, 500);
    LearningCurve none;
    EXPECT_TRUE(std::holds_alternative<EvaluationResult>(Evaluate("next", none))) << line.substr(0, 500);
    return completion->failure().message();
  }

  const std::filesystem::path folder_ = [] {
    std::string path = ::testing::TempDir() + "layernas_line_XXXXXX";
    return std::filesystem::path(mkdtemp(path.data()));
  }();
  std::unique_ptr<ExecEvaluator> evaluator_;
};

TEST_F(AnyLineTest, LinesOfAMebibyte) {
  const auto message = [](std::size_t bytes) {
    const std::string begin = R"({"failure": {"kind": "retry", "message": ")";
    return begin + std::string(bytes - begin.size() - 3, 'x') + R"("}})";
  };
  EXPECT_THAT(Check(message(kMebi - 1)), HasSubstr("xxx"));
  EXPECT_THAT(Check(message(kMebi)), HasSubstr("xxx"));
  EXPECT_THAT(Check(message(kMebi + 1)), HasSubstr("longer than 1048576 bytes"));
  for (const std::size_t bytes : {kMebi - 1, kMebi, kMebi + 1}) {
    for (const char c : {'x', '{', '[', '"', '\\', '\xff', '0', '-', ' ', '\0'}) {
      Check(std::string(bytes, c));
      Check("{" + std::string(bytes - 1, c));
    }
  }
}

TEST_F(AnyLineTest, DeepNesting) {
  const std::string open(100'000, '[');
  const std::string close(100'000, ']');
  EXPECT_THAT(Check(R"({"result": {"metrics": )" + open + close + "}}"), HasSubstr("nested deeper than 100"));
  EXPECT_THAT(Check(R"({"progress": {"epoch": )" + open), HasSubstr("nested deeper than 100"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  EXPECT_THAT(Check(objects), HasSubstr("nested deeper than 100"));
}

TEST_F(AnyLineTest, ManyMetricsAndLongNames) {
  std::string metrics;
  for (int i = 0; metrics.size() < kMebi / 2; ++i) metrics += "\"m" + std::to_string(i) + "\": 1, ";
  EXPECT_THAT(Check(R"({"result": {"metrics": {)" + metrics + R"("z": 1}}})"), HasSubstr("the maximum is 256"));
  EXPECT_THAT(Check(R"({"result": {"metrics": {")" + std::string(kMebi / 2, 'n') + R"(": 1}}})"),
              HasSubstr("has 524288 bytes; the maximum is 100"));
  EXPECT_THAT(Check(R"({"result": {"metrics": {"a": )" + std::string(kMebi / 2, '9') + "}}}"), "");
}

TEST_F(AnyLineTest, MutatedLines) {
  const std::vector<std::string> seeds = {
      R"({"progress": {"epoch": 1, "epochs": 5, "reward": 0.61}, "task": "odd#1"})",
      R"({"result": {"metrics": {"accuracy": 0.874, "latency_ms": 1e-3, "f1": null, "x": NaN, "y": -Infinity}}})",
      R"({"result": {"metrics": {"a": 1}, "weights": {"path": "/w/\u00e9.pt", "sha256": "00", "bytes": 371200}}})",
      R"({"failure": {"kind": "infeasible", "message": "\ud83d\ude00 caf\udce9 \u0000"}})",
      "{\"failure\": {\"kind\": \"retry\", \"message\": \"\xff\xf0\x9f\x98\x80\xed\xa0\x80\"}}"};
  for (std::uint64_t i = 0; i < 300; ++i) {
    RandomStream random({i});
    std::string line = seeds[random.Below(seeds.size())];
    for (std::uint64_t edits = random.Below(6); edits > 0; --edits) {
      const std::size_t at = random.Below(line.size());
      switch (random.Below(4)) {
        case 0:
          line[at] = static_cast<char>(random.Next());
          break;
        case 1:
          line.insert(at, 1 + random.Below(4), static_cast<char>(random.Next()));
          break;
        case 2:
          line.erase(at, 1 + random.Below(8));
          break;
        default:
          line.insert(at, line.substr(random.Below(line.size()), 1 + random.Below(16)));
      }
      if (line.empty()) line = "{";
    }
    SCOPED_TRACE(i);
    Check(line);
  }
}

}  // namespace
}  // namespace layernas
