#include "worker/agent/agent.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/version.h"
#include "common/log/log.h"
#include "common/rpc/backoff.h"

namespace layernas {
namespace {

using google::protobuf::util::TimeUtil;

// Limits of worker_service.proto.
constexpr int kMostTasks = 64;
constexpr int kMostCompletions = 256;
// Far below what a message may hold.
constexpr std::size_t kBatchBytes = 1 << 20;
// What a waiting call's deadline leaves beyond its wait.
constexpr Millis kPollMargin{5'000};
// An empty answer that comes sooner is not waited for by the controller; asking again at once would only heat both.
constexpr Millis kShortestPoll{100};
constexpr Millis kDrainCall{2'000};
constexpr Millis kDrainRetry{200};
// Between heartbeats that report epochs which the controller waits for.
constexpr Millis kNewsInterval{200};
// Longer than any answer is on its way.
constexpr std::size_t kDoneKept = 256;

std::uint64_t RandomNonce() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

Millis Left(SteadyTime deadline) {
  return std::max(Millis(0), std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now()));
}

}  // namespace

Agent::Agent(AgentOptions options, std::unique_ptr<ControllerClient> client, EvaluatorFactory make_evaluator,
             WorkerMetrics& metrics)
    : options_(std::move(options)),
      client_(std::move(client)),
      make_evaluator_(std::move(make_evaluator)),
      metrics_(metrics),
      nonce_(RandomNonce()) {}

void Agent::Run() {
  std::thread reporter(&Agent::ReportLoop, this);
  std::thread heart(&Agent::HeartbeatLoop, this);
  std::vector<std::thread> slots;
  slots.reserve(options_.slots);
  for (int slot = 0; slot < options_.slots; ++slot) slots.emplace_back(&Agent::SlotLoop, this, slot);
  std::thread poller(&Agent::PollLoop, this);
  {
    MutexLock lock(mutex_);
    while (!draining_) changed_.Wait(mutex_);
  }
  client_->StopLeasing();
  StopEvaluations();
  // Evaluators may take a while to keep what they are at.
  for (std::thread& slot : slots) slot.join();
  poller.join();
  const SteadyTime deadline = std::chrono::steady_clock::now() + options_.drain_timeout;
  ReleaseAll(deadline);
  std::size_t undelivered = 0;
  {
    MutexLock lock(mutex_);
    while (!unreported_.empty() && Left(deadline) > Millis(0)) changed_.WaitFor(mutex_, Left(deadline));
    undelivered = unreported_.size();
    stopping_ = true;
    has_news_ = true;
    changed_.NotifyAll();
  }
  client_->Shutdown();
  heart.join();
  reporter.join();
  if (undelivered > 0) {
    log::Warning("drained, but the controller could not be given everything", {{"results_lost", undelivered}});
  } else {
    log::Info("drained");
  }
}

void Agent::Drain() {
  MutexLock lock(mutex_);
  draining_ = true;
  changed_.NotifyAll();
}

void Agent::PollLoop() {
  rpc::Backoff backoff(options_.first_retry, options_.longest_retry, nonce_);
  v1::LeaseTasksRequest request;
  // False: the controller may have given us tasks in an answer that was lost.
  bool answered = true;
  for (std::uint64_t number = 1; true;) {
    {
      MutexLock lock(mutex_);
      // Results come first: the controller might hand a candidate out whose result is on the way to it.
      while (!draining_ && (FreeSlots() < 1 || !unreported_.empty())) changed_.Wait(mutex_);
      if (draining_) break;
      if (answered) {
        *request.mutable_worker() = Info();
        request.set_max_tasks(std::min(FreeSlots(), kMostTasks));
        request.set_request_id(std::to_string(nonce_) + "-" + std::to_string(number++));
        *request.mutable_max_wait() = TimeUtil::MillisecondsToDuration(options_.poll_wait.count());
      }
    }
    if (!answered) metrics_.rpc_retries.Increment();
    const SteadyTime start = std::chrono::steady_clock::now();
    v1::LeaseTasksResponse response;
    answered = client_->Lease(request, options_.poll_wait + kPollMargin, response).ok();
    if (answered) {
      backoff.Reset();
      Accept(response);
      if (response.tasks().empty()) PauseUnless(&Agent::draining_, Left(start + kShortestPoll));
    } else {
      PauseUnless(&Agent::draining_, backoff.Next());
    }
  }
  if (answered) return;
  request.mutable_max_wait()->Clear();
  v1::LeaseTasksResponse response;
  if (client_->LeaseAgain(request, kDrainCall, response).ok()) Accept(response);
}

void Agent::Accept(const v1::LeaseTasksResponse& response) {
  if (!response.tasks().empty()) CrashPoint("task-leased");
  MutexLock lock(mutex_);
  for (const v1::Task& task : response.tasks()) {
    if (draining_) {
      released_.push_back(task.lease_token());
      continue;
    }
    // A repeated answer may name what has arrived already.
    if (leases_.count(task.lease_token()) != 0 || HeldAllAlong(task)) continue;
    auto lease = std::make_shared<Lease>();
    lease->task = task;
    lease->token = task.lease_token();
    leases_.emplace(task.lease_token(), std::move(lease));
    waiting_.push_back(task.lease_token());
  }
  changed_.NotifyAll();
}

bool Agent::HeldAllAlong(const v1::Task& task) {
  // Answers may overtake each other. What was measured here may be trained here, too: that is another task.
  if (std::find(done_.begin(), done_.end(), std::pair(task.candidate(), task.work())) != done_.end()) return true;
  const auto held = std::find_if(leases_.begin(), leases_.end(), [&](const auto& entry) {
    return entry.second->task.candidate() == task.candidate() && entry.second->task.work() == task.work();
  });
  if (held == leases_.end()) return false;
  const std::shared_ptr<Lease> lease = held->second;
  if (lease->finished) {
    // A result is taken of whichever attempt it is; the failure of one that was replaced changes nothing.
    return std::none_of(unreported_.begin(), unreported_.end(), [&](const v1::Completion& completion) {
      return completion.lease_token() == lease->token && completion.failure().kind() == v1::FAILURE_KIND_EVALUATOR;
    });
  }
  log::Info("has a new lease", {{"task", task.candidate()}});
  std::replace(waiting_.begin(), waiting_.end(), lease->token, task.lease_token());
  leases_.erase(held);
  lease->token = task.lease_token();
  leases_.emplace(task.lease_token(), lease);
  return true;
}

void Agent::SlotLoop(int slot) {
  const std::unique_ptr<Evaluator> evaluator = make_evaluator_(slot);
  while (true) {
    std::shared_ptr<Lease> lease;
    {
      MutexLock lock(mutex_);
      while (!draining_ && waiting_.empty()) changed_.Wait(mutex_);
      if (draining_) return;
      lease = leases_.at(waiting_.front());
      waiting_.pop_front();
      ++busy_slots_;
    }
    const EvaluationOutcome outcome = Evaluate(*evaluator, lease);
    Finish(*lease, outcome);
  }
}

EvaluationOutcome Agent::Evaluate(Evaluator& evaluator, const std::shared_ptr<Lease>& lease) {
  metrics_.slots_busy.Increment();
  const SteadyTime start = std::chrono::steady_clock::now();
  log::Info("evaluating", {{"task", lease->task.candidate()}, {"architecture", lease->task.architecture().id()}});
  EvaluationOutcome outcome;
  if (const auto evaluation = ToEvaluation(lease->task, options_.keeps_weights); evaluation.ok()) {
    outcome = evaluator.Evaluate(*evaluation, lease->stop.get_token(), [&](const Progress& progress) {
      MutexLock lock(mutex_);
      lease->progress = ToProto(progress);
      AddToCurve(lease->curve, progress);
      if (!lease->task.report_epochs()) return;
      has_news_ = true;
      changed_.NotifyAll();
    });
  } else {
    outcome = EvaluationFailure{EvaluationFailure::Kind::kEvaluator, std::string(evaluation.status().message())};
  }
  if (const auto* failure = std::get_if<EvaluationFailure>(&outcome); failure != nullptr && failure->told_to_end) {
    // A cluster's scheduler and a service manager tell all our processes at once: no reason to use up an attempt.
    PauseUnless(&Agent::draining_, options_.drain_follows);
    MutexLock lock(mutex_);
    if (draining_) outcome = EvaluationCancelled{};
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  metrics_.slots_busy.Decrement();
  Count(lease->task.work(), outcome, seconds.count());
  if (std::holds_alternative<EvaluationResult>(outcome)) {
    log::Info("evaluated", {{"task", lease->task.candidate()}, {"seconds", seconds.count()}});
  } else if (const auto* failure = std::get_if<EvaluationFailure>(&outcome)) {
    const bool infeasible = failure->kind == EvaluationFailure::Kind::kInfeasible;
    log::Warning(infeasible ? "infeasible" : "evaluation failed",
                 {{"task", lease->task.candidate()}, {"reason", failure->message}});
  }
  return outcome;
}

void Agent::Count(v1::Work work, const EvaluationOutcome& outcome, double seconds) {
  (work == v1::WORK_TRAIN     ? metrics_.train_seconds
   : work == v1::WORK_MEASURE ? metrics_.measure_seconds
                              : metrics_.evaluate_seconds)
      .Observe(seconds);
  if (std::holds_alternative<EvaluationResult>(outcome)) {
    metrics_.succeeded.Increment();
  } else if (std::holds_alternative<EvaluationCancelled>(outcome)) {
    metrics_.cancelled.Increment();
  } else if (std::get<EvaluationFailure>(outcome).kind == EvaluationFailure::Kind::kInfeasible) {
    metrics_.infeasible.Increment();
  } else {
    metrics_.failed.Increment();
  }
}

void Agent::Finish(Lease& lease, const EvaluationOutcome& outcome) {
  CrashPoint("task-evaluated");
  MutexLock lock(mutex_);
  --busy_slots_;
  // Otherwise the controller has called it off.
  if (const auto held = leases_.find(lease.token); held != leases_.end()) {
    if (std::optional<v1::Completion> completion = ToCompletion(lease.token, outcome, lease.curve)) {
      lease.finished = true;
      unreported_.push_back(*std::move(completion));
    } else {
      released_.push_back(lease.token);
      leases_.erase(held);
    }
  }
  changed_.NotifyAll();
}

void Agent::HeartbeatLoop() {
  rpc::Backoff backoff(options_.first_retry, options_.longest_retry, nonce_ + 1);
  Millis interval = options_.heartbeat_interval;
  while (true) {
    const v1::HeartbeatRequest request = MakeHeartbeat();
    v1::HeartbeatResponse response;
    Millis pause = interval;
    const absl::Status status = client_->Heartbeat(request, options_.call_timeout, response);
    {
      // Then the call may have been cut off, which is no failure.
      MutexLock lock(mutex_);
      if (stopping_) return;
    }
    if (status.ok()) {
      backoff.Reset();
      Follow(response);
      const Millis wanted(TimeUtil::DurationToMilliseconds(response.interval()));
      if (wanted > Millis(0)) interval = wanted;
      pause = interval;
      // An idle worker's requests for tasks say that it is there: a large fleet would keep the controller busy with
      // news that are none. A lease is good for longer than the interval.
      if (request.leases().empty()) AwaitLease();
    } else {
      metrics_.heartbeat_failures.Increment();
      metrics_.rpc_retries.Increment();
      pause = std::min(interval, backoff.Next());
    }
    if (status.ok()) {
      // Many small trainings at once have news all the time.
      PauseUnless(&Agent::stopping_, std::min(pause, kNewsInterval));
      PauseUnless(&Agent::has_news_, pause - std::min(pause, kNewsInterval));
    } else {
      PauseUnless(&Agent::stopping_, pause);
    }
  }
}

void Agent::AwaitLease() {
  MutexLock lock(mutex_);
  while (!stopping_ && leases_.empty()) changed_.Wait(mutex_);
}

v1::HeartbeatRequest Agent::MakeHeartbeat() {
  v1::HeartbeatRequest request;
  *request.mutable_worker() = Info();
  MutexLock lock(mutex_);
  has_news_ = stopping_;
  for (const auto& [token, lease] : leases_) {
    v1::HeldLease* held = request.add_leases();
    held->set_lease_token(token);
    if (lease->progress) *held->mutable_progress() = *lease->progress;
  }
  return request;
}

void Agent::Follow(const v1::HeartbeatResponse& response) {
  std::vector<std::shared_ptr<Lease>> cancelled;
  {
    MutexLock lock(mutex_);
    for (const v1::LeaseVerdict& verdict : response.verdicts()) {
      if (verdict.action() != v1::LEASE_ACTION_CANCEL) continue;
      const auto lease = leases_.find(verdict.lease_token());
      if (lease == leases_.end()) continue;
      cancelled.push_back(lease->second);
      leases_.erase(lease);
      std::erase(waiting_, verdict.lease_token());
      std::erase_if(unreported_, [&](const v1::Completion& c) { return c.lease_token() == verdict.lease_token(); });
    }
    changed_.NotifyAll();
  }
  for (const std::shared_ptr<Lease>& lease : cancelled) {
    log::Info("called off by the controller", {{"task", lease->task.candidate()}});
    lease->stop.request_stop();
  }
}

void Agent::ReportLoop() {
  rpc::Backoff backoff(options_.first_retry, options_.longest_retry, nonce_ + 2);
  while (true) {
    v1::CompleteTasksRequest request;
    bool draining = false;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && unreported_.empty()) changed_.Wait(mutex_);
      if (stopping_) return;
      request = NextBatch();
      draining = draining_;
    }
    v1::CompleteTasksResponse response;
    if (client_->Complete(request, draining ? kDrainCall : options_.call_timeout, response).ok() &&
        Settle(request, response)) {
      backoff.Reset();
      continue;
    }
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
    }
    metrics_.rpc_retries.Increment();
    // Begun before the drain or in it, no pause holds the last attempts up.
    if (draining) {
      PauseUnless(&Agent::stopping_, kDrainRetry);
    } else {
      PauseUnless(&Agent::draining_, backoff.Next());
    }
  }
}

v1::CompleteTasksRequest Agent::NextBatch() {
  v1::CompleteTasksRequest request;
  request.set_worker_id(options_.worker_id);
  std::size_t bytes = 0;
  for (const v1::Completion& completion : unreported_) {
    if (request.completions_size() == kMostCompletions) break;
    bytes += completion.ByteSizeLong();
    if (request.completions_size() > 0 && bytes > kBatchBytes) break;
    *request.add_completions() = completion;
  }
  return request;
}

bool Agent::Settle(const v1::CompleteTasksRequest& request, const v1::CompleteTasksResponse& response) {
  CrashPoint("task-reported");
  std::set<std::string> answered;
  std::set<std::string> accepted;
  for (const v1::CompletionVerdict& verdict : response.verdicts()) {
    answered.insert(verdict.lease_token());
    if (verdict.status() == v1::COMPLETION_STATUS_ACCEPTED) {
      accepted.insert(verdict.lease_token());
      continue;
    }
    log::Warning("the controller did not take a result", {{"lease", verdict.lease_token()},
                                                          {"status", v1::CompletionStatus_Name(verdict.status())},
                                                          {"reason", verdict.message()}});
  }
  MutexLock lock(mutex_);
  std::erase_if(unreported_, [&](const v1::Completion& c) { return answered.count(c.lease_token()) != 0; });
  bool all = true;
  for (const v1::Completion& completion : request.completions()) {
    if (answered.count(completion.lease_token()) != 0) {
      const auto lease = leases_.find(completion.lease_token());
      if (lease == leases_.end()) continue;
      if (completion.has_result() && accepted.count(completion.lease_token()) != 0) {
        done_.emplace_back(lease->second->task.candidate(), lease->second->task.work());
        if (done_.size() > kDoneKept) done_.pop_front();
      }
      leases_.erase(lease);
    } else {
      all = false;
    }
  }
  changed_.NotifyAll();
  return all;
}

void Agent::StopEvaluations() {
  std::vector<std::shared_ptr<Lease>> running;
  {
    MutexLock lock(mutex_);
    for (const std::string& token : waiting_) {
      released_.push_back(token);
      leases_.erase(token);
    }
    waiting_.clear();
    for (const auto& [token, lease] : leases_) {
      if (!lease->finished) running.push_back(lease);
    }
    log::Info("draining", {{"evaluations", running.size()}, {"results", unreported_.size()}});
  }
  for (const std::shared_ptr<Lease>& lease : running) lease->stop.request_stop();
}

void Agent::ReleaseAll(SteadyTime deadline) {
  v1::ReleaseTasksRequest request;
  request.set_worker_id(options_.worker_id);
  {
    MutexLock lock(mutex_);
    request.mutable_lease_tokens()->Assign(released_.begin(), released_.end());
  }
  if (request.lease_tokens().empty()) return;
  while (Left(deadline) > Millis(0)) {
    if (client_->Release(request, std::min(kDrainCall, Left(deadline))).ok()) {
      log::Info("gave tasks back", {{"tasks", request.lease_tokens_size()}});
      return;
    }
    metrics_.rpc_retries.Increment();
    std::this_thread::sleep_for(std::min(kDrainRetry, Left(deadline)));
  }
  log::Warning("could not give tasks back; the controller will miss their heartbeats",
               {{"tasks", request.lease_tokens_size()}});
}

int Agent::FreeSlots() const { return options_.slots - busy_slots_ - static_cast<int>(waiting_.size()); }

v1::WorkerInfo Agent::Info() const {
  v1::WorkerInfo info;
  info.set_id(options_.worker_id);
  info.mutable_labels()->insert(options_.labels.begin(), options_.labels.end());
  info.set_slots(options_.slots);
  info.set_version(std::string(Version()));
  return info;
}

void Agent::PauseUnless(bool Agent::*flag, Millis pause) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + pause;
  MutexLock lock(mutex_);
  while (!(this->*flag) && Left(deadline) > Millis(0)) changed_.WaitFor(mutex_, Left(deadline));
}

}  // namespace layernas
