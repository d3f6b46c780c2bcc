// Tests candidates that are measured on one worker and trained on another.
#include <string>

#include "controller/core/search.h"
#include "tests/controller/core/search_fixture.h"

namespace layernas::core {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr TaskKind kMeasure = TaskKind::kMeasure;
constexpr TaskKind kTrain = TaskKind::kTrain;

class MeasuredApartTest : public SearchTest {
 protected:
  // Targets 5 and 2.
  static SearchConfig Config(bool measure_first) {
    SearchConfig config = SmallConfig();
    config.require["gpu"] = "yes";
    config.measure_on.emplace()["device"] = "phone";
    config.measure_first = measure_first;
    return config;
  }

  std::uint64_t LeaseKind(Search& search, TaskKind kind, const std::string& worker = "w1") {
    const Candidate* candidate = search.Lease(worker, "", Now(), kind);
    return candidate == nullptr ? 0 : candidate->number;
  }

  // Measures a candidate, whatever its attempt is.
  std::uint64_t Measure(Search& search, double latency_ms) {
    const std::uint64_t number = LeaseKind(search, kMeasure, "phone");
    EXPECT_EQ(
        search.Complete(number, search.candidate(number)->attempt, "phone", Metrics{{"latency_ms", latency_ms}}, Now())
            .status,
        kAccepted);
    return number;
  }
};

TEST_F(MeasuredApartTest, ACandidateIsMeasuredThenTrained) {
  Search search(Config(false), kStart);
  EXPECT_EQ(search.RequireOf(kMeasure).at("device"), "phone");
  EXPECT_EQ(search.RequireOf(kTrain).at("gpu"), "yes");
  EXPECT_EQ(search.Ready(kTrain), 0u);
  EXPECT_EQ(LeaseKind(search, kTrain), 0u);
  EXPECT_EQ(Measure(search, 3), 1u);
  const Candidate& candidate = *search.candidate(1);
  EXPECT_EQ(candidate.state, CandidateState::kQueued);
  EXPECT_EQ(candidate.cost, 3);
  EXPECT_EQ(search.Ready(kTrain), 1u);
  EXPECT_EQ(LeaseKind(search, kTrain, "gpu"), 1u);
  EXPECT_EQ(candidate.attempt, 2);
  // The training machine's measurements do not replace the device's.
  EXPECT_EQ(search.Complete(1, 2, "gpu", Metrics{{"accuracy", 0.8}, {"latency_ms", 99}, {"params", 7}}, Now()).status,
            kAccepted);
  EXPECT_EQ(candidate.state, CandidateState::kSucceeded);
  EXPECT_EQ(candidate.reward, 0.8);
  EXPECT_EQ(candidate.cost, 3);
  EXPECT_EQ(candidate.metrics, (Metrics{{"accuracy", 0.8}, {"latency_ms", 3}, {"params", 7}}));
  // Reported again, as after a lost answer.
  EXPECT_EQ(search.Complete(1, 2, "gpu", Metrics{{"accuracy", 0.8}, {"latency_ms", 99}, {"params", 7}}, Now()).status,
            kAccepted);
  EXPECT_EQ(search.Complete(1, 1, "phone", Metrics{{"latency_ms", 3}}, Now()).status, kAccepted);
  EXPECT_EQ(search.Complete(1, 1, "phone", Metrics{{"latency_ms", 4}}, Now()).status, kRefused);
}

TEST_F(MeasuredApartTest, WhatIsReadyExceedsNoLimit) {
  SearchConfig config = Config(false);
  config.sharing.max_running = 3;
  Search search(config, kStart);
  Measure(search, 3);
  Measure(search, 4);
  EXPECT_EQ(search.Ready(kTrain), 2u);
  EXPECT_GE(search.Ready(kMeasure), 2u);
  EXPECT_EQ(search.Ready(), 3u);
}

TEST_F(MeasuredApartTest, WhatExceedsEveryTargetIsSkippedAndCostsNoTraining) {
  SearchConfig config = Config(true);
  config.trainings = 2;
  Search search(config, kStart);
  for (std::uint64_t number = 1; number <= 5; ++number) {
    EXPECT_EQ(Measure(search, 5.1), number);
    EXPECT_EQ(search.candidate(number)->state, CandidateState::kSkipped);
    EXPECT_EQ(search.candidate(number)->cost, 5.1);
  }
  EXPECT_EQ(search.Ready(kTrain), 0u);
  for (int i = 0; i < 2; ++i) {
    const std::uint64_t number = Measure(search, 5);
    EXPECT_EQ(LeaseKind(search, kTrain), number);
    EXPECT_EQ(Complete(search, number, 2, Result(0.8, 1)), kAccepted);
  }
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_THAT(search.state_reason(), HasSubstr("budget of 2"));
  EXPECT_THAT(search.frontier().points(), SizeIs(1));
}

TEST_F(MeasuredApartTest, ASumThatIsRoundedMeetsItsTarget) {
  SearchConfig config = Config(true);
  config.targets = {0.3};
  Search search(config, kStart);
  const std::uint64_t number = Measure(search, 0.1 + 0.2);
  EXPECT_EQ(search.candidate(number)->state, CandidateState::kQueued);
  EXPECT_EQ(LeaseKind(search, kTrain), number);
}

TEST_F(MeasuredApartTest, WhatIsSparedWhileTheBudgetIsHandedOutLeavesItsTrainingToAnother) {
  SearchConfig config = Config(true);
  config.trainings = 2;
  Search search(config, kStart);
  // The whole budget is being measured.
  EXPECT_EQ(LeaseKind(search, kMeasure, "phone"), 1u);
  EXPECT_EQ(LeaseKind(search, kMeasure, "phone"), 2u);
  EXPECT_EQ(search.Ready(kMeasure), 0u);
  for (const std::uint64_t number : {1u, 2u}) {
    EXPECT_EQ(search.Complete(number, 1, "phone", Metrics{{"latency_ms", 5.1}}, Now()).status, kAccepted);
    EXPECT_EQ(search.candidate(number)->state, CandidateState::kSkipped);
  }
  EXPECT_EQ(search.state(), SearchState::kRunning);
  EXPECT_EQ(search.trainings(), 0);
  EXPECT_EQ(Measure(search, 5), 3u);
}

TEST_F(MeasuredApartTest, ASearchWithinNoTargetSaysSo) {
  Search search(Config(true), kStart);
  for (int i = 0; i < 9; ++i) Measure(search, 9 - 0.1 * i);
  EXPECT_EQ(LeaseKind(search, kMeasure), 0u);
  EXPECT_EQ(search.state(), SearchState::kFailed);
  EXPECT_THAT(search.state_reason(), HasSubstr("none of the 9 architectures that were measured"));
  EXPECT_THAT(search.state_reason(), HasSubstr("8.2"));
}

TEST_F(MeasuredApartTest, ASearchWhoseTrainingsFailedSaysWhy) {
  SearchConfig config = Config(true);
  config.trainings = 1;
  Search search(config, kStart);
  Measure(search, 9);
  const std::uint64_t within = Measure(search, 1);
  ASSERT_EQ(LeaseKind(search, kTrain), within);
  search.Fail(within, 2, "w1", FailureKind::kInfeasible, "out of registers", Now());
  EXPECT_EQ(search.state(), SearchState::kFailed);
  EXPECT_THAT(search.state_reason(), HasSubstr("out of registers"));
}

TEST_F(MeasuredApartTest, WhatIsKnownToExceedEveryTargetIsSparedWithoutAMeasurement) {
  Search search(Config(true), kStart);
  const auto reuse = [&](double latency_ms) {
    const Candidate* candidate = search.Lease("w1", "", Now(), kMeasure);
    EXPECT_TRUE(search.Reuse(candidate->number, Metrics{{"accuracy", 0.9}, {"latency_ms", latency_ms}}, "another", 7));
    return candidate->number;
  };
  const Candidate& dear = *search.candidate(reuse(6));
  EXPECT_EQ(dear.state, CandidateState::kSkipped);
  EXPECT_EQ(dear.cost, 6);
  // It was never trained here.
  EXPECT_EQ(dear.metrics, (Metrics{{"latency_ms", 6}}));
  EXPECT_EQ(dear.reused_from, "another");
  EXPECT_EQ(search.trainings(), 0);
  const Candidate& cheap = *search.candidate(reuse(4));
  EXPECT_EQ(cheap.state, CandidateState::kSucceeded);
  EXPECT_EQ(search.trainings(), 1);
  EXPECT_THAT(search.frontier().points(), SizeIs(1));
  // A restart does not turn it into a training.
  const Search again = Restarted(search);
  EXPECT_EQ(again.trainings(), 1);
  EXPECT_EQ(again.candidate(1)->state, CandidateState::kSkipped);
}

TEST_F(MeasuredApartTest, ALateMeasurementIsTakenAndItsSuccessorStopped) {
  Search search(Config(false), kStart);
  LeaseKind(search, kMeasure, "w1");
  search.Expire(1, 1, Now(), "it is gone");
  Pass(Millis{10'000});
  EXPECT_EQ(LeaseKind(search, kMeasure, "w2"), 1u);
  EXPECT_EQ(search.Complete(1, 1, "w1", Metrics{{"latency_ms", 3}}, Now()).status, kAccepted);
  EXPECT_FALSE(search.Renew(1, 2, "w2"));
  EXPECT_EQ(search.Complete(1, 2, "w2", Metrics{{"latency_ms", 3.5}}, Now()).status, kRefused);
  EXPECT_EQ(Fail(search, 1, 2), kAccepted);
  EXPECT_EQ(search.candidate(1)->failures.size(), 1u);
  EXPECT_EQ(LeaseKind(search, kTrain), 1u);
  EXPECT_EQ(search.candidate(1)->attempt, 3);
  // Earlier failures do not count against the training.
  EXPECT_TRUE(search.Renew(1, 3, "w1"));
  for (int attempt = 3; attempt < 6; ++attempt) {
    EXPECT_EQ(search.candidate(1)->state, CandidateState::kLeased) << attempt;
    EXPECT_EQ(Fail(search, 1, attempt), kAccepted);
    Pass(Millis{60'000});
    // The worker that failed all other attempts does not get the last one.
    LeaseKind(search, kTrain, attempt < 4 ? "w1" : "w2");
  }
  EXPECT_TRUE(IsFinal(search.candidate(1)->state));
}

TEST_F(MeasuredApartTest, MeasuringKeepsALittleAhead) {
  Search search(Config(false), kStart);
  EXPECT_EQ(search.Ready(kMeasure), 4u);
  for (int i = 0; i < 4; ++i) Measure(search, 3);
  EXPECT_EQ(search.Ready(kMeasure), 0u);
  EXPECT_EQ(LeaseKind(search, kMeasure), 0u);
  EXPECT_EQ(LeaseKind(search, kTrain), 1u);
  EXPECT_EQ(search.Ready(kMeasure), 1u);
}

TEST_F(MeasuredApartTest, ARestartGoesOnWhereItWas) {
  Search before(Config(true), kStart);
  Measure(before, 3);
  Measure(before, 7);
  LeaseKind(before, kMeasure);
  Search after(Config(true), before.status(), before.candidates());
  EXPECT_EQ(after.Ready(kTrain), 1u);
  EXPECT_EQ(after.Ready(kMeasure), before.Ready(kMeasure));
  EXPECT_EQ(after.KindOf(*after.candidate(3)), kMeasure);
  EXPECT_EQ(LeaseKind(after, kTrain), 1u);
  EXPECT_EQ(LeaseKind(after, kMeasure), 4u);
}

TEST_F(MeasuredApartTest, AMeasurementMustHaveTheCost) {
  Search search(Config(false), kStart);
  LeaseKind(search, kMeasure);
  const CompletionVerdict verdict = search.Complete(1, 1, "w1", Metrics{{"accuracy", 0.8}}, Now());
  EXPECT_EQ(verdict.status, kInvalid);
  EXPECT_THAT(verdict.message, HasSubstr("lacks the metric latency_ms"));
  EXPECT_THAT(search.candidate(1)->failures, SizeIs(1));
}

}  // namespace
}  // namespace layernas::core
