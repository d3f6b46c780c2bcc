// Tests what happens to trainings whose lease is lost before or after the time of their search is up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controller/core/search_fixture.h"

namespace layernas::core {
namespace {

// Its worker may only be cut off.
TEST_F(SearchTest, WhenTheTimeIsUpALostTrainingMayStillReturn) {
  SearchConfig config = SmallConfig();
  config.duration = Millis(1000);
  for (const bool returns : {true, false}) {
    now_ = {SteadyTime(Millis(500'000)), kStart};
    Search search(config, kStart);
    for (int i = 0; i < 4; ++i) Lease(search);
    Complete(search, 1, 1, Result(0.5, 1));
    // Before the time is up, and after.
    search.Expire(2, 1, now_, "silent");
    Pass(Millis(1000));
    search.CheckTime(now_.unix_ms);
    search.Expire(3, 1, now_, "silent");
    Complete(search, 4, 1, Result(0.4, 1));
    search.CheckTime(now_.unix_ms);
    Pass(Millis(60'000));
    search.CheckTime(now_.unix_ms);
    EXPECT_EQ(search.state(), SearchState::kRunning);
    // Nothing is trained again.
    EXPECT_EQ(search.Ready(), 0u);
    EXPECT_EQ(search.Lease("w2", "r", now_), nullptr);
    Search restarted = Restarted(search);
    restarted.CheckTime(now_.unix_ms);
    EXPECT_EQ(restarted.Ready(), 0u);
    if (returns) {
      EXPECT_EQ(Complete(restarted, 2, 1, Result(0.9, 1)), kAccepted);
      EXPECT_TRUE(restarted.Renew(3, 1, "w1"));
      EXPECT_EQ(restarted.candidate(3)->state, CandidateState::kLeased);
      Pass(Millis(600'000));
      restarted.CheckTime(now_.unix_ms);
      EXPECT_EQ(restarted.state(), SearchState::kRunning);
      EXPECT_EQ(Complete(restarted, 3, 1, Result(0.8, 1)), kAccepted);
      EXPECT_EQ(restarted.CountOf(CandidateState::kSucceeded), 4u);
    } else {
      Pass(Millis(59'000));
      restarted.CheckTime(now_.unix_ms);
      EXPECT_EQ(restarted.candidate(2)->state, CandidateState::kSkipped);
      EXPECT_EQ(restarted.state(), SearchState::kRunning);
      Pass(Millis(1000));
      restarted.CheckTime(now_.unix_ms);
      EXPECT_EQ(restarted.candidate(3)->state, CandidateState::kSkipped);
    }
    EXPECT_EQ(restarted.state(), SearchState::kSucceeded);
    EXPECT_EQ(restarted.state_reason(), "its time of 1 s is up");
  }
}

// A search with one result, whose second candidate is lost when the time is up.
class LostTrainingTest : public SearchTest {
 protected:
  SearchConfig Config() {
    SearchConfig config = SmallConfig();
    config.duration = Millis(1000);
    return config;
  }
  void LoseTheSecond(Search& search, bool may_return = true) {
    Lease(search);
    Lease(search);
    Complete(search, 1, 1, Result(0.5, 1));
    Pass(Millis(1000));
    search.CheckTime(now_.unix_ms);
    search.Expire(2, 1, now_, "silent", may_return);
    search.CheckTime(now_.unix_ms);
  }
};

TEST_F(LostTrainingTest, WhatReturnsWithoutAResultIsNotWaitedForAnyMore) {
  for (const bool is_invalid : {false, true}) {
    Search search(Config(), kStart);
    LoseTheSecond(search);
    ASSERT_EQ(search.state(), SearchState::kRunning);
    if (is_invalid) {
      EXPECT_EQ(Complete(search, 2, 1, {{"latency_ms", 1}}), kInvalid);
    } else {
      EXPECT_EQ(Fail(search, 2, 1), kAccepted);
    }
    EXPECT_EQ(search.candidate(2)->state, CandidateState::kSkipped);
    EXPECT_EQ(search.state(), SearchState::kSucceeded);
  }
}

TEST_F(LostTrainingTest, WhatItsWorkerDoesNotKnowIsNotWaitedFor) {
  Search search(Config(), kStart);
  LoseTheSecond(search, /*may_return=*/false);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
}

TEST_F(LostTrainingTest, WhatItsWorkerDidNotKnowBeforeIsNotWaitedFor) {
  Search search(Config(), kStart);
  Lease(search);
  Lease(search);
  Complete(search, 1, 1, Result(0.5, 1));
  search.Expire(2, 1, now_, "unknown", /*may_return=*/false);
  Pass(Millis(1000));
  search.CheckTime(now_.unix_ms);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
}

// Its answer came late.
TEST_F(LostTrainingTest, WhatItsWorkerCameToKnowIsWaitedForAgain) {
  Search search(Config(), kStart);
  Lease(search);
  Lease(search);
  Complete(search, 1, 1, Result(0.5, 1));
  search.Expire(2, 1, now_, "unknown", /*may_return=*/false);
  EXPECT_TRUE(search.Renew(2, 1, "w1"));
  Pass(Millis(1000));
  search.CheckTime(now_.unix_ms);
  search.Expire(2, 1, now_, "silent");
  search.CheckTime(now_.unix_ms);
  EXPECT_EQ(Complete(search, 2, 1, Result(0.9, 1)), kAccepted);
}

// The controller stood still, and its calls are not read yet.
TEST_F(LostTrainingTest, WhileNoWorkerCouldReportTheTimeDoesNotRunOut) {
  Search search(Config(), kStart);
  LoseTheSecond(search);
  Pass(Millis(600'000));
  search.CheckTime(now_.unix_ms, Millis{0}, /*silence_counts=*/false);
  EXPECT_EQ(search.Lease("w2", "r", now_), nullptr);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  Search other = Restarted(search);
  EXPECT_EQ(Complete(search, 2, 1, Result(0.9, 1)), kAccepted);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  other.CheckTime(now_.unix_ms);
  EXPECT_EQ(other.candidate(2)->state, CandidateState::kSkipped);
}

TEST_F(LostTrainingTest, AMeasurementThatReturnsIsNoTraining) {
  SearchConfig config = Config();
  config.measure_on.emplace();
  Search search(config, kStart);
  const auto measure = [&] { return search.Lease("phone", "r", now_, TaskKind::kMeasure)->number; };
  measure();
  Complete(search, 1, 1, {{"latency_ms", 1}});
  ASSERT_NE(search.Lease("gpu", "r", now_, TaskKind::kTrain), nullptr);
  Complete(search, 1, 2, {{"accuracy", 0.5}});
  ASSERT_EQ(measure(), 2u);
  Pass(Millis(1000));
  search.CheckTime(now_.unix_ms);
  search.Expire(2, 1, now_, "silent");
  search.CheckTime(now_.unix_ms);
  EXPECT_EQ(Complete(search, 2, 1, {{"latency_ms", 1}}), kAccepted);
  search.CheckTime(now_.unix_ms);
  EXPECT_EQ(search.candidate(2)->state, CandidateState::kSkipped);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
}

TEST_F(LostTrainingTest, AWorkerThatReturnsToAPausedSearchContinues) {
  Search search(Config(), kStart);
  Lease(search);
  ASSERT_TRUE(search.Pause().ok());
  Pass(Millis(1000));
  search.CheckTime(now_.unix_ms);
  search.Expire(1, 1, now_, "silent");
  search.CheckTime(now_.unix_ms);
  Pass(Millis(10'000));
  EXPECT_TRUE(search.Renew(1, 1, "w1"));
  Pass(Millis(600'000));
  search.CheckTime(now_.unix_ms);
  EXPECT_EQ(Complete(search, 1, 1, Result(0.5, 1)), kAccepted);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
}

TEST_F(LostTrainingTest, ARestartWithTheClockSetBackStartsNothing) {
  Search search(Config(), kStart);
  LoseTheSecond(search);
  Search restarted = Restarted(search);
  now_.unix_ms -= 5'000;
  restarted.CheckTime(now_.unix_ms);
  EXPECT_EQ(restarted.Ready(), 0u);
  EXPECT_EQ(restarted.Lease("w2", "r", now_), nullptr);
  EXPECT_EQ(Complete(restarted, 2, 1, Result(0.9, 1)), kAccepted);
  EXPECT_EQ(restarted.state(), SearchState::kSucceeded);
}

}  // namespace
}  // namespace layernas::core
