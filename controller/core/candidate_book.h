// All candidates of a search, what they are counted as, and which of them have to be written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "common/base/clock.h"
#include "controller/core/architecture_index.h"
#include "controller/core/candidate.h"

namespace layernas::core {

// Numbers are 1 … n without gaps. Not thread-safe.
class CandidateBook {
 public:
  // `layers`: of the space. `measured_apart`: candidates have a task to measure them, and then one to train them.
  // `stored`: as a restart finds them.
  CandidateBook(std::size_t layers, bool measured_apart, std::deque<Candidate> stored = {});

  // A new one, kQueued. Stays where it is.
  Candidate& Create(Architecture architecture, Position position, UnixMillis now);
  // Null if there is none of that number.
  const Candidate* Find(std::uint64_t number) const;
  Candidate* Find(std::uint64_t number);
  const Candidate& operator[](std::uint64_t number) const { return candidates_[number - 1]; }
  Candidate& operator[](std::uint64_t number) { return candidates_[number - 1]; }
  const std::deque<Candidate>& all() const { return candidates_; }
  std::size_t size() const { return candidates_.size(); }

  // What the candidate's current lease asks for, or its next.
  TaskKind KindOf(const Candidate& candidate) const;
  // Every change of a state goes through here. Marks the candidate to be written.
  void SetState(Candidate& candidate, CandidateState state);
  std::size_t CountOf(CandidateState state) const { return counts_[static_cast<std::size_t>(state)]; }
  // How many are leased for such a task.
  std::size_t Leased(TaskKind kind) const;
  std::size_t Leased() const { return CountOf(CandidateState::kLeased); }

  // The number of the first candidate with this architecture; 0 if there is none.
  std::uint64_t NumberOf(const Architecture& architecture) const;

  void MarkDirty(const Candidate& candidate);
  // Those marked since the last call, each once, in the order of their first change.
  std::vector<std::uint64_t> TakeDirty();

 private:
  const bool measured_apart_;
  // By number - 1. A deque, since there may be a million: growing moves nothing.
  std::deque<Candidate> candidates_;
  // Numbered as the candidates.
  ArchitectureIndex architectures_;
  std::array<std::size_t, 8> counts_{};
  // Of those leased.
  std::size_t being_measured_ = 0;
  std::vector<bool> is_dirty_;
  std::vector<std::uint64_t> dirty_;
};

}  // namespace layernas::core
