// Tests which lines of a child are answers to which request.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/log/log.h"
#include "tests/worker/evaluator/exec_evaluator_fixture.h"

namespace layernas {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ExecEvaluatorTest, AnAnswerTooManyIsNotTakenForTheNextOne) {
  for (const char* late : {kAnswer, kAnswerOnly}) {
    // The late answer to the first request is written after the second request has been read.
    auto evaluator = PerRequest(R"(n=$((n+1)); if [ "$n" = 2 ]; then
                                     late=$task; task=$first; echo '{"progress": {"epoch": 9}, "task": "'"$task"'"}'; )" +
                                std::string(late) + "; task=$late; fi; first=$task; " + kAnswer);
    const pid_t first = EvaluateForPid(*evaluator);
    progress_.clear();
    EXPECT_EQ(EvaluateForPid(*evaluator), first);
    EXPECT_TRUE(progress_.empty());
  }
}

// T20: a process that does not repeat the task gets only one request, so nobody reads its late
// answers.
TEST_F(ExecEvaluatorTest, AChildThatDoesNotNameItsTaskGetsOneRequest) {
  auto evaluator = PerRequest(std::string(kAnswerOnly) + "; (sleep 0.2; " + kAnswerOnly + ") & true");
  const pid_t first = EvaluateForPid(*evaluator);
  ExpectGoneSoon(first);
  const pid_t second = EvaluateForPid(*evaluator);
  EXPECT_NE(second, first);
  EXPECT_NE(EvaluateForPid(*evaluator), second);
}

TEST_F(ExecEvaluatorTest, AnAnswerForAnotherTaskDoesNotCostTheChildItsLife) {
  auto evaluator = PerRequest(R"(echo '{"failure": {"kind": "retry"}, "task": "another"}';
                                 echo '{"result": 7, "task": "another"}'; )" +
                              std::string(kAnswer));
  const pid_t first = EvaluateForPid(*evaluator);
  EXPECT_EQ(EvaluateForPid(*evaluator), first);
}

// A line without a task may be a late line of another task, whatever else is wrong with it.
TEST_F(ExecEvaluatorTest, ALineWithoutATaskOfAChildThatNamesTasksIsDroppedWhateverItSays) {
  const std::string long_name(101, 'n');
  for (const std::string& line :
       {std::string(R"({"result": {"metrics": {}}})"), R"({"result": {"metrics": {")" + long_name + R"(": 1}}})",
        std::string(R"({"failure": {"kind": "odd"}})"), std::string(R"({"Epoch": 1})"),
        std::string(R"({"result": {"metrics": {"accuracy": 1}}, "task": 7})")}) {
    auto evaluator = PerRequest("n=$((n+1)); if [ \"$n\" = 2 ]; then echo '" + line + "'; fi; " + kAnswer);
    const pid_t first = EvaluateForPid(*evaluator);
    EXPECT_EQ(EvaluateForPid(*evaluator), first) << line;
  }
  // A line that is not JSON does not tell its task. The worker would wait for an answer that has
  // already come.
  auto garbles =
      PerRequest("n=$((n+1)); if [ \"$n\" = 2 ]; then echo '{\"result\": '; sleep 1000; fi; " + std::string(kAnswer));
  EvaluateForPid(*garbles);
  EXPECT_THAT(Message(Evaluate(*garbles)), HasSubstr("not JSON"));
}

TEST_F(ExecEvaluatorTest, AResultFromBeforeTheRequestWasReadIsDropped) {
  const EvaluationOutcome outcome = Evaluate(*Script(std::string(kAnswerOnly) + "; sleep 1000"), Millis(1000));
  EXPECT_THAT(Message(outcome), AllOf(HasSubstr("timeout of 1s"), HasSubstr("1 line on standard output")));
}

// C3: the message is short enough to be read in a list of candidates.
TEST_F(ExecEvaluatorTest, AResultOverALimitIsAFailureThatNamesIt) {
  auto evaluator = PerRequest(R"(echo '{"result": {"metrics": {")" + std::string(101, 'n') + R"(": 1}}}')");
  const EvaluationOutcome outcome = Evaluate(*evaluator);
  ExpectEvaluatorFault(outcome);
  EXPECT_EQ(Message(outcome), "the name of metric \"" + std::string(60, 'n') + "…\" has 101 bytes; the maximum is 100");
}

TEST_F(ExecEvaluatorTest, EachRequestHasATaskOfItsOwn) {
  auto evaluator = PerRequest("echo $task >> $FOLDER/tasks; " + std::string(kAnswer));
  EvaluateForPid(*evaluator);
  EvaluateForPid(*evaluator);
  std::ifstream file(folder_ / "tasks");
  std::string first, second;
  file >> first >> second;
  EXPECT_EQ(first, "searches/x-1/candidates/3#1");
  EXPECT_EQ(second, "searches/x-1/candidates/3#2");
}

TEST_F(ExecEvaluatorTest, ABannerIsPassedOver) {
  auto evaluator =
      Script("echo Activating environment; echo; read -r request; echo Epoch 1/5; " + std::string(kAnswerOnly));
  EXPECT_GT(EvaluateForPid(*evaluator), 0);
}

TEST_F(ExecEvaluatorTest, WhatWasPassedOverIsToldWhereThereIsNoResult) {
  EXPECT_THAT(
      Message(Evaluate(*Script("read -r request; echo Segmentation fault; echo bye; exit 3"))),
      AllOf(HasSubstr("2 lines on standard output"), HasSubstr("Segmentation fault"), HasSubstr("exit code 3")));
  EXPECT_THAT(Message(Evaluate(*Script("read -r request; echo what; sleep 1000"), Millis(1000))),
              AllOf(HasSubstr("timeout of 1s"), HasSubstr("1 line on standard output"), HasSubstr("what")));
}

// T25: a wrapper that buffers output.
TEST_F(ExecEvaluatorTest, ATimeOutWithoutAnyLineSaysSo) {
  EXPECT_THAT(Message(Evaluate(*Script("sleep 1000"), kShort)),
              HasSubstr("no line on standard output: does a wrapper buffer it?"));
  EXPECT_THAT(Message(Evaluate(*Script("echo '{\"progress\": {}}'; sleep 1000"), Millis(1000))),
              Not(HasSubstr("no line was seen")));
}

TEST_F(ExecEvaluatorTest, ATimeOutAfterALineWithoutItsEndSaysSo) {
  for (const std::string before : {"", "echo banner; "}) {
    const std::string message = Message(Evaluate(
        *Script("read -r request; " + before + R"(printf '{"result": {"metrics": {}}}'; sleep 1000)"), Millis(1000)));
    EXPECT_THAT(message, HasSubstr("the last line on standard output has no line feed at its end"));
    EXPECT_THAT(message, Not(HasSubstr("no line on standard output")));
    EXPECT_EQ(message.find("banner") != std::string::npos, !before.empty()) << message;
  }
}

// As some programs write with UTF-8 as their encoding.
TEST_F(ExecEvaluatorTest, AByteOrderMarkBeforeTheFirstLineIsPassedOver) {
  auto answers_at_once = PerRequest("[ -n \"$n\" ] || printf '\\357\\273\\277'; n=1; " + std::string(kAnswer));
  const pid_t first = EvaluateForPid(*answers_at_once);
  EXPECT_EQ(EvaluateForPid(*answers_at_once), first);
  auto begins_with_banner = Script("printf '\\357\\273\\277loading\\n'; read -r request; " + std::string(kAnswerOnly));
  EXPECT_GT(EvaluateForPid(*begins_with_banner), 0);
}

// T22.

// The next answer would be taken for the rest of that line.
TEST_F(ExecEvaluatorTest, PartOfALineAfterAnAnswerDoesNotSwallowTheNextAnswer) {
  auto evaluator = PerRequest(std::string(kAnswer) + "; [ -e $FOLDER/once ] || printf 'done '; echo > $FOLDER/once");
  const pid_t first = EvaluateForPid(*evaluator);
  AwaitFile("once");
  const EvaluationOutcome second = Evaluate(*evaluator, Millis(5'000));
  ASSERT_TRUE(std::holds_alternative<EvaluationResult>(second)) << Message(second);
  EXPECT_NE(std::get<EvaluationResult>(second).metrics.at("pid"), first);
}

TEST_F(ExecEvaluatorTest, AWholeLineAfterAnAnswerKeepsTheChild) {
  auto evaluator = PerRequest(std::string(kAnswer) + "; echo 'done '; echo > $FOLDER/once");
  const pid_t first = EvaluateForPid(*evaluator);
  AwaitFile("once");
  EXPECT_EQ(EvaluateForPid(*evaluator), first);
}

// For example, because the worker's machine was suspended.
TEST_F(ExecEvaluatorTest, AResultThatLayThereBeforeTheTimeOutIsTaken) {
  auto evaluator = PerRequest(R"(printf '%s\n%s\n' '{"progress": {"epoch": 1}}' '{"progress": {"epoch": 2}}'; )" +
                              std::string(kAnswer) + "; echo > $FOLDER/once");
  const Evaluation evaluation{"searches/x-1/candidates/3", "012", 7, kShort, R"({"seed":7})"};
  const EvaluationOutcome outcome = evaluator->Evaluate(evaluation, {}, [this](const Progress&) {
    AwaitFile("once");
    std::this_thread::sleep_for(2 * kShort);
  });
  EXPECT_TRUE(std::holds_alternative<EvaluationResult>(outcome)) << Message(outcome);
}

// For example a line of a structured log.
TEST_F(ExecEvaluatorTest, WhatAChildWritesBeforeItReadsTheRequestIsDroppedWhateverItIs) {
  for (const std::string line : {R"({"level": "info", "event": "starting"})", "{starting}", R"({"result": 5})"}) {
    const auto evaluator = Script("echo '" + line + "'; sleep 0.5; read -r request; " + kAnswerOnly);
    const EvaluationOutcome outcome = Evaluate(*evaluator);
    EXPECT_TRUE(std::holds_alternative<EvaluationResult>(outcome)) << line << ": " << Message(outcome);
  }
}

}  // namespace
}  // namespace layernas
