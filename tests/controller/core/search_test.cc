// Tests giving out candidates and accepting results.
#include "controller/core/search.h"

#include <limits>
#include <string>

#include "tests/controller/core/search_fixture.h"

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST_F(SearchTest, ALeaseNamesWorkerRequestAndAttempt) {
  Search search(SmallConfig(), kStart);
  EXPECT_EQ(search.Ready(), 9u);
  Pass(Millis(7));
  const Candidate* candidate = search.Lease("w1", "r1", Now());
  ASSERT_NE(candidate, nullptr);
  EXPECT_EQ(candidate->number, 1u);
  EXPECT_EQ(candidate->attempt, 1);
  EXPECT_EQ(candidate->worker, "w1");
  EXPECT_EQ(candidate->request_id, "r1");
  EXPECT_EQ(candidate->state, CandidateState::kLeased);
  EXPECT_EQ(candidate->created, kStart + 7);
  EXPECT_EQ(candidate->started, kStart + 7);
  EXPECT_EQ(search.NumberOf(candidate->architecture), 1u);
  EXPECT_EQ(search.candidate(1), candidate);
  EXPECT_EQ(search.candidate(0), nullptr);
  EXPECT_EQ(search.candidate(2), nullptr);
  EXPECT_EQ(search.NumberOf({9, 9}), 0u);
  EXPECT_EQ(search.Ready(), 8u);
  EXPECT_EQ(search.CountOf(CandidateState::kLeased), 1u);
}

TEST_F(SearchTest, AResultIsKept) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  Pass(Millis(90));
  EXPECT_EQ(search.Complete(1, 1, "w1", Metrics{{"accuracy", 0.8}, {"latency_ms", 3}, {"params", 17}}, Now()).status,
            kAccepted);
  const Candidate& candidate = *search.candidate(1);
  EXPECT_EQ(candidate.state, CandidateState::kSucceeded);
  EXPECT_EQ(candidate.reward, 0.8);
  EXPECT_EQ(candidate.cost, 3);
  EXPECT_EQ(candidate.metrics.Find("params"), 17);
  EXPECT_EQ(candidate.result_attempt, 1);
  EXPECT_EQ(candidate.ended, kStart + 90);
  EXPECT_THAT(search.frontier().points(), SizeIs(1));
  const auto best = search.BestPerTarget();
  ASSERT_THAT(best, SizeIs(2));
  EXPECT_EQ(best[0].target, 5);
  EXPECT_EQ(best[0].candidate, 1u);
  EXPECT_EQ(best[1].target, 2);
  EXPECT_EQ(best[1].candidate, 0u);
}

TEST_F(SearchTest, AnAnalyticCostComesFromTheSpaceAndNeedsNoMetric) {
  SearchConfig config = SmallConfig();
  for (Layer& layer : config.space.layers) layer.costs = {1, 2, 3};
  config.space.base_cost = 0.5;
  Search search(config, kStart);
  const Candidate* candidate = search.Lease("w1", "r", Now());
  EXPECT_EQ(search.Complete(1, 1, "w1", Metrics{{"accuracy", 0.8}}, Now()).status, kAccepted);
  EXPECT_EQ(candidate->cost, config.space.Cost(candidate->architecture));
}

TEST_F(SearchTest, TheSameReportAgainIsAcceptedAndChangesNothing) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  Complete(search, 1, 1, Result(0.8, 3));
  const Candidate before = *search.candidate(1);
  search.TakeChanges();
  Pass(Millis(1000));
  EXPECT_EQ(Complete(search, 1, 1, Result(0.8, 3)), kAccepted);
  EXPECT_EQ(*search.candidate(1), before);
  EXPECT_FALSE(search.TakeChanges().Any());
}

TEST_F(SearchTest, ASecondResultIsRefused) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  Complete(search, 1, 1, Result(0.8, 3));
  const Candidate before = *search.candidate(1);
  EXPECT_EQ(Complete(search, 1, 1, Result(0.9, 3)), kRefused);
  EXPECT_EQ(Fail(search, 1, 1), kRefused);
  EXPECT_EQ(Fail(search, 1, 1, FailureKind::kInfeasible), kRefused);
  EXPECT_FALSE(search.Renew(1, 1, "w1"));
  EXPECT_EQ(*search.candidate(1), before);
}

TEST_F(SearchTest, ALeaseThatNeverWasIsRefused) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  for (const auto& [number, attempt] : {std::pair(0, 1), {2, 1}, {1, 0}, {1, 2}, {1, -1}}) {
    EXPECT_EQ(Complete(search, number, attempt, Result(0.8, 3)), kRefused);
    EXPECT_EQ(Fail(search, number, attempt), kRefused);
    EXPECT_FALSE(search.Renew(number, attempt, "w1"));
    search.Release(number, attempt);
    search.Expire(number, attempt, Now(), "it is gone");
  }
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kLeased);
}

TEST_F(SearchTest, ALateResultOfAnExpiredLeaseIsTaken) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  search.Expire(1, 1, Now(), "it is gone");
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kQueued);
  ASSERT_THAT(search.candidate(1)->failures, SizeIs(1));
  EXPECT_EQ(search.candidate(1)->failures[0].kind, FailureKind::kWorkerLost);
  EXPECT_EQ(Complete(search, 1, 1, Result(0.8, 3)), kAccepted);
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kSucceeded);
  // It is no longer in the queue.
  EXPECT_EQ(Lease(search, "w2"), 2u);
}

TEST_F(SearchTest, OfTwoAttemptsTheFirstResultWins) {
  Search search(SmallConfig(), kStart);
  Lease(search, "w1");
  search.Expire(1, 1, Now(), "it is gone");
  EXPECT_EQ(Lease(search, "w2"), 1u);
  EXPECT_EQ(search.candidate(1)->attempt, 2);
  // The superseded worker continues and reports first.
  EXPECT_TRUE(search.Renew(1, 1, "w1"));
  EXPECT_EQ(search.candidate(1)->worker, "w2");
  EXPECT_EQ(Complete(search, 1, 1, Result(0.8, 3), "w1"), kAccepted);
  EXPECT_EQ(search.candidate(1)->result_attempt, 1);
  EXPECT_EQ(search.candidate(1)->worker, "w1");
  EXPECT_FALSE(search.Renew(1, 2, "w2"));
  EXPECT_EQ(Complete(search, 1, 2, Result(0.7, 3), "w2"), kRefused);
  EXPECT_EQ(Complete(search, 1, 2, Result(0.8, 3), "w2"), kRefused);
  EXPECT_EQ(Complete(search, 1, 1, Result(0.8, 3), "w1"), kAccepted);
}

TEST_F(SearchTest, AFailedSupersededAttemptChangesNothing) {
  Search search(SmallConfig(), kStart);
  Lease(search, "w1");
  search.Expire(1, 1, Now(), "it is gone");
  Lease(search, "w2");
  const Candidate before = *search.candidate(1);
  EXPECT_EQ(Fail(search, 1, 1), kAccepted);
  EXPECT_EQ(*search.candidate(1), before);
  // But an infeasible candidate is infeasible for every attempt.
  EXPECT_EQ(Fail(search, 1, 1, FailureKind::kInfeasible, "too big"), kAccepted);
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kInfeasible);
}

TEST_F(SearchTest, ARenewedLeaseThatRanOutIsTakenUpAgain) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  search.Expire(1, 1, Now(), "it is gone");
  EXPECT_TRUE(search.Renew(1, 1, "w1"));
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kLeased);
  EXPECT_EQ(search.candidate(1)->attempt, 1);
  EXPECT_THAT(search.candidate(1)->failures, SizeIs(0));
  EXPECT_EQ(Lease(search, "w2"), 2u);
  // Its failure counts like any other.
  EXPECT_EQ(Fail(search, 1, 1), kAccepted);
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kQueued);
  EXPECT_THAT(search.candidate(1)->failures, SizeIs(1));
}

TEST_F(SearchTest, AHeartbeatDoesNotTakeUpWhatFailedOrWasReleased) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  Fail(search, 1, 1);
  EXPECT_FALSE(search.Renew(1, 1, "w1"));
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kQueued);
  EXPECT_EQ(Lease(search, "w2"), 2u);
  search.Release(2, 1);
  EXPECT_FALSE(search.Renew(2, 1, "w2"));
  EXPECT_EQ(search.candidate(2)->state, CandidateState::kQueued);
}

TEST_F(SearchTest, WhatRanOutIsTakenUpByWhoHasItsTokenButNotWhilePaused) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  search.Expire(1, 1, Now(), "it is gone");
  ASSERT_TRUE(search.Pause().ok());
  EXPECT_TRUE(search.Renew(1, 1, "w1~2"));
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kQueued);
  ASSERT_TRUE(search.Resume(kStart).ok());
  // The worker may have another name by now.
  EXPECT_TRUE(search.Renew(1, 1, "w1~2"));
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kLeased);
  EXPECT_EQ(search.candidate(1)->worker, "w1~2");
  EXPECT_TRUE(search.candidate(1)->failures.empty());
}

TEST_F(SearchTest, ALeaseFollowsTheNameOfItsWorker) {
  Search search(SmallConfig(), kStart);
  Lease(search, "w");
  search.TakeChanges();
  search.Rename(1, 1, "w~2");
  EXPECT_EQ(search.candidate(1)->worker, "w~2");
  EXPECT_THAT(search.TakeChanges().candidates, ElementsAre(1));
  search.Rename(1, 2, "other");
  search.Release(1, 1);
  search.Rename(1, 1, "other");
  EXPECT_EQ(search.candidate(1)->worker, "w~2");
}

TEST_F(SearchTest, AWorkerThatIsNotBelievedHasNoArchitectureFoundInfeasible) {
  for (const Metrics& metrics : {Result(kNan, 3), Result(0.5, kInfinity)}) {
    Search search(SmallConfig(), kStart);
    Lease(search, "bad");
    EXPECT_EQ(search.Complete(1, 1, "bad", metrics, Now(), false).status, kInvalid);
    EXPECT_EQ(search.candidate(1)->state, CandidateState::kQueued);
    Pass(Millis(60'000));
    EXPECT_EQ(Lease(search, "good"), 1u);
    Search same = Restarted(search);
    EXPECT_EQ(Complete(search, 1, 2, Result(0.5, 1)), kAccepted);
    EXPECT_EQ(same.Complete(1, 2, "good", metrics, Now(), true).status, kInvalid);
    EXPECT_EQ(same.candidate(1)->state, CandidateState::kInfeasible);
  }
}

TEST_F(SearchTest, AReleaseUsesNoAttemptAndGoesToAnyoneAtOnce) {
  SearchConfig config = SmallConfig();
  config.attempts = 1;
  Search search(config, kStart);
  Lease(search, "w1");
  search.Release(1, 1);
  EXPECT_THAT(search.candidate(1)->failures, SizeIs(0));
  EXPECT_EQ(search.Ready(), 9u);
  EXPECT_EQ(Lease(search, "w1"), 1u);
  EXPECT_EQ(search.candidate(1)->attempt, 2);
  // A lease that is not current cannot be released or expire.
  search.Release(1, 1);
  search.Expire(1, 1, Now(), "it is gone");
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kLeased);
}

TEST_F(SearchTest, AFailureAfterTheReleaseDoesNotQueueTwice) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  search.Release(1, 1);
  EXPECT_EQ(Fail(search, 1, 1), kAccepted);
  EXPECT_EQ(search.Ready(), 9u);
  EXPECT_EQ(Lease(search, "w2"), 1u);
  Pass(Millis(60'000));
  EXPECT_EQ(Lease(search, "w2"), 2u);
}

TEST_F(SearchTest, ARepeatedFailureCountsOnce) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  EXPECT_EQ(Fail(search, 1, 1), kAccepted);
  EXPECT_EQ(Fail(search, 1, 1), kAccepted);
  EXPECT_THAT(search.candidate(1)->failures, SizeIs(1));
  EXPECT_EQ(search.Ready(), 9u);
}

TEST_F(SearchTest, AttemptsUsedUpMakeTheCandidateFailed) {
  SearchConfig config = SmallConfig();
  config.attempts = 3;
  Search search(config, kStart);
  for (int attempt = 1; attempt <= 4; ++attempt) {
    EXPECT_EQ(search.Lease("w1", "request", now_, TaskKind::kEvaluate, Others::kNone)->number, 1u);
    EXPECT_EQ(search.candidate(1)->attempt, attempt);
    if (attempt == 2) {
      // A lost lease is not a failed attempt.
      search.Expire(1, attempt, Now(), "it is gone");
    } else {
      Fail(search, 1, attempt, FailureKind::kEvaluator, "crash " + std::to_string(attempt));
    }
    Pass(Millis(60'000));
  }
  const Candidate& candidate = *search.candidate(1);
  EXPECT_EQ(candidate.state, CandidateState::kFailed);
  ASSERT_THAT(candidate.failures, SizeIs(4));
  EXPECT_EQ(candidate.failures[1].kind, FailureKind::kWorkerLost);
  EXPECT_EQ(candidate.failures[3].message, "crash 4");
  const CompletionVerdict late = search.Complete(1, 2, "w1", Result(0.5, 1), Now());
  EXPECT_EQ(late.status, kRefused);
  EXPECT_THAT(late.message, HasSubstr("given up"));
}

TEST_F(SearchTest, OneWorkerAloneHasNoArchitectureGivenUp) {
  SearchConfig config = SmallConfig();
  config.attempts = 3;
  Search search(config, kStart);
  for (int attempt = 1; attempt <= 2; ++attempt) {
    EXPECT_EQ(Lease(search, "bad"), 1u);
    EXPECT_EQ(search.Fail(1, attempt, "bad", FailureKind::kEvaluator, "no CUDA device", Now()).status, kAccepted);
    Pass(Millis(60'000));
  }
  // However long it waits, another worker gets the last attempt.
  EXPECT_EQ(Lease(search, "bad"), 2u);
  EXPECT_TRUE(search.HoldsBack("bad", Now()));
  Search restarted = Restarted(search);
  EXPECT_EQ(Lease(restarted, "bad"), 3u);
  EXPECT_EQ(Lease(search, "good"), 1u);
  EXPECT_EQ(Complete(search, 1, 3, Result(0.5, 1)), kAccepted);
  // Unless there is no other worker.
  EXPECT_EQ(restarted.Lease("bad", "request", now_, TaskKind::kEvaluate, Others::kNone)->number, 1u);
}

TEST_F(SearchTest, LostLeasesNeverMakeAnArchitectureInfeasible) {
  SearchConfig config = SmallConfig();
  config.attempts = 3;
  Search search(config, kStart);
  for (int attempt = 1; attempt <= 19; ++attempt) {
    EXPECT_EQ(Lease(search, "spot-" + std::to_string(attempt)), 1u);
    search.Expire(1, attempt, Now(), "pre-empted");
    EXPECT_EQ(search.candidate(1)->state, CandidateState::kQueued);
  }
  EXPECT_EQ(Lease(search, "w1"), 1u);
  Search other = Restarted(search);
  EXPECT_EQ(Complete(search, 1, 20, Result(0.5, 1)), kAccepted);
  // Lost leases have a separate limit.
  other.Expire(1, 20, Now(), "pre-empted");
  EXPECT_EQ(other.candidate(1)->state, CandidateState::kFailed);
}

TEST_F(SearchTest, ACandidateThatFailsOnDifferentWorkersIsInfeasible) {
  SearchConfig config = SmallConfig();
  config.attempts = 3;
  Search search(config, kStart);
  const std::vector<std::string> workers = {"w1", "w1", "w2"};
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(Lease(search, workers[attempt - 1]), 1u);
    EXPECT_EQ(
        search
            .Fail(1, attempt, workers[attempt - 1], FailureKind::kEvaluator, "crash " + std::to_string(attempt), Now())
            .status,
        kAccepted);
    Pass(Millis(60'000));
  }
  const Candidate& candidate = *search.candidate(1);
  EXPECT_EQ(candidate.state, CandidateState::kInfeasible);
  ASSERT_THAT(candidate.failures, SizeIs(3));
  EXPECT_EQ(candidate.failures[0].message, "crash 1");
  EXPECT_EQ(candidate.failures[2].message, "crash 3");
  EXPECT_EQ(candidate.failures[2].worker, "w2");
  const CompletionVerdict late = search.Complete(1, 2, "w1", Result(0.5, 1), Now());
  EXPECT_EQ(late.status, kRefused);
  EXPECT_THAT(late.message, HasSubstr("infeasible"));
}

TEST_F(SearchTest, AFailedCandidateWaitsAndIsOfferedToOthersFirst) {
  Search search(SmallConfig(), kStart);
  Lease(search, "w1");
  Fail(search, 1, 1);
  EXPECT_EQ(search.Ready(), 9u);
  EXPECT_EQ(Lease(search, "w2"), 2u) << "within the back-off nobody gets it";

  Pass(Millis(500));
  // Now w1 must wait for others for some time.
  EXPECT_EQ(Lease(search, "w1"), 3u);
  Pass(Millis(4'999));
  EXPECT_EQ(Lease(search, "w1"), 4u);
  Pass(Millis(1));
  EXPECT_EQ(Lease(search, "w1"), 1u);
}

TEST_F(SearchTest, AnotherWorkerGetsAFailedCandidateAfterTheBackoff) {
  Search search(SmallConfig(), kStart);
  Lease(search, "w1");
  Fail(search, 1, 1);
  Pass(Millis(500));
  EXPECT_EQ(Lease(search, "w2"), 1u);
}

TEST_F(SearchTest, TheBackoffDoublesUpToHalfAMinute) {
  SearchConfig config = SmallConfig();
  config.attempts = 12;
  config.initial_failures = 100;
  config.trainings = 1;
  Search search(config, kStart);
  std::vector<std::int64_t> waited;
  ASSERT_EQ(Lease(search, "w1"), 1u);
  for (int attempt = 1; attempt < 12; ++attempt) {
    search.Fail(1, attempt, "w" + std::to_string(attempt), FailureKind::kEvaluator, "crashed", Now());
    // Until it is given to a worker that has not failed it.
    std::int64_t milliseconds = 0;
    while (search.Lease("w" + std::to_string(attempt + 1), "", Now()) == nullptr) {
      Pass(Millis(500));
      milliseconds += 500;
    }
    waited.push_back(milliseconds);
  }
  EXPECT_THAT(waited, ElementsAre(500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000, 30000));
}

TEST_F(SearchTest, ALostWorkersCandidateGoesToOthersAtOnce) {
  Search search(SmallConfig(), kStart);
  Lease(search, "w1");
  search.Expire(1, 1, Now(), "it is gone");
  EXPECT_EQ(Lease(search, "w1"), 2u);
  EXPECT_EQ(Lease(search, "w2"), 1u);
}

TEST_F(SearchTest, ADivergedTrainingIsInfeasible) {
  for (const double reward : {kNan, kInfinity, -kInfinity}) {
    Search search(SmallConfig(), kStart);
    Lease(search);
    const CompletionVerdict verdict = search.Complete(1, 1, "w1", Result(reward, 3), Now());
    EXPECT_EQ(verdict.status, kInvalid);
    EXPECT_THAT(verdict.message, HasSubstr("accuracy"));
    EXPECT_EQ(search.candidate(1)->state, CandidateState::kInfeasible);
    EXPECT_THAT(search.candidate(1)->failures, SizeIs(1));
    EXPECT_TRUE(search.frontier().points().empty());
  }
}

TEST_F(SearchTest, AMetricThatNothingDependsOnIsLeftOutIfItIsNotFinite) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  const Metrics metrics = {{"accuracy", 0.5}, {"latency_ms", 1}, {"f1", kNan}, {"params", kInfinity}};
  EXPECT_EQ(Complete(search, 1, 1, metrics), kAccepted);
  EXPECT_EQ(search.candidate(1)->metrics, Result(0.5, 1));
  EXPECT_EQ(Complete(search, 1, 1, metrics), kAccepted) << "the same report again";
}

TEST_F(SearchTest, ARubbishResultIsAFailedAttempt) {
  const std::vector<std::pair<Metrics, std::string>> rubbish = {
      {{}, "lacks the metric accuracy; it has none"},
      {{{"latency_ms", 1}, {"params", 2}}, "lacks the metric accuracy; it has latency_ms, params"},
      {{{"accuracy", 0.5}}, "lacks the metric latency_ms; it has accuracy"},
      {Result(0.5, -1), "the cost latency_ms is negative: -1"},
  };
  for (const auto& [metrics, message] : rubbish) {
    Search search(SmallConfig(), kStart);
    Lease(search);
    const CompletionVerdict verdict = search.Complete(1, 1, "w1", metrics, Now());
    EXPECT_EQ(verdict.status, kInvalid);
    EXPECT_THAT(verdict.message, HasSubstr(message));
    EXPECT_EQ(search.candidate(1)->state, CandidateState::kQueued);
    ASSERT_THAT(search.candidate(1)->failures, SizeIs(1));
    EXPECT_EQ(search.candidate(1)->failures[0].kind, FailureKind::kEvaluator);
    EXPECT_EQ(search.candidate(1)->failures[0].message, verdict.message);
    EXPECT_TRUE(search.candidate(1)->metrics.empty());
  }
}

TEST_F(SearchTest, AnInfeasibleCandidateIsNotTriedAgain) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  EXPECT_EQ(Fail(search, 1, 1, FailureKind::kInfeasible, "out of memory"), kAccepted);
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kInfeasible);
  EXPECT_EQ(Fail(search, 1, 1, FailureKind::kInfeasible, "out of memory"), kAccepted);
  EXPECT_EQ(search.Ready(), 8u);
  EXPECT_EQ(Complete(search, 1, 1, Result(0.5, 1)), kRefused);
}

}  // namespace
}  // namespace layernas::core
