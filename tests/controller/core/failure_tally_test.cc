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
  tally.Add(Failure("a"));
  tally.Add(Failure("b", "silent", FailureKind::kWorkerLost));
  tally.Add(Failure("a", "cannot be built", FailureKind::kInfeasible));
  EXPECT_EQ(tally.failed(), 2);
  // The worker that was lost is no second one that failed.
  EXPECT_FALSE(tally.SpeaksAgainstSearch(2, Others::kSome));
}

TEST(FailureTally, SpeaksAgainstTheSearchOnceTwoWorkersFailed) {
  FailureTally tally;
  tally.Add(Failure("a"));
  tally.Add(Failure("a"));
  tally.Add(Failure("a"));
  EXPECT_FALSE(tally.SpeaksAgainstSearch(3, Others::kSome));
  tally.Add(Failure("b"));
  EXPECT_TRUE(tally.SpeaksAgainstSearch(3, Others::kSome));
  EXPECT_TRUE(tally.SpeaksAgainstSearch(4, Others::kSome));
  EXPECT_FALSE(tally.SpeaksAgainstSearch(5, Others::kSome));
  tally.Add(Failure("a"));
  EXPECT_TRUE(tally.SpeaksAgainstSearch(5, Others::kSome));
}

TEST(FailureTally, TheOnlyWorkerSpeaksForAll) {
  FailureTally tally;
  tally.Add(Failure("a"));
  EXPECT_FALSE(tally.SpeaksAgainstSearch(2, Others::kNone));
  tally.Add(Failure("a"));
  EXPECT_TRUE(tally.SpeaksAgainstSearch(2, Others::kNone));
  EXPECT_FALSE(tally.SpeaksAgainstSearch(2, Others::kSome));
}

TEST(FailureTally, TellsTheCommonestFailure) {
  FailureTally tally;
  EXPECT_EQ(tally.Commonest(), "nothing was evaluated");
  tally.Add(Failure("a", "silent", FailureKind::kWorkerLost));
  EXPECT_EQ(tally.Commonest(), "nothing was evaluated");
  tally.Add(Failure("a", "out of memory"));
  tally.Add(Failure("a", "a rare one"));
  tally.Add(Failure("b", "out of memory"));
  EXPECT_EQ(tally.Commonest(), "the commonest failure (2 times): out of memory");
}

}  // namespace
}  // namespace layernas::core
