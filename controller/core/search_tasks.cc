// What a search hands out.
#include <algorithm>
#include <limits>

#include "controller/core/search.h"

namespace layernas::core {
namespace {

// How long a candidate is kept for other workers after its attempt failed on one.
constexpr Millis kElsewhereFirst{5'000};
// Candidates that may be measured ahead of any training.
constexpr std::size_t kLeastAhead = 4;

}  // namespace

std::unique_ptr<BackgroundWork> Search::StartWork(std::size_t wanted) {
  if (state_ != SearchState::kRunning || !MayPropose()) return nullptr;
  if (config_.trainings > 0) wanted = std::min<std::size_t>(wanted, Remaining());
  return strategy_->StartWork(wanted);
}

std::span<const TaskKind> Search::kinds() const {
  static constexpr TaskKind kWhole[] = {TaskKind::kEvaluate};
  // What is measured is trained before more is measured, where a worker may do both.
  static constexpr TaskKind kApart[] = {TaskKind::kTrain, TaskKind::kMeasure};
  if (IsMeasuredApart()) return kApart;
  return kWhole;
}

const std::map<std::string, std::string>& Search::RequireOf(TaskKind kind) const {
  return kind == TaskKind::kMeasure ? *config_.measure_on : config_.require;
}

TaskKind Search::KindOf(const Candidate& candidate) const {
  if (!IsMeasuredApart()) return TaskKind::kEvaluate;
  return candidate.measured_attempt == 0 ? TaskKind::kMeasure : TaskKind::kTrain;
}

std::size_t Search::Ready() const {
  std::size_t ready = 0;
  for (const TaskKind kind : kinds()) ready += Ready(kind);
  return ready;
}

std::size_t Search::Leased(TaskKind kind) const {
  const std::size_t leased = CountOf(CandidateState::kLeased);
  if (!IsMeasuredApart()) return leased;
  return kind == TaskKind::kMeasure ? being_measured_ : leased - being_measured_;
}

std::size_t Search::Ready(TaskKind kind) const {
  if (state_ != SearchState::kRunning) return 0;
  if (kind == TaskKind::kTrain) return std::min(Queued(kind), FreePlaces());
  std::size_t proposals = 0;
  if (SearchingIsOver()) {
    proposals = static_cast<std::size_t>(FinalsLeft());
    return std::min({Queued(kind) + proposals, FreePlaces(), PlacesAhead()});
  }
  if (NextRepeat()) {
    proposals = config_.finalists.repeats - standings_.repeats_begun();
  } else if (MayPropose()) {
    proposals = strategy_->supply().count;
  }
  if (config_.trainings > 0) proposals = std::min<std::size_t>(proposals, Remaining());
  return std::min({Queued(kind) + proposals, FreePlaces(), PlacesAhead()});
}

std::size_t Search::Queued(TaskKind kind) const {
  if (!IsMeasuredApart()) return queue_.size();
  return static_cast<std::size_t>(std::count_if(queue_.begin(), queue_.end(), [&](const Waiting& waiting) {
    return KindOf(candidates_[waiting.number - 1]) == kind;
  }));
}

std::size_t Search::PlacesAhead() const {
  if (!IsMeasuredApart()) return std::numeric_limits<std::size_t>::max();
  // As many as are being trained, for these may all end at once; but a proposal that waits for long was made with less
  // than is known by then.
  const std::size_t most = std::max(kLeastAhead, Leased(TaskKind::kTrain));
  const std::size_t ahead = being_measured_ + Queued(TaskKind::kTrain);
  return most > ahead ? most - ahead : 0;
}

std::size_t Search::FreePlaces() const {
  const std::size_t leased = CountOf(CandidateState::kLeased);
  const auto most = static_cast<std::size_t>(sharing_.max_running);
  if (most == 0) return std::numeric_limits<std::size_t>::max();
  return most > leased ? most - leased : 0;
}

const Candidate* Search::Lease(const std::string& worker, const std::string& request_id, Instant now, TaskKind kind) {
  if (state_ != SearchState::kRunning || FreePlaces() == 0) return nullptr;
  if (kind == TaskKind::kMeasure && PlacesAhead() == 0) return nullptr;
  Candidate* chosen = nullptr;
  const auto waiting = std::find_if(queue_.begin(), queue_.end(), [&](const Waiting& one) {
    return KindOf(candidates_[one.number - 1]) == kind && one.not_before <= now.steady &&
           !AvoidsWorker(one, worker, now.steady);
  });
  if (waiting != queue_.end()) {
    chosen = &candidates_[waiting->number - 1];
    queue_.erase(waiting);
  } else if (kind == TaskKind::kTrain) {
    return nullptr;
  } else if (SearchingIsOver()) {
    BeginFinals();
    if (FinalsLeft() == 0) {
      EndIfOver(now.unix_ms);
      return nullptr;
    }
    // One seed of each before the next seed of any.
    const auto begun = static_cast<std::size_t>(FinalsBegun());
    const Candidate& winner = candidates_[winners_[begun % winners_.size()] - 1];
    chosen = &Create(winner.architecture, winner.position, now.unix_ms);
    chosen->final_of = winner.number;
    chosen->final_seed = static_cast<int>(begun / winners_.size()) + 1;
    if (first_final_ == 0) first_final_ = chosen->number;
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
  chosen->curve.clear();
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

bool Search::HoldsBack(const std::string& worker, Instant now, TaskKind kind) const {
  return state_ == SearchState::kRunning && std::any_of(queue_.begin(), queue_.end(), [&](const Waiting& one) {
           return KindOf(candidates_[one.number - 1]) == kind && one.not_before <= now.steady &&
                  AvoidsWorker(one, worker, now.steady);
         });
}

bool Search::AvoidsWorker(const Waiting& waiting, const std::string& worker, SteadyTime now) {
  return waiting.avoid_worker == worker && now < waiting.not_before + kElsewhereFirst;
}

}  // namespace layernas::core
