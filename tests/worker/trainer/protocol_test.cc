#include "worker/trainer/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <new>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "tests/worker/trainer/test_requests.h"
#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

using ::testing::HasSubstr;

std::vector<nlohmann::json> Serve(const std::string& input, const EvaluateFunction& evaluate) {
  std::istringstream in(input);
  std::ostringstream out, log;
  ServeRequests(in, out, log, evaluate);
  std::vector<nlohmann::json> answers;
  std::istringstream lines(out.str());
  for (std::string line; std::getline(lines, line);) answers.push_back(nlohmann::json::parse(line));
  return answers;
}

Metrics Constant(const EvaluateRequest&, const ProgressCallback&) { return {{"accuracy", 0.5}}; }

const std::string kGood = SmallRequest().dump() + "\n";

TEST(ServeRequests, ProgressThenResult) {
  const auto answers = Serve(kGood, [](const EvaluateRequest& request, const ProgressCallback& on_progress) {
    EXPECT_EQ(request.task, "searches/test-1/candidates/3");
    Progress loading;
    loading.loading = Loading{3, 5};
    on_progress(loading);
    on_progress({std::nullopt, 1, 2, 0.25});
    return Metrics{{"accuracy", 0.5}, {"latency_ms", 2}};
  });
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[0], nlohmann::json::parse(R"({"progress": {"loading": {"done": 3, "of": 5}},
                                                   "task": "searches/test-1/candidates/3"})"));
  EXPECT_EQ(answers[1], nlohmann::json::parse(R"({"progress": {"epoch": 1, "epochs": 2, "reward": 0.25},
                                                   "task": "searches/test-1/candidates/3"})"));
  EXPECT_EQ(answers[2], nlohmann::json::parse(R"({"result": {"metrics": {"accuracy": 0.5, "latency_ms": 2.0}},
                                                   "task": "searches/test-1/candidates/3"})"));
}

// The worker keeps the process only if every answer names its task.
TEST(ServeRequests, FailuresNameTheirTaskToo) {
  const auto answers = Serve(
      kGood + R"({"evaluate": {"task": "t#2", "work": 7}})" + "\nrubbish\n" + R"({"evaluate": {"task": 7}})" + "\n",
      [](const EvaluateRequest&, const ProgressCallback&) -> Metrics { throw MachineError("no"); });
  ASSERT_EQ(answers.size(), 4U);
  EXPECT_EQ(answers[0]["task"], "searches/test-1/candidates/3");
  EXPECT_EQ(answers[1]["task"], "t#2");
  EXPECT_FALSE(answers[2].contains("task"));
  EXPECT_FALSE(answers[3].contains("task"));
  for (const nlohmann::json& answer : answers) EXPECT_TRUE(answer.contains("failure"));
}

TEST(ServeRequests, WeightsAreInTheResult) {
  const auto answers = Serve(kGood, [](const EvaluateRequest&, const ProgressCallback&) {
    EvaluationResult result(Metrics{{"accuracy", 0.5}});
    result.weights = KeptWeights{"/weights/a.pt", "0123", 17};
    return result;
  });
  EXPECT_EQ(answers.at(0)["result"]["weights"],
            nlohmann::json::parse(R"({"path": "/weights/a.pt", "sha256": "0123", "bytes": 17})"));
}

TEST(ServeRequests, RubbishIsAnsweredAndSurvived) {
  const std::string too_long(5 << 20, 'x');
  const std::string input = "rubbish\n\n[1, 2]\n{\"evaluate\": {\"train\": {\"dataset\": \"\xff\"}}}\n" + too_long +
                            "\n" + std::string(100'000, '[') + "\n" + kGood + "{\"evaluate\"";
  const auto answers = Serve(input, Constant);
  ASSERT_EQ(answers.size(), 7U);
  EXPECT_EQ(answers[0]["failure"]["kind"], "retry");
  EXPECT_THAT(answers[0]["failure"]["message"].get<std::string>(), HasSubstr("not JSON"));
  EXPECT_EQ(answers[1]["failure"]["kind"], "infeasible");
  EXPECT_TRUE(answers[2].contains("failure"));
  EXPECT_THAT(answers[3]["failure"]["message"].get<std::string>(), HasSubstr("longer than"));
  EXPECT_TRUE(answers[4].contains("failure"));
  EXPECT_TRUE(answers[5].contains("result"));
  EXPECT_TRUE(answers[6].contains("failure"));
}

TEST(ServeRequests, WhatIsThrownBecomesAFailureOfItsKind) {
  const auto kind = [](const auto& error) {
    return Serve(kGood, [&](const EvaluateRequest&, const ProgressCallback&) -> Metrics { throw error; })
        .at(0)["failure"]["kind"]
        .template get<std::string>();
  };
  EXPECT_EQ(kind(InfeasibleError("no")), "infeasible");
  EXPECT_EQ(kind(MachineError("no")), "retry");
  EXPECT_EQ(kind(MemoryError("no")), "out_of_memory");
  EXPECT_EQ(kind(DataMemoryError("no")), "out_of_memory");
  EXPECT_EQ(kind(std::bad_alloc()), "out_of_memory");
  EXPECT_EQ(kind(std::runtime_error("no")), "retry");
}

TEST(ServeRequests, ALostGpuIsAnsweredAndEndsTheProcess) {
  const auto answers = Serve(kGood + kGood, [](const EvaluateRequest&, const ProgressCallback&) -> Metrics {
    throw LostGpuError("CUDA error: the GPU has fallen off the bus");
  });
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0]["failure"]["kind"], "retry");
  EXPECT_THAT(answers[0].dump(), HasSubstr("off the bus"));
}

// The search may need none of them: the worker knows which metrics are its reward and cost.
TEST(ServeRequests, MetricsThatAreNotFiniteAreNull) {
  const auto answers = Serve(kGood, [](const EvaluateRequest&, const ProgressCallback&) {
    return Metrics{{"accuracy", std::nan("")}, {"latency_ratio", HUGE_VAL}, {"loss", -HUGE_VAL}, {"params", 7}};
  });
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0]["result"]["metrics"],
            nlohmann::json::parse(R"({"accuracy": null, "latency_ratio": null, "loss": null, "params": 7.0})"));
}

}  // namespace
}  // namespace layernas::trainer
