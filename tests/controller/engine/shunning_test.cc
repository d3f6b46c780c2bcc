// Tests workers that keep failing, and leases that their worker no longer knows.
#include <atomic>
#include <thread>

#include "common/base/task_limits.h"
#include "controller/storage/memory_store.h"
#include "tests/controller/engine/engine_fixture.h"
#include "tests/controller/support/hand_run.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using core::CandidateState;
using core::CompletionVerdict;

class ShunningTest : public EngineTest {
 protected:
  WorkerView WorkerOf(const std::string& id) {
    const auto workers = Await<std::vector<WorkerView>>([this](auto reply) { engine_->ListWorkers("", 100, reply); });
    for (const WorkerView& worker : *workers) {
      if (worker.info.id == id) return worker;
    }
    ADD_FAILURE() << id << " is not known";
    return {};
  }
  // Leases a task that fails at once.
  void FailOne(const std::string& worker) {
    const Tasks tasks = Lease(worker);
    ASSERT_THAT(tasks, SizeIs(1));
    EXPECT_EQ(Report(worker, tasks[0].token, std::nullopt).status, CompletionVerdict::kAccepted);
  }
};

TEST_F(ShunningTest, AWorkerThatKeepsFailingGetsNothingForAWhile) {
  Create(RandomSpec("s", 200));
  // It is busy, and has not failed.
  LeaseOne("good");
  FailOne("bad");
  FailOne("bad");
  EXPECT_EQ(WorkerOf("bad").failures_in_a_row, 2);
  EXPECT_EQ(WorkerOf("bad").shunned_for, Millis{0});
  FailOne("bad");
  EXPECT_EQ(WorkerOf("bad").failures_in_a_row, 3);
  EXPECT_EQ(WorkerOf("bad").last_failure, "crashed");
  EXPECT_EQ(WorkerOf("bad").shunned_for, Millis{30'000});
  EXPECT_EQ(metrics_->worker_shuns.Value(), 1);

  const Awaited<Tasks> held = Park("bad");
  EXPECT_FALSE(held.Answered());
  EXPECT_THAT(Lease("good"), SizeIs(1));
  Pass(Millis{29'999});
  EXPECT_FALSE(held.Answered());
  Pass(Millis{1});
  ASSERT_TRUE(held.Answered());
  // It gets one more try, with one task, however many it asks for.
  EXPECT_EQ(Report("bad", held.Get()->at(0).token, std::nullopt).status, CompletionVerdict::kAccepted);
  EXPECT_EQ(WorkerOf("bad").shunned_for, Millis{60'000});
  Pass(Millis{60'000});
  const Tasks tried = Lease("bad", 8);
  ASSERT_THAT(tried, SizeIs(1));
  // However often it asks.
  const Awaited<Tasks> more = Park("bad");
  Pass(Millis{1});
  EXPECT_FALSE(more.Answered());
  // The worker is no longer shunned.
  EXPECT_EQ(Complete("bad", tried[0]).status, CompletionVerdict::kAccepted);
  Settle();
  EXPECT_THAT(*more.Get(), SizeIs(1));
  EXPECT_EQ(WorkerOf("bad").failures_in_a_row, 0);
  EXPECT_THAT(Lease("bad", 8), SizeIs(8));
}

TEST_F(ShunningTest, PollsThatWaitAreHeldBackToo) {
  const std::string name = Create(RandomSpec("s", 200));
  LeaseOne("good");
  const Tasks tasks = Lease("bad", 3);
  ASSERT_TRUE(Pause(name).ok());
  const Awaited<Tasks> parked = Park("bad");
  for (const LeasedTask& task : tasks) Report("bad", task.token, std::nullopt);
  ASSERT_TRUE(Resume(name).ok());
  Pass(Millis{20'000});
  EXPECT_FALSE(parked.Answered());
  Pass(Millis{10'000});
  EXPECT_TRUE(parked.Answered());
}

TEST_F(ShunningTest, NobodyIsShunnedWhereEverybodyFails) {
  Create(RandomSpec("s", 200));
  LeaseOne("good");
  for (int i = 0; i < 4; ++i) {
    FailOne("a");
    FailOne("b");
    Pass(Millis{1000});
  }
  EXPECT_EQ(WorkerOf("a").shunned_for, Millis{0});
  EXPECT_EQ(WorkerOf("b").shunned_for, Millis{0});
}

TEST_F(ShunningTest, TheOnlyWorkerThatFitsIsNeverShunned) {
  v1::SearchSpec spec = RandomSpec("s", 200);
  (*spec.mutable_evaluation()->mutable_require())["device"] = "gpu";
  const std::string name = Create(spec);
  Heartbeat("other", {});
  for (int i = 0; i < 10; ++i) {
    LeaseRequest request = Request("only");
    request.worker.labels = {{"device", "gpu"}};
    const auto tasks = Lease(request);
    ASSERT_THAT(*tasks, SizeIs(1));
    Report("only", tasks->at(0).token, std::nullopt);
  }
  // Nobody had to wait for the search to fail.
  EXPECT_EQ(Get(name)->state, core::SearchState::kFailed);
}

TEST_F(ShunningTest, NobodyIsShunnedForOneThatIsAway) {
  options_.lease_duration = Millis{2'000};
  Restart();
  Create(RandomSpec("s", 200));
  Heartbeat("gone", {});
  Pass(Millis{2'001});
  for (int i = 0; i < 3; ++i) FailOne("alive");
  EXPECT_EQ(WorkerOf("alive").shunned_for, Millis{0});
}

// Permanent decisions wait for silent workers, until these are forgotten.
TEST_F(ShunningTest, ASearchDoesNotEndByOneWorkerWhileOthersAreSilent) {
  options_.lease_duration = Millis{2'000};
  Restart();
  v1::SearchSpec spec = RandomSpec("s", 200);
  spec.mutable_budget()->set_initial_failures(5);
  spec.mutable_evaluation()->set_attempts(2);
  const std::string name = Create(spec);
  LeaseOne("good");
  Pass(Millis{2'001});
  for (int i = 0; i < 12; ++i) FailOne("bad");
  EXPECT_EQ(Get(name)->state, core::SearchState::kRunning);
  EXPECT_EQ(Get(name)->candidates[CandidateState::kFailed], 0u);
  Pass(Millis{60'000});
  FailOne("bad");
  EXPECT_EQ(Get(name)->state, core::SearchState::kFailed);
}

TEST_F(ShunningTest, ASearchDoesNotEndByOneWorkerRightAfterARestart) {
  options_.lease_duration = Millis{2'000};
  Restart();
  v1::SearchSpec spec = RandomSpec("s", 200);
  spec.mutable_budget()->set_initial_failures(5);
  const std::string name = Create(spec);
  LeaseOne("good");
  for (int i = 0; i < 2; ++i) FailOne("bad");
  Restart();
  // The good worker has reported nothing yet.
  for (int i = 0; i < 4; ++i) FailOne("bad");
  EXPECT_EQ(Get(name)->state, core::SearchState::kRunning);
  // Its lease has expired.
  Pass(Millis{10'000});
  FailOne("bad");
  EXPECT_EQ(Get(name)->state, core::SearchState::kRunning);
  Pass(Millis{60'000});
  FailOne("bad");
  EXPECT_EQ(Get(name)->state, core::SearchState::kFailed);
}

EngineOptions LeasesOf(Millis duration) {
  EngineOptions options;
  options.lease_duration = duration;
  return options;
}

TEST(ShunningByHand, AfterAPauseWorkersHaveTimeToSpeak) {
  HandRun run(LeasesOf(Millis{3'000}));
  run.Create(RandomSpec("s", 200));
  const LeasedTask held = run.LeaseOne("good");
  run.clock().Pass(Millis{60'000});
  run.engine().StoodStill(Millis{60'000});
  // Turns before the sockets are read.
  TakeTurns(run.engine());
  run.clock().Pass(Millis{2'500});
  TakeTurns(run.engine());
  EXPECT_TRUE(run.Heartbeat("good", held));
  run.clock().Pass(Millis{2'900});
  TakeTurns(run.engine());
  EXPECT_TRUE(run.Heartbeat("good", held));
  EXPECT_EQ(run.metrics().lease_expirations.Value(), 0);
  // From then on silence counts again.
  run.clock().Pass(Millis{3'000});
  TakeTurns(run.engine());
  EXPECT_EQ(run.metrics().lease_expirations.Value(), 1);
}

// While a write hangs, no heartbeat is answered.
TEST(ShunningByHand, AWriteThatHangsCostsNoLease) {
  HandRun run(LeasesOf(Millis{6'000}));
  run.Create(RandomSpec("s", 200));
  const LeasedTask held = run.LeaseOne("good");
  run.LeaseOne("dead");
  run.committer().Hang(run.clock().Now());
  for (int seconds = 0; seconds < 40; ++seconds) {
    run.clock().Pass(Millis{1'000});
    TakeTurns(run.engine());
  }
  run.committer().Hang(std::nullopt);
  TakeTurns(run.engine());
  // Workers whose calls failed need this time.
  run.clock().Pass(Millis{3'900});
  TakeTurns(run.engine());
  EXPECT_EQ(run.metrics().lease_expirations.Value(), 0);
  EXPECT_TRUE(run.Heartbeat("good", held));
  run.clock().Pass(Millis{200});
  TakeTurns(run.engine());
  EXPECT_EQ(run.metrics().lease_expirations.Value(), 1);
}

TEST(ShunningByHand, WritesThatAreAlwaysSlowKeepNoLeaseOfADeadWorker) {
  for (const int write_seconds : {1, 2, 3, 8, 40}) {
    HandRun run(LeasesOf(Millis{6'000}));
    run.Create(RandomSpec("s", 200));
    const LeasedTask held = run.LeaseOne("good");
    run.LeaseOne("dead");
    for (int seconds = 0; run.metrics().lease_expirations.Value() == 0; ++seconds) {
      ASSERT_LT(seconds, 300) << write_seconds;
      // One begins where the other has ended.
      if (seconds % write_seconds == 0) run.committer().Hang(run.clock().Now());
      run.clock().Pass(Millis{1'000});
      TakeTurns(run.engine());
      EXPECT_TRUE(run.Heartbeat("good", held));
    }
  }
}

// The engine could not take turns for a part of that time.
TEST(ShunningByHand, APauseDuringAHangDelaysSilenceOnce) {
  HandRun run(LeasesOf(Millis{6'000}));
  run.Create(RandomSpec("s", 200));
  run.LeaseOne("dead");
  run.committer().Hang(run.clock().Now());
  run.clock().Pass(Millis{3'000});
  TakeTurns(run.engine());
  run.clock().Pass(Millis{20'000});
  run.engine().StoodStill(Millis{20'000});
  run.committer().Hang(std::nullopt);
  TakeTurns(run.engine());
  run.clock().Pass(Millis{4'100});
  TakeTurns(run.engine());
  EXPECT_EQ(run.metrics().lease_expirations.Value(), 1);
}

TEST(ShunningByHand, PausesThatRecurKeepNoLeaseOfADeadWorker) {
  for (const Millis pause : {Millis{1'200}, Millis{20'000}}) {
    HandRun run;
    run.Create(RandomSpec("s", 200));
    run.LeaseOne("dead");
    for (int seconds = 1; run.metrics().lease_expirations.Value() == 0; ++seconds) {
      ASSERT_LT(seconds, 300) << pause.count();
      run.clock().Pass(Millis{1'000});
      if (seconds % 5 == 0) {
        run.clock().Pass(pause);
        run.engine().StoodStill(pause);
      }
      TakeTurns(run.engine());
    }
  }
}

TEST(ShunningByHand, APauseRightAfterAnotherCostsNoLease) {
  HandRun run(LeasesOf(Millis{6'000}));
  run.Create(RandomSpec("s", 200));
  const LeasedTask held = run.LeaseOne("good");
  // Three seconds of running are less than the time in which workers reconnect.
  for (int pause = 0; pause < 3; ++pause) {
    run.clock().Pass(Millis{8'000});
    run.engine().StoodStill(Millis{8'000});
    TakeTurns(run.engine());
    run.clock().Pass(Millis{1'000});
    TakeTurns(run.engine());
  }
  EXPECT_EQ(run.metrics().lease_expirations.Value(), 0);
  EXPECT_TRUE(run.Heartbeat("good", held));
}

// Calls that failed in the second pause are made again after it.
TEST(ShunningByHand, APauseAtTheEndOfTheDelayOfAnotherCostsNoLease) {
  HandRun run(LeasesOf(Millis{6'000}));
  run.Create(RandomSpec("s", 200));
  const LeasedTask held = run.LeaseOne("good");
  for (const Millis running : {Millis{3'900}, Millis{4'050}}) {
    run.clock().Pass(Millis{3'000});
    run.engine().StoodStill(Millis{3'000});
    TakeTurns(run.engine());
    EXPECT_TRUE(run.Heartbeat("good", held));
    // No turn is taken at the very end of the delay.
    run.clock().Pass(running);
    run.clock().Pass(Millis{10'000});
    run.engine().StoodStill(Millis{10'000});
    TakeTurns(run.engine());
    run.clock().Pass(Millis{3'900});
    TakeTurns(run.engine());
    EXPECT_EQ(run.metrics().lease_expirations.Value(), 0) << running.count();
    EXPECT_TRUE(run.Heartbeat("good", held));
    run.clock().Pass(Millis{200});
    TakeTurns(run.engine());
  }
}

// A process can be suspended at any moment, also in the middle of a turn.
class StallingClock final : public Clock {
 public:
  SteadyTime Now() const override {
    if (stalls_.exchange(false)) {
      // Longer than the engine takes for a pause.
      std::this_thread::sleep_for(Millis{1'200});
      clock_.Pass(Millis{60'000});
    }
    return clock_.Now();
  }
  UnixMillis UnixNow() const override { return clock_.UnixNow(); }
  void Stall() { stalls_ = true; }

 private:
  mutable FakeClock clock_;
  mutable std::atomic<bool> stalls_{false};
};

TEST(EnginePause, InATurnCostsNoLease) {
  storage::MemoryStore store{1};
  ControllerMetrics metrics;
  StallingClock clock;
  auto engine = *Engine::Create(store, LeasesOf(Millis{3'000}), ParseStoredSpec, metrics, clock);
  const v1::SearchSpec spec = RandomSpec("s", 10);
  ASSERT_TRUE(Await<SearchView>([&](auto reply) {
                engine->CreateSearch({spec.name(), spec.SerializeAsString(), ToCoreConfig(spec), ""}, reply);
              }).ok());
  LeaseRequest request;
  request.worker.id = "good";
  request.deadline = clock.Now();
  const auto tasks = Await<Tasks>([&](auto reply) { engine->LeaseTasks(request, reply); });
  ASSERT_THAT(*tasks, SizeIs(1));
  clock.Stall();
  for (int turn = 0; turn < 3; ++turn) {
    ASSERT_TRUE(Await<std::vector<WorkerView>>([&](auto reply) { engine->ListWorkers("", 1, reply); }).ok());
  }
  EXPECT_EQ(metrics.lease_expirations.Value(), 0);
}

TEST(ShunningByHand, APauseOfTheControllerMakesNobodyAway) {
  HandRun run(LeasesOf(Millis{2'000}));
  run.Create(RandomSpec("s", 200));
  const LeasedTask held = run.LeaseOne("good");
  for (int i = 0; i < 3; ++i) run.Report("bad", run.LeaseOne("bad"), std::nullopt);
  run.Park("bad", 1);
  ASSERT_EQ(run.parked(), 1) << "it is shunned";
  // The waiting heartbeats come first.
  run.clock().Pass(Millis{5'000});
  EXPECT_TRUE(run.Heartbeat("good", held));
  EXPECT_EQ(run.parked(), 1);
}

TEST_F(ShunningTest, AWorkerWhosePollIsAnsweredIsThere) {
  options_.lease_duration = Millis{2'000};
  Restart();
  const Awaited<Tasks> parked = Park("good");
  Pass(Millis{5'000});
  Create(RandomSpec("s", 200));
  ASSERT_TRUE(parked.Answered());
  Pass(Millis{500});
  for (int i = 0; i < 3; ++i) FailOne("bad");
  EXPECT_EQ(WorkerOf("bad").shunned_for, Millis{30'000});
}

// A worker whose only failures are old may have long trainings under way.
TEST_F(ShunningTest, OnlyTheTestItselfKeepsAWorkerFromMoreTasks) {
  Create(RandomSpec("s", 200));
  LeaseOne("good");
  const Tasks held = Lease("bad", 3);
  ASSERT_THAT(held, SizeIs(3));
  for (int i = 0; i < 3; ++i) FailOne("bad");
  std::vector<HeldLease> leases;
  for (const LeasedTask& task : held) leases.push_back({FormatLeaseToken(task.token)});
  for (int i = 0; i < 31; ++i) {
    Pass(Millis{1'000});
    EXPECT_TRUE(Await<std::vector<LeaseVerdict>>([&](auto reply) {
                  engine_->Heartbeat({"bad", {}, 4, "test"}, leases, reply);
                }).ok());
  }
  EXPECT_THAT(Lease("bad", 4), SizeIs(1));
}

TEST_F(ShunningTest, AShunEndsWithTheLastOtherWorker) {
  Create(RandomSpec("s", 200));
  LeaseOne("good");
  for (int i = 0; i < 3; ++i) FailOne("bad");
  const Awaited<Tasks> held = Park("bad");
  EXPECT_FALSE(held.Answered());
  EXPECT_TRUE(Await<bool>([&](auto reply) { engine_->ReleaseTasks(WorkerId("good", ""), {}, reply, true); }).ok());
  Pass(Millis{100});
  EXPECT_TRUE(held.Answered());
}

TEST_F(ShunningTest, LostLeasesCountAsFailures) {
  options_.lease_duration = Millis{1'000};
  Restart();
  Create(RandomSpec("s", 200));
  for (int i = 0; i < 3; ++i) {
    LeaseOne("bad");
    Heartbeat("good", {});
    Pass(Millis{1'000});
  }
  EXPECT_EQ(WorkerOf("bad").shunned_for, Millis{30'000});
  EXPECT_THAT(WorkerOf("bad").last_failure, HasSubstr("nothing was heard"));
}

TEST_F(ShunningTest, AWorkerThatIsGoneHasFailedOnce) {
  options_.lease_duration = Millis{1'000};
  Restart();
  // In three searches, at three times.
  for (const char* name : {"a", "b", "c"}) {
    Create(RandomSpec(name, 200));
    LeaseOne("gone");
    Pass(Millis{10});
  }
  Heartbeat("good", {});
  Pass(Millis{990});
  Pass(Millis{10});
  Pass(Millis{10});
  EXPECT_EQ(metrics_->lease_expirations.Value(), 3);
  EXPECT_EQ(WorkerOf("gone").failures_in_a_row, 1);
}

TEST_F(ShunningTest, TheLastWorkerThatIsNotShunnedIsNotShunned) {
  Create(RandomSpec("s", 200));
  LeaseOne("good");
  for (int i = 0; i < 3; ++i) FailOne("bad");
  EXPECT_EQ(WorkerOf("bad").shunned_for, Millis{30'000});
  // A search that knows no other failing worker.
  const std::string other = Create(RandomSpec("t", 200));
  for (int i = 0; i < 6; ++i) FailOne("good");
  EXPECT_EQ(WorkerOf("good").shunned_for, Millis{0});
}

TEST_F(ShunningTest, ALeaseThatItsWorkerDoesNotListIsOver) {
  const std::string name = Create(RandomSpec("s", 5));
  const LeasedTask lost = LeaseOne("w");
  const LeasedTask kept = LeaseOne("w");
  const std::string token = FormatLeaseToken(kept.token);
  // So new that the worker may not know it yet.
  Pass(Millis{9'999});
  EXPECT_THAT(Heartbeat("w", {token}), ElementsAre(true));
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  Pass(Millis{1});
  EXPECT_THAT(Heartbeat("w", {token}), ElementsAre(true));
  EXPECT_EQ(Candidate(name, 2).state, CandidateState::kLeased);
  const core::Candidate candidate = Candidate(name, 1);
  EXPECT_EQ(candidate.state, CandidateState::kQueued);
  ASSERT_THAT(candidate.failures, SizeIs(1));
  EXPECT_EQ(candidate.failures[0].kind, core::FailureKind::kWorkerLost);
  EXPECT_THAT(candidate.failures[0].message, HasSubstr("does not know this lease"));
  // Others get it at once, a third of a lease after it was granted.
  EXPECT_EQ(LeaseOne("v").token, Token(1, 1, 2));
  // If the worker still had the task, its result counts.
  EXPECT_EQ(Complete("w", lost).status, CompletionVerdict::kAccepted);
}

// The worker may hold more leases than one call can list.
TEST_F(ShunningTest, AFullHeartbeatEndsNoOtherLease) {
  const std::string name = Create(RandomSpec("s", 5));
  LeaseOne("w");
  const std::string token = FormatLeaseToken(LeaseOne("w").token);
  Pass(Millis{10'000});
  Heartbeat("w", std::vector<std::string>(kMaxLeasesPerCall, token));
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  Heartbeat("w", std::vector<std::string>(kMaxLeasesPerCall - 1, token));
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kQueued);
}

TEST_F(ShunningTest, AResultInTheSameTurnAsTheHeartbeatThatLacksItStands) {
  const std::string name = Create(RandomSpec("s", 50));
  for (int i = 0; i < 20; ++i) {
    const LeasedTask task = LeaseOne("w");
    clock_.Pass(Millis{10'000});
    const Awaited<Verdicts> completed;
    const Awaited<std::vector<LeaseVerdict>> heard;
    engine_->CompleteTasks("w", {{FormatLeaseToken(task.token), Evaluate(task.architecture), {}, ""}},
                           completed.reply());
    engine_->Heartbeat({"w", {}, 1, "test"}, {}, heard.reply());
    ASSERT_TRUE(heard.Get().ok());
    EXPECT_EQ(completed.Get()->at(0).status, CompletionVerdict::kAccepted);
    EXPECT_EQ(Candidate(name, task.token.number).state, CandidateState::kSucceeded);
    EXPECT_THAT(Candidate(name, task.token.number).failures, IsEmpty());
  }
}

}  // namespace
}  // namespace layernas
