#include "worker/evaluator/exec_evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/log/log.h"
#include "tests/common/process/no_threads.h"
#include "tests/worker/evaluator/exec_evaluator_fixture.h"

namespace layernas {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

TEST_F(ExecEvaluatorTest, OneChildAnswersManyRequests) {
  auto evaluator = PerRequest(kAnswer);
  const pid_t first = EvaluateForPid(*evaluator);
  EXPECT_EQ(EvaluateForPid(*evaluator), first);
  EXPECT_EQ(EvaluateForPid(*evaluator), first);
}

TEST_F(ExecEvaluatorTest, TheRequestReachesTheChild) {
  auto evaluator = PerRequest(R"(if [ "$request" = '{"evaluate":{"task":"searches/x-1/candidates/3#1","seed":7}}' ];
                                 then )" +
                              std::string(kAnswer) + "; fi");
  EXPECT_GT(EvaluateForPid(*evaluator), 0);
}

TEST_F(ExecEvaluatorTest, PassesProgressOn) {
  auto evaluator = PerRequest(R"(echo '{"progress": {"epoch": 1, "epochs": 2, "reward": 0.25}}';
                                 echo '{"progress": {"epoch": 2, "epochs": 2, "reward": 0.5}}'; )" +
                              std::string(kAnswer));
  EvaluateForPid(*evaluator);
  ASSERT_EQ(progress_.size(), 2u);
  EXPECT_EQ(progress_[1].epoch, 2);
  EXPECT_EQ(progress_[1].epochs, 2);
  EXPECT_EQ(progress_[1].reward, 0.5);
}

TEST_F(ExecEvaluatorTest, AFailureThatTheChildReportsKeepsTheChild) {
  auto evaluator = PerRequest("if [ -e $FOLDER/failed ]; then " + std::string(kAnswer) +
                              R"(; else echo $$ > $FOLDER/failed;
                              echo '{"failure": {"kind": "infeasible", "message": "loss is nan"}, "task": "'"$task"'"}'; fi)");
  const EvaluationOutcome outcome = Evaluate(*evaluator);
  ASSERT_TRUE(std::holds_alternative<EvaluationFailure>(outcome));
  EXPECT_EQ(std::get<EvaluationFailure>(outcome).kind, EvaluationFailure::Kind::kInfeasible);
  EXPECT_EQ(Message(outcome), "loss is nan");
  EXPECT_EQ(EvaluateForPid(*evaluator), ReadPid("failed"));
}

TEST_F(ExecEvaluatorTest, ATimeOutKillsTheWholeProcessGroup) {
  auto evaluator = PerRequest("sleep 1000 & echo $! > $FOLDER/grandchild; echo losing patience >&2; wait");
  const EvaluationOutcome outcome = Evaluate(*evaluator, Millis(3000));
  ExpectEvaluatorFault(outcome);
  EXPECT_THAT(Message(outcome), AllOf(HasSubstr("timeout of 3s"), EndsWith("losing patience")));
  ExpectGoneSoon(ReadPid("grandchild"));
}

TEST_F(ExecEvaluatorTest, AFailureQuotesNothingOfTheEvaluationsBefore) {
  auto evaluator =
      PerRequest("if [ -e $FOLDER/second ]; then echo of the second >&2; exit 3; fi; echo of the first >&2; " +
                 std::string(kAnswer) + "; echo > $FOLDER/second");
  EvaluateForPid(*evaluator);
  const EvaluationOutcome outcome = Evaluate(*evaluator);
  ExpectEvaluatorFault(outcome);
  EXPECT_THAT(Message(outcome), AllOf(EndsWith("of the second"), Not(HasSubstr("of the first"))));
}

TEST_F(ExecEvaluatorTest, AChildThatDoesNotReadIsBounded) {
  auto evaluator = Script("sleep 1000");
  Evaluation evaluation{"t", "0", 0, kShort, "{" + std::string(1 << 20, ' ') + "}"};
  const auto outcome = evaluator->Evaluate(evaluation, stop_.get_token(), [](const Progress&) {});
  ExpectEvaluatorFault(outcome);
  EXPECT_THAT(Message(outcome), HasSubstr("timeout of 200ms"));
}

TEST_F(ExecEvaluatorTest, EndlessProgressIsBounded) {
  auto evaluator = Script(R"(while :; do echo '{"progress": {"epoch": 1}}'; done)");
  EXPECT_THAT(Message(Evaluate(*evaluator, kShort)), HasSubstr("timeout"));
}

TEST_F(ExecEvaluatorTest, LoadingDoesNotCountTowardsTheTimeOut) {
  // Loads for twice the timeout, which is long enough for a late line.
  auto evaluator = PerRequest(R"(for i in $(seq 60); do echo '{"progress": {"loading": {"done": '$i', "of": 60}}}';
                                 sleep 0.1; done; )" +
                              std::string(kAnswer));
  const EvaluationOutcome outcome = Evaluate(*evaluator, Millis(3'000));
  EXPECT_TRUE(std::holds_alternative<EvaluationResult>(outcome)) << Message(outcome);
  EXPECT_TRUE(progress_.empty());
}

TEST_F(ExecEvaluatorTest, EndlessLoadingIsBounded) {
  const std::string loading = R"(echo '{"progress": {"loading": {}}}')";
  ExecOptions options{.argv = {"/bin/sh", "-c", "while :; do " + loading + "; done"}, .environment = {}};
  options.longest_loading = kShort;
  ExecEvaluator bounded(std::move(options));
  EXPECT_THAT(Message(Evaluate(bounded, kShort)), HasSubstr("timeout"));
  // After an epoch, loading no longer extends the timeout.
  auto trains = Script(R"(echo '{"progress": {"epoch": 1}}'; while :; do )" + loading + "; done");
  EXPECT_THAT(Message(Evaluate(*trains, Millis(3'000))), HasSubstr("timeout"));
}

TEST_F(ExecEvaluatorTest, AfterATimeOutAFreshChildTakesTheNextTask) {
  auto evaluator = PerRequest("if [ -e $FOLDER/hung ]; then " + std::string(kAnswer) +
                              "; else echo $$ > $FOLDER/hung; sleep 1000; fi");
  ExpectEvaluatorFault(Evaluate(*evaluator, Millis(3000)));
  EXPECT_NE(EvaluateForPid(*evaluator), ReadPid("hung"));
}

TEST_F(ExecEvaluatorTest, RubbishIsQuotedAndTheChildReplaced) {
  auto evaluator = PerRequest("if [ -e $FOLDER/spoke ]; then " + std::string(kAnswer) +
                              "; else echo $$ > $FOLDER/spoke; echo {Epoch 1 of 5; fi");
  const EvaluationOutcome outcome = Evaluate(*evaluator);
  ExpectEvaluatorFault(outcome);
  EXPECT_THAT(Message(outcome), AllOf(HasSubstr("not JSON"), EndsWith(": {Epoch 1 of 5")));
  ExpectGoneSoon(ReadPid("spoke"));
  EXPECT_NE(EvaluateForPid(*evaluator), ReadPid("spoke"));
}

TEST_F(ExecEvaluatorTest, ALongLineOfRubbishIsShortened) {
  auto evaluator = PerRequest("printf {; head -c 5000 /dev/zero | tr '\\0' x; echo");
  const EvaluationOutcome outcome = Evaluate(*evaluator);
  EXPECT_THAT(Message(outcome), AllOf(HasSubstr("xxx"), EndsWith("…")));
  EXPECT_LT(Message(outcome).size(), 400u);
}

TEST_F(ExecEvaluatorTest, ALineThatNeverEndsIsBounded) {
  auto evaluator = PerRequest("head -c 3000000 /dev/zero | tr '\\0' x; sleep 1000");
  const EvaluationOutcome outcome = Evaluate(*evaluator);
  ExpectEvaluatorFault(outcome);
  EXPECT_THAT(Message(outcome), AllOf(HasSubstr("longer than 1048576 bytes"), HasSubstr("xxx")));
  EXPECT_LT(Message(outcome).size(), 500u);
}

TEST_F(ExecEvaluatorTest, DeathIsToldInWordsWithTheLastOfStandardError) {
  auto crashing = PerRequest("echo CUDA out of memory >&2; exit 3");
  EvaluationOutcome outcome = Evaluate(*crashing);
  ExpectEvaluatorFault(outcome);
  EXPECT_THAT(Message(outcome), AllOf(HasSubstr("exit code 3"), EndsWith("CUDA out of memory")));

  auto killed = PerRequest("kill -9 $$");
  outcome = Evaluate(*killed);
  ExpectEvaluatorFault(outcome);
  EXPECT_THAT(Message(outcome), HasSubstr("killed by signal 9 (SIGKILL)"));
}

TEST_F(ExecEvaluatorTest, AnEndBySigtermIsToldFromOthers) {
  for (const auto& [script, expected] : {std::pair("kill -TERM $$", true), std::pair("exit 143", true),
                                         std::pair("kill -KILL $$", false), std::pair("exit 3", false)}) {
    const EvaluationOutcome outcome = Evaluate(*PerRequest(script));
    const auto* failure = std::get_if<EvaluationFailure>(&outcome);
    ASSERT_NE(failure, nullptr) << script;
    EXPECT_EQ(failure->told_to_end, expected) << script;
  }
}

// A service manager may signal the evaluator first. Its failure is then held back, like an end by
// the signal itself.
TEST_F(ExecEvaluatorTest, AFailureBeforeAnEndBySigtermIsToldFromOthers) {
  for (const char* task : {R"(, "task": "'"$task"'")", ""}) {
    for (const auto& [end, expected] : {std::pair("; kill -TERM $$", true), std::pair("; exit 143", true),
                                        std::pair("; exit 1", false), std::pair("", false)}) {
      const EvaluationOutcome outcome =
          Evaluate(*PerRequest(R"(echo '{"failure": {"kind": "retry"})" + std::string(task) + "}'" + end));
      const auto* failure = std::get_if<EvaluationFailure>(&outcome);
      ASSERT_NE(failure, nullptr) << end;
      EXPECT_EQ(failure->told_to_end, expected) << task << end;
    }
  }
}

TEST_F(ExecEvaluatorTest, AChildThatDiedBetweenTasksIsReplaced) {
  auto evaluator = PerRequest(kAnswer);
  const pid_t first = EvaluateForPid(*evaluator);
  kill(first, SIGKILL);
  ExpectGoneSoon(first);
  const pid_t second = EvaluateForPid(*evaluator);
  EXPECT_NE(second, first);
  EXPECT_GT(second, 0);
}

TEST_F(ExecEvaluatorTest, AProgramForOneRequestEachWorks) {
  auto evaluator = Script("read -r request; " + std::string(kAnswerOnly));
  const pid_t first = EvaluateForPid(*evaluator);
  EXPECT_NE(EvaluateForPid(*evaluator), first);
}

TEST_F(ExecEvaluatorTest, AFreshChildThatEndsWithoutAWordIsAFailure) {
  auto evaluator = Script("read -r request");
  const EvaluationOutcome outcome = Evaluate(*evaluator);
  ExpectEvaluatorFault(outcome);
  EXPECT_THAT(Message(outcome), HasSubstr("exit code 0"));
}

TEST_F(ExecEvaluatorTest, AProgramThatIsNotThereIsNamed) {
  ExecEvaluator evaluator({.argv = {"/no/such/trainer"}, .environment = {}});
  const EvaluationOutcome outcome = Evaluate(evaluator);
  ExpectEvaluatorFault(outcome);
  EXPECT_THAT(Message(outcome), HasSubstr("/no/such/trainer"));
}

TEST_F(ExecEvaluatorTest, AStopKillsTheChild) {
  auto evaluator = PerRequest("echo $$ > $FOLDER/started; sleep 1000");
  EvaluationOutcome outcome;
  std::thread evaluating([&] { outcome = Evaluate(*evaluator); });
  const pid_t pid = ReadPid("started");
  stop_.request_stop();
  evaluating.join();
  EXPECT_TRUE(std::holds_alternative<EvaluationCancelled>(outcome));
  ExpectGoneSoon(pid);
}

// A trainer may turn SIGTERM into an exception and report a failure. That must not use up an
// attempt.
TEST_F(ExecEvaluatorTest, AFailureThatAnswersAStopDoesNotCount) {
  for (const char* kind : {"retry", "infeasible", "out_of_memory"}) {
    for (const char* task : {R"(, \"task\": \"$task\")", ""}) {
      std::filesystem::remove(folder_ / "started");
      auto evaluator = PerRequest(R"(trap told=yes TERM; echo $$ > $FOLDER/started;
                                     while [ -z "$told" ]; do sleep 0.01; done;
                                     echo "{\"failure\": {\"kind\": \")" +
                                  std::string(kind) + R"(\"})" + task + R"(}")");
      stop_ = std::stop_source();
      EvaluationOutcome outcome;
      std::thread evaluating([&] { outcome = Evaluate(*evaluator); });
      ReadPid("started");
      stop_.request_stop();
      evaluating.join();
      EXPECT_TRUE(std::holds_alternative<EvaluationCancelled>(outcome)) << kind << ": " << Message(outcome);
    }
  }
}

TEST_F(ExecEvaluatorTest, AResultThatAnswersAStopIsTaken) {
  auto evaluator = PerRequest(
      R"(trap 't=1' TERM; echo $$ > $FOLDER/started; while [ -z "$t" ]; do sleep 0.01; done; )" + std::string(kAnswer));
  EvaluationOutcome outcome;
  std::thread evaluating([&] { outcome = Evaluate(*evaluator); });
  ReadPid("started");
  stop_.request_stop();
  evaluating.join();
  EXPECT_TRUE(std::holds_alternative<EvaluationResult>(outcome)) << Message(outcome);
}

TEST_F(ExecEvaluatorTest, AStopLeavesTheChildTimeToKeepItsWork) {
  auto evaluator = Script(R"(trap 'sleep 0.3; echo $$ > $FOLDER/kept; exit' TERM; echo $$ > $FOLDER/started;
                             while :; do sleep 0.01; done)");
  EvaluationOutcome outcome;
  std::thread evaluating([&] { outcome = Evaluate(*evaluator); });
  const pid_t pid = ReadPid("started");
  stop_.request_stop();
  evaluating.join();
  EXPECT_TRUE(std::holds_alternative<EvaluationCancelled>(outcome));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "kept"));
  ExpectGoneSoon(pid);
}

TEST_F(ExecEvaluatorTest, ATimeOutLeavesTheChildTimeToKeepItsWork) {
  auto evaluator = Script(R"(trap 'sleep 0.3; echo $$ > $FOLDER/kept; exit' TERM; read -r request;
                             while :; do sleep 0.01; done)");
  EXPECT_THAT(Message(Evaluate(*evaluator, Millis(1000))), HasSubstr("timeout of 1s"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "kept"));
}

TEST_F(ExecEvaluatorTest, AChildThatWillNotEndIsKilled) {
  ExecEvaluator evaluator(
      {.argv = {"/bin/sh", "-c", R"(trap '' TERM; echo $$ > $FOLDER/started; sleep 1000; sleep 1000)"},
       .environment = {{"FOLDER", folder_.string()}},
       .grace = kShort});
  EvaluationOutcome outcome;
  std::thread evaluating([&] { outcome = Evaluate(evaluator); });
  const pid_t pid = ReadPid("started");
  stop_.request_stop();
  evaluating.join();
  EXPECT_TRUE(std::holds_alternative<EvaluationCancelled>(outcome));
  ExpectGoneSoon(pid);
}

// Without threads the worker must still stop the child, from any thread. The child has a request, so
// the worker's thread that reads its standard error exists already.
TEST_F(ExecEvaluatorTest, AStopLeavesTheChildItsGraceWhereNoThreadCanBeMade) {
  ExecEvaluator evaluator({.argv = {"/bin/sh", "-c",
                                    "trap 'echo 1 > $FOLDER/saved' TERM; read -r request; echo $$ > $FOLDER/child; "
                                    "while :; do sleep 0.01; done"},
                           .environment = {{"FOLDER", folder_.string()}},
                           .grace = Millis(1'000)});
  std::jthread stopper([this] {
    ReadPid("child");
    const NoThreads no_threads;
    stop_.request_stop();
    ReadPid("saved");
  });
  EXPECT_TRUE(std::holds_alternative<EvaluationCancelled>(Evaluate(evaluator)));
  ExpectGoneSoon(ReadPid("child"));
}

TEST_F(ExecEvaluatorTest, AStopBeforeTheStartCounts) {
  auto evaluator = PerRequest("sleep 1000");
  stop_.request_stop();
  EXPECT_TRUE(std::holds_alternative<EvaluationCancelled>(Evaluate(*evaluator)));
}

TEST_F(ExecEvaluatorTest, EndsTheChildByClosingItsInput) {
  auto evaluator = Script("while read -r request; do " + std::string(kAnswerOnly) + "; done; echo $$ > $FOLDER/ended");
  const pid_t pid = EvaluateForPid(*evaluator);
  evaluator.reset();
  EXPECT_EQ(ReadPid("ended"), pid);
}

// The child still runs when the request is written, but does not read it.
TEST_F(ExecEvaluatorTest, WhatHappensToAChildBetweenTasksIsNoFailureOfTheNext) {
  for (const std::string end : {"exit 7", "kill -SEGV $$", "kill -s TERM $$"}) {
    const std::string once = "\"$FOLDER/" + std::to_string(end.size()) + "\"";
    auto evaluator =
        PerRequest(std::string(kAnswer) + "; [ -e " + once + " ] || { echo > " + once + "; sleep 0.3; " + end + "; }");
    const pid_t first = EvaluateForPid(*evaluator);
    const pid_t second = EvaluateForPid(*evaluator);
    EXPECT_GT(second, 0) << end;
    EXPECT_NE(second, first) << end;
  }
}

// One byte is enough: after that, the request may be what ended the child.
TEST_F(ExecEvaluatorTest, AChildThatDiesOfItsRequestHasFailed) {
  auto evaluator = PerRequest(std::string(kAnswer) + "; dd bs=1 count=1 of=/dev/null status=none; exit 7");
  EvaluateForPid(*evaluator);
  EXPECT_THAT(Message(Evaluate(*evaluator)), HasSubstr("exit code 7"));
}

TEST_F(ExecEvaluatorTest, TheKeptChildCanBeEndedBetweenRequests) {
  auto evaluator = PerRequest(kAnswer);
  evaluator->AskKeptToEnd();
  evaluator->EndKept(std::chrono::steady_clock::now());
  const pid_t first = EvaluateForPid(*evaluator);
  evaluator->AskKeptToEnd();
  ExpectGoneSoon(first);
  evaluator->EndKept(std::chrono::steady_clock::now() + kLong);
  EXPECT_NE(EvaluateForPid(*evaluator), first);
}

TEST_F(ExecEvaluatorTest, AKeptChildThatDoesNotEndIsKilled) {
  auto evaluator = PerRequest("trap '' TERM; " + std::string(kAnswer) + "; exec < /dev/null; sleep 1000");
  const pid_t first = EvaluateForPid(*evaluator);
  evaluator->AskKeptToEnd();
  evaluator->EndKept(std::chrono::steady_clock::now() + kShort);
  ExpectGoneSoon(first);
}

}  // namespace
}  // namespace layernas
