#include "common/spec/validate.h"
#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using core::CandidateState;
using core::CompletionVerdict;
using core::SearchState;

class LeasesTest : public EngineTest {
 protected:
  std::vector<WorkerView> Workers() {
    return *Await<std::vector<WorkerView>>([this](auto reply) { engine_->ListWorkers("", 100, reply); });
  }
};

TEST_F(LeasesTest, ATaskHasAllThatAWorkerNeeds) {
  const std::string name = Create(RandomSpec("s", 5));
  clock_.Pass(Millis{700});
  const LeasedTask task = LeaseOne("w");
  EXPECT_EQ(task.token, Token(1, 1, 1));
  EXPECT_EQ(task.search_name, name);
  EXPECT_EQ(*task.spec, RandomSpec("s", 5).SerializeAsString());
  EXPECT_EQ(task.architecture.size(), 4u);
  const core::Candidate candidate = Candidate(name, 1);
  EXPECT_EQ(candidate.state, CandidateState::kLeased);
  EXPECT_EQ(candidate.architecture, task.architecture);
  EXPECT_EQ(candidate.worker, "w");
  EXPECT_EQ(candidate.attempt, 1);
  EXPECT_EQ(candidate.started, FakeClock::kStart + 700);
}

TEST_F(LeasesTest, ResultsAreStillThereAfterARestart) {
  const std::string name = Create(LayerNasSpec("s"));
  for (int i = 0; i < 4; ++i) Complete("w", LeaseOne("w"));
  const LeasedTask open = LeaseOne("w");
  const std::vector<core::Candidate> before = Candidates(name);
  const SearchView view_before = *Get(name);
  Restart();
  EXPECT_EQ(Candidates(name), before);
  const SearchView view = *Get(name);
  EXPECT_EQ(view.sequence, view_before.sequence);
  EXPECT_EQ(view.position, view_before.position);
  EXPECT_EQ(view.candidates, view_before.candidates);
  EXPECT_EQ(view.ready, view_before.ready);
  EXPECT_EQ(view.frontier_size, view_before.frontier_size);
  EXPECT_EQ(view.layer, view_before.layer);
  // The earlier lease is still valid.
  EXPECT_EQ(Complete("w", open).status, CompletionVerdict::kAccepted);
  EXPECT_GT(Finish(), 0);
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
  EXPECT_THAT(Check().problems, IsEmpty());
}

TEST_F(LeasesTest, RestartsChangeNothingOfTheSearch) {
  const auto run = [this](const std::string& slug, bool restarts) {
    const std::string name = Create(LayerNasSpec(slug, 4, 4));
    for (int i = 0;; ++i) {
      if (restarts && i % 7 == 3) Restart();
      const Tasks tasks = Lease("w", 1 + i % 3);
      if (tasks.empty()) break;
      for (const LeasedTask& task : tasks) Complete("w", task);
    }
    std::vector<core::Architecture> architectures;
    for (const core::Candidate& candidate : Candidates(name)) {
      architectures.push_back(candidate.architecture);
    }
    return architectures;
  };
  const std::vector<core::Architecture> without = run("a", false);
  EXPECT_GT(without.size(), 20u);
  EXPECT_EQ(run("b", true), without);
}

TEST_F(LeasesTest, ASilentWorkersCandidateGoesToTheNext) {
  const std::string name = Create(RandomSpec("s", 5));
  const LeasedTask first = LeaseOne("a");
  Pass(kLease - Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  Pass(Millis{1});
  core::Candidate candidate = Candidate(name, 1);
  EXPECT_EQ(candidate.state, CandidateState::kQueued);
  ASSERT_EQ(candidate.failures.size(), 1u);
  EXPECT_EQ(candidate.failures[0].kind, core::FailureKind::kWorkerLost);
  EXPECT_EQ(candidate.failures[0].worker, "a");
  EXPECT_EQ(metrics_->lease_expirations.Value(), 1);

  const LeasedTask second = LeaseOne("b");
  EXPECT_EQ(second.token, Token(1, 1, 2));
  EXPECT_EQ(second.seed, first.seed);
  // The first worker's result is late, but arrives first.
  EXPECT_EQ(Complete("a", first).status, CompletionVerdict::kAccepted);
  candidate = Candidate(name, 1);
  EXPECT_EQ(candidate.state, CandidateState::kSucceeded);
  EXPECT_EQ(candidate.result_attempt, 1);
  EXPECT_EQ(candidate.worker, "a");
  EXPECT_THAT(Heartbeat("b", {FormatLeaseToken(second.token)}), ElementsAre(false));
  const CompletionVerdict refused = Complete("b", second);
  EXPECT_EQ(refused.status, CompletionVerdict::kRefused);
  EXPECT_THAT(refused.message, HasSubstr("another result came first"));
  // The same report again is accepted.
  EXPECT_EQ(Complete("a", first).status, CompletionVerdict::kAccepted);
  EXPECT_EQ(Get(name)->candidates.at(CandidateState::kSucceeded), 1u);
}

TEST_F(LeasesTest, HeartbeatsKeepALease) {
  const std::string name = Create(RandomSpec("s", 5));
  const std::string token = FormatLeaseToken(LeaseOne("w").token);
  for (int i = 0; i < 5; ++i) {
    Pass(kLease - Millis{1});
    EXPECT_THAT(Heartbeat("w", {token}), ElementsAre(true));
  }
  // But not the leases of another worker.
  Pass(kLease - Millis{1});
  Heartbeat("v", {token});
  Pass(Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kQueued);
  // No other worker has it yet, so its worker may continue, and no attempt is lost.
  EXPECT_THAT(Heartbeat("w", {token}), ElementsAre(true));
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  EXPECT_THAT(Candidate(name, 1).failures, IsEmpty());
  Pass(kLease - Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  Pass(Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kQueued);
}

TEST_F(LeasesTest, HeartbeatsSayWhatToStop) {
  const std::string name = Create(RandomSpec("s", 5));
  const std::string token = FormatLeaseToken(LeaseOne("w").token);
  EXPECT_THAT(Heartbeat("w", {token, FormatLeaseToken(Token(9, 9, 9)), FormatLeaseToken(Token(1, 1, 2)),
                              FormatLeaseToken(Token(1, 99, 1)), "rubbish", ""}),
              ElementsAre(true, false, false, false, false, false));
  ASSERT_TRUE(Cancel(name).ok());
  EXPECT_THAT(Heartbeat("w", {token}), ElementsAre(false));
  ASSERT_TRUE(Delete(name).ok());
  EXPECT_THAT(Heartbeat("w", {token}), ElementsAre(false));
}

TEST_F(LeasesTest, HeartbeatsSayHowFarATrainingHasCome) {
  const std::string name = Create(RandomSpec("s", 5));
  const std::string token = FormatLeaseToken(LeaseOne("w").token);
  EXPECT_EQ(Workers().at(0).progress.at(0).epoch, 0);
  EXPECT_THAT(HeartbeatWith("w", {{token, TaskProgress{2, 5, 0.25}}}), ElementsAre(true));
  // The next heartbeat has no news.
  EXPECT_THAT(Heartbeat("w", {token}), ElementsAre(true));
  const std::vector<WorkerView> workers = Workers();
  ASSERT_THAT(workers.at(0).progress, ::testing::SizeIs(1));
  EXPECT_EQ(workers[0].progress[0].epoch, 2);
  EXPECT_EQ(workers[0].progress[0].epochs, 5);
  EXPECT_EQ(workers[0].progress[0].reward, 0.25);
}

TEST_F(LeasesTest, WinnersAreTrainedInFullAndKept) {
  v1::SearchSpec wanted = RandomSpec("s", 3);
  wanted.mutable_final()->set_seeds(2);
  const std::string name = Create(spec::WithDefaults(wanted));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Complete("w", LeaseOne("w")).status, CompletionVerdict::kAccepted);
  ASSERT_THAT(Get(name)->winners, ::testing::SizeIs(1));
  const LeasedTask first = LeaseOne("w");
  EXPECT_TRUE(first.is_final);
  EXPECT_EQ(Complete("w", first).status, CompletionVerdict::kAccepted);
  Restart();
  const LeasedTask second = LeaseOne("v");
  EXPECT_TRUE(second.is_final);
  EXPECT_NE(second.seed, first.seed);
  EXPECT_EQ(second.architecture, first.architecture);
  const core::WeightsFile kept{"/weights/5", std::string(64, 'a'), 12};
  const auto verdicts = Await<Verdicts>([&](auto reply) {
    engine_->CompleteTasks(
        "v", {{FormatLeaseToken(second.token), core::AttemptResult(Evaluate(second.architecture), {}, {kept}), {}, ""}},
        reply);
  });
  EXPECT_EQ(verdicts->at(0).status, CompletionVerdict::kAccepted);
  const auto view = Get(name);
  EXPECT_EQ(view->state, SearchState::kSucceeded);
  EXPECT_EQ(view->trainings, 3);
  ASSERT_THAT(view->winners, ::testing::SizeIs(1));
  const WinnerView& winner = view->winners[0];
  EXPECT_EQ(winner.succeeded, 2);
  EXPECT_EQ(winner.reward_deviation, 0);
  EXPECT_THAT(winner.finals, ElementsAre(4, 5));
  EXPECT_THAT(winner.weights, ElementsAre(std::pair(kept, std::string("v"))));
  EXPECT_EQ(Candidate(name, 5).weights, std::vector{kept});
}

TEST_F(LeasesTest, ARestartGivesLeasesTheirFullTimeAgain) {
  const std::string name = Create(RandomSpec("s", 5));
  LeaseOne("w");
  Pass(kLease - Millis{1});
  Restart();
  Pass(kLease - Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  EXPECT_EQ(Candidate(name, 1).attempt, 1);
  Pass(Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kQueued);
}

// A million results take seconds to load.
TEST_F(LeasesTest, LoadingTakesNothingFromALease) {
  const std::string name = Create(RandomSpec("s", 5));
  LeaseOne("w");
  engine_.reset();
  auto engine = Engine::Create(
      *store_, options_,
      [this](std::string_view spec) {
        clock_.Pass(2 * kLease);
        return ToCoreConfig(spec);
      },
      *metrics_, clock_);
  ASSERT_TRUE(engine.ok());
  engine_ = *std::move(engine);
  Pass(kLease - Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
}

// For example its worker was cut off, and was told to end meanwhile. Both calls arrive at last.
TEST_F(LeasesTest, WhatIsReturnedAfterItsLeaseIsNotLostAndNotResumed) {
  const std::string name = Create(RandomSpec("s", 5));
  const LeasedTask task = LeaseOne("w");
  Pass(kLease);
  EXPECT_EQ(Candidate(name, 1).failures.size(), 1u);
  Release("w", task.token);
  EXPECT_THAT(Candidate(name, 1).failures, IsEmpty());
  EXPECT_THAT(Heartbeat("w", {FormatLeaseToken(task.token)}), ElementsAre(false));
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kQueued);
  EXPECT_EQ(LeaseOne("v").token, Token(1, 1, 2));
  // Too late: another one works on it.
  Release("w", task.token);
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
}

TEST_F(LeasesTest, AReleasedCandidateIsAsGoodAsNew) {
  const std::string name = Create(RandomSpec("s", 5));
  const LeasedTask task = LeaseOne("w");
  // Another worker cannot release it.
  Release("v", task.token);
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  Release("w", task.token);
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kQueued);
  EXPECT_THAT(Candidate(name, 1).failures, IsEmpty());
  Release("w", task.token);
  EXPECT_EQ(LeaseOne("w").token, Token(1, 1, 2));
}

TEST_F(LeasesTest, ALeaseTakenWithTheReleaseOfTheOldOneHasItsFullTime) {
  const std::string name = Create(RandomSpec("s", 5));
  const LeasedTask task = LeaseOne("w");
  Pass(kLease - Millis{1});
  const Awaited<bool> released;
  const Awaited<Tasks> leased;
  engine_->ReleaseTasks("w", {FormatLeaseToken(task.token)}, released.reply());
  engine_->LeaseTasks(Request("w"), leased.reply());
  EXPECT_THAT(Tokens(*leased.Get()), ElementsAre(Token(1, 1, 2)));
  Pass(kLease - Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  Pass(Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kQueued);
}

TEST_F(LeasesTest, AFailedAttemptIsMadeElsewhereAfterABackOff) {
  const std::string name = Create(RandomSpec("s", 1));
  const LeasedTask task = LeaseOne("a");
  EXPECT_EQ(Report("a", task.token, std::nullopt).status, CompletionVerdict::kAccepted);
  const Awaited<Tasks> same = Park(Request("a", 1, Millis{60'000}));
  const Awaited<Tasks> other = Park(Request("b", 1, Millis{60'000}));
  Pass(Millis{499});
  EXPECT_FALSE(other.Answered());
  Pass(Millis{1});
  EXPECT_THAT(Tokens(*other.Get()), ElementsAre(Token(1, 1, 2)));
  EXPECT_FALSE(same.Answered());
  // An invalid result is a failed attempt. If no attempt can succeed, that is an outcome.
  EXPECT_EQ(Report("b", Token(1, 1, 2), core::Metrics{{"loss", 1}}).status, CompletionVerdict::kInvalid);
  Pass(Millis{1000});
  Pass(Millis{5000});
  ASSERT_TRUE(same.Answered());
  EXPECT_EQ(Report("a", Token(1, 1, 3), std::nullopt, core::FailureKind::kInfeasible).status,
            CompletionVerdict::kAccepted);
  const core::Candidate candidate = Candidate(name, 1);
  EXPECT_EQ(candidate.state, CandidateState::kInfeasible);
  EXPECT_EQ(candidate.failures.size(), 3u);
  EXPECT_EQ(Get(name)->state, SearchState::kFailed);
}

TEST_F(LeasesTest, ReportsOfNothingAreRefused) {
  for (const std::string& token :
       {std::string(), std::string("rubbish"), FormatLeaseToken(Token(1, 1, 1)), FormatLeaseToken(Token(7, 1, 1))}) {
    const auto verdicts = Await<Verdicts>([&](auto reply) {
      engine_->CompleteTasks("w", {{token, core::Metrics{{"accuracy", 1}}, {}, ""}}, reply);
    });
    EXPECT_EQ(verdicts->at(0).status, CompletionVerdict::kRefused) << token;
  }
}

TEST_F(LeasesTest, OnlyWorkersWithTheLabelsGetTheWork) {
  v1::SearchSpec spec = RandomSpec("s", 5);
  (*spec.mutable_evaluation()->mutable_require())["device"] = "gpu";
  const std::string name = Create(spec);
  EXPECT_THAT(Get(name)->waiting_for, HasSubstr("none is connected"));
  LeaseRequest plain = Request("plain");
  EXPECT_THAT(*Lease(plain), IsEmpty());
  LeaseRequest wrong = Request("wrong");
  wrong.worker.labels = {{"device", "cpu"}};
  EXPECT_THAT(*Lease(wrong), IsEmpty());
  EXPECT_EQ(
      Get(name)->waiting_for,
      "a worker labelled device=gpu: none of the 2 connected workers matches: plain (no labels), wrong (device=cpu)");
  LeaseRequest right = Request("right");
  right.worker.labels = {{"device", "gpu"}, {"zone", "a"}};
  EXPECT_EQ(Lease(right)->size(), 1u);
  EXPECT_EQ(Get(name)->waiting_for, "");
}

TEST_F(LeasesTest, WhichLabelIsMissingIsSaidOfTheNearestWorkersFirst) {
  v1::SearchSpec spec = RandomSpec("s", 5);
  (*spec.mutable_evaluation()->mutable_require())["device"] = "gpu";
  (*spec.mutable_evaluation()->mutable_require())["memory"] = ">=16";
  const std::string name = Create(spec);
  LeaseRequest far = Request("far");
  far.worker.labels = {{"device", "cpu"}};
  LeaseRequest near = Request("near");
  near.worker.labels = {{"device", "gpu"}, {"memory", "8"}};
  EXPECT_THAT(*Lease(far), IsEmpty());
  EXPECT_THAT(*Lease(near), IsEmpty());
  EXPECT_EQ(Get(name)->waiting_for,
            "a worker labelled device=gpu, memory>=16: none of the 2 connected workers matches: near (device=gpu, "
            "memory=8; lacks "
            "memory>=16), far (device=cpu)");
}

TEST_F(LeasesTest, SearchesShareTheWorkersEvenly) {
  for (const char* slug : {"a", "b"}) Create(RandomSpec(slug, 50));
  const auto shares = [](const Tasks& tasks) {
    std::map<std::uint64_t, int> count;
    for (const LeasedTask& task : tasks) ++count[task.token.search];
    return count;
  };
  EXPECT_EQ(shares(Lease("w", 10)), (std::map<std::uint64_t, int>{{1, 5}, {2, 5}}));
  // A new search first catches up.
  Create(RandomSpec("c", 50));
  EXPECT_EQ(shares(Lease("w", 8)), (std::map<std::uint64_t, int>{{1, 1}, {2, 1}, {3, 6}}));
}

TEST_F(LeasesTest, WorkersAreKnownWhileTheyAreHeard) {
  const std::string name = Create(RandomSpec("s", 5));
  Lease("b", 2);
  clock_.Pass(Millis{1000});
  Heartbeat("a", {});
  const std::vector<WorkerView> workers = Workers();
  ASSERT_EQ(workers.size(), 2u);
  EXPECT_EQ(workers[0].info.id, "a");
  EXPECT_EQ(workers[0].since_heard, Millis{0});
  EXPECT_THAT(workers[0].candidates, IsEmpty());
  EXPECT_EQ(workers[1].since_heard, Millis{1000});
  EXPECT_THAT(workers[1].candidates, ElementsAre(name + "/candidates/1", name + "/candidates/2"));
  Pass(3 * kLease);
  EXPECT_EQ(Workers().size(), 1u);
  Pass(Millis{1});
  EXPECT_THAT(Workers(), IsEmpty());
}

TEST_F(LeasesTest, DrainingAnswersPollsAndTakesReports) {
  Create(RandomSpec("s", 1));
  const LeasedTask task = LeaseOne("w");
  const Awaited<Tasks> parked = Park("v");
  engine_->Drain();
  EXPECT_EQ(parked.Get().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Lease(Request("v")).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Heartbeat("w", {FormatLeaseToken(task.token)}), ElementsAre(true));
  EXPECT_EQ(Complete("w", task).status, CompletionVerdict::kAccepted);
}

TEST_F(LeasesTest, TheEndOfTheEngineAnswersEverything) {
  const std::string name = Create(RandomSpec("s", 1));
  const LeasedTask task = LeaseOne("w");
  const Awaited<Tasks> parked = Park("v");
  const Awaited<Verdicts> completed;
  const Awaited<CandidatePage> listed;
  engine_->CompleteTasks("w", {{FormatLeaseToken(task.token), Evaluate(task.architecture), {}, ""}}, completed.reply());
  engine_->ListCandidates(name, {}, 0, kAll, listed.reply());
  engine_.reset();
  ASSERT_TRUE(parked.Answered() && completed.Answered() && listed.Answered());
  EXPECT_EQ(parked.Get().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(completed.Get()->at(0).status, CompletionVerdict::kAccepted);
  EXPECT_EQ(listed.Get()->page.items[0].state, CandidateState::kSucceeded);
}

}  // namespace
}  // namespace layernas
