#include "controller/core/attempts.h"

#include <gtest/gtest.h>

namespace layernas::core {
namespace {

constexpr FailureKind kEvaluator = FailureKind::kEvaluator;
constexpr FailureKind kLost = FailureKind::kWorkerLost;

struct Failed {
  FailureKind kind;
  std::string worker;
};

// Returns a candidate with the attempts 1, 2, …, which all failed.
Candidate With(const std::vector<Failed>& failures, int measured_attempt = 0) {
  Candidate candidate;
  candidate.measured_attempt = measured_attempt;
  for (const Failed& one : failures) {
    ++candidate.attempt;
    candidate.failures.push_back({candidate.attempt, one.kind, one.worker, "why", 1});
  }
  return candidate;
}

void ExpectCount(const Candidate& candidate, int failed, int lost, const std::string& only_worker) {
  const AttemptCount count = CountAttempts(candidate);
  EXPECT_EQ(count.failed, failed);
  EXPECT_EQ(count.lost, lost);
  EXPECT_EQ(count.only_worker, only_worker);
}

TEST(CountAttempts, KeepsFailuresAndLostLeasesApart) {
  ExpectCount(With({}), 0, 0, "");
  ExpectCount(With({{kEvaluator, "a"}}), 1, 0, "a");
  ExpectCount(With({{kEvaluator, "a"}, {kEvaluator, "a"}}), 2, 0, "a");
  ExpectCount(With({{kLost, "a"}, {kLost, "b"}}), 0, 2, "");
  // The worker that lost a lease is not the worker that failed.
  ExpectCount(With({{kLost, "b"}, {kEvaluator, "a"}, {kLost, "c"}}), 1, 2, "a");
}

TEST(CountAttempts, NamesNoWorkerWhenSeveralFailed) {
  ExpectCount(With({{kEvaluator, "a"}, {kEvaluator, "b"}}), 2, 0, "");
  ExpectCount(With({{kEvaluator, "a"}, {kEvaluator, "b"}, {kEvaluator, "a"}}), 3, 0, "");
  ExpectCount(With({{kEvaluator, "a"}, {kEvaluator, "b"}, {kEvaluator, "b"}}), 3, 0, "");
  // A worker may have no name.
  ExpectCount(With({{kEvaluator, ""}, {kEvaluator, "a"}}), 2, 0, "");
}

TEST(CountAttempts, ForgetsTheAttemptsToMeasure) {
  const std::vector<Failed> failures = {{kEvaluator, "a"}, {kLost, "a"}, {kEvaluator, "b"}};
  ExpectCount(With(failures, 1), 1, 1, "b");
  ExpectCount(With(failures, 2), 1, 0, "b");
  ExpectCount(With(failures, 3), 0, 0, "");
}

TEST(Judge, BlamesTheArchitectureOnlyIfSeveralWorkersFailed) {
  EXPECT_EQ(Judge({2, 0, "a"}, 3), AttemptVerdict::kRetry);
  EXPECT_EQ(Judge({2, 0, ""}, 3), AttemptVerdict::kRetry);
  EXPECT_EQ(Judge({3, 0, "a"}, 3), AttemptVerdict::kFailed);
  EXPECT_EQ(Judge({3, 0, ""}, 3), AttemptVerdict::kInfeasible);
  EXPECT_EQ(Judge({4, 0, ""}, 3), AttemptVerdict::kInfeasible);
  EXPECT_EQ(Judge({1, 0, "a"}, 1), AttemptVerdict::kFailed);
}

TEST(Judge, LostLeasesNeverMakeItInfeasible) {
  EXPECT_EQ(Judge({0, kMaxLostLeases - 1, ""}, 3), AttemptVerdict::kRetry);
  EXPECT_EQ(Judge({0, kMaxLostLeases, ""}, 3), AttemptVerdict::kFailed);
  EXPECT_EQ(Judge({2, kMaxLostLeases, ""}, 3), AttemptVerdict::kFailed);
  EXPECT_EQ(Judge({2, kMaxLostLeases - 1, ""}, 3), AttemptVerdict::kRetry);
}

TEST(WorkerToSpare, IsTheOneThatFailedAllButTheLastAttempt) {
  EXPECT_EQ(WorkerToSpare({0, 5, ""}, 3), "");
  EXPECT_EQ(WorkerToSpare({1, 0, "a"}, 3), "");
  EXPECT_EQ(WorkerToSpare({2, 0, "a"}, 3), "a");
  EXPECT_EQ(WorkerToSpare({2, 0, ""}, 3), "");
  // The first attempt is also the last, so nobody has failed yet.
  EXPECT_EQ(WorkerToSpare({0, 0, ""}, 1), "");
}

}  // namespace
}  // namespace layernas::core
