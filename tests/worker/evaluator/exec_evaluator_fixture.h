// A fixture for an ExecEvaluator whose child is a shell script.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "worker/evaluator/exec_evaluator.h"

namespace layernas {

// Only limits how long a failing test takes; no passing test waits for it.
inline constexpr Millis kLong{60'000};
inline constexpr Millis kShort{200};

// $task is the task of the request.
inline constexpr char kAnswer[] = R"(echo '{"result": {"metrics": {"pid": '$$'}}, "task": "'"$task"'"}')";
// Does not repeat the task.
inline constexpr char kAnswerOnly[] = R"(echo '{"result": {"metrics": {"pid": '$$'}}}')";

class ExecEvaluatorTest : public ::testing::Test {
 protected:
  ~ExecEvaluatorTest() override { std::filesystem::remove_all(folder_); }

  // A child that runs the script `on_request` for each line that it reads.
  std::unique_ptr<ExecEvaluator> PerRequest(const std::string& on_request) {
    return Script(R"(while read -r request; do task=${request#*\"task\":\"}; task=${task%%\"*}; )" + on_request +
                  "; done");
  }
  std::unique_ptr<ExecEvaluator> Script(const std::string& script) {
    return std::make_unique<ExecEvaluator>(
        ExecOptions{.argv = {"/bin/sh", "-c", script}, .environment = {{"FOLDER", folder_.string()}}});
  }

  EvaluationOutcome Evaluate(ExecEvaluator& evaluator, Millis timeout = kLong) {
    Evaluation evaluation{"searches/x-1/candidates/3", "012", 7, timeout, R"({"seed":7})"};
    return evaluator.Evaluate(evaluation, stop_.get_token(), [this](const Progress& p) { progress_.push_back(p); });
  }

  // Returns the process id that kAnswer reports.
  pid_t EvaluateForPid(ExecEvaluator& evaluator) {
    const EvaluationOutcome outcome = Evaluate(evaluator);
    const auto* result = std::get_if<EvaluationResult>(&outcome);
    EXPECT_NE(result, nullptr) << Message(outcome);
    return result != nullptr ? static_cast<pid_t>(result->metrics.at("pid")) : -1;
  }

  static std::string Message(const EvaluationOutcome& outcome) {
    const auto* failure = std::get_if<EvaluationFailure>(&outcome);
    return failure != nullptr ? failure->message : "(no failure)";
  }

  static void ExpectEvaluatorFault(const EvaluationOutcome& outcome) {
    const auto* failure = std::get_if<EvaluationFailure>(&outcome);
    ASSERT_NE(failure, nullptr);
    EXPECT_EQ(failure->kind, EvaluationFailure::Kind::kEvaluator);
  }

  // Returns the process id that a script wrote into the file of that name.
  pid_t ReadPid(const std::string& name) const {
    for (int i = 0; i < 6000; ++i) {
      pid_t pid = 0;
      if (std::ifstream(folder_ / name) >> pid) return pid;
      std::this_thread::sleep_for(Millis(10));
    }
    ADD_FAILURE() << "no file " << name;
    return -1;
  }

  void AwaitFile(const std::string& name) const {
    for (int i = 0; i < 6000 && !std::filesystem::exists(folder_ / name); ++i) {
      std::this_thread::sleep_for(Millis(10));
    }
    EXPECT_TRUE(std::filesystem::exists(folder_ / name));
  }

  static void ExpectGoneSoon(pid_t pid) {
    const auto gone = [pid] {
      if (kill(pid, 0) != 0) return errno == ESRCH;
      std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
      const std::string text((std::istreambuf_iterator<char>(stat)), {});
      const auto state = text.rfind(") ");
      return state == std::string::npos || text[state + 2] == 'Z';
    };
    for (int i = 0; i < 6000 && !gone(); ++i) std::this_thread::sleep_for(Millis(10));
    EXPECT_TRUE(gone()) << pid;
  }

  const std::filesystem::path folder_ = [] {
    std::string path = ::testing::TempDir() + "layernas_exec_XXXXXX";
    return std::filesystem::path(mkdtemp(path.data()));
  }();
  std::stop_source stop_;
  std::vector<Progress> progress_;
};

}  // namespace layernas
