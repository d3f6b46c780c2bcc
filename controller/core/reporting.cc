#include "controller/core/reporting.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/task_limits.h"
#include "controller/core/attempts.h"
#include "controller/core/result_check.h"

namespace layernas::core {
namespace {

constexpr Millis kFirstBackoff{500};
constexpr Millis kLongestBackoff{30'000};

Millis Backoff(std::size_t failures) {
  return std::min(kLongestBackoff, kFirstBackoff * (std::int64_t{1} << std::min<std::size_t>(failures - 1, 10)));
}

std::string WhyRefused(CandidateState final_state) {
  switch (final_state) {
    case CandidateState::kFailed:
      return "the candidate was given up: all its attempts are used";
    case CandidateState::kInfeasible:
      return "the candidate was found infeasible";
    case CandidateState::kSkipped:
      return "its search has ended or its time is up";
    case CandidateState::kStopped:
      return "its training was stopped: it was behind others of similar cost";
    default:
      return "another result came first";
  }
}

}  // namespace

bool Reporting::Reuse(std::uint64_t number, const Metrics& metrics, std::string from, UnixMillis now) {
  const ResultCheck check = CheckResult(parts_.config, metrics, TaskKind::kEvaluate);
  if (!check.invalid.empty()) return false;
  Candidate& candidate = parts_.candidates[number];
  --candidate.attempt;
  candidate.worker.clear();
  candidate.started = 0;
  candidate.reused_from = std::move(from);
  if (parts_.config.measure_first) {
    // The candidate is treated as if it had been measured, so the search takes the same course.
    candidate.metrics = WithoutReward(check.metrics);
    candidate.cost = parts_.CostOf(candidate);
    if (parts_.IsSpared(candidate)) {
      Spare(candidate, now);
      return true;
    }
  }
  Succeed(candidate, check.metrics, now);
  return true;
}

void Reporting::Spare(Candidate& candidate, UnixMillis now) {
  parts_.phase.Spared(candidate);
  Finish(candidate, CandidateState::kSkipped, now);
}

Metrics Reporting::WithoutReward(const Metrics& metrics) const {
  Metrics rest;
  for (const auto& [name, value] : metrics) {
    if (name != parts_.config.reward_metric) rest.Set(name, value);
  }
  return rest;
}

Candidate* Reporting::Granted(std::uint64_t number, int attempt) {
  Candidate* candidate = parts_.candidates.Find(number);
  return candidate != nullptr && attempt >= 1 && attempt <= candidate->attempt ? candidate : nullptr;
}

Candidate* Reporting::Current(std::uint64_t number, int attempt) {
  Candidate* candidate = Granted(number, attempt);
  const bool current =
      candidate != nullptr && candidate->attempt == attempt && candidate->state == CandidateState::kLeased;
  return current ? candidate : nullptr;
}

bool Reporting::WasToMeasure(const Candidate& candidate, int attempt) const {
  return parts_.IsMeasuredApart() && (candidate.measured_attempt == 0 || attempt <= candidate.measured_attempt);
}

CompletionVerdict Reporting::Complete(std::uint64_t number, int attempt, const std::string& worker,
                                      AttemptResult result, Instant now, bool believed) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr) return {CompletionVerdict::kRefused, "unknown lease"};
  if (WasToMeasure(*candidate, attempt)) {
    return CompleteMeasurement(*candidate, attempt, worker, result.metrics, now, believed);
  }
  ResultCheck check = CheckResult(parts_.config, result.metrics, parts_.candidates.KindOf(*candidate));
  if (IsFinal(candidate->state)) {
    // If it was measured apart, the measured metrics have been added since.
    const bool same = parts_.IsMeasuredApart() ? candidate->metrics.Find(parts_.config.reward_metric) ==
                                                     check.metrics.Find(parts_.config.reward_metric)
                                               : candidate->metrics == check.metrics;
    if (candidate->state == CandidateState::kSucceeded && candidate->result_attempt == attempt && same) return {};
    return {CompletionVerdict::kRefused, WhyRefused(candidate->state)};
  }
  if (!check.invalid.empty()) {
    // A training that diverged is a result; another attempt would not change it.
    const bool diverged = check.diverged && believed;
    Fail(number, attempt, worker, diverged ? FailureKind::kInfeasible : FailureKind::kEvaluator, check.invalid, now);
    return {CompletionVerdict::kInvalid, std::move(check.invalid)};
  }
  candidate->result_attempt = attempt;
  candidate->worker = worker;
  candidate->curve = std::move(result.curve);
  candidate->weights = std::move(result.weights);
  if (candidate->measured_attempt > 0) {
    for (const auto& [name, value] : candidate->metrics) check.metrics.Set(name, value);
  }
  Succeed(*candidate, check.metrics, now.unix_ms);
  return {};
}

CompletionVerdict Reporting::CompleteMeasurement(Candidate& candidate, int attempt, const std::string& worker,
                                                 const Metrics& metrics, Instant now, bool believed) {
  ResultCheck check = CheckResult(parts_.config, metrics, TaskKind::kMeasure);
  // An evaluator that measures and trains at once may also report a reward.
  Metrics measured = WithoutReward(check.metrics);
  if (candidate.measured_attempt > 0) {
    if (check.invalid.empty() && Contains(candidate.metrics, measured)) return {};
    return {CompletionVerdict::kRefused, "another measurement came first"};
  }
  if (IsFinal(candidate.state)) return {CompletionVerdict::kRefused, WhyRefused(candidate.state)};
  if (!check.invalid.empty()) {
    const bool diverged = check.diverged && believed;
    Fail(candidate.number, attempt, worker, diverged ? FailureKind::kInfeasible : FailureKind::kEvaluator,
         check.invalid, now);
    return {CompletionVerdict::kInvalid, std::move(check.invalid)};
  }
  parts_.queue.Remove(candidate.number);
  // The candidate still counts as being measured here.
  parts_.candidates.SetState(candidate, CandidateState::kQueued);
  candidate.metrics = std::move(measured);
  candidate.cost = parts_.CostOf(candidate);
  candidate.worker = worker;
  candidate.measured_attempt = candidate.attempt;
  parts_.failures.Succeeded(TaskKind::kMeasure);
  if (parts_.IsSpared(candidate)) {
    Spare(candidate, now.unix_ms);
  } else {
    parts_.Queue(candidate);
  }
  return {};
}

void Reporting::Succeed(Candidate& candidate, const Metrics& metrics, UnixMillis now) {
  parts_.failures.SucceededInAll();
  candidate.metrics = metrics;
  candidate.metrics.ShareNames(latest_metrics_);
  latest_metrics_ = candidate.metrics;
  candidate.reward = *metrics.Find(parts_.config.reward_metric);
  candidate.cost = parts_.CostOf(candidate);
  Finish(candidate, CandidateState::kSucceeded, now);
}

CompletionVerdict Reporting::Fail(std::uint64_t number, int attempt, const std::string& worker, FailureKind kind,
                                  std::string message, Instant now) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr) return {CompletionVerdict::kRefused, "unknown lease"};
  // Another attempt has measured it meanwhile.
  if (attempt <= candidate->measured_attempt) return {};
  const bool known =
      std::any_of(candidate->failures.begin(), candidate->failures.end(), [&](const AttemptFailure& one) {
        return one.attempt == attempt && (one.kind == kind || kind != FailureKind::kInfeasible);
      });
  if (known) {
    // The lost training has returned without a result.
    if (candidate->attempt == attempt && parts_.queue.IsWithheld(number)) {
      Finish(*candidate, CandidateState::kSkipped, now.unix_ms);
    }
    return {};
  }
  if (IsFinal(candidate->state)) return {CompletionVerdict::kRefused, WhyRefused(candidate->state)};
  // A late failure of a superseded or released attempt changes nothing: its successor is in
  // progress or queued.
  if (kind != FailureKind::kInfeasible && Current(number, attempt) == nullptr) return {};
  AttemptFailed(*candidate, {attempt, kind, worker, std::move(message), now.unix_ms}, now);
  return {};
}

void Reporting::Release(std::uint64_t number, int attempt) {
  if (Candidate* candidate = Current(number, attempt)) {
    parts_.Queue(*candidate);
    return;
  }
  // Its lease expired before it was returned. It was not lost, and nobody resumes it.
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr || candidate->attempt != attempt || !RanOut(*candidate)) return;
  candidate->failures.pop_back();
  parts_.failures.WithdrawLost();
  parts_.candidates.MarkDirty(*candidate);
}

bool Reporting::RanOut(const Candidate& candidate) {
  return candidate.state == CandidateState::kQueued && !candidate.failures.empty() &&
         candidate.failures.back().attempt == candidate.attempt && candidate.attempt > candidate.measured_attempt &&
         candidate.failures.back().kind == FailureKind::kWorkerLost;
}

void Reporting::Expire(std::uint64_t number, int attempt, Instant now, std::string why, bool may_return) {
  Candidate* candidate = Current(number, attempt);
  if (candidate == nullptr) return;
  AttemptFailed(*candidate, {attempt, FailureKind::kWorkerLost, candidate->worker, std::move(why), now.unix_ms}, now);
  if (may_return || !RanOut(*candidate)) return;
  gone_[number] = attempt;
  if (parts_.phase.time_is_up()) SkipWaiting(now.unix_ms);
}

void Reporting::Rename(std::uint64_t number, int attempt, const std::string& worker) {
  Candidate* candidate = Current(number, attempt);
  if (candidate == nullptr || candidate->worker == worker) return;
  candidate->worker = worker;
  parts_.candidates.MarkDirty(*candidate);
}

bool Reporting::Renew(std::uint64_t number, int attempt, const std::string& worker, bool running) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr || IsFinal(candidate->state) || attempt <= candidate->measured_attempt) return false;
  // A superseded attempt continues: whichever result arrives first is taken.
  if (candidate->state == CandidateState::kLeased || candidate->attempt != attempt) return true;
  // Nobody works on an attempt that failed or was released.
  if (!RanOut(*candidate)) return false;
  // A paused search hands nothing out, but what was running when its time was up is finished.
  if (running || parts_.queue.IsWithheld(number)) {
    parts_.queue.Remove(number);
    candidate->worker = worker;
    candidate->failures.pop_back();
    gone_.erase(number);
    parts_.failures.WithdrawLost();
    parts_.candidates.SetState(*candidate, CandidateState::kLeased);
  }
  return true;
}

bool Reporting::NoteProgress(std::uint64_t number, int attempt, const Curve& points, int epochs, UnixMillis now) {
  Candidate* candidate = Current(number, attempt);
  if (candidate == nullptr || points.empty()) return true;
  Curve& curve = candidate->curve;
  if (!Extend(curve, points)) return true;
  // Repeats and full trainings must show the true value of the architecture, so they are not
  // stopped.
  if (parts_.candidates.KindOf(*candidate) == TaskKind::kMeasure || !SearchParts::IsFirst(*candidate)) return true;
  // The training has reached its last epoch: stopping it would save nothing.
  if (epochs > 0 && curve.back().epoch >= epochs) return true;
  if (!parts_.IsMeasuredApart() && !parts_.config.space.CostIsPerLayer()) return true;
  const double cost = parts_.CostOf(*candidate);
  const std::optional<double> expected = parts_.median_rule.Judge(cost, curve);
  if (!expected) return true;
  candidate->reward = *expected;
  candidate->cost = cost;
  Finish(*candidate, CandidateState::kStopped, now);
  return false;
}

bool Reporting::Extend(Curve& curve, const Curve& points) {
  const int known = curve.empty() ? 0 : curve.back().epoch;
  // A restarted training reports its earlier epochs again, together with the later ones.
  if (points.size() > 1 && points.back().epoch > known && points.size() > curve.size()) curve.clear();
  for (const CurvePoint& point : points) {
    if (curve.size() == kMaxCurvePoints) break;
    if (curve.empty() || point.epoch > curve.back().epoch) curve.push_back(point);
  }
  return !curve.empty() && curve.back().epoch > known;
}

void Reporting::Finish(Candidate& candidate, CandidateState state, UnixMillis now) {
  // The candidate may be queued: this may be the late result of an expired lease.
  parts_.queue.Remove(candidate.number);
  gone_.erase(candidate.number);
  candidate.ended = now;
  parts_.candidates.SetState(candidate, state);
  if (candidate.final_of != 0) parts_.is_changed = true;
  const std::optional<Observation> observation = parts_.Learn(candidate);
  if (observation) parts_.strategy->Observe(candidate.architecture, *observation);
  SettleTwins(candidate, now);
}

Metrics Reporting::MetricsOfTwin(const Candidate& twin, const Candidate& followed) const {
  Metrics metrics = followed.metrics;
  if (!parts_.config.count_metrics) return metrics;
  const Metrics own = parts_.config.count_metrics(twin.architecture);
  for (const auto& [name, counted] : parts_.config.count_metrics(followed.architecture)) {
    const auto value = own.Find(name);
    // An evaluator that counts in another way is believed.
    if (value && metrics.Find(name) == counted) metrics.Set(name, *value);
  }
  metrics.ShareNames(followed.metrics);
  return metrics;
}

void Reporting::Follow(Candidate& twin, UnixMillis now) {
  const Candidate& followed = parts_.candidates[twin.twin_of];
  parts_.candidates.MarkDirty(twin);
  if (!IsFinal(followed.state)) {
    parts_.twins.Wait(followed.number, twin.number);
  } else if (!parts_.IsFollowed(followed)) {
    // The twin itself waits, but is in no queue.
    const bool others_under_way =
        parts_.candidates.Leased() > 0 || std::any_of(parts_.kinds().begin(), parts_.kinds().end(),
                                                      [this](TaskKind kind) { return parts_.queue.size(kind) > 0; });
    if (!parts_.phase.MayBegin(others_under_way)) return Finish(twin, CandidateState::kSkipped, now);
    twin.twin_of = 0;
    parts_.twins.Lead(twin);
    parts_.phase.Began(twin);
    parts_.Queue(twin);
  } else if (followed.state == CandidateState::kInfeasible) {
    // This failure does not count against the search, because no attempt was made.
    twin.failures.push_back(
        {0, FailureKind::kInfeasible, "",
         absl::StrCat("it is the same network as candidate ", followed.number, ": ", followed.failures.back().message),
         now});
    Finish(twin, CandidateState::kInfeasible, now);
  } else {
    twin.metrics = MetricsOfTwin(twin, followed);
    twin.reward = followed.reward;
    // If the cost is known per layer, the twin has its own.
    twin.cost = parts_.CostOf(twin);
    Finish(twin, followed.state, now);
  }
}

void Reporting::SettleTwins(const Candidate& followed, UnixMillis now) {
  std::uint64_t follow = followed.number;
  for (const std::uint64_t number : parts_.twins.TakeWaiting(followed.number)) {
    Candidate& twin = parts_.candidates[number];
    twin.twin_of = follow;
    Follow(twin, now);
    // The twin has taken the candidate's place: the others follow it.
    if (twin.twin_of == 0) follow = number;
  }
}

void Reporting::SkipWaiting(UnixMillis now) {
  for (const std::uint64_t number : parts_.queue.Numbers()) {
    Candidate& candidate = parts_.candidates[number];
    if (!SearchParts::IsFirst(candidate)) continue;
    const auto gone = gone_.find(number);
    const bool is_gone = gone != gone_.end() && gone->second == candidate.attempt;
    // In both directions, because the clock may have been set back.
    const auto may_return = [&] {
      return !silence_counts_ || std::abs(now - candidate.failures.back().time) < kReturnTime.count();
    };
    if (RanOut(candidate) && !is_gone && may_return()) {
      parts_.queue.Withhold(number);
    } else {
      Finish(candidate, CandidateState::kSkipped, now);
    }
  }
}

void Reporting::AttemptFailed(Candidate& candidate, AttemptFailure failure, Instant now) {
  parts_.failures.Add(failure, parts_.KindOf(candidate, failure.attempt));
  const FailureKind kind = failure.kind;
  candidate.failures.push_back(std::move(failure));
  const AttemptVerdict verdict = kind == FailureKind::kInfeasible
                                     ? AttemptVerdict::kInfeasible
                                     : Judge(CountAttempts(candidate), parts_.config.attempts);
  if (verdict == AttemptVerdict::kInfeasible) {
    Finish(candidate, CandidateState::kInfeasible, now.unix_ms);
  } else if (verdict == AttemptVerdict::kFailed) {
    Finish(candidate, CandidateState::kFailed, now.unix_ms);
  } else {
    const Millis backoff = kind == FailureKind::kWorkerLost ? Millis{0} : Backoff(candidate.failures.size());
    parts_.Queue(candidate, now.steady + backoff, candidate.worker);
  }
}

}  // namespace layernas::core
