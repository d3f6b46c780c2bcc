// Tests how an agent ends: by signals to its evaluators, and by a drain.
#include "tests/worker/agent/agent_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(AgentTest, WhatASignalToAllOfUsEndsIsGivenBack) {
  options_.drain_follows = Millis(60'000);
  std::atomic<bool> ended = false;
  Start([&](const Evaluation&, std::stop_token, const auto&) -> EvaluationOutcome {
    ended = true;
    return EvaluationFailure{.message = "killed by signal 15", .told_to_end = true};
  });
  Hand({1});
  while (!ended) std::this_thread::sleep_for(Millis(1));
  Drain();
  EXPECT_THAT(ReleasedTokens(), ElementsAre("lease-1"));
  EXPECT_THAT(CompletedTokens(), IsEmpty());
  EXPECT_EQ(metrics_->failed.Value(), 0);
}

TEST_F(AgentTest, WhatASignalToTheEvaluatorAloneEndsHasFailed) {
  options_.drain_follows = Millis(1);
  Start([](const Evaluation&, std::stop_token, const auto&) -> EvaluationOutcome {
    return EvaluationFailure{.message = "killed by signal 15", .told_to_end = true};
  });
  Hand({1});
  AwaitCompletions(1);
  Drain();
  EXPECT_THAT(ReleasedTokens(), IsEmpty());
  EXPECT_EQ(metrics_->failed.Value(), 1);
}

TEST_F(AgentTest, ADrainGivesBackWhatRunsAndDeliversWhatIsFinished) {
  controller_.With([](State& state) {
    state.failing_completes = 1'000'000;
    state.failing_releases = 2;
  });
  Start(
      [this](const Evaluation& evaluation, std::stop_token stop, const auto&) -> EvaluationOutcome {
        if (evaluation.architecture_id == "1") return Accuracy(0.5);
        return gate_.Pass(std::move(stop), Accuracy(0.5));
      },
      3);
  Hand({1, 2, 3});
  gate_.AwaitEntered(2);
  AwaitHeld({"lease-1", "lease-2", "lease-3"});
  controller_.With([](State& state) { state.failing_completes = 2; });
  Drain();
  EXPECT_THAT(CompletedTokens(), ElementsAre("lease-1"));
  EXPECT_THAT(ReleasedTokens(), UnorderedElementsAre("lease-2", "lease-3"));
}

TEST_F(AgentTest, ADrainGivesBackWhatALostAnswerHeld) {
  // The drain starts while the worker waits to poll again.
  options_.first_retry = options_.longest_retry = std::chrono::minutes(10);
  controller_.With([](State& state) { state.lost_leases = 1; });
  Hand({1});
  StartQuick();
  controller_.Await("the lost answer", [](const State& state) { return state.lost_leases == 0; });
  Drain();
  EXPECT_THAT(ReleasedTokens(), ElementsAre("lease-1"));
  EXPECT_EQ(evaluations_, 0);
}

TEST_F(AgentTest, ADrainDoesNotWaitForAParkedRequest) {
  StartQuick();
  controller_.Await("a poll", [](const State& state) { return state.parked == 1; });
  const auto start = std::chrono::steady_clock::now();
  Drain();
  EXPECT_LT(std::chrono::steady_clock::now() - start, options_.poll_wait);
}

TEST_F(AgentTest, ADrainDoesNotWaitForEverForTheController) {
  options_.drain_timeout = Millis(300);
  StartGated();
  Hand({1});
  gate_.AwaitEntered(1);
  controller_.Stop();
  Drain();
  EXPECT_THAT(ReleasedTokens(), IsEmpty());
}

}  // namespace
}  // namespace layernas
