// The AgentMachine's reports to the controller: heartbeats and completions. If the controller
// refuses a call for good, the machine makes the next calls smaller until one contains only the
// refused part.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/task_limits.h"
#include "common/base/utf8.h"
#include "worker/agent/agent_machine.h"

namespace layernas {
namespace {

// On a slow connection, heartbeats bring news in parts of at least this size.
constexpr std::size_t kMinBatchBytes = 4096;
// The maximum timeout of a call with one result on a slow connection.
constexpr Millis kMaxCallTimeout{300'000};
// The minimum interval between heartbeats that report epochs which the controller waits for.
constexpr Millis kNewsInterval{200};
constexpr Millis kMaxInterval = std::chrono::hours(24);
// The maximum number of successive answers without a verdict on a completion.
constexpr int kMaxSilence = 10;
// Far more results than a worker delivers between a backup of the controller and its restore, or
// while an answer is on its way.
constexpr std::size_t kDoneKept = 256;

// Returns false if the controller could not be reached.
bool IsAnswer(const absl::Status& status) {
  return !absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status) && !absl::IsCancelled(status);
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

bool AgentMachine::IsRefusedForGood(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsOutOfRange(status) ||
         // gRPC's words for a message that is too long. Other such errors mean that the controller
         // lacks a resource for now.
         (absl::IsResourceExhausted(status) && absl::StrContains(status.message(), "larger than max"));
}

// Heartbeats.

SteadyTime AgentMachine::HeartbeatAt() const {
  if (beating_.call != 0 || (beating_.idle && IsSeenByPolls())) return kNever;
  if (beating_.in_cycle) return SteadyTime::min();
  return beating_.has_news ? std::min(beating_.due, beating_.news_due) : beating_.due;
}

bool AgentMachine::IsSeenByPolls() const {
  // While a cancelled evaluation ends, it still has its slot.
  return polling_.call != 0 || (draining_ ? !HasEvaluations() : FreeSlots() > 0);
}

void AgentMachine::BeginCycle() {
  beating_.in_cycle = true;
  beating_.refused_in_cycle = false;
  beating_.told_in_cycle = 0;
  beating_.has_news = false;
  beating_.queue.clear();
  for (const auto& [token, lease] : leases_) beating_.queue.push_back(token);
  // Leases with a refused heartbeat come last, so that they do not delay the others. On a slow
  // connection a cycle may fail each time at the same call, so the leases take turns.
  const auto rank = [this](const std::string& token) {
    const Lease& lease = *leases_.at(token);
    return std::pair(lease.apart, lease.told_in_call);
  };
  std::stable_sort(beating_.queue.begin(), beating_.queue.end(),
                   [&rank](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
}

void AgentMachine::Beat(SteadyTime now) {
  const bool begins = !beating_.in_cycle;
  if (begins) BeginCycle();
  std::erase_if(beating_.queue, [this](const std::string& token) { return !leases_.contains(token); });
  if (beating_.queue.empty() && !begins) {
    EndCycle(now);
    return;
  }
  beating_.call = ++calls_;
  beating_.sent.clear();
  SendHeartbeat heartbeat{.call = beating_.call, .request = {}, .timeout = options_.call_timeout};
  *heartbeat.request.mutable_worker() = Describe();
  std::size_t bytes = 0;
  for (const std::string& token : beating_.queue) {
    const Lease& lease = *leases_.at(token);
    const auto listed = static_cast<std::size_t>(heartbeat.request.leases_size());
    if (listed == beating_.limit || (lease.apart && listed > 0)) break;
    v1::HeldLease held = Held(lease);
    bytes += held.ByteSizeLong();
    if (bytes > beating_.max_bytes && !beating_.sent.empty()) {
      // The next call of the cycle reports its news.
      heartbeat.request.add_leases()->set_lease_token(token);
      continue;
    }
    *heartbeat.request.add_leases() = std::move(held);
    beating_.sent.push_back(token);
    leases_.at(token)->told_in_call = beating_.call;
    if (lease.apart) break;
  }
  beating_.sent_bytes = std::min(bytes, beating_.max_bytes);
  ListOthers(heartbeat.request);
  actions_.push_back(std::move(heartbeat));
}

void AgentMachine::ListOthers(v1::HeartbeatRequest& request) const {
  const std::set<std::string_view> queued(beating_.queue.begin(), beating_.queue.end());
  for (const auto& [token, lease] : leases_) {
    if (request.leases_size() == kMaxLeasesPerCall) return;
    if (!lease->apart && !queued.contains(token)) request.add_leases()->set_lease_token(token);
  }
  // The controller may read the heartbeat before the call that returns the task, and would consider
  // a task that is not listed as lost.
  for (const std::string& token : released_) {
    if (request.leases_size() == kMaxLeasesPerCall) return;
    request.add_leases()->set_lease_token(token);
  }
}

v1::HeldLease AgentMachine::Held(const Lease& lease) {
  v1::HeldLease held;
  held.set_lease_token(lease.token);
  if (lease.plain) return held;
  if (lease.progress) *held.mutable_progress() = *lease.progress;
  if (lease.task->report_epochs()) *held.mutable_curve() = lease.curve;
  return held;
}

void AgentMachine::HeartbeatAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status,
                                     const v1::HeartbeatResponse& response) {
  if (call != beating_.call || call == 0 || finished_) return;
  beating_.call = 0;
  if (status.ok()) {
    beating_.backoff.Reset();
    Follow(response);
    const Millis wanted = BoundedMillis(response.interval(), kMaxInterval);
    if (wanted > Millis(0)) beating_.interval = wanted;
    beating_.limit = std::min<std::size_t>(kMaxLeasesPerCall, beating_.limit * 2);
    // Slowly, because a call that is too large costs the time of its timeout.
    beating_.max_bytes = std::min(kBatchBytes, beating_.max_bytes + kMinBatchBytes);
    beating_.told_in_cycle += beating_.sent.size();
    for (const std::string& token : beating_.sent) {
      std::erase(beating_.queue, token);
      if (const auto lease = leases_.find(token); lease != leases_.end()) {
        lease->second->apart = false;
      }
    }
  } else {
    actions_.push_back(CallFailed::kHeartbeat);
    if (IsRefusedForGood(status) && !beating_.sent.empty()) {
      BeatRefused(status);
    } else {
      // The connection may be slow.
      if (absl::IsDeadlineExceeded(status)) {
        beating_.max_bytes = std::max(kMinBatchBytes, std::min(beating_.max_bytes, beating_.sent_bytes) / 2);
      }
      FailCycle(now);
    }
  }
  if (beating_.in_cycle && beating_.queue.empty()) EndCycle(now);
  Advance(now);
}

void AgentMachine::BeatRefused(const absl::Status& status) {
  bool was_plain = true;
  for (const std::string& token : beating_.sent) {
    const auto lease = leases_.find(token);
    if (lease == leases_.end()) continue;
    was_plain = was_plain && (lease->second->plain || !lease->second->progress);
    lease->second->plain = true;
  }
  if (!was_plain) return;
  if (beating_.sent.size() > 1) {
    beating_.limit = beating_.sent.size() / 2;
    return;
  }
  const std::string& token = beating_.sent.front();
  std::erase(beating_.queue, token);
  beating_.refused_in_cycle = true;
  const auto lease = leases_.find(token);
  if (lease == leases_.end() || std::exchange(lease->second->apart, true)) return;
  Warn("the controller refuses a heartbeat", {{"task", lease->second->task->candidate()}, {"reason", Text(status)}});
}

void AgentMachine::EndCycle(SteadyTime now) {
  if (beating_.refused_in_cycle && beating_.told_in_cycle == 0) {
    FailCycle(now);
    return;
  }
  beating_.in_cycle = false;
  // An idle worker's polls show that it is alive. In a large fleet, additional heartbeats would
  // only load the controller. A lease lasts longer than the interval.
  beating_.idle = beating_.told_in_cycle == 0 && leases_.empty() && released_.empty();
  ScheduleBeat(now);
}

void AgentMachine::FailCycle(SteadyTime now) {
  beating_.in_cycle = false;
  beating_.due = now + std::min(beating_.interval, beating_.backoff.Next());
  beating_.news_due = beating_.due;
}

void AgentMachine::ScheduleBeat(SteadyTime now) {
  beating_.due = now + beating_.interval;
  // If many small trainings run at once, there is always news.
  beating_.news_due = now + std::min(beating_.interval, kNewsInterval);
}

void AgentMachine::Follow(const v1::HeartbeatResponse& response) {
  for (const v1::LeaseVerdict& verdict : response.verdicts()) {
    if (verdict.action() != v1::LEASE_ACTION_CANCEL) continue;
    const auto found = leases_.find(verdict.lease_token());
    if (found == leases_.end()) continue;
    const std::shared_ptr<Lease> lease = found->second;
    leases_.erase(found);
    std::erase(waiting_, verdict.lease_token());
    std::erase_if(unreported_, [&](const v1::Completion& c) { return c.lease_token() == verdict.lease_token(); });
    std::vector<log::Field> fields = {{"task", lease->task->candidate()}};
    if (!verdict.message().empty()) fields.emplace_back("reason", verdict.message());
    Info("cancelled by the controller", std::move(fields));
    if (lease->slot >= 0) actions_.push_back(StopEvaluation{lease->slot});
  }
}

// Completions.

SteadyTime AgentMachine::ReportAt() const {
  return reporting_.call != 0 || unreported_.empty() ? kNever : reporting_.not_before;
}

void AgentMachine::Report(SteadyTime now) {
  reporting_.call = ++calls_;
  reporting_.began = now;
  reporting_.sent.clear();
  SendCompletions completions{.call = reporting_.call, .request = {}, .timeout = reporting_.timeout};
  completions.request.set_worker_id(options_.worker_id);
  completions.request.set_worker_instance(instance_);
  std::size_t bytes = 0;
  for (const v1::Completion& completion : unreported_) {
    if (reporting_.sent.size() == reporting_.limit) break;
    bytes += completion.ByteSizeLong();
    if (!reporting_.sent.empty() && bytes > kBatchBytes) break;
    reporting_.sent.push_back(completion.lease_token());
    v1::Completion& sent = *completions.request.add_completions();
    sent = completion;
    if (reporting_.without_logs) sent.clear_log();
  }
  // Several results that take too long are reported one by one.
  if (draining_) {
    completions.timeout = Left(now);
    if (reporting_.sent.size() > 1) {
      completions.timeout = std::min(kDrainCall, completions.timeout);
    } else if (completions.request.completions(0).has_log()) {
      // The rest is for the result without its log.
      completions.timeout = std::chrono::ceil<Millis>(completions.timeout / 2.0);
    }
  }
  actions_.push_back(std::move(completions));
}

void AgentMachine::CompletionsAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status,
                                       const v1::CompleteTasksResponse& response) {
  if (call != reporting_.call || call == 0 || finished_) return;
  reporting_.call = 0;
  if (status.ok()) {
    // Where a single result needs long, several would need longer.
    if (reporting_.timeout <= options_.call_timeout) {
      reporting_.limit = std::min<std::size_t>(kMaxCompletionsPerCall, reporting_.limit * 2);
    }
    // Slowly, because the next result may need as long.
    reporting_.timeout = std::max(options_.call_timeout, reporting_.timeout * 3 / 4);
  }
  // A connection that is too slow for its pings breaks before the timeout.
  const bool broke_late =
      absl::IsUnavailable(status) && now - reporting_.began >= (draining_ ? kDrainCall : options_.call_timeout);
  if (absl::IsDeadlineExceeded(status) || broke_late) ReportedTooSlowly();
  if (status.ok() && Settle(response)) {
    reporting_.backoff.Reset();
    reporting_.not_before = now;
  } else {
    actions_.push_back(CallFailed::kOther);
    if (IsRefusedForGood(status)) {
      ReportRefused(status);
      reporting_.not_before = now;
    } else {
      if (IsAnswer(status)) PassOver(reporting_.sent);
      reporting_.not_before = now + (draining_ ? kDrainRetry : reporting_.backoff.Next());
    }
  }
  Advance(now);
}

bool AgentMachine::Settle(const v1::CompleteTasksResponse& response) {
  std::set<std::string> unanswered(reporting_.sent.begin(), reporting_.sent.end());
  for (const v1::CompletionVerdict& verdict : response.verdicts()) {
    if (unanswered.erase(verdict.lease_token()) == 0) continue;
    const bool accepted = verdict.status() == v1::COMPLETION_STATUS_ACCEPTED;
    if (!accepted) {
      Warn("the controller rejected a result", {{"lease", verdict.lease_token()},
                                                {"status", v1::CompletionStatus_Name(verdict.status())},
                                                {"reason", verdict.message()}});
    }
    const auto lease = leases_.find(verdict.lease_token());
    // The lease was cancelled meanwhile, or the work was leased again under another token. In the
    // latter case the result is reported again.
    if (lease == leases_.end() || !lease->second->finished) continue;
    const auto completion = std::find_if(unreported_.begin(), unreported_.end(), [&](const v1::Completion& c) {
      return c.lease_token() == verdict.lease_token();
    });
    NoteDone(*lease->second, *completion, accepted);
    unreported_.erase(completion);
    leases_.erase(lease);
  }
  PassOver({unanswered.begin(), unanswered.end()});
  for (const std::string& token : unanswered) {
    const auto lease = leases_.find(token);
    if (lease == leases_.end() || !lease->second->finished || ++lease->second->silence < kMaxSilence) continue;
    DropCompletion(*lease->second, "the controller does not answer a result; letting the lease expire", "no verdict");
  }
  return unanswered.empty();
}

void AgentMachine::PassOver(const std::vector<std::string>& tokens) {
  for (const std::string& token : tokens) {
    if (const auto lease = leases_.find(token); lease != leases_.end()) lease->second->passed_over = true;
  }
}

void AgentMachine::NoteDone(const Lease& lease, const v1::Completion& completion, bool accepted) {
  Work work = Work::Of(*lease.task);
  if (work.identity.empty()) return;
  std::erase_if(done_, [&](const Done& done) { return done.work == work; });
  // A refused result would be refused again. If the work is leased again, it is repeated.
  if (!accepted || !completion.has_result()) return;
  done_.push_back({std::move(work), completion});
  done_.back().completion.clear_log();
  if (done_.size() > kDoneKept) done_.pop_front();
}

void AgentMachine::DropCompletion(const Lease& lease, std::string_view message, std::string_view why) {
  Warn(message, {{"task", lease.task->candidate()}, {"reason", why}});
  const std::string token = lease.token;
  std::erase_if(unreported_, [&](const v1::Completion& c) { return c.lease_token() == token; });
  leases_.erase(token);
}

void AgentMachine::ReportedTooSlowly() {
  if (draining_) {
    reporting_.limit = 1;
    reporting_.without_logs = true;
  } else if (reporting_.sent.size() > 1) {
    reporting_.limit = reporting_.sent.size() / 2;
  } else {
    reporting_.timeout = std::min(kMaxCallTimeout, reporting_.timeout * 2);
  }
}

void AgentMachine::ReportRefused(const absl::Status& status) {
  if (reporting_.sent.size() > 1) {
    reporting_.limit = reporting_.sent.size() / 2;
    return;
  }
  const auto completion = std::find_if(unreported_.begin(), unreported_.end(), [&](const v1::Completion& c) {
    return c.lease_token() == reporting_.sent.front();
  });
  if (completion == unreported_.end()) return;
  const std::shared_ptr<Lease> lease = leases_.at(completion->lease_token());
  if (!std::exchange(lease->substituted, true)) {
    Warn("the controller refuses a result; reporting a failure instead",
         {{"task", lease->task->candidate()}, {"reason", Text(status)}});
    completion->clear_log();
    completion->mutable_failure()->set_kind(v1::FAILURE_KIND_EVALUATOR);
    completion->mutable_failure()->set_message(
        CutUtf8(absl::StrCat("the controller refused the result: ", status.message()), kMaxMessageBytes));
    return;
  }
  DropCompletion(*lease, "the controller refuses even the failure; letting the lease expire", Text(status));
}

}  // namespace layernas
