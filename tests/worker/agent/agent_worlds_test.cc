// Tests an AgentMachine in random worlds: whatever happens, each lease ends once, and each drain
// ends.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "tests/worker/agent/tasks.h"
#include "worker/agent/agent_machine.h"

namespace layernas {
namespace {

// A controller, evaluators, and a network that loses, delays, duplicates and reorders answers, all
// drawn from one seed.
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
        EXPECT_TRUE(wanting_machine_.empty());
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
  // Answers arrive in any order, some of them twice.
  void Answer(std::function<void()> answer) {
    if (is_hostile_ && Chance(10)) answers_.push_back(answer);
    answers_.push_back(std::move(answer));
  }

  void OnPoll(const SendPoll& poll) {
    v1::LeaseTasksResponse response;
    if (const auto known = polls_.find(poll.request.request_id()); known != polls_.end()) {
      // Like the controller, does not lease again what has ended since.
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
    // A bad result in the batch makes any call fail; a failure is always accepted.
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
    wanting_machine_.erase(slot);
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
      const int slot = Draw(slots_);
      Progress progress{1 + Draw(9), 9, 0.5};
      // The evaluation has run out of memory.
      if (running_.contains(slot) && Chance(5)) {
        progress = {.begins_again = true, .wants_machine = true};
        wanting_machine_.insert(slot);
      }
      machine_->EvaluationProgressed(now_, slot, progress);
    } else {
      // No call is answered while more than a little time passes. Otherwise the drain would rightly
      // give up.
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
  std::set<int> wanting_machine_;
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
