#include "worker/agent/agent_machine.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/task_limits.h"
#include "common/base/version.h"

namespace layernas {
namespace {

using google::protobuf::util::TimeUtil;

// How much longer than its wait the deadline of a waiting call is.
constexpr Millis kPollMargin{5'000};
// If an answer without news arrives sooner than this, the controller does not make polls wait.
// Polling again at once would only load both sides.
constexpr Millis kShortestPoll{100};

EvaluationOver::How HowItEnded(const EvaluationOutcome& outcome) {
  if (std::holds_alternative<EvaluationResult>(outcome)) return EvaluationOver::How::kSucceeded;
  if (std::holds_alternative<EvaluationCancelled>(outcome)) return EvaluationOver::How::kCancelled;
  return std::get<EvaluationFailure>(outcome).kind == EvaluationFailure::Kind::kInfeasible
             ? EvaluationOver::How::kInfeasible
             : EvaluationOver::How::kFailed;
}

}  // namespace

AgentMachine::AgentMachine(AgentOptions options, std::uint64_t seed)
    : options_(std::move(options)),
      instance_(std::to_string(seed)),
      slots_(static_cast<std::size_t>(options_.slots)),
      polling_{.request = {}, .sent = {}, .backoff = {options_.first_retry, options_.longest_retry, seed}},
      beating_{.sent = {},
               .queue = {},
               .limit = kMaxLeasesPerCall,
               .max_bytes = kBatchBytes,
               .interval = options_.heartbeat_interval,
               .backoff = {options_.first_retry, options_.longest_retry, seed + 1}},
      reporting_{.sent = {},
                 .limit = kMaxCompletionsPerCall,
                 .timeout = options_.call_timeout,
                 .began = {},
                 .backoff = {options_.first_retry, options_.longest_retry, seed + 2}},
      releasing_{.sent = {}, .backoff = {options_.first_retry, options_.longest_retry, seed + 3}} {}

void AgentMachine::TimePassed(SteadyTime now) { Advance(now); }

void AgentMachine::Advance(SteadyTime now) {
  if (finished_) return;
  FinishHeldBack(now);
  StartWaiting(now);
  if (now >= PollAt()) Poll(now);
  if (now >= HeartbeatAt()) Beat(now);
  if (now >= ReportAt()) Report(now);
  if (draining_ && IsSettled() && !deadline_) deadline_ = now + options_.drain_timeout;
  if (now >= ReleaseAt()) Release(now);
  CheckEnd(now);
}

std::vector<Action> AgentMachine::Take() { return std::exchange(actions_, {}); }

SteadyTime AgentMachine::NextWakeup() const {
  if (finished_) return kNever;
  return std::min({PollAt(), HeartbeatAt(), ReportAt(), ReleaseAt(), HeldBackAt(), deadline_.value_or(kNever)});
}

// Receiving tasks.

SteadyTime AgentMachine::PollAt() const {
  if (polling_.call != 0) return kNever;
  if (draining_) return polling_.answered || polling_.last_was_sent ? kNever : SteadyTime::min();
  if ((polling_.answered && FreeSlots() < 1) || ResultsComeFirst()) return kNever;
  return polling_.not_before;
}

bool AgentMachine::ResultsComeFirst() const {
  return std::any_of(unreported_.begin(), unreported_.end(), [this](const v1::Completion& completion) {
    return !leases_.at(completion.lease_token())->passed_over;
  });
}

void AgentMachine::Poll(SteadyTime now) {
  polling_.call = ++calls_;
  polling_.sent = now;
  if (draining_) {
    polling_.last_was_sent = true;
    polling_.request.mutable_max_wait()->Clear();
    actions_.push_back(SendPoll{polling_.call, polling_.request, kDrainCall, /*is_last=*/true});
    return;
  }
  if (polling_.answered) {
    *polling_.request.mutable_worker() = Describe();
    polling_.request.set_max_tasks(polling_.is_modest ? 1 : std::min(FreeSlots(), kMaxTasksPerCall));
    polling_.request.set_request_id(absl::StrCat(instance_, "-", ++polling_.number));
    *polling_.request.mutable_max_wait() = TimeUtil::MillisecondsToDuration(options_.poll_wait.count());
  } else {
    actions_.push_back(CallFailed::kOther);
  }
  actions_.push_back(SendPoll{polling_.call, polling_.request, options_.poll_wait + kPollMargin});
}

void AgentMachine::PollAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status,
                                const v1::LeaseTasksResponse& response) {
  if (call != polling_.call || call == 0 || finished_) return;
  polling_.call = 0;
  // If the controller refuses a request for good, or the answer is too long, a retry with the same
  // request id would fail forever. The tasks that the request was given expire.
  polling_.is_modest = IsRefusedForGood(status);
  polling_.answered = status.ok() || polling_.is_modest;
  if (status.ok()) {
    polling_.backoff.Reset();
    bool brought_some = false;
    for (const v1::Task& task : response.tasks()) brought_some = Accept(now, task) || brought_some;
    polling_.not_before = brought_some ? now : polling_.sent + kShortestPoll;
  } else {
    polling_.not_before = now + polling_.backoff.Next();
  }
  Advance(now);
}

bool AgentMachine::Accept(SteadyTime now, const v1::Task& task) {
  // A repeated answer may contain a task that has already arrived.
  if (leases_.contains(task.lease_token()) || HeldAllAlong(task) || ReportAgain(now, task)) return false;
  if (draining_ || IsReserved()) {
    released_.push_back(task.lease_token());
    return false;
  }
  waiting_.push_back(Hold(now, task)->token);
  return true;
}

std::shared_ptr<AgentMachine::Lease> AgentMachine::Hold(SteadyTime now, const v1::Task& task) {
  auto lease = std::make_shared<Lease>();
  lease->task = std::make_shared<v1::Task>(task);
  lease->token = task.lease_token();
  leases_.emplace(lease->token, lease);
  if (std::exchange(beating_.idle, false)) ScheduleBeat(now);
  return lease;
}

AgentMachine::Work AgentMachine::Work::Of(const v1::Task& task) {
  return {task.identity(), task.architecture().id(), task.seed(), task.work()};
}

bool AgentMachine::HeldAllAlong(const v1::Task& task) {
  // An older controller does not name the work; then the task may be for any work.
  if (task.identity().empty()) return false;
  const auto failed = [this](const Lease& lease) {
    return std::any_of(unreported_.begin(), unreported_.end(), [&](const v1::Completion& completion) {
      return completion.lease_token() == lease.token && completion.failure().kind() == v1::FAILURE_KIND_EVALUATOR;
    });
  };
  for (const auto& [token, lease] : leases_) {
    // The failure of a replaced attempt does not count: the work is tried again.
    if (Work::Of(*lease->task) != Work::Of(task) || failed(*lease)) continue;
    Info("the controller leased a known task again", {{"task", task.candidate()}});
    Rename(std::shared_ptr<Lease>(lease), task.lease_token());
    return true;
  }
  return false;
}

bool AgentMachine::ReportAgain(SteadyTime now, const v1::Task& task) {
  if (task.identity().empty()) return false;
  const auto done =
      std::find_if(done_.begin(), done_.end(), [work = Work::Of(task)](const Done& d) { return d.work == work; });
  if (done == done_.end()) return false;
  Info("reporting a result again", {{"task", task.candidate()}});
  const std::shared_ptr<Lease> lease = Hold(now, task);
  lease->finished = true;
  unreported_.push_back(done->completion);
  unreported_.back().set_lease_token(lease->token);
  return true;
}

void AgentMachine::Rename(const std::shared_ptr<Lease>& lease, const std::string& token) {
  std::replace(waiting_.begin(), waiting_.end(), lease->token, token);
  for (v1::Completion& completion : unreported_) {
    if (completion.lease_token() == lease->token) completion.set_lease_token(token);
  }
  leases_.erase(lease->token);
  lease->token = token;
  leases_.emplace(token, lease);
}

// Evaluations.

void AgentMachine::StartWaiting(SteadyTime now) {
  for (std::size_t i = 0; i < slots_.size() && !waiting_.empty(); ++i) {
    if (slots_[i].lease != nullptr) continue;
    const std::shared_ptr<Lease> lease = leases_.at(waiting_.front());
    waiting_.pop_front();
    lease->slot = static_cast<int>(i);
    slots_[i].lease = lease;
    slots_[i].started = now;
    Info("evaluating", {{"task", lease->task->candidate()}, {"architecture", lease->task->architecture().id()}});
    actions_.push_back(StartEvaluation{lease->slot, lease->task});
  }
}

void AgentMachine::EvaluationProgressed(SteadyTime now, int slot, const Progress& progress) {
  Lease* const lease = slots_.at(slot).lease.get();
  if (lease == nullptr || finished_) return;
  if (progress.wants_machine) slots_[slot].wants_machine = true;
  if (!IsHeld(*lease)) return;
  if (progress.begins_again) lease->curve.Clear();
  lease->progress = ToProto(progress);
  AddToCurve(lease->curve, progress);
  lease->plain = false;
  if (lease->task->report_epochs()) beating_.has_news = true;
  Advance(now);
}

void AgentMachine::EvaluationEnded(SteadyTime now, int slot, EvaluationOutcome outcome) {
  Slot& ended = slots_.at(slot);
  if (ended.lease == nullptr || ended.held_back || finished_) return;
  ended.wants_machine = false;
  const auto* failure = std::get_if<EvaluationFailure>(&outcome);
  if (failure != nullptr && failure->told_to_end) {
    // A cluster's scheduler and a service manager signal all processes of the job at once. Such an
    // end should not use up an attempt.
    ended.held_back = std::move(outcome);
    ended.held_until = now + options_.drain_follows;
  } else {
    End(now, ended, std::move(outcome));
  }
  Advance(now);
}

SteadyTime AgentMachine::HeldBackAt() const {
  SteadyTime at = kNever;
  for (const Slot& slot : slots_) {
    if (slot.held_back) at = std::min(at, slot.held_until);
  }
  return at;
}

void AgentMachine::FinishHeldBack(SteadyTime now) {
  for (Slot& slot : slots_) {
    if (!slot.held_back) continue;
    const bool over = draining_ || !IsHeld(*slot.lease);
    if (!over && now < slot.held_until) continue;
    EvaluationOutcome outcome = *std::exchange(slot.held_back, std::nullopt);
    End(now, slot, over ? EvaluationCancelled() : std::move(outcome));
  }
}

void AgentMachine::End(SteadyTime now, Slot& slot, EvaluationOutcome outcome) {
  const std::shared_ptr<Lease> lease = std::exchange(slot.lease, nullptr);
  lease->slot = -1;
  const std::chrono::duration<double> seconds = now - slot.started;
  actions_.push_back(EvaluationOver{lease->task->work(), HowItEnded(outcome), seconds.count()});
  if (std::holds_alternative<EvaluationResult>(outcome)) {
    Info("evaluated", {{"task", lease->task->candidate()}, {"seconds", seconds.count()}});
  } else if (const auto* failure = std::get_if<EvaluationFailure>(&outcome)) {
    const bool infeasible = failure->kind == EvaluationFailure::Kind::kInfeasible;
    Warn(infeasible ? "infeasible" : "evaluation failed",
         {{"task", lease->task->candidate()}, {"reason", failure->message}});
  }
  // Otherwise the controller has cancelled the task.
  if (!IsHeld(*lease)) return;
  if (std::optional<v1::Completion> completion = ToCompletion(*lease->task, outcome, lease->curve)) {
    completion->set_lease_token(lease->token);
    lease->finished = true;
    unreported_.push_back(*std::move(completion));
  } else {
    released_.push_back(lease->token);
    leases_.erase(lease->token);
  }
}

// Draining.

void AgentMachine::Drain(SteadyTime now) {
  if (draining_ || finished_) return;
  draining_ = true;
  actions_.push_back(CutPollsOff{});
  for (const std::string& token : waiting_) {
    released_.push_back(token);
    leases_.erase(token);
  }
  waiting_.clear();
  // A pause that began before the drain must not delay the last attempts.
  reporting_.not_before = std::min(reporting_.not_before, now);
  releasing_.not_before = std::min(releasing_.not_before, now);
  // A single result has already needed longer than a drain lasts.
  reporting_.without_logs = reporting_.timeout > options_.call_timeout;
  int running = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].lease == nullptr || slots_[i].held_back) continue;
    ++running;
    actions_.push_back(StopEvaluation{static_cast<int>(i)});
  }
  Info("draining", {{"evaluations", running}, {"results", unreported_.size()}});
  Advance(now);
}

SteadyTime AgentMachine::ReleaseAt() const {
  return releasing_.call != 0 || released_.empty() ? kNever : releasing_.not_before;
}

void AgentMachine::Release(SteadyTime now) {
  if (deadline_ && now >= *deadline_) {
    GiveUpRelease("drain timed out");
    return;
  }
  releasing_.sent = released_;
  SendRelease release = MakeRelease(now);
  release.request.mutable_lease_tokens()->Assign(released_.begin(), released_.end());
  actions_.push_back(std::move(release));
}

void AgentMachine::SayGoodbye(SteadyTime now) {
  releasing_.said_goodbye = true;
  SendRelease goodbye = MakeRelease(now);
  goodbye.request.set_leaving(true);
  actions_.push_back(std::move(goodbye));
}

SendRelease AgentMachine::MakeRelease(SteadyTime now) {
  releasing_.call = ++calls_;
  SendRelease release{.call = releasing_.call, .request = {}, .timeout = options_.call_timeout};
  if (draining_) release.timeout = std::min(kDrainCall, Left(now));
  release.request.set_worker_id(options_.worker_id);
  release.request.set_worker_instance(instance_);
  return release;
}

void AgentMachine::ReleaseAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status) {
  if (call != releasing_.call || call == 0 || finished_) return;
  releasing_.call = 0;
  if (releasing_.said_goodbye) {
    Advance(now);
    return;
  }
  if (status.ok()) {
    Info("returned tasks", {{"tasks", releasing_.sent.size()}});
    // Other tasks may have been appended meanwhile.
    released_.erase(released_.begin(), released_.begin() + static_cast<std::ptrdiff_t>(releasing_.sent.size()));
    releasing_.backoff.Reset();
    releasing_.not_before = now;
  } else {
    actions_.push_back(CallFailed::kOther);
    if (draining_) {
      releasing_.not_before = now + std::min(kDrainRetry, deadline_ ? Left(now) : kDrainRetry);
    } else if (absl::IsInvalidArgument(status)) {
      GiveUpRelease(std::string_view(status.message().data(), status.message().size()));
    } else {
      releasing_.not_before = now + releasing_.backoff.Next();
    }
  }
  Advance(now);
}

void AgentMachine::GiveUpRelease(std::string_view why) {
  Warn("cannot return tasks; their leases will expire", {{"tasks", released_.size()}, {"reason", why}});
  released_.clear();
}

bool AgentMachine::HasEvaluations() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.lease != nullptr; });
}

bool AgentMachine::IsSettled() const {
  return !HasEvaluations() && polling_.call == 0 && (polling_.answered || polling_.last_was_sent);
}

void AgentMachine::CheckEnd(SteadyTime now) {
  if (!deadline_) return;
  const bool late = now >= *deadline_;
  if (late && !released_.empty()) GiveUpRelease("drain timed out");
  if (!late && !(released_.empty() && unreported_.empty())) return;
  if (!late && !releasing_.said_goodbye) SayGoodbye(now);
  if (!late && releasing_.call != 0) return;
  finished_ = true;
  if (unreported_.empty()) {
    Info("drained");
  } else {
    Warn("drained, but could not deliver all results", {{"results_lost", unreported_.size()}});
  }
  actions_.push_back(Finished{});
}

// Helpers.

bool AgentMachine::IsHeld(const Lease& lease) const {
  const auto held = leases_.find(lease.token);
  return held != leases_.end() && held->second.get() == &lease;
}

bool AgentMachine::IsReserved() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.wants_machine; });
}

int AgentMachine::FreeSlots() const {
  if (IsReserved()) return 0;
  const auto busy = std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.lease != nullptr; });
  return static_cast<int>(slots_.size()) - static_cast<int>(busy) - static_cast<int>(waiting_.size());
}

v1::WorkerInfo AgentMachine::Describe() const {
  v1::WorkerInfo info;
  info.set_id(options_.worker_id);
  info.mutable_labels()->insert(options_.labels.begin(), options_.labels.end());
  info.set_slots(options_.slots);
  info.set_version(std::string(Version()));
  info.set_instance(instance_);
  return info;
}

Millis AgentMachine::Left(SteadyTime now) const {
  return deadline_ ? std::max(Millis(1), std::chrono::ceil<Millis>(*deadline_ - now)) : options_.drain_timeout;
}

void AgentMachine::Info(std::string_view message, std::vector<log::Field> fields) {
  actions_.push_back(LogLine{log::Level::kInfo, message, std::move(fields)});
}

void AgentMachine::Warn(std::string_view message, std::vector<log::Field> fields) {
  actions_.push_back(LogLine{log::Level::kWarning, message, std::move(fields)});
}

}  // namespace layernas
