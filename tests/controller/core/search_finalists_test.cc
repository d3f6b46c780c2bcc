// Tests that the best candidates are trained again before a search ends.
#include "controller/core/search.h"
#include "tests/controller/core/search_fixture.h"

namespace layernas::core {
namespace {

using ::testing::HasSubstr;

// Six trainings; the last two may be repeats.
SearchConfig FinalistsConfig() {
  SearchConfig config = SmallConfig();
  config.targets = {5};
  config.trainings = 6;
  config.finalists = {2, 2};
  return config;
}

TEST_F(SearchTest, TheLastTrainingsAreTheFinalists) {
  Search search(FinalistsConfig(), kStart);
  const double rewards[] = {0.5, 0.9, 0.8, 0.1};
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t number = Lease(search);
    EXPECT_EQ(search.candidate(number)->repeat_of, 0u);
    EXPECT_EQ(Complete(search, number, 1, Result(rewards[i], 3)), kAccepted);
  }
  EXPECT_EQ(search.Ready(), 2u);
  const std::uint64_t first = Lease(search);
  EXPECT_EQ(search.candidate(first)->repeat_of, 2u);
  EXPECT_EQ(search.candidate(first)->repeat, 1);
  EXPECT_EQ(search.candidate(first)->architecture, search.candidate(2)->architecture);
  EXPECT_EQ(Complete(search, first, 1, Result(0.5, 3)), kAccepted);
  // The mean is 0.7, so the next best is repeated.
  EXPECT_EQ(search.BestPerTarget()[0].candidate, 3u);
  const std::uint64_t second = Lease(search);
  EXPECT_EQ(search.candidate(second)->repeat_of, 3u);
  EXPECT_EQ(Complete(search, second, 1, Result(0.7, 3)), kAccepted);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_EQ(search.BestPerTarget()[0].candidate, 3u);
  EXPECT_DOUBLE_EQ(search.frontier().points().begin()->second.reward, 0.75);
  EXPECT_EQ(search.NumberOf(search.candidate(second)->architecture), 3u);
}

TEST_F(SearchTest, WhatIsNotNeededForFinalistsGoesOnSearching) {
  SearchConfig config = FinalistsConfig();
  config.finalists = {2, 4};
  Search search(config, kStart);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Complete(search, Lease(search), 1, Result(i == 0 ? 0.9 : 0.1, 3)), kAccepted);
  const std::uint64_t repeat = Lease(search);
  EXPECT_EQ(search.candidate(repeat)->repeat_of, 1u);
  EXPECT_EQ(Complete(search, repeat, 1, Result(0.9, 3)), kAccepted);
  // Settled, and three trainings are left, which is enough for a new one and its repeat.
  for (int i = 0; i < 2; ++i) {
    const std::uint64_t number = Lease(search);
    EXPECT_EQ(search.candidate(number)->repeat_of, 0u);
    EXPECT_EQ(Complete(search, number, 1, Result(0.2, 3)), kAccepted);
  }
  // One training is left, and a new candidate could not be repeated.
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_THAT(search.state_reason(), HasSubstr("1 of 6 trainings unused"));
}

TEST_F(SearchTest, AStrategyThatIsDoneLeavesItsFinalists) {
  SearchConfig config = FinalistsConfig();
  config.trainings = 0;
  config.finalists = {2, 1};
  config.strategy = ExhaustiveOptions{};
  Search search(config, kStart);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(Complete(search, Lease(search), 1, Result(0.1 * i, 3)), kAccepted);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  const std::uint64_t repeat = Lease(search);
  EXPECT_EQ(search.candidate(repeat)->repeat_of, 9u);
  // A repeat without a result keeps the first result.
  EXPECT_EQ(Fail(search, repeat, 1, FailureKind::kInfeasible), kAccepted);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_EQ(search.BestPerTarget()[0].candidate, 9u);
}

TEST_F(SearchTest, ARestartGoesOnWithTheFinalists) {
  Search search(FinalistsConfig(), kStart);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Complete(search, Lease(search), 1, Result(0.1 * i, 3)), kAccepted);
  const std::uint64_t repeat = Lease(search);
  Search again = Restarted(search);
  EXPECT_EQ(Complete(again, repeat, 1, Result(0, 3)), kAccepted);
  EXPECT_DOUBLE_EQ(again.standings().Of(4)->reward, 0.15);
  EXPECT_EQ(again.candidate(Lease(again))->repeat_of, 3u);
}

}  // namespace
}  // namespace layernas::core
