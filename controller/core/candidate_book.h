// All candidates of a search, their counts by state, and the ones that must be written.
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

// Candidates are numbered 1 … n without gaps. Not thread-safe.
class CandidateBook {
 public:
  // `layers` is the number of layers of the space. If `measured_apart`, candidates have a task to
  // measure them and then a task to train them. `stored` are the candidates of a restarted search.
  CandidateBook(std::size_t layers, bool measured_apart, std::deque<Candidate> stored = {});

  // Creates a candidate in kQueued. The reference stays valid.
  Candidate& Create(Architecture architecture, Position position, UnixMillis now);
  // Returns null if there is no candidate with this number.
  const Candidate* Find(std::uint64_t number) const;
  Candidate* Find(std::uint64_t number);
  const Candidate& operator[](std::uint64_t number) const { return candidates_[number - 1]; }
  Candidate& operator[](std::uint64_t number) { return candidates_[number - 1]; }
  const std::deque<Candidate>& all() const { return candidates_; }
  std::size_t size() const { return candidates_.size(); }

  // Returns what the candidate's current or next lease asks for.
  TaskKind KindOf(const Candidate& candidate) const;
  // Changes the state and marks the candidate to be written. All changes of states go through this
  // function.
  void SetState(Candidate& candidate, CandidateState state);
  std::size_t CountOf(CandidateState state) const { return counts_[static_cast<std::size_t>(state)]; }
  // Returns how many candidates are leased for such a task.
  std::size_t Leased(TaskKind kind) const;
  std::size_t Leased() const { return CountOf(CandidateState::kLeased); }

  // Returns the number of the first candidate with this architecture, or 0 if there is none.
  std::uint64_t NumberOf(const Architecture& architecture) const;

  void MarkDirty(const Candidate& candidate);
  // Returns the candidates marked since the last call, each once, in the order of their first
  // change.
  std::vector<std::uint64_t> TakeDirty();

 private:
  const bool measured_apart_;
  // Indexed by number - 1. A deque, because there may be a million candidates and growing must not
  // move them.
  std::deque<Candidate> candidates_;
  // Uses the numbers of the candidates.
  ArchitectureIndex architectures_;
  std::array<std::size_t, 8> counts_{};
  // Leased candidates that are being measured.
  std::size_t being_measured_ = 0;
  std::vector<bool> is_dirty_;
  std::vector<std::uint64_t> dirty_;
};

}  // namespace layernas::core
