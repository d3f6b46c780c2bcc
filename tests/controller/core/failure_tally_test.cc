#include "controller/core/failure_tally.h"

#include <gtest/gtest.h>

namespace layernas::core {
namespace {

AttemptFailure Failure(const std::string& worker, const std::string& message = "crashed",
                       FailureKind kind = FailureKind::kEvaluator) {
  return {1, kind, worker, message, 1};
}

TEST(FailureTally, CountsFailuresButNoLostLeases) {
  FailureTally tally;
  EXPECT_EQ(tally.failed(), 0);
  tally.Add(Failure("a"), TaskKind::kEvaluate);
  tally.Add(Failure("b", "silent", FailureKind::kWorkerLost), TaskKind::kEvaluate);
  tally.Add(Failure("a", "cannot be built", FailureKind::kInfeasible), TaskKind::kEvaluate);
  EXPECT_EQ(tally.failed(), 2);
  // The worker that lost a lease does not count as a second failing worker.
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 2, Others::kSome));
}

TEST(FailureTally, MessagesThatDifferInNumbersAreOneFailure) {
  FailureTally tally;
  for (const char* message :
       {"killed: 7 of 100 lines", "no file", "killed: 12 of 9 lines", "no file", "killed: 7 of 1"}) {
    tally.Add(Failure("w", message), TaskKind::kEvaluate);
  }
  tally.Add(Failure("w", "killed: 250 of 3 lines"), TaskKind::kEvaluate);
  EXPECT_EQ(tally.Commonest(), "the most common failure (3 times): killed: 7 of 100 lines");
}

TEST(FailureTally, SpeaksAgainstTheSearchOnceTwoWorkersFailed) {
  FailureTally tally;
  for (int i = 0; i < 10; ++i) tally.Add(Failure("a"), TaskKind::kEvaluate);
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 3, Others::kSome));
  tally.Add(Failure("b"), TaskKind::kEvaluate);
  EXPECT_TRUE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 3, Others::kSome));
  // One bad worker, and one mistake of another. At most half of the limit comes from the bad one.
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 4, Others::kSome));
  tally.Add(Failure("b"), TaskKind::kEvaluate);
  EXPECT_TRUE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 4, Others::kSome));
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 10, Others::kSome));
  for (int i = 0; i < 3; ++i) tally.Add(Failure("c"), TaskKind::kEvaluate);
  EXPECT_TRUE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 10, Others::kSome));
}

TEST(FailureTally, ACandidateThatSucceededForgivesFailuresOfAllKinds) {
  // The result may belong to another search, without a task of this one.
  FailureTally tally;
  tally.SucceededInAll();
  for (const TaskKind kind : {TaskKind::kEvaluate, TaskKind::kMeasure, TaskKind::kTrain}) {
    for (int i = 0; i < 3; ++i) tally.Add(Failure("a"), kind);
    EXPECT_FALSE(tally.SpeaksAgainstSearch(kind, 3, Others::kNone));
  }
}

TEST(FailureTally, EachKindOfTaskIsJudgedByItself) {
  FailureTally tally;
  for (const char* worker : {"a", "a", "b", "b"}) tally.Add(Failure(worker), TaskKind::kMeasure);
  EXPECT_TRUE(tally.SpeaksAgainstSearch(TaskKind::kMeasure, 4, Others::kSome));
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kTrain, 4, Others::kNone));
  tally.Succeeded(TaskKind::kMeasure);
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kMeasure, 4, Others::kSome));
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kMeasure, 4, Others::kNone));
  for (const char* worker : {"a", "a", "b"}) tally.Add(Failure(worker), TaskKind::kTrain);
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kTrain, 4, Others::kNone));
  tally.Add(Failure("b"), TaskKind::kTrain);
  EXPECT_TRUE(tally.SpeaksAgainstSearch(TaskKind::kTrain, 4, Others::kSome));
}

TEST(FailureTally, TheOnlyWorkerSpeaksForAll) {
  FailureTally tally;
  tally.Add(Failure("a"), TaskKind::kEvaluate);
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 2, Others::kNone));
  tally.Add(Failure("a"), TaskKind::kEvaluate);
  EXPECT_TRUE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 2, Others::kNone));
  EXPECT_FALSE(tally.SpeaksAgainstSearch(TaskKind::kEvaluate, 2, Others::kSome));
}

TEST(FailureTally, TellsTheCommonestFailure) {
  FailureTally tally;
  EXPECT_EQ(tally.Commonest(), "nothing was evaluated");
  tally.Add(Failure("a", "silent", FailureKind::kWorkerLost), TaskKind::kEvaluate);
  EXPECT_EQ(tally.Commonest(), "1 lease was lost with its worker");
  tally.Add(Failure("a", "out of memory"), TaskKind::kEvaluate);
  tally.Add(Failure("a", "a rare one"), TaskKind::kEvaluate);
  tally.Add(Failure("b", "out of memory"), TaskKind::kEvaluate);
  EXPECT_EQ(tally.Commonest(), "the most common failure (2 times): out of memory");
}

}  // namespace
}  // namespace layernas::core
