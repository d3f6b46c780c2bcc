// A task's identity consists of store, search, candidate, attempt and architecture. A report with
// another identity is refused.
#include <filesystem>

#include "common/log/log.h"
#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using core::CandidateState;
using core::CompletionVerdict;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Ne;
using ::testing::SizeIs;

class IdentityTest : public EngineTest {
 protected:
  absl::StatusOr<Verdicts> Complete(const std::string& worker, layernas::Report report) {
    return Await<Verdicts>([&](auto reply) { engine_->CompleteTasks(worker, {std::move(report)}, reply); });
  }
  IdentityTest() {
    log::Init("engine-test", "warning");
    ::testing::internal::CaptureStderr();
  }
  ~IdentityTest() override { ::testing::internal::GetCapturedStderr(); }

  // Returns what was logged since the last call.
  static std::string TakeLog() {
    log::Flush();
    const std::string text = ::testing::internal::GetCapturedStderr();
    ::testing::internal::CaptureStderr();
    return text;
  }
  // Starts on the store in `directory`.
  void StartOn(const std::string& directory) {
    Stop();
    directory_ = directory;
    Start();
  }
};

TEST_F(IdentityTest, AWorkerThatOutlivesItsControllersDataReportsToNobody) {
  Create(RandomSpec("first", 3));
  const LeasedTask old = LeaseOne("w");
  StartOn(temp_.Path("empty"));
  // In another space, the same numbers mean another architecture.
  const std::string name = Create(RandomSpec("second", 3, 2, 3));
  const LeasedTask task = LeaseOne("v");
  EXPECT_EQ(task.token.search, old.token.search);
  EXPECT_EQ(task.token.number, old.token.number);
  EXPECT_EQ(task.token.attempt, old.token.attempt);
  EXPECT_NE(task.identity, old.identity);
  const CompletionVerdict verdict = Report("w", old.token, core::Metrics{{"accuracy", 123}});
  EXPECT_EQ(verdict.status, CompletionVerdict::kRefused);
  EXPECT_THAT(verdict.message, HasSubstr("restored from a backup"));
  EXPECT_THAT(Heartbeat("w", {FormatLeaseToken(old.token)}), ElementsAre(false));
  Release("v", old.token);
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  EXPECT_EQ(EngineTest::Complete("v", task).status, CompletionVerdict::kAccepted);
  EXPECT_EQ(Candidate(name, 1).metrics, Evaluate(task.architecture));
}

TEST_F(IdentityTest, APlainCopyOfTheFilesHasTheSameLineageAndOtherSearches) {
  Create(RandomSpec("s", 3));
  Stop();
  const std::string copy = temp_.Path("copy");
  std::filesystem::copy(directory_, copy, std::filesystem::copy_options::recursive);
  Start();
  const std::uint64_t lineage = *store_->Lineage();
  ASSERT_TRUE(Pause("searches/s-1").ok());
  Create(RandomSpec("first", 3));
  const LeasedTask old = LeaseOne("w");
  StartOn(copy);
  ASSERT_EQ(*store_->Lineage(), lineage);
  // Created at another time, from another space.
  clock_.Pass(Millis{60'000});
  const std::string name = Create(RandomSpec("second", 3, 2, 3));
  ASSERT_TRUE(Pause("searches/s-1").ok());
  const LeasedTask task = LeaseOne("v");
  EXPECT_EQ(task.token.search, old.token.search);
  EXPECT_EQ(task.token.number, old.token.number);
  EXPECT_EQ(task.token.attempt, old.token.attempt);
  EXPECT_NE(task.token, old.token);
  EXPECT_NE(task.identity, old.identity);
  EXPECT_EQ(Report("w", old.token, core::Metrics{{"accuracy", 123}}).status, CompletionVerdict::kRefused);
  EXPECT_THAT(Heartbeat("w", {FormatLeaseToken(old.token)}), ElementsAre(false));
  EXPECT_EQ(EngineTest::Complete("v", task).status, CompletionVerdict::kAccepted);
  EXPECT_EQ(Candidate(name, 1).metrics, Evaluate(task.architecture));
}

TEST_F(IdentityTest, ARestoredCopyRefusesWhatWasLeasedMeanwhileAndTrainsItAgain) {
  const std::string name = Create(RandomSpec("s", 12));
  for (const LeasedTask& task : Lease("w", 3)) EngineTest::Complete("w", task);
  const std::string copy = temp_.Path("copy");
  ASSERT_TRUE(store_->CopyTo(copy).ok());
  const Tasks later = Lease("w", 4);
  for (int i = 0; i < 3; ++i) EngineTest::Complete("w", later[i]);
  StartOn(copy);
  EXPECT_THAT(Candidates(name), SizeIs(3));
  // The search continues with other architectures, or with the same ones under the same numbers. No
  // work is mistaken for other work.
  EXPECT_EQ(Report("w", later[3].token, Evaluate(later[3].architecture)).status, CompletionVerdict::kRefused);
  std::set<std::string> identities;
  for (const LeasedTask& task : later) identities.insert(task.identity);
  for (const LeasedTask& task : Lease("w", 4)) {
    EXPECT_FALSE(identities.contains(task.identity));
    EXPECT_EQ(EngineTest::Complete("w", task).status, CompletionVerdict::kAccepted);
  }
  Finish("w");
  EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
  for (const core::Candidate& candidate : Candidates(name)) {
    EXPECT_EQ(candidate.state, CandidateState::kSucceeded);
    EXPECT_EQ(candidate.metrics, Evaluate(candidate.architecture));
  }
}

TEST_F(IdentityTest, AResultOfAnotherArchitectureIsRefused) {
  const std::string name = Create(RandomSpec("s", 3));
  const LeasedTask task = LeaseOne("w");
  layernas::Report report;
  report.token = FormatLeaseToken(task.token);
  report.result = core::Metrics{{"accuracy", 0.9}};
  report.architecture = "3333";
  if (FormatArchitectureId(task.architecture, 4) == "3333") report.architecture = "0000";
  auto verdicts = Complete("w", report);
  EXPECT_EQ(verdicts->at(0).status, CompletionVerdict::kRefused);
  EXPECT_THAT(verdicts->at(0).message, HasSubstr("architecture " + report.architecture));
  // A failure is not accepted either.
  report.result.reset();
  report.failure = core::FailureKind::kInfeasible;
  EXPECT_EQ(Complete("w", report)->at(0).status, CompletionVerdict::kRefused);
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
  report.result = Evaluate(task.architecture);
  report.architecture = FormatArchitectureId(task.architecture, 4);
  EXPECT_EQ(Complete("w", report)->at(0).status, CompletionVerdict::kAccepted);
}

TEST_F(IdentityTest, AllAttemptsAtTheSameWorkHaveOneIdentity) {
  v1::SearchSpec spec = RandomSpec("s", 3);
  (*spec.mutable_evaluation()->mutable_measure_on())["device"] = "phone";
  Create(spec);
  LeaseRequest phone = Request("phone");
  phone.worker.labels = {{"device", "phone"}};
  const LeasedTask first = Lease(phone)->at(0);
  Release("phone", first.token);
  phone = Request("phone");
  phone.worker.labels = {{"device", "phone"}};
  const LeasedTask again = Lease(phone)->at(0);
  EXPECT_EQ(again.token.number, first.token.number);
  EXPECT_NE(again.token, first.token);
  EXPECT_EQ(again.identity, first.identity);
  EXPECT_EQ(Report("phone", again.token, core::Metrics{{"latency_ms", 3}}).status, CompletionVerdict::kAccepted);
  const LeasedTask training = LeaseOne("w");
  EXPECT_EQ(training.token.number, first.token.number);
  EXPECT_NE(training.identity, first.identity) << "to train is other work than to measure";
}

TEST_F(IdentityTest, NamesOfWorkersNeverSpoilTheStore) {
  const std::string name = Create(RandomSpec("s", 10));
  const auto beat = [&](const std::string& instance, const std::string& token) {
    const auto verdicts = Await<std::vector<LeaseVerdict>>([&](auto reply) {
      engine_->Heartbeat({"w", {}, 1, "test", instance}, {{token}}, reply);
    });
    return verdicts.ok() && verdicts->front().go_on;
  };
  LeaseRequest request = Request("w");
  request.worker.instance = "aéééé";
  const LeasedTask task = Lease(request)->at(0);
  beat("b", "");
  // The beginnings of their instances distinguish them.
  EXPECT_TRUE(beat("aéééé", FormatLeaseToken(task.token)));
  EXPECT_EQ(Candidate(name, 1).worker, "w~aéé");
  Restart();
  EXPECT_EQ(Candidate(name, 1).worker, "w~aéé");
  EXPECT_EQ(EngineTest::Complete("w", task).status, CompletionVerdict::kAccepted);
}

TEST_F(IdentityTest, ARepeatedRequestFindsNoLeaseOfAnotherWorker) {
  Create(RandomSpec("s", 10));
  const auto lease = [&](const std::string& id, const std::string& instance) {
    LeaseRequest request = Request(id);
    request.worker.instance = instance;
    request.request_id = "1";
    const auto tasks = Lease(request);
    return tasks.ok() && tasks->size() == 1 ? tasks->front().token.number : 0;
  };
  EXPECT_EQ(lease("gpu~1", ""), 1u);
  EXPECT_EQ(lease("gpu", ""), 2u);
  EXPECT_EQ(lease("gpu~1", ""), 1u);
  EXPECT_EQ(lease("cpu~1", "one"), 3u);
  Restart();
  EXPECT_EQ(lease("cpu", "two"), 4u);
  EXPECT_EQ(lease("cpu~1", "one"), 3u);
  EXPECT_EQ(lease("gpu", ""), 2u);
}

TEST_F(IdentityTest, TwoWorkersOfOneIdAreBothShown) {
  const std::string name = Create(RandomSpec("s", 10));
  const auto beat = [&](const std::string& instance, const std::vector<std::string>& tokens) {
    std::vector<HeldLease> leases;
    for (const std::string& token : tokens) leases.push_back({token});
    const auto verdicts = Await<std::vector<LeaseVerdict>>([&](auto reply) {
      engine_->Heartbeat({"host-1", {}, 1, "test", instance}, leases, reply);
    });
    return verdicts.ok() && std::all_of(verdicts->begin(), verdicts->end(), [](const auto& one) { return one.go_on; });
  };
  const auto lease = [&](const std::string& instance) {
    LeaseRequest request = Request("host-1");
    request.worker.instance = instance;
    return Lease(request)->at(0);
  };
  const auto workers = [&] {
    std::vector<std::string> ids;
    const auto listed = Await<std::vector<WorkerView>>([&](auto reply) { engine_->ListWorkers("", 10, reply); });
    for (const WorkerView& one : *listed) {
      ids.push_back(one.info.id);
    }
    return ids;
  };
  const LeasedTask a = lease("aaaaaaaaaa");
  // For all that the controller knows, this is a restart.
  const LeasedTask b = lease("bbbbbbbbbb");
  EXPECT_THAT(workers(), ElementsAre("host-1"));
  EXPECT_NE(a.token.number, b.token.number);
  // Until the first one is heard again, which is logged once.
  EXPECT_EQ(TakeLog().find("two workers have the same id"), std::string::npos);
  EXPECT_TRUE(beat("aaaaaaaaaa", {FormatLeaseToken(a.token)}));
  const std::string said = TakeLog();
  EXPECT_THAT(said, HasSubstr("two workers have the same id"));
  EXPECT_THAT(said, HasSubstr("id=host-1 one_is_now_called=host-1~aaaaaa"));
  // From now on it has its own name.
  EXPECT_THAT(workers(), ElementsAre("host-1", "host-1~aaaaaa"));
  EXPECT_TRUE(beat("bbbbbbbbbb", {FormatLeaseToken(b.token)}));
  EXPECT_THAT(workers(), ElementsAre("host-1", "host-1~aaaaaa"));
  EXPECT_TRUE(beat("aaaaaaaaaa", {FormatLeaseToken(a.token)}));
  EXPECT_THAT(workers(), ElementsAre("host-1", "host-1~aaaaaa"));
  EXPECT_EQ(TakeLog().find("two workers have the same id"), std::string::npos);
  // The results of both are accepted.
  layernas::Report report;
  report.token = FormatLeaseToken(a.token);
  report.result = Evaluate(a.architecture);
  const auto verdicts =
      Await<Verdicts>([&](auto reply) { engine_->CompleteTasks(WorkerId("host-1", "aaaaaaaaaa"), {report}, reply); });
  EXPECT_EQ(verdicts->at(0).status, CompletionVerdict::kAccepted);
  EXPECT_EQ(Candidate(name, a.token.number).worker, "host-1~aaaaaa");
  EXPECT_EQ(EngineTest::Complete("host-1", b).status, CompletionVerdict::kAccepted);
}

TEST_F(IdentityTest, AProcessGivesBackWhatItHoldsUnderItsFormerName) {
  const std::string name = Create(RandomSpec("s", 12));
  const auto request = [&](const std::string& instance) {
    LeaseRequest one = Request("host-1");
    one.worker.instance = instance;
    return one;
  };
  ASSERT_TRUE(Lease(request("aaaaaaaaaa")).ok());
  const LeasedTask b = Lease(request("bbbbbbbbbb"))->at(0);
  // Now the second one has another name, and has not been heard since.
  ASSERT_TRUE(Lease(request("aaaaaaaaaa")).ok());
  ASSERT_TRUE(Await<bool>([&](auto reply) {
                engine_->ReleaseTasks(WorkerId("host-1", "bbbbbbbbbb"), {FormatLeaseToken(b.token)}, reply, true);
              }).ok());
  EXPECT_EQ(Candidate(name, b.token.number).state, CandidateState::kQueued);
  EXPECT_THAT(Candidate(name, b.token.number).failures, IsEmpty());
}

TEST_F(IdentityTest, AfterARestartOneOfTwoProcessesEndsNoLeaseOfTheOther) {
  const std::string name = Create(RandomSpec("s", 12));
  LeaseRequest request = Request("host-1");
  request.worker.instance = "bbbbbbbbbb";
  const LeasedTask b = Lease(request)->at(0);
  Restart();
  for (int i = 0; i < 2; ++i) {
    Pass(options_.lease_duration / 2 - Millis{1});
    Await<std::vector<LeaseVerdict>>([&](auto reply) {
      engine_->Heartbeat({"host-1", {}, 1, "test", "aaaaaaaaaa"}, {}, reply);
    }).IgnoreError();
    EXPECT_EQ(Candidate(name, b.token.number).state, CandidateState::kLeased);
  }
}

TEST_F(IdentityTest, AGoodbyeEndsThePollsOfItsProcessAndForgetsNoOther) {
  LeaseRequest request = Request("host-1");
  request.worker.instance = "aaaaaaaaaa";
  request.deadline = clock_.Now() + Millis{60'000};
  absl::Status answer;
  engine_->LeaseTasks(request, [&](const absl::StatusOr<Tasks>& tasks) { answer = tasks.status(); });
  Settle();
  const auto leave = [&](const std::string& instance) {
    ASSERT_TRUE(
        Await<bool>([&](auto reply) { engine_->ReleaseTasks(WorkerId("host-1", instance), {}, reply, true); }).ok());
    Settle();
  };
  const auto workers = [&] {
    return Await<std::vector<WorkerView>>([&](auto reply) { engine_->ListWorkers("", 10, reply); })->size();
  };
  // From a process that was never heard.
  leave("bbbbbbbbbb");
  EXPECT_EQ(workers(), 1u);
  EXPECT_TRUE(answer.ok());
  leave("aaaaaaaaaa");
  EXPECT_EQ(workers(), 0u);
  EXPECT_EQ(answer.code(), absl::StatusCode::kCancelled);
  // Nothing is left that would be given to it or would bring it back.
  const std::string name = Create(RandomSpec("s", 3));
  Pass(Millis{60'000});
  EXPECT_EQ(workers(), 0u);
  EXPECT_THAT(Candidates(name), IsEmpty());
}

// Two processes with the same id. Their instances distinguish them.
class TwoProcesses : public IdentityTest {
 protected:
  static constexpr const char* kA = "aaaaaaaaaa";
  static constexpr const char* kB = "bbbbbbbbbb";

  LeaseRequest Request(const std::string& instance, Millis wait = Millis{0}) {
    LeaseRequest request = EngineTest::Request("host-1", 1, wait);
    request.worker.instance = instance;
    return request;
  }
  std::vector<bool> Beat(const std::string& instance, const LeasedTask& task) {
    std::vector<bool> go_on;
    const auto verdicts = Await<std::vector<LeaseVerdict>>([&](auto reply) {
      engine_->Heartbeat({"host-1", {}, 1, "test", instance}, {{FormatLeaseToken(task.token)}}, reply);
    });
    for (const LeaseVerdict& verdict : *verdicts) go_on.push_back(verdict.go_on);
    return go_on;
  }
  void Leave(const std::string& instance, const std::vector<std::string>& tokens = {}) {
    ASSERT_TRUE(Await<bool>([&](auto reply) {
                  engine_->ReleaseTasks(WorkerId("host-1", instance), tokens, reply, true);
                }).ok());
  }
  std::vector<std::string> Workers() {
    std::vector<std::string> ids;
    const auto listed = Await<std::vector<WorkerView>>([&](auto reply) { engine_->ListWorkers("", 10, reply); });
    for (const WorkerView& one : *listed) ids.push_back(one.info.id);
    return ids;
  }
};

TEST_F(TwoProcesses, ALeaseOutlivesARestartOfTheControllerAndANewNameOfItsHolder) {
  const std::string name = Create(RandomSpec("s", 12));
  ASSERT_TRUE(Lease(Request(kA)).ok());
  ASSERT_TRUE(Lease(Request(kB)).ok());
  const LeasedTask a = Lease(Request(kA))->at(0);
  EXPECT_EQ(Candidate(name, a.token.number).worker, "host-1~aaaaaa");
  Leave(kB);
  Restart();
  // It is now the only one, and has the id.
  for (int i = 0; i < 4; ++i) {
    Pass(options_.lease_duration / 3);
    EXPECT_THAT(Beat(kA, a), ElementsAre(true));
  }
  EXPECT_THAT(Workers(), ElementsAre("host-1"));
  EXPECT_EQ(Candidate(name, a.token.number).state, CandidateState::kLeased);
  EXPECT_EQ(Candidate(name, a.token.number).worker, "host-1");
  EXPECT_THAT(Candidate(name, a.token.number).failures, IsEmpty());
}

TEST_F(TwoProcesses, AfterARestartOfTheControllerARepeatedRequestGetsTheSameTask) {
  const std::string name = Create(RandomSpec("s", 12));
  ASSERT_TRUE(Lease(Request(kA)).ok());
  ASSERT_TRUE(Lease(Request(kB)).ok());
  const LeaseRequest request = Request(kA);
  const LeasedTask a = Lease(request)->at(0);
  Restart();
  EXPECT_EQ(Lease(request)->at(0).token, a.token);
  EXPECT_EQ(Candidate(name, a.token.number).worker, "host-1");
  Pass(options_.lease_duration / 2);
  EXPECT_THAT(Beat(kA, a), ElementsAre(true));
  Pass(options_.lease_duration / 2);
  EXPECT_THAT(Candidate(name, a.token.number).failures, IsEmpty());
}

TEST_F(TwoProcesses, AfterARestartOfTheControllerWhatRanOutIsTakenUpByBoth) {
  const std::string name = Create(RandomSpec("s", 12));
  ASSERT_TRUE(Lease(Request(kA)).ok());
  const LeasedTask b = Lease(Request(kB))->at(0);
  const LeasedTask a = Lease(Request(kA))->at(0);
  Restart();
  Pass(options_.lease_duration);
  EXPECT_THAT(Beat(kA, a), ElementsAre(true));
  EXPECT_THAT(Beat(kB, b), ElementsAre(true));
  for (const LeasedTask& task : {a, b}) {
    EXPECT_EQ(Candidate(name, task.token.number).state, CandidateState::kLeased);
    EXPECT_THAT(Candidate(name, task.token.number).failures, IsEmpty());
  }
}

TEST_F(TwoProcesses, RestartsOfOneTakeNothingFromTheOther) {
  const std::string name = Create(RandomSpec("s", 12));
  ASSERT_TRUE(Lease(Request(kA)).ok());
  ASSERT_TRUE(Lease(Request(kB)).ok());
  const LeasedTask a = Lease(Request(kA))->at(0);
  for (int i = 0; i < 150; ++i) {
    const std::string instance = "restart " + std::to_string(i);
    Await<std::vector<LeaseVerdict>>([&](auto reply) {
      engine_->Heartbeat({"host-1", {}, 1, "test", instance}, {}, reply);
    }).IgnoreError();
    if (i % 25 == 0) {
      Pass(options_.lease_duration / 3);
      EXPECT_THAT(Beat(kA, a), ElementsAre(true));
    }
  }
  EXPECT_THAT(Workers(), ElementsAre("host-1", "host-1~aaaaaa"));
  EXPECT_EQ(Candidate(name, a.token.number).state, CandidateState::kLeased);
  EXPECT_THAT(Candidate(name, a.token.number).failures, IsEmpty());
}

TEST_F(TwoProcesses, WhatIsGivenBackAfterARestartOfTheControllerIsTaken) {
  const std::string name = Create(RandomSpec("s", 12));
  ASSERT_TRUE(Lease(Request(kA)).ok());
  ASSERT_TRUE(Lease(Request(kB)).ok());
  const LeasedTask a = Lease(Request(kA))->at(0);
  Restart();
  Leave(kA, {FormatLeaseToken(a.token)});
  EXPECT_EQ(Candidate(name, a.token.number).state, CandidateState::kQueued);
}

TEST_F(TwoProcesses, AGoodbyeLeavesOneRowForTheOther) {
  // A was there first, and B's poll waits. A's last poll arrives without a wait, and then its
  // goodbye.
  ASSERT_TRUE(Lease(Request(kA)).ok());
  const LeaseRequest parked = Request(kB, Millis{20'000});
  absl::StatusOr<Tasks> answer = absl::UnknownError("none yet");
  engine_->LeaseTasks(parked, [&](const absl::StatusOr<Tasks>& tasks) { answer = tasks; });
  Settle();
  ASSERT_TRUE(Lease(Request(kA)).ok());
  EXPECT_THAT(Workers(), ElementsAre("host-1", "host-1~aaaaaa"));
  Leave(kA);
  EXPECT_THAT(Workers(), ElementsAre("host-1"));
  Pass(Millis{20'000});
  EXPECT_TRUE(answer.ok()) << answer.status();
  ASSERT_TRUE(Lease(Request(kB)).ok());
  EXPECT_THAT(Workers(), ElementsAre("host-1"));
}

TEST_F(TwoProcesses, APollThatWaitsGoesByTheNewNameOfItsProcess) {
  const LeaseRequest parked = Request(kA, Millis{60'000});
  absl::StatusOr<Tasks> answer = absl::UnknownError("none yet");
  engine_->LeaseTasks(parked, [&](const absl::StatusOr<Tasks>& tasks) { answer = tasks; });
  ASSERT_TRUE(Lease(Request(kB)).ok());
  Await<std::vector<LeaseVerdict>>([&](auto reply) {
    engine_->Heartbeat({"host-1", {}, 1, "test", kA}, {}, reply);
  }).IgnoreError();
  const std::string name = Create(RandomSpec("s", 1));
  Settle();
  ASSERT_TRUE(answer.ok() && answer->size() == 1);
  EXPECT_EQ(Candidate(name, 1).worker, "host-1~aaaaaa");
}

TEST_F(TwoProcesses, AGoodbyeTakesTheIdFromNobody) {
  ASSERT_TRUE(Lease(Request(kA)).ok());
  ASSERT_TRUE(Lease(Request(kB)).ok());
  Leave(kA);
  EXPECT_THAT(Workers(), ElementsAre("host-1"));
  ASSERT_TRUE(Lease(Request(kB)).ok());
  EXPECT_THAT(Workers(), ElementsAre("host-1"));
  Leave(kB);
  EXPECT_THAT(Workers(), IsEmpty());
}

}  // namespace
}  // namespace layernas
