// Distinguishes a bad worker, a lost lease and a bad architecture.
#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using core::CandidateState;
using core::CompletionVerdict;
using core::SearchState;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using JusticeTest = EngineTest;

TEST_F(JusticeTest, ABadWorkerThatJoinsLateEndsNoSearch) {
  v1::SearchSpec spec = RandomSpec("s", 40);
  spec.mutable_budget()->set_initial_failures(4);
  const std::string name = Create(spec);
  // Long trainings.
  Tasks good;
  for (int i = 0; i < 8; ++i) good.push_back(LeaseOne("good-" + std::to_string(i)));
  // A worker with 8 slots and a broken GPU joins.
  int failed = 0;
  for (int round = 0; round < 10; ++round) {
    for (const LeasedTask& task : Lease("bad", 8)) {
      Report("bad", task.token, std::nullopt);
      ++failed;
    }
    Pass(Millis{1'000});
  }
  // More failures than the search tolerates from several workers.
  EXPECT_GE(failed, 4);
  EXPECT_EQ(Get(name)->state, SearchState::kRunning);
  // The worker is shunned.
  EXPECT_THAT(Lease("bad", 8), IsEmpty());
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_EQ(Complete("good-" + std::to_string(i), good[i]).status, CompletionVerdict::kAccepted);
  }
  Pass(Millis{30'000});
  Finish("good-1");
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
  EXPECT_EQ(Get(name)->candidates.at(CandidateState::kSucceeded), 40u);
}

TEST_F(JusticeTest, CandidatesThatFailEverywhereSpeakAgainstNoWorker) {
  const std::string name = Create(RandomSpec("s", 40));
  for (int i = 0; i < 5; ++i) {
    const LeasedTask bad = LeaseOne("a");
    Report("a", bad.token, std::nullopt);
    Complete("a", LeaseOne("a"));
    Pass(Millis{3'000});
    const LeasedTask again = LeaseOne("b");
    EXPECT_EQ(again.token.number, bad.token.number);
    Report("b", again.token, std::nullopt);
    Pass(Millis{10'000});
    Report("b", LeaseOne("b").token, std::nullopt);
    EXPECT_EQ(Candidate(name, bad.token.number).state, CandidateState::kInfeasible);
  }
  EXPECT_THAT(Lease("b", 8), SizeIs(8));
}

TEST_F(JusticeTest, WhereTheOnlyWorkerFailsTheSearchEnds) {
  v1::SearchSpec spec = RandomSpec("s", 40);
  spec.mutable_budget()->set_initial_failures(4);
  const std::string name = Create(spec);
  const Tasks tasks = Lease("only", 8);
  for (int i = 0; i < 4; ++i) Report("only", tasks[i].token, std::nullopt);
  EXPECT_EQ(Get(name)->state, SearchState::kFailed);
}

TEST_F(JusticeTest, TheOnlyWorkerThatMeasuresDoesNotSpeakForTheTrainings) {
  v1::SearchSpec spec = RandomSpec("s", 40);
  spec.mutable_budget()->set_initial_failures(4);
  (*spec.mutable_evaluation()->mutable_measure_on())["device"] = "phone";
  (*spec.mutable_evaluation()->mutable_require())["device"] = "gpu";
  const std::string name = Create(spec);
  const auto lease = [&](const std::string& worker, int count) {
    LeaseRequest request = Request(worker, count);
    request.worker.labels["device"] = worker == "phone" ? "phone" : "gpu";
    return *Lease(request);
  };
  const auto measure = [&](int count) {
    for (const LeasedTask& task : lease("phone", count)) {
      Report("phone", task.token, core::Metrics{{"latency_ms", 1}});
    }
  };
  measure(4);
  const Tasks good = lease("good", 1);
  ASSERT_THAT(good, SizeIs(1));
  measure(1);
  const Tasks bad = lease("bad", 4);
  ASSERT_THAT(bad, SizeIs(4));
  const Tasks last = lease("phone", 1);
  ASSERT_THAT(last, SizeIs(1));
  for (const LeasedTask& task : bad) Report("bad", task.token, std::nullopt);
  Report("phone", last[0].token, std::nullopt, core::FailureKind::kInfeasible);
  EXPECT_EQ(Get(name)->state, SearchState::kRunning);
  EXPECT_EQ(Report("good", good[0].token, core::Metrics{{"accuracy", 0.5}}).status, CompletionVerdict::kAccepted);
}

TEST_F(JusticeTest, WhereSeveralWorkersFailTheSearchEnds) {
  v1::SearchSpec spec = RandomSpec("s", 40);
  spec.mutable_budget()->set_initial_failures(4);
  const std::string name = Create(spec);
  LeaseOne("busy");
  for (int i = 0; i < 4; ++i) {
    const std::string worker = i % 2 == 0 ? "a" : "b";
    Report(worker, LeaseOne(worker).token, std::nullopt);
  }
  EXPECT_EQ(Get(name)->state, SearchState::kFailed);
}

TEST_F(JusticeTest, PreemptionsMakeNoArchitectureInfeasible) {
  const std::string name = Create(RandomSpec("s", 1));
  for (int i = 0; i < 10; ++i) {
    const std::string worker = "spot-" + std::to_string(i);
    const LeasedTask task = LeaseOne(worker);
    EXPECT_EQ(task.token.number, 1u);
    Pass(kLease);
  }
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kQueued);
  Finish("steady");
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kSucceeded);
}

TEST_F(JusticeTest, ASearchWhoseLabelsNobodyHasDoesNotDistortTheOthersShares) {
  v1::SearchSpec heavy = RandomSpec("nobody", 100);
  heavy.mutable_sharing()->set_weight(100);
  (*heavy.mutable_evaluation()->mutable_require())["device"] = "tpu";
  Create(heavy);
  v1::SearchSpec light = RandomSpec("light", 100);
  v1::SearchSpec other = RandomSpec("other", 100);
  light.mutable_sharing()->set_weight(1);
  other.mutable_sharing()->set_weight(3);
  Create(light);
  Create(other);
  std::map<std::uint64_t, int> leased;
  Tasks held = Lease("w", 4);
  for (int i = 0; i < 40; ++i) {
    Pass(Millis{1'000});
    Complete("w", held.front());
    held.erase(held.begin());
    const LeasedTask next = LeaseOne("w");
    ++leased[next.token.search];
    held.push_back(next);
  }
  EXPECT_EQ(leased[2], 10);
  EXPECT_EQ(leased[3], 30);
}

}  // namespace
}  // namespace layernas
