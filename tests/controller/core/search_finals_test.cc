// Tests full trainings of winners.
#include <set>
#include <string>

#include "controller/core/search.h"
#include "tests/controller/core/search_fixture.h"

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FinalsTest : public SearchTest {
 protected:
  // Targets 5 and 2.
  static SearchConfig Config() {
    SearchConfig config = SmallConfig();
    config.trainings = 4;
    config.finals = {1, 2};
    return config;
  }

  // Four trainings; candidates 2 and 3 win.
  void Run(Search& search) {
    const Metrics results[] = {Result(0.5, 3), Result(0.9, 4), Result(0.6, 1), Result(0.95, 6)};
    for (const Metrics& result : results) EXPECT_EQ(Complete(search, Lease(search), 1, result), kAccepted);
  }
};

TEST_F(FinalsTest, TheBestOfEachTargetIsTrainedInFullWithEachSeed) {
  Search search(Config(), kStart);
  Run(search);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  EXPECT_EQ(search.Ready(), 4u);
  EXPECT_THAT(search.winners(), ElementsAre(2, 3));
  search.TakeChanges();
  const std::pair<std::uint64_t, int> wanted[] = {{2, 1}, {3, 1}, {2, 2}, {3, 2}};
  std::uint64_t number = 4;
  for (const auto& [winner, seed] : wanted) {
    ASSERT_EQ(Lease(search), ++number);
    EXPECT_EQ(search.candidate(number)->final_of, winner);
    EXPECT_EQ(search.candidate(number)->final_seed, seed);
    EXPECT_EQ(search.candidate(number)->architecture, search.candidate(winner)->architecture);
  }
  EXPECT_EQ(search.Ready(), 0u);
  // They do not count towards the budget or the frontier, whatever their results are.
  EXPECT_EQ(search.trainings(), 4);
  for (number = 5; number <= 7; ++number) EXPECT_EQ(Complete(search, number, 1, Result(0.99, 0.1)), kAccepted);
  EXPECT_TRUE(search.TakeChanges().search);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  EXPECT_EQ(search.BestPerTarget()[0].candidate, 2u);
  EXPECT_EQ(search.NumberOf(search.candidate(2)->architecture), 2u);
  const WeightsFile kept{"/weights/8.pt", std::string(64, 'a'), 1234};
  EXPECT_EQ(search.Complete(8, 1, "w1", {Result(0.97, 1), {}, {kept}}, Now()).status, kAccepted);
  EXPECT_THAT(search.candidate(8)->weights, ElementsAre(kept));
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_THAT(search.state_reason(), HasSubstr("budget of 4"));
  EXPECT_EQ(search.first_final(), 5u);
}

TEST_F(FinalsTest, WhatFailsLeavesTheOthers) {
  Search search(Config(), kStart);
  Run(search);
  for (std::uint64_t number = 5; number <= 8; ++number) {
    ASSERT_EQ(Lease(search), number);
    EXPECT_EQ(Fail(search, number, 1, FailureKind::kInfeasible), kAccepted);
  }
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
}

TEST_F(FinalsTest, SeveralPerTargetAndOnceEach) {
  SearchConfig config = Config();
  config.finals = {2, 1};
  Search search(config, kStart);
  Run(search);
  // Within 5: 2 and 3. Within 2: only 3.
  EXPECT_THAT(search.winners(), ElementsAre(2, 3));
  config.finals = {3, 1};
  Search more(config, kStart);
  Run(more);
  EXPECT_THAT(more.winners(), ElementsAre(2, 3, 1));
}

TEST_F(FinalsTest, WithoutTargetsTheBestWin) {
  SearchConfig config = Config();
  config.targets.clear();
  config.finals = {2, 1};
  Search search(config, kStart);
  Run(search);
  EXPECT_THAT(search.winners(), ElementsAre(4, 2));
}

TEST_F(FinalsTest, ASearchWithNothingWithinItsTargetsEnds) {
  SearchConfig config = Config();
  config.targets = {0.5};
  Search search(config, kStart);
  Run(search);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_THAT(search.winners(), IsEmpty());
}

TEST_F(FinalsTest, TheyComeAfterTheFinalistsRepeatsAndTheTime) {
  SearchConfig config = Config();
  config.duration = Millis{1000};
  Search search(config, kStart);
  EXPECT_EQ(Complete(search, Lease(search), 1, Result(0.5, 1)), kAccepted);
  const std::uint64_t last = Lease(search);
  Pass(Millis{2000});
  search.CheckTime(Now().unix_ms);
  EXPECT_EQ(search.Ready(), 0u);
  EXPECT_EQ(Complete(search, last, 1, Result(0.4, 1)), kAccepted);
  EXPECT_THAT(search.winners(), ElementsAre(1));
  EXPECT_EQ(search.Ready(), 2u);
  const std::uint64_t first = Lease(search);
  EXPECT_EQ(search.candidate(first)->final_of, 1u);
  // The time limit does not end them.
  search.CheckTime(Now().unix_ms);
  EXPECT_EQ(search.candidate(first)->state, CandidateState::kLeased);
  EXPECT_EQ(Complete(search, first, 1, Result(0.7, 1)), kAccepted);
  EXPECT_EQ(Complete(search, Lease(search), 1, Result(0.7, 1)), kAccepted);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_THAT(search.state_reason(), HasSubstr("time of 1 s is up"));
}

TEST_F(FinalsTest, ASearchWhoseTimeEndsWhilePausedTrainsThemOnceItGoesOn) {
  SearchConfig config = Config();
  config.duration = Millis{1000};
  Search search(config, kStart);
  EXPECT_EQ(Complete(search, Lease(search), 1, Result(0.5, 1)), kAccepted);
  ASSERT_TRUE(search.Pause().ok());
  Pass(Millis{2000});
  search.CheckTime(Now().unix_ms);
  EXPECT_EQ(search.state(), SearchState::kPaused);
  EXPECT_EQ(search.Ready(), 0u);
  ASSERT_TRUE(search.Resume(now_.unix_ms).ok());
  EXPECT_EQ(search.candidate(Lease(search))->final_of, 1u);
}

TEST_F(FinalsTest, ARestartGoesOnWithThem) {
  Search search(Config(), kStart);
  Run(search);
  Search before = Restarted(search);
  EXPECT_EQ(before.Ready(), 4u);
  EXPECT_EQ(before.candidate(Lease(before))->final_of, 2u);
  EXPECT_EQ(before.Ready(), 3u);
  EXPECT_EQ(Complete(search, Lease(search), 1, Result(0.99, 4)), kAccepted);
  const std::uint64_t leased = Lease(search);
  Search again = Restarted(search);
  EXPECT_THAT(again.winners(), ElementsAre(2, 3));
  EXPECT_EQ(again.Ready(), 2u);
  EXPECT_EQ(again.trainings(), 4);
  EXPECT_EQ(again.BestPerTarget()[0].candidate, 2u);
  EXPECT_EQ(Complete(again, leased, 1, Result(0.9, 1)), kAccepted);
  EXPECT_EQ(again.candidate(Lease(again))->final_seed, 2);
  ASSERT_TRUE(again.Cancel(Now().unix_ms).ok());
  EXPECT_EQ(again.CountOf(CandidateState::kSkipped), 1u);
}

TEST_F(FinalsTest, WhereMeasuringIsApartTheyAreMeasuredToo) {
  SearchConfig config = Config();
  config.measure_on.emplace();
  config.measure_first = true;
  config.trainings = 1;
  config.finals = {1, 1};
  Search search(config, kStart);
  const auto run = [&](double latency) {
    const std::uint64_t number = search.Lease("w1", "", Now(), TaskKind::kMeasure)->number;
    EXPECT_EQ(Complete(search, number, 1, {{"latency_ms", latency}}), kAccepted);
    EXPECT_EQ(search.Lease("w1", "", Now(), TaskKind::kTrain)->number, number);
    EXPECT_EQ(Complete(search, number, 2, {{"accuracy", 0.5}}), kAccepted);
    return number;
  };
  EXPECT_EQ(run(3), 1u);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  // By chance it may seem to exceed the target, but it is trained anyway.
  EXPECT_EQ(run(5.5), 2u);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
}

}  // namespace
}  // namespace layernas::core
