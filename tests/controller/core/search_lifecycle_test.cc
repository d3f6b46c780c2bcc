// Tests how a search is paused and ends, what it writes, and how it is restored.
#include "controller/core/search.h"
#include "tests/controller/core/search_fixture.h"

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(SearchTest, EndsWhenTheStrategyHasNothingLeft) {
  Search search(SmallConfig(), kStart);
  for (std::uint64_t number = 1; number <= 9; ++number) {
    EXPECT_EQ(search.state(), SearchState::kRunning);
    Pass(Millis(10));
    EXPECT_EQ(Lease(search), number);
    Complete(search, number, 1, Result(0.1 * number, number));
  }
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_THAT(search.state_reason(), HasSubstr("nothing is left to try"));
  EXPECT_EQ(search.ended(), kStart + 90);
  EXPECT_EQ(search.Lease("w1", "r", Now()), nullptr);
  EXPECT_EQ(search.Ready(), 0u);
  EXPECT_THAT(search.frontier().points(), SizeIs(9));
}

TEST_F(SearchTest, EndsIfThereIsNothingToTryAtAll) {
  SearchConfig config = SmallConfig();
  for (Layer& layer : config.space.layers) layer.costs = {3, 4, 5};
  Search search(config, kStart);
  EXPECT_EQ(search.Ready(), 0u);
  // As the engine calls it when it creates a search.
  search.CheckTime(kStart);
  EXPECT_EQ(search.state(), SearchState::kFailed);
  EXPECT_THAT(search.state_reason(), ::testing::StartsWith("nothing was evaluated: nothing is left to try: "));
}

// As left by an earlier version, which did not notice that a search was over.
TEST_F(SearchTest, EndsAfterARestartIfNothingIsLeftToDo) {
  SearchConfig config = SmallConfig();
  config.trainings = 1;
  std::deque<Candidate> candidates;
  {
    Search search(config, kStart);
    Lease(search);
    Complete(search, 1, 1, Result(0.5, 1));
    candidates = search.candidates();
  }
  SearchStatus status;
  status.created = status.started = kStart;
  Search search(config, status, candidates);
  search.CheckTime(kStart);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_EQ(search.state_reason(), "its budget of 1 training is used");
}

TEST_F(SearchTest, ALayerNasSearchRunsThroughItsStages) {
  SearchConfig config = SmallConfig();
  LayerNasOptions options;
  options.buckets.count = 2;
  options.order = {0, 1};
  config.strategy = options;
  Search search(config, kStart);
  EXPECT_EQ(search.Ready(), 1u);
  EXPECT_EQ(Lease(search), 1u);
  EXPECT_EQ(search.Lease("w2", "r", Now()), nullptr) << "the stage waits for its result";
  EXPECT_EQ(search.state(), SearchState::kRunning);
  Complete(search, 1, 1, Result(0.5, 4));
  EXPECT_EQ(search.position(), (Position{1, 1}));
  EXPECT_THAT(search.final_tables(), SizeIs(1));
  EXPECT_TRUE(search.growing_table().has_value());
  while (search.state() == SearchState::kRunning) {
    const std::uint64_t number = Lease(search);
    ASSERT_GT(number, 1u);
    EXPECT_EQ(search.candidate(number)->position, search.position());
    Complete(search, number, 1, Result(0.5 + 0.01 * number, number));
  }
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_THAT(search.final_tables(), SizeIs(3));
}

TEST_F(SearchTest, TheBudgetOfTrainingsCountsDistinctArchitectures) {
  SearchConfig config = SmallConfig();
  config.trainings = 2;
  Search search(config, kStart);
  EXPECT_EQ(search.Ready(), 2u);
  Lease(search, "w1");
  Lease(search, "w2");
  EXPECT_EQ(search.Ready(), 0u);
  EXPECT_EQ(search.Lease("w3", "r", Now()), nullptr);
  // A second attempt is not a second training. The search waits for it.
  Fail(search, 2, 1);
  Complete(search, 1, 1, Result(0.5, 1));
  EXPECT_EQ(search.state(), SearchState::kRunning);
  EXPECT_EQ(search.Ready(), 1u);
  Pass(Millis(500));
  EXPECT_EQ(Lease(search, "w3"), 2u);
  Complete(search, 2, 2, Result(0.5, 1));
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_THAT(search.state_reason(), HasSubstr("budget of 2 trainings"));
}

TEST_F(SearchTest, ASearchWithoutAnySuccessFails) {
  SearchConfig config = SmallConfig();
  config.trainings = 2;
  Search search(config, kStart);
  Lease(search);
  Lease(search);
  Fail(search, 1, 1, FailureKind::kInfeasible, "too big");
  Fail(search, 2, 1, FailureKind::kInfeasible, "too big");
  EXPECT_EQ(search.state(), SearchState::kFailed);
  EXPECT_THAT(search.state_reason(),
              HasSubstr("no evaluation has succeeded; the most common failure (2 times): too big"));
}

TEST_F(SearchTest, EarlyFailuresEndTheSearchWithTheCommonestReason) {
  SearchConfig config = SmallConfig();
  config.initial_failures = 4;
  Search search(config, kStart);
  for (int i = 1; i <= 5; ++i) Lease(search);
  Fail(search, 1, 1, FailureKind::kEvaluator, "no such file: train.py");
  Fail(search, 2, 1, FailureKind::kInfeasible, "too big");
  search.Expire(3, 1, Now(), "it is gone");
  Fail(search, 4, 1, FailureKind::kEvaluator, "no such file: train.py");
  // A lost worker says nothing about the search.
  search.EndIfHopeless(TaskKind::kEvaluate, Others::kNone, kStart);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  Fail(search, 5, 1, FailureKind::kEvaluator, "out of luck");
  // All failures come from one worker, and there are others: the cause may be that worker.
  search.EndIfHopeless(TaskKind::kEvaluate, Others::kSome, kStart);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  search.EndIfHopeless(TaskKind::kEvaluate, Others::kNone, kStart);
  EXPECT_EQ(search.state(), SearchState::kFailed);
  EXPECT_THAT(search.state_reason(), HasSubstr("no evaluation has succeeded in 4 attempts"));
  EXPECT_THAT(search.state_reason(), HasSubstr("(2 times): no such file: train.py"));
  EXPECT_EQ(search.CountOf(CandidateState::kSkipped), 4u);
  EXPECT_EQ(search.CountOf(CandidateState::kInfeasible), 1u);
}

TEST_F(SearchTest, OneSuccessForgivesEarlyFailures) {
  SearchConfig config = SmallConfig();
  config.initial_failures = 2;
  Search search(config, kStart);
  for (int i = 1; i <= 4; ++i) Lease(search);
  Fail(search, 1, 1, FailureKind::kInfeasible);
  Complete(search, 2, 1, Result(0.5, 1));
  Fail(search, 3, 1, FailureKind::kInfeasible);
  Fail(search, 4, 1, FailureKind::kInfeasible);
  search.EndIfHopeless(TaskKind::kEvaluate, Others::kNone, kStart);
  EXPECT_EQ(search.state(), SearchState::kRunning);
}

TEST_F(SearchTest, EarlyFailuresAreCountedOnAfterARestart) {
  SearchConfig config = SmallConfig();
  config.initial_failures = 3;
  Search before(config, kStart);
  Lease(before);
  Lease(before);
  Fail(before, 1, 1);
  Fail(before, 2, 1);
  Search search = Restarted(before);
  EXPECT_EQ(Lease(search), 1u);
  Fail(search, 1, 2);
  search.EndIfHopeless(TaskKind::kEvaluate, Others::kNone, kStart);
  EXPECT_EQ(search.state(), SearchState::kFailed);
}

TEST_F(SearchTest, APausedSearchHandsNothingOutButTakesResults) {
  Search search(SmallConfig(), kStart);
  Lease(search);
  Lease(search);
  search.Release(2, 1);
  EXPECT_FALSE(search.Resume(now_.unix_ms).ok());
  ASSERT_TRUE(search.Pause().ok());
  EXPECT_EQ(search.state(), SearchState::kPaused);
  EXPECT_EQ(search.Pause().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(search.Ready(), 0u);
  EXPECT_EQ(search.Lease("w2", "r", Now()), nullptr);
  EXPECT_TRUE(search.Renew(1, 1, "w1"));
  EXPECT_EQ(Complete(search, 1, 1, Result(0.5, 1)), kAccepted);
  ASSERT_TRUE(search.Resume(now_.unix_ms).ok());
  EXPECT_EQ(Lease(search), 2u);
}

TEST_F(SearchTest, CancellingSkipsWhatIsNotFinished) {
  Search search(SmallConfig(), kStart);
  for (int i = 1; i <= 3; ++i) Lease(search);
  Complete(search, 1, 1, Result(0.5, 1));
  Fail(search, 2, 1);
  Pass(Millis(5));
  ASSERT_TRUE(search.Cancel(now_.unix_ms).ok());
  EXPECT_EQ(search.state(), SearchState::kCancelled);
  EXPECT_EQ(search.ended(), kStart + 5);
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kSucceeded);
  EXPECT_EQ(search.candidate(2)->state, CandidateState::kSkipped);
  EXPECT_EQ(search.candidate(3)->state, CandidateState::kSkipped);
  EXPECT_EQ(search.candidate(3)->ended, kStart + 5);
  EXPECT_FALSE(search.Renew(3, 1, "w1"));
  const CompletionVerdict late = search.Complete(3, 1, "w1", {Result(0.9, 1), {}, {}}, Now());
  EXPECT_EQ(late.status, kRefused);
  EXPECT_THAT(late.message, HasSubstr("has ended"));
  EXPECT_EQ(search.Cancel(now_.unix_ms).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(search.Pause().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(search.Resume(now_.unix_ms).code(), absl::StatusCode::kFailedPrecondition);
  search.CheckTime(now_.unix_ms + 1'000'000);
  EXPECT_EQ(search.state(), SearchState::kCancelled);
}

TEST_F(SearchTest, APausedSearchCanBeCancelled) {
  Search search(SmallConfig(), kStart);
  ASSERT_TRUE(search.Pause().ok());
  EXPECT_TRUE(search.Cancel(now_.unix_ms).ok());
}

TEST_F(SearchTest, WhenTheTimeIsUpWhatRunsIsFinishedAndWhatWaitsIsSkipped) {
  SearchConfig config = SmallConfig();
  config.duration = Millis(1000);
  Search search(config, kStart);
  Lease(search);
  Lease(search);
  Fail(search, 2, 1);
  search.CheckTime(kStart + 999);
  EXPECT_EQ(search.Ready(), 8u);
  search.CheckTime(kStart + 1000);
  EXPECT_EQ(search.candidate(2)->state, CandidateState::kSkipped);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  EXPECT_EQ(search.Ready(), 0u);
  EXPECT_EQ(search.Lease("w2", "r", Now()), nullptr);
  Complete(search, 1, 1, Result(0.5, 1));
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_EQ(search.state_reason(), "its time of 1 s is up");
}

TEST_F(SearchTest, WhenTheTimeIsUpAnIdleSearchEndsAtOnce) {
  SearchConfig config = SmallConfig();
  config.duration = Millis(1000);
  Search with_result(config, kStart);
  Lease(with_result);
  Complete(with_result, 1, 1, Result(0.5, 1));
  with_result.CheckTime(kStart + 1000);
  EXPECT_EQ(with_result.state(), SearchState::kSucceeded);

  Search without(config, kStart);
  Lease(without);
  Fail(without, 1, 1, FailureKind::kInfeasible, "too big");
  without.CheckTime(kStart + 1000);
  EXPECT_EQ(without.state(), SearchState::kFailed);
  EXPECT_EQ(without.ended(), kStart + 1000);
  EXPECT_THAT(without.state_reason(), HasSubstr("too big"));
  EXPECT_THAT(without.state_reason(), HasSubstr("its time of 1 s is up"));
}

TEST_F(SearchTest, TheTimeCountsFromTheFirstLease) {
  SearchConfig config = SmallConfig();
  config.duration = Millis(1000);
  Search search(config, kStart);
  // A fleet that is still queued does not use up the time.
  Pass(Millis(8000));
  search.CheckTime(now_.unix_ms);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  EXPECT_EQ(search.started(), 0);
  search.TakeChanges();
  Lease(search);
  EXPECT_EQ(search.started(), now_.unix_ms);
  EXPECT_TRUE(search.TakeChanges().search) << "a restart must know";
  Search restarted = Restarted(search);
  EXPECT_EQ(Complete(restarted, 1, 1, Result(0.5, 1)), kAccepted);
  restarted.CheckTime(now_.unix_ms + 999);
  EXPECT_EQ(restarted.state(), SearchState::kRunning);
  restarted.CheckTime(now_.unix_ms + 1000);
  EXPECT_EQ(restarted.state(), SearchState::kSucceeded);
}

TEST_F(SearchTest, WhateverEndsTheSearchingTheRepeatsFollow) {
  SearchConfig config = SmallConfig();
  config.targets = {5};
  config.duration = Millis(1000);
  config.finalists = {3, 2};
  Search search(config, kStart);
  Lease(search);
  Lease(search);
  Complete(search, 1, 1, Result(0.5, 1));
  search.CheckTime(kStart + 1000);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  const std::uint64_t repeat = Lease(search);
  EXPECT_EQ(search.candidate(repeat)->repeat_of, 1u);
  // A failed repeat is retried, even after the time limit.
  Fail(search, repeat, 1);
  search.CheckTime(kStart + 2000);
  Pass(Millis(20'000));
  EXPECT_EQ(Lease(search), repeat);
  Complete(search, 2, 1, Result(0.4, 1));
  Search restarted = Restarted(search);
  restarted.CheckTime(kStart + 3000);
  Complete(restarted, repeat, 2, Result(0.6, 1));
  const std::uint64_t second = Lease(restarted);
  EXPECT_EQ(restarted.candidate(second)->repeat_of, 1u);
  EXPECT_EQ(restarted.candidate(second)->repeat, 2);
  Complete(restarted, second, 1, Result(0.6, 1));
  EXPECT_EQ(restarted.state(), SearchState::kSucceeded);
  EXPECT_EQ(restarted.state_reason(), "its time of 1 s is up");
}

TEST_F(SearchTest, APausedSearchWhoseTimeIsUpTakesWhatIsUnderWay) {
  SearchConfig config = SmallConfig();
  config.duration = Millis(1000);
  Search search(config, kStart);
  Lease(search);
  Lease(search);
  Complete(search, 1, 1, Result(0.5, 1));
  ASSERT_TRUE(search.Pause().ok());
  search.CheckTime(kStart + 1000);
  EXPECT_EQ(search.state(), SearchState::kPaused);
  EXPECT_EQ(search.candidate(2)->state, CandidateState::kLeased);
  EXPECT_EQ(Complete(search, 2, 1, Result(0.9, 1)), kAccepted);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_EQ(search.BestPerTarget()[0].candidate, 2u);
  EXPECT_THAT(search.state_reason(), HasSubstr("time of 1 s is up"));
}

TEST_F(SearchTest, ChangesNameWhatHasToBeWritten) {
  Search search(SmallConfig(), kStart);
  Changes changes = search.TakeChanges();
  EXPECT_TRUE(changes.search) << "a new search has to be written";
  EXPECT_THAT(changes.candidates, IsEmpty());
  EXPECT_FALSE(search.TakeChanges().Any());

  Lease(search);
  Lease(search);
  search.Release(1, 1);
  changes = search.TakeChanges();
  EXPECT_TRUE(changes.search) << "its time has begun";
  EXPECT_THAT(changes.candidates, ElementsAre(1, 2));

  Complete(search, 2, 1, Result(0.5, 4));
  changes = search.TakeChanges();
  EXPECT_TRUE(changes.search) << "a best result changed";
  EXPECT_THAT(changes.candidates, ElementsAre(2));

  Lease(search);
  Complete(search, 1, 2, Result(0.1, 50));
  changes = search.TakeChanges();
  EXPECT_FALSE(changes.search);
  EXPECT_THAT(changes.candidates, ElementsAre(1));

  ASSERT_TRUE(search.Pause().ok());
  EXPECT_TRUE(search.TakeChanges().search);
  ASSERT_TRUE(search.Resume(now_.unix_ms).ok());
  EXPECT_TRUE(search.TakeChanges().search);

  Lease(search);
  search.TakeChanges();
  search.Renew(3, 1, "w1");
  EXPECT_FALSE(search.TakeChanges().Any()) << "heartbeats are not written";
  ASSERT_TRUE(search.Cancel(kStart).ok());
  changes = search.TakeChanges();
  EXPECT_TRUE(changes.search);
  EXPECT_THAT(changes.candidates, ElementsAre(3));
}

TEST_F(SearchTest, ChangesCountNewTables) {
  SearchConfig config = SmallConfig();
  LayerNasOptions options;
  options.order = {0, 1};
  config.strategy = options;
  Search search(config, kStart);
  EXPECT_EQ(search.TakeChanges().new_tables_from, 0u);
  Lease(search);
  Complete(search, 1, 1, Result(0.5, 4));
  const Changes changes = search.TakeChanges();
  EXPECT_TRUE(changes.search) << "the stage changed";
  EXPECT_EQ(changes.new_tables_from, 0u);
  EXPECT_THAT(search.final_tables(), SizeIs(1));
  EXPECT_EQ(search.TakeChanges().new_tables_from, 1u);

  Search restarted = Restarted(search);
  const Changes after = restarted.TakeChanges();
  EXPECT_FALSE(after.Any()) << "nothing has to be written after a restart";
  EXPECT_EQ(after.new_tables_from, 1u);
}

TEST_F(SearchTest, AfterARestartLeasesGoOnAndTheQueueIsFreeAtOnce) {
  Search before(SmallConfig(), kStart);
  Lease(before, "w1");
  Lease(before, "w1");
  Fail(before, 2, 1);
  Search search = Restarted(before);
  EXPECT_EQ(search.Ready(), before.Ready());
  EXPECT_EQ(search.candidate(1)->state, CandidateState::kLeased);
  EXPECT_TRUE(search.Renew(1, 1, "w1"));
  // Back-offs are not stored.
  EXPECT_EQ(Lease(search, "w1"), 2u);
  EXPECT_EQ(Complete(search, 1, 1, Result(0.5, 1)), kAccepted);
  EXPECT_EQ(search.created(), kStart);
}

TEST_F(SearchTest, ACancelledStageStaysUnfinishedAfterARestart) {
  SearchConfig config = SmallConfig();
  LayerNasOptions options;
  options.order = {0, 1};
  config.strategy = options;
  Search search(config, kStart);
  Lease(search);
  Complete(search, 1, 1, Result(0.5, 4));
  Lease(search);
  Lease(search);
  Complete(search, 2, 1, Result(0.6, 4));
  ASSERT_TRUE(search.Cancel(kStart).ok());
  Search restarted = Restarted(search);
  EXPECT_THAT(search.final_tables(), SizeIs(1));
  EXPECT_THAT(restarted.final_tables(), SizeIs(1));
  EXPECT_EQ(restarted.position(), search.position());
}

}  // namespace
}  // namespace layernas::core
