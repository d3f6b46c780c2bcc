// Tests what time does to searches: deadlines, restarts, and clocks that are set.
#include "controller/engine/store_clock.h"
#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::IsEmpty;

using core::CandidateState;
using core::SearchState;

class SearchTimeTest : public EngineTest {};

TEST_F(SearchTimeTest, NoTimePassesBeforeTheFirstLease) {
  v1::SearchSpec spec = RandomSpec("s", 100);
  spec.mutable_budget()->mutable_duration()->set_seconds(5);
  const std::string name = Create(spec);
  Pass(Millis{8'000});
  EXPECT_EQ(Get(name)->state, core::SearchState::kRunning);
  const LeasedTask task = LeaseOne("w");
  Restart();
  Pass(Millis{4'999});
  EXPECT_EQ(Complete("w", LeaseOne("w")).status, core::CompletionVerdict::kAccepted);
  Pass(Millis{1});
  EXPECT_THAT(Lease("w"), IsEmpty());
  EXPECT_EQ(Complete("w", task).status, core::CompletionVerdict::kAccepted);
  EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
  EXPECT_EQ(Get(name)->candidates.at(core::CandidateState::kSucceeded), 2u);
}

TEST_F(SearchTimeTest, APausedSearchTakesWhatIsUnderWayAtItsDeadline) {
  v1::SearchSpec spec = RandomSpec("s", 100);
  spec.mutable_budget()->mutable_duration()->set_seconds(5);
  const std::string name = Create(spec);
  const Tasks tasks = Lease("w", 2);
  ASSERT_TRUE(Pause(name).ok());
  Pass(Millis{6'000});
  EXPECT_EQ(Get(name)->state, core::SearchState::kPaused);
  for (const LeasedTask& task : tasks) EXPECT_EQ(Complete("w", task).status, core::CompletionVerdict::kAccepted);
  EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
  EXPECT_EQ(Get(name)->candidates.at(core::CandidateState::kSucceeded), 2u);
}

TEST_F(SearchTimeTest, TheReasonSurvivesARestartDuringTheWinnersTrainings) {
  v1::SearchSpec spec = RandomSpec("s", 0);
  spec.mutable_budget()->clear_trainings();
  spec.mutable_budget()->mutable_duration()->set_seconds(5);
  spec.mutable_final()->set_per_target(1);
  spec.mutable_final()->set_seeds(2);
  const std::string name = Create(spec);
  const Tasks tasks = Lease("w", 3);
  Pass(Millis{6'000});
  for (const LeasedTask& task : tasks) Complete("w", task);
  const LeasedTask full = LeaseOne("w");
  EXPECT_TRUE(full.is_final);
  Restart();
  Complete("w", full);
  Finish();
  EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
  EXPECT_EQ(Get(name)->state_reason, "its time of 5 s is up");
  EXPECT_EQ(Get(name)->trainings, 3);
}

TEST_F(SearchTimeTest, CancellingDuringTheWinnersTrainingsCountsNoTrainingAway) {
  v1::SearchSpec spec = SpaceOf("s", 3, 2);
  spec.mutable_strategy()->mutable_random();
  for (v1::Layer& layer : *spec.mutable_space()->mutable_layers()) {
    for (v1::Option& option : *layer.mutable_options()) option.clear_costs();
  }
  spec.mutable_objective()->add_targets(100);
  spec.mutable_budget()->set_trainings(4);
  spec.mutable_evaluation()->set_measure_first(true);
  spec.mutable_final()->set_per_target(1);
  const std::string name = Create(spec);
  const auto work = [&] {
    const LeasedTask task = LeaseOne("w");
    core::Metrics metrics = Evaluate(task.architecture);
    metrics.Set("latency_ms", 3);
    EXPECT_EQ(Report("w", task.token, metrics).status, core::CompletionVerdict::kAccepted);
    return task;
  };
  for (int i = 0; i < 8; ++i) work();
  const LeasedTask full = LeaseOne("w");
  EXPECT_TRUE(full.is_final);
  EXPECT_EQ(Get(name)->trainings, 4);
  ASSERT_TRUE(Cancel(name).ok());
  EXPECT_EQ(Get(name)->trainings, 4);
  Restart();
  EXPECT_EQ(Get(name)->trainings, 4);
}

TEST_F(SearchTimeTest, TimeIsUpWithoutAnyCall) {
  v1::SearchSpec spec = RandomSpec("s", 100);
  spec.mutable_budget()->mutable_duration()->set_seconds(20);
  const std::string name = Create(spec);
  const LeasedTask task = LeaseOne("w");
  Pass(Millis{20'000});
  // Running trainings finish and count.
  EXPECT_EQ(Get(name)->state, SearchState::kRunning);
  EXPECT_THAT(Lease("w"), IsEmpty());
  EXPECT_EQ(Complete("w", task).status, core::CompletionVerdict::kAccepted);
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
  EXPECT_THAT(Get(name)->state_reason, ::testing::StartsWith("its time of 20 s is up"));
}

TEST_F(SearchTimeTest, AClockThatIsSetAheadMakesNoSearchOld) {
  options_.retention = Millis{1'000'000};
  Restart();
  const std::string name = Create(RandomSpec("s", 1));
  Finish();
  clock_.Set(Millis{1'000'000'000});
  Settle();
  Pass(Millis{900'000});
  EXPECT_TRUE(Get(name).ok());
  Pass(Millis{200'000});
  Settle();
  EXPECT_EQ(Get(name).status().code(), absl::StatusCode::kNotFound);
}

// A machine without a battery for its clock starts in 1970.
TEST_F(SearchTimeTest, AClockThatWasSetAheadMakesNoLaterSearchYoung) {
  options_.retention = Millis{1'000'000};
  Restart();
  clock_.Set(Millis{1'000'000'000});
  Settle();
  Pass(Millis{1'000});
  const std::string name = Create(RandomSpec("s", 1));
  Finish();
  Pass(Millis{999'000});
  Settle();
  EXPECT_TRUE(Get(name).ok());
  Pass(Millis{2'000});
  Settle();
  EXPECT_EQ(Get(name).status().code(), absl::StatusCode::kNotFound);
}

// The clock of the board is wrong, until the machine asks for the time.
TEST_F(SearchTimeTest, AClockThatWasSetBackBeforeMakesNoSearchOld) {
  options_.retention = Millis{1'000'000};
  Restart();
  clock_.Set(Millis{-1'000'000'000});
  Settle();
  const std::string name = Create(RandomSpec("s", 1));
  Finish();
  clock_.Set(Millis{1'000'000'000});
  Settle();
  Pass(Millis{900'000});
  Settle();
  EXPECT_TRUE(Get(name).ok());
  Pass(Millis{200'000});
  Settle();
  EXPECT_EQ(Get(name).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SearchTimeTest, SettingTheClockChangesNoBudgetAndNoLease) {
  v1::SearchSpec spec = RandomSpec("s", 100);
  spec.mutable_budget()->mutable_duration()->set_seconds(20);
  const std::string name = Create(spec);
  const LeasedTask task = LeaseOne("w");
  for (const Millis by : {Millis{1'000'000'000}, Millis{-3'000'000'000}}) {
    Pass(Millis{5'000});
    clock_.Set(by);
    Settle();
    EXPECT_EQ(Heartbeat("w", {FormatLeaseToken(task.token)}), std::vector<bool>{true});
    EXPECT_EQ(Get(name)->state, SearchState::kRunning);
    // Waiting tasks are still given out.
    EXPECT_EQ(Complete("v", LeaseOne("v")).status, core::CompletionVerdict::kAccepted);
  }
  Restart();
  Pass(Millis{9'999});
  EXPECT_EQ(Complete("w", task).status, core::CompletionVerdict::kAccepted);
  EXPECT_EQ(Get(name)->state, SearchState::kRunning);
  Pass(Millis{1});
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
  EXPECT_THAT(Get(name)->state_reason, ::testing::StartsWith("its time of 20 s is up"));
}

constexpr Millis kDay{24 * 3'600'000};

// A machine whose clock is wrong when the controller starts, until it asks for the time.
class WrongClockTest : public SearchTimeTest {
 protected:
  void StartWith(Millis ahead) {
    Stop();
    clock_.Set(ahead);
    Start();
    Settle();
  }
  void SetRight(Millis ahead) {
    clock_.Set(-ahead);
    Settle();
  }
  // A search of 20 s whose first training runs.
  std::string CreateTimed() {
    v1::SearchSpec spec = RandomSpec("s", 100);
    spec.mutable_budget()->mutable_duration()->set_seconds(20);
    std::string name = Create(spec);
    task_ = LeaseOne("w");
    Pass(Millis{5'000});
    return name;
  }

  // The search's time is up after `left`, or up to `late` later.
  void ExpectTimeLeft(const std::string& name, Millis left, Millis late = Millis{0}) {
    Pass(left - Millis{1});
    EXPECT_EQ(Get(name)->state, SearchState::kRunning);
    Pass(Millis{1} + late);
    EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
  }

  LeasedTask task_;
};

TEST_F(WrongClockTest, AStartWithAClockAheadDeletesNothing) {
  options_.retention = Millis{1'000'000};
  Restart();
  const std::string name = Create(RandomSpec("s", 1));
  Finish();
  StartWith(kDay);
  Pass(Millis{2'000});
  EXPECT_TRUE(Get(name).ok());
  SetRight(kDay);
  Pass(Millis{900'000});
  Settle();
  EXPECT_TRUE(Get(name).ok());
  Pass(Millis{200'000});
  Settle();
  EXPECT_EQ(Get(name).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(WrongClockTest, AStartWithAClockBehindMakesNoSearchYounger) {
  options_.retention = Millis{1'000'000};
  Restart();
  const std::string before = Create(RandomSpec("before", 1));
  Finish();
  StartWith(-kDay);
  const std::string meanwhile = Create(RandomSpec("meanwhile", 1));
  Finish();
  SetRight(-kDay);
  Pass(Millis{900'000});
  Settle();
  EXPECT_TRUE(Get(before).ok());
  EXPECT_TRUE(Get(meanwhile).ok());
  Pass(Millis{200'000});
  Settle();
  EXPECT_EQ(Get(before).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Get(meanwhile).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(WrongClockTest, ASearchThatEndedWithAClockAheadIsNotKeptLonger) {
  options_.retention = Millis{1'000'000};
  Restart();
  Create(RandomSpec("first", 1));
  StartWith(kDay);
  const std::string name = Create(RandomSpec("s", 1));
  Finish();
  SetRight(kDay);
  Pass(Millis{1'100'000});
  Settle();
  EXPECT_EQ(Get(name).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(WrongClockTest, AStartWithAClockAheadEndsNoSearch) {
  const std::string name = CreateTimed();
  StartWith(kDay);
  EXPECT_EQ(Complete("w", task_).status, core::CompletionVerdict::kAccepted);
  EXPECT_EQ(Get(name)->state, SearchState::kRunning);
  SetRight(kDay);
  const LeasedTask next = LeaseOne("v");
  Pass(Millis{14'999});
  EXPECT_EQ(Complete("v", next).status, core::CompletionVerdict::kAccepted);
  EXPECT_EQ(Get(name)->state, SearchState::kRunning);
  Pass(Millis{1});
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
}

TEST_F(WrongClockTest, AfterAStartWithAClockBehindTheTimeOfASearchStillEnds) {
  const std::string name = CreateTimed();
  StartWith(-kDay);
  EXPECT_EQ(Complete("w", task_).status, core::CompletionVerdict::kAccepted);
  SetRight(-kDay);
  ExpectTimeLeft(name, Millis{15'000});
}

// The clock is set right while the controller does not run.
TEST_F(WrongClockTest, AClockThatWasAheadBeforeTheStartTakesNoTime) {
  const std::string name = CreateTimed();
  clock_.Set(kDay);
  Settle();
  StartWith(-kDay);
  EXPECT_EQ(Complete("w", task_).status, core::CompletionVerdict::kAccepted);
  ExpectTimeLeft(name, Millis{15'000});
}

TEST_F(WrongClockTest, AClockThatIsSetRightBetweenTwoStartsTakesNoTime) {
  const std::string name = CreateTimed();
  for (const Millis ahead : {-kDay, kDay}) {
    StartWith(ahead);
    Stop();
    clock_.Set(-ahead);
    Start();
  }
  EXPECT_EQ(Complete("w", task_).status, core::CompletionVerdict::kAccepted);
  ExpectTimeLeft(name, Millis{15'000});
}

// The sequences in which earlier versions ended searches early, or never.
TEST_F(WrongClockTest, ASearchThatBeginsWithAWrongClockHasItsWholeTimeAfterARestart) {
  Create(RandomSpec("first", 1));
  Finish();
  for (const Millis ahead : {kDay, -kDay}) {
    StartWith(ahead);
    const std::string name = CreateTimed();
    Stop();
    clock_.Set(-ahead);
    Start();
    EXPECT_EQ(Complete("w", task_).status, core::CompletionVerdict::kAccepted);
    // How much time passed between the last write and the start is unknown.
    ExpectTimeLeft(name, Millis{15'000}, Millis{5'000});
  }
}

// The time of the stop before is added after the search has begun.
TEST_F(WrongClockTest, ASearchThatBeginsBeforeALongStopCountsIsNotOlderByIt) {
  Create(RandomSpec("first", 1));
  Finish();
  Stop();
  clock_.Pass(kDay);
  Start();
  const std::string name = CreateTimed();
  Restart();
  EXPECT_EQ(Complete("w", task_).status, core::CompletionVerdict::kAccepted);
  // How much time passed between the last write and the start is unknown.
  ExpectTimeLeft(name, Millis{15'000}, Millis{5'000});
  v1::SearchSpec spec = RandomSpec("s", 100);
  spec.mutable_budget()->mutable_duration()->set_seconds(3'600);
  const std::string longer = Create(spec);
  Complete("w", LeaseOne("w"));
  Pass(StoreClock::kProof);
  EXPECT_EQ(Get(longer)->state, SearchState::kRunning);
  Restart();
  Pass(Millis{3'599'999} - StoreClock::kProof);
  EXPECT_EQ(Get(longer)->state, SearchState::kRunning);
  Pass(Millis{1});
  EXPECT_EQ(Get(longer)->state, SearchState::kSucceeded);
}

// The setting is the last thing that happens before the restart.
TEST_F(WrongClockTest, ASettingIsKnownAfterARestartThoughNothingElseWasWritten) {
  options_.retention = Millis{7'200'000};
  Restart();
  clock_.Set(-kDay);
  Settle();
  const std::string ended = Create(RandomSpec("ended", 1));
  Finish();
  v1::SearchSpec spec = RandomSpec("s", 100);
  spec.mutable_budget()->mutable_duration()->set_seconds(36'000);
  const std::string name = Create(spec);
  Complete("w", LeaseOne("w"));
  clock_.Set(kDay);
  Settle();
  Restart();
  Pass(2 * StoreClock::kProof);
  Settle();
  EXPECT_TRUE(Get(ended).ok());
  EXPECT_EQ(Get(name)->state, SearchState::kRunning);
  Complete("w", LeaseOne("w"));
}

TEST_F(WrongClockTest, TheTimeThatAControllerRanCountsWhateverTheClockShows) {
  v1::SearchSpec spec = RandomSpec("s", 100);
  spec.mutable_budget()->mutable_duration()->set_seconds(7'200);
  const std::string name = Create(spec);
  Complete("w", LeaseOne("w"));
  StartWith(-30 * kDay);
  for (int hour = 0; hour < 3; ++hour) {
    Pass(Millis{3'600'000});
    Restart();
  }
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
}

TEST_F(WrongClockTest, AfterASettingAStartThatIsALittleBehindEndsNothing) {
  clock_.Set(kDay);
  Settle();
  const std::string name = CreateTimed();
  StartWith(Millis{-3'500});
  EXPECT_EQ(Complete("w", task_).status, core::CompletionVerdict::kAccepted);
  // How much time passed between the last write and the start is unknown.
  ExpectTimeLeft(name, Millis{15'000}, Millis{3'500});
}

TEST_F(WrongClockTest, AClockThatIsBehindForLongAndThenSetRightAddsNoTime) {
  v1::SearchSpec spec = RandomSpec("s", 100);
  spec.mutable_budget()->mutable_duration()->set_seconds(36'000);
  const std::string name = Create(spec);
  Complete("w", LeaseOne("w"));
  StartWith(-kDay);
  Pass(Millis{2 * 3'600'000});
  SetRight(-kDay);
  Pass(Millis{8 * 3'600'000 - 1});
  EXPECT_EQ(Get(name)->state, SearchState::kRunning);
  Pass(Millis{60'000});
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
  EXPECT_THAT(Get(name)->state_reason, ::testing::StartsWith("its time of 36000 s is up"));
}

TEST_F(WrongClockTest, ARestartAfterTheClockWasSetDeletesNothing) {
  options_.retention = Millis{7'200'000};
  Restart();
  const std::string name = Create(RandomSpec("s", 1));
  Finish();
  clock_.Set(kDay);
  Settle();
  Create(RandomSpec("other", 1));
  Finish();
  Restart();
  Pass(Millis{1'000'000});
  Settle();
  EXPECT_TRUE(Get(name).ok());
}

TEST_F(WrongClockTest, ASearchThatBeginsWithAWrongClockHasItsWholeTime) {
  Create(RandomSpec("first", 1));
  Finish();
  for (const Millis ahead : {kDay, -kDay}) {
    StartWith(ahead);
    const std::string name = CreateTimed();
    EXPECT_EQ(Complete("w", task_).status, core::CompletionVerdict::kAccepted);
    SetRight(ahead);
    ExpectTimeLeft(name, Millis{15'000});
  }
}

TEST_F(WrongClockTest, AfterALongStopItsTimeCountsWhenTheClockHasProvedRight) {
  const std::string name = CreateTimed();
  Complete("w", task_);
  Stop();
  clock_.Pass(kDay);
  Start();
  EXPECT_EQ(Get(name)->state, SearchState::kRunning);
  Pass(StoreClock::kProof);
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
  EXPECT_THAT(Get(name)->state_reason, ::testing::StartsWith("its time of 20 s is up"));
}

TEST_F(WrongClockTest, SettingTheClockIsNoTimeOfAnEvaluation) {
  const std::string name = Create(RandomSpec("s", 1));
  const LeasedTask task = LeaseOne("w");
  Pass(Millis{3'000});
  clock_.Set(kDay);
  Settle();
  Complete("w", task);
  for (const auto& family : metrics_->registry()->Collect()) {
    if (family.name != "layernas_evaluation_seconds") continue;
    EXPECT_EQ(family.metric.at(0).histogram.sample_sum, 3);
    return;
  }
  ADD_FAILURE() << "no histogram";
}

TEST_F(WrongClockTest, AWrongClockAtTheStartIsNoTimeOfAnEvaluation) {
  for (const Millis ahead : {kDay, -kDay}) {
    CreateTimed();
    StartWith(ahead);
    SetRight(ahead);
    Complete("w", task_);
    for (const auto& family : metrics_->registry()->Collect()) {
      if (family.name != "layernas_evaluation_seconds") continue;
      EXPECT_EQ(family.metric.at(0).histogram.sample_sum, 5);
    }
  }
}

}  // namespace
}  // namespace layernas
