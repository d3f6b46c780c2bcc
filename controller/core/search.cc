#include "controller/core/search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace layernas::core {
namespace {

constexpr Millis kFirstBackoff{500};
constexpr Millis kLongestBackoff{30'000};
// How long a candidate is kept for other workers after its attempt failed on one.
constexpr Millis kElsewhereFirst{5'000};

Millis Backoff(std::size_t failures) {
  return std::min(kLongestBackoff, kFirstBackoff * (std::int64_t{1} << std::min<std::size_t>(failures - 1, 10)));
}

// Empty if the metrics are a valid result.
std::string WhatIsInvalid(const SearchConfig& config, const Metrics& metrics) {
  std::vector<std::string> required = {config.reward_metric};
  if (!config.space.CostIsPerLayer()) required.push_back(config.cost_metric);
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
  if (!config.space.CostIsPerLayer() && *metrics.Find(config.cost_metric) < 0) {
    return absl::StrCat("the cost ", config.cost_metric, " is negative: ", *metrics.Find(config.cost_metric));
  }
  return "";
}

std::string WhyRefused(CandidateState final_state) {
  switch (final_state) {
    case CandidateState::kFailed:
      return "the candidate was given up: all its attempts are used";
    case CandidateState::kInfeasible:
      return "the candidate was found infeasible";
    case CandidateState::kSkipped:
      return "its search has ended or its time is up";
    default:
      return "another result came first";
  }
}

}  // namespace

Search::Search(SearchConfig config, UnixMillis now)
    : config_(std::move(config)),
      strategy_(MakeStrategy()),
      sharing_(config_.sharing),
      created_(now),
      architectures_(config_.space.layers.size()),
      standings_(config_.finalists, config_.targets) {
  changes_.search = true;
}

Search::Search(SearchConfig config, SearchState state, std::string state_reason, UnixMillis created, UnixMillis ended,
               std::deque<Candidate> candidates)
    : config_(std::move(config)),
      strategy_(MakeStrategy()),
      sharing_(config_.sharing),
      state_(state),
      state_reason_(std::move(state_reason)),
      created_(created),
      ended_(ended),
      candidates_(std::move(candidates)),
      architectures_(config_.space.layers.size()),
      standings_(config_.finalists, config_.targets),
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
    // What was skipped was never told to the strategy.
    const bool finished = core::IsFinal(candidate.state) && candidate.state != CandidateState::kSkipped;
    if (candidate.repeat_of != 0) {
      standings_.BeginRepeat(candidate.repeat_of);
      if (finished) standings_.EndRepeat(candidate.repeat_of, candidate.number, outcome);
    } else {
      if (outcome) standings_.Add(candidate.number, *outcome);
      past.push_back({{candidate.architecture, candidate.position}, finished, outcome});
    }
    for (const AttemptFailure& failure : candidate.failures) CountFailure(failure);
    if (candidate.state == CandidateState::kQueued) queue_.push_back({candidate.number, {}, ""});
  }
  strategy_->Restore(past);
  NoteProgress();
  changes_ = {};
  changes_.new_tables_from = final_tables().size();
}

std::unique_ptr<Strategy> Search::MakeStrategy() const {
  struct Maker {
    const SearchConfig& config;
    std::unique_ptr<Strategy> operator()(const LayerNasOptions& options) const {
      return std::make_unique<LayerNasStrategy>(config.space, config.targets, options, config.seed);
    }
    std::unique_ptr<Strategy> operator()(const GuidedOptions&) const {
      return std::make_unique<GuidedStrategy>(config.space, config.targets, config.trainings, config.seed);
    }
    std::unique_ptr<Strategy> operator()(const RandomOptions&) const {
      return std::make_unique<RandomStrategy>(config.space, config.targets, config.seed);
    }
    std::unique_ptr<Strategy> operator()(const ExhaustiveOptions&) const {
      return std::make_unique<ExhaustiveStrategy>(config.space, config.targets);
    }
    std::unique_ptr<Strategy> operator()(const EvolutionOptions& options) const {
      return std::make_unique<EvolutionStrategy>(config.space, config.targets, options, config.seed);
    }
  };
  return std::visit(Maker{config_}, config_.strategy);
}

std::unique_ptr<BackgroundWork> Search::StartWork(std::size_t wanted) {
  if (state_ != SearchState::kRunning || !MayPropose()) return nullptr;
  if (config_.trainings > 0) wanted = std::min<std::size_t>(wanted, Remaining());
  return strategy_->StartWork(wanted);
}

std::size_t Search::Ready() const {
  if (state_ != SearchState::kRunning) return 0;
  std::size_t proposals = 0;
  if (NextRepeat()) {
    proposals = config_.finalists.repeats - standings_.repeats_begun();
  } else if (MayPropose()) {
    proposals = strategy_->Ready();
  }
  if (config_.trainings > 0) proposals = std::min<std::size_t>(proposals, Remaining());
  return std::min(queue_.size() + proposals, FreePlaces());
}

std::size_t Search::FreePlaces() const {
  const std::size_t leased = CountOf(CandidateState::kLeased);
  const auto most = static_cast<std::size_t>(sharing_.max_running);
  if (most == 0) return std::numeric_limits<std::size_t>::max();
  return most > leased ? most - leased : 0;
}

const Candidate* Search::Lease(const std::string& worker, const std::string& request_id, Instant now) {
  if (state_ != SearchState::kRunning || FreePlaces() == 0) return nullptr;
  Candidate* chosen = nullptr;
  const auto waiting = std::find_if(queue_.begin(), queue_.end(), [&](const Waiting& one) {
    return one.not_before <= now.steady && !AvoidsWorker(one, worker, now.steady);
  });
  if (waiting != queue_.end()) {
    chosen = &candidates_[waiting->number - 1];
    queue_.erase(waiting);
  } else if (const auto first = NextRepeat()) {
    const Candidate& repeated = candidates_[*first - 1];
    chosen = &Create(repeated.architecture, repeated.position, now.unix_ms);
    chosen->repeat_of = *first;
    chosen->repeat = standings_.RepeatsOf(*first) + 1;
    standings_.BeginRepeat(*first);
  } else {
    std::optional<Proposal> proposal;
    if (MayPropose()) proposal = strategy_->Propose();
    if (!proposal) {
      EndIfOver(now.unix_ms);
      return nullptr;
    }
    chosen = &Create(std::move(proposal->architecture), proposal->position, now.unix_ms);
  }
  ++chosen->attempt;
  chosen->worker = worker;
  chosen->request_id = request_id;
  chosen->started = now.unix_ms;
  SetState(*chosen, CandidateState::kLeased);
  return chosen;
}

Candidate& Search::Create(Architecture architecture, Position position, UnixMillis now) {
  Candidate& created = candidates_.emplace_back();
  dirty_.push_back(false);
  created.number = candidates_.size();
  created.architecture = std::move(architecture);
  created.position = position;
  created.created = now;
  ++counts_[static_cast<std::size_t>(created.state)];
  architectures_.Add(created.architecture);
  return created;
}

bool Search::HoldsBack(const std::string& worker, Instant now) const {
  return state_ == SearchState::kRunning && std::any_of(queue_.begin(), queue_.end(), [&](const Waiting& one) {
           return one.not_before <= now.steady && AvoidsWorker(one, worker, now.steady);
         });
}

bool Search::AvoidsWorker(const Waiting& waiting, const std::string& worker, SteadyTime now) {
  return waiting.avoid_worker == worker && now < waiting.not_before + kElsewhereFirst;
}

Candidate* Search::Granted(std::uint64_t number, int attempt) {
  if (number == 0 || number > candidates_.size()) return nullptr;
  Candidate& candidate = candidates_[number - 1];
  return attempt >= 1 && attempt <= candidate.attempt ? &candidate : nullptr;
}

CompletionVerdict Search::Complete(std::uint64_t number, int attempt, const std::string& worker, const Metrics& metrics,
                                   Instant now) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr) return {CompletionVerdict::kRefused, "there is no such lease"};
  if (core::IsFinal(candidate->state)) {
    if (candidate->state == CandidateState::kSucceeded && candidate->result_attempt == attempt &&
        candidate->metrics == metrics) {
      return {};
    }
    return {CompletionVerdict::kRefused, WhyRefused(candidate->state)};
  }
  if (std::string invalid = WhatIsInvalid(config_, metrics); !invalid.empty()) {
    // Training diverged: that is a result, and no attempt would change it.
    const std::optional<double> reward = metrics.Find(config_.reward_metric);
    const bool diverged = reward && !std::isfinite(*reward);
    Fail(number, attempt, worker, diverged ? FailureKind::kInfeasible : FailureKind::kEvaluator, invalid, now);
    return {CompletionVerdict::kInvalid, std::move(invalid)};
  }
  candidate->result_attempt = attempt;
  candidate->worker = worker;
  Succeed(*candidate, metrics, now.unix_ms);
  return {};
}

bool Search::Reuse(std::uint64_t number, const Metrics& metrics, std::string from, UnixMillis now) {
  if (!WhatIsInvalid(config_, metrics).empty()) return false;
  Candidate& candidate = candidates_[number - 1];
  --candidate.attempt;
  candidate.worker.clear();
  candidate.started = 0;
  candidate.reused_from = std::move(from);
  Succeed(candidate, metrics, now);
  return true;
}

void Search::Succeed(Candidate& candidate, const Metrics& metrics, UnixMillis now) {
  candidate.metrics = metrics;
  candidate.metrics.ShareNames(latest_metrics_);
  latest_metrics_ = candidate.metrics;
  candidate.reward = *metrics.Find(config_.reward_metric);
  candidate.cost =
      config_.space.CostIsPerLayer() ? config_.space.Cost(candidate.architecture) : *metrics.Find(config_.cost_metric);
  Finished(candidate, CandidateState::kSucceeded, now);
}

CompletionVerdict Search::Fail(std::uint64_t number, int attempt, const std::string& worker, FailureKind kind,
                               std::string message, Instant now) {
  Candidate* candidate = Granted(number, attempt);
  if (candidate == nullptr) return {CompletionVerdict::kRefused, "there is no such lease"};
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
  if (candidate == nullptr || core::IsFinal(candidate->state)) return false;
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
  if (core::IsFinal(state_) || config_.duration.count() == 0) return;
  if (Millis{now - created_} - clock_set < config_.duration) return;
  if (state_ == SearchState::kPaused) {
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
  return number != 0 && candidates_[number - 1].repeat_of != 0 ? candidates_[number - 1].repeat_of : number;
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
  if (state != CandidateState::kSkipped) {
    const std::optional<Outcome> outcome = OutcomeOf(candidate);
    if (candidate.repeat_of != 0) {
      standings_.EndRepeat(candidate.repeat_of, candidate.number, outcome);
    } else {
      if (outcome) standings_.Add(candidate.number, *outcome);
      strategy_->Observe(candidate.architecture, outcome);
    }
  }
  NoteProgress();
  EndIfOver(now);
}

void Search::AttemptFailed(Candidate& candidate, AttemptFailure failure, Instant now) {
  CountFailure(failure);
  const FailureKind kind = failure.kind;
  candidate.failures.push_back(std::move(failure));
  if (kind == FailureKind::kInfeasible) {
    Finished(candidate, CandidateState::kInfeasible, now.unix_ms);
  } else if (static_cast<int>(candidate.failures.size()) >= config_.attempts) {
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

bool Search::IsPoison(const Candidate& candidate) {
  return std::any_of(candidate.failures.begin(), candidate.failures.end(), [&](const AttemptFailure& failure) {
    return failure.worker != candidate.failures.front().worker;
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

void Search::EndIfOver(UnixMillis now) {
  if (core::IsFinal(state_)) return;
  if (CountOf(CandidateState::kLeased) > 0 || !queue_.empty()) return;
  const bool nothing_left = !NextRepeat() && (strategy_->Done() || !MayPropose());
  if (!nothing_left && !BudgetUsed()) return;
  if (CountOf(CandidateState::kSucceeded) == 0) {
    End(SearchState::kFailed, absl::StrCat("no evaluation has succeeded; ", CommonestFailure()), now);
  } else if (strategy_->Done()) {
    End(SearchState::kSucceeded, "the strategy has nothing left to try", now);
  } else if (time_is_up_) {
    End(SearchState::kSucceeded, "its time is up", now);
  } else if (BudgetUsed()) {
    End(SearchState::kSucceeded, absl::StrCat("its budget of ", config_.trainings, " trainings is used"), now);
  } else {
    // Whatever else is tried could not be repeated any more.
    End(SearchState::kSucceeded,
        absl::StrCat("its finalists are settled; ", Remaining(), " of ", config_.trainings, " trainings are left"),
        now);
  }
}

std::int64_t Search::Remaining() const { return config_.trainings - static_cast<std::int64_t>(candidates_.size()); }

bool Search::BudgetUsed() const { return time_is_up_ || (config_.trainings > 0 && Remaining() <= 0); }

bool Search::InFinals() const {
  if (config_.finalists.trainings <= 1 || BudgetUsed()) return false;
  const std::int64_t repeats = config_.finalists.repeats - standings_.repeats_begun();
  return strategy_->Done() || (config_.trainings > 0 && Remaining() <= repeats);
}

std::optional<std::uint64_t> Search::NextRepeat() const { return InFinals() ? standings_.NextRepeat() : std::nullopt; }

bool Search::MayPropose() const {
  if (BudgetUsed()) return false;
  if (!InFinals()) return true;
  // What can't be repeated should it look best is not begun any more.
  return !standings_.NextRepeat() && (config_.trainings == 0 || Remaining() >= config_.finalists.trainings);
}

std::string Search::CommonestFailure() const {
  const auto commonest = std::max_element(failure_messages_.begin(), failure_messages_.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
  if (commonest == failure_messages_.end()) return "nothing was evaluated";
  return absl::StrCat("the commonest failure (", commonest->second, " times): ", commonest->first);
}

void Search::MarkDirty(Candidate& candidate) {
  if (dirty_[candidate.number - 1]) return;
  dirty_[candidate.number - 1] = true;
  changes_.candidates.push_back(candidate.number);
}

void Search::NoteProgress() {
  std::vector<std::uint64_t> best;
  best.reserve(config_.targets.size());
  for (const BestWithinTarget& one : BestPerTarget()) best.push_back(one.candidate);
  if (position() == noted_position_ && best == noted_best_) return;
  noted_position_ = position();
  noted_best_ = std::move(best);
  changes_.search = true;
}

std::optional<Outcome> Search::OutcomeOf(const Candidate& candidate) const {
  if (candidate.state != CandidateState::kSucceeded) return std::nullopt;
  return Outcome{candidate.reward, candidate.cost};
}

}  // namespace layernas::core
