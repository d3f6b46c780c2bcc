// Tests that strategies compute their proposals outside of the engine's thread.
#include "tests/controller/engine/engine_fixture.h"
#include "tests/controller/support/cpu_time.h"
#include "tests/controller/support/hand_run.h"

namespace layernas {
namespace {

using ::testing::SizeIs;

v1::SearchSpec GuidedSpec(int trainings) {
  v1::SearchSpec spec = SpaceOf("guided", 8, 4);
  spec.mutable_strategy()->mutable_guided_layernas();
  spec.mutable_objective()->add_targets(60);
  spec.mutable_budget()->set_trainings(trainings);
  return spec;
}

class ComputedProposals : public EngineTest {
 protected:
  static constexpr Millis kLong{60'000};

  // Works until the search ends or `most` candidates have been evaluated.
  void Work(const std::string& name, int most) {
    for (int done = 0; done < most && !core::IsFinal(Get(name)->state);) {
      const auto tasks = Lease(Request("w1", 3, kLong));
      ASSERT_TRUE(tasks.ok()) << tasks.status();
      for (const LeasedTask& task : *tasks) {
        EXPECT_EQ(Complete("w1", task).status, core::CompletionVerdict::kAccepted);
        ++done;
      }
    }
  }
};

TEST_F(ComputedProposals, AParkedPollGetsThemWhenTheyAreThere) {
  const std::string name = Create(GuidedSpec(40));
  Work(name, 1000);
  EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
  EXPECT_THAT(Candidates(name), SizeIs(40));
}

// One slot polls again as soon as it is free, and another search always has a task for it. However
// long computing takes, the shares determine the order.
class SharedComputedProposals : public ComputedProposals {
 protected:
  // Returns how many of that number of evaluations belong to the search.
  int WorkOn(const std::string& name, int evaluations) {
    int of_search = 0;
    for (int i = 0; i < evaluations; ++i) {
      const auto tasks = Lease(Request("w1", 1, kLong));
      EXPECT_TRUE(tasks.ok() && tasks->size() == 1) << tasks.status();
      if (!tasks.ok() || tasks->empty()) return of_search;
      clock_.Pass(Millis{1000});
      EXPECT_EQ(Complete("w1", tasks->front()).status, core::CompletionVerdict::kAccepted);
      of_search += tasks->front().search_name == name ? 1 : 0;
    }
    return of_search;
  }
};

TEST_F(SharedComputedProposals, OfHigherPriorityComeFirst) {
  for (const bool other_computes : {false, true}) {
    const std::string other = Create(other_computes ? GuidedSpec(100) : RandomSpec("other", 1'000'000, 12, 8));
    v1::SearchSpec spec = GuidedSpec(40);
    spec.mutable_sharing()->set_priority(10);
    const std::string name = Create(spec);
    EXPECT_EQ(WorkOn(name, 40), 40) << other_computes;
    EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
    EXPECT_EQ(WorkOn(other, 5), 5);
    ASSERT_TRUE(Cancel(other).ok());
  }
}

TEST_F(SharedComputedProposals, HaveTheShareOfTheirWeight) {
  Create(RandomSpec("other", 1'000'000, 12, 8));
  v1::SearchSpec spec = GuidedSpec(1000);
  spec.mutable_sharing()->set_weight(3);
  EXPECT_NEAR(WorkOn(Create(spec), 80), 60, 2);
}

TEST_F(SharedComputedProposals, WhatIsLeftOfAPollGoesToOthers) {
  const std::string other = Create(RandomSpec("other", 1'000'000, 12, 8));
  const std::string name = Create(GuidedSpec(1000));
  // The first proposals need no computation.
  WorkOn(name, 60);
  // A worker that takes many tasks at once, and polls again when it has reported all. How many
  // rounds computing takes depends on the machine. One proposal is ready for the next poll.
  int of_search = 0;
  for (int i = 0; i < 20'000 && of_search < 5; ++i) {
    const auto tasks = Lease(Request("w1", 8, kLong));
    ASSERT_TRUE(tasks.ok()) << tasks.status();
    std::map<std::string, int> counts;
    for (const LeasedTask& task : *tasks) ++counts[task.search_name];
    EXPECT_GE(counts[other], 1) << "nobody waits for what is of others";
    EXPECT_LE(counts[name], 5) << "no more is computed than is its share";
    of_search += counts[name];
    clock_.Pass(Millis{1000});
    for (const LeasedTask& task : *tasks) Complete("w1", task);
  }
  EXPECT_GE(of_search, 5);
}

TEST_F(ComputedProposals, ASearchGoesOnAfterARestart) {
  const std::string name = Create(GuidedSpec(40));
  Work(name, 20);
  Restart();
  Work(name, 1000);
  EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
  std::set<core::Architecture> distinct;
  for (const core::Candidate& candidate : Candidates(name)) distinct.insert(candidate.architecture);
  EXPECT_THAT(distinct, SizeIs(40));
}

TEST_F(ComputedProposals, ASearchMayBeDeletedWhileTheyAreComputed) {
  for (int i = 0; i < 10; ++i) {
    const std::string name = Create(GuidedSpec(60));
    Work(name, 20);
    Awaited<Tasks> parked;
    engine_->LeaseTasks(Request("w2", 8, kLong), parked.reply());
    ASSERT_TRUE(Cancel(name).ok());
    ASSERT_TRUE(Delete(name).ok());
  }
  Restart();
}

TEST(ComputedProposalsByHand, ManySlotsOfAWorkerAreFilledInFewComputations) {
  HandRun run;
  run.Create(GuidedSpec(500));
  run.BeginAll();
  while (run.Compute()) {
  }
  run.given().clear();
  constexpr std::size_t kSlots = 64;
  int computations = 0;
  // As an agent polls: for all free slots, as soon as it has an answer.
  for (int i = 0; run.given().size() < kSlots; ++i) {
    ASSERT_LT(i, 200);
    if (run.parked() == 0) run.Park("big", static_cast<int>(kSlots - run.given().size()));
    if (run.Compute()) ++computations;
  }
  EXPECT_LE(computations, 6) << "16 at once";
}

TEST(ComputedProposalsByHand, PollsThatWaitLongCostATurnNoMore) {
  HandRun run;
  for (int i = 0; i < 40; ++i) run.Create(GuidedSpec(500));
  constexpr int kPolls = 400;
  // Until the only proposals left must be computed first.
  for (int idle = 0; idle < 3;) {
    run.Park("first", 16);
    idle = run.given().empty() ? idle + 1 : 0;
    for (const LeasedTask& task : std::exchange(run.given(), {})) run.Complete("first", task);
  }
  for (int i = 0; i < kPolls; ++i) run.Park("w" + std::to_string(i), 1);
  const auto cost = [&run] {
    return CpuSecondsOf([&run] {
      for (int i = 0; i < 10; ++i) {
        run.clock().Pass(Millis{1});
        run.Park("more", 1);
      }
    });
  };
  const double before = cost();
  run.clock().Pass(Millis{3'000});
  EXPECT_LT(cost(), 3 * before + 0.01);
}

TEST(ComputedProposalsByHand, ADrainEndsWhatIsComputed) {
  storage::MemoryStore store(1);
  FakeClock clock;
  ControllerMetrics metrics;
  auto owned = std::make_unique<HeldExecutor>();
  HeldExecutor& solver = *owned;
  EngineThreads threads = DirectThreads(store);
  threads.solver = std::move(owned);
  const auto engine = Engine::CreateByHand(store, {}, ParseStoredSpec, metrics, clock, std::move(threads));
  ASSERT_TRUE(engine.ok());
  Engine& run = **engine;
  v1::SearchSpec spec = SpaceOf("guided", 40, 10);
  spec.mutable_strategy()->mutable_guided_layernas();
  spec.mutable_budget()->set_trainings(500);
  run.CreateSearch({spec.name(), spec.SerializeAsString(), *ToCoreConfig(spec.SerializeAsString()), ""},
                   [](const auto& view) { EXPECT_TRUE(view.ok()); });
  // Reports results until everything that can be leased must be computed first.
  for (int i = 0; solver.held.empty(); ++i) {
    ASSERT_LT(i, 500);
    LeaseRequest request;
    request.worker.id = "w";
    request.max_tasks = 16;
    request.request_id = std::to_string(i);
    request.deadline = clock.Now() + std::chrono::hours(1);
    run.LeaseTasks(std::move(request), [&run](const absl::StatusOr<Tasks>& tasks) {
      for (const LeasedTask& task : tasks.value_or(Tasks())) {
        layernas::Report report;
        report.token = FormatLeaseToken(task.token);
        report.result = Evaluate(task.architecture);
        run.CompleteTasks("w", {report}, [](const auto&) {});
      }
    });
    TakeTurns(run);
  }
  // 16 proposals: the poll is answered, and the next one waits.
  const double whole = CpuSecondsOf(solver.held[0]);
  TakeTurns(run);
  // Until a poll finds no ready proposal.
  std::optional<absl::Status> answered = absl::OkStatus();
  for (int i = 0; answered; ++i) {
    answered.reset();
    ASSERT_LT(i, 5);
    LeaseRequest next;
    next.worker.id = "v";
    next.max_tasks = 16;
    next.request_id = absl::StrCat("next-", i);
    next.deadline = clock.Now() + std::chrono::hours(1);
    run.LeaseTasks(std::move(next), [&answered](const absl::StatusOr<Tasks>& tasks) { answered = tasks.status(); });
    TakeTurns(run);
  }
  ASSERT_THAT(solver.held, SizeIs(2));
  run.Drain();
  TakeTurns(run);
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->code(), absl::StatusCode::kUnavailable);
  // It ends before its first proposal.
  EXPECT_LT(CpuSecondsOf(solver.held[1]), whole / 4 + 0.005);
  TakeTurns(run);
}

}  // namespace
}  // namespace layernas
