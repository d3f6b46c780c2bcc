// A fixture for an AgentMachine whose time and answers the test decides.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/worker/agent/tasks.h"
#include "worker/agent/agent_machine.h"

namespace layernas {

// Keeps the machine's actions by kind.
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
  // Advances the time to the machine's next wake-up.
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
  // Evaluates n tasks at once, with numbers from 1, and lets all succeed.
  void FinishTasks(int n, const std::string& log = "") {
    Start(n);
    std::vector<v1::Task> tasks;
    for (int i = 1; i <= n; ++i) tasks.push_back(MakeTask(i));
    AnswerPoll(tasks);
    // The first result is reported alone. The others wait for its answer and are reported together.
    for (int i = 0; i < n; ++i) {
      EvaluationResult result = Metrics{{"accuracy", 0.5}};
      result.log.tail = log;
      EndEvaluation(i, std::move(result));
    }
  }

  AgentOptions options_;
  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
  std::unique_ptr<AgentMachine> machine_;
  std::optional<SendPoll> poll_;
  std::optional<SendHeartbeat> heartbeat_;
  std::optional<SendCompletions> completions_;
  std::optional<SendRelease> release_;
  // The candidate in each slot.
  std::map<int, std::string> running_;
  std::set<int> stopped_;
  std::vector<v1::Completion> accepted_;
  int heartbeats_ = 0;
  std::string log_;
};

}  // namespace layernas
