#include "worker/agent/agent_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

v1::Task MakeTask(int number, const std::string& token) {
  v1::Task task;
  task.set_lease_token(token);
  task.set_candidate("searches/x-1/candidates/" + std::to_string(number));
  task.set_identity("store/x-1/" + std::to_string(number));
  task.mutable_architecture()->set_id("arch-" + std::to_string(number));
  return task;
}
v1::Task MakeTask(int number) { return MakeTask(number, "lease-" + std::to_string(number)); }

EvaluationOutcome Accuracy(double value) { return Metrics{{"accuracy", value}}; }

// A machine whose time and answers the test decides. What it wants done is kept by kind.
class AgentMachineTest : public ::testing::Test {
 protected:
  void Start(int slots = 1) {
    options_.worker_id = "worker-1";
    options_.slots = slots;
    machine_ = std::make_unique<AgentMachine>(options_, 7);
    Pass(Millis(0));
  }

  void Collect() {
    for (Action& action : machine_->Take()) {
      if (auto* poll = std::get_if<SendPoll>(&action)) poll_ = std::move(*poll);
      if (auto* heartbeat = std::get_if<SendHeartbeat>(&action)) {
        heartbeat_ = std::move(*heartbeat);
        ++heartbeats_;
      }
      if (auto* completions = std::get_if<SendCompletions>(&action)) completions_ = std::move(*completions);
      if (auto* release = std::get_if<SendRelease>(&action)) release_ = std::move(*release);
      if (auto* start = std::get_if<StartEvaluation>(&action)) running_[start->slot] = start->task->candidate();
      if (const auto* stop = std::get_if<StopEvaluation>(&action)) stopped_.insert(stop->slot);
      if (const auto* line = std::get_if<LogLine>(&action)) {
        log_ += line->message;
        for (const log::Field& field : line->fields) log_ += " " + field.value;
        log_ += "\n";
      }
    }
  }

  void Pass(Millis time) {
    now_ += time;
    machine_->TimePassed(now_);
    Collect();
  }
  // Goes on to when the machine wants to be woken.
  void Wake() {
    ASSERT_NE(machine_->NextWakeup(), SteadyTime::max());
    now_ = std::max(now_, machine_->NextWakeup());
    Pass(Millis(0));
  }

  void AnswerPoll(const std::vector<v1::Task>& tasks, const absl::Status& status = absl::OkStatus()) {
    ASSERT_TRUE(poll_.has_value());
    v1::LeaseTasksResponse response;
    for (const v1::Task& task : tasks) *response.add_tasks() = task;
    const SendPoll poll = *std::exchange(poll_, std::nullopt);
    machine_->PollAnswered(now_, poll.call, status, response);
    Collect();
  }
  void AnswerHeartbeat(const absl::Status& status = absl::OkStatus(), const std::set<std::string>& cancel = {}) {
    const SendHeartbeat heartbeat = *std::exchange(heartbeat_, std::nullopt);
    v1::HeartbeatResponse response;
    for (const v1::HeldLease& lease : heartbeat.request.leases()) {
      v1::LeaseVerdict& verdict = *response.add_verdicts();
      verdict.set_lease_token(lease.lease_token());
      verdict.set_action(cancel.contains(lease.lease_token()) ? v1::LEASE_ACTION_CANCEL : v1::LEASE_ACTION_CONTINUE);
      verdict.set_message(cancel.contains(lease.lease_token()) ? "cancelled by a person" : "");
    }
    machine_->HeartbeatAnswered(now_, heartbeat.call, status, response);
    Collect();
  }
  void AnswerCompletions(const absl::Status& status = absl::OkStatus()) {
    const SendCompletions completions = *std::exchange(completions_, std::nullopt);
    v1::CompleteTasksResponse response;
    for (const v1::Completion& completion : completions.request.completions()) {
      v1::CompletionVerdict& verdict = *response.add_verdicts();
      verdict.set_lease_token(completion.lease_token());
      verdict.set_status(v1::COMPLETION_STATUS_ACCEPTED);
      if (status.ok()) accepted_.push_back(completion);
    }
    machine_->CompletionsAnswered(now_, completions.call, status, response);
    Collect();
  }
  void EndEvaluation(int slot, EvaluationOutcome outcome) {
    running_.erase(slot);
    machine_->EvaluationEnded(now_, slot, std::move(outcome));
    Collect();
  }

  std::vector<std::string> Sent() const {
    std::vector<std::string> tokens;
    if (!completions_) return tokens;
    for (const v1::Completion& completion : completions_->request.completions()) {
      tokens.push_back(completion.lease_token());
    }
    return tokens;
  }
  std::vector<std::string> Held() const {
    std::vector<std::string> tokens;
    if (!heartbeat_) return tokens;
    for (const v1::HeldLease& lease : heartbeat_->request.leases()) tokens.push_back(lease.lease_token());
    return tokens;
  }
  // Runs n tasks at once, of numbers from 1 on, and lets all end well.
  void FinishTasks(int n) {
    Start(n);
    std::vector<v1::Task> tasks;
    for (int i = 1; i <= n; ++i) tasks.push_back(MakeTask(i));
    AnswerPoll(tasks);
    // The first goes alone; the others wait for its answer, and go together.
    for (int i = 0; i < n; ++i) EndEvaluation(i, Accuracy(0.5));
  }

  AgentOptions options_;
  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
  std::unique_ptr<AgentMachine> machine_;
  std::optional<SendPoll> poll_;
  std::optional<SendHeartbeat> heartbeat_;
  std::optional<SendCompletions> completions_;
  std::optional<SendRelease> release_;
  // Candidates by slot.
  std::map<int, std::string> running_;
  std::set<int> stopped_;
  std::vector<v1::Completion> accepted_;
  int heartbeats_ = 0;
  std::string log_;
};

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

// C2: by what it is, and by nothing else.
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
  // An older controller does not say.
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
  Wake();
  v1::Task restored = MakeTask(1, "restored");
  restored.set_identity("restored/x-1/1");
  AnswerPoll({restored});
  EXPECT_THAT(running_, SizeIs(1));
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

// C4: what one lease says takes no other down.
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
  // lease-3 is bad all by itself.
  std::set<std::string> told;
  for (int calls = 0; heartbeat_ && calls < 20; ++calls) {
    const std::vector<std::string> held = Held();
    const bool bad = std::count(held.begin(), held.end(), "lease-3") > 0;
    if (!bad) told.insert(held.begin(), held.end());
    AnswerHeartbeat(bad ? refused : absl::OkStatus());
  }
  EXPECT_THAT(told, UnorderedElementsAre("lease-1", "lease-2", "lease-4"));
  EXPECT_THAT(log_, HasSubstr("refuses a lease's heartbeat searches/x-1/candidates/3 leases[2]: bad"));
  // From then on the bad one goes last, and alone; new progress is told again.
  machine_->EvaluationProgressed(now_, 0, {2, 5, 0.25});
  Pass(options_.heartbeat_interval);
  EXPECT_THAT(Held(), ElementsAre("lease-1", "lease-2"));
  EXPECT_TRUE(heartbeat_->request.leases(0).has_progress());
  AnswerHeartbeat();
  EXPECT_THAT(Held(), ElementsAre("lease-4"));
  AnswerHeartbeat();
  EXPECT_THAT(Held(), ElementsAre("lease-3"));
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
  // Short of something for now, which is no fault of the result.
  AnswerCompletions(absl::ResourceExhaustedError("too many calls"));
  Pass(options_.longest_retry);
  EXPECT_TRUE(completions_->request.completions(0).has_result());
}

// C3: whatever the controller says of a batch, each other result arrives, and the worker goes on.
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
  EXPECT_THAT(log_, HasSubstr("leaving the lease to expire searches/x-1/candidates/1 no"));
  EXPECT_TRUE(poll_.has_value());
  AnswerHeartbeat();
  EXPECT_THAT(Held(), IsEmpty());
}

TEST_F(AgentMachineTest, AnEndByASignalIsHeldBackForTheDrain) {
  Start(2);
  AnswerPoll({MakeTask(1), MakeTask(2)});
  EndEvaluation(0, EvaluationFailure{.message = "killed by signal 15", .told_to_end = true});
  EXPECT_THAT(Sent(), IsEmpty());
  // No signal has come to us.
  Pass(options_.drain_follows);
  EXPECT_THAT(Sent(), ElementsAre("lease-1"));
  AnswerCompletions();
  EndEvaluation(1, EvaluationFailure{.message = "killed by signal 15", .told_to_end = true});
  machine_->Drain(now_);
  Collect();
  EXPECT_THAT(Sent(), IsEmpty());
  AnswerPoll({}, absl::CancelledError("cut off"));
  AnswerPoll({});
  EXPECT_THAT(release_->request.lease_tokens(), ElementsAre("lease-2"));
}

TEST_F(AgentMachineTest, ADrainAsksOnceMoreForWhatALostAnswerHeld) {
  Start();
  machine_->Drain(now_);
  Collect();
  AnswerPoll({}, absl::CancelledError("cut off"));
  EXPECT_TRUE(poll_->is_last);
  AnswerPoll({MakeTask(1)});
  EXPECT_THAT(running_, IsEmpty());
  EXPECT_THAT(release_->request.lease_tokens(), ElementsAre("lease-1"));
  EXPECT_FALSE(release_->request.worker_instance().empty());
  machine_->ReleaseAnswered(now_, release_->call, absl::UnavailableError("away"));
  EXPECT_FALSE(machine_->finished());
  Wake();
  machine_->ReleaseAnswered(now_, release_->call, absl::OkStatus());
  EXPECT_TRUE(machine_->finished());
  EXPECT_EQ(machine_->NextWakeup(), SteadyTime::max());
}

TEST_F(AgentMachineTest, ADrainDoesNotWaitForEver) {
  FinishTasks(2);
  machine_->Drain(now_);
  Collect();
  for (int i = 0; i < 1'000 && !machine_->finished(); ++i) {
    if (poll_) AnswerPoll({}, absl::UnavailableError("away"));
    if (completions_) AnswerCompletions(absl::UnavailableError("away"));
    if (heartbeat_) AnswerHeartbeat(absl::UnavailableError("away"));
    if (!machine_->finished()) Wake();
  }
  EXPECT_TRUE(machine_->finished());
  EXPECT_THAT(log_, HasSubstr("the controller could not be given everything 2"));
}

// A controller, a network that loses, delays, doubles and reorders answers, and evaluators, all drawn from one seed.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), slots_(1 + static_cast<int>(seed % 5)) {
    AgentOptions options;
    options.worker_id = "worker-1";
    options.slots = slots_;
    machine_ = std::make_unique<AgentMachine>(options, seed);
  }

  void Run() {
    machine_->TimePassed(now_);
    for (int step = 0; step < 300; ++step) Step();
    is_hostile_ = false;
    for (int step = 0; step < 200; ++step) Step();
    is_draining_ = true;
    machine_->Drain(now_);
    for (int step = 0; step < 2'000 && !machine_->finished(); ++step) Step();
    ASSERT_TRUE(machine_->finished());
    Perform();
    for (const auto& [token, fate] : leases_) {
      EXPECT_EQ(fate.accepted + fate.released + fate.cancelled, 1)
          << token << ": " << fate.accepted << fate.released << fate.cancelled;
    }
    EXPECT_GT(leases_.size(), 0u);
  }

 private:
  struct Fate {
    int accepted = 0;
    int released = 0;
    int cancelled = 0;
    std::string work;
  };

  int Draw(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  bool Chance(int percent) { return Draw(100) < percent; }

  void Perform() {
    for (Action& action : machine_->Take()) {
      if (auto* poll = std::get_if<SendPoll>(&action)) OnPoll(*poll);
      if (auto* heartbeat = std::get_if<SendHeartbeat>(&action)) OnHeartbeat(*heartbeat);
      if (auto* completions = std::get_if<SendCompletions>(&action)) OnCompletions(*completions);
      if (auto* release = std::get_if<SendRelease>(&action)) OnRelease(*release);
      if (const auto* start = std::get_if<StartEvaluation>(&action)) {
        EXPECT_FALSE(is_draining_);
        EXPECT_TRUE(running_.insert(start->slot).second);
        EXPECT_LT(start->slot, slots_);
      }
      if (const auto* stop = std::get_if<StopEvaluation>(&action)) stopped_.insert(stop->slot);
    }
  }

  absl::Status MaybeLost() {
    if (!Chance(is_hostile_ ? 20 : 0)) return absl::OkStatus();
    return Chance(50) ? absl::UnavailableError("away") : absl::DeadlineExceededError("slow");
  }
  // Answers arrive in any order, and some twice.
  void Answer(std::function<void()> answer) {
    if (is_hostile_ && Chance(10)) answers_.push_back(answer);
    answers_.push_back(std::move(answer));
  }

  void OnPoll(const SendPoll& poll) {
    v1::LeaseTasksResponse response;
    if (const auto known = polls_.find(poll.request.request_id()); known != polls_.end()) {
      // As the controller does: what has ended since is not handed out again.
      for (const v1::Task& task : known->second.tasks()) {
        const Fate& fate = leases_.at(task.lease_token());
        if (fate.accepted + fate.released + fate.cancelled == 0) *response.add_tasks() = task;
      }
    } else {
      EXPECT_FALSE(poll.is_last && poll.request.request_id().empty());
      const int count = Chance(70) ? 1 + Draw(poll.request.max_tasks()) : 0;
      for (int i = 0; i < count; ++i) {
        v1::Task task = MakeTask(++tasks_);
        task.set_report_epochs(Chance(50));
        leases_[task.lease_token()].work = task.identity();
        *response.add_tasks() = task;
      }
      polls_[poll.request.request_id()] = response;
    }
    const absl::Status status = MaybeLost();
    Answer([this, call = poll.call, status, response] { machine_->PollAnswered(now_, call, status, response); });
  }

  void OnHeartbeat(const SendHeartbeat& heartbeat) {
    v1::HeartbeatResponse response;
    absl::Status status = MaybeLost();
    if (is_hostile_ && Chance(10)) status = absl::InvalidArgumentError("no");
    for (const v1::HeldLease& held : heartbeat.request.leases()) {
      EXPECT_TRUE(leases_.contains(held.lease_token()));
      Fate& fate = leases_[held.lease_token()];
      v1::LeaseVerdict& verdict = *response.add_verdicts();
      verdict.set_lease_token(held.lease_token());
      const bool over = fate.accepted + fate.released + fate.cancelled > 0;
      const bool cancel = over || Chance(3);
      if (cancel && !over) ++fate.cancelled;
      verdict.set_action(cancel ? v1::LEASE_ACTION_CANCEL : v1::LEASE_ACTION_CONTINUE);
    }
    Answer(
        [this, call = heartbeat.call, status, response] { machine_->HeartbeatAnswered(now_, call, status, response); });
  }

  void OnCompletions(const SendCompletions& completions) {
    v1::CompleteTasksResponse response;
    absl::Status status = MaybeLost();
    // A bad result in the batch, whichever way it is called; a failure is always taken.
    for (const v1::Completion& completion : completions.request.completions()) {
      if (completion.has_result() && completion.result().metrics().contains("bad")) {
        status = absl::InvalidArgumentError("bad");
      }
    }
    const bool arrives = status.ok() || (!absl::IsInvalidArgument(status) && Chance(50));
    for (const v1::Completion& completion : completions.request.completions()) {
      Fate& fate = leases_.at(completion.lease_token());
      v1::CompletionVerdict& verdict = *response.add_verdicts();
      verdict.set_lease_token(completion.lease_token());
      verdict.set_status(v1::COMPLETION_STATUS_ACCEPTED);
      if (arrives && fate.accepted + fate.cancelled == 0) ++fate.accepted;
      EXPECT_EQ(fate.released, 0) << completion.lease_token();
    }
    Answer([this, call = completions.call, status, response] {
      machine_->CompletionsAnswered(now_, call, status, response);
    });
  }

  void OnRelease(const SendRelease& release) {
    const absl::Status status = MaybeLost();
    for (const std::string& token : release.request.lease_tokens()) {
      Fate& fate = leases_.at(token);
      EXPECT_EQ(fate.accepted, 0) << token;
      if (fate.released + fate.cancelled == 0) ++fate.released;
    }
    Answer([this, call = release.call, status] { machine_->ReleaseAnswered(now_, call, status); });
  }

  void EndOne() {
    const int slot = *std::next(running_.begin(), Draw(static_cast<int>(running_.size())));
    const bool stopped = stopped_.erase(slot) > 0;
    running_.erase(slot);
    const int kind = stopped && Chance(70) ? 0 : 1 + Draw(5);
    EvaluationOutcome outcome = Accuracy(0.5);
    if (kind == 0) outcome = EvaluationCancelled{};
    if (kind == 1) outcome = EvaluationFailure{.message = "crashed"};
    if (kind == 2) outcome = EvaluationFailure{.message = "killed by signal 15", .told_to_end = true};
    if (kind == 3) outcome = Metrics{{"bad", 1.0}};
    machine_->EvaluationEnded(now_, slot, std::move(outcome));
  }

  void Step() {
    Perform();
    const int what = Draw(10);
    if (what < 4 && !answers_.empty()) {
      const auto chosen = answers_.begin() + Draw(static_cast<int>(answers_.size()));
      const std::function<void()> answer = *chosen;
      answers_.erase(chosen);
      answer();
    } else if (what < 6 && !running_.empty()) {
      EndOne();
    } else if (what < 8 && !running_.empty()) {
      machine_->EvaluationProgressed(now_, Draw(slots_), {1 + Draw(9), 9, 0.5});
    } else {
      // No call is answered while time passes by more than a little: then the drain would rightly give up.
      now_ += Millis(is_draining_ ? Draw(5) : Draw(3'000));
      machine_->TimePassed(now_);
    }
    Perform();
    const SteadyTime wakeup = machine_->NextWakeup();
    EXPECT_GT(wakeup, now_) << "would be woken for nothing";
    EXPECT_LE(static_cast<int>(running_.size()), slots_);
  }

  std::mt19937_64 random_;
  const int slots_;
  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
  std::unique_ptr<AgentMachine> machine_;
  bool is_hostile_ = true;
  bool is_draining_ = false;
  int tasks_ = 0;
  std::set<int> running_;
  std::set<int> stopped_;
  std::vector<std::function<void()>> answers_;
  std::map<std::string, v1::LeaseTasksResponse> polls_;
  std::map<std::string, Fate> leases_;
};

TEST(AgentMachineWorlds, EachLeaseEndsOnceAndEachDrainEnds) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    World(seed).Run();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace layernas
