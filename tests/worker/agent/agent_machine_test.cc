#include "worker/agent/agent_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <set>

#include "tests/worker/agent/machine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST_F(AgentMachineTest, PollsEvaluatesReportsAndPollsAgain) {
  Start(2);
  EXPECT_EQ(poll_->request.max_tasks(), 2);
  EXPECT_FALSE(poll_->request.worker().instance().empty());
  EXPECT_THAT(Held(), IsEmpty());
  AnswerPoll({MakeTask(1)});
  EXPECT_EQ(running_.size(), 1u);
  EXPECT_EQ(poll_->request.max_tasks(), 1);
  EndEvaluation(0, Accuracy(0.5));
  EXPECT_THAT(Sent(), ElementsAre("lease-1"));
  EXPECT_EQ(completions_->request.worker_instance(), poll_->request.worker().instance());
  AnswerCompletions();
  EXPECT_EQ(accepted_[0].architecture(), "arch-1");
  EXPECT_EQ(machine_->finished(), false);
}

TEST_F(AgentMachineTest, NeverPollsWithoutAFreeSlotOrBeforeResultsAreTaken) {
  Start();
  AnswerPoll({MakeTask(1), MakeTask(2)});
  EXPECT_EQ(running_.size(), 1u);
  EXPECT_FALSE(poll_.has_value());
  EndEvaluation(0, Accuracy(0.5));
  EXPECT_EQ(running_.at(0), "searches/x-1/candidates/2");
  EndEvaluation(0, Accuracy(0.5));
  EXPECT_FALSE(poll_.has_value());
  AnswerCompletions();
  EXPECT_FALSE(poll_.has_value());
  AnswerCompletions();
  EXPECT_TRUE(poll_.has_value());
}

TEST_F(AgentMachineTest, AnEmptyAnswerThatCameAtOnceIsNotAskedForAtOnceAgain) {
  Start();
  AnswerPoll({});
  EXPECT_FALSE(poll_.has_value());
  Pass(Millis(99));
  EXPECT_FALSE(poll_.has_value());
  Pass(Millis(1));
  EXPECT_TRUE(poll_.has_value());
  now_ += Millis(60'000);
  AnswerPoll({});
  EXPECT_TRUE(poll_.has_value());
}

TEST_F(AgentMachineTest, ALostPollKeepsItsRequestId) {
  Start();
  const std::string id = poll_->request.request_id();
  AnswerPoll({}, absl::UnavailableError("away"));
  EXPECT_FALSE(poll_.has_value());
  Pass(options_.first_retry);
  EXPECT_EQ(poll_->request.request_id(), id);
  AnswerPoll({MakeTask(1)});
  EndEvaluation(0, Accuracy(0.5));
  AnswerCompletions();
  EXPECT_NE(poll_->request.request_id(), id);
}

TEST_F(AgentMachineTest, APollThatIsRefusedForGoodIsNotRepeated) {
  Start(3);
  const std::string id = poll_->request.request_id();
  AnswerPoll({}, absl::ResourceExhaustedError("CLIENT: Received message larger than max (5 vs. 4)"));
  Pass(options_.first_retry);
  EXPECT_NE(poll_->request.request_id(), id);
  EXPECT_EQ(poll_->request.max_tasks(), 1);
  AnswerPoll({MakeTask(1)});
  EXPECT_EQ(poll_->request.max_tasks(), 2);
}

TEST_F(AgentMachineTest, AnAnswerThatIsNotAwaitedIsIgnored) {
  Start();
  const std::uint64_t call = poll_->call;
  AnswerPoll({MakeTask(1)});
  v1::LeaseTasksResponse late;
  *late.add_tasks() = MakeTask(2);
  machine_->PollAnswered(now_, call, absl::OkStatus(), late);
  machine_->PollAnswered(now_, 0, absl::OkStatus(), late);
  Collect();
  EndEvaluation(0, Accuracy(0.5));
  EXPECT_THAT(running_, IsEmpty());
}

// C2: work is recognised by its identity and by nothing else.
TEST_F(AgentMachineTest, WorkIsHeldAllAlongByItsIdentityOnly) {
  Start(3);
  AnswerPoll({MakeTask(1)});
  // The same work under a new lease.
  AnswerPoll({MakeTask(1, "again")});
  EXPECT_THAT(running_, SizeIs(1));
  Pass(Millis(100));
  // The same name in another store.
  v1::Task other = MakeTask(1, "other");
  other.set_identity("restored/x-1/1");
  AnswerPoll({other});
  EXPECT_THAT(running_, SizeIs(2));
  // An older controller does not name the work.
  v1::Task nameless = MakeTask(1, "nameless");
  nameless.clear_identity();
  AnswerPoll({nameless});
  EXPECT_THAT(running_, SizeIs(3));
  EndEvaluation(0, Accuracy(0.5));
  EXPECT_THAT(Sent(), ElementsAre("again"));
}

TEST_F(AgentMachineTest, WorkThatIsDoneIsNotDoneAgainButThatOfAnotherStoreIs) {
  FinishTasks(1);
  AnswerCompletions();
  AnswerPoll({MakeTask(1, "overtaken")});
  EXPECT_THAT(running_, IsEmpty());
  AnswerCompletions();
  Wake();
  v1::Task restored = MakeTask(1, "restored");
  restored.set_identity("restored/x-1/1");
  AnswerPoll({restored});
  EXPECT_THAT(running_, SizeIs(1));
}

// A restored backup of the controller's data lacks the result, and has the same identity.
TEST_F(AgentMachineTest, AResultThatTheControllerForgotIsReportedAgain) {
  Start();
  AnswerHeartbeat();
  AnswerPoll({MakeTask(1)});
  EvaluationResult result(Metrics{{"accuracy", 0.5}});
  result.log.tail = "trained\n";
  EndEvaluation(0, result);
  AnswerCompletions();
  for (const char* token : {"again", "lease-1"}) {
    AnswerPoll({MakeTask(1, token)});
    EXPECT_THAT(running_, IsEmpty());
    ASSERT_THAT(Sent(), ElementsAre(token));
    const v1::Completion& repeated = completions_->request.completions(0);
    EXPECT_EQ(repeated.result().metrics().at("accuracy"), 0.5);
    EXPECT_EQ(repeated.architecture(), "arch-1");
    EXPECT_FALSE(repeated.has_log());
    // The lease is kept alive until the controller has answered.
    AnswerCompletions(absl::UnavailableError("away"));
    Pass(options_.heartbeat_interval);
    EXPECT_THAT(Held(), ElementsAre(token));
    AnswerHeartbeat();
    Pass(options_.longest_retry);
    AnswerCompletions();
    if (heartbeat_) AnswerHeartbeat();
    if (!poll_) Wake();
  }
  EXPECT_THAT(accepted_, SizeIs(3));
}

TEST_F(AgentMachineTest, ARepeatedResultThatIsRefusedIsEvaluatedAgain) {
  FinishTasks(1);
  AnswerCompletions();
  AnswerPoll({MakeTask(1, "again")});
  v1::CompleteTasksResponse refusal;
  refusal.add_verdicts()->set_lease_token("again");
  refusal.mutable_verdicts(0)->set_status(v1::COMPLETION_STATUS_INVALID);
  machine_->CompletionsAnswered(now_, std::exchange(completions_, std::nullopt)->call, absl::OkStatus(), refusal);
  Collect();
  Wake();
  AnswerPoll({MakeTask(1, "once more")});
  EXPECT_THAT(running_, SizeIs(1));
}

// After a rollback, the same identity may stand for another proposal.
TEST_F(AgentMachineTest, AnotherArchitectureOrSeedIsOtherWork) {
  for (const bool is_done : {false, true}) {
    Start(4);
    AnswerPoll({MakeTask(1)});
    if (is_done) {
      EndEvaluation(0, Accuracy(0.5));
      AnswerCompletions();
    }
    const std::size_t before = running_.size();
    v1::Task architecture = MakeTask(1, "architecture");
    architecture.mutable_architecture()->set_id("another");
    v1::Task seed = MakeTask(1, "seed");
    seed.set_seed(99);
    v1::Task work = MakeTask(1, "work");
    work.set_work(v1::WORK_MEASURE);
    AnswerPoll({architecture, seed, work});
    EXPECT_EQ(running_.size(), before + 3) << is_done;
    running_.clear();
    poll_.reset();
  }
}

TEST_F(AgentMachineTest, AResultGoesUnderTheLatestLeaseOfItsWork) {
  Start(2);
  AnswerPoll({MakeTask(1)});
  AnswerHeartbeat();
  EndEvaluation(0, Accuracy(0.5));
  AnswerPoll({MakeTask(1, "again")});
  EXPECT_THAT(running_, IsEmpty());
  AnswerCompletions();
  EXPECT_THAT(Sent(), ElementsAre("again"));
  AnswerCompletions();
  Pass(options_.heartbeat_interval);
  ASSERT_TRUE(heartbeat_.has_value());
  EXPECT_THAT(Held(), IsEmpty());
}

TEST_F(AgentMachineTest, WorkThatFailedIsTriedAgainUnderANewLease) {
  Start(2);
  AnswerPoll({MakeTask(1)});
  EndEvaluation(0, EvaluationFailure{.message = "crashed"});
  AnswerPoll({MakeTask(1, "again")});
  EXPECT_THAT(running_, SizeIs(1));
}

TEST_F(AgentMachineTest, HeartbeatsTellProgressAndTheCurveWhereItIsAskedFor) {
  Start(2);
  AnswerHeartbeat();
  v1::Task told = MakeTask(1);
  told.set_report_epochs(true);
  AnswerPoll({told, MakeTask(2)});
  machine_->EvaluationProgressed(now_, 0, {1, 5, 0.25});
  machine_->EvaluationProgressed(now_, 0, {2, 5, 0.5});
  machine_->EvaluationProgressed(now_, 1, {1, 5, 0.125});
  Pass(Millis(200));
  ASSERT_THAT(Held(), ElementsAre("lease-1", "lease-2"));
  const auto& leases = heartbeat_->request.leases();
  EXPECT_EQ(leases[0].progress().epoch(), 2);
  ASSERT_EQ(leases[0].curve_size(), 2);
  EXPECT_EQ(leases[0].curve(1).reward(), 0.5f);
  EXPECT_EQ(leases[1].progress().epoch(), 1);
  EXPECT_EQ(leases[1].curve_size(), 0);
  // Earlier epochs are reported again, because a controller that was restarted meanwhile does not
  // know them.
  AnswerHeartbeat();
  machine_->EvaluationProgressed(now_, 0, {3, 5, 0.75});
  Pass(options_.heartbeat_interval);
  ASSERT_THAT(Held(), ElementsAre("lease-1", "lease-2"));
  const auto& again = heartbeat_->request.leases(0).curve();
  ASSERT_EQ(again.size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(again[i].epoch(), i + 1);
}

TEST_F(AgentMachineTest, AnIdleWorkerSendsOneHeartbeat) {
  Start();
  AnswerHeartbeat();
  AnswerPoll({});
  for (int i = 0; i < 10; ++i) {
    Pass(Millis(60'000));
    AnswerPoll({});
  }
  EXPECT_EQ(heartbeats_, 1);
  Pass(Millis(100));
  AnswerPoll({MakeTask(1)});
  Pass(options_.heartbeat_interval);
  EXPECT_THAT(Held(), ElementsAre("lease-1"));
}

// It may take long, and no poll shows meanwhile that the worker is alive.
TEST_F(AgentMachineTest, AWorkerIsHeardWhileACancelledEvaluationEnds) {
  Start();
  AnswerHeartbeat();
  AnswerPoll({MakeTask(1)});
  Pass(options_.heartbeat_interval);
  AnswerHeartbeat(absl::OkStatus(), {"lease-1"});
  heartbeats_ = 0;
  for (int i = 0; i < 10; ++i) {
    Pass(options_.heartbeat_interval);
    if (heartbeat_) AnswerHeartbeat();
  }
  EXPECT_EQ(heartbeats_, 10);
}

TEST_F(AgentMachineTest, ACancelStopsTheEvaluationAndFreesTheSlotOnceItHasEnded) {
  Start();
  AnswerHeartbeat();
  AnswerPoll({MakeTask(1)});
  Pass(options_.heartbeat_interval);
  AnswerHeartbeat(absl::OkStatus(), {"lease-1"});
  EXPECT_THAT(stopped_, ElementsAre(0));
  EXPECT_THAT(log_, HasSubstr("cancelled by a person"));
  EXPECT_FALSE(poll_.has_value());
  EndEvaluation(0, EvaluationCancelled{});
  EXPECT_TRUE(poll_.has_value());
  EXPECT_FALSE(completions_.has_value());
  EXPECT_FALSE(release_.has_value());
}

TEST_F(AgentMachineTest, LongCurvesGoInSeveralHeartbeatsNoneOfWhichForgetsALease) {
  constexpr int kTasks = 250;
  constexpr int kEpochs = 1'000;
  Start(kTasks);
  for (int next = 1; next <= kTasks;) {
    std::vector<v1::Task> tasks;
    for (int i = 0; i < poll_->request.max_tasks() && next <= kTasks; ++i) {
      tasks.push_back(MakeTask(next++));
      tasks.back().set_report_epochs(true);
    }
    AnswerPoll(tasks);
  }
  for (int slot = 0; slot < kTasks; ++slot) {
    for (int epoch = 1; epoch <= kEpochs; ++epoch) machine_->EvaluationProgressed(now_, slot, {epoch, kEpochs, 0.5});
  }
  // The first heartbeat was sent before there were leases.
  AnswerHeartbeat();
  Pass(options_.heartbeat_interval);
  std::map<std::string, int> told;
  while (heartbeat_) {
    EXPECT_LT(heartbeat_->request.ByteSizeLong(), 2u << 20);
    std::set<std::string> listed;
    for (const v1::HeldLease& lease : heartbeat_->request.leases()) {
      listed.insert(lease.lease_token());
      if (lease.curve_size() > 0) told[lease.lease_token()] = lease.curve_size();
    }
    // On a slow connection, what the first call reported may be outdated for the controller.
    EXPECT_THAT(listed, SizeIs(kTasks));
    AnswerHeartbeat();
  }
  EXPECT_THAT(told, SizeIs(kTasks));
  for (const auto& [token, epochs] : told) EXPECT_EQ(epochs, kEpochs) << token;
}

// C4: a bad report of one lease does not affect other leases.
TEST_F(AgentMachineTest, AHeartbeatThatIsRefusedIsMadeWithoutProgressThenInParts) {
  Start(4);
  AnswerHeartbeat();
  AnswerPoll({MakeTask(1), MakeTask(2), MakeTask(3), MakeTask(4)});
  machine_->EvaluationProgressed(now_, 0, {1, 5, 0.25});
  Pass(options_.heartbeat_interval);
  const absl::Status refused = absl::InvalidArgumentError("leases[2]: bad");
  ASSERT_THAT(Held(), SizeIs(4));
  EXPECT_TRUE(heartbeat_->request.leases(0).has_progress());
  AnswerHeartbeat(refused);
  ASSERT_THAT(Held(), SizeIs(4));
  EXPECT_FALSE(heartbeat_->request.leases(0).has_progress());
  // lease-3 alone is bad.
  std::set<std::string> told;
  for (int calls = 0; heartbeat_ && calls < 20; ++calls) {
    const std::vector<std::string> held = Held();
    const bool bad = std::count(held.begin(), held.end(), "lease-3") > 0;
    if (!bad) told.insert(held.begin(), held.end());
    AnswerHeartbeat(bad ? refused : absl::OkStatus());
  }
  EXPECT_THAT(told, UnorderedElementsAre("lease-1", "lease-2", "lease-4"));
  EXPECT_THAT(log_, HasSubstr("refuses a heartbeat searches/x-1/candidates/3 leases[2]: bad"));
  // From then on the bad lease comes last, and the call lists the others as tokens only. New
  // progress is reported again.
  machine_->EvaluationProgressed(now_, 0, {2, 5, 0.25});
  Pass(options_.heartbeat_interval);
  EXPECT_THAT(Held(), ElementsAre("lease-1", "lease-2"));
  EXPECT_TRUE(heartbeat_->request.leases(0).has_progress());
  AnswerHeartbeat();
  EXPECT_THAT(Held(), ElementsAre("lease-4", "lease-1", "lease-2"));
  EXPECT_FALSE(heartbeat_->request.leases(1).has_progress());
  AnswerHeartbeat();
  EXPECT_THAT(Held(), ElementsAre("lease-3", "lease-1", "lease-2", "lease-4"));
  AnswerHeartbeat();
  EXPECT_FALSE(heartbeat_.has_value());
  Pass(options_.heartbeat_interval);
  EXPECT_THAT(Held(), SizeIs(4));
}

TEST_F(AgentMachineTest, AHeartbeatThatFailsIsMadeAgainAfterAPause) {
  Start();
  AnswerHeartbeat(absl::UnavailableError("away"));
  EXPECT_FALSE(heartbeat_.has_value());
  Pass(options_.first_retry);
  EXPECT_TRUE(heartbeat_.has_value());
  AnswerHeartbeat(absl::InvalidArgumentError("worker.labels: more than 64"));
  EXPECT_FALSE(heartbeat_.has_value());
  Pass(options_.longest_retry);
  EXPECT_TRUE(heartbeat_.has_value());
}

TEST_F(AgentMachineTest, AResultIsKeptUntilItIsAnswered) {
  FinishTasks(1);
  AnswerCompletions(absl::UnavailableError("away"));
  EXPECT_THAT(Sent(), IsEmpty());
  Pass(options_.longest_retry);
  EXPECT_THAT(Sent(), ElementsAre("lease-1"));
  // An answer without a verdict.
  machine_->CompletionsAnswered(now_, std::exchange(completions_, std::nullopt)->call, absl::OkStatus(), {});
  Collect();
  Pass(options_.longest_retry);
  EXPECT_THAT(Sent(), ElementsAre("lease-1"));
  // A temporary lack of resources, which the result has not caused.
  AnswerCompletions(absl::ResourceExhaustedError("too many calls"));
  Pass(options_.longest_retry);
  EXPECT_TRUE(completions_->request.completions(0).has_result());
}

// C3: whatever the controller says about a batch, the other results arrive, and the worker
// continues.
TEST_F(AgentMachineTest, ABatchThatIsRefusedIsHalvedUntilTheBadResultStandsAlone) {
  for (const absl::Status& refused :
       {absl::InvalidArgumentError("more than 256 metrics"), absl::OutOfRangeError("more than 256 metrics"),
        absl::ResourceExhaustedError("SERVER: Received message larger than max (5 vs. 4)")}) {
    accepted_.clear();
    FinishTasks(40);
    int calls = 0;
    for (; completions_ && calls < 200; ++calls) {
      const std::vector<std::string> sent = Sent();
      const auto bad = std::find(sent.begin(), sent.end(), "lease-29");
      const bool is_result =
          bad != sent.end() && completions_->request.completions(static_cast<int>(bad - sent.begin())).has_result();
      AnswerCompletions(is_result ? refused : absl::OkStatus());
    }
    EXPECT_LT(calls, 40);
    EXPECT_THAT(accepted_, SizeIs(40));
    for (const v1::Completion& completion : accepted_) {
      EXPECT_EQ(completion.has_failure(), completion.lease_token() == "lease-29");
      if (!completion.has_failure()) continue;
      EXPECT_EQ(completion.failure().kind(), v1::FAILURE_KIND_EVALUATOR);
      EXPECT_THAT(completion.failure().message(), HasSubstr(std::string(refused.message())));
      EXPECT_EQ(completion.architecture(), "arch-29");
    }
    EXPECT_TRUE(poll_.has_value());
  }
}

TEST_F(AgentMachineTest, ARefusedFailureIsDroppedAndItsLeaseLeftToExpire) {
  FinishTasks(1);
  AnswerCompletions(absl::InvalidArgumentError("no"));
  EXPECT_TRUE(completions_->request.completions(0).has_failure());
  AnswerCompletions(absl::InvalidArgumentError("no"));
  EXPECT_FALSE(completions_.has_value());
  EXPECT_THAT(log_, HasSubstr("letting the lease expire searches/x-1/candidates/1 no"));
  EXPECT_TRUE(poll_.has_value());
  AnswerHeartbeat();
  EXPECT_THAT(Held(), IsEmpty());
}

TEST_F(AgentMachineTest, AResultOfWhichTheControllerSaysNothingDoesNotHoldTheWorkerUpForEver) {
  FinishTasks(1);
  int calls = 0;
  for (; completions_ && calls < 100; ++calls) {
    machine_->CompletionsAnswered(now_, std::exchange(completions_, std::nullopt)->call, absl::OkStatus(), {});
    Collect();
    Pass(options_.longest_retry);
  }
  EXPECT_EQ(calls, 10);
  EXPECT_THAT(log_, HasSubstr("does not answer a result"));
  EXPECT_TRUE(poll_.has_value());
}

// A result that the controller does not answer delays no other slot.
TEST_F(AgentMachineTest, AResultWithoutAVerdictDoesNotStopThePolls) {
  for (const absl::Status& answer : {absl::OkStatus(), absl::InternalError("a bug")}) {
    Start(2);
    AnswerPoll({MakeTask(1), MakeTask(2)});
    EndEvaluation(0, Accuracy(0.5));
    EXPECT_FALSE(poll_.has_value());
    machine_->CompletionsAnswered(now_, std::exchange(completions_, std::nullopt)->call, answer, {});
    Collect();
    ASSERT_TRUE(poll_.has_value()) << answer;
    AnswerPoll({MakeTask(3)});
    EXPECT_EQ(running_.at(0), "searches/x-1/candidates/3");
    // The next result is delivered before the next poll.
    EndEvaluation(0, Accuracy(0.5));
    EXPECT_FALSE(poll_.has_value());
    running_.clear();
    completions_.reset();
  }
  // An unreachable controller has no tasks either.
  Start();
  AnswerPoll({MakeTask(1)});
  EndEvaluation(0, Accuracy(0.5));
  AnswerCompletions(absl::UnavailableError("away"));
  EXPECT_FALSE(poll_.has_value());
}

TEST_F(AgentMachineTest, AnIntervalThatIsNoneDoesNoHarm) {
  Start();
  AnswerPoll({MakeTask(1)});
  for (const std::int64_t seconds : {std::int64_t{-1}, INT64_MAX, INT64_MIN, std::int64_t{0}}) {
    v1::HeartbeatResponse response;
    response.mutable_interval()->set_seconds(seconds);
    ASSERT_TRUE(heartbeat_.has_value());
    machine_->HeartbeatAnswered(now_, std::exchange(heartbeat_, std::nullopt)->call, absl::OkStatus(), response);
    Collect();
    EXPECT_FALSE(heartbeat_.has_value()) << seconds;
    EXPECT_GT(machine_->NextWakeup(), now_) << seconds;
    Pass(std::chrono::hours(24));
  }
}

}  // namespace
}  // namespace layernas
