#include "controller/core/candidate_book.h"

#include <utility>

namespace layernas::core {

CandidateBook::CandidateBook(std::size_t layers, bool measured_apart, std::deque<Candidate> stored)
    : measured_apart_(measured_apart),
      candidates_(std::move(stored)),
      architectures_(layers),
      is_dirty_(candidates_.size()) {
  for (const Candidate& candidate : candidates_) {
    architectures_.Add(candidate.architecture);
    ++counts_[static_cast<std::size_t>(candidate.state)];
    if (candidate.state == CandidateState::kLeased && KindOf(candidate) == TaskKind::kMeasure) ++being_measured_;
  }
}

Candidate& CandidateBook::Create(Architecture architecture, Position position, UnixMillis now) {
  Candidate& created = candidates_.emplace_back();
  is_dirty_.push_back(false);
  created.number = candidates_.size();
  created.architecture = std::move(architecture);
  created.position = position;
  created.created = now;
  ++counts_[static_cast<std::size_t>(created.state)];
  architectures_.Add(created.architecture);
  return created;
}

const Candidate* CandidateBook::Find(std::uint64_t number) const {
  return number >= 1 && number <= candidates_.size() ? &candidates_[number - 1] : nullptr;
}

Candidate* CandidateBook::Find(std::uint64_t number) {
  return number >= 1 && number <= candidates_.size() ? &candidates_[number - 1] : nullptr;
}

TaskKind CandidateBook::KindOf(const Candidate& candidate) const {
  if (!measured_apart_) return TaskKind::kEvaluate;
  return candidate.measured_attempt == 0 ? TaskKind::kMeasure : TaskKind::kTrain;
}

void CandidateBook::SetState(Candidate& candidate, CandidateState state) {
  --counts_[static_cast<std::size_t>(candidate.state)];
  ++counts_[static_cast<std::size_t>(state)];
  if (KindOf(candidate) == TaskKind::kMeasure) {
    if (candidate.state == CandidateState::kLeased) --being_measured_;
    if (state == CandidateState::kLeased) ++being_measured_;
  }
  candidate.state = state;
  // No lease asks for it again.
  if (IsFinal(state)) candidate.request_id = std::string();
  MarkDirty(candidate);
}

std::size_t CandidateBook::Leased(TaskKind kind) const {
  if (!measured_apart_) return kind == TaskKind::kEvaluate ? Leased() : 0;
  if (kind == TaskKind::kEvaluate) return 0;
  return kind == TaskKind::kMeasure ? being_measured_ : Leased() - being_measured_;
}

std::uint64_t CandidateBook::NumberOf(const Architecture& architecture) const {
  const std::uint64_t number = architectures_.Find(architecture);
  if (number == 0) return 0;
  const Candidate& found = candidates_[number - 1];
  return found.repeat_of != 0 ? found.repeat_of : found.final_of != 0 ? found.final_of : number;
}

void CandidateBook::MarkDirty(const Candidate& candidate) {
  if (is_dirty_[candidate.number - 1]) return;
  is_dirty_[candidate.number - 1] = true;
  dirty_.push_back(candidate.number);
}

std::vector<std::uint64_t> CandidateBook::TakeDirty() {
  for (const std::uint64_t number : dirty_) is_dirty_[number - 1] = false;
  return std::exchange(dirty_, {});
}

}  // namespace layernas::core
