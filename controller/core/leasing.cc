#include "controller/core/leasing.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace layernas::core {
namespace {

// Candidates that may be measured ahead of any training.
constexpr std::size_t kMinAhead = 4;
// Maximum twins proposed per lease; this bounds its time.
constexpr int kMaxTwins = 64;

}  // namespace

std::size_t Leasing::Ready(TaskKind kind) const {
  if (kind == TaskKind::kTrain) return std::min(parts_.queue.size(kind), FreePlaces());
  const std::size_t places = std::min(FreePlaces(), PlacesAhead());
  if (parts_.queue.size(kind) >= places) return places;
  return std::min(parts_.queue.size(kind) + parts_.phase.next().count, places);
}

const Candidate* Leasing::Lease(const std::string& worker, const std::string& request_id, Instant now, TaskKind kind,
                                Others others) {
  has_more_twins_ = false;
  if (FreePlaces() == 0) return nullptr;
  if (kind == TaskKind::kMeasure && PlacesAhead() == 0) return nullptr;
  Candidate* chosen = nullptr;
  if (const auto waiting = parts_.queue.Find(kind, worker, others, now.steady)) {
    chosen = &parts_.candidates[*waiting];
    parts_.queue.Remove(*waiting);
  } else if (kind != TaskKind::kTrain) {
    chosen = BeginTraining(now.unix_ms);
  }
  if (chosen == nullptr) return nullptr;
  ++chosen->attempt;
  chosen->worker = worker;
  chosen->request_id = request_id;
  chosen->started = now.unix_ms;
  chosen->curve.clear();
  parts_.candidates.SetState(*chosen, CandidateState::kLeased);
  if (parts_.phase.started() == 0) {
    parts_.phase.Started(now.unix_ms);
    parts_.is_changed = true;
  }
  return chosen;
}

Candidate* Leasing::BeginTraining(UnixMillis now) {
  for (int i = 0; i < kMaxTwins; ++i) {
    Candidate* begun = Begin(now);
    if (begun == nullptr || begun->twin_of == 0) return begun;
    reporting_.Follow(*begun, now);
  }
  has_more_twins_ = true;
  return nullptr;
}

Candidate* Leasing::Begin(UnixMillis now) {
  const Next next = parts_.phase.next();
  Architecture architecture;
  Position position;
  if (next.what == Next::What::kNothing) return nullptr;
  if (next.what == Next::What::kProposal) {
    std::optional<Proposal> proposal = parts_.strategy->Propose();
    if (!proposal) return nullptr;
    architecture = std::move(proposal->architecture);
    position = proposal->position;
  } else {
    const Candidate& first = parts_.candidates[next.candidate];
    architecture = first.architecture;
    position = first.position;
  }
  Candidate& begun = parts_.candidates.Create(std::move(architecture), position, now);
  if (next.what == Next::What::kFinal) {
    begun.final_of = next.candidate;
    begun.final_seed = next.seed;
  } else if (next.what == Next::What::kRepeat) {
    begun.repeat_of = next.candidate;
    begun.repeat = parts_.standings.RepeatsOf(next.candidate) + 1;
    parts_.standings.BeginRepeat(next.candidate);
  } else if (const std::uint64_t first = parts_.twins.Meet(begun); first != 0) {
    if (parts_.IsFollowed(parts_.candidates[first])) {
      begun.twin_of = first;
    } else {
      parts_.twins.Lead(begun);
    }
  }
  parts_.phase.Began(begun);
  return &begun;
}

bool Leasing::AwaitsWork(TaskKind kind) const {
  // Candidates that are trained after their measurement were proposed earlier.
  if (kind == TaskKind::kTrain || FreePlaces() == 0) return false;
  if (kind == TaskKind::kMeasure && PlacesAhead() == 0) return false;
  return parts_.phase.next().what == Next::What::kProposal &&
         parts_.strategy->supply().when == Supply::When::kAfterWork;
}

std::unique_ptr<BackgroundWork> Leasing::StartWork(std::size_t wanted) {
  const Next next = parts_.phase.next();
  if (next.what != Next::What::kProposal) return nullptr;
  return parts_.strategy->StartWork(std::min(wanted, next.count));
}

std::size_t Leasing::FreePlaces() const {
  const auto max = static_cast<std::size_t>(parts_.sharing.max_running);
  if (max == 0) return std::numeric_limits<std::size_t>::max();
  return max - std::min(max, parts_.candidates.Leased());
}

std::size_t Leasing::PlacesAhead() const {
  if (!parts_.IsMeasuredApart()) return std::numeric_limits<std::size_t>::max();
  // As many as are being trained, because these may all end at once. More would be worse: a
  // proposal that waits for long was made with fewer results.
  const std::size_t max = std::max(kMinAhead, parts_.candidates.Leased(TaskKind::kTrain));
  return max - std::min(max, parts_.candidates.Leased(TaskKind::kMeasure) + parts_.queue.size(TaskKind::kTrain));
}

}  // namespace layernas::core
