#include "controller/core/search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/strategies/strategy_factory.h"

namespace layernas::core {
namespace {

constexpr Millis kFirstBackoff{500};
constexpr Millis kLongestBackoff{30'000};

Millis Backoff(std::size_t failures) {
  return std::min(kLongestBackoff, kFirstBackoff * (std::int64_t{1} << std::min<std::size_t>(failures - 1, 10)));
}

// Empty if the metrics are a valid result of such a task.
std::string WhatIsInvalid(const SearchConfig& config, const Metrics& metrics, TaskKind kind) {
  const bool has_cost = kind != TaskKind::kTrain && !config.space.CostIsPerLayer();
  std::vector<std::string> required;
  if (kind != TaskKind::kMeasure) required.push_back(config.reward_metric);
  if (has_cost) required.push_back(config.cost_metric);
  for (const std::string& name : required) {
    if (!metrics.Find(name)) {
      return absl::StrCat(
          "the result lacks the metric ", name, "; it has ",
          metrics.empty() ? "none" : absl::StrJoin(metrics, ", ", [](std::string* out, const Metrics::Entry& metric) {
            absl::StrAppend(out, metric.name);
          }));
    }
  }
  for (const auto& [name, value] : metrics) {
    if (!std::isfinite(value)) return absl::StrCat("the metric ", name, " is not a finite number");
  }
  if (has_cost && *metrics.Find(config.cost_metric) < 0) {
    return absl::StrCat("the cost ", config.cost_metric, " is negative: ", *metrics.Find(config.cost_metric));
  }
  return "";
}

bool Contains(const Metrics& all, const Metrics& some) {
  for (const auto& [name, value] : some) {
    if (all.Find(name) != value) return false;
  }
  return true;
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
      return "its training was stopped: it was behind others of like cost";
    default:
      return "another result came first";
  }
}

}  // namespace

Search::Search(SearchConfig config, UnixMillis now)
    : config_(std::move(config)),
      strategy_(MakeStrategy(config_.strategy, config_.space, config_.targets, config_.trainings, config_.seed)),
      sharing_(config_.sharing),
      created_(now),
      architectures_(config_.space.layers.size()),
      standings_(config_.finalists, config_.targets),
      median_rule_(config_.early_stop) {
  changes_.search = true;
}

Search::Search(SearchConfig config, SearchState state, std::string state_reason, UnixMillis created, UnixMillis ended,
               std::deque<Candidate> candidates)
    : config_(std::move(config)),
      strategy_(MakeStrategy(config_.strategy, config_.space, config_.targets, config_.trainings, config_.seed)),
      sharing_(config_.sharing),
      state_(state),
      state_reason_(std::move(state_reason)),
      created_(created),
      ended_(ended),
      candidates_(std::move(candidates)),
      architectures_(config_.space.layers.size()),
      standings_(config_.finalists, config_.targets),
      median_rule_(config_.early_stop),
      dirty_(candidates_.size()) {
  std::vector<PastProposal> past;
  past.reserve(candidates_.size());
  for (Candidate& candidate : candidates_) {
    // Of a version that kept it.
    if (core::IsFinal(candidate.state)) candidate.request_id = std::string();
    if (!candidate.metrics.empty()) latest_metrics_ = candidate.metrics;
    ++counts_[static_cast<std::size_t>(candidate.state)];
    architectures_.Add(candidate.architecture);
    const std::optional<Outcome> outcome = OutcomeOf(candidate);
    // What was skipped was never told to the strategy, but for its cost.
    const bool finished = core::IsFinal(candidate.state) && candidate.state != CandidateState::kSkipped;
    std::optional<double> cost;
    if (config_.measure_first && candidate.state == CandidateState::kSkipped && candidate.measured_attempt > 0 &&
        IsOverTargets(candidate.cost)) {
      cost = candidate.cost;
    }
    if (candidate.state == CandidateState::kLeased && KindOf(candidate) == TaskKind::kMeasure) ++being_measured_;
    if (candidate.final_of != 0) {
      if (first_final_ == 0) first_final_ = candidate.number;
    } else if (candidate.repeat_of != 0) {
      standings_.BeginRepeat(candidate.repeat_of);
      if (finished) standings_.EndRepeat(candidate.repeat_of, candidate.number, outcome);
    } else {
      if (candidate.state == CandidateState::kSucceeded) standings_.Add(candidate.number, *outcome);
      NoteCurve(candidate);
      std::optional<Observation> observation;
      if (cost) observation = Observation::TooDear(*cost);
      if (finished) {
        observation = outcome                                          ? Observation::Result(*outcome)
                      : candidate.state == CandidateState::kInfeasible ? Observation::Infeasible()
                                                                       : Observation::Unknown();
      }
      past.push_back({{candidate.architecture, candidate.position}, observation});
    }
    for (const AttemptFailure& failure : candidate.failures) CountFailure(failure);
    if (candidate.state == CandidateState::kQueued) queue_.push_back({candidate.number, {}, ""});
  }
  strategy_->Restore(past);
  if (first_final_ != 0 || (!core::IsFinal(state_) && SearchingIsOver())) BeginFinals();
  NoteStandings();
  changes_ = {};
  changes_.new_tables_from = final_tables().size();
}

Candidate* Search::Granted(std::uint64_t number, int attempt) {
  if (number == 0 || number > candidates_.size()) return nullptr;
  Candidate& candidate = candidates_[number - 1];
  return attempt >= 1 && attempt <= candidate.attempt ? &candidate : nullptr;
}

CompletionVerdict Search::Complete(std::uint64_t number, int attempt, const std::string& worker, const Metrics& metrics,
                                   Instant now, Curve curve, std::vector<WeightsFile> weights) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr) return {CompletionVerdict::kRefused, "there is no such lease"};
  if (WasToMeasure(*candidate, attempt)) return CompleteMeasurement(*candidate, attempt, worker, metrics, now);
  if (core::IsFinal(candidate->state)) {
    // Where it was measured apart, that has joined it since.
    const bool same = IsMeasuredApart()
                          ? candidate->metrics.Find(config_.reward_metric) == metrics.Find(config_.reward_metric)
                          : candidate->metrics == metrics;
    if (candidate->state == CandidateState::kSucceeded && candidate->result_attempt == attempt && same) return {};
    return {CompletionVerdict::kRefused, WhyRefused(candidate->state)};
  }
  if (std::string invalid = WhatIsInvalid(config_, metrics, KindOf(*candidate)); !invalid.empty()) {
    // Training diverged: that is a result, and no attempt would change it.
    const std::optional<double> reward = metrics.Find(config_.reward_metric);
    const bool diverged = reward && !std::isfinite(*reward);
    Fail(number, attempt, worker, diverged ? FailureKind::kInfeasible : FailureKind::kEvaluator, invalid, now);
    return {CompletionVerdict::kInvalid, std::move(invalid)};
  }
  candidate->result_attempt = attempt;
  candidate->worker = worker;
  candidate->curve = std::move(curve);
  candidate->weights = std::move(weights);
  if (candidate->measured_attempt == 0) {
    Succeed(*candidate, metrics, now.unix_ms);
  } else {
    Metrics joined = metrics;
    for (const auto& [name, value] : candidate->metrics) joined.Set(name, value);
    Succeed(*candidate, joined, now.unix_ms);
  }
  return {};
}

CompletionVerdict Search::CompleteMeasurement(Candidate& candidate, int attempt, const std::string& worker,
                                              const Metrics& metrics, Instant now) {
  // An evaluator that does all at once may have a reward, too.
  Metrics measured;
  for (const auto& [name, value] : metrics) {
    if (name != config_.reward_metric) measured.Set(name, value);
  }
  if (candidate.measured_attempt > 0) {
    if (Contains(candidate.metrics, measured)) return {};
    return {CompletionVerdict::kRefused, "another measurement came first"};
  }
  if (core::IsFinal(candidate.state)) return {CompletionVerdict::kRefused, WhyRefused(candidate.state)};
  if (std::string invalid = WhatIsInvalid(config_, measured, TaskKind::kMeasure); !invalid.empty()) {
    Fail(candidate.number, attempt, worker, FailureKind::kEvaluator, invalid, now);
    return {CompletionVerdict::kInvalid, std::move(invalid)};
  }
  std::erase_if(queue_, [&](const Waiting& one) { return one.number == candidate.number; });
  Queue(candidate, {}, "");
  candidate.metrics = std::move(measured);
  candidate.cost = CostOf(candidate);
  candidate.worker = worker;
  candidate.measured_attempt = candidate.attempt;
  // A repeat may lie on the other side of the limit by chance.
  if (config_.measure_first && IsOverTargets(candidate.cost) && candidate.repeat_of == 0 && candidate.final_of == 0) {
    strategy_->Observe(candidate.architecture, Observation::TooDear(candidate.cost));
    Finished(candidate, CandidateState::kSkipped, now.unix_ms);
  }
  return {};
}

bool Search::Reuse(std::uint64_t number, const Metrics& metrics, std::string from, UnixMillis now) {
  if (!WhatIsInvalid(config_, metrics, TaskKind::kEvaluate).empty()) return false;
  Candidate& candidate = candidates_[number - 1];
  --candidate.attempt;
  candidate.worker.clear();
  candidate.started = 0;
  candidate.reused_from = std::move(from);
  Succeed(candidate, metrics, now);
  return true;
}

double Search::CostOf(const Candidate& candidate) const {
  return config_.space.CostIsPerLayer() ? config_.space.Cost(candidate.architecture)
                                        : *candidate.metrics.Find(config_.cost_metric);
}

void Search::Succeed(Candidate& candidate, const Metrics& metrics, UnixMillis now) {
  candidate.metrics = metrics;
  candidate.metrics.ShareNames(latest_metrics_);
  latest_metrics_ = candidate.metrics;
  candidate.reward = *metrics.Find(config_.reward_metric);
  candidate.cost = CostOf(candidate);
  Finished(candidate, CandidateState::kSucceeded, now);
}

CompletionVerdict Search::Fail(std::uint64_t number, int attempt, const std::string& worker, FailureKind kind,
                               std::string message, Instant now) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr) return {CompletionVerdict::kRefused, "there is no such lease"};
  // It was measured meanwhile.
  if (attempt <= candidate->measured_attempt) return {};
  const bool known =
      std::any_of(candidate->failures.begin(), candidate->failures.end(), [&](const AttemptFailure& one) {
        return one.attempt == attempt && (one.kind == kind || kind != FailureKind::kInfeasible);
      });
  if (known) return {};
  if (core::IsFinal(candidate->state)) {
    return {CompletionVerdict::kRefused, WhyRefused(candidate->state)};
  }
  // A superseded or released attempt that failed after all changes nothing: its successor is on the way or queued.
  const bool current = attempt == candidate->attempt && candidate->state == CandidateState::kLeased;
  if (kind != FailureKind::kInfeasible && !current) return {};
  AttemptFailed(*candidate, {attempt, kind, worker, std::move(message), now.unix_ms}, now);
  return {};
}

void Search::Release(std::uint64_t number, int attempt) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr || candidate->attempt != attempt || candidate->state != CandidateState::kLeased) return;
  Queue(*candidate, {}, "");
}

void Search::Expire(std::uint64_t number, int attempt, Instant now, std::string why) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr || candidate->attempt != attempt || candidate->state != CandidateState::kLeased) return;
  AttemptFailed(*candidate, {attempt, FailureKind::kWorkerLost, candidate->worker, std::move(why), now.unix_ms}, now);
}

bool Search::Renew(std::uint64_t number, int attempt, const std::string& worker) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr || core::IsFinal(candidate->state) || attempt <= candidate->measured_attempt) return false;
  // A superseded attempt goes on: whichever result comes first is taken.
  if (candidate->state == CandidateState::kLeased || candidate->attempt != attempt) return true;
  // Nobody is at work on an attempt that failed or was released.
  const bool ran_out = !candidate->failures.empty() && candidate->failures.back().attempt == attempt &&
                       candidate->failures.back().kind == FailureKind::kWorkerLost;
  if (!ran_out) return false;
  if (candidate->worker == worker && state_ == SearchState::kRunning) {
    std::erase_if(queue_, [&](const Waiting& one) { return one.number == number; });
    candidate->failures.pop_back();
    SetState(*candidate, CandidateState::kLeased);
  }
  return true;
}

bool Search::NoteProgress(std::uint64_t number, int attempt, CurvePoint point, int epochs, UnixMillis now) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr || candidate->attempt != attempt || candidate->state != CandidateState::kLeased) return true;
  if (!candidate->curve.empty() && candidate->curve.back().epoch >= point.epoch) return true;
  candidate->curve.push_back(point);
  // A repeat and a training in full are to tell what the architecture is worth.
  if (KindOf(*candidate) == TaskKind::kMeasure || candidate->repeat_of != 0 || candidate->final_of != 0) return true;
  // Nothing is saved any more.
  if (epochs > 0 && point.epoch >= epochs) return true;
  if (!IsMeasuredApart() && !config_.space.CostIsPerLayer()) return true;
  const double cost = CostOf(*candidate);
  const std::optional<double> expected = median_rule_.Judge(cost, candidate->curve);
  if (!expected) return true;
  candidate->reward = *expected;
  candidate->cost = cost;
  Finished(*candidate, CandidateState::kStopped, now);
  return false;
}

absl::Status Search::Pause() {
  if (state_ != SearchState::kRunning) return absl::FailedPreconditionError("only a running search can be paused");
  state_ = SearchState::kPaused;
  changes_.search = true;
  return absl::OkStatus();
}

absl::Status Search::Resume() {
  if (state_ != SearchState::kPaused) return absl::FailedPreconditionError("only a paused search can be resumed");
  state_ = SearchState::kRunning;
  changes_.search = true;
  return absl::OkStatus();
}

absl::Status Search::Cancel(UnixMillis now) {
  if (core::IsFinal(state_)) return absl::FailedPreconditionError("the search has ended already");
  End(SearchState::kCancelled, "cancelled", now);
  return absl::OkStatus();
}

absl::Status Search::Share(const Sharing& sharing) {
  if (core::IsFinal(state_)) return absl::FailedPreconditionError("the search has ended already");
  changes_.search = changes_.search || !(sharing == sharing_);
  sharing_ = sharing;
  return absl::OkStatus();
}

void Search::CheckTime(UnixMillis now, Millis clock_set) {
  if (core::IsFinal(state_) || config_.duration.count() == 0 || first_final_ != 0) return;
  if (Millis{now - created_} - clock_set < config_.duration) return;
  const bool has_finals = config_.finals.per_target > 0 && CountOf(CandidateState::kSucceeded) > 0;
  if (state_ == SearchState::kPaused && !has_finals) {
    // Nothing may be handed out to end it by itself.
    End(CountOf(CandidateState::kSucceeded) > 0 ? SearchState::kSucceeded : SearchState::kFailed,
        "its time was up while it was paused", now);
    return;
  }
  time_is_up_ = true;
  // What is under way is finished; what waits is not begun any more.
  while (!queue_.empty()) Finished(candidates_[queue_.front().number - 1], CandidateState::kSkipped, now);
  EndIfOver(now);
}

const Candidate* Search::candidate(std::uint64_t number) const {
  return number >= 1 && number <= candidates_.size() ? &candidates_[number - 1] : nullptr;
}

std::vector<BestWithinTarget> Search::BestPerTarget() const {
  std::vector<BestWithinTarget> best;
  best.reserve(config_.targets.size());
  for (const double target : config_.targets) {
    const auto point = frontier().BestWithin(target);
    best.push_back({target, point ? point->second.candidate : 0});
  }
  return best;
}

std::uint64_t Search::NumberOf(const Architecture& architecture) const {
  const std::uint64_t number = architectures_.Find(architecture);
  if (number == 0) return 0;
  const Candidate& found = candidates_[number - 1];
  return found.repeat_of != 0 ? found.repeat_of : found.final_of != 0 ? found.final_of : number;
}

Changes Search::TakeChanges() {
  for (const std::uint64_t number : changes_.candidates) dirty_[number - 1] = false;
  Changes taken = std::exchange(changes_, {});
  changes_.new_tables_from = final_tables().size();
  return taken;
}

void Search::SetState(Candidate& candidate, CandidateState state) {
  --counts_[static_cast<std::size_t>(candidate.state)];
  ++counts_[static_cast<std::size_t>(state)];
  if (KindOf(candidate) == TaskKind::kMeasure) {
    if (candidate.state == CandidateState::kLeased) --being_measured_;
    if (state == CandidateState::kLeased) ++being_measured_;
  }
  candidate.state = state;
  // No lease asks for it again.
  if (core::IsFinal(state)) candidate.request_id = std::string();
  MarkDirty(candidate);
}

void Search::Queue(Candidate& candidate, SteadyTime not_before, std::string avoid_worker) {
  SetState(candidate, CandidateState::kQueued);
  queue_.push_back({candidate.number, not_before, std::move(avoid_worker)});
}

void Search::Finished(Candidate& candidate, CandidateState state, UnixMillis now) {
  if (candidate.state == CandidateState::kQueued) {
    // A late result of a lease that had run out.
    std::erase_if(queue_, [&](const Waiting& one) { return one.number == candidate.number; });
  }
  candidate.ended = now;
  SetState(candidate, state);
  // What is skipped leaves its stage unfinished: a table that lacks it isn't final.
  if (candidate.final_of != 0) {
    changes_.search = true;
  } else if (state != CandidateState::kSkipped) {
    const std::optional<Outcome> outcome = OutcomeOf(candidate);
    if (candidate.repeat_of != 0) {
      standings_.EndRepeat(candidate.repeat_of, candidate.number, outcome);
    } else {
      if (state == CandidateState::kSucceeded) standings_.Add(candidate.number, *outcome);
      NoteCurve(candidate);
      strategy_->Observe(candidate.architecture, outcome                                ? Observation::Result(*outcome)
                                                 : state == CandidateState::kInfeasible ? Observation::Infeasible()
                                                                                        : Observation::Unknown());
    }
  }
  NoteStandings();
  EndIfOver(now);
}

void Search::AttemptFailed(Candidate& candidate, AttemptFailure failure, Instant now) {
  CountFailure(failure);
  const FailureKind kind = failure.kind;
  candidate.failures.push_back(std::move(failure));
  if (kind == FailureKind::kInfeasible) {
    Finished(candidate, CandidateState::kInfeasible, now.unix_ms);
  } else if (FailuresOfTask(candidate) >= config_.attempts) {
    Finished(candidate, IsPoison(candidate) ? CandidateState::kInfeasible : CandidateState::kFailed, now.unix_ms);
  } else {
    const Millis backoff = kind == FailureKind::kWorkerLost ? Millis{0} : Backoff(candidate.failures.size());
    Queue(candidate, now.steady + backoff, candidate.worker);
  }
  if (!core::IsFinal(state_) && CountOf(CandidateState::kSucceeded) == 0 &&
      failed_attempts_ >= config_.initial_failures) {
    End(SearchState::kFailed,
        absl::StrCat("no evaluation has succeeded in ", failed_attempts_, " attempts; ", CommonestFailure()),
        now.unix_ms);
  }
}

int Search::FailuresOfTask(const Candidate& candidate) {
  return static_cast<int>(
      std::count_if(candidate.failures.begin(), candidate.failures.end(),
                    [&](const AttemptFailure& failure) { return failure.attempt > candidate.measured_attempt; }));
}

bool Search::IsPoison(const Candidate& candidate) {
  return std::any_of(candidate.failures.begin(), candidate.failures.end(), [&](const AttemptFailure& failure) {
    return failure.attempt > candidate.measured_attempt && failure.worker != candidate.failures.back().worker;
  });
}

void Search::CountFailure(const AttemptFailure& failure) {
  // A lost worker says nothing about the search.
  if (failure.kind == FailureKind::kWorkerLost) return;
  ++failed_attempts_;
  ++failure_messages_[failure.message];
}

void Search::End(SearchState state, std::string reason, UnixMillis now) {
  state_ = state;
  state_reason_ = std::move(reason);
  ended_ = now;
  changes_.search = true;
  queue_.clear();
  for (Candidate& candidate : candidates_) {
    if (core::IsFinal(candidate.state)) continue;
    candidate.ended = now;
    SetState(candidate, CandidateState::kSkipped);
  }
}

void Search::MarkDirty(Candidate& candidate) {
  if (dirty_[candidate.number - 1]) return;
  dirty_[candidate.number - 1] = true;
  changes_.candidates.push_back(candidate.number);
}

void Search::NoteStandings() {
  std::vector<std::uint64_t> best;
  best.reserve(config_.targets.size());
  for (const BestWithinTarget& one : BestPerTarget()) best.push_back(one.candidate);
  if (position() == noted_position_ && best == noted_best_) return;
  noted_position_ = position();
  noted_best_ = std::move(best);
  changes_.search = true;
}

std::optional<Outcome> Search::OutcomeOf(const Candidate& candidate) const {
  if (candidate.state != CandidateState::kSucceeded && candidate.state != CandidateState::kStopped) return std::nullopt;
  return Outcome{candidate.reward, candidate.cost};
}

void Search::NoteCurve(const Candidate& candidate) {
  if (candidate.state == CandidateState::kSucceeded) {
    median_rule_.Add(candidate.number, candidate.cost, candidate.curve, candidate.reward);
  } else if (candidate.state == CandidateState::kStopped) {
    median_rule_.Add(candidate.number, candidate.cost, candidate.curve, std::nullopt);
  }
}

}  // namespace layernas::core
