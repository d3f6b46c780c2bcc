#include "worker/agent/agent.h"

#include <algorithm>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/crash_point.h"
#include "common/log/log.h"
#include "worker/agent/convert.h"

namespace layernas {
namespace {

std::uint64_t RandomSeed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace

Agent::Agent(AgentOptions options, std::unique_ptr<ControllerClient> client, EvaluatorFactory make_evaluator,
             WorkerMetrics& metrics)
    : options_(std::move(options)),
      client_(std::move(client)),
      make_evaluator_(std::move(make_evaluator)),
      metrics_(metrics),
      machine_(options_, RandomSeed()),
      slots_(static_cast<std::size_t>(options_.slots)) {}

absl::Status Agent::Run() {
  absl::Status status;
  std::vector<std::thread> threads;
  try {
    for (int slot = 0; slot < options_.slots; ++slot) threads.emplace_back(&Agent::SlotLoop, this, slot);
    for (void (Agent::*loop)() : {&Agent::PollLoop, &Agent::HeartbeatLoop, &Agent::ReportLoop, &Agent::ReleaseLoop}) {
      threads.emplace_back(loop, this);
    }
  } catch (const std::system_error& error) {
    status = absl::ResourceExhaustedError(absl::StrCat("cannot start a thread: ", error.code().message(),
                                                       "; lower --slots or raise the limit (ulimit -u)"));
    Abandon();
  }
  if (status.ok()) WakeLoop();
  client_->Shutdown();
  for (std::thread& thread : threads) thread.join();
  return status;
}

void Agent::Abandon() {
  MutexLock lock(mutex_);
  abandoned_ = draining_ = true;
  changed_.NotifyAll();
}

void Agent::Drain() {
  Step([](AgentMachine& machine, SteadyTime now) { machine.Drain(now); });
}

void Agent::WakeLoop() {
  while (true) {
    Step([](AgentMachine& machine, SteadyTime now) { machine.TimePassed(now); });
    MutexLock lock(mutex_);
    if (machine_.finished()) return;
    wakeup_ = machine_.NextWakeup();
    if (wakeup_ == SteadyTime::max()) {
      changed_.Wait(mutex_);
    } else if (const SteadyTime now = std::chrono::steady_clock::now(); wakeup_ > now) {
      changed_.WaitFor(mutex_, std::chrono::ceil<Millis>(wakeup_ - now));
    }
  }
}

void Agent::Step(const std::function<void(AgentMachine&, SteadyTime now)>& event) {
  Unlocked unlocked;
  {
    MutexLock lock(mutex_);
    event(machine_, std::chrono::steady_clock::now());
    unlocked = HandOut(machine_.Take());
  }
  if (unlocked.cut_polls_off) client_->StopLeasing();
  for (std::stop_source& evaluation : unlocked.stop) evaluation.request_stop();
}

Agent::Unlocked Agent::HandOut(std::vector<Action> actions) {
  Unlocked unlocked;
  for (Action& action : actions) {
    if (auto* poll = std::get_if<SendPoll>(&action)) poll_ = std::move(*poll);
    if (auto* heartbeat = std::get_if<SendHeartbeat>(&action)) heartbeat_ = std::move(*heartbeat);
    if (auto* completions = std::get_if<SendCompletions>(&action)) completions_ = std::move(*completions);
    if (auto* release = std::get_if<SendRelease>(&action)) release_ = std::move(*release);
    if (std::holds_alternative<CutPollsOff>(action)) unlocked.cut_polls_off = draining_ = true;
    if (auto* start = std::get_if<StartEvaluation>(&action)) {
      slots_[start->slot] = {.next = std::move(start->task), .stop = std::stop_source()};
      metrics_.slots_busy.Increment();
    }
    // Stop the evaluation through its own stop source: the slot may have another evaluation by the
    // time the lock is released.
    if (const auto* stop = std::get_if<StopEvaluation>(&action)) unlocked.stop.push_back(slots_[stop->slot].stop);
    if (const auto* over = std::get_if<EvaluationOver>(&action)) Count(*over);
    if (const auto* failed = std::get_if<CallFailed>(&action)) {
      if (*failed == CallFailed::kHeartbeat) metrics_.heartbeat_failures.Increment();
      metrics_.rpc_retries.Increment();
    }
    // Log under the lock, so that the lines keep their order.
    if (const auto* line = std::get_if<LogLine>(&action)) log::Write(line->level, line->message, line->fields);
  }
  if (!actions.empty() || machine_.NextWakeup() < wakeup_) changed_.NotifyAll();
  return unlocked;
}

void Agent::Count(const EvaluationOver& over) {
  metrics_.slots_busy.Decrement();
  (over.work == v1::WORK_TRAIN     ? metrics_.train_seconds
   : over.work == v1::WORK_MEASURE ? metrics_.measure_seconds
                                   : metrics_.evaluate_seconds)
      .Observe(over.seconds);
  (over.how == EvaluationOver::How::kSucceeded    ? metrics_.succeeded
   : over.how == EvaluationOver::How::kCancelled  ? metrics_.cancelled
   : over.how == EvaluationOver::How::kInfeasible ? metrics_.infeasible
                                                  : metrics_.failed)
      .Increment();
}

template <typename Send, typename Response, typename Call, typename Answered>
void Agent::CallLoop(std::optional<Send> Agent::*next, Call call, Answered answered) {
  while (true) {
    std::optional<Send> send;
    {
      MutexLock lock(mutex_);
      while (!(this->*next) && !machine_.finished() && !abandoned_) changed_.Wait(mutex_);
      if (machine_.finished() || abandoned_) return;
      send = std::exchange(this->*next, std::nullopt);
    }
    Response response;
    const absl::Status status = call(*send, response);
    Step([&](AgentMachine& machine, SteadyTime now) { answered(machine, now, send->call, status, response); });
  }
}

void Agent::PollLoop() {
  CallLoop<SendPoll, v1::LeaseTasksResponse>(
      &Agent::poll_,
      [this](const SendPoll& poll, v1::LeaseTasksResponse& response) {
        absl::Status status = poll.is_last ? client_->LeaseAgain(poll.request, poll.timeout, response)
                                           : client_->Lease(poll.request, poll.timeout, response);
        if (status.ok() && !response.tasks().empty()) CrashPoint("task-leased");
        return status;
      },
      [](AgentMachine& machine, SteadyTime now, std::uint64_t call, const absl::Status& status,
         const v1::LeaseTasksResponse& response) { machine.PollAnswered(now, call, status, response); });
}

void Agent::HeartbeatLoop() {
  CallLoop<SendHeartbeat, v1::HeartbeatResponse>(
      &Agent::heartbeat_,
      [this](const SendHeartbeat& heartbeat, v1::HeartbeatResponse& response) {
        return client_->Heartbeat(heartbeat.request, heartbeat.timeout, response);
      },
      [](AgentMachine& machine, SteadyTime now, std::uint64_t call, const absl::Status& status,
         const v1::HeartbeatResponse& response) { machine.HeartbeatAnswered(now, call, status, response); });
}

void Agent::ReportLoop() {
  CallLoop<SendCompletions, v1::CompleteTasksResponse>(
      &Agent::completions_,
      [this](const SendCompletions& completions, v1::CompleteTasksResponse& response) {
        absl::Status status = client_->Complete(completions.request, completions.timeout, response);
        if (status.ok()) CrashPoint("task-reported");
        return status;
      },
      [](AgentMachine& machine, SteadyTime now, std::uint64_t call, const absl::Status& status,
         const v1::CompleteTasksResponse& response) { machine.CompletionsAnswered(now, call, status, response); });
}

void Agent::ReleaseLoop() {
  CallLoop<SendRelease, v1::ReleaseTasksResponse>(
      &Agent::release_,
      [this](const SendRelease& release, v1::ReleaseTasksResponse&) {
        return client_->Release(release.request, release.timeout);
      },
      [](AgentMachine& machine, SteadyTime now, std::uint64_t call, const absl::Status& status,
         const v1::ReleaseTasksResponse&) { machine.ReleaseAnswered(now, call, status); });
}

void Agent::SlotLoop(int slot) {
  const std::unique_ptr<Evaluator> evaluator = make_evaluator_(slot);
  while (true) {
    std::shared_ptr<const v1::Task> task;
    std::stop_token stop;
    {
      MutexLock lock(mutex_);
      while (slots_[slot].next == nullptr && !draining_) changed_.Wait(mutex_);
      if (slots_[slot].next == nullptr) return;
      task = std::exchange(slots_[slot].next, nullptr);
      stop = slots_[slot].stop.get_token();
    }
    EvaluationOutcome outcome = Evaluate(*evaluator, slot, *task, std::move(stop));
    CrashPoint("task-evaluated");
    Step([&](AgentMachine& machine, SteadyTime now) { machine.EvaluationEnded(now, slot, std::move(outcome)); });
  }
}

EvaluationOutcome Agent::Evaluate(Evaluator& evaluator, int slot, const v1::Task& task, std::stop_token stop) {
  const auto evaluation = ToEvaluation(task, options_.keeps_weights);
  if (!evaluation.ok()) {
    return EvaluationFailure{EvaluationFailure::Kind::kEvaluator, std::string(evaluation.status().message())};
  }
  return evaluator.Evaluate(*evaluation, std::move(stop), [this, slot](const Progress& progress) {
    Step([&](AgentMachine& machine, SteadyTime now) { machine.EvaluationProgressed(now, slot, progress); });
  });
}

}  // namespace layernas
